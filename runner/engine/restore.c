/* restore.c: a job as it was at its last commit: the records that save.c made. They come from disk and are
 * not trusted: everything is checked before it is used. Before the engine's threads begin. */
#include "base/wire.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

static beamc_status damaged(const char *what, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "the state of the job is damaged (%s); nothing in it was changed: restore it "
                      "from a copy, or start anew with --state_dir_reset",
                      what);
}

/* Kind and index in front of every name. */
static bool read_name(beamc_slice name, size_t limit, beamc_cursor *in, uint32_t *index) {
    unsigned kind;
    *in = beamc_cursor_of(name);
    return beamc_get_u8(in, &kind) && beamc_get_be32(in, index) && *index < limit;
}

static bool get_time(beamc_cursor *in, beamc_time *out) {
    uint64_t t;
    if (!beamc_get_be64(in, &t)) {
        return false;
    }
    *out = (beamc_time)t;
    return true;
}

/* ------------------------------------------------------------------------------ the engine */

static bool read_node(beamc_cursor *in, beamc_node *n) {
    uint64_t late;
    if (!get_time(in, &n->upstream) || !get_time(in, &n->input) || !get_time(in, &n->output) ||
        !beamc_get_be64(in, &late)) {
        return false;
    }
    n->late_before = (int64_t)late;
    n->before = n->output;
    return true;
}

static beamc_status restore_engine(void *arg, beamc_slice name, beamc_slice data,
                                   beamc_error *err) {
    (void)name;
    beamc_engine *e = arg;
    beamc_checkpoint *c = e->checkpoint;
    beamc_cursor in = beamc_cursor_of(data);
    unsigned finished;
    uint32_t nodes;
    uint64_t hash;
    bool good = beamc_get_u8(&in, &finished) && beamc_get_be64(&in, &e->next_bundle) &&
                beamc_get_be64(&in, &c->next_piece) && beamc_get_be64(&in, &c->next_view_piece) &&
                beamc_get_be32(&in, &c->incarnation) && beamc_get_be64(&in, &hash) &&
                beamc_get_be32(&in, &nodes);
    if (good && (nodes != e->graph->node_count || hash != beamc__graph_hash(e->graph))) {
        return BEAMC_FAIL(
            err, FAILED_PRECONDITION,
            "the state of the job was written by a version that cuts the pipeline into "
            "other stages: go on with that one, or start anew with --state_dir_reset");
    }
    for (uint32_t i = 0; good && i < nodes; i++) {
        good = read_node(&in, &e->nodes[i]);
    }
    if (!good || in.p != in.end) {
        return damaged("its counters", err);
    }
    c->restored = true;
    c->lasting_piece = c->next_piece;
    c->finished = finished != 0;
    c->incarnation++;
    return BEAMC_OK;
}

static beamc_status restore_metrics(void *arg, beamc_slice name, beamc_slice data,
                                    beamc_error *err) {
    (void)name;
    return beamc__sums_load(((beamc_engine *)arg)->metrics, data) ? BEAMC_OK
                                                                  : damaged("its metrics", err);
}

/* ---------------------------------------------------------------------------------- pieces */

static bool read_piece(beamc_slice data, uint64_t number, unsigned *shard, beamc_piece *out) {
    beamc_cursor in = beamc_cursor_of(data);
    beamc_piece p = {.saved = number};
    unsigned flags;
    if (!beamc_get_u8(&in, shard) || !beamc_get_u8(&in, &flags) || !get_time(&in, &p.last) ||
        !get_time(&in, &p.hold) || !get_time(&in, &p.ready_at)) {
        return false;
    }
    p.truncated = (flags & PIECE_TRUNCATED) != 0;
    p.sided = (flags & PIECE_SIDED) != 0;
    p.len = beamc_cursor_left(&in);
    p.block = beamc__block_copy(beamc_slice_of(in.p, p.len));
    *out = p;
    return true;
}

/* A record of a piece: kind, index, number in its name. */
typedef struct piece_record {
    uint32_t index;
    uint64_t number;
    beamc_cursor rest; /* of the name */
    unsigned shard;
    beamc_piece piece; /* with a reference, when it was read */
} piece_record;

static bool read_record(beamc_slice name, size_t limit, beamc_slice data, piece_record *out) {
    return read_name(name, limit, &out->rest, &out->index) &&
           beamc_get_be64(&out->rest, &out->number) &&
           read_piece(data, out->number, &out->shard, &out->piece);
}

/* One that does not fit what it was written for. */
static beamc_status misplaced(const piece_record *r, const char *what, beamc_error *err) {
    beamc__block_unref(r->piece.block);
    return damaged(what, err);
}

static beamc_status restore_queue(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    beamc_engine *e = arg;
    piece_record r;
    if (!read_record(name, e->graph->node_count, data, &r)) {
        return damaged("queued input", err);
    }
    beamc_node *n = &e->nodes[r.index];
    if (n->spec->kind != BEAMC_NODE_STAGE ||
        (r.piece.sided ? n->spec->side_count == 0 : n->keyed != NULL)) {
        return misplaced(&r, "queued input", err);
    }
    if (n->spec->splittable && !r.piece.sided && r.piece.ready_at > BEAMC_TIME_MIN) {
        beamc__pieces_add(&n->delayed, r.piece);
    } else {
        beamc__sides_take(e, n, r.piece);
    }
    return BEAMC_OK;
}

static beamc_status restore_keyed(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    beamc_engine *e = arg;
    piece_record r;
    if (!read_record(name, e->graph->node_count, data, &r)) {
        return damaged("queued input", err);
    }
    beamc_keyed *k = e->nodes[r.index].keyed;
    if (k == NULL || r.shard >= beamc__keyed_shard_count()) {
        return misplaced(&r, "queued input", err);
    }
    beamc__keyed_restore_piece(k, r.shard, r.piece);
    return BEAMC_OK;
}

static beamc_status restore_sealed(void *arg, beamc_slice name, beamc_slice data,
                                   beamc_error *err) {
    beamc_engine *e = arg;
    piece_record r;
    uint32_t place;
    if (!read_record(name, e->graph->node_count, data, &r)) {
        return damaged("input of a sink", err);
    }
    if (!beamc_get_be32(&r.rest, &place) || !beamc_is_sealing(e, &e->nodes[r.index])) {
        return misplaced(&r, "input of a sink", err);
    }
    r.piece.saved = 0; /* the bundle answers for it */
    e->progress.queued_bytes += r.piece.len;
    beamc__sealed_add(&e->nodes[r.index], r.number, &r.piece);
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------- groups and views */

static beamc_status restore_group(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    beamc_engine *e = arg;
    beamc_cursor in;
    uint32_t index;
    if (!read_name(name, e->graph->node_count, &in, &index) || e->nodes[index].group == NULL ||
        beamc_cursor_left(&in) < 8) {
        return damaged("groups", err);
    }
    beamc_group *g = e->nodes[index].group;
    beamc_slice rest = beamc_slice_of(in.p, beamc_cursor_left(&in));
    uint64_t hash = 0;
    (void)beamc_get_be64(&in, &hash);
    beamc_grouper *grouper = g->shards[hash >> g->shard_shift].grouper;
    return grouper->ops->load_record(grouper, rest, data, err);
}

static beamc_status end_groups(beamc_engine *e, beamc_error *err) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_group *g = e->nodes[i].group;
        for (unsigned s = 0; g != NULL && s < g->shard_count; s++) {
            BEAMC_TRY(g->shards[s].grouper->ops->load_end(g->shards[s].grouper, err));
            beamc__shard_refresh(&g->shards[s]);
        }
    }
    return BEAMC_OK;
}

static beamc_status restore_view(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    beamc_engine *e = arg;
    piece_record r;
    if (!read_record(name, e->graph->view_count, data, &r)) {
        return damaged("a side input", err);
    }
    beamc_view *v = &e->views[r.index];
    beamc_output_spec from = {.collection = v->spec->collection, .coder = v->spec->coder};
    beamc_pieces pieces = {0};
    beamc__pieces_add(&pieces, r.piece);
    beamc_status status = beamc__view_add(v, &from, &pieces, err);
    beamc__pieces_free(&v->unsaved); /* it is saved */
    beamc__pieces_add(&v->saved, (beamc_piece){.saved = r.number, .last = r.piece.last});
    beamc__pieces_free(&pieces);
    return status;
}

/* ------------------------------------------------------------------------------------- all */

static beamc_status restore_kind(beamc_engine *e, beamc_record_kind kind, beamc_journal_fn fn,
                                 beamc_error *err) {
    char prefix = (char)kind;
    beamc_journal *j = e->checkpoint->journal;
    return j->ops->scan(j, beamc_slice_of(&prefix, 1), fn, e, err);
}

beamc_status beamc__restore(beamc_engine *e, beamc_error *err) {
    if (e->virtual_time) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "a pipeline with a test stream begins anew each time: leave out "
                          "--state_dir");
    }
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_ENGINE, restore_engine, err));
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_METRICS, restore_metrics, err));
    if (!e->checkpoint->restored || e->checkpoint->finished) {
        return BEAMC_OK;
    }
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_QUEUE, restore_queue, err));
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_SEALED, restore_sealed, err));
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_GROUP, restore_group, err));
    BEAMC_TRY(end_groups(e, err));
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_VIEW, restore_view, err));
    BEAMC_TRY(restore_kind(e, BEAMC_RECORD_KEYED, restore_keyed, err));
    for (size_t i = 0; i < e->graph->node_count; i++) {
        if (e->nodes[i].keyed != NULL) {
            BEAMC_TRY(beamc__keyed_restore(e->nodes[i].keyed, err));
        }
    }
    return BEAMC_OK;
}
