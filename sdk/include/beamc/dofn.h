/**
 * @file dofn.h
 * DoFns: user code applied to every element of a PCollection.
 *
 * Define one as a `static const beamc_dofn` with designated initialisers and leave out what you do
 * not need. One definition serves many instances; an instance processes bundles one after another
 * on one thread at a time, so its state needs no locks.
 *
 * Lifecycle: setup, { start_bundle, process*, on_timer*, finish_bundle }*, teardown.
 * A callback that returns an error fails the bundle; the runner retries it on a fresh instance.
 *
 * Memory: what a callback is given, and what it takes from beamc_alloc, is element scratch. It lives
 * until the root element has travelled the whole fused chain. Keep nothing of it; copy into
 * beamc_bundle_arena (until the bundle's end) or the instance (setup: beamc_instance_arena).
 *
 * Errors: bad data is not an error, send it to an output. Return UNAVAILABLE when a retry may help,
 * any other code when it will not.
 */
#ifndef BEAMC_DOFN_H
#define BEAMC_DOFN_H

#include <beamc/arena.h>
#include <beamc/coder.h>
#include <beamc/log.h>
#include <beamc/metrics.h>
#include <beamc/row.h>
#include <beamc/window.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_ctx beamc_ctx;
typedef struct beamc_dofn beamc_dofn;
typedef struct beamc_combiner beamc_combiner;

enum {
    BEAMC_ABI_VERSION = 1,
    BEAMC_MAX_OUTPUTS = 8,
    BEAMC_MAX_STATES = 8,
    BEAMC_MAX_TIMERS = 8,
    BEAMC_MAX_SIDE_INPUTS = 8
};

/** One output of a DoFn; [0] is the main one. The name is its tag on the wire. */
typedef struct beamc_output {
    const char *name;
    const beamc_coder *coder;
} beamc_output;

/* ------------------------------------------------------------------------------- user state */

typedef enum beamc_state_kind {
    BEAMC_STATE_VALUE = 1,   /**< one value or none */
    BEAMC_STATE_BAG,         /**< values in the order of their addition */
    BEAMC_STATE_COMBINING,   /**< an accumulator of `combiner` */
    BEAMC_STATE_MAP,         /**< key_coder -> coder */
    BEAMC_STATE_SET,         /**< of key_coder */
    BEAMC_STATE_ORDERED_LIST /**< (beamc_time, coder), by time */
} beamc_state_kind;

/** State for each key and window. Needs a KV input, and lives until the window closes (its end and the
 *  allowed lateness are behind the watermark). StateSpec of beam_runner_api.proto. */
typedef struct beamc_state_spec {
    const char *name;
    beamc_state_kind kind;
    const beamc_coder *coder;
    const beamc_coder *key_coder;   /**< MAP, SET */
    const beamc_combiner *combiner; /**< COMBINING; its input coder stands in for `coder` */
} beamc_state_spec;

typedef enum beamc_time_domain {
    BEAMC_EVENT_TIME = 1,     /**< fires when the input watermark reaches it */
    BEAMC_PROCESSING_TIME = 2 /**< fires when the clock passes */
} beamc_time_domain;

/** A timer of the key and window at hand, or, with tags, one for each tag. Needs a KV input.
 *  TimerFamilySpec of beam_runner_api.proto. */
typedef struct beamc_timer_spec {
    const char *name;
    beamc_time_domain domain;
} beamc_timer_spec;

/** What on_timer is told. The key is beamc_key(ctx); state is that of the key and window; what is emitted
 *  gets the timer's output time. */
typedef struct beamc_timer {
    unsigned index;     /**< of the DoFn's `timers` */
    beamc_slice tag;    /**< dynamic tag, "" without one */
    beamc_time fire_at; /**< as it was set; the watermark, or the clock, may be further */
} beamc_timer;

/* ------------------------------------------------------------------------ splittable DoFns */

/** The restriction that is built in: [start, stop) of offsets. stop = INT64_MAX is unbounded. */
typedef struct beamc_offset_range {
    int64_t start;
    int64_t stop;
} beamc_offset_range;
extern const beamc_row beamc_offset_range_row;

/** Own trackers: how to claim in, and to split, a restriction other than an offset range. All but `start`
 *  are called with the tracker locked, split and progress from any thread: they look at the tracker only.
 *  ProcessBundleSplitRequest of beam_fn_api.proto. */
typedef struct beamc_tracker_fn {
    size_t state_size; /**< bytes of zeroed tracker state */
    beamc_status (*start)(beamc_ctx *ctx, void *tracker, const void *restriction);
    /** False: process must return. It may be claimed behind the end: then all was claimed. */
    bool (*try_claim)(void *tracker, const void *position);
    /** Shortens the tracker to what is claimed and @p fraction of the rest, 0 to 1 (0: now, a checkpoint).
     *  Fills both restriction structs, which together are the whole. False: no split, nothing changed. */
    bool (*split)(void *tracker, double fraction, void *primary, void *residual);
    /** Work done and remaining, in the same unit. */
    void (*progress)(const void *tracker, double *done, double *remaining);
    /** When process has returned: fails unless all of the (shortened) restriction was claimed. */
    beamc_status (*check_done)(const void *tracker, beamc_error *err);
} beamc_tracker_fn;

/** How the watermark of a restriction's output moves. It never moves back. */
typedef enum beamc_watermark_kind {
    BEAMC_WATERMARK_MANUAL = 0, /**< as beamc_watermark_set says */
    BEAMC_WATERMARK_MONOTONIC,  /**< the largest timestamp emitted; they must come in order */
    BEAMC_WATERMARK_WALL_TIME /**< the clock; for elements that are stamped when they are emitted */
} beamc_watermark_kind;

/** Makes a DoFn splittable: process works on a part (restriction) of its element. Has no state or timers.
 *  What is emitted without a time of its own gets the element's. */
typedef struct beamc_splittable {
    const beamc_row *restriction;    /**< NULL: beamc_offset_range */
    const beamc_tracker_fn *tracker; /**< NULL: that of the offset range */
    beamc_watermark_kind watermark;
    bool unbounded; /**< the output is unbounded */
    /** Fills @p restriction for a new element. */
    beamc_status (*initial)(beamc_ctx *ctx, const beamc_elem *in, void *restriction);
    /** Optional: calls beamc_emit_restriction for each part. */
    beamc_status (*split)(beamc_ctx *ctx, const beamc_elem *in, const void *restriction);
    /** Optional: the size of a restriction, in a unit of your own, >= 0. By default an offset range's
     *  length. Called from other threads too, beside process: look at config and arguments only. */
    double (*size)(beamc_ctx *ctx, const beamc_elem *in, const void *restriction);
    /** Optional, on drain: shortens @p restriction in place to what is still to be done; *keep = false drops
     *  it. Without it an unbounded restriction is dropped, and a bounded one is done as it is. */
    beamc_status (*truncate)(beamc_ctx *ctx, const beamc_elem *in, void *restriction, bool *keep);
} beamc_splittable;

/* --------------------------------------------------------------------------------- the DoFn */

struct beamc_dofn {
    size_t struct_size; /**< BEAMC_DOFN_ABI sets these two: old binaries load in new workers */
    uint32_t abi;
    const char *urn; /**< identity on the wire, unique and versioned: "acme:dofn:parse:v1" */
    const char *doc; /**< one sentence */
    const beamc_row *config;  /**< of the config struct that travels with the job, or NULL */
    size_t instance_size;     /**< bytes of zeroed per-instance state, see beamc_instance */
    const beamc_coder *input; /**< checked when the pipeline is built; NULL: any */
    beamc_output outputs[BEAMC_MAX_OUTPUTS];
    beamc_state_spec states[BEAMC_MAX_STATES];
    beamc_timer_spec timers[BEAMC_MAX_TIMERS];
    const char
        *side_inputs[BEAMC_MAX_SIDE_INPUTS]; /**< names; given to beamc_pardo in this order */
    const beamc_splittable *splittable;
    bool observes_window; /**< calls beamc_current_window: elements come once for each window */
    bool requires_finalization; /**< calls beamc_finalize, which fails without it */
    bool
        requires_stable_input; /**< where a bundle is run again, also after a crash, it has the same id
                                     (beamc_ctx_bundle_id) and the same elements in the same order;
                                     runners that cannot keep that refuse the job */
    bool requires_time_sorted_input;

    beamc_status (*setup)(beamc_ctx *ctx);
    beamc_status (*start_bundle)(beamc_ctx *ctx);
    /** Required. @p in and all that it points to are borrowed until return. */
    beamc_status (*process)(beamc_ctx *ctx, const beamc_elem *in);
    beamc_status (*on_timer)(beamc_ctx *ctx, const beamc_timer *timer);
    /** The window of a key closes: the last chance to read its state, which is gone behind it, with its
     *  timers. What is emitted gets the window's last instant. Sets no timers. */
    beamc_status (*on_window_expiration)(beamc_ctx *ctx);
    beamc_status (*finish_bundle)(beamc_ctx *ctx);
    void (*teardown)(beamc_ctx *ctx); /**< cannot fail; is skipped if the process dies */
};

#define BEAMC_DOFN_ABI .struct_size = sizeof(beamc_dofn), .abi = BEAMC_ABI_VERSION

/* ------------------------------------------------------------------------- for all callbacks */

/** The config struct of this step (of dofn->config), or NULL. */
const void *beamc_config(const beamc_ctx *ctx);
/** The zeroed state of this instance (dofn->instance_size bytes). */
void *beamc_instance(const beamc_ctx *ctx);
/** Element scratch, uninitialised. Never NULL. */
void *beamc_alloc(beamc_ctx *ctx, size_t size);
#define beamc_new(ctx, type) ((type *)memset(beamc_alloc((ctx), sizeof(type)), 0, sizeof(type)))
beamc_slice beamc_copy(beamc_ctx *ctx, beamc_slice s);
/** A formatted string in element scratch. */
beamc_slice beamc_format(beamc_ctx *ctx, const char *fmt, ...) BEAMC_PRINTF(2, 3);
/** RFC 3339 in UTC, "2026-01-01T00:00:00Z", with milliseconds where there are any; in element scratch. */
beamc_slice beamc_format_time(beamc_ctx *ctx, beamc_time time);
beamc_arena *beamc_scratch_arena(beamc_ctx *ctx);
beamc_arena *beamc_bundle_arena(beamc_ctx *ctx);
beamc_arena *beamc_instance_arena(beamc_ctx *ctx);
/** return beamc_fail(ctx, INTERNAL, "..."): the text reaches the runner with the step's name in front. */
#define beamc_fail(ctx, CODE, ...) beamc_error_set(beamc_ctx_error(ctx), BEAMC_##CODE, __VA_ARGS__)
beamc_error *beamc_ctx_error(beamc_ctx *ctx);
/** A pipeline option of the job, NULL when it was not given. */
const char *beamc_ctx_option(const beamc_ctx *ctx, const char *name);
/** The coder of the input, row table included: generic DoFns (sinks) read it in setup. */
const beamc_coder *beamc_input_coder(const beamc_ctx *ctx);
/** The coder of output @p output in this step: the table's, or what .output_coders replaced it with. */
const beamc_coder *beamc_output_coder(const beamc_ctx *ctx, unsigned output);
/** The transform's id, for messages. */
const char *beamc_ctx_step(const beamc_ctx *ctx);
/** A name for this bundle attempt's work; unique in the job, the same on no two attempts. With
 *  requires_stable_input it names the bundle: all attempts have the same, also those after a crash. */
const char *beamc_ctx_bundle_id(const beamc_ctx *ctx);

/* ------------------------------------------------------------------------- the element at hand */

/** A KV in element scratch, for what is kept beyond the block (else beamc_pair of value.h will do). */
beamc_value beamc_kv_of(beamc_ctx *ctx, beamc_value key, beamc_value value);

/** Passes @p value to @p output with the timestamp, windows and pane of the element at hand.
 *  Everything behind it runs before this returns. In finish_bundle use beamc_emit_in. */
beamc_status beamc_emit(beamc_ctx *ctx, unsigned output, beamc_value value) BEAMC_MUST_USE;
/** The same at another event time. It may move backwards: that makes the element late, not an error. */
beamc_status beamc_emit_at(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                           beamc_value value) BEAMC_MUST_USE;
/** With everything given, from any callback. */
beamc_status beamc_emit_in(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                           beamc_window window, beamc_value value) BEAMC_MUST_USE;

beamc_time beamc_timestamp(const beamc_ctx *ctx);
beamc_window beamc_current_window(const beamc_ctx *ctx); /**< needs dofn->observes_window */
beamc_pane beamc_current_pane(const beamc_ctx *ctx);
beamc_value beamc_key(const beamc_ctx *ctx); /**< stateful DoFns: the key at hand */

/* ---------------------------------------------------------------------------------- side inputs */

/** All of side input @p index in the element's window. */
beamc_status beamc_side_iterable(beamc_ctx *ctx, unsigned index,
                                 const beamc_iterable **out) BEAMC_MUST_USE;
/** Of a multimap side input: the values of @p key. */
beamc_status beamc_side_lookup(beamc_ctx *ctx, unsigned index, beamc_value key,
                               const beamc_iterable **out) BEAMC_MUST_USE;
/** The only element of it; NOT_FOUND when there is none, FAILED_PRECONDITION when there are more. */
beamc_status beamc_side_singleton(beamc_ctx *ctx, unsigned index, beamc_value *out) BEAMC_MUST_USE;

/* ------------------------------------------------------------------------------ state and timers */

/*
 * In process, on_timer and on_window_expiration, for the key and window at hand; @p state and @p timer are
 * indices of the DoFn's tables. What is read lives in element scratch; what is written is copied. An
 * iterable shows the state as it was when it was asked for, and stays valid when the state changes.
 * They fail with FAILED_PRECONDITION where there is no key, with INVALID_ARGUMENT for an index that the
 * table does not have or a kind that the call is not for, and with what the runner says when it cannot be
 * reached. beam_fn_api.proto, StateRequest.
 */

/** VALUE: *found tells whether there is one. COMBINING: the extracted output, always found. Without a value
 *  *out is all zero bits: 0, an empty text, a NULL row. @p found may be NULL. */
beamc_status beamc_state_read(beamc_ctx *ctx, unsigned state, bool *found,
                              beamc_value *out) BEAMC_MUST_USE;
/** VALUE: replaces it. */
beamc_status beamc_state_write(beamc_ctx *ctx, unsigned state, beamc_value value) BEAMC_MUST_USE;
/** BAG: appends. COMBINING: adds an input. SET: inserts. */
beamc_status beamc_state_add(beamc_ctx *ctx, unsigned state, beamc_value value) BEAMC_MUST_USE;
/** BAG: the values; SET: the members. */
beamc_status beamc_state_iterable(beamc_ctx *ctx, unsigned state,
                                  const beamc_iterable **out) BEAMC_MUST_USE;
/** Every kind: nothing is left. */
beamc_status beamc_state_clear(beamc_ctx *ctx, unsigned state) BEAMC_MUST_USE;
/** MAP: the value of one key. SET: 1 for a member. @p found and *out as of beamc_state_read. */
beamc_status beamc_state_get(beamc_ctx *ctx, unsigned state, beamc_value key, bool *found,
                             beamc_value *out) BEAMC_MUST_USE;
/** MAP: sets the value of one key. */
beamc_status beamc_state_put(beamc_ctx *ctx, unsigned state, beamc_value key,
                             beamc_value value) BEAMC_MUST_USE;
/** MAP, SET: removes one key. */
beamc_status beamc_state_remove(beamc_ctx *ctx, unsigned state, beamc_value key) BEAMC_MUST_USE;
/** MAP: its keys. */
beamc_status beamc_state_keys(beamc_ctx *ctx, unsigned state,
                              const beamc_iterable **out) BEAMC_MUST_USE;
/** ORDERED_LIST: adds at a time; reads or clears [start, end) as KV<varint time, value>. */
beamc_status beamc_state_add_at(beamc_ctx *ctx, unsigned state, beamc_time at,
                                beamc_value value) BEAMC_MUST_USE;
beamc_status beamc_state_range(beamc_ctx *ctx, unsigned state, beamc_time start, beamc_time end,
                               const beamc_iterable **out) BEAMC_MUST_USE;
beamc_status beamc_state_clear_range(beamc_ctx *ctx, unsigned state, beamc_time start,
                                     beamc_time end) BEAMC_MUST_USE;

/** Options of a timer. */
typedef struct beamc_timer_options {
    size_t struct_size;
    beamc_slice tag; /**< dynamic tag: one timer for each */
    bool has_output_time;
    beamc_time
        output_time; /**< holds the watermark; elements of on_timer get it as their timestamp.
                                 Default: fire_at (event time), the element's timestamp (processing time) */
} beamc_timer_options;

beamc_status beamc_timer_set_with(beamc_ctx *ctx, unsigned timer, beamc_time fire_at,
                                  beamc_timer_options options) BEAMC_MUST_USE;
/** Sets (or moves) the timer of the current key, window and tag to @p fire_at, in milliseconds since 1970 of
 *  its domain. A time that has passed already fires at once, behind the bundle. When the input has ended,
 *  timers of processing time fire without waiting for the clock. INVALID_ARGUMENT: an event time when the
 *  window is closed already, or an output time behind it. `beamc_timer_set(ctx, FLUSH, at, .tag = id)` */
#define beamc_timer_set(ctx, timer, fire_at, ...)                                                  \
    beamc_timer_set_with(                                                                          \
        (ctx), (timer), (fire_at),                                                                 \
        (beamc_timer_options){.struct_size = sizeof(beamc_timer_options), __VA_ARGS__})
/** Takes it back; one that is not set is no error. @p tag: "" for a timer without. */
beamc_status beamc_timer_clear(beamc_ctx *ctx, unsigned timer, beamc_slice tag) BEAMC_MUST_USE;
/** The clock, as processing-time timers see it, in milliseconds since 1970. For any callback. */
beamc_time beamc_processing_time(const beamc_ctx *ctx);

/* --------------------------------------------------------------------------------- finalization */

/** Calls @p callback with a copy of @p arg (@p arg_size bytes) once the runner has committed the bundle:
 *  at most once, perhaps never (the worker dies, the bundle fails), and not when @p expire_ms milliseconds
 *  have passed since this call. On any thread, with no bundle around it: no beamc_ctx, and the DoFn instance
 *  may be gone. From any callback of a bundle; else, and without .requires_finalization, it fails with
 *  FAILED_PRECONDITION. beam_fn_api.proto, FinalizeBundleRequest. */
beamc_status beamc_finalize(beamc_ctx *ctx, void (*callback)(void *arg), const void *arg,
                            size_t arg_size, int64_t expire_ms) BEAMC_MUST_USE;

/* --------------------------------------------------------- splittable DoFns, inside of process */

/** The restriction to work on (a struct of splittable->restriction). */
const void *beamc_restriction(const beamc_ctx *ctx);
/** Offset ranges: may @p offset be processed? False: return BEAMC_OK from process at once. Claim in
 *  ascending order; offsets may be left out, and claiming the range's `stop` says that nothing more will
 *  come, which is how an unbounded source ends. Until its end is claimed, or beamc_defer returned, a
 *  restriction is not done, and process that returns nevertheless fails the bundle. */
bool beamc_try_claim(beamc_ctx *ctx, int64_t offset);
/** Own trackers: the same for a position of yours. */
bool beamc_try_claim_position(beamc_ctx *ctx, const void *position);
/** In beamc_splittable.split: one part. */
beamc_status beamc_emit_restriction(beamc_ctx *ctx, const void *restriction) BEAMC_MUST_USE;
/** `return beamc_defer(ctx, 100);`: come back with the rest after @p delay_ms (self-checkpoint). The rest of
 *  an offset range begins right behind the last offset that was claimed. */
beamc_status beamc_defer(beamc_ctx *ctx, int64_t delay_ms) BEAMC_MUST_USE;
/** Manual estimator: a promise that nothing before @p watermark will be emitted from here on. An element
 *  that breaks it fails the bundle. Never moves back: an earlier one is ignored. */
void beamc_watermark_set(beamc_ctx *ctx, beamc_time watermark);
/** What the estimator says now. It travels with the restriction, so a call begins with what the one before a
 *  checkpoint ended with; BEAMC_TIME_MIN in the beginning, and outside of a splittable DoFn. */
beamc_time beamc_watermark(const beamc_ctx *ctx);

#ifdef __cplusplus
}
#endif
#endif
