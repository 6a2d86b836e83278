/* unit.h: the nodes of a plan and the edges between them.
 *
 * An element is pushed: beamc_push calls the next node, which calls the one behind it, and returns
 * when the element has travelled all the way (depth first). What a node is given is borrowed until
 * it returns. A plan runs one bundle at a time on one thread, so nodes hold no locks; the counters
 * that other threads read are relaxed atomics with one writer. */
#ifndef BEAMC_EXEC_UNIT_H
#define BEAMC_EXEC_UNIT_H

#include <beamc/value.h>
#include <stdatomic.h>

#include "coder/coder_impl.h"

typedef struct beamc_unit beamc_unit;
typedef struct beamc_pcol beamc_pcol;
struct beamc_plan;

/* An element on its way: value, timestamp, windows, pane. */
typedef beamc_windowed_value beamc_wv;

/* Where the time of a plan goes; the sampler thread adds to it. */
typedef struct beamc_exec_state {
    _Atomic uint64_t msecs;
} beamc_exec_state;

/* A counter with one writer and any readers. */
typedef _Atomic int64_t beamc_tally;

/* Wraps, as the sums of other SDKs do. */
static inline void beamc_tally_add(beamc_tally *t, int64_t n) {
    uint64_t sum = (uint64_t)atomic_load_explicit(t, memory_order_relaxed) + (uint64_t)n;
    atomic_store_explicit(t, (int64_t)sum, memory_order_relaxed);
}

static inline int64_t beamc_tally_get(const beamc_tally *t) {
    return atomic_load_explicit(t, memory_order_relaxed);
}

static inline void beamc_tally_set(beamc_tally *t, int64_t n) {
    atomic_store_explicit(t, n, memory_order_relaxed);
}

/* What a kind of node does. All but process may be NULL. A failing call leaves its text in
 * plan->error; the caller puts the transform in front. */
typedef struct beamc_unit_ops {
    const char *name;
    beamc_status (*setup)(beamc_unit *unit);
    beamc_status (*start_bundle)(beamc_unit *unit);
    beamc_status (*process)(beamc_unit *unit, const beamc_wv *in);
    beamc_status (*finish_bundle)(beamc_unit *unit);
    /* After a failed bundle, instead of finish_bundle: drops what the bundle left. */
    void (*abort_bundle)(beamc_unit *unit);
    /* Calls the user's teardown, if setup was begun, and frees what is not in the plan arena. */
    void (*teardown)(beamc_unit *unit);
} beamc_unit_ops;

struct beamc_unit {
    const beamc_unit_ops *ops;
    struct beamc_plan *plan;
    const char *id; /* of the transform */
    beamc_exec_state in_start;
    beamc_exec_state in_process;
    beamc_exec_state in_finish;
    uint32_t slot;      /* of its three time metrics */
    bool is_set_up;     /* setup was begun */
    bool reports_times; /* runs user code */
};

/* Sizes of the elements that were looked at. */
typedef struct beamc_size_samples {
    beamc_tally count;
    beamc_tally sum;
    beamc_tally min;
    beamc_tally max;
} beamc_size_samples;

/* A PCollection inside the plan: counts what passes and hands it to its consumers. */
struct beamc_pcol {
    struct beamc_plan *plan;
    beamc_tally count;
    beamc_unit *consumer; /* the first; NULL: nobody */
    int64_t next_sample;  /* the count at which one is taken */
    beamc_unit **others;  /* the rest */
    size_t other_count;
    const char *id;
    const beamc_coder *coder;        /* how values lie in memory, and on the wire if it is known */
    const beamc_coder *window_coder; /* NULL: not known */
    bool sizable;                    /* encoding one to see its size does no harm */
    beamc_size_samples sizes;
    uint32_t slot;                     /* of its two metrics */
    struct beamc_sample_ring *samples; /* NULL unless data is sampled */
};

#endif
