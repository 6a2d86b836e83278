/* sdf.h: splittable DoFns: the four transforms that a runner expands one into.
 *
 * On the wire an element of the last three is KV<KV<element, KV<restriction, watermark>>, size>.
 * Threads: the bundle's, except for beamc__sdf_split, _fraction_done and _progress: those take the
 * lock of the sdf, which the bundle's thread takes when it begins and ends an element, so what they
 * look at stays. */
#ifndef BEAMC_EXEC_SDF_H
#define BEAMC_EXEC_SDF_H

#include "worker/exec/pardo.h"
#include "worker/exec/tracker.h"
#include "graph/payload.h"

typedef struct beamc_sdf {
    struct beamc_sdf *next; /* in plan->sdfs */
    beamc_pardo *pardo;
    const beamc_splittable *fn;
    const beamc_row *row;
    beamc_pcol *out; /* of pair, split and truncate */
    uint32_t slot;   /* of the two progress metrics */
    /* Of process_sized: how its input is encoded, for primaries and residuals. */
    const beamc_coder *sized_coder;
    const beamc_coder *window_coder;
    const char *input_id;
    const char *output_ids[BEAMC_MAX_OUTPUTS];
    bool can_split;                      /* another thread may encode the element */
    const _Atomic int64_t *source_index; /* where the source that feeds it is; NULL: none does */

    const beamc_kv *part; /* element and KV<restriction, watermark>, in split */
    bool deferred;
    int64_t delay_ms;
    _Atomic int64_t watermark;

    pthread_mutex_t mu; /* guards what follows, and custom trackers */
    bool active;        /* an element is in progress */
    int64_t index;      /* of it at the source */
    int64_t began_at;   /* its watermark then */
    const beamc_wv *at; /* with its windows, and its value as the DoFn sees it */
    beamc_tracker tracker;
} beamc_sdf;

typedef struct beamc_sdf_spec {
    const char *id;
    const beamc_dofn *fn;
    const void *config;
    beamc_pcol *out; /* pair, split, truncate */
} beamc_sdf_spec;

beamc_unit *beamc__sdf_pair_new(beamc_plan *plan, const beamc_sdf_spec *spec);
beamc_unit *beamc__sdf_split_new(beamc_plan *plan, const beamc_sdf_spec *spec);
beamc_unit *beamc__sdf_truncate_new(beamc_plan *plan, const beamc_sdf_spec *spec);
beamc_pardo *beamc__sdf_process_new(beamc_plan *plan, const beamc_sdf_spec *spec,
                                    beamc_pcol *const *outputs, unsigned output_count);
/* How residuals and primaries are written. */
void beamc__sdf_set_coder(beamc_sdf *sdf, const beamc_coder *sized, const beamc_coder *window,
                          const char *input_id);
beamc_sdf *beamc__sdf_attach(beamc_pardo *p, beamc_pcol *out);
void beamc__sdf_free(beamc_sdf *sdf);
double beamc__sdf_size(beamc_ctx *ctx, const beamc_sdf *sdf, const beamc_value *in,
                       const void *restriction);

/* Splits the element that is @p index at its source. Any thread. */
beamc_status beamc__sdf_split(beamc_sdf *sdf, int64_t index, double fraction, beamc_arena *arena,
                              bool *split, beamc_bundle_root *primary, beamc_bundle_root *residual,
                              beamc_error *err);
/* How much of that element is done, 0 to 1; leaves *done alone if it is not in progress. */
void beamc__sdf_fraction_done(beamc_sdf *sdf, int64_t index, double *done);
/* Work done and remaining of the element in progress. False: none is. */
bool beamc__sdf_progress(beamc_sdf *sdf, double *done, double *remaining);

/* Each element that is emitted: a largest-timestamp estimator is told of it. False: it lies behind
 * what the estimator has promised. The clock promises nothing that could be checked. */
static inline bool beamc_sdf_note(beamc_sdf *sdf, beamc_time timestamp, beamc_time *promised) {
    if (sdf->fn->watermark == BEAMC_WATERMARK_WALL_TIME) {
        return true;
    }
    *promised = atomic_load_explicit(&sdf->watermark, memory_order_relaxed);
    if (sdf->fn->watermark == BEAMC_WATERMARK_MONOTONIC && timestamp > *promised) {
        atomic_store_explicit(&sdf->watermark, timestamp, memory_order_relaxed);
    }
    return timestamp >= *promised;
}

#endif
