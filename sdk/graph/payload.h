/* payload.h: the identity of a DoFn or combiner on the wire.
 *
 * FunctionSpec.urn is the function's own URN; FunctionSpec.payload is a beamc.StepPayload
 * (proto/beamc/payload.proto): config bytes, the fingerprint of the config table, output tags, and the
 * coders that a generic function cannot know. Written by the builder, read by worker/exec.
 *
 * Where it appears:
 *   ParDoPayload.do_fn            a DoFn, or a combiner: then the ParDo is the leaf of a combine that
 *                                 was not lifted, KV<K, iterable<V>> -> KV<K, O>
 *   CombinePayload.combine_fn     a combiner
 *   CombiningStateSpec.combine_fn a combiner
 */
#ifndef BEAMC_GRAPH_PAYLOAD_H
#define BEAMC_GRAPH_PAYLOAD_H

#include <beamc/combine.h>
#include <beamc/dofn.h>

/* A decoded payload. Everything lives in the arena it was decoded into, or in the function. */
typedef struct beamc_payload {
    const void *config;       /* struct of fn->config, never NULL when there is a table */
    const beamc_coder *input; /* the function's own, else the step's; NULL: not told */
    size_t output_count;
    const beamc_coder *outputs[BEAMC_MAX_OUTPUTS]; /* the step's, else the function's own */
} beamc_payload;

/* Appends the payload. @p config NULL means all defaults. @p input and @p outputs are the coders of
 * the step as built; @p outputs has one for each output of @p fn. */
beamc_status beamc__payload_encode_dofn(const beamc_dofn *fn, const void *config,
                                        const beamc_coder *input, const beamc_coder *const *outputs,
                                        beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;
/* @p input is the step's element coder, for combiners that take any. */
beamc_status beamc__payload_encode_combiner(const beamc_combiner *fn, const void *config,
                                            const beamc_coder *input, beamc_buf *out,
                                            beamc_error *err) BEAMC_MUST_USE;

/* Finds the program's own table of a row by its fingerprint (beamc_coder_source.find_row). */
typedef struct beamc_row_finder {
    const beamc_row *(*find)(void *arg, uint64_t fingerprint);
    void *arg;
} beamc_row_finder;

/* Fails with FAILED_PRECONDITION, naming URN and both fingerprints, when the job was built from
 * another version of the function. @p payload need not outlive the call. @p rows may be NULL: rows of
 * generic functions then get a layout of their own. */
beamc_status beamc__payload_decode_dofn(const beamc_dofn *fn, beamc_slice payload,
                                        const beamc_row_finder *rows, beamc_arena *arena,
                                        beamc_payload *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__payload_decode_combiner(const beamc_combiner *fn, beamc_slice payload,
                                            const beamc_row_finder *rows, beamc_arena *arena,
                                            beamc_payload *out, beamc_error *err) BEAMC_MUST_USE;

/* How many outputs the table of @p fn has. */
static inline unsigned beamc_dofn_output_count(const beamc_dofn *fn) {
    unsigned n = 0;
    while (n < BEAMC_MAX_OUTPUTS && fn->outputs[n].name != NULL) {
        n++;
    }
    return n;
}

static inline unsigned beamc_dofn_state_count(const beamc_dofn *fn) {
    unsigned n = 0;
    while (n < BEAMC_MAX_STATES && fn->states[n].name != NULL) {
        n++;
    }
    return n;
}

static inline unsigned beamc_dofn_timer_count(const beamc_dofn *fn) {
    unsigned n = 0;
    while (n < BEAMC_MAX_TIMERS && fn->timers[n].name != NULL) {
        n++;
    }
    return n;
}

static inline unsigned beamc_dofn_side_input_count(const beamc_dofn *fn) {
    unsigned n = 0;
    while (n < BEAMC_MAX_SIDE_INPUTS && fn->side_inputs[n] != NULL) {
        n++;
    }
    return n;
}

/* Uses state, timers or window expiration: its input is keyed and grouped by key. */
static inline bool beamc_dofn_is_stateful(const beamc_dofn *fn) {
    return fn->states[0].name != NULL || fn->timers[0].name != NULL ||
           fn->on_window_expiration != NULL;
}

/* The row table of a splittable DoFn's restriction. On the wire the restriction coder
 * (ParDoPayload.restriction_coder_id) is KV<this row, varint>: restriction and watermark estimator
 * state (the last watermark in milliseconds, BEAMC_TIME_MIN before any), as the model wants a pair. */
static inline const beamc_row *beamc_splittable_row(const beamc_splittable *s) {
    return s->restriction != NULL ? s->restriction : &beamc_offset_range_row;
}

/* Names in the proto that the function's tables do not give. */
#define BEAMC_TAG_IN "in"   /* main input of every transform but Flatten ("in0", "in1", ...) */
#define BEAMC_TAG_OUT "out" /* output of what has no output table */
/* ParDoPayload.on_window_expiration_timer_family_spec */
#define BEAMC_TIMER_FAMILY_EXPIRATION "beamc:on_window_expiration"
/* SideInput.view_fn, and window_mapping_fn: its payload is the serialized FunctionSpec of the side
 * input's window fn; a main window maps to the side window that holds its last instant. */
#define BEAMC_URN_VIEW_FN "beamc:view:v1"
#define BEAMC_URN_WINDOW_MAPPING "beamc:window_mapping:v1"

#endif
