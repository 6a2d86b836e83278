/* store.c: scopes and the operations of bundles on them. */
#include "runner/engine/store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/cells.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"

enum { AHEAD = 8 }; /* operations whose cells are fetched early */

void beamc__store_init(beamc_store *s, const beamc_node_spec *spec) {
    *s = (beamc_store){.spec = spec};
    s->event.kind = s->clock.kind = BEAMC_HEAP_FIRE;
    s->holds.kind = BEAMC_HEAP_HOLD;
}

static beamc_slice scope_name(beamc_store *s, beamc_slice window, beamc_slice key) {
    beamc_buf_clear(&s->name);
    beamc_put_prefixed(&s->name, window);
    beamc_buf_put_slice(&s->name, key);
    return beamc_buf_slice(&s->name);
}

static beamc_time add_lateness(beamc_time t, int64_t lateness) {
    return t > BEAMC_TIME_MAX - 1 - lateness ? BEAMC_TIME_MAX - 1 : t + lateness;
}

beamc_scope *beamc__store_scope(beamc_store *s, beamc_slice window, beamc_slice key, bool make) {
    if (s->last != NULL && beamc_slice_eq(s->last->key, key) &&
        beamc_slice_eq(s->last->window, window)) {
        return s->last;
    }
    beamc_slice name = scope_name(s, window, key);
    uint64_t hash = beamc_hash(name);
    beamc_index_node *n = beamc__index_find(&s->scopes, hash, name);
    beamc_scope *scope = (beamc_scope *)n;
    if (scope != NULL && scope->partial) {
        beamc__store_complete(s, scope);
    } else if (scope == NULL && s->keeper.backed) {
        scope = beamc__store_fetch(s, name, window, key);
    }
    if (scope == NULL && make) {
        scope = beamc__store_add(s, window, key);
    }
    s->last = scope != NULL ? scope : s->last;
    return scope;
}

beamc_scope *beamc__store_add(beamc_store *s, beamc_slice window, beamc_slice key) {
    beamc_slice name = scope_name(s, window, key);
    beamc_window bounds;
    beamc_cursor in = beamc_cursor_of(window);
    if (!beamc_head_window(s->spec->input.window, &in, &bounds)) {
        return NULL;
    }
    beamc_scope *scope = beamc__calloc(1, sizeof *scope + name.len);
    char *copy = memcpy(scope + 1, name.ptr, name.len);
    scope->node.hash = beamc_hash(name);
    scope->node.key = beamc_slice_of(copy, name.len);
    scope->key = beamc_slice_of(copy + (name.len - key.len), key.len);
    scope->window = beamc_slice_of(scope->key.ptr - window.len, window.len);
    scope->window_max = beamc_window_max(bounds);
    scope->expires = add_lateness(scope->window_max, s->spec->state_lateness_ms);
    beamc__index_add(&s->scopes, &scope->node);
    return scope;
}

void beamc__scope_clear(beamc_store *s, beamc_scope *scope) {
    while (scope->timers != NULL) {
        beamc_set_timer *t = scope->timers;
        beamc__timer_take(s, t);
        free(t);
    }
    beamc__store_cells_gone(s, scope);
    for (beamc_cell *c = scope->cells, *next; c != NULL; c = next) {
        next = c->next;
        beamc__cell_free(c);
    }
    scope->cells = NULL;
}

void beamc__store_drop(beamc_store *s, beamc_scope *scope) {
    beamc__scope_clear(s, scope);
    beamc__store_gone(s, scope);
    s->last = s->last == scope ? NULL : s->last;
    beamc__index_remove(&s->scopes, &scope->node);
    free(scope);
}

void beamc__store_deinit(beamc_store *s) {
    s->keeper.on = false;
    while (s->scopes.first != NULL) {
        beamc__store_drop(s, (beamc_scope *)s->scopes.first);
    }
    beamc__index_free(&s->scopes);
    free(s->event.items);
    free(s->clock.items);
    free(s->holds.items);
    for (size_t i = 0; i < s->id_count; i++) {
        free((char *)s->ids[i].ptr);
    }
    free(s->ids);
    beamc__store_keeper_free(&s->keeper);
    beamc_buf_free(&s->name);
}

/* --------------------------------------------------------------------------------- cells */

static beamc_cell_kind cell_kind(beamc_state_key_kind kind) {
    switch (kind) {
    case BEAMC_STATE_KEY_BAG_USER:
        return BEAMC_CELL_BAG;
    case BEAMC_STATE_KEY_MULTIMAP_USER:
    case BEAMC_STATE_KEY_MULTIMAP_KEYS_USER:
        return BEAMC_CELL_MULTIMAP;
    case BEAMC_STATE_KEY_ORDERED_LIST_USER:
        return BEAMC_CELL_LIST;
    default:
        return 0;
    }
}

bool beamc__store_id(beamc_store *s, beamc_slice id, bool make, uint16_t *out) {
    size_t i = 0;
    while (i < s->id_count && !beamc_slice_eq(s->ids[i], id)) {
        i++;
    }
    if (i == s->id_count) {
        if (!make || i > UINT16_MAX) {
            return false;
        }
        char *copy = beamc__malloc(id.len + 1);
        memcpy(copy, id.len > 0 ? id.ptr : "", id.len);
        s->ids = beamc__realloc(s->ids, (i + 1) * sizeof *s->ids);
        s->ids[s->id_count++] = beamc_slice_of(copy, id.len);
    }
    *out = (uint16_t)i;
    return true;
}

/* *out is NULL when there is none and @p make is false. */
static beamc_status find_cell(beamc_store *s, const beamc_state_key *key, bool make,
                              beamc_scope **scope, beamc_cell **out, beamc_error *err) {
    beamc_cell_kind kind = cell_kind(key->kind);
    *out = NULL;
    if (kind == 0) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "state %.*s: a state key of kind %d",
                          BEAMC_SLICE_ARG(key->id), (int)key->kind);
    }
    *scope = beamc__store_scope(s, key->window, key->key, make);
    if (s->keeper.status != BEAMC_OK) {
        return beamc_error_set(err, s->keeper.status, "%s", s->keeper.error.message);
    }
    if (*scope == NULL) {
        return make ? BEAMC_FAIL(err, INVALID_ARGUMENT, "state %.*s: malformed window",
                                 BEAMC_SLICE_ARG(key->id))
                    : BEAMC_OK;
    }
    uint16_t id;
    if (!beamc__store_id(s, key->id, make, &id)) {
        return make ? BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "state %.*s: too many states",
                                 BEAMC_SLICE_ARG(key->id))
                    : BEAMC_OK;
    }
    beamc_cell **at = &(*scope)->cells;
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    if (*at == NULL && make) {
        *at = beamc__cell_new(kind, id);
    }
    if (*at != NULL && (*at)->kind != kind) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "state %.*s is used in two ways",
                          BEAMC_SLICE_ARG(key->id));
    }
    *out = *at;
    return BEAMC_OK;
}

/* What is there, or was appended, behind the last time that it was cleared. */
static beamc_slice read_dirty_bag(const beamc_state_ops *ops, const beamc_cell *cell,
                                  beamc_arena *arena) {
    uint32_t from = cell->first_op;
    size_t len = cell->bag.len;
    bool cleared = false;
    for (uint32_t i = cell->first_op; i != BEAMC_NO_OP; i = ops->items[i].next) {
        cleared |= ops->items[i].clear;
        from = ops->items[i].clear ? ops->items[i].next : from;
        len = ops->items[i].clear ? 0 : len + ops->items[i].data.len;
    }
    if (len == 0) {
        return (beamc_slice){NULL, 0};
    }
    char *all = beamc_arena_alloc(arena, len), *to = all;
    if (!cleared && cell->bag.len > 0) {
        memcpy(to, cell->bag.ptr, cell->bag.len);
        to += cell->bag.len;
    }
    for (uint32_t i = from; i != BEAMC_NO_OP; i = ops->items[i].next) {
        if (ops->items[i].data.len > 0) {
            memcpy(to, ops->items[i].data.ptr, ops->items[i].data.len);
            to += ops->items[i].data.len;
        }
    }
    return beamc_slice_of(all, len);
}

beamc_status beamc__store_get(beamc_store *s, const beamc_state_ops *ops,
                              const beamc_state_key *key, beamc_arena *arena, beamc_slice *page,
                              beamc_error *err) {
    beamc_scope *scope;
    beamc_cell *cell;
    *page = (beamc_slice){NULL, 0};
    BEAMC_TRY(find_cell(s, key, false, &scope, &cell, err));
    if (cell == NULL) {
        return BEAMC_OK;
    }
    if (!cell->dirty && cell->kind == BEAMC_CELL_BAG) {
        *page = beamc_buf_slice(&cell->bag); /* stays until the bundle is committed */
        return BEAMC_OK;
    }
    if (cell->dirty && cell->kind == BEAMC_CELL_BAG) {
        *page = read_dirty_bag(ops, cell, arena);
        return BEAMC_OK;
    }
    beamc_buf out = {0};
    if (cell->dirty) {
        beamc_cell *copy = beamc__cell_clone(cell);
        for (uint32_t i = cell->first_op; i != BEAMC_NO_OP; i = ops->items[i].next) {
            beamc__cell_apply(copy, &ops->items[i]);
        }
        beamc__cell_read(copy, key, &out);
        beamc__cell_free(copy);
    } else {
        beamc__cell_read(cell, key, &out);
    }
    *page = beamc_arena_copy(arena, beamc_buf_slice(&out));
    beamc_buf_free(&out);
    return BEAMC_OK;
}

beamc_status beamc__store_write(beamc_store *s, beamc_state_ops *ops, const beamc_state_key *key,
                                bool clear, beamc_slice data, beamc_error *err) {
    beamc_scope *scope;
    beamc_cell *cell;
    if (!clear && key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_USER) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "state %.*s: keys cannot be appended",
                          BEAMC_SLICE_ARG(key->id));
    }
    if (!clear && key->kind == BEAMC_STATE_KEY_ORDERED_LIST_USER && !beamc__cell_check_list(data)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "state %.*s: malformed list elements",
                          BEAMC_SLICE_ARG(key->id));
    }
    if (ops->count == BEAMC_NO_OP) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "more than 4 billion changes of state in a bundle");
    }
    BEAMC_TRY(find_cell(s, key, true, &scope, &cell, err));
    if (ops->count == ops->cap) {
        ops->cap = ops->cap == 0 ? 64 : ops->cap * 2;
        ops->items = beamc__realloc(ops->items, ops->cap * sizeof *ops->items);
    }
    uint32_t at = (uint32_t)ops->count;
    if (cell->dirty) {
        ops->items[cell->last_op].next = at;
    } else {
        cell->first_op = at;
    }
    cell->dirty = true;
    cell->last_op = at;
    ops->items[ops->count++] =
        (beamc_state_op){.cell = cell,
                         .scope = scope,
                         .kind = key->kind,
                         .clear = clear,
                         .next = BEAMC_NO_OP,
                         .map_key = beamc_arena_copy(ops->arena, key->map_key),
                         .data = beamc_arena_copy(ops->arena, data),
                         .range_start = key->range_start,
                         .range_end = key->range_end};
    return BEAMC_OK;
}

void beamc__store_ops_drop(beamc_state_ops *ops) {
    for (size_t i = 0; i < ops->count; i++) {
        ops->items[i].cell->dirty = false;
    }
    ops->count = 0;
    if (ops->arena != NULL) {
        beamc_arena_reset(ops->arena);
    }
}

static uint32_t expiration_family(const beamc_node_spec *spec) {
    for (uint32_t i = 0; i < spec->timer_count; i++) {
        if (spec->timers[i].expiration) {
            return i;
        }
    }
    return BEAMC_FAMILY_COLLECT;
}

void beamc__store_ops_apply(beamc_store *s, beamc_state_ops *ops) {
    uint32_t family = expiration_family(s->spec);
    for (size_t i = 0; i < ops->count; i++) {
        if (i + AHEAD < ops->count) {
            __builtin_prefetch(ops->items[i + AHEAD].cell);
        }
        beamc__cell_apply(ops->items[i].cell, &ops->items[i]);
        beamc__timer_ensure_collection(s, ops->items[i].scope, family);
    }
    beamc__store_ops_drop(ops);
}

void beamc__store_ops_free(beamc_state_ops *ops) {
    free(ops->items);
    beamc_arena_free(ops->arena);
    *ops = (beamc_state_ops){0};
}
