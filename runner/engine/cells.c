/* cells.c: bag, multimap and ordered list, as bytes (beam_fn_api.proto, StateKey and StateRequest). */
#include "runner/engine/cells.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/hash.h"

enum { SMALL_BAG = 24, KEEP_BYTES = 128 /* of a bag that is cleared */ };

beamc_cell *beamc__cell_new(beamc_cell_kind kind, uint16_t id) {
    beamc_cell *c = beamc__calloc(1, sizeof *c);
    c->kind = (uint8_t)kind;
    c->id = id;
    return c;
}

static void free_item(beamc_cell_item *item) {
    beamc_buf_free(&item->values);
    free(item);
}

static void clear_items(beamc_cell *c) {
    for (beamc_index_node *n = c->items.first, *next; n != NULL; n = next) {
        next = n->next;
        free_item((beamc_cell_item *)n);
    }
    beamc__index_free(&c->items);
}

void beamc__cell_free(beamc_cell *c) {
    switch (c->kind) {
    case BEAMC_CELL_BAG:
        beamc_buf_free(&c->bag);
        break;
    case BEAMC_CELL_MULTIMAP:
        clear_items(c);
        break;
    default:
        for (size_t i = 0; i < c->list.count; i++) {
            free(c->list.at[i].bytes);
        }
        free(c->list.at);
    }
    free(c->parts);
    free(c);
}

bool beamc__cell_is_empty(const beamc_cell *c) {
    return c->kind == BEAMC_CELL_BAG        ? c->bag.len == 0
           : c->kind == BEAMC_CELL_MULTIMAP ? c->items.count == 0
                                            : c->list.count == 0;
}

static beamc_cell_item *item_of(beamc_cell *c, beamc_slice key, bool make) {
    uint64_t hash = beamc_hash(key);
    beamc_index_node *n = beamc__index_find(&c->items, hash, key);
    if (n == NULL && make) {
        beamc_cell_item *item = beamc__calloc(1, sizeof *item + key.len);
        if (key.len > 0) {
            memcpy(item + 1, key.ptr, key.len);
        }
        item->node.hash = hash;
        item->node.key = beamc_slice_of(item + 1, key.len);
        beamc__index_add(&c->items, &item->node);
        n = &item->node;
    }
    return (beamc_cell_item *)n;
}

/* ------------------------------------------------------------------------------ ordered list */

bool beamc__cell_check_list(beamc_slice data) {
    beamc_cursor in = beamc_cursor_of(data);
    uint64_t at;
    beamc_slice value;
    while (in.p < in.end) {
        if (!beamc_get_varint(&in, &at) || !beamc_get_prefixed(&in, &value)) {
            return false;
        }
    }
    return true;
}

/* The first item at or behind @p at. */
static size_t list_find(const beamc_cell *c, int64_t at) {
    size_t low = 0, high = c->list.count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->list.at[mid].at < at) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void list_insert(beamc_cell *c, int64_t at, beamc_slice value) {
    if (c->list.count == c->list.cap) {
        c->list.cap = c->list.cap == 0 ? 8 : c->list.cap * 2;
        c->list.at = beamc__realloc(c->list.at, c->list.cap * sizeof *c->list.at);
    }
    size_t i = at == INT64_MAX ? c->list.count : list_find(c, at + 1); /* behind its equals */
    memmove(&c->list.at[i + 1], &c->list.at[i], (c->list.count - i) * sizeof *c->list.at);
    c->list.at[i] = (beamc_list_item){at, beamc__malloc(value.len + 1), value.len};
    if (value.len > 0) {
        memcpy(c->list.at[i].bytes, value.ptr, value.len);
    }
    c->list.count++;
}

static void list_append(beamc_cell *c, beamc_slice data) {
    beamc_cursor in = beamc_cursor_of(data);
    uint64_t at;
    beamc_slice value;
    while (in.p < in.end && beamc_get_varint(&in, &at) && beamc_get_prefixed(&in, &value)) {
        list_insert(c, (int64_t)at, value);
    }
}

static void list_clear(beamc_cell *c, int64_t start, int64_t end) {
    size_t from = list_find(c, start), to = list_find(c, end);
    if (from >= to) {
        return;
    }
    for (size_t i = from; i < to; i++) {
        free(c->list.at[i].bytes);
    }
    memmove(&c->list.at[from], &c->list.at[to], (c->list.count - to) * sizeof *c->list.at);
    c->list.count -= to - from;
}

/* --------------------------------------------------------------------------------- changing */

/* Most are a value of a few bytes: no more room than that, until it grows. */
static void bag_put(beamc_buf *bag, beamc_slice data) {
    if (bag->cap - bag->len < data.len) {
        size_t need = bag->len + data.len, cap = bag->cap + bag->cap / 2;
        cap = cap < need ? need : cap;
        cap = cap <= SMALL_BAG ? SMALL_BAG : cap;
        bag->ptr = beamc__realloc(bag->ptr, cap);
        bag->cap = cap;
    }
    beamc_buf_put_slice(bag, data);
}

void beamc__cell_apply(beamc_cell *c, const beamc_state_op *op) {
    beamc_cell_item *item;
    c->unsaved = true;
    c->rewritten |= op->clear;
    switch (op->kind) {
    case BEAMC_STATE_KEY_BAG_USER:
        if (op->clear && c->bag.cap <= KEEP_BYTES) {
            c->bag.len = 0; /* a value: the next one comes at once */
        } else if (op->clear) {
            beamc_buf_free(&c->bag);
        } else {
            bag_put(&c->bag, op->data);
        }
        break;
    case BEAMC_STATE_KEY_MULTIMAP_USER:
        item = item_of(c, op->map_key, !op->clear);
        if (!op->clear) {
            bag_put(&item->values, op->data);
        } else if (item != NULL) {
            beamc__index_remove(&c->items, &item->node);
            free_item(item);
        }
        break;
    case BEAMC_STATE_KEY_ORDERED_LIST_USER:
        if (op->clear) {
            list_clear(c, op->range_start, op->range_end);
        } else {
            list_append(c, op->data);
        }
        break;
    default: /* the keys of a multimap: only to clear all */
        clear_items(c);
    }
}

beamc_cell *beamc__cell_clone(const beamc_cell *c) {
    beamc_cell *copy = beamc__cell_new(c->kind, c->id);
    if (c->kind == BEAMC_CELL_BAG) {
        bag_put(&copy->bag, beamc_buf_slice(&c->bag));
    } else if (c->kind == BEAMC_CELL_MULTIMAP) {
        for (const beamc_index_node *n = c->items.first; n != NULL; n = n->next) {
            const beamc_cell_item *from = (const beamc_cell_item *)n;
            bag_put(&item_of(copy, n->key, true)->values, beamc_buf_slice(&from->values));
        }
    } else {
        for (size_t i = 0; i < c->list.count; i++) {
            list_insert(copy, c->list.at[i].at,
                        beamc_slice_of(c->list.at[i].bytes, c->list.at[i].len));
        }
    }
    return copy;
}

/* ---------------------------------------------------------------------------------- reading */

void beamc__cell_read(const beamc_cell *c, const beamc_state_key *key, beamc_buf *out) {
    const beamc_cell_item *item;
    switch (key->kind) {
    case BEAMC_STATE_KEY_BAG_USER:
        beamc_buf_put_slice(out, beamc_buf_slice(&c->bag));
        break;
    case BEAMC_STATE_KEY_MULTIMAP_USER:
        item = item_of((beamc_cell *)c, key->map_key, false);
        if (item != NULL) {
            beamc_buf_put_slice(out, beamc_buf_slice(&item->values));
        }
        break;
    case BEAMC_STATE_KEY_ORDERED_LIST_USER:
        for (size_t i = list_find(c, key->range_start);
             i < c->list.count && c->list.at[i].at < key->range_end; i++) {
            beamc_put_varint(out, (uint64_t)c->list.at[i].at);
            beamc_put_prefixed(out, beamc_slice_of(c->list.at[i].bytes, c->list.at[i].len));
        }
        break;
    default: /* the keys of a multimap */
        for (const beamc_index_node *n = c->items.first; n != NULL; n = n->next) {
            beamc_buf_put_slice(out, n->key);
        }
    }
}

/* --------------------------------------------------------------------------------- as bytes */

void beamc__cell_save(const beamc_cell *c, beamc_buf *out) {
    if (c->kind == BEAMC_CELL_BAG) {
        beamc_buf_put_slice(out, beamc_buf_slice(&c->bag));
    } else if (c->kind == BEAMC_CELL_MULTIMAP) {
        for (const beamc_index_node *n = c->items.first; n != NULL; n = n->next) {
            beamc_put_prefixed(out, n->key);
            beamc_put_prefixed(out, beamc_buf_slice(&((const beamc_cell_item *)n)->values));
        }
    } else {
        for (size_t i = 0; i < c->list.count; i++) {
            beamc_put_varint(out, (uint64_t)c->list.at[i].at);
            beamc_put_prefixed(out, beamc_slice_of(c->list.at[i].bytes, c->list.at[i].len));
        }
    }
}

bool beamc__cell_load(beamc_cell *c, beamc_slice bytes) {
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_slice key, values;
    switch (c->kind) {
    case BEAMC_CELL_BAG:
        bag_put(&c->bag, bytes);
        return true;
    case BEAMC_CELL_MULTIMAP:
        while (in.p < in.end) {
            if (!beamc_get_prefixed(&in, &key) || !beamc_get_prefixed(&in, &values)) {
                return false;
            }
            bag_put(&item_of(c, key, true)->values, values);
        }
        return true;
    default:
        if (!beamc__cell_check_list(bytes)) {
            return false;
        }
        list_append(c, bytes);
        return true;
    }
}
