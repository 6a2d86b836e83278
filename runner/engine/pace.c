/* pace.c: how long bundles take, and what is done about it.
 *
 * In an unbounded job a bundle that is open for longer than max_bundle_ms is split where it is, so that
 * its output comes out and its stage can commit; from its speed follows how much the next one takes.
 * When threads are idle, a bundle that is at it for long gives away half of what it has left. That is
 * done by one thread, the pacer, which sleeps while nothing runs: bundles ask no clock.
 *
 * A bundle that has made more output than those behind it have room for is split by its own thread. */
#include <time.h>

#include "runner/engine/checkpoint.h"

enum {
    SHARE_AFTER_MS = 100, /* a bundle is worth sharing; also the time between two shares */
    LOOK_MS = 50,         /* whether threads are idle now */
    BEGIN_MS = 10,        /* whether it has begun now */
    PAUSE_MAX_MS = 100,
    MIN_SHARE_BYTES = 1 << 20,
    MIN_OUTPUT_BYTES = 256 << 10,
    FIRST_SHARE_BYTES = 64 << 10,
    MEASURABLE_BYTES = 64 << 10,
};

int64_t beamc__monotonic_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* -------------------------------------------------------------------------------- how much */

/* All that it may, but no more than leaves something for the other threads; in a job that goes on, no
 * more than it can do in time. */
size_t beamc__pace_share(const beamc_engine *e, const beamc_node *n, size_t queued) {
    size_t most = e->config.bundle_bytes;
    if (n->upstream < BEAMC_TIME_MAX && e->bounded) {
        return most;
    }
    size_t share = queued / e->config.parallelism + 1;
    share = share < MIN_SHARE_BYTES ? MIN_SHARE_BYTES : share;
    share = share < most ? share : most;
    if (!e->bounded && n->bytes_per_ms > 0) {
        double timely = n->bytes_per_ms * (double)e->config.max_bundle_ms * 0.75 + 1;
        share = timely < (double)share ? (size_t)timely : share;
    } else if (!e->bounded && n->spec->stable) { /* it cannot be split afterwards */
        share = FIRST_SHARE_BYTES;
    }
    return share;
}

beamc_piece beamc__pace_next(const beamc_engine *e, const beamc_node *n, beamc_queue *q,
                             size_t room) {
    beamc_piece p = beamc__queue_pop(q), rest;
    bool settled = n->keyed != NULL && n->spec->stable;
    if (!e->bounded && !n->spec->splittable && !settled && p.len > room + room / 2 &&
        beamc__piece_cut(&n->spec->input, &p, room, &rest)) {
        beamc__queue_push_front(q, rest);
    }
    return p;
}

/* Output above which a bundle of @p n is cut short: what those behind it have room for. */
static size_t output_limit(const beamc_engine *e, const beamc_node *n) {
    if (e->bounded) {
        return e->config.bundle_bytes * 8;
    }
    size_t limit = e->config.bundle_bytes * 2;
    for (size_t i = 0; i < n->feed_count; i++) {
        size_t room = beamc__queue_room(e, &e->nodes[n->feeds[i]]);
        limit = room < limit ? room : limit;
    }
    return limit > MIN_OUTPUT_BYTES ? limit : MIN_OUTPUT_BYTES;
}

void beamc__pace_begin(beamc_bundle *b) {
    beamc_engine *e = b->engine;
    b->started_us = beamc__monotonic_us();
    for (size_t i = 0; i < b->input.count; i++) {
        b->input_bytes += b->input.items[i].len;
    }
    b->cut.out_limit = output_limit(e, b->node);
    if (e->pacer_naps && (!e->bounded || e->config.parallelism > 1)) {
        pthread_cond_signal(&e->pacer_wake);
    }
}

/* Much output counts as queued where it goes, even before it is committed: or another thread would take
 * what was split off, and make as much. */
static void stage_output(beamc_bundle *b, size_t bytes) {
    for (size_t i = 0; i < b->node->feed_count; i++) {
        beamc_node *to = &b->engine->nodes[b->node->feeds[i]];
        to->staged_bytes = to->staged_bytes - b->cut.staged_bytes + bytes;
    }
    b->cut.staged_bytes = bytes;
}

void beamc__pace_end(beamc_bundle *b) {
    beamc_node *n = b->node;
    stage_output(b, 0);
    size_t bytes = b->input_bytes > b->cut.cut_bytes ? b->input_bytes - b->cut.cut_bytes : 0;
    double ms = (double)(beamc__monotonic_us() - b->started_us) * 1e-3;
    if (b->engine->virtual_time || n->spec->splittable || bytes == 0 ||
        (ms < 1 && bytes < MEASURABLE_BYTES)) {
        return; /* it says nothing, or must not: how fast the machine is */
    }
    double speed = (double)bytes / (ms > 0.01 ? ms : 0.01);
    n->bytes_per_ms = n->bytes_per_ms > 0 ? 0.7 * n->bytes_per_ms + 0.3 * speed : speed;
}

/* -------------------------------------------------------------------------------- the pacer */

/* A test stream says what its bundles are, and how fast the machine is must not show in panes. */
static bool is_fixed(const beamc_engine *e, const beamc_bundle *b) {
    return e->virtual_time && !b->node->spec->splittable;
}

/* It should end where it is. */
static bool is_over(const beamc_engine *e, const beamc_bundle *b, int64_t age_ms) {
    beamc_stop how = atomic_load(&e->stopping);
    return atomic_load(&e->cancelled) || how >= BEAMC_STOP_AT_COMMIT || beamc_checkpoint_rests(e) ||
           (how == BEAMC_STOP_DRAIN && !b->cut.is_part &&
            beamc__drain_wants(e, b->node, b->cut.truncated)) ||
           (!e->bounded && !is_fixed(e, b) && age_ms >= e->config.max_bundle_ms);
}

/* Idle threads could do half of what is left: there is nothing else for them. An endless restriction has
 * no half. */
static bool is_shareable(const beamc_engine *e, const beamc_bundle *b) {
    const beamc_node *n = b->node;
    return e->idle > 0 && n->keyed == NULL && !(n->spec->splittable && n->spec->unbounded) &&
           n->queue.count == 0 && !beamc__is_held_back(e, n);
}

/* When to look at @p b again, or 0: it is to be split now, at *fraction. */
static int64_t look_at(const beamc_engine *e, const beamc_bundle *b, int64_t now,
                       double *fraction) {
    int64_t began = atomic_load(&b->cut.began_ms);
    if (!b->cut.allowed) {
        return INT64_MAX;
    }
    if (began == 0 || now < b->cut.next_ms) {
        return began == 0 ? now + BEGIN_MS : b->cut.next_ms;
    }
    *fraction = 0;
    if (is_over(e, b, now - began)) {
        return 0;
    }
    if (is_fixed(e, b)) {
        return now + LOOK_MS;
    }
    int64_t next = e->bounded ? INT64_MAX : began + e->config.max_bundle_ms;
    if (e->config.parallelism > 1 && b->node->keyed == NULL) {
        *fraction = 0.5;
        if (now - began >= SHARE_AFTER_MS && is_shareable(e, b)) {
            return 0;
        }
        int64_t share = now - began >= SHARE_AFTER_MS ? now + LOOK_MS : began + SHARE_AFTER_MS;
        next = share < next ? share : next;
    }
    return next;
}

/* The next bundle to split, or NULL, and then *next is when to look again. */
static beamc_bundle *find(const beamc_engine *e, int64_t now, double *fraction, int64_t *next) {
    *next = INT64_MAX;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        for (beamc_bundle *b = e->nodes[i].running; b != NULL; b = b->next) {
            int64_t at = look_at(e, b, now, fraction);
            if (at == 0) {
                return b;
            }
            *next = at < *next ? at : *next;
        }
    }
    return NULL;
}

static void nap(beamc_engine *e, int64_t now, int64_t next) {
    e->pacer_naps = next == INT64_MAX;
    if (e->pacer_naps) {
        pthread_cond_wait(&e->pacer_wake, &e->mu);
    } else {
        int64_t ms = next > now ? next - now : 1;
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec += ms / 1000;
        t.tv_nsec += ms % 1000 * 1000000;
        t.tv_sec += t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&e->pacer_wake, &e->mu, &t);
    }
    e->pacer_naps = false;
}

void *beamc__pacer(void *engine) {
    beamc_engine *e = engine;
    pthread_mutex_lock(&e->mu);
    while (!e->pacer_over) {
        int64_t now = beamc__monotonic_us() / 1000, next;
        double fraction = 0;
        beamc_bundle *b = find(e, now, &fraction, &next);
        if (b == NULL) {
            nap(e, now, next);
            continue;
        }
        b->cut.next_ms = now + b->cut.pause_ms;
        b->cut.pause_ms = b->cut.pause_ms < PAUSE_MAX_MS ? b->cut.pause_ms * 2 : PAUSE_MAX_MS;
        if (beamc__bundle_split(b, fraction)) {
            beamc__engine_wake(e);
        }
    }
    pthread_mutex_unlock(&e->mu);
    return NULL;
}

void beamc__pace_output(beamc_bundle *b, size_t bytes) {
    b->cut.out_bytes += bytes;
    if (b->cut.allowed && b->cut.out_bytes > b->cut.out_limit) {
        beamc_engine *e = b->engine;
        pthread_mutex_lock(&e->mu);
        stage_output(b, b->cut.out_bytes);
        if (beamc__bundle_split(b, 0)) {
            beamc__engine_wake(e);
        }
        pthread_mutex_unlock(&e->mu);
    }
}
