/* keyed_impl.h: shards of a keyed stage (keyed.c) and the bundles on them (keyed_run.c). */
#ifndef BEAMC_ENGINE_KEYED_IMPL_H
#define BEAMC_ENGINE_KEYED_IMPL_H

#include "runner/engine/keyed.h"
#include "runner/engine/store.h"

enum { BEAMC_KEYED_SHARDS = 16, BEAMC_KEYED_SHIFT = 60 };

typedef struct beamc_keyed_shard {
    beamc_store store; /* of the bundle in flight */
    /* Guarded by the engine's mu. */
    beamc_queue queue; /* time-sorted input: one element a piece, a heap by time */
    beamc_time queue_hold;
    bool busy;
    beamc_time next_event, next_clock, hold; /* of the store, when it was last left */
} beamc_keyed_shard;

struct beamc_keyed {
    beamc_engine *engine;
    beamc_node *node;
    beamc_keyed_shard shards[BEAMC_KEYED_SHARDS];
    unsigned turn; /* where to look next */
    int64_t late_dropped;
    beamc_time arrivals; /* numbers time-sorted input */
};

struct beamc_keyed_input {
    beamc_buf bytes[BEAMC_KEYED_SHARDS];
    beamc_time hold[BEAMC_KEYED_SHARDS];
    beamc_pieces each[BEAMC_KEYED_SHARDS]; /* time-sorted input */
    int64_t late_dropped;
};

/* What a running bundle has of its shard. */
typedef struct beamc_keyed_work {
    beamc_keyed *keyed;
    beamc_keyed_shard *shard;
    bool timers; /* fires timers, else has elements */
    bool drain;
    beamc_time watermark, now;
    beamc_state_ops ops;
    beamc_set_timer **fired;
    size_t fired_count, fired_cap;
    beamc_scope **touched;
    size_t touched_count, touched_cap;
    beamc_buf *given; /* by family: fired timers, encoded */
    beamc_buf *set;   /* by family: what the DoFn set */
} beamc_keyed_work;

/* keyed_run.c: notes when the store wants to be looked at next. */
void beamc__keyed_refresh(beamc_keyed_shard *shard);
/* keyed_save.c: what the store holds outlives the process. */
void beamc__keyed_keep(beamc_keyed *k);

/* The watermark that fires an event-time timer: that of its time, for then no elements before it will
 * come. A window is over only behind its last instant. */
static inline beamc_time beamc_event_fires(const beamc_set_timer *t) {
    return t->last ? t->fire_at + 1 : t->fire_at;
}

/* Whether a timer of event time, or of processing time, fires now. */
static inline bool beamc_event_due(beamc_time fires, beamc_time watermark) {
    return fires <= watermark && fires < BEAMC_TIME_MAX;
}

static inline bool beamc_clock_due(beamc_time fire_at, beamc_time now, bool drain) {
    return fire_at <= now || (drain && fire_at < BEAMC_TIME_MAX);
}

#endif
