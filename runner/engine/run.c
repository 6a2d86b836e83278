/* run.c: a bundle from its input to its commit.
 *
 * An attempt that fails leaves nothing behind: its outputs are dropped and its instance is closed.
 * UNAVAILABLE is tried again on a fresh instance, after a pause; all else ends the run. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

beamc_bundle *beamc__bundle_new(beamc_engine *e, beamc_node *node, beamc_pool *pool,
                                const beamc_output_spec *outputs, size_t output_count) {
    beamc_bundle *b = beamc__calloc(1, sizeof *b);
    b->io.ops = &beamc__engine_io_ops;
    b->engine = e;
    b->node = node;
    b->pool = pool;
    b->outputs = outputs;
    b->output_count = output_count;
    b->out = beamc__calloc(output_count + 1, sizeof *b->out);
    beamc__cut_init(b);
    return b;
}

static void drop_output(beamc_bundle *b) {
    for (size_t i = 0; i < b->output_count; i++) {
        beamc_buf_clear(&b->out[i].buf);
        beamc__pieces_free(&b->out[i].pieces);
    }
}

void beamc__bundle_free(beamc_bundle *b) {
    drop_output(b);
    for (size_t i = 0; i < b->output_count; i++) {
        beamc_buf_free(&b->out[i].buf);
    }
    beamc__pieces_free(&b->input);
    beamc__runnable_free(b->on);
    beamc__keyed_work_free(b->keyed);
    beamc__cut_deinit(b);
    free(b->out);
    free(b);
}

/* ------------------------------------------------------------------------------- instances */

void beamc__runnable_free(beamc_runnable *on) {
    if (on == NULL) {
        return;
    }
    if (on->instance != NULL) {
        on->instance->worker->ops->close(on->instance);
    }
    free(on->output_of);
    free(on->family_of);
    free(on->slots);
    free(on);
}

static bool match_port(const beamc_pool *pool, beamc_runnable *on, size_t i,
                       const beamc_port *port) {
    on->output_of[i] = on->family_of[i] = UINT32_MAX;
    if (port->kind == BEAMC_PORT_SOURCE) {
        on->source_port = (uint32_t)i;
        return strcmp(port->transform_id, pool->work->source_id) == 0;
    }
    for (uint32_t k = 0; port->kind == BEAMC_PORT_SINK && k < pool->output_count; k++) {
        if (strcmp(port->transform_id, pool->outputs[k].sink_id) == 0) {
            on->output_of[i] = k;
            return true;
        }
    }
    for (uint32_t k = 0; port->kind == BEAMC_PORT_TIMER && k < pool->timer_count; k++) {
        if (strcmp(port->transform_id, pool->timers[k].transform_id) == 0 &&
            strcmp(port->timer_family, pool->timers[k].family) == 0) {
            on->family_of[i] = k;
            return true;
        }
    }
    return false;
}

static beamc_status open_runnable(const beamc_engine *e, const beamc_pool *pool,
                                  beamc_runnable **out, beamc_error *err) {
    beamc_worker *worker = e->config.workers[pool->work->environment];
    beamc_runnable *on = beamc__calloc(1, sizeof *on);
    beamc_status status = worker->ops->open(worker, pool->work, &on->instance, err);
    if (status != BEAMC_OK) {
        free(on);
        return status;
    }
    const beamc_port *ports = worker->ops->ports(on->instance, &on->port_count);
    on->output_of = beamc__calloc(on->port_count + 1, sizeof *on->output_of);
    on->family_of = beamc__calloc(on->port_count + 1, sizeof *on->family_of);
    on->source_port = UINT32_MAX;
    for (size_t i = 0; i < on->port_count; i++) {
        if (!match_port(pool, on, i, &ports[i])) {
            status = BEAMC_FAIL(err, INTERNAL, "the worker has a port %s that was not asked for",
                                ports[i].transform_id);
            beamc__runnable_free(on);
            return status;
        }
    }
    if (on->source_port == UINT32_MAX) {
        beamc__runnable_free(on);
        return BEAMC_FAIL(err, INTERNAL, "the worker has no port for the source %s",
                          pool->work->source_id);
    }
    *out = on;
    return BEAMC_OK;
}

static beamc_status get_runnable(beamc_engine *e, beamc_pool *pool, beamc_runnable **out,
                                 beamc_error *err) {
    pthread_mutex_lock(&e->mu);
    *out = pool->idle;
    if (*out != NULL) {
        pool->idle = (*out)->next;
    }
    pthread_mutex_unlock(&e->mu);
    return *out != NULL ? BEAMC_OK : open_runnable(e, pool, out, err);
}

void beamc__pool_put(beamc_pool *pool, beamc_runnable *on) {
    on->next = pool->idle;
    pool->idle = on;
}

/* -------------------------------------------------------------------------------- attempts */

/* Stable input: all attempts do the same work under the same name. */
static void name_bundle(const beamc_bundle *b, char *id, size_t size) {
    const char *job = b->engine->config.job_id;
    unsigned long long number = b->number;
    if (b->node->spec->stable) {
        snprintf(id, size, "%s-%llu", job, number);
    } else if (b->engine->checkpoint == NULL) {
        snprintf(id, size, "%s-%llu-%u", job, number, b->attempt);
    } else { /* numbers that were given and not committed before a crash are given again */
        snprintf(id, size, "%s-r%u-%llu-%u", job, b->engine->checkpoint->incarnation, number,
                 b->attempt);
    }
}

static void drop_finalizers(beamc_bundle *b, beamc_bundle_result *result) {
    if (result->finalizers != NULL) {
        beamc_worker *worker = b->on->instance->worker;
        worker->ops->finalize(worker, result->finalizers, false);
        result->finalizers = NULL;
    }
}

static beamc_status attempt(beamc_bundle *b, beamc_bundle_result *result, beamc_error *err) {
    char id[96];
    name_bundle(b, id, sizeof id);
    beamc_bundle_request request = {.instruction_id = id, .bundle_id = id};
    b->given = 0;
    BEAMC_TRY(get_runnable(b->engine, b->pool, &b->on, err));
    *result = (beamc_bundle_result){0};
    const beamc_worker_ops *ops = b->on->instance->worker->ops;
    beamc__cut_open(b);
    beamc_status status = ops->run(b->on->instance, &request, &b->io, result, err);
    beamc_status cut = beamc__cut_close(b, status == BEAMC_OK ? err : NULL);
    if (status == BEAMC_OK && cut != BEAMC_OK) {
        status = cut;
        drop_finalizers(b, result);
    }
    if (status != BEAMC_OK) {
        beamc__runnable_free(b->on);
        b->on = NULL;
        drop_output(b);
        beamc__keyed_reset(b);
        return status;
    }
    for (size_t i = 0; i < b->output_count; i++) {
        beamc_bundle_output *o = &b->out[i];
        size_t len = o->buf.len;
        if (len > 0) {
            beamc__pieces_add(&o->pieces, (beamc_piece){.block = beamc__block_take(&o->buf),
                                                        .len = len,
                                                        .hold = BEAMC_TIME_MIN});
        }
        beamc_buf_free(&o->buf);
    }
    return BEAMC_OK;
}

/* Sleeps, but not through a cancellation. */
static void pause_ms(const beamc_engine *e, int64_t ms) {
    for (; ms > 0 && !atomic_load(&e->cancelled); ms -= 20) {
        struct timespec t = {0, (ms < 20 ? ms : 20) * 1000000};
        nanosleep(&t, NULL);
    }
}

beamc_status beamc__bundle_attempts(beamc_bundle *b, beamc_bundle_result *result,
                                    beamc_error *err) {
    beamc_engine *e = b->engine;
    int64_t backoff = e->config.backoff_ms;
    for (b->attempt = 1;; b->attempt++) {
        beamc_status status = attempt(b, result, err);
        if (status == BEAMC_OK) {
            return BEAMC_OK;
        }
        pthread_mutex_lock(&e->mu);
        e->progress.bundles_failed++;
        pthread_mutex_unlock(&e->mu);
        if (status != BEAMC_UNAVAILABLE || atomic_load(&e->cancelled)) {
            return status;
        }
        beamc__cut_retry(b);
        if (b->attempt == e->config.max_attempts) {
            beamc_error_prepend(err, "after %u attempts", b->attempt);
            return status;
        }
        pause_ms(e, backoff);
        backoff *= 2;
    }
}

/* ---------------------------------------------------------------------------------- commit */

/* Residual roots become input of the stage again. */
static beamc_status take_residuals(beamc_bundle *b, const beamc_bundle_result *result,
                                   beamc_pieces *out, beamc_error *err) {
    for (size_t i = 0; i < result->residual_count; i++) {
        const beamc_bundle_root *root = &result->residuals[i];
        if (!b->node->spec->splittable || root->element.len == 0) {
            return BEAMC_FAIL(err, INTERNAL,
                              "transform %.*s left a residual that cannot be resumed",
                              BEAMC_SLICE_ARG(root->transform_id));
        }
        beamc__pieces_add(out, beamc__root_piece(b, root));
    }
    return BEAMC_OK;
}

static beamc_status prepare(beamc_thread *t, beamc_bundle *b, const beamc_bundle_result *result,
                            beamc_deliveries *deliveries, beamc_pieces *residuals,
                            beamc_error *err) {
    for (size_t i = 0; i < b->output_count; i++) {
        if (b->out[i].pieces.count > 0) {
            BEAMC_TRY(
                beamc__deliver_prepare(t, &b->outputs[i], &b->out[i].pieces, deliveries, err));
        }
    }
    if (b->truncates) {
        beamc__drain_deliveries(b, deliveries);
    }
    BEAMC_TRY(take_residuals(b, result, residuals, err));
    return b->keyed == NULL ? BEAMC_OK : beamc__keyed_prepare(b, err);
}

void beamc__bundle_link(beamc_bundle *b) {
    b->next = b->node->running;
    if (b->next != NULL) {
        b->next->prev = b;
    }
    b->node->running = b;
    b->node->running_count++;
    b->engine->progress.bundles_running++;
    beamc__pace_begin(b);
}

static void unlink_bundle(beamc_bundle *b) {
    beamc_node *n = b->node;
    if (b->prev != NULL) {
        b->prev->next = b->next;
    } else {
        n->running = b->next;
    }
    if (b->next != NULL) {
        b->next->prev = b->prev;
    }
    n->running_count--;
    b->engine->progress.bundles_running--;
    beamc__pace_end(b);
}

/* With mu held. */
static void commit(beamc_bundle *b, beamc_deliveries *deliveries, beamc_pieces *residuals) {
    beamc_engine *e = b->engine;
    beamc__deliver_commit(e, deliveries);
    beamc__checkpoint_forget_input(b);
    if (residuals->count > 0) {
        beamc__give_back(b, residuals);
    }
    if (b->keyed != NULL) {
        beamc__keyed_commit(b);
    }
    if (b->on != NULL) {
        beamc__pool_put(b->pool, b->on);
        b->on = NULL;
        e->progress.bundles_done++;
    }
}

void beamc__bundle_run(beamc_thread *t, beamc_bundle *b) {
    beamc_engine *e = t->engine;
    beamc_worker *worker = e->config.workers[b->pool->work->environment];
    beamc_error err = {0};
    beamc_bundle_result result = {0};
    beamc_deliveries deliveries = {0};
    beamc_pieces residuals = {0};
    bool any = b->keyed == NULL || beamc__keyed_begin(b);
    beamc_status status = any ? beamc__bundle_attempts(b, &result, &err) : BEAMC_OK;
    if (status == BEAMC_OK) {
        status = prepare(t, b, &result, &deliveries, &residuals, &err);
    }
    if (status == BEAMC_OK && any) {
        beamc__sums_commit(e->metrics, b->on);
    }
    pthread_mutex_lock(&e->mu);
    if (status == BEAMC_OK) {
        commit(b, &deliveries, &residuals);
        if (e->checkpoint != NULL && result.finalizers != NULL) {
            beamc__checkpoint_finalize(e, worker, result.finalizers);
            result.finalizers = NULL;
        }
    }
    unlink_bundle(b);
    beamc__watermarks_update(e);
    pthread_mutex_unlock(&e->mu);
    if (result.finalizers != NULL) {
        worker->ops->finalize(worker, result.finalizers, status == BEAMC_OK);
    }
    if (status != BEAMC_OK) {
        beamc_error_prepend(&err, "%s", b->node->spec->name);
        beamc__engine_fail(e, status, &err);
    }
    beamc__deliveries_free(&deliveries);
    beamc__pieces_free(&residuals);
    beamc__bundle_free(b);
}
