/* impl.h: the engine's own structs.
 *
 * Threads: `mu` of the engine guards the nodes, their queues, watermarks and everything that says so;
 * it is held for moments only, once or twice for each bundle. Each shard of a group and each view has a
 * lock of its own, taken without the engine's. Lock order: engine before nothing; shard, view and
 * metrics locks are leaves. */
#ifndef BEAMC_ENGINE_IMPL_H
#define BEAMC_ENGINE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "runner/engine/block.h"
#include "runner/engine/engine.h"
#include "runner/engine/grouper.h"
#include "runner/engine/store.h"
#include "runner/engine/table.h"

struct beamc_keyed;
struct beamc_sums;
struct beamc_bundle;
struct beamc_checkpoint;
struct beamc_sealed;

/* ------------------------------------------------------------------------------- instances */

/* An instance of a worker for one descriptor, with what the engine knows of its ports. */
typedef struct beamc_runnable {
    struct beamc_runnable *next; /* in its pool */
    beamc_executor *instance;
    size_t port_count;
    uint32_t source_port;
    uint32_t *output_of; /* port -> output of the node; UINT32_MAX: none */
    uint32_t *family_of; /* port -> timer family of the node; UINT32_MAX: none */
    struct beamc_metric_slot **slots;
    size_t slot_count;
} beamc_runnable;

/* Idle instances; guarded by the engine's mu. */
typedef struct beamc_pool {
    const beamc_work_spec *work;
    const beamc_output_spec *outputs; /* sinks are matched with these */
    size_t output_count;
    const beamc_timer_family_spec *timers;
    size_t timer_count;
    beamc_runnable *idle;
} beamc_pool;

/* ------------------------------------------------------------------------------------ nodes */

/* A part of a group's keys. */
typedef struct beamc_shard {
    pthread_mutex_t mu;
    beamc_grouper *grouper; /* guarded by mu */
    /* What the grouper said last; written under mu, read under the engine's. */
    _Atomic(int64_t) hold, next_watermark, next_clock;
    atomic_size_t value_bytes, footprint;
    atomic_int_fast64_t late_dropped;
    /* Guarded by the engine's mu. */
    bool busy;            /* somebody drains or compacts it */
    beamc_time busy_hold; /* its hold when that began */
    bool more;            /* the last drain left something */
} beamc_shard;

typedef struct beamc_group {
    beamc_shard *shards;
    unsigned shard_count; /* a power of two */
    unsigned shard_shift;
    beamc_pool compaction;
    beamc_output_spec compaction_output;
    size_t compact_bytes; /* growth of a shard's values that is let pass */
} beamc_group;

typedef struct beamc_view {
    const beamc_view_spec *spec;
    pthread_mutex_t mu;
    beamc_index windows; /* of beamc_view_window; guarded by mu */
    uint32_t *producers;
    size_t producer_count;
    _Atomic(int64_t)
        watermark;        /* the least of its producers; at the end nothing is added any more */
    bool keeps;           /* what is added is to be saved */
    beamc_pieces unsaved; /* guarded by mu */
    beamc_pieces saved;   /* without their blocks: what is in the journal */
    uint32_t *readers;    /* nodes */
    size_t reader_count;
} beamc_view;

typedef struct beamc_node {
    const beamc_node_spec *spec;
    uint32_t index;
    uint32_t *producers; /* nodes that feed it */
    size_t producer_count;
    uint32_t *feeds; /* stages that its outputs feed, for back-pressure */
    size_t feed_count;

    /* Guarded by mu of the engine. */
    beamc_queue queue;    /* STAGE, not keyed */
    beamc_pieces delayed; /* residuals that wait for their time */
    beamc_pieces sided;   /* input that waits for side inputs; an unbounded job's */
    size_t sided_bytes;
    beamc_time sided_last; /* the earliest `last` of them */
    struct beamc_bundle *running;
    unsigned running_count;
    beamc_time upstream; /* the least output watermark of its producers */
    beamc_time input;    /* watermarks, never going back */
    beamc_time output;
    beamc_time before;   /* output when input came where it is: what then fires is judged by that,
                            whichever shard is first */
    bool done;           /* output is at the end of time, and nothing is left */
    double bytes_per_ms; /* how fast one thread was in the last bundles; 0: not known yet */

    bool *helps;     /* by node: its side inputs come from here, maybe by detours; NULL: none */
    beamc_pool pool; /* STAGE */
    /* Splittable: shortens restrictions when the job drains; its output goes to the node itself. */
    beamc_pool truncate;
    beamc_work_spec truncate_work;
    beamc_output_spec truncate_output;
    beamc_target truncate_target;
    beamc_group *group;        /* GROUP */
    struct beamc_keyed *keyed; /* STAGE, keyed */
    size_t keyed_bytes;        /* queued there */
    size_t next_event;         /* TEST_STREAM */

    struct beamc_sealed *sealed; /* bundles of a stable stage, oldest first: see checkpoint.h */
    size_t sealed_bytes;
    size_t staged_bytes; /* on their way to it: of bundles that have made much, and still run */
    int64_t late_before; /* dropped as late by processes before this one */
} beamc_node;

/* --------------------------------------------------------------------------------- the engine */

struct beamc_engine {
    const beamc_engine_graph *graph;
    beamc_engine_config config;
    bool bounded;      /* nothing in the graph is unbounded */
    bool virtual_time; /* a test stream moves the clock */
    beamc_node *nodes;
    beamc_view *views;
    struct beamc_sums *metrics;
    struct beamc_checkpoint *checkpoint; /* NULL: nothing outlives the process; guarded by mu */

    pthread_mutex_t mu;
    pthread_cond_t wake;
    /* Guarded by mu. */
    unsigned running;  /* tasks */
    unsigned idle;     /* threads that wait */
    int64_t keeper_us; /* monotonic: when one of them wakes up by itself, for all */
    pthread_cond_t pacer_wake;
    bool pacer_naps; /* the pacer waits to be called */
    bool pacer_over;
    uint64_t next_bundle;
    beamc_status status; /* of the run */
    beamc_error error;
    bool stop; /* all done, failed or cancelled */
    beamc_engine_progress progress;

    _Atomic(beamc_stop) stopping; /* what was asked for */
    atomic_bool cancelled;        /* running bundles need not come to their end */
    _Atomic(int64_t) clock;       /* virtual time */
};

/* What a thread of the engine has for itself. */
typedef struct beamc_thread {
    beamc_engine *engine;
    pthread_t id;
    struct beamc_ingest *ingest;
} beamc_thread;

static inline beamc_time beamc_earlier(beamc_time a, beamc_time b) {
    return a < b ? a : b;
}

/* engine.c */
beamc_time beamc__engine_now(const beamc_engine *e);
/* Notes the first failure and stops the rest. Call without mu. */
void beamc__engine_fail(beamc_engine *e, beamc_status status, const beamc_error *err);
/* With mu held: there is something to do. One thread that waits looks, and calls the next if it finds
 * something. */
void beamc__engine_wake(beamc_engine *e);
/* With mu held: until work comes or the clock shows @p until; BEAMC_TIME_MAX: no such time. */
void beamc__engine_wait(beamc_engine *e, beamc_time until);

/* watermark.c: with mu held. Recomputes all watermarks, producers first. */
void beamc__watermarks_update(beamc_engine *e);

/* schedule.c */
typedef enum beamc_task_kind {
    BEAMC_TASK_NONE = 0,
    BEAMC_TASK_BUNDLE,
    BEAMC_TASK_FIRE,    /* drain a shard of a group */
    BEAMC_TASK_COMPACT, /* merge accumulators in a shard of a group */
    BEAMC_TASK_EVENT    /* the next step of a test stream */
} beamc_task_kind;

typedef struct beamc_task {
    beamc_task_kind kind;
    beamc_node *node;
    unsigned shard;
    struct beamc_bundle *bundle;
    beamc_group_time time;
} beamc_task;

/* With mu held: the next thing to do, taken out of the queues. *wait_until: when to look again. */
beamc_task beamc__schedule_pick(beamc_engine *e, beamc_time *wait_until);
/* With mu held: nothing is left to do, now or later. */
bool beamc__schedule_all_done(const beamc_engine *e);

/* deliver.c: what one output has made, to all its targets. prepare does the work that needs no engine
 * lock (groups and views take their elements, stages' pieces are cut); commit, with mu held, makes the
 * rest visible. The pieces stay the caller's. */
typedef struct beamc_delivery {
    beamc_node *to;
    beamc_pieces pieces;
    struct beamc_keyed_input *keyed; /* instead of pieces */
} beamc_delivery;
typedef struct beamc_deliveries {
    beamc_delivery *items;
    size_t count, cap;
} beamc_deliveries;
beamc_status beamc__deliver_prepare(beamc_thread *t, const beamc_output_spec *output,
                                    const beamc_pieces *pieces, beamc_deliveries *out,
                                    beamc_error *err) BEAMC_MUST_USE;
void beamc__deliver_commit(beamc_engine *e, beamc_deliveries *deliveries);
void beamc__deliveries_free(beamc_deliveries *deliveries);

/* run.c */
typedef struct beamc_bundle_output {
    beamc_buf buf;
    beamc_pieces pieces;
} beamc_bundle_output;

/* What there is to say about splitting a bundle while it runs (split.c). */
typedef struct beamc_bundle_cut {
    bool allowed;   /* its content is not settled yet; set before it is in flight */
    bool truncated; /* its restriction was truncated before: a drain finishes it */
    /* Processing began at this time (monotonic, ms); 0: not yet. */
    _Atomic(int64_t) began_ms;
    size_t out_bytes; /* staged output; the bundle's thread alone counts it */
    size_t out_limit; /* above that it is split */
    /* Guarded by the engine's mu. */
    bool is_part;        /* the end of its endless restriction was split off: it is finite now */
    size_t staged_bytes; /* of out_bytes: what counts as queued behind it */
    int64_t next_ms;     /* not before that */
    int64_t pause_ms;
    /* Held through a split; never waited for with the engine's mu. Guards the rest. */
    pthread_mutex_t mu;
    bool open;            /* an attempt is running and may be split */
    bool any;             /* it was split: */
    beamc_pieces primary; /* all that another attempt has to process */
    beamc_pieces was;     /* input of attempts before the last one, when it was more */
    size_t cut_bytes;     /* input that others process */
    beamc_status failed;  /* a split went wrong half-way: the attempt must fail */
    beamc_error error;
} beamc_bundle_cut;

/* One bundle in flight. */
typedef struct beamc_bundle {
    beamc_bundle_io io;
    beamc_engine *engine;
    beamc_node *node;
    struct beamc_bundle *prev, *next; /* of the node's running ones; guarded by the engine's mu */
    beamc_time hold;                  /* of its input */
    uint64_t number;
    unsigned attempt;
    beamc_pool *pool;
    const beamc_output_spec *outputs;
    size_t output_count;
    bool sealed; /* its number and input are in the journal */

    beamc_pieces input;
    size_t given; /* pieces, then terminators, that recv gave out */
    beamc_runnable *on;
    beamc_bundle_output *out; /* by output */
    struct beamc_keyed_work *keyed;
    bool truncates;     /* runs node->truncate */
    int64_t started_us; /* monotonic */
    size_t input_bytes; /* at the start */
    beamc_bundle_cut cut;
} beamc_bundle;

beamc_bundle *beamc__bundle_new(beamc_engine *e, beamc_node *node, beamc_pool *pool,
                                const beamc_output_spec *outputs, size_t output_count);
void beamc__bundle_free(beamc_bundle *b);
/* With mu held: it is in flight from now on. */
void beamc__bundle_link(beamc_bundle *b);
/* Runs it to its commit. */
void beamc__bundle_run(beamc_thread *t, beamc_bundle *b);
/* Without commit: runs it, with retries, until it has succeeded or failed for good. The result holds
 * until the instance (b->on) is given back. */
beamc_status beamc__bundle_attempts(beamc_bundle *b, beamc_bundle_result *result, beamc_error *err);
/* With mu held. */
void beamc__pool_put(beamc_pool *pool, beamc_runnable *on);
void beamc__runnable_free(beamc_runnable *on);

/* bundle_io.c */
extern const beamc_bundle_io_ops beamc__engine_io_ops;

/* split.c: a bundle in flight is cut in two: it ends earlier, and the rest goes back into the queue. */
void beamc__cut_init(beamc_bundle *b);
void beamc__cut_deinit(beamc_bundle *b);
/* Around each attempt. close waits for a split that is under way, and tells whether it went wrong. */
void beamc__cut_open(beamc_bundle *b);
beamc_status beamc__cut_close(beamc_bundle *b, beamc_error *err);
/* Before another attempt: what was split off is no longer its input. */
void beamc__cut_retry(beamc_bundle *b);
/* With mu held, which it gives up and takes again: splits @p b at @p fraction of what remains, unless it
 * ends anyway. True: something was put into the queue. @p b may be gone afterwards. */
bool beamc__bundle_split(beamc_bundle *b, double fraction);
/* A residual of @p b as input of its node. */
beamc_piece beamc__root_piece(const beamc_bundle *b, const beamc_bundle_root *root);
/* With mu held: takes the pieces' references. Residuals go to the back, or wait; elements to the front. */
void beamc__give_back(beamc_bundle *b, beamc_pieces *rest);
/* Cuts @p piece behind the element that holds byte @p bytes; the rest comes back in *rest. False: it is one
 * element, or its elements are not known. */
bool beamc__piece_cut(const beamc_wire_coder *coder, beamc_piece *piece, size_t bytes,
                      beamc_piece *rest);

/* pace.c: how long bundles take. With mu held, unless it says otherwise. */
int64_t beamc__monotonic_us(void); /* any thread */
/* How many bytes the next bundle of a stage takes. */
size_t beamc__pace_share(const beamc_engine *e, const beamc_node *n, size_t queued);
/* The first piece of @p q, but of one that is much longer than @p room not all. */
beamc_piece beamc__pace_next(const beamc_engine *e, const beamc_node *n, beamc_queue *q,
                             size_t room);
void beamc__pace_begin(beamc_bundle *b);
void beamc__pace_end(beamc_bundle *b);
/* The thread that splits bundles which are open for too long, or which idle threads could share.
 * Without mu. */
void *beamc__pacer(void *engine);
/* Without mu, by the bundle's thread: it has made so much more output. */
void beamc__pace_output(beamc_bundle *b, size_t bytes);

/* pressure.c: with mu held. */
void beamc__pressure_wire(beamc_engine *e);
/* How much may be queued for @p n before those who feed it pause. */
size_t beamc__queue_room(const beamc_engine *e, const beamc_node *n);
/* Those who take what @p n makes have enough to do. */
bool beamc__is_held_back(const beamc_engine *e, const beamc_node *n);
/* The same of all that is queued; for those who bring in more. */
bool beamc__is_full(const beamc_engine *e, const beamc_node *n);

/* sides.c: with mu held. Whether a bounded job's side inputs of the stage are complete. */
bool beamc__sides_ready(const beamc_engine *e, const beamc_node *n);
/* Whether the stage has input that waits for side inputs. */
bool beamc__waits_for_sides(const beamc_engine *e, const beamc_node *n);
/* Input of the stage, which waits as long as it must. Takes the reference. */
void beamc__sides_take(beamc_engine *e, beamc_node *n, beamc_piece piece);
/* What has waited long enough goes on. */
void beamc__sides_release(beamc_engine *e, beamc_node *n);

/* drain.c: with mu held. */
void beamc__drain_wire(beamc_engine *e);
/* Whether a restriction has to be truncated first. */
bool beamc__drain_wants(const beamc_engine *e, const beamc_node *n, bool truncated);
/* Without mu: what a bundle that truncates has made. */
void beamc__drain_deliveries(const beamc_bundle *b, beamc_deliveries *deliveries);

/* group.c */
beamc_status beamc__group_new(beamc_engine *e, const beamc_node_spec *spec, beamc_group **out,
                              beamc_error *err);
void beamc__group_free(beamc_group *g);
void beamc__group_fire(beamc_thread *t, const beamc_task *task);
void beamc__group_compact(beamc_thread *t, const beamc_task *task);
/* Under the shard's lock. */
void beamc__shard_refresh(beamc_shard *shard);

/* ingest.c */
struct beamc_ingest *beamc__ingest_new(void);
void beamc__ingest_free(struct beamc_ingest *ingest);
beamc_status beamc__ingest_group(beamc_thread *t, beamc_node *node, const beamc_output_spec *from,
                                 const beamc_pieces *pieces, beamc_error *err);
/* The merged accumulators of a compaction, back into their shard. */
beamc_status beamc__ingest_replace(beamc_thread *t, beamc_node *node, beamc_shard *shard,
                                   const beamc_pieces *pieces, beamc_error *err);

/* view.c */
void beamc__view_init(beamc_view *view, const beamc_view_spec *spec);
void beamc__view_deinit(beamc_view *view);
beamc_status beamc__view_add(beamc_view *view, const beamc_output_spec *from,
                             const beamc_pieces *pieces, beamc_error *err);
/* With the engine's mu held: drops windows that no reader asks for any more. */
void beamc__view_collect(beamc_engine *e, beamc_view *view);
/* Side input reads of a bundle. */
beamc_status beamc__view_get(beamc_view *view, const beamc_state_key *key, beamc_arena *arena,
                             beamc_slice *page, beamc_error *err);

/* metrics.c */
struct beamc_sums *beamc__sums_new(void);
void beamc__sums_free(struct beamc_sums *m);
/* Adds what the instance's last bundle counted. */
void beamc__sums_commit(struct beamc_sums *m, beamc_runnable *on);
void beamc__sums_each(struct beamc_sums *m, beamc_engine_metric_fn fn, void *arg);
/* All of them as bytes, and back into sums that are new. False: damaged. */
void beamc__sums_save(struct beamc_sums *m, beamc_buf *out);
bool beamc__sums_load(struct beamc_sums *m, beamc_slice bytes);

/* stream.c: test streams. */
void beamc__stream_step(beamc_thread *t, beamc_node *node);

#endif
