/* view.c: side inputs. Elements are kept by window and key as their encoded values, which is what
 * state reads give (beam_fn_api.proto, StateKey.IterableSideInput, MultimapSideInput, ...). In a job that
 * goes on, windows that no reader can ask for any more are dropped. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"

typedef struct view_window {
    beamc_index_node node; /* by its encoding */
    beamc_time last;       /* instant */
    beamc_table table;     /* of keys; iterables have the empty one */
} view_window;

void beamc__view_init(beamc_view *view, const beamc_view_spec *spec) {
    *view = (beamc_view){.spec = spec};
    pthread_mutex_init(&view->mu, NULL);
    atomic_init(&view->watermark, BEAMC_TIME_MIN);
}

static void drop_window(beamc_view *view, view_window *w) {
    beamc__index_remove(&view->windows, &w->node);
    beamc__table_free(&w->table);
    free(w);
}

void beamc__view_deinit(beamc_view *view) {
    while (view->windows.first != NULL) {
        drop_window(view, (view_window *)view->windows.first);
    }
    beamc__index_free(&view->windows);
    beamc__pieces_free(&view->unsaved);
    free(view->saved.items);
    free(view->readers);
    pthread_mutex_destroy(&view->mu);
}

/* ---------------------------------------------------------------------------------- adding */

static view_window *find_window(const beamc_view *view, beamc_slice bytes) {
    return (view_window *)beamc__index_find(&view->windows, beamc_hash(bytes), bytes);
}

static view_window *put_window(beamc_view *view, beamc_slice bytes, beamc_window window) {
    view_window *w = find_window(view, bytes);
    if (w == NULL) {
        w = beamc__calloc(1, sizeof *w + bytes.len);
        if (bytes.len > 0) {
            memcpy(w + 1, bytes.ptr, bytes.len);
        }
        w->node.hash = beamc_hash(bytes);
        w->node.key = beamc_slice_of(w + 1, bytes.len);
        w->last = beamc_window_max(window);
        beamc__index_add(&view->windows, &w->node);
    }
    return w;
}

static void add(beamc_table *table, beamc_slice key, beamc_slice value) {
    beamc__table_append(table, beamc__table_put(table, beamc_hash(key), key, value.len), value);
}

/* *last: the last instant of all windows in it. */
static beamc_status add_piece(beamc_view *view, const beamc_output_spec *from, beamc_slice bytes,
                              beamc_time *last, beamc_error *err) {
    const beamc_wire_coder *coder = &view->spec->coder;
    beamc_cursor in = beamc_cursor_of(bytes);
    while (in.p < in.end) {
        beamc_head head;
        if (!beamc_head_read(coder->window, &in, &head)) {
            return beamc__element_malformed(from->collection, &in, bytes, err);
        }
        const unsigned char *key = in.p;
        if (view->spec->multimap) {
            BEAMC_TRY_CTX(err, beamc__skip(coder->element->args[0], &in, err), "PCollection %s",
                          from->collection);
        }
        const unsigned char *value = in.p;
        BEAMC_TRY_CTX(
            err,
            beamc__skip(view->spec->multimap ? coder->element->args[1] : coder->element, &in, err),
            "PCollection %s", from->collection);
        beamc_cursor windows = beamc_cursor_of(head.window_bytes);
        for (uint32_t i = 0; i < head.window_count; i++) {
            const unsigned char *start = windows.p;
            beamc_window window;
            if (!beamc_head_window(coder->window, &windows, &window)) {
                return beamc__element_malformed(from->collection, &in, bytes, err);
            }
            view_window *w =
                put_window(view, beamc_slice_of(start, (size_t)(windows.p - start)), window);
            *last = w->last > *last ? w->last : *last;
            add(&w->table, beamc_slice_of(key, (size_t)(value - key)),
                beamc_slice_of(value, (size_t)(in.p - value)));
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__view_add(beamc_view *view, const beamc_output_spec *from,
                             const beamc_pieces *pieces, beamc_error *err) {
    if (view->spec->multimap && view->spec->coder.element->kind != BEAMC_CODER_KV) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "PCollection %s: a multimap needs KV pairs",
                          from->collection);
    }
    beamc_status status = BEAMC_OK;
    pthread_mutex_lock(&view->mu);
    for (size_t i = 0; i < pieces->count && status == BEAMC_OK; i++) {
        beamc_piece p = pieces->items[i];
        p.last = BEAMC_TIME_MIN;
        status = add_piece(view, from, beamc_piece_bytes(&p), &p.last, err);
        if (view->keeps) {
            beamc_block_ref(p.block);
            beamc__pieces_add(&view->unsaved, p);
        }
    }
    pthread_mutex_unlock(&view->mu);
    return status;
}

/* -------------------------------------------------------------------------------- dropping */

static bool is_over(const beamc_view *view, beamc_time last, beamc_time watermark) {
    beamc_time expiry;
    return !__builtin_add_overflow(last, view->spec->windowing.allowed_lateness_ms, &expiry) &&
           expiry < watermark;
}

/* What is over need not be saved, or be there any longer. */
static void forget_records(beamc_engine *e, beamc_view *view, beamc_time watermark) {
    size_t kept = 0;
    for (size_t i = 0; i < view->unsaved.count; i++) {
        if (is_over(view, view->unsaved.items[i].last, watermark)) {
            beamc__block_unref(view->unsaved.items[i].block);
        } else {
            view->unsaved.items[kept++] = view->unsaved.items[i];
        }
    }
    view->unsaved.count = kept;
    kept = 0;
    for (size_t i = 0; i < view->saved.count; i++) {
        const beamc_piece *p = &view->saved.items[i];
        if (is_over(view, p->last, watermark)) {
            beamc__checkpoint_gone(e,
                                   beamc__record_piece_name(&e->checkpoint->name, BEAMC_RECORD_VIEW,
                                                            (uint32_t)(view - e->views), p->saved));
        } else {
            view->saved.items[kept++] = *p;
        }
    }
    view->saved.count = kept;
}

void beamc__view_collect(beamc_engine *e, beamc_view *view) {
    if (e->bounded || view->watermark == BEAMC_TIME_MAX ||
        view->spec->windowing.fn.kind == BEAMC_WINDOW_GLOBAL) {
        return; /* at the end what was read is read in place */
    }
    beamc_time watermark = view->watermark;
    for (size_t i = 0; i < view->reader_count; i++) {
        watermark = beamc_earlier(watermark, e->nodes[view->readers[i]].input);
    }
    pthread_mutex_lock(&view->mu);
    bool any = false;
    for (beamc_index_node *n = view->windows.first, *next; n != NULL; n = next) {
        next = n->next;
        if (is_over(view, ((view_window *)n)->last, watermark)) {
            drop_window(view, (view_window *)n);
            any = true;
        }
    }
    if (any && view->keeps) {
        forget_records(e, view, watermark);
    }
    pthread_mutex_unlock(&view->mu);
}

/* --------------------------------------------------------------------------------- reading */

/* All values of an entry. When nothing is added any more they are brought together once, and stay. */
static beamc_slice values_of(const beamc_view *view, view_window *w, beamc_entry *e,
                             beamc_arena *arena) {
    if (e == NULL) {
        return (beamc_slice){NULL, 0};
    }
    if (atomic_load(&view->watermark) == BEAMC_TIME_MAX) {
        beamc__table_pack(&w->table, e);
        return beamc_slice_of(e->first->bytes, e->first->len);
    }
    size_t len = beamc_entry_bytes(e);
    char *to = beamc_arena_alloc(arena, len), *at = to;
    for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
        memcpy(at, c->bytes, c->len);
        at += c->len;
    }
    return beamc_slice_of(to, len);
}

/* The keys of a window, each as it is or with its values behind it as KV<K, iterable<V>>. */
static beamc_slice keys_of(const view_window *w, bool values, beamc_arena *arena) {
    beamc_buf out = {0};
    for (const beamc_entry *e = w->table.first; e != NULL; e = e->next) {
        beamc_buf_put(&out, e->key, e->key_len);
        if (values) {
            beamc_put_be32(&out, e->count);
            for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
                beamc_buf_put(&out, c->bytes, c->len);
            }
        }
    }
    beamc_slice all = beamc_arena_copy(arena, beamc_buf_slice(&out));
    beamc_buf_free(&out);
    return all;
}

beamc_status beamc__view_get(beamc_view *view, const beamc_state_key *key, beamc_arena *arena,
                             beamc_slice *page, beamc_error *err) {
    bool by_key = key->kind != BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT;
    if (by_key != view->spec->multimap) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "side input %.*s is %s", BEAMC_SLICE_ARG(key->id),
                          by_key ? "an iterable and has no keys" : "a multimap and is read by key");
    }
    *page = (beamc_slice){NULL, 0};
    pthread_mutex_lock(&view->mu);
    view_window *w = find_window(view, key->window);
    if (w != NULL && (key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT ||
                      key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT)) {
        *page = keys_of(w, key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT, arena);
    } else if (w != NULL) {
        beamc_slice k = by_key ? key->key : (beamc_slice){NULL, 0};
        *page = values_of(view, w, beamc__table_find(&w->table, beamc_hash(k), k), arena);
    }
    pthread_mutex_unlock(&view->mu);
    return BEAMC_OK;
}
