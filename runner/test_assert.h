/* test_assert.h: the DoFns behind beamc_assert_*. */
#ifndef BEAMC_RUNNER_TEST_ASSERT_H
#define BEAMC_RUNNER_TEST_ASSERT_H

#include <beamc/test.h>

/* One element as the assertions carry it: 'e', its encoding with a length in front, a text for people.
 * The marker that makes the check run on nothing is "m". */
beamc_status beamc__assert_pack(const beamc_coder *coder, const beamc_value *value, beamc_buf *out,
                                beamc_error *err) BEAMC_MUST_USE;

/* T -> KV<bytes, bytes>: packed, all under one key. */
typedef struct beamc_assert_pack_config {
    bool one_window; /* only those in [window_start, window_end) */
    int64_t window_start;
    int64_t window_end;
    int64_t panes; /* beamc_panes */
} beamc_assert_pack_config;
extern const beamc_dofn beamc__assert_pack_fn;

/* KV<bytes, iterable<bytes>>: compares. */
typedef struct beamc_assert_check_config {
    beamc_slice label;
    bool only_count;
    int64_t count;
    beamc_array expected; /* packed */
    /* Of beamc_assert_that, pointers as numbers: assertions do not leave their process. */
    int64_t check; /* beamc_assert_fn; 0: none */
    int64_t arg;
    int64_t coder;
} beamc_assert_check_config;
extern const beamc_dofn beamc__assert_check_fn;

/* Lists both, for libraries. */
extern const beamc_program beamc__assert_program;

#endif
