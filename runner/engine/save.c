/* save.c: what has changed since the last commit, as records. The engine rests and mu is held: it only
 * collects; the journal writes later. restore.c reads all of this. */
#include "base/wire.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/hash.h"
#include "runner/engine/keyed.h"

void beamc__record_name(beamc_buf *out, beamc_record_kind kind, uint32_t node) {
    beamc_buf_clear(out);
    beamc_buf_put_u8(out, kind);
    beamc_put_be32(out, node);
}

beamc_slice beamc__record_piece_name(beamc_buf *out, beamc_record_kind kind, uint32_t node,
                                     uint64_t number) {
    beamc__record_name(out, kind, node);
    beamc_put_be64(out, number);
    return beamc_buf_slice(out);
}

static void put(beamc_checkpoint *c) {
    c->journal->ops->put(c->journal, beamc_buf_slice(&c->name), beamc_buf_slice(&c->data));
}

/* ---------------------------------------------------------------------------------- queues */

static void put_piece(beamc_checkpoint *c, const beamc_piece *p, unsigned shard) {
    beamc_buf_clear(&c->data);
    beamc_buf_put_u8(&c->data, shard);
    beamc_buf_put_u8(&c->data,
                     (p->truncated ? PIECE_TRUNCATED : 0u) | (p->sided ? PIECE_SIDED : 0u));
    beamc_put_be64(&c->data, (uint64_t)p->last);
    beamc_put_be64(&c->data, (uint64_t)p->hold);
    beamc_put_be64(&c->data, (uint64_t)p->ready_at);
    beamc_buf_put_slice(&c->data, beamc_piece_bytes(p));
    put(c);
}

static void save_piece(beamc_checkpoint *c, beamc_record_kind kind, uint32_t node, unsigned shard,
                       beamc_piece *p) {
    if (p->saved == 0) {
        p->saved = ++c->next_piece;
        beamc__record_piece_name(&c->name, kind, node, p->saved);
        put_piece(c, p, shard);
    }
}

static void save_queue(beamc_checkpoint *c, beamc_record_kind kind, uint32_t node, unsigned shard,
                       beamc_queue *q) {
    for (size_t i = 0; i < q->count; i++) {
        save_piece(c, kind, node, shard, &q->items[(q->head + i) & (q->cap - 1)]);
    }
}

static void save_sealed(beamc_checkpoint *c, beamc_node *n) {
    for (const beamc_sealed *s = n->sealed; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->pieces.count && !s->lasting; i++) {
            beamc__record_name(&c->name, BEAMC_RECORD_SEALED, n->index);
            beamc_put_be64(&c->name, s->number);
            beamc_put_be32(&c->name, (uint32_t)i);
            put_piece(c, &s->pieces.items[i], 0);
        }
    }
}

static void save_stage(beamc_engine *e, beamc_node *n) {
    beamc_checkpoint *c = e->checkpoint;
    if (beamc_is_sealing(e, n)) {
        beamc__sealed_make(e, n);
        save_sealed(c, n);
    }
    save_queue(c, BEAMC_RECORD_QUEUE, n->index, 0, &n->queue);
    for (size_t i = 0; i < n->delayed.count; i++) {
        save_piece(c, BEAMC_RECORD_QUEUE, n->index, 0, &n->delayed.items[i]);
    }
    for (size_t i = 0; i < n->sided.count; i++) {
        save_piece(c, BEAMC_RECORD_QUEUE, n->index, 0, &n->sided.items[i]);
    }
    if (n->keyed != NULL) {
        for (unsigned shard = 0; shard < beamc__keyed_shard_count(); shard++) {
            save_queue(c, BEAMC_RECORD_KEYED, n->index, shard, beamc__keyed_queue(n->keyed, shard));
        }
        beamc__keyed_save(n->keyed);
    }
}

/* ------------------------------------------------------------------------- groups and views */

typedef struct group_saving {
    beamc_checkpoint *c;
    uint32_t node;
} group_saving;

static void put_group_record(void *arg, beamc_slice name, beamc_slice data) {
    const group_saving *s = arg;
    beamc__record_name(&s->c->name, BEAMC_RECORD_GROUP, s->node);
    beamc_buf_put_slice(&s->c->name, name);
    s->c->journal->ops->put(s->c->journal, beamc_buf_slice(&s->c->name), data);
}

static void remove_group_record(void *arg, beamc_slice name) {
    const group_saving *s = arg;
    beamc__record_name(&s->c->name, BEAMC_RECORD_GROUP, s->node);
    beamc_buf_put_slice(&s->c->name, name);
    s->c->journal->ops->remove(s->c->journal, beamc_buf_slice(&s->c->name));
}

static void save_group(beamc_checkpoint *c, beamc_node *n) {
    group_saving saving = {c, n->index};
    beamc_group_store store = {&saving, put_group_record, remove_group_record};
    for (unsigned i = 0; i < n->group->shard_count; i++) {
        beamc_shard *s = &n->group->shards[i];
        pthread_mutex_lock(&s->mu);
        s->grouper->ops->save_changes(s->grouper, &store);
        pthread_mutex_unlock(&s->mu);
    }
}

static void save_view(beamc_checkpoint *c, beamc_view *v, uint32_t index) {
    pthread_mutex_lock(&v->mu);
    for (size_t i = 0; i < v->unsaved.count; i++) {
        beamc__record_piece_name(&c->name, BEAMC_RECORD_VIEW, index, ++c->next_view_piece);
        put_piece(c, &v->unsaved.items[i], 0);
        beamc__pieces_add(&v->saved, (beamc_piece){.saved = c->next_view_piece,
                                                   .last = v->unsaved.items[i].last});
    }
    beamc__pieces_free(&v->unsaved);
    pthread_mutex_unlock(&v->mu);
}

/* ------------------------------------------------------------------------------ the engine */

/* What the numbers of nodes and outputs mean: another version may cut stages in another way. */
uint64_t beamc__graph_hash(const beamc_engine_graph *graph) {
    uint64_t h = graph->node_count * 31 + graph->view_count;
    for (size_t i = 0; i < graph->node_count; i++) {
        const beamc_node_spec *n = &graph->nodes[i];
        h = beamc_hash_fold(h ^ 0x9e3779b97f4a7c15u, beamc_hash(beamc_str(n->name)) | 1);
        h += (uint64_t)n->kind * 8 + n->keyed * 4u + n->stable * 2u + n->splittable;
    }
    return h;
}

static void save_engine(beamc_engine *e) {
    beamc_checkpoint *c = e->checkpoint;
    beamc_buf_clear(&c->data);
    beamc_buf_put_u8(&c->data, beamc__schedule_all_done(e));
    beamc_put_be64(&c->data, e->next_bundle);
    beamc_put_be64(&c->data, c->next_piece);
    beamc_put_be64(&c->data, c->next_view_piece);
    beamc_put_be32(&c->data, c->incarnation);
    beamc_put_be64(&c->data, beamc__graph_hash(e->graph));
    beamc_put_be32(&c->data, (uint32_t)e->graph->node_count);
    for (size_t i = 0; i < e->graph->node_count; i++) {
        const beamc_node *n = &e->nodes[i];
        beamc_put_be64(&c->data, (uint64_t)n->upstream);
        beamc_put_be64(&c->data, (uint64_t)n->input);
        beamc_put_be64(&c->data, (uint64_t)n->output);
        beamc_put_be64(&c->data, (uint64_t)beamc__engine_late_dropped(e, i));
    }
    beamc__record_name(&c->name, BEAMC_RECORD_ENGINE, 0);
    put(c);
    beamc_buf_clear(&c->data);
    beamc__sums_save(e->metrics, &c->data);
    beamc__record_name(&c->name, BEAMC_RECORD_METRICS, 0);
    put(c);
}

static void remove_gone(beamc_checkpoint *c) {
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&c->gone));
    beamc_slice name;
    while (beamc_get_prefixed(&in, &name)) {
        c->journal->ops->remove(c->journal, name);
    }
    beamc_buf_clear(&c->gone);
}

void beamc__save_changes(beamc_engine *e) {
    beamc_checkpoint *c = e->checkpoint;
    c->waits = false;
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_node *n = &e->nodes[i];
        if (n->spec->kind == BEAMC_NODE_STAGE) {
            save_stage(e, n);
        } else if (n->group != NULL) {
            save_group(c, n);
        }
    }
    for (size_t v = 0; v < e->graph->view_count; v++) {
        save_view(c, &e->views[v], (uint32_t)v);
    }
    remove_gone(c);
    save_engine(e);
}
