/* checkpoint.c: when commits are made, and what waits for them. See checkpoint.h. */
#include "runner/engine/checkpoint.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/keyed.h"

enum {
    UNBOUNDED_MS = 100, /* between commits: what a sink waits for */
    BOUNDED_MS = 1000,
    EAGER_MS = 10,     /* when nothing else is to be done and somebody waits for a commit */
    COST_SHARE = 3,    /* times as long as a commit takes there is none, */
    COST_MS_MAX = 5000 /* but no longer, though one took a minute */
};

static int64_t monotonic_ms(void) {
    return beamc__monotonic_us() / 1000;
}

beamc_checkpoint *beamc__checkpoint_new(beamc_journal *journal) {
    beamc_checkpoint *c = beamc__calloc(1, sizeof *c);
    c->journal = journal;
    c->changed = true;
    return c;
}

void beamc__checkpoint_free(beamc_checkpoint *c) {
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->finalizer_count; i++) {
        c->finalizers[i].worker->ops->finalize(c->finalizers[i].worker, c->finalizers[i].list,
                                               false);
    }
    free(c->finalizers);
    beamc_buf_free(&c->gone);
    beamc_buf_free(&c->name);
    beamc_buf_free(&c->data);
    free(c);
}

/* ----------------------------------------------------------------------- what waits for it */

void beamc__checkpoint_gone(beamc_engine *e, beamc_slice name) {
    beamc_buf_put_u8(&e->checkpoint->gone, (unsigned)name.len);
    beamc_buf_put_slice(&e->checkpoint->gone, name);
}

void beamc__checkpoint_forget_input(beamc_bundle *b) {
    beamc_engine *e = b->engine;
    beamc_checkpoint *c = e->checkpoint;
    if (c == NULL) {
        return;
    }
    c->changed = true;
    for (size_t i = 0; i < b->input.count + b->cut.was.count; i++) {
        uint64_t saved = i < b->input.count ? b->input.items[i].saved
                                            : b->cut.was.items[i - b->input.count].saved;
        if (b->sealed) {
            beamc__record_name(&c->name, BEAMC_RECORD_SEALED, b->node->index);
            beamc_put_be64(&c->name, b->number);
            beamc_put_be32(&c->name, (uint32_t)i);
            beamc__checkpoint_gone(e, beamc_buf_slice(&c->name));
        } else if (saved != 0) {
            beamc_record_kind kind = b->keyed != NULL ? BEAMC_RECORD_KEYED : BEAMC_RECORD_QUEUE;
            beamc__checkpoint_gone(e,
                                   beamc__record_piece_name(&c->name, kind, b->node->index, saved));
        }
    }
}

void beamc__checkpoint_finalize(beamc_engine *e, beamc_worker *worker, beamc_finalizers *list) {
    beamc_checkpoint *c = e->checkpoint;
    if (c->finalizer_count == c->finalizer_cap) {
        c->finalizer_cap = c->finalizer_cap == 0 ? 8 : c->finalizer_cap * 2;
        c->finalizers = beamc__realloc(c->finalizers, c->finalizer_cap * sizeof *c->finalizers);
    }
    c->finalizers[c->finalizer_count++] = (beamc_waiting_finalizers){worker, list};
}

/* ------------------------------------------------------------------------------------- when */

static int64_t interval_ms(const beamc_engine *e, bool idle) {
    const beamc_checkpoint *c = e->checkpoint;
    int64_t least = e->config.checkpoint_ms > 0 ? e->config.checkpoint_ms
                    : e->bounded                ? BOUNDED_MS
                                                : UNBOUNDED_MS;
    int64_t cost = c->cost_ms * COST_SHARE;
    if (idle && c->waits) { /* nothing is lost, and the oftener, the less there is to write */
        least = least > EAGER_MS ? EAGER_MS : least;
        cost = c->cost_ms;
    }
    cost = cost > COST_MS_MAX ? COST_MS_MAX : cost;
    return least > cost ? least : cost;
}

int64_t beamc__checkpoint_sleep_ms(const beamc_engine *e) {
    const beamc_checkpoint *c = e->checkpoint;
    if (c == NULL || c->committing || c->wanted || !c->changed) {
        return INT64_MAX;
    }
    int64_t left = c->last_ms + interval_ms(e, true) - monotonic_ms();
    return left > 1 ? left : 1;
}

bool beamc__checkpoint_is_ahead(const beamc_engine *e) {
    const beamc_checkpoint *c = e->checkpoint;
    return c != NULL && (c->committing || c->wanted || c->changed);
}

static bool is_due(const beamc_engine *e, bool idle) {
    const beamc_checkpoint *c = e->checkpoint;
    if (!c->changed) {
        return false;
    }
    if (atomic_load(&e->stopping) == BEAMC_STOP_AT_COMMIT) {
        return true;
    }
    bool over = idle && e->running == 0 && beamc__schedule_all_done(e);
    return over || monotonic_ms() - c->last_ms >= interval_ms(e, idle);
}

static void run_finalizers(const beamc_waiting_finalizers *list, size_t count, bool committed) {
    for (size_t i = 0; i < count; i++) {
        list[i].worker->ops->finalize(list[i].worker, list[i].list, committed);
    }
}

/* Nothing runs. Collects the changes, then writes them without the lock. */
static void commit(beamc_engine *e) {
    beamc_checkpoint *c = e->checkpoint;
    int64_t began = monotonic_ms();
    beamc__save_changes(e);
    beamc_waiting_finalizers *finalizers = c->finalizers;
    size_t finalizer_count = c->finalizer_count;
    c->finalizers = NULL;
    c->finalizer_count = c->finalizer_cap = 0;
    c->wanted = c->changed = false;
    c->committing = true;
    pthread_cond_broadcast(&e->wake);
    pthread_mutex_unlock(&e->mu);

    beamc_error err = {0};
    beamc_status status = c->journal->ops->commit(c->journal, &err);
    run_finalizers(finalizers, finalizer_count, status == BEAMC_OK);
    free(finalizers);
    if (status != BEAMC_OK) {
        beamc__engine_fail(e, status, &err);
    }
    pthread_mutex_lock(&e->mu);
    c->committing = false;
    c->last_ms = monotonic_ms();
    c->cost_ms = c->last_ms - began;
    c->lasting_piece = status == BEAMC_OK ? c->next_piece : c->lasting_piece;
    for (size_t i = 0; i < e->graph->node_count && status == BEAMC_OK; i++) {
        beamc__sealed_made_lasting(&e->nodes[i]);
    }
    pthread_cond_broadcast(&e->wake);
}

bool beamc__checkpoint_step(beamc_engine *e, bool idle) {
    beamc_checkpoint *c = e->checkpoint;
    if (c == NULL || c->committing) {
        return false;
    }
    c->wanted = c->wanted || is_due(e, idle);
    if (c->wanted && e->running > 0) {
        pthread_cond_signal(&e->pacer_wake); /* what runs need not come to its end */
    }
    if (!c->wanted || e->running > 0) {
        return false;
    }
    commit(e);
    return true;
}
