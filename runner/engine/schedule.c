/* schedule.c: what to do next. With the engine's mu held throughout.
 *
 * Consumers go before their producers, so that what is queued stays little. Three rounds, each with
 * fewer scruples: full bundles, and no more input for queues that are long; then, for a thread that
 * would else be idle, bundles as they are; at last, when nothing runs and no clock will change that,
 * whatever there is. */
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

typedef enum eagerness { PATIENT, IDLE, DESPERATE } eagerness;

static beamc_bundle *take_bundle(beamc_engine *e, beamc_node *n) {
    const beamc_piece *first = beamc_queue_first(&n->queue);
    bool truncates = beamc__drain_wants(e, n, first->truncated);
    beamc_bundle *b =
        truncates ? beamc__bundle_new(e, n, &n->truncate, &n->truncate_output, 1)
                  : beamc__bundle_new(e, n, &n->pool, n->spec->outputs, n->spec->output_count);
    b->number = e->next_bundle++;
    b->hold = BEAMC_TIME_MAX;
    b->truncates = truncates;
    b->cut.allowed = !truncates && !n->spec->stable;
    b->cut.truncated = first->truncated;
    size_t share = beamc__pace_share(e, n, n->queue.bytes), bytes = 0;
    do {
        beamc_piece p = beamc__pace_next(e, n, &n->queue, share - bytes);
        bytes += p.len;
        e->progress.queued_bytes -= p.len;
        b->hold = beamc_earlier(b->hold, p.hold);
        beamc__pieces_add(&b->input, p);
    } while (!n->spec->splittable && n->queue.count > 0 && bytes < share);
    beamc__bundle_link(b);
    return b;
}

static bool stage_is_due(const beamc_engine *e, const beamc_node *n, eagerness how) {
    if (n->queue.count == 0 || !beamc__sides_ready(e, n)) {
        return false;
    }
    if (how == DESPERATE || beamc__drain_wants(e, n, beamc_queue_first(&n->queue)->truncated)) {
        return true;
    }
    if (beamc__is_held_back(e, n)) {
        return false;
    }
    if (n->spec->splittable) {
        return !beamc__is_full(e, n);
    }
    return how == IDLE || !e->bounded || n->upstream == BEAMC_TIME_MAX ||
           n->queue.bytes >= e->config.bundle_bytes;
}

/* Residuals whose time has come go back into the queue. */
static void release_delayed(beamc_engine *e, beamc_node *n, beamc_time now,
                            beamc_time *wait_until) {
    size_t kept = 0;
    for (size_t i = 0; i < n->delayed.count; i++) {
        beamc_piece p = n->delayed.items[i];
        if (p.ready_at <= now || beamc__drain_wants(e, n, p.truncated)) {
            e->progress.queued_bytes += p.len;
            beamc__queue_push(&n->queue, p);
        } else {
            *wait_until = beamc_earlier(*wait_until, p.ready_at);
            n->delayed.items[kept++] = p;
        }
    }
    n->delayed.count = kept;
}

static void begin_shard(beamc_shard *s) {
    s->busy = true;
    s->busy_hold = atomic_load_explicit(&s->hold, memory_order_acquire);
}

static beamc_task pick_fire(beamc_engine *e, beamc_node *n, eagerness how, beamc_time now,
                            beamc_time *wait_until) {
    beamc_task task = {.node = n, .time = {n->input, now, n->before}};
    if (how != DESPERATE && beamc__is_held_back(e, n)) {
        return task;
    }
    for (unsigned i = 0; i < n->group->shard_count; i++) {
        beamc_shard *s = &n->group->shards[i];
        beamc_time clock = atomic_load_explicit(&s->next_clock, memory_order_acquire);
        if (s->busy) {
            continue;
        }
        beamc_time next = atomic_load_explicit(&s->next_watermark, memory_order_acquire);
        if (s->more || clock <= now || (next <= n->input && next < BEAMC_TIME_MAX)) {
            begin_shard(s);
            task.kind = BEAMC_TASK_FIRE;
            task.shard = i;
            return task;
        }
        *wait_until = beamc_earlier(*wait_until, clock);
    }
    return task;
}

static beamc_task pick_compaction(beamc_engine *e, beamc_node *n) {
    beamc_task task = {.node = n};
    (void)e;
    if (!n->spec->has_compaction || n->input == BEAMC_TIME_MAX) {
        return task;
    }
    for (unsigned i = 0; i < n->group->shard_count; i++) {
        beamc_shard *s = &n->group->shards[i];
        size_t values = atomic_load_explicit(&s->value_bytes, memory_order_relaxed);
        if (!s->busy && values > n->group->compact_bytes + atomic_load(&s->footprint) / 32) {
            begin_shard(s);
            task.kind = BEAMC_TASK_COMPACT;
            task.shard = i;
            return task;
        }
    }
    return task;
}

static beamc_task pick_at(beamc_engine *e, beamc_node *n, eagerness how, beamc_time now,
                          beamc_time *wait_until) {
    beamc_task task = {.node = n};
    if (n->spec->kind == BEAMC_NODE_GROUP) {
        task = pick_compaction(e, n);
        return task.kind != BEAMC_TASK_NONE ? task : pick_fire(e, n, how, now, wait_until);
    }
    if (n->spec->kind != BEAMC_NODE_STAGE) {
        return task;
    }
    if (n->keyed != NULL) {
        bool may = beamc__sides_ready(e, n) && (how == DESPERATE || !beamc__is_held_back(e, n));
        task.bundle = may ? beamc__keyed_take(n->keyed, now, how != PATIENT, wait_until) : NULL;
    } else if (beamc_is_sealing(e, n)) {
        bool may = beamc__sides_ready(e, n) && (how == DESPERATE || !beamc__is_held_back(e, n));
        task.bundle = may ? beamc__sealed_take(e, n) : NULL;
        e->checkpoint->waits |= n->queue.count > 0 || n->sealed != NULL;
    } else if (stage_is_due(e, n, how)) {
        task.bundle = take_bundle(e, n);
    }
    task.kind = task.bundle == NULL ? BEAMC_TASK_NONE : BEAMC_TASK_BUNDLE;
    return task;
}

/* When all is quiet, test streams make their next step, those at the end of their script last. */
static beamc_task pick_event(beamc_engine *e) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_node *n = &e->nodes[i];
        if (n->spec->kind == BEAMC_NODE_TEST_STREAM && n->output < BEAMC_TIME_MAX) {
            return (beamc_task){.kind = BEAMC_TASK_EVENT, .node = n};
        }
    }
    return (beamc_task){0};
}

/* Nothing runs, and nothing is to be waited for. */
static bool is_desperate(const beamc_engine *e, beamc_time wait_until) {
    bool commit_ahead = e->checkpoint != NULL && e->checkpoint->waits;
    return e->running == 0 && !commit_ahead &&
           (e->bounded || e->virtual_time || wait_until == BEAMC_TIME_MAX);
}

beamc_task beamc__schedule_pick(beamc_engine *e, beamc_time *wait_until) {
    beamc_time now = beamc__engine_now(e);
    *wait_until = BEAMC_TIME_MAX;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc__sides_release(e, &e->nodes[i]);
        if (e->nodes[i].delayed.count > 0) {
            release_delayed(e, &e->nodes[i], now, wait_until);
        }
    }
    for (eagerness how = PATIENT; how <= DESPERATE; how++) {
        if (how == DESPERATE && !is_desperate(e, *wait_until)) {
            break;
        }
        for (size_t i = e->graph->node_count; i-- > 0;) {
            if (e->nodes[i].done) {
                continue;
            }
            beamc_task task = pick_at(e, &e->nodes[i], how, now, wait_until);
            if (task.kind != BEAMC_TASK_NONE) {
                return task;
            }
        }
    }
    return e->running == 0 ? pick_event(e) : (beamc_task){0};
}

bool beamc__schedule_all_done(const beamc_engine *e) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        if (!e->nodes[i].done) {
            return false;
        }
    }
    return true;
}
