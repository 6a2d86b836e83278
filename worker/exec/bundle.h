/* bundle.h: the small interface between those who run bundles and the plan that executes them.
 *
 * Two sides implement beamc_bundle_io: the local runner (in memory) and the Fn API harness (gRPC). The
 * plan behind it is the same code in both, so what the local runner proves holds on any runner.
 *
 * A plan is made once from a ProcessBundleDescriptor and runs one bundle at a time, on the caller's
 * thread, with no locks in its nodes. While it runs, other threads may call beamc_plan_split,
 * beamc_plan_progress and beamc_plan_metrics only. A plan whose bundle failed must be freed.
 *
 * No gRPC here, and no protobuf types: only translate.c reads the descriptor. */
#ifndef BEAMC_EXEC_BUNDLE_H
#define BEAMC_EXEC_BUNDLE_H

#include <beamc/arena.h>
#include <beamc/buf.h>
#include <beamc/options.h>
#include <beamc/value.h>

typedef struct beamc_plan beamc_plan;
typedef struct beamc_library beamc_library; /* sdk/program/library.h: DoFns and combiners by URN */

/* ------------------------------------------------------------------------------------- ports */

typedef enum beamc_port_kind {
    BEAMC_PORT_SOURCE = 1, /* beam:runner:source:v1: elements come in */
    BEAMC_PORT_SINK,       /* beam:runner:sink:v1: elements go out */
    BEAMC_PORT_TIMER       /* a timer family of a ParDo: fired timers in, set timers out */
} beamc_port_kind;

/* One data stream of a bundle. All strings live as long as the plan. */
typedef struct beamc_port {
    beamc_port_kind kind;
    const char *transform_id;
    const char *timer_family; /* NULL unless TIMER */
    const char *url;          /* endpoint of the data service, "" where none is named */
} beamc_port;

/* ------------------------------------------------------------------------------------ state keys */

/* StateKey of beam_fn_api.proto. All slices are nested encodings, as the wire wants them. */
typedef enum beamc_state_key_kind {
    BEAMC_STATE_KEY_RUNNER = 1,
    BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT,
    BEAMC_STATE_KEY_BAG_USER,
    BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT,
    BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT,
    BEAMC_STATE_KEY_MULTIMAP_KEYS_USER,
    BEAMC_STATE_KEY_MULTIMAP_USER,
    BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT,
    BEAMC_STATE_KEY_ORDERED_LIST_USER,
    BEAMC_STATE_KEY_MULTIMAP_ENTRIES_USER
} beamc_state_key_kind;

typedef struct beamc_state_key {
    beamc_state_key_kind kind;
    beamc_slice transform_id; /* not of RUNNER */
    beamc_slice id;           /* user_state_id or side_input_id; RUNNER: the token */
    beamc_slice window;
    beamc_slice key;
    beamc_slice map_key; /* MULTIMAP_USER */
    int64_t range_start; /* ORDERED_LIST_USER: [start, end) */
    int64_t range_end;
} beamc_state_key;

/* ------------------------------------------------------------------------- what a bundle needs */

/* Nested-encoded elements (or timers) for one port. */
typedef struct beamc_input_block {
    uint32_t port;
    bool is_last; /* nothing more comes for this port */
    beamc_slice
        data; /* borrowed until the next recv. Nothing is promised behind its end. An element
                         may be cut by it and go on in the port's next block; one in many small
                         blocks is slow */
} beamc_input_block;

typedef struct beamc_bundle_io beamc_bundle_io;

/* All calls come from the bundle's thread. */
typedef struct beamc_bundle_io_ops {
    /* The next block; waits for it. *more is false when every source and timer port has ended. */
    beamc_status (*recv)(beamc_bundle_io *io, beamc_input_block *block, bool *more,
                         beamc_error *err);
    /* Output of a sink or timer port. The plan appends whole encoded elements to the buffer it gets
     * here (one for each port, the same through the bundle), and calls flush when it holds more than
     * flush_bytes. flush takes the bytes and leaves the buffer empty. The plan does not call it for
     * what is left at the end: the caller of beamc_plan_run sees to that, and to the terminators. */
    beamc_buf *(*out)(beamc_bundle_io *io, uint32_t port);
    beamc_status (*flush)(beamc_bundle_io *io, uint32_t port, beamc_error *err);
    size_t flush_bytes;

    /* State. get reads one page; *next is empty at the end. Results live as long as @p arena. */
    beamc_status (*state_get)(beamc_bundle_io *io, const beamc_state_key *key,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err);
    /* Writes may be pipelined; state_sync waits for all and reports the first failure. */
    beamc_status (*state_append)(beamc_bundle_io *io, const beamc_state_key *key, beamc_slice data,
                                 beamc_error *err);
    beamc_status (*state_clear)(beamc_bundle_io *io, const beamc_state_key *key, beamc_error *err);
    beamc_status (*state_sync)(beamc_bundle_io *io, beamc_error *err);
    /* Processing time in ms. NULL: the wall clock. */
    beamc_time (*now_ms)(beamc_bundle_io *io);
} beamc_bundle_io_ops;

struct beamc_bundle_io {
    const beamc_bundle_io_ops *ops;
};

/* --------------------------------------------------------------------------------------- results */

/* BundleApplication / DelayedBundleApplication of beam_fn_api.proto. */
typedef struct beamc_bundle_root {
    beamc_slice transform_id;
    beamc_slice input_id;
    beamc_slice element; /* nested, windowed, by the source's coder */
    int64_t delay_ms;    /* residuals: requested_time_delay */
    bool unbounded;
    size_t watermark_count; /* output_watermarks: for each output tag */
    const struct beamc_root_watermark {
        beamc_slice output;
        beamc_time watermark;
    } * watermarks;
} beamc_bundle_root;

/* Callbacks of one bundle, kept apart from the plan. Threads: whoever holds it. */
typedef struct beamc_finalizers beamc_finalizers;
/* Runs those that have not expired and frees the list. */
void beamc_finalizers_run(beamc_finalizers *list);
void beamc_finalizers_free(beamc_finalizers *list);
/* The time (wall clock ms) after which none of them may run any more. */
beamc_time beamc_finalizers_expiry(const beamc_finalizers *list);

typedef struct beamc_bundle_result {
    beamc_bundle_root
        *residuals; /* from self-checkpoints; in the plan's bundle arena, until its next bundle */
    size_t residual_count;
    beamc_finalizers *finalizers; /* owned by the caller; NULL when there are none */
} beamc_bundle_result;

typedef struct beamc_bundle_request {
    const char *instruction_id; /* for messages and logs */
    const char *bundle_id;      /* beamc_ctx_bundle_id; NULL: the instruction id */
    bool has_no_state;          /* ProcessBundleRequest.has_no_state: reads may be skipped */
} beamc_bundle_request;

/* ProcessBundleSplitRequest.DesiredSplit for one source port, and its answer. */
typedef struct beamc_split_request {
    uint32_t port;
    double fraction_of_remainder;
    const int64_t *allowed_points;
    size_t allowed_count;
    int64_t estimated_elements;
} beamc_split_request;

typedef struct beamc_split_result {
    bool split; /* false: nothing was split, the rest does not hold */
    bool has_roots;
    beamc_bundle_root primary;
    beamc_bundle_root residual;
    int64_t last_primary;
    int64_t first_residual;
} beamc_split_result;

/* One MonitoringInfo (metrics.proto), borrowed for the call. Absent labels are NULL. */
typedef struct beamc_monitoring_info {
    const char *urn;
    const char *type;
    const char *transform; /* PTRANSFORM: the transform id */
    const char *pcollection;
    const char *name_space;
    const char *name;
    beamc_slice payload;
    uint32_t slot; /* the same metric of this plan always has the same slot */
} beamc_monitoring_info;

typedef void (*beamc_monitoring_fn)(void *arg, const beamc_monitoring_info *info);

/* --------------------------------------------------------------------------------- the plan */

/* Settings that all plans of a worker share. Borrowed for the plan's life. */
typedef struct beamc_plan_env {
    const beamc_library *library;
    const beamc_options *options; /* for beamc_ctx_option; may be NULL */
    const char *worker_id;
    bool sample_data; /* keep element samples for each PCollection */
} beamc_plan_env;

/* From a serialized ProcessBundleDescriptor (copied). Never trusts it: any bytes are safe. */
beamc_status beamc_plan_new(beamc_slice descriptor, const beamc_plan_env *env, beamc_plan **out,
                            beamc_error *err) BEAMC_MUST_USE;
/* Calls the teardowns. */
void beamc_plan_free(beamc_plan *plan);
const beamc_port *beamc_plan_ports(const beamc_plan *plan, size_t *count);
/* ProcessBundleDescriptor.id */
const char *beamc_plan_id(const beamc_plan *plan);
/* Id of the transform that the plan is in at this moment, "" in none. Any thread; also from the handler of
 * a signal. */
const char *beamc_plan_current_transform(const beamc_plan *plan);
/* Endpoint of the state service, "" when none is named. */
const char *beamc_plan_state_url(const beamc_plan *plan);

/* Runs one bundle to its end. On failure the plan is broken: free it. */
beamc_status beamc_plan_run(beamc_plan *plan, const beamc_bundle_request *request,
                            beamc_bundle_io *io, beamc_bundle_result *result,
                            beamc_error *err) BEAMC_MUST_USE;

/* From any thread while a bundle runs. Result roots live in @p arena. */
beamc_status beamc_plan_split(beamc_plan *plan, const beamc_split_request *request,
                              beamc_arena *arena, beamc_split_result *result,
                              beamc_error *err) BEAMC_MUST_USE;
/* Calls @p fn for each metric of the running bundle (tentative), or of the last one (final). Never blocks
 * on a bundle. Also element counts, sampled sizes, execution times, read index, progress. */
void beamc_plan_metrics(beamc_plan *plan, beamc_monitoring_fn fn, void *arg);
/* Elements started at source @p port, -1 before the first (data_channel:read_index). */
int64_t beamc_plan_read_index(const beamc_plan *plan, uint32_t port);
/* Samples of @p pcollection (all when NULL): nested encodings, via @p fn. */
void beamc_plan_samples(beamc_plan *plan, const char *pcollection,
                        void (*fn)(void *arg, const char *pcollection, beamc_slice element),
                        void *arg);

#endif
