/**
 * @file combine.h
 * Combiners: associative, commutative aggregations with an accumulator.
 *
 * The accumulator is a plain struct described by a row table, which is also its coder. It starts
 * zeroed (`create`, if given, goes on from there). Slices and arrays in it must point to memory from
 * beamc_alloc of the call's ctx: the library copies what has to live on.
 *
 * Callbacks must not depend on the order of the elements, and may run in several processes.
 */
#ifndef BEAMC_COMBINE_H
#define BEAMC_COMBINE_H

#include <beamc/dofn.h>

#ifdef __cplusplus
extern "C" {
#endif

struct beamc_combiner {
    size_t struct_size; /**< BEAMC_COMBINER_ABI sets these two */
    uint32_t abi;
    const char *urn;
    const char *doc;
    const beamc_row *config; /**< see beamc_dofn.config */
    size_t instance_size;
    const beamc_coder *input;
    const beamc_row *accumulator;
    const beamc_coder *output;
    /** True: the accumulator holds no pointers, so it is kept by memcpy. The fast path. */
    bool flat;

    beamc_status (*setup)(beamc_ctx *ctx);
    beamc_status (*create)(beamc_ctx *ctx, void *acc);
    beamc_status (*add)(beamc_ctx *ctx, void *acc, const beamc_elem *in);
    beamc_status (*merge)(beamc_ctx *ctx, void *acc, const void *other);
    /** Optional: called once before an accumulator is encoded. */
    beamc_status (*compact)(beamc_ctx *ctx, void *acc);
    beamc_status (*extract)(beamc_ctx *ctx, const void *acc, beamc_value *out);
};

#define BEAMC_COMBINER_ABI .struct_size = sizeof(beamc_combiner), .abi = BEAMC_ABI_VERSION

/** Sum of varints in 128 bits, saturated to int64 when extracted. Counts saturations as
 *  `sum_overflow` in its config's metric namespace, if it has one. */
extern const beamc_combiner beamc_sum_i64;
/** Config of beamc_sum_i64; may be left out. */
typedef struct beamc_sum_config {
    beamc_slice metric_namespace;
    beamc_slice overflow_counter;
} beamc_sum_config;
/** How many elements: any input, varint out. */
extern const beamc_combiner beamc_count;
/** Smallest and largest varint. */
extern const beamc_combiner beamc_min_i64;
extern const beamc_combiner beamc_max_i64;
/** Mean of varints, double out (NaN for none). */
extern const beamc_combiner beamc_mean_i64;
/** Sum of doubles. */
extern const beamc_combiner beamc_sum_f64;

#ifdef __cplusplus
}
#endif
#endif
