/* store_keep.c: how user state outlives the process. Names are those of journal.h, kind and node; then
 *
 *   cell    the scope's name (length of the window, window, key), length of the state's id, id, part (4 bytes)
 *           data: kind; then all of the cell, or a part of a bag
 *   timers  the scope's name; data: timers, one behind the other
 *
 * A small cell is one record, written anew when it changes. A long bag that is only appended to gets its
 * tail as a part of its own; parts are joined when they are many, and all of it is written anew when the tail
 * is as long as the rest: what is appended n times is not written n times as a whole.
 *
 * After a restart timers are read at once, cells when they are asked for: a job with much state begins soon.
 * Threads: as store.h; save with the engine at rest. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/cells.h"
#include "runner/engine/hash.h"
#include "runner/engine/journal.h"

enum { WHOLE_BYTES = 4096, PARTS_MAX = 64 };

/* A bag in several parts: the base is part 0, the joined tail part 1, then single tails. */
typedef struct beamc_cell_parts {
    size_t base;    /* bytes of part 0 */
    size_t saved;   /* of all parts */
    uint32_t count; /* the number of the last one + 1 */
} beamc_cell_parts;

/* ----------------------------------------------------------------------------------- names */

static void begin_name(beamc_store_keeper *k, beamc_record_kind kind, beamc_slice scope) {
    beamc_buf_clear(&k->name);
    beamc_buf_put_u8(&k->name, kind);
    beamc_put_be32(&k->name, k->node);
    beamc_buf_put_slice(&k->name, scope);
}

static beamc_slice cell_name(beamc_store *s, const beamc_scope *scope, const beamc_cell *c,
                             uint32_t part) {
    begin_name(&s->keeper, BEAMC_RECORD_CELL, scope->node.key);
    beamc_put_prefixed(&s->keeper.name, s->ids[c->id]);
    beamc_put_be32(&s->keeper.name, part);
    return beamc_buf_slice(&s->keeper.name);
}

static beamc_slice timers_name(beamc_store *s, const beamc_scope *scope) {
    begin_name(&s->keeper, BEAMC_RECORD_TIMERS, scope->node.key);
    return beamc_buf_slice(&s->keeper.name);
}

/* --------------------------------------------------------------------------------- changes */

void beamc__store_changed(beamc_store *s, beamc_scope *scope) {
    beamc_store_keeper *k = &s->keeper;
    if (!k->on || scope->changed_at != 0) {
        return;
    }
    if (k->count == k->cap) {
        k->cap = k->cap == 0 ? 64 : k->cap * 2;
        k->changed = beamc__realloc(k->changed, k->cap * sizeof *k->changed);
    }
    k->changed[k->count++] = scope;
    scope->changed_at = (uint32_t)k->count;
}

static void note_gone(beamc_store *s, beamc_slice name) {
    beamc_put_prefixed(&s->keeper.gone, name);
}

static uint32_t part_count(const beamc_cell *c) {
    return c->parts != NULL ? c->parts->count : c->stored;
}

void beamc__store_cells_gone(beamc_store *s, beamc_scope *scope) {
    if (!s->keeper.on) {
        return;
    }
    if (scope->partial) { /* to know what is to be removed */
        beamc__store_complete(s, scope);
    }
    for (beamc_cell *c = scope->cells; c != NULL; c = c->next) {
        for (uint32_t i = 0; i < part_count(c); i++) {
            note_gone(s, cell_name(s, scope, c, i));
        }
    }
}

static void free_names(beamc_index *names) {
    for (beamc_index_node *n = names->first, *next; n != NULL; n = next) {
        next = n->next;
        free(n);
    }
    beamc__index_free(names);
}

static void note_dropped(beamc_store_keeper *k, const beamc_scope *scope) {
    beamc_slice name = scope->node.key;
    if (beamc__index_find(&k->dropped, scope->node.hash, name) == NULL) {
        beamc_index_node *n = beamc__malloc(sizeof *n + name.len);
        memcpy(n + 1, name.ptr, name.len);
        *n = (beamc_index_node){.hash = scope->node.hash, .key = beamc_slice_of(n + 1, name.len)};
        beamc__index_add(&k->dropped, n);
    }
}

void beamc__store_gone(beamc_store *s, beamc_scope *scope) {
    beamc_store_keeper *k = &s->keeper;
    if (!k->on) {
        return;
    }
    if (scope->stored_timers) {
        note_gone(s, timers_name(s, scope));
    }
    if (k->backed) {
        note_dropped(k, scope);
    }
    if (scope->changed_at != 0) {
        beamc_scope *last = k->changed[--k->count];
        k->changed[scope->changed_at - 1] = last;
        last->changed_at = scope->changed_at;
        scope->changed_at = 0;
    }
}

/* ---------------------------------------------------------------------------------- saving */

static void put_part(beamc_store *s, const beamc_scope *scope, const beamc_cell *c, uint32_t part,
                     size_t from) {
    beamc_store_keeper *k = &s->keeper;
    beamc_buf_clear(&k->data);
    beamc_buf_put_u8(&k->data, c->kind);
    if (from == 0) {
        beamc__cell_save(c, &k->data);
    } else {
        beamc_buf_put(&k->data, c->bag.ptr + from, c->bag.len - from);
    }
    k->journal->ops->put(k->journal, cell_name(s, scope, c, part), beamc_buf_slice(&k->data));
}

static void remove_parts(beamc_store *s, const beamc_scope *scope, const beamc_cell *c,
                         uint32_t from) {
    beamc_store_keeper *k = &s->keeper;
    for (uint32_t i = from; i < part_count(c); i++) {
        k->journal->ops->remove(k->journal, cell_name(s, scope, c, i));
    }
}

/* All of it as one record. */
static void save_whole(beamc_store *s, const beamc_scope *scope, beamc_cell *c) {
    put_part(s, scope, c, 0, 0);
    remove_parts(s, scope, c, 1);
    c->stored = true;
    bool long_bag = c->kind == BEAMC_CELL_BAG && c->bag.len > WHOLE_BYTES;
    if (!long_bag) {
        free(c->parts);
        c->parts = NULL;
        return;
    }
    c->parts = c->parts != NULL ? c->parts : beamc__malloc(sizeof *c->parts);
    *c->parts = (beamc_cell_parts){.base = c->bag.len, .saved = c->bag.len, .count = 1};
}

static void save_tail(beamc_store *s, const beamc_scope *scope, beamc_cell *c) {
    beamc_cell_parts *p = c->parts;
    if (p->count >= PARTS_MAX) { /* the tails become one */
        put_part(s, scope, c, 1, p->base);
        remove_parts(s, scope, c, 2);
        p->count = 2;
    } else {
        p->count = p->count == 1 ? 2 : p->count; /* part 1 is for the joined tails */
        put_part(s, scope, c, p->count++, p->saved);
    }
    p->saved = c->bag.len;
}

static void save_cell(beamc_store *s, const beamc_scope *scope, beamc_cell *c) {
    if (!c->unsaved) {
        return;
    }
    if (beamc__cell_is_empty(c)) {
        remove_parts(s, scope, c, 0);
        c->stored = false;
        free(c->parts);
        c->parts = NULL;
    } else if (c->parts == NULL || c->rewritten || c->bag.len - c->parts->base >= c->parts->base) {
        save_whole(s, scope, c);
    } else if (c->bag.len > c->parts->saved) {
        save_tail(s, scope, c);
    }
    c->unsaved = c->rewritten = false;
}

enum { TIMER_PROCESSING = 1, TIMER_LAST = 2 };

static void save_timers(beamc_store *s, beamc_scope *scope) {
    beamc_store_keeper *k = &s->keeper;
    if (scope->timers == NULL) {
        if (scope->stored_timers) {
            k->journal->ops->remove(k->journal, timers_name(s, scope));
        }
        scope->stored_timers = false;
        return;
    }
    beamc_buf_clear(&k->data);
    for (const beamc_set_timer *t = scope->timers; t != NULL; t = t->next) {
        beamc_put_be32(&k->data, t->family);
        beamc_buf_put_u8(&k->data, (t->processing_time ? TIMER_PROCESSING : 0u) |
                                       (t->last ? TIMER_LAST : 0u));
        beamc_put_be64(&k->data, (uint64_t)t->fire_at);
        beamc_put_be64(&k->data, (uint64_t)t->hold_at);
        beamc_put_be64(&k->data, t->order);
        beamc_put_prefixed(&k->data, t->tag);
        beamc_put_prefixed(&k->data, t->pane);
    }
    k->journal->ops->put(k->journal, timers_name(s, scope), beamc_buf_slice(&k->data));
    scope->stored_timers = true;
}

void beamc__store_save(beamc_store *s) {
    beamc_store_keeper *k = &s->keeper;
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&k->gone));
    for (beamc_slice name; beamc_get_prefixed(&in, &name);) {
        k->journal->ops->remove(k->journal, name);
    }
    beamc_buf_clear(&k->gone);
    free_names(&k->dropped_before); /* the commit before this one is made */
    k->dropped_before = k->dropped;
    k->dropped = (beamc_index){0};
    for (size_t i = 0; i < k->count; i++) {
        beamc_scope *scope = k->changed[i];
        for (beamc_cell *c = scope->cells; c != NULL; c = c->next) {
            save_cell(s, scope, c);
        }
        save_timers(s, scope);
        scope->changed_at = 0;
    }
    k->count = 0;
}

/* --------------------------------------------------------------------------------- reading */

typedef struct reading {
    beamc_store *store;
    beamc_slice window, key; /* of the scope that is wanted */
    size_t prefix;           /* bytes of the names in front of the state's id */
    beamc_scope *scope;      /* NULL: not made yet */
} reading;

static beamc_status damaged(beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "the state of the job is damaged (user state): restore it from a copy, or "
                      "start anew with --state_dir_reset");
}

static beamc_cell *cell_of(beamc_scope *scope, uint16_t id, unsigned kind) {
    beamc_cell **at = &scope->cells;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = beamc__cell_new((beamc_cell_kind)kind, id);
    }
    return *at;
}

/* Parts come in their order, since their names do. */
static beamc_status read_cell(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    reading *r = arg;
    beamc_cursor in = beamc_cursor_of(name), from = beamc_cursor_of(data);
    beamc_slice id, head;
    uint32_t part;
    uint16_t number;
    unsigned kind;
    if (!beamc_get_bytes(&in, r->prefix, &head) || !beamc_get_prefixed(&in, &id) ||
        !beamc_get_be32(&in, &part) || in.p != in.end || !beamc_get_u8(&from, &kind) ||
        kind < BEAMC_CELL_BAG || kind > BEAMC_CELL_LIST || part > PARTS_MAX ||
        !beamc__store_id(r->store, id, true, &number)) {
        return damaged(err);
    }
    r->scope = r->scope != NULL ? r->scope : beamc__store_add(r->store, r->window, r->key);
    if (r->scope == NULL) {
        return damaged(err);
    }
    beamc_cell *c = cell_of(r->scope, number, kind);
    size_t before = c->kind == BEAMC_CELL_BAG ? c->bag.len : 0;
    if (c->kind != kind || (part > 0 && (!c->stored || kind != BEAMC_CELL_BAG)) ||
        !beamc__cell_load(c, beamc_slice_of(from.p, beamc_cursor_left(&from)))) {
        return damaged(err);
    }
    c->stored = true;
    if (kind == BEAMC_CELL_BAG && (part > 0 || c->bag.len > WHOLE_BYTES)) {
        if (c->parts == NULL) {
            c->parts = beamc__calloc(1, sizeof *c->parts);
            c->parts->base = part == 0 ? c->bag.len : before;
        }
        c->parts->saved = c->bag.len;
        c->parts->count = part + 1;
    }
    return BEAMC_OK;
}

static beamc_scope *read_scope(beamc_store *s, beamc_slice window, beamc_slice key,
                               beamc_scope *scope) {
    beamc_store_keeper *k = &s->keeper;
    beamc_buf prefix = {0};
    beamc_buf_put_u8(&prefix, BEAMC_RECORD_CELL);
    beamc_put_be32(&prefix, k->node);
    beamc_put_prefixed(&prefix, window);
    beamc_buf_put_slice(&prefix, key);
    reading r = {s, window, key, prefix.len, scope};
    beamc_error err = {0};
    beamc_status status =
        k->journal->ops->scan(k->journal, beamc_buf_slice(&prefix), read_cell, &r, &err);
    if (status != BEAMC_OK && k->status == BEAMC_OK) {
        k->status = status;
        k->error = err;
    }
    beamc_buf_free(&prefix);
    return r.scope;
}

beamc_scope *beamc__store_fetch(beamc_store *s, beamc_slice name, beamc_slice window,
                                beamc_slice key) {
    const beamc_store_keeper *k = &s->keeper;
    uint64_t hash = beamc_hash(name);
    if (beamc__index_find(&k->dropped, hash, name) != NULL ||
        beamc__index_find(&k->dropped_before, hash, name) != NULL) {
        return NULL; /* what the journal has is old */
    }
    return read_scope(s, window, key, NULL);
}

void beamc__store_complete(beamc_store *s, beamc_scope *scope) {
    scope->partial = false;
    read_scope(s, scope->window, scope->key, scope);
}

static bool read_timer(beamc_store *s, beamc_scope *scope, beamc_cursor *in) {
    beamc_set_timer t = {.scope = scope};
    uint64_t fire, hold;
    unsigned flags;
    if (!beamc_get_be32(in, &t.family) || !beamc_get_u8(in, &flags) || !beamc_get_be64(in, &fire) ||
        !beamc_get_be64(in, &hold) || !beamc_get_be64(in, &t.order) ||
        !beamc_get_prefixed(in, &t.tag) || !beamc_get_prefixed(in, &t.pane) ||
        (t.family >= s->spec->timer_count && t.family != BEAMC_FAMILY_COLLECT)) {
        return false;
    }
    t.processing_time = (flags & TIMER_PROCESSING) != 0;
    t.last = (flags & TIMER_LAST) != 0;
    t.fire_at = (beamc_time)fire;
    t.hold_at = (beamc_time)hold;
    beamc__timer_restore(s, scope, &t);
    return true;
}

bool beamc__store_restore_timers(beamc_store *s, beamc_slice window, beamc_slice key,
                                 beamc_slice data) {
    beamc_scope *scope = beamc__store_add(s, window, key);
    if (scope == NULL) {
        return false;
    }
    scope->partial = scope->stored_timers = true;
    beamc_cursor in = beamc_cursor_of(data);
    while (in.p < in.end) {
        if (!read_timer(s, scope, &in)) {
            return false;
        }
    }
    return true;
}

void beamc__store_keeper_free(beamc_store_keeper *k) {
    free(k->changed);
    free_names(&k->dropped);
    free_names(&k->dropped_before);
    beamc_buf_free(&k->gone);
    beamc_buf_free(&k->name);
    beamc_buf_free(&k->data);
}
