/* combine.h: the pieces that a runner takes a CombinePerKey apart into.
 *
 * K key, V input, A accumulator (the row of the combiner), O output:
 *   precombine                 KV<K, V>           -> KV<K, A>, partly combined
 *   merge_accumulators         KV<K, iterable<A>> -> KV<K, A>
 *   extract_outputs            KV<K, A>           -> KV<K, O>
 *   convert_to_accumulators    KV<K, V>           -> KV<K, A>
 *   combine_grouped_values     KV<K, iterable<V>> -> KV<K, O> */
#ifndef BEAMC_EXEC_COMBINE_H
#define BEAMC_EXEC_COMBINE_H

#include <beamc/window.h>

#include "worker/exec/ctx.h"

typedef struct beamc_combine {
    beamc_unit unit;
    beamc_ctx ctx;
    const beamc_combiner *fn;
    beamc_pcol *out;
    beamc_coder acc_coder; /* of the row, for deep copies */
    beamc_arena *keep;     /* for an accumulator that outlives its scratch; NULL when flat */
} beamc_combine;

typedef struct beamc_combine_spec {
    const char *id;
    const beamc_combiner *fn;
    const void *config;
    beamc_pcol *out;
    const beamc_coder *key_coder;  /* precombine */
    beamc_output_time output_time; /* precombine */
} beamc_combine_spec;

beamc_unit *beamc__precombine_new(beamc_plan *plan, const beamc_combine_spec *spec);
beamc_unit *beamc__merge_accumulators_new(beamc_plan *plan, const beamc_combine_spec *spec);
beamc_unit *beamc__extract_outputs_new(beamc_plan *plan, const beamc_combine_spec *spec);
beamc_unit *beamc__convert_to_accumulators_new(beamc_plan *plan, const beamc_combine_spec *spec);
beamc_unit *beamc__combine_grouped_new(beamc_plan *plan, const beamc_combine_spec *spec);

/* For the ops of all of them, and of state that combines. */
void beamc__combine_init(beamc_combine *c, beamc_plan *plan, const beamc_combine_spec *spec,
                         const beamc_unit_ops *ops);
beamc_status beamc__combine_setup(beamc_unit *unit);
void beamc__combine_teardown(beamc_unit *unit);
/* Fills @p acc (zeroed here). */
beamc_status beamc__combine_create(beamc_combine *c, void *acc);
/* Bytes that a precombine table may hold before it gives all up downstream. */
enum { BEAMC_PRECOMBINE_BYTES = 16 << 20 };

#endif
