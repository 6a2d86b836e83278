/* group.c: a GroupByKey: its shards, their firing and their compaction. How elements are buffered and
 * when they come out is the grouper's business (grouper.h). */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/checkpoint.h"

enum { FIRE_BYTES = 1 << 20, MIN_SHARDS = 16, MAX_SHARDS = 256 };

beamc_status beamc__group_new(beamc_engine *e, const beamc_node_spec *spec, beamc_group **out,
                              beamc_error *err) {
    unsigned bits = 0;
    while ((1u << bits) < MIN_SHARDS ||
           ((1u << bits) < MAX_SHARDS && (1u << bits) < e->config.parallelism * 8)) {
        bits++;
    }
    beamc_group *g = beamc__calloc(1, sizeof *g);
    g->shard_count = 1u << bits;
    g->shard_shift = 64 - bits;
    g->shards = beamc__calloc(g->shard_count, sizeof *g->shards);
    g->compact_bytes = e->config.compact_bytes / g->shard_count;
    g->compaction_output = (beamc_output_spec){
        .sink_id = spec->compaction_sink_id, .collection = spec->name, .coder = spec->input};
    g->compaction = (beamc_pool){
        .work = &spec->compaction, .outputs = &g->compaction_output, .output_count = 1};
    beamc_status status = BEAMC_OK;
    for (unsigned i = 0; i < g->shard_count; i++) {
        beamc_shard *s = &g->shards[i];
        pthread_mutex_init(&s->mu, NULL);
        if (status == BEAMC_OK) {
            status = e->checkpoint == NULL ? beamc__grouper_new(spec, e->bounded, &s->grouper, err)
                                           : beamc__grouper_general_new(spec, &s->grouper, err);
        }
        if (status == BEAMC_OK && e->checkpoint != NULL) {
            s->grouper->ops->track(s->grouper);
        }
        if (status == BEAMC_OK) {
            beamc__shard_refresh(s);
        }
    }
    if (status != BEAMC_OK) {
        beamc__group_free(g);
        return status;
    }
    *out = g;
    return BEAMC_OK;
}

void beamc__group_free(beamc_group *g) {
    if (g == NULL) {
        return;
    }
    for (unsigned i = 0; i < g->shard_count; i++) {
        if (g->shards[i].grouper != NULL) {
            g->shards[i].grouper->ops->free(g->shards[i].grouper);
        }
        pthread_mutex_destroy(&g->shards[i].mu);
    }
    while (g->compaction.idle != NULL) {
        beamc_runnable *next = g->compaction.idle->next;
        beamc__runnable_free(g->compaction.idle);
        g->compaction.idle = next;
    }
    free(g->shards);
    free(g);
}

void beamc__shard_refresh(beamc_shard *s) {
    beamc_grouper *g = s->grouper;
    atomic_store_explicit(&s->hold, g->ops->hold(g), memory_order_release);
    atomic_store_explicit(&s->next_watermark, g->ops->next_watermark(g), memory_order_release);
    atomic_store_explicit(&s->next_clock, g->ops->next_clock(g), memory_order_release);
    atomic_store_explicit(&s->value_bytes, g->ops->value_bytes(g), memory_order_relaxed);
    atomic_store_explicit(&s->footprint, g->ops->footprint(g), memory_order_relaxed);
    beamc_group_counts counts = g->ops->take_counts(g);
    atomic_fetch_add_explicit(&s->late_dropped, counts.late_dropped, memory_order_relaxed);
}

/* Gives the shard back, after a task on it. @p more is NULL when the task drained nothing. */
static void end_shard(beamc_engine *e, beamc_shard *s, const bool *more,
                      beamc_deliveries *deliveries) {
    pthread_mutex_lock(&e->mu);
    if (deliveries != NULL) {
        beamc__deliver_commit(e, deliveries);
    }
    beamc__checkpoint_changed(e);
    s->busy = false;
    s->more = more == NULL ? s->more : *more;
    beamc__watermarks_update(e);
    pthread_mutex_unlock(&e->mu);
}

void beamc__group_fire(beamc_thread *t, const beamc_task *task) {
    beamc_engine *e = t->engine;
    beamc_node *n = task->node;
    beamc_shard *s = &n->group->shards[task->shard];
    beamc_buf buf = {0};
    beamc_time least = BEAMC_TIME_MAX;
    uint64_t count = 0;
    pthread_mutex_lock(&s->mu);
    beamc_grouper *g = s->grouper;
    bool more = g->ops->advance(g, &task->time) &&
                g->ops->drain(g, &task->time, FIRE_BYTES, &buf, &least, &count);
    beamc__shard_refresh(s);
    pthread_mutex_unlock(&s->mu);

    beamc_deliveries deliveries = {0};
    beamc_pieces pieces = {0};
    beamc_error err = {0};
    beamc_status status = BEAMC_OK;
    if (buf.len > 0) {
        size_t len = buf.len;
        beamc__pieces_add(
            &pieces, (beamc_piece){.block = beamc__block_take(&buf), .len = len, .hold = least});
        for (size_t i = 0; i < n->spec->output_count && status == BEAMC_OK; i++) {
            status = beamc__deliver_prepare(t, &n->spec->outputs[i], &pieces, &deliveries, &err);
        }
    }
    end_shard(e, s, &more, status == BEAMC_OK ? &deliveries : NULL);
    if (status != BEAMC_OK) {
        beamc_error_prepend(&err, "%s", n->spec->name);
        beamc__engine_fail(e, status, &err);
    }
    beamc__deliveries_free(&deliveries);
    beamc__pieces_free(&pieces);
    beamc_buf_free(&buf);
}

static beamc_status compact(beamc_thread *t, beamc_node *n, beamc_shard *s, beamc_buf *buf,
                            beamc_error *err) {
    beamc_engine *e = t->engine;
    beamc_group *g = n->group;
    beamc_bundle *b = beamc__bundle_new(e, n, &g->compaction, &g->compaction_output, 1);
    pthread_mutex_lock(&e->mu);
    b->number = e->next_bundle++;
    pthread_mutex_unlock(&e->mu);
    size_t len = buf->len;
    beamc__pieces_add(&b->input, (beamc_piece){.block = beamc__block_take(buf), .len = len});
    beamc_bundle_result result = {0};
    beamc_status status = beamc__bundle_attempts(b, &result, err);
    if (status == BEAMC_OK) {
        status = beamc__ingest_replace(t, n, s, &b->out[0].pieces, err);
    }
    if (status == BEAMC_OK) {
        beamc__sums_commit(e->metrics, b->on);
        pthread_mutex_lock(&e->mu);
        beamc__pool_put(&g->compaction, b->on);
        b->on = NULL;
        e->progress.compactions++;
        pthread_mutex_unlock(&e->mu);
    }
    beamc__bundle_free(b);
    return status;
}

void beamc__group_compact(beamc_thread *t, const beamc_task *task) {
    beamc_node *n = task->node;
    beamc_shard *s = &n->group->shards[task->shard];
    beamc_buf buf = {0};
    uint64_t count = 0;
    pthread_mutex_lock(&s->mu);
    s->grouper->ops->collect(s->grouper, &buf, &count);
    beamc__shard_refresh(s);
    pthread_mutex_unlock(&s->mu);
    beamc_error err = {0};
    beamc_status status = count == 0 ? BEAMC_OK : compact(t, n, s, &buf, &err);
    end_shard(t->engine, s, NULL, NULL);
    if (status != BEAMC_OK) {
        beamc_error_prepend(&err, "%s", n->spec->name);
        beamc__engine_fail(t->engine, status, &err);
    }
    beamc_buf_free(&buf);
}
