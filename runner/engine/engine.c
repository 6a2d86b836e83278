/* engine.c: the engine's life: nodes are wired, threads work until nothing is left.
 *
 * A thread picks a task under the lock, runs it without, and commits it under the lock again. Threads
 * that find nothing wait; a commit wakes them. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

enum { LONGEST_WAIT_MS = 3600 * 1000 }; /* the wall clock may be set */

static beamc_time wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (beamc_time)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

beamc_time beamc__engine_now(const beamc_engine *e) {
    if (e->virtual_time) {
        return atomic_load(&e->clock);
    }
    return e->config.now_ms != NULL ? e->config.now_ms(e->config.now_arg) : wall_clock();
}

void beamc__engine_fail(beamc_engine *e, beamc_status status, const beamc_error *err) {
    pthread_mutex_lock(&e->mu);
    if (e->status == BEAMC_OK) {
        e->status = status;
        e->error = *err;
    }
    e->stop = true;
    atomic_store(&e->cancelled, true);
    pthread_cond_broadcast(&e->wake);
    pthread_cond_signal(&e->pacer_wake);
    pthread_mutex_unlock(&e->mu);
}

/* ---------------------------------------------------------------------------------- wiring */

static void add_index(uint32_t **list, size_t *count, uint32_t index) {
    for (size_t i = 0; i < *count; i++) {
        if ((*list)[i] == index) {
            return;
        }
    }
    *list = beamc__realloc(*list, (*count + 1) * sizeof **list);
    (*list)[(*count)++] = index;
}

static void wire_output(beamc_engine *e, beamc_node *from, const beamc_output_spec *o) {
    for (size_t i = 0; i < o->target_count; i++) {
        const beamc_target *t = &o->targets[i];
        if (t->kind == BEAMC_TO_VIEW) {
            beamc_view *v = &e->views[t->index];
            add_index(&v->producers, &v->producer_count, from->index);
            continue;
        }
        beamc_node *to = &e->nodes[t->index];
        add_index(&to->producers, &to->producer_count, from->index);
        if (t->kind == BEAMC_TO_STAGE) {
            add_index(&from->feeds, &from->feed_count, to->index);
        }
    }
}

static beamc_status make_node(beamc_engine *e, beamc_node *n, beamc_error *err) {
    const beamc_node_spec *spec = n->spec;
    n->upstream = n->input = n->output = n->before = BEAMC_TIME_MIN;
    if (spec->kind == BEAMC_NODE_GROUP) {
        return beamc__group_new(e, spec, &n->group, err);
    }
    if (spec->kind == BEAMC_NODE_STAGE) {
        n->pool = (beamc_pool){&spec->work,  spec->outputs,     spec->output_count,
                               spec->timers, spec->timer_count, NULL};
        return spec->keyed ? beamc__keyed_new(e, n, &n->keyed, err) : BEAMC_OK;
    }
    return BEAMC_OK;
}

static unsigned core_count(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

static void set_defaults(beamc_engine_config *c) {
    c->parallelism = c->parallelism > 0 ? c->parallelism : core_count();
    c->job_id = c->job_id != NULL ? c->job_id : "local";
    c->bundle_bytes = c->bundle_bytes > 0 ? c->bundle_bytes : 8u << 20;
    c->max_bundle_ms = c->max_bundle_ms > 0 ? c->max_bundle_ms : 100;
    c->queue_bytes = c->queue_bytes > 0 ? c->queue_bytes : 64u << 20;
    c->compact_bytes = c->compact_bytes > 0 ? c->compact_bytes : 1u << 20;
    c->max_attempts = c->max_attempts > 0 ? c->max_attempts : 4;
    c->backoff_ms = c->backoff_ms > 0 ? c->backoff_ms : 250;
}

beamc_status beamc__engine_new(const beamc_engine_graph *graph, const beamc_engine_config *config,
                               beamc_engine **out, beamc_error *err) {
    beamc_engine *e = beamc__calloc(1, sizeof *e);
    e->graph = graph;
    e->config = *config;
    set_defaults(&e->config);
    pthread_mutex_init(&e->mu, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&e->wake, &attr);
    pthread_cond_init(&e->pacer_wake, &attr);
    pthread_condattr_destroy(&attr);
    e->metrics = beamc__sums_new();
    e->checkpoint = config->journal == NULL ? NULL : beamc__checkpoint_new(config->journal);
    e->nodes = beamc__calloc(graph->node_count + 1, sizeof *e->nodes);
    e->views = beamc__calloc(graph->view_count + 1, sizeof *e->views);
    e->bounded = true;
    e->keeper_us = INT64_MAX;
    for (size_t i = 0; i < graph->node_count; i++) {
        e->nodes[i].spec = &graph->nodes[i];
        e->nodes[i].index = (uint32_t)i;
        e->bounded &= !graph->nodes[i].unbounded;
        e->virtual_time |= graph->nodes[i].kind == BEAMC_NODE_TEST_STREAM;
    }
    for (size_t v = 0; v < graph->view_count; v++) {
        beamc__view_init(&e->views[v], &graph->views[v]);
        e->views[v].keeps = e->checkpoint != NULL;
    }
    beamc_status status = BEAMC_OK;
    for (size_t i = 0; i < graph->node_count; i++) {
        for (size_t o = 0; o < graph->nodes[i].output_count; o++) {
            wire_output(e, &e->nodes[i], &graph->nodes[i].outputs[o]);
        }
        for (size_t s = 0; s < graph->nodes[i].side_count; s++) {
            beamc_view *v = &e->views[graph->nodes[i].sides[s].view];
            add_index(&v->readers, &v->reader_count, (uint32_t)i);
        }
        status = status == BEAMC_OK ? make_node(e, &e->nodes[i], err) : status;
    }
    beamc__pressure_wire(e);
    beamc__drain_wire(e);
    if (status != BEAMC_OK) {
        beamc__engine_free(e);
        return status;
    }
    *out = e;
    return BEAMC_OK;
}

static void free_list(beamc_runnable *list) {
    while (list != NULL) {
        beamc_runnable *next = list->next;
        beamc__runnable_free(list);
        list = next;
    }
}

static void free_node(beamc_node *n) {
    beamc__queue_free(&n->queue);
    beamc__sealed_free(n);
    beamc__pieces_free(&n->delayed);
    beamc__pieces_free(&n->sided);
    free_list(n->pool.idle);
    free_list(n->truncate.idle);
    free(n->helps);
    beamc__group_free(n->group);
    beamc__keyed_free(n->keyed);
    free(n->producers);
    free(n->feeds);
}

void beamc__engine_free(beamc_engine *e) {
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->graph->node_count; i++) {
        free_node(&e->nodes[i]);
    }
    for (size_t v = 0; v < e->graph->view_count; v++) {
        free(e->views[v].producers);
        beamc__view_deinit(&e->views[v]);
    }
    beamc__sums_free(e->metrics);
    beamc__checkpoint_free(e->checkpoint);
    free(e->nodes);
    free(e->views);
    pthread_cond_destroy(&e->wake);
    pthread_cond_destroy(&e->pacer_wake);
    pthread_mutex_destroy(&e->mu);
    free(e);
}

/* --------------------------------------------------------------------------------- working */

static void run_task(beamc_thread *t, const beamc_task *task) {
    switch (task->kind) {
    case BEAMC_TASK_BUNDLE:
        beamc__bundle_run(t, task->bundle);
        break;
    case BEAMC_TASK_FIRE:
        beamc__group_fire(t, task);
        break;
    case BEAMC_TASK_COMPACT:
        beamc__group_compact(t, task);
        break;
    case BEAMC_TASK_EVENT:
        beamc__stream_step(t, task->node);
        break;
    case BEAMC_TASK_NONE:
        break;
    }
}

/* Nothing runs, nothing can run, and not all is done: a mistake of ours, or a worker that lies. */
static void fail_stuck(beamc_engine *e) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        if (!e->nodes[i].done) {
            e->status = BEAMC_FAIL(&e->error, INTERNAL,
                                   "the run is stuck: %s waits, with %zu pieces queued, at "
                                   "watermark %lld",
                                   e->nodes[i].spec->name, e->nodes[i].queue.count,
                                   (long long)e->nodes[i].input);
            break;
        }
    }
    e->stop = true;
}

void beamc__engine_wake(beamc_engine *e) {
    if (e->idle > 0) {
        pthread_cond_signal(&e->wake);
    }
}

/* How long a thread may sleep, ms. */
static int64_t sleep_ms(const beamc_engine *e, beamc_time until) {
    int64_t left = beamc__checkpoint_sleep_ms(e);
    if (until < BEAMC_TIME_MAX && !e->virtual_time) {
        int64_t ms = until - beamc__engine_now(e);
        ms = ms < 1 ? 1 : ms < LONGEST_WAIT_MS ? ms : LONGEST_WAIT_MS;
        left = ms < left ? ms : left;
    }
    return left;
}

/* One thread minds the clock for all that wait. */
void beamc__engine_wait(beamc_engine *e, beamc_time until) {
    int64_t ms = sleep_ms(e, until), now_us = beamc__monotonic_us();
    int64_t end_us = ms == INT64_MAX ? INT64_MAX : now_us + ms * 1000;
    e->idle++;
    if (end_us >= e->keeper_us) {
        pthread_cond_wait(&e->wake, &e->mu);
    } else {
        struct timespec t = {end_us / 1000000, end_us % 1000000 * 1000};
        e->keeper_us = end_us;
        pthread_cond_timedwait(&e->wake, &e->mu, &t);
        e->keeper_us = INT64_MAX; /* if another one keeps it, too, it does no harm */
    }
    e->idle--;
}

/* True: the thread has nothing more to do. */
static bool is_stopped(beamc_engine *e) {
    if (atomic_load(&e->cancelled)) {
        if (e->status == BEAMC_OK) {
            e->status = BEAMC_FAIL(&e->error, CANCELLED, "the run was cancelled");
        }
        e->stop = true;
    } else if (atomic_load(&e->stopping) == BEAMC_STOP_AT_COMMIT && e->running == 0 &&
               !beamc__checkpoint_is_ahead(e)) {
        e->stop = true;
    }
    return e->stop;
}

/* The instances of stages that are done: their memory is wanted by those to come. */
static beamc_runnable *take_idle(beamc_engine *e) {
    beamc_runnable *list = NULL;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_node *n = &e->nodes[i];
        beamc_pool *pool = n->group != NULL ? &n->group->compaction : &n->pool;
        bool over = n->done || (n->group != NULL && n->input == BEAMC_TIME_MAX);
        while (over && (pool->idle != NULL || n->truncate.idle != NULL)) {
            pool = pool->idle != NULL ? pool : &n->truncate;
            beamc_runnable *on = pool->idle;
            pool->idle = on->next;
            on->next = list;
            list = on;
        }
    }
    return list;
}

static void *work(void *arg) {
    beamc_thread *t = arg;
    beamc_engine *e = t->engine;
    pthread_mutex_lock(&e->mu);
    while (!is_stopped(e)) {
        if (beamc__checkpoint_step(e, false)) {
            continue;
        }
        beamc_time until = BEAMC_TIME_MAX;
        beamc_task task = {0};
        if (!beamc_checkpoint_rests(e) && atomic_load(&e->stopping) != BEAMC_STOP_AT_COMMIT) {
            task = beamc__schedule_pick(e, &until);
        }
        if (task.kind != BEAMC_TASK_NONE) {
            beamc_runnable *idle = take_idle(e);
            e->running++;
            beamc__engine_wake(e); /* there may be more, and somebody has to mind the clock */
            pthread_mutex_unlock(&e->mu);
            free_list(idle);
            run_task(t, &task);
            pthread_mutex_lock(&e->mu);
            e->running--;
        } else if (beamc__checkpoint_step(e, true)) {
            continue;
        } else if (beamc__checkpoint_is_ahead(e)) {
            beamc__engine_wait(e, until);
        } else if (e->running == 0 && beamc__schedule_all_done(e)) {
            e->stop = true;
        } else if (e->running == 0 && e->virtual_time && until < BEAMC_TIME_MAX) {
            atomic_store(&e->clock, until); /* no test stream moves it any more */
        } else if (e->running == 0 && until == BEAMC_TIME_MAX) {
            fail_stuck(e);
        } else {
            beamc__engine_wait(e, until);
        }
    }
    pthread_cond_broadcast(&e->wake);
    pthread_mutex_unlock(&e->mu);
    return NULL;
}

/* One empty byte string, in the global window, at the beginning of time. */
static beamc_status give_impulse(beamc_thread *t, beamc_node *n, beamc_error *err) {
    static const unsigned char element[14] = {0x7f, 0xdf, 0x3b, 0x64, 0x5a,
                                              0x1c, 0xac, 0x09, /* BEAMC_TIME_MIN, sign flipped */
                                              0,    0,    0,    1, /* one window, of no bytes */
                                              0x0f,                /* pane: no firing */
                                              0};                  /* bytes of length 0 */
    beamc_engine *e = t->engine;
    beamc_pieces pieces = {0};
    beamc_deliveries deliveries = {0};
    beamc__pieces_add(&pieces,
                      (beamc_piece){.block = beamc__block_copy(beamc_slice_of(element, 14)),
                                    .len = 14,
                                    .hold = BEAMC_TIME_MIN});
    beamc_status status = BEAMC_OK;
    for (size_t i = 0; i < n->spec->output_count && status == BEAMC_OK; i++) {
        status = beamc__deliver_prepare(t, &n->spec->outputs[i], &pieces, &deliveries, err);
    }
    pthread_mutex_lock(&e->mu);
    beamc__deliver_commit(e, &deliveries);
    n->output = BEAMC_TIME_MAX;
    pthread_mutex_unlock(&e->mu);
    beamc__deliveries_free(&deliveries);
    beamc__pieces_free(&pieces);
    return status;
}

static beamc_status start(beamc_thread *t, beamc_error *err) {
    beamc_engine *e = t->engine;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        if (e->nodes[i].spec->kind == BEAMC_NODE_IMPULSE &&
            e->nodes[i].output < BEAMC_TIME_MAX) { /* else it came in a process before this one */
            BEAMC_TRY(give_impulse(t, &e->nodes[i], err));
        }
    }
    pthread_mutex_lock(&e->mu);
    beamc__watermarks_update(e);
    pthread_mutex_unlock(&e->mu);
    return BEAMC_OK;
}

static void end_pacer(beamc_engine *e, pthread_t pacer) {
    pthread_mutex_lock(&e->mu);
    e->pacer_over = true;
    pthread_cond_signal(&e->pacer_wake);
    pthread_mutex_unlock(&e->mu);
    pthread_join(pacer, NULL);
}

beamc_status beamc__engine_run(beamc_engine *e, beamc_error *err) {
    unsigned n = e->config.parallelism;
    beamc_thread *threads = beamc__calloc(n, sizeof *threads);
    for (unsigned i = 0; i < n; i++) {
        threads[i].engine = e;
    }
    pthread_t pacer;
    beamc_status status = e->checkpoint == NULL ? BEAMC_OK : beamc__restore(e, err);
    if (status == BEAMC_OK && beamc__engine_was_finished(e)) {
        free(threads);
        return BEAMC_OK;
    }
    status = status == BEAMC_OK ? start(&threads[0], err) : status;
    if (status == BEAMC_OK) {
        bool paced = pthread_create(&pacer, NULL, beamc__pacer, e) == 0; /* runs without it, too */
        unsigned started = 1; /* the caller is the first */
        while (started < n &&
               pthread_create(&threads[started].id, NULL, work, &threads[started]) == 0) {
            started++;
        }
        work(&threads[0]);
        for (unsigned i = 1; i < started; i++) {
            pthread_join(threads[i].id, NULL);
        }
        if (paced) {
            end_pacer(e, pacer);
        }
        status = e->status;
        if (status != BEAMC_OK && err != NULL) {
            *err = e->error;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        beamc__ingest_free(threads[i].ingest);
    }
    free(threads);
    return status;
}

/* --------------------------------------------------------------------------------- looking */

void beamc__engine_get_progress(beamc_engine *e, beamc_engine_progress *out) {
    pthread_mutex_lock(&e->mu);
    *out = e->progress;
    out->watermark = BEAMC_TIME_MAX;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_node *n = &e->nodes[i];
        out->watermark = beamc_earlier(out->watermark, n->output);
        out->late_dropped += n->keyed == NULL ? 0 : beamc__keyed_late_dropped(n->keyed);
        for (unsigned s = 0; n->group != NULL && s < n->group->shard_count; s++) {
            out->late_dropped += atomic_load(&n->group->shards[s].late_dropped);
        }
    }
    pthread_mutex_unlock(&e->mu);
}

int64_t beamc__engine_late_dropped(beamc_engine *e, size_t node) {
    const beamc_group *g = e->nodes[node].group;
    int64_t n = e->nodes[node].late_before;
    n += e->nodes[node].keyed == NULL ? 0 : beamc__keyed_late_dropped(e->nodes[node].keyed);
    for (unsigned s = 0; g != NULL && s < g->shard_count; s++) {
        n += atomic_load(&g->shards[s].late_dropped);
    }
    return n;
}

void beamc__engine_metrics(beamc_engine *e, beamc_engine_metric_fn fn, void *arg) {
    beamc__sums_each(e->metrics, fn, arg);
}

bool beamc__engine_was_continued(const beamc_engine *e) {
    return e->checkpoint != NULL && e->checkpoint->restored;
}

bool beamc__engine_was_finished(const beamc_engine *e) {
    return e->checkpoint != NULL && e->checkpoint->finished;
}
