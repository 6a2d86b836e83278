/* view.c: side inputs. Elements are kept by window and key as their encoded values, which is what
 * state reads give (beam_fn_api.proto, StateKey.IterableSideInput, MultimapSideInput, ...). */
#include "base/mem.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"
#include "runner/engine/impl.h"

void beamc__view_init(beamc_view *view, const beamc_view_spec *spec) {
    *view = (beamc_view){.spec = spec};
    pthread_mutex_init(&view->mu, NULL);
    atomic_init(&view->watermark, BEAMC_TIME_MIN);
}

void beamc__view_deinit(beamc_view *view) {
    beamc__table_free(&view->table);
    beamc__pieces_free(&view->unsaved);
    pthread_mutex_destroy(&view->mu);
}

/* The table's keys: length of the window's encoding, window, key. */
static void put_key(beamc_buf *buf, beamc_slice window, beamc_slice key) {
    beamc_buf_clear(buf);
    beamc_put_prefixed(buf, window);
    beamc_buf_put_slice(buf, key);
}

static void add(beamc_view *view, beamc_buf *scratch, beamc_slice window, beamc_slice key,
                beamc_slice value) {
    put_key(scratch, window, key);
    beamc_slice k = beamc_buf_slice(scratch);
    beamc__table_append(&view->table, beamc__table_put(&view->table, beamc_hash(k), k, value.len),
                        value);
}

static beamc_status add_piece(beamc_view *view, const beamc_output_spec *from, beamc_slice bytes,
                              beamc_buf *scratch, beamc_error *err) {
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
            add(view, scratch, beamc_slice_of(start, (size_t)(windows.p - start)),
                beamc_slice_of(key, (size_t)(value - key)),
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
    beamc_buf scratch = {0};
    beamc_status status = BEAMC_OK;
    pthread_mutex_lock(&view->mu);
    for (size_t i = 0; i < pieces->count && status == BEAMC_OK; i++) {
        if (view->keeps) {
            beamc_block_ref(pieces->items[i].block);
            beamc__pieces_add(&view->unsaved, pieces->items[i]);
        }
        status = add_piece(view, from, beamc_piece_bytes(&pieces->items[i]), &scratch, err);
    }
    atomic_store(&view->any, view->table.count > 0);
    pthread_mutex_unlock(&view->mu);
    beamc_buf_free(&scratch);
    return status;
}

/* All values of an entry. When nothing is added any more they are brought together once, and stay. */
static beamc_slice values_of(beamc_view *view, beamc_entry *e, beamc_arena *arena) {
    if (e == NULL) {
        return (beamc_slice){NULL, 0};
    }
    if (atomic_load(&view->watermark) == BEAMC_TIME_MAX) {
        beamc__table_pack(&view->table, e);
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
static beamc_slice keys_of(beamc_view *view, beamc_slice window, bool values, beamc_arena *arena) {
    beamc_buf prefix = {0}, out = {0};
    put_key(&prefix, window, (beamc_slice){NULL, 0});
    for (const beamc_entry *e = view->table.first; e != NULL; e = e->next) {
        if (e->key_len < prefix.len || memcmp(e->key, prefix.ptr, prefix.len) != 0) {
            continue;
        }
        beamc_buf_put(&out, e->key + prefix.len, e->key_len - prefix.len);
        if (values) {
            beamc_put_be32(&out, e->count);
            for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
                beamc_buf_put(&out, c->bytes, c->len);
            }
        }
    }
    beamc_slice all = beamc_arena_copy(arena, beamc_buf_slice(&out));
    beamc_buf_free(&prefix);
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
    pthread_mutex_lock(&view->mu);
    if (key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT ||
        key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT) {
        *page = keys_of(view, key->window,
                        key->kind == BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT, arena);
    } else {
        beamc_buf buf = {0};
        put_key(&buf, key->window, by_key ? key->key : (beamc_slice){NULL, 0});
        beamc_slice k = beamc_buf_slice(&buf);
        *page = values_of(view, beamc__table_find(&view->table, beamc_hash(k), k), arena);
        beamc_buf_free(&buf);
    }
    pthread_mutex_unlock(&view->mu);
    return BEAMC_OK;
}
