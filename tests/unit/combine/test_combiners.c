/* The standard combiners, called as the engine calls them. Those tested here use no context. */
#include <criterion/criterion.h>

#include <math.h>

#include <beamc/combine.h>

/* Adds each number to one of two accumulators, merges the second into the first, extracts. */
static beamc_value combine(const beamc_combiner *fn, const beamc_value *in, size_t count) {
    _Alignas(16) char acc[2][64];
    cr_assert_leq(fn->accumulator->size, sizeof acc[0]);
    for (int i = 0; i < 2; i++) {
        memset(acc[i], 0, sizeof acc[i]);
        if (fn->create != NULL) {
            cr_assert_eq(fn->create(NULL, acc[i]), BEAMC_OK);
        }
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(fn->add(NULL, acc[i % 2], &in[i]), BEAMC_OK);
    }
    cr_assert_eq(fn->merge(NULL, acc[0], acc[1]), BEAMC_OK);
    beamc_value out = {0};
    cr_assert_eq(fn->extract(NULL, acc[0], &out), BEAMC_OK);
    return out;
}

static beamc_value of_ints(const beamc_combiner *fn, const int64_t *in, size_t count) {
    beamc_value values[8];
    for (size_t i = 0; i < count; i++) {
        values[i].i64 = in[i];
    }
    return combine(fn, values, count);
}

Test(combiners, choose) {
    const int64_t in[] = {3, -9, INT64_MAX, INT64_MIN, 0};
    cr_assert_eq(of_ints(&beamc_min_i64, in, 3).i64, -9);
    cr_assert_eq(of_ints(&beamc_min_i64, in, 5).i64, INT64_MIN);
    cr_assert_eq(of_ints(&beamc_max_i64, in, 2).i64, 3);
    cr_assert_eq(of_ints(&beamc_max_i64, in, 5).i64, INT64_MAX);
    cr_assert_eq(of_ints(&beamc_min_i64, in, 0).i64, INT64_MAX);
    cr_assert_eq(of_ints(&beamc_max_i64, in, 0).i64, INT64_MIN);
}

Test(combiners, count) {
    const int64_t in[] = {3, 3, 3};
    cr_assert_eq(of_ints(&beamc_count, in, 3).i64, 3);
    cr_assert_eq(of_ints(&beamc_count, in, 0).i64, 0);
}

Test(combiners, mean) {
    const int64_t in[] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 2};
    cr_assert_float_eq(of_ints(&beamc_mean_i64, in + 3, 2).f64, (double)INT64_MAX / 2, 4096.0);
    cr_assert_float_eq(of_ints(&beamc_mean_i64, in, 4).f64, (double)INT64_MAX, 4096.0,
                       "the sum must not overflow");
    cr_assert(isnan(of_ints(&beamc_mean_i64, in, 0).f64));
}

Test(combiners, sum_of_doubles) {
    beamc_value in[3] = {{.f64 = 0.5}, {.f64 = -2.0}, {.f64 = 1e10}};
    cr_assert_float_eq(combine(&beamc_sum_f64, in, 3).f64, 1e10 - 1.5, 0);
    cr_assert_float_eq(combine(&beamc_sum_f64, in, 0).f64, 0.0, 0);
}

Test(combiners, wide_accumulators_add_and_merge_without_loss) {
    struct {
        int64_t high, low;
    } a = {0}, b = {0};
    cr_assert_eq(sizeof a, beamc_sum_i64.accumulator->size);
    beamc_value max = {.i64 = INT64_MAX};
    beamc_value min = {.i64 = INT64_MIN};
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(beamc_sum_i64.add(NULL, &a, &max), BEAMC_OK);
        cr_assert_eq(beamc_sum_i64.add(NULL, &b, &min), BEAMC_OK);
    }
    cr_assert_eq(a.high, 2, "5 * (2^63 - 1) needs more than 64 bits");
    cr_assert_eq(beamc_sum_i64.merge(NULL, &a, &b), BEAMC_OK);
    cr_assert_eq(a.high, -1);
    cr_assert_eq(a.low, -5);
}
