/* Edit distance, for "did you mean". */
#include <criterion/criterion.h>

#include "base/nearest.h"

static unsigned d(const char *a, const char *b) {
    return beamc__edit_distance(beamc_str(a), beamc_str(b));
}

Test(nearest, distances) {
    cr_assert_eq(d("", ""), 0);
    cr_assert_eq(d("abc", ""), 3);
    cr_assert_eq(d("", "abc"), 3);
    cr_assert_eq(d("input", "input"), 0);
    cr_assert_eq(d("inptu", "input"), 1, "a swap is one step");
    cr_assert_eq(d("iput", "input"), 1);
    cr_assert_eq(d("inputs", "input"), 1);
    cr_assert_eq(d("kitten", "sitting"), 3);
    cr_assert_eq(d("Job-Endpoint", "job_endpoint"), 0, "case and dashes do not count");
}

Test(nearest, long_names_are_cut) {
    char a[500];
    char b[500];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    cr_assert_eq(beamc__edit_distance(beamc_slice_of(a, sizeof a), beamc_slice_of(b, sizeof b)),
                 63);
}

Test(nearest, a_guess_needs_likeness) {
    cr_assert(beamc_edit_is_near(1, 3));
    cr_assert(!beamc_edit_is_near(2, 3));
    cr_assert(beamc_edit_is_near(2, 8));
    cr_assert(!beamc_edit_is_near(5, 8));
}
