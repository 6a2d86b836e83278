/* extremes.c: the standard combiners that choose: smallest and largest. Public definitions of
 * combine.h. Of nothing they give the neutral element: INT64_MAX and INT64_MIN. */
#include <beamc/combine.h>

#include <stddef.h>

typedef struct extreme_acc {
    int64_t value;
} extreme_acc;

static const beamc_field extreme_fields[] = {BEAMC_REQUIRED(extreme_acc, value, I64)};
static const beamc_row extreme_row = BEAMC_ROW(extreme_acc, extreme_fields);

static void keep_smaller(extreme_acc *acc, int64_t value) {
    acc->value = value < acc->value ? value : acc->value;
}

static void keep_larger(extreme_acc *acc, int64_t value) {
    acc->value = value > acc->value ? value : acc->value;
}

static beamc_status min_create(beamc_ctx *ctx, void *acc) {
    (void)ctx;
    ((extreme_acc *)acc)->value = INT64_MAX;
    return BEAMC_OK;
}

static beamc_status min_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    (void)ctx;
    keep_smaller(acc, in->i64);
    return BEAMC_OK;
}

static beamc_status min_merge(beamc_ctx *ctx, void *acc, const void *other) {
    (void)ctx;
    keep_smaller(acc, ((const extreme_acc *)other)->value);
    return BEAMC_OK;
}

static beamc_status max_create(beamc_ctx *ctx, void *acc) {
    (void)ctx;
    ((extreme_acc *)acc)->value = INT64_MIN;
    return BEAMC_OK;
}

static beamc_status max_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    (void)ctx;
    keep_larger(acc, in->i64);
    return BEAMC_OK;
}

static beamc_status max_merge(beamc_ctx *ctx, void *acc, const void *other) {
    (void)ctx;
    keep_larger(acc, ((const extreme_acc *)other)->value);
    return BEAMC_OK;
}

static beamc_status extreme_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    out->i64 = ((const extreme_acc *)acc)->value;
    return BEAMC_OK;
}

const beamc_combiner beamc_min_i64 = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:min_i64:v1",
    .doc = "Smallest; INT64_MAX for no elements.",
    .input = &beamc_varint,
    .accumulator = &extreme_row,
    .output = &beamc_varint,
    .flat = true,
    .create = min_create,
    .add = min_add,
    .merge = min_merge,
    .extract = extreme_extract,
};

const beamc_combiner beamc_max_i64 = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:max_i64:v1",
    .doc = "Largest; INT64_MIN for no elements.",
    .input = &beamc_varint,
    .accumulator = &extreme_row,
    .output = &beamc_varint,
    .flat = true,
    .create = max_create,
    .add = max_add,
    .merge = max_merge,
    .extract = extreme_extract,
};
