/* plan.h: what the nodes of a plan share.
 *
 * Lifetimes: `arena` is the plan's, `bundle` is reset when a bundle starts, `elements` is rewound
 * behind every element of a source. Threads: everything belongs to the thread that runs the bundle,
 * except what is said to be atomic, and what `mu` guards. */
#ifndef BEAMC_EXEC_PLAN_H
#define BEAMC_EXEC_PLAN_H

#include <beamc/dofn.h>
#include <pthread.h>

#include "worker/exec/bundle.h"
#include "worker/exec/unit.h"

struct beamc_metric;
struct beamc_source;
struct beamc_timer_port;
struct beamc_sdf;

/* What stands behind a port. */
typedef struct beamc_port_node {
    struct beamc_source *source; /* SOURCE */
    struct beamc_timers *timers; /* TIMER, with the index of the family there */
    unsigned family;
    bool ended;       /* is_last was seen in this bundle */
    beamc_buf cut;    /* the beginning of an element that the last block cut */
    size_t cut_tried; /* its length when that was last tried to be decoded */
} beamc_port_node;

struct beamc_plan {
    beamc_arena *arena;
    beamc_arena *bundle;
    beamc_arena *elements;
    beamc_scratch scratch; /* over elements */
    const beamc_plan_env *env;
    const char *id;
    const char *state_url;

    beamc_unit **units; /* producers before consumers */
    size_t unit_count, unit_cap;
    beamc_pcol **pcols;
    size_t pcol_count, pcol_cap;
    beamc_port *ports;
    beamc_port_node *port_nodes;
    size_t port_count, port_cap;
    struct beamc_sdf *sdfs; /* all of them, for progress */
    uint32_t next_slot;

    /* The running bundle. */
    const beamc_bundle_request *request; /* NULL between bundles */
    beamc_bundle_io *io;
    beamc_error error;   /* of the call that failed last */
    beamc_error failure; /* the first that fails the bundle, with its transform in front */
    beamc_status failed;
    bool broken; /* a bundle failed: this plan runs no other */
    beamc_bundle_root *residuals;
    size_t residual_count, residual_cap;
    beamc_finalizers *finalizers;
    beamc_buf measure; /* for the sizes of samples */

    _Atomic(beamc_exec_state *) at;  /* where the time goes now */
    struct beamc_plan *sampler_next; /* guarded by the lock of sampler.c */

    pthread_mutex_t mu;                     /* only for what follows */
    bool running;                           /* guarded by mu: split is possible */
    _Atomic(struct beamc_metric *) metrics; /* grows at its head, never shrinks */
};

/* ------------------------------------------------------------------------------ building */

beamc_plan *beamc__plan_alloc(const beamc_plan_env *env);
/* Hands a node over; call it for producers before their consumers. */
void beamc__plan_add_unit(beamc_plan *plan, beamc_unit *unit, const beamc_unit_ops *ops,
                          const char *id);
beamc_pcol *beamc__plan_add_pcol(beamc_plan *plan, const char *id);
uint32_t beamc__plan_add_port(beamc_plan *plan, beamc_port port);
void beamc__pcol_add_consumer(beamc_pcol *pc, beamc_unit *unit);
/* All nodes are there: calls their setups. */
beamc_status beamc__plan_setup(beamc_plan *plan, beamc_error *err);

/* ------------------------------------------------------------------------------- running */

/* Notes that @p unit failed at element @p element of its input (0: not in an element), and returns
 * the status that fails the bundle. The first failure counts. */
beamc_status beamc__plan_fail(beamc_plan *plan, const char *transform, int64_t element,
                              beamc_status status);

beamc_status beamc__pcol_push_others(beamc_pcol *pc, const beamc_wv *wv);
void beamc__pcol_sample(beamc_pcol *pc, const beamc_wv *wv);
beamc_time beamc__plan_now(const beamc_plan *plan);

static inline beamc_status beamc_unit_enter(beamc_unit *unit, beamc_pcol *pc, const beamc_wv *wv) {
    beamc_plan *plan = unit->plan;
    beamc_exec_state *before = atomic_load_explicit(&plan->at, memory_order_relaxed);
    atomic_store_explicit(&plan->at, &unit->in_process, memory_order_relaxed);
    beamc_status status = unit->ops->process(unit, wv);
    atomic_store_explicit(&plan->at, before, memory_order_relaxed);
    if (__builtin_expect(status != BEAMC_OK, 0)) {
        return beamc__plan_fail(plan, unit->id, beamc_tally_get(&pc->count), status);
    }
    return BEAMC_OK;
}

/* Passes @p wv on to all that consume @p pc. */
static inline beamc_status beamc_push(beamc_pcol *pc, const beamc_wv *wv) {
    beamc_tally_add(&pc->count, 1);
    if (__builtin_expect(beamc_tally_get(&pc->count) >= pc->next_sample, 0)) {
        beamc__pcol_sample(pc, wv);
    }
    if (pc->consumer != NULL) {
        BEAMC_TRY(beamc_unit_enter(pc->consumer, pc, wv));
    }
    if (__builtin_expect(pc->other_count != 0, 0)) {
        return beamc__pcol_push_others(pc, wv);
    }
    return BEAMC_OK;
}

/* Where results of state reads and of user code go until the root element is done. */
static inline void *beamc_plan_scratch(beamc_plan *plan, size_t size) {
    return beamc_arena_alloc(plan->elements, size);
}

/* samples.c */
struct beamc_sample_ring *beamc__samples_new(void);
void beamc__samples_free(struct beamc_sample_ring *ring);
void beamc__samples_put(struct beamc_sample_ring *ring, beamc_slice element);

/* sampler.c: the thread that measures time. */
void beamc__sampler_add(beamc_plan *plan);
void beamc__sampler_remove(beamc_plan *plan);

/* metrics.c */
void beamc__plan_metrics_reset(beamc_plan *plan);
void beamc__plan_metrics_free(beamc_plan *plan);

/* finalizers.c */
void beamc__finalizers_add(beamc_finalizers **list, void (*callback)(void *arg), const void *arg,
                           size_t arg_size, beamc_time expire_ms);

#endif
