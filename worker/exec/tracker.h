/* tracker.h: what of a restriction has been claimed.
 *
 * The offset range is built in, and claims in it take no lock: the bundle's thread publishes its
 * claim and then reads the stop, a splitter publishes the stop and then reads the claim, both
 * sequentially consistent. At least one sees the other; a claim that meets the stop asks again under
 * the lock. Custom trackers are called with the lock held. */
#ifndef BEAMC_EXEC_TRACKER_H
#define BEAMC_EXEC_TRACKER_H

#include <beamc/dofn.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct beamc_tracker {
    const beamc_tracker_fn *fn; /* NULL: offset range */
    const void *restriction;    /* as it came */
    void *state;                /* of fn */
    pthread_mutex_t *mu;
    int64_t start;
    _Atomic int64_t stop;
    _Atomic int64_t claimed; /* the last offset that was asked for */
    _Atomic bool any;        /* one was */
    bool backwards;          /* an offset before the last one was asked for */
    int64_t wrong_offset;
    bool failed; /* a claim has: nothing may be claimed behind it */
    bool after;  /* something was */
    int64_t failed_offset, after_offset;
} beamc_tracker;

/* Begins with @p restriction. Nobody else may look at the tracker meanwhile. */
beamc_status beamc__tracker_start(beamc_tracker *t, beamc_ctx *ctx, const void *restriction);
bool beamc__tracker_claim_first(beamc_tracker *t, int64_t offset);
bool beamc__tracker_claim_again(beamc_tracker *t, int64_t offset);
bool beamc__tracker_claim_position(beamc_tracker *t, const void *position);
/* The rest in two at @p fraction; false: it cannot be split. Lock held. */
bool beamc__tracker_split(beamc_tracker *t, double fraction, void *primary, void *residual);
void beamc__tracker_progress(const beamc_tracker *t, double *done, double *remaining);
beamc_status beamc__tracker_check_done(const beamc_tracker *t, beamc_error *err);

static inline bool beamc_tracker_claim(beamc_tracker *t, int64_t offset) {
    if (__builtin_expect(!atomic_load_explicit(&t->any, memory_order_relaxed) ||
                             offset <= atomic_load_explicit(&t->claimed, memory_order_relaxed),
                         0)) {
        return beamc__tracker_claim_first(t, offset);
    }
    atomic_store_explicit(&t->claimed, offset, memory_order_seq_cst);
    if (__builtin_expect(offset < atomic_load_explicit(&t->stop, memory_order_seq_cst), 1)) {
        return true;
    }
    return beamc__tracker_claim_again(t, offset);
}

#endif
