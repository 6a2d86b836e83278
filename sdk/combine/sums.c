/* sums.c: the standard combiners that add: sum, count, mean. Public definitions of combine.h.
 *
 * Sums of integers are kept in 128 bits, two's complement in two 64-bit halves, so that neither the
 * order of merging nor an overflow on the way can change the result. */
#include <beamc/combine.h>

#include <math.h>
#include <stddef.h>

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

typedef struct wide {
    int64_t high;
    int64_t low; /* the low 64 bits, as they are */
} wide;

static int128 wide_get(const wide *w) {
    return (int128)(((uint128)(uint64_t)w->high << 64) | (uint64_t)w->low);
}

static void wide_set(wide *w, int128 v) {
    w->high = (int64_t)(uint64_t)((uint128)v >> 64);
    w->low = (int64_t)(uint64_t)(uint128)v;
}

/* ------------------------------------------------------------------------------ beamc_sum_i64 */

static const beamc_field sum_fields[] = {
    BEAMC_REQUIRED(wide, high, I64),
    BEAMC_REQUIRED(wide, low, I64),
};
static const beamc_row sum_row = BEAMC_ROW(wide, sum_fields);

static const beamc_field sum_config_fields[] = {
    BEAMC_CONFIG(beamc_sum_config, metric_namespace, STRING, "",
                 "Namespace of the overflow counter; none: overflows are not counted."),
    BEAMC_CONFIG(beamc_sum_config, overflow_counter, STRING, "sum_overflow",
                 "Name of the counter of saturated sums."),
};
static const beamc_row sum_config_row = BEAMC_ROW(beamc_sum_config, sum_config_fields);

typedef struct sum_instance {
    beamc_metric *overflow;
} sum_instance;

static beamc_status sum_setup(beamc_ctx *ctx) {
    const beamc_sum_config *config = beamc_config(ctx);
    sum_instance *self = beamc_instance(ctx);
    if (config->metric_namespace.len > 0) {
        beamc_arena *arena = beamc_instance_arena(ctx);
        beamc_slice name = config->overflow_counter;
        self->overflow =
            beamc_counter(ctx, beamc_arena_cstr(arena, config->metric_namespace),
                          name.len > 0 ? beamc_arena_cstr(arena, name) : "sum_overflow");
    }
    return BEAMC_OK;
}

static beamc_status sum_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    (void)ctx;
    wide_set(acc, wide_get(acc) + in->i64);
    return BEAMC_OK;
}

static beamc_status sum_merge(beamc_ctx *ctx, void *acc, const void *other) {
    (void)ctx;
    wide_set(acc, (int128)((uint128)wide_get(acc) + (uint128)wide_get(other)));
    return BEAMC_OK;
}

static beamc_status sum_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    const sum_instance *self = beamc_instance(ctx);
    int128 sum = wide_get(acc);
    bool over = sum > INT64_MAX || sum < INT64_MIN;
    out->i64 = over ? (sum < 0 ? INT64_MIN : INT64_MAX) : (int64_t)sum;
    if (over && self->overflow != NULL) {
        beamc_counter_add(self->overflow, 1);
    }
    return BEAMC_OK;
}

const beamc_combiner beamc_sum_i64 = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:sum_i64:v1",
    .doc = "Sum in 128 bits, saturated to 64 when extracted.",
    .config = &sum_config_row,
    .instance_size = sizeof(sum_instance),
    .input = &beamc_varint,
    .accumulator = &sum_row,
    .output = &beamc_varint,
    .flat = true,
    .setup = sum_setup,
    .add = sum_add,
    .merge = sum_merge,
    .extract = sum_extract,
};

/* ------------------------------------------------------------------------------ beamc_count */

typedef struct count_acc {
    int64_t count;
} count_acc;

static const beamc_field count_fields[] = {BEAMC_REQUIRED(count_acc, count, I64)};
static const beamc_row count_row = BEAMC_ROW(count_acc, count_fields);

static beamc_status count_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    ((count_acc *)acc)->count++;
    return BEAMC_OK;
}

static beamc_status count_merge(beamc_ctx *ctx, void *acc, const void *other) {
    (void)ctx;
    ((count_acc *)acc)->count += ((const count_acc *)other)->count;
    return BEAMC_OK;
}

static beamc_status count_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    out->i64 = ((const count_acc *)acc)->count;
    return BEAMC_OK;
}

const beamc_combiner beamc_count = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:count:v1",
    .doc = "How many elements.",
    .accumulator = &count_row,
    .output = &beamc_varint,
    .flat = true,
    .add = count_add,
    .merge = count_merge,
    .extract = count_extract,
};

/* --------------------------------------------------------------------------- beamc_mean_i64 */

typedef struct mean_acc {
    wide sum;
    int64_t count;
} mean_acc;

static const beamc_field mean_fields[] = {
    {.name = "high", .type = BEAMC_FIELD_I64, .offset = offsetof(mean_acc, sum.high)},
    {.name = "low", .type = BEAMC_FIELD_I64, .offset = offsetof(mean_acc, sum.low)},
    BEAMC_REQUIRED(mean_acc, count, I64),
};
static const beamc_row mean_row = BEAMC_ROW(mean_acc, mean_fields);

static beamc_status mean_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    mean_acc *a = acc;
    a->count++;
    return sum_add(ctx, &a->sum, in);
}

static beamc_status mean_merge(beamc_ctx *ctx, void *acc, const void *other) {
    mean_acc *a = acc;
    const mean_acc *b = other;
    a->count += b->count;
    return sum_merge(ctx, &a->sum, &b->sum);
}

static beamc_status mean_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    const mean_acc *a = acc;
    out->f64 = a->count == 0 ? (double)NAN : (double)wide_get(&a->sum) / (double)a->count;
    return BEAMC_OK;
}

const beamc_combiner beamc_mean_i64 = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:mean_i64:v1",
    .doc = "Mean; NaN for no elements.",
    .input = &beamc_varint,
    .accumulator = &mean_row,
    .output = &beamc_double,
    .flat = true,
    .add = mean_add,
    .merge = mean_merge,
    .extract = mean_extract,
};

/* ---------------------------------------------------------------------------- beamc_sum_f64 */

typedef struct sum_f64_acc {
    double sum;
} sum_f64_acc;

static const beamc_field sum_f64_fields[] = {BEAMC_REQUIRED(sum_f64_acc, sum, DOUBLE)};
static const beamc_row sum_f64_row = BEAMC_ROW(sum_f64_acc, sum_f64_fields);

static beamc_status sum_f64_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    (void)ctx;
    ((sum_f64_acc *)acc)->sum += in->f64;
    return BEAMC_OK;
}

static beamc_status sum_f64_merge(beamc_ctx *ctx, void *acc, const void *other) {
    (void)ctx;
    ((sum_f64_acc *)acc)->sum += ((const sum_f64_acc *)other)->sum;
    return BEAMC_OK;
}

static beamc_status sum_f64_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    out->f64 = ((const sum_f64_acc *)acc)->sum;
    return BEAMC_OK;
}

const beamc_combiner beamc_sum_f64 = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:combiner:sum_f64:v1",
    .doc = "Sum of doubles.",
    .input = &beamc_double,
    .accumulator = &sum_f64_row,
    .output = &beamc_double,
    .flat = true,
    .add = sum_f64_add,
    .merge = sum_f64_merge,
    .extract = sum_f64_extract,
};
