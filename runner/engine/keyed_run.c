/* keyed_run.c: a bundle of a keyed stage: its timers, its state, its commit. The store is the bundle's
 * while it is in flight; what it writes waits in operations until it has succeeded. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/cells.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"
#include "runner/engine/keyed_impl.h"

enum { MAX_FIRED = 4096, AHEAD = 8 };

/* --------------------------------------------------------------------------------- firing */

static void encode_timer(const beamc_set_timer *t, beamc_buf *out) {
    /* beam:coder:timer:v1: key, tag, windows, clear, fire time, hold time, pane */
    beamc_buf_put_slice(out, t->scope->key);
    beamc_put_prefixed(out, t->tag);
    beamc_put_be32(out, 1);
    beamc_buf_put_slice(out, t->scope->window);
    beamc_buf_put_u8(out, 0);
    beamc_put_be64(out, beamc_time_to_wire(t->fire_at));
    beamc_put_be64(out, beamc_time_to_wire(t->hold_at));
    beamc_buf_put_slice(out, t->pane);
}

static void keep_timer(beamc_set_timer ***list, size_t *count, size_t *cap, beamc_set_timer *t) {
    if (*count == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        *list = beamc__realloc(*list, *cap * sizeof **list);
    }
    (*list)[(*count)++] = t;
}

/* Takes due timers out of one heap. Those of scopes that fire another one already stay for later. */
static void fire_heap(beamc_keyed_work *w, beamc_timer_heap *heap, bool clock) {
    beamc_store *s = &w->shard->store;
    beamc_set_timer **later = NULL;
    size_t later_count = 0, later_cap = 0;
    for (beamc_set_timer *t;
         w->fired_count + later_count < MAX_FIRED && (t = beamc_timer_first(heap)) != NULL;) {
        if (clock ? !beamc_clock_due(t->fire_at, w->now, w->drain)
                  : !beamc_event_due(beamc_event_fires(t), w->watermark)) {
            break;
        }
        beamc_scope *scope = t->scope;
        if (t->family == BEAMC_FAMILY_COLLECT && scope->fired_in != w) {
            beamc__store_drop(s, scope);
            continue;
        }
        beamc__timer_take(s, t);
        bool other = scope->fired_in == w &&
                     (scope->fired_family != t->family || scope->fired_at != t->fire_at || t->last);
        if (other) {
            keep_timer(&later, &later_count, &later_cap, t);
            continue;
        }
        scope->fired_in = w;
        scope->fired_family = t->family;
        scope->fired_at = t->fire_at;
        keep_timer(&w->fired, &w->fired_count, &w->fired_cap, t);
    }
    for (size_t i = 0; i < later_count; i++) {
        beamc__timer_put(s, later[i]);
    }
    free(later);
}

/* Without the engine's mu. False: there is nothing to run after all. */
bool beamc__keyed_begin(beamc_bundle *b) {
    beamc_keyed_work *w = b->keyed;
    if (!w->timers) {
        return b->input.count > 0;
    }
    /* Timers of the clock go first when all is over: windows must not expire before them. */
    fire_heap(w, w->drain ? &w->shard->store.clock : &w->shard->store.event, w->drain);
    if (w->fired_count == 0) {
        fire_heap(w, w->drain ? &w->shard->store.event : &w->shard->store.clock, !w->drain);
    }
    for (size_t i = 0; i < w->fired_count; i++) {
        encode_timer(w->fired[i], &w->given[w->fired[i]->family]);
    }
    return w->fired_count > 0;
}

/* ---------------------------------------------------------------------- for a running bundle */

beamc_slice beamc__keyed_fired(beamc_bundle *b, uint32_t family) {
    return beamc_buf_slice(&b->keyed->given[family]);
}

beamc_buf *beamc__keyed_timer_buf(beamc_bundle *b, uint32_t family) {
    return &b->keyed->set[family];
}

static beamc_status check_key(const beamc_bundle *b, const beamc_state_key *key, beamc_error *err) {
    if (b->keyed == NULL ||
        !beamc_slice_eq(beamc_str(b->node->spec->stateful_id), key->transform_id)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %.*s has no user state",
                          BEAMC_SLICE_ARG(key->transform_id));
    }
    const beamc_scope *last = b->keyed->shard->store.last;
    if (last != NULL && beamc_slice_eq(last->key, key->key)) {
        return BEAMC_OK;
    }
    unsigned shard = (unsigned)(beamc_hash(key->key) >> BEAMC_KEYED_SHIFT);
    if (&b->keyed->keyed->shards[shard] != b->keyed->shard) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "state %.*s of a key that is not in this bundle",
                          BEAMC_SLICE_ARG(key->id));
    }
    return BEAMC_OK;
}

beamc_status beamc__keyed_get(beamc_bundle *b, const beamc_state_key *key, beamc_slice continuation,
                              beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                              beamc_error *err) {
    (void)continuation; /* all of it is one page */
    *next = (beamc_slice){NULL, 0};
    BEAMC_TRY(check_key(b, key, err));
    return beamc__store_get(&b->keyed->shard->store, &b->keyed->ops, key, arena, page, err);
}

beamc_status beamc__keyed_append(beamc_bundle *b, const beamc_state_key *key, beamc_slice data,
                                 beamc_error *err) {
    BEAMC_TRY(check_key(b, key, err));
    return beamc__store_write(&b->keyed->shard->store, &b->keyed->ops, key, false, data, err);
}

beamc_status beamc__keyed_clear(beamc_bundle *b, const beamc_state_key *key, beamc_error *err) {
    BEAMC_TRY(check_key(b, key, err));
    return beamc__store_write(&b->keyed->shard->store, &b->keyed->ops, key, true,
                              (beamc_slice){NULL, 0}, err);
}

void beamc__keyed_reset(beamc_bundle *b) {
    if (b->keyed == NULL) {
        return;
    }
    beamc__store_ops_drop(&b->keyed->ops);
    for (size_t i = 0; i < b->node->spec->timer_count; i++) {
        beamc_buf_clear(&b->keyed->set[i]);
    }
}

/* ---------------------------------------------------------------------------------- commit */

/* One timer that the DoFn set or cleared. */
typedef struct setting {
    beamc_slice key, tag, window, pane;
    bool clear;
    beamc_time fire_at, hold_at;
} setting;

static bool read_setting(const beamc_node_spec *spec, beamc_cursor *in, setting *out) {
    const unsigned char *key = in->p;
    uint32_t windows;
    unsigned clear;
    uint64_t fire, hold;
    beamc_window w;
    if (beamc__skip(spec->input.element->args[0], in, NULL) != BEAMC_OK) {
        return false;
    }
    out->key = beamc_slice_of(key, (size_t)(in->p - key));
    if (!beamc_get_prefixed(in, &out->tag) || !beamc_get_be32(in, &windows) || windows != 1) {
        return false;
    }
    const unsigned char *window = in->p;
    if (!beamc_head_window(spec->input.window, in, &w)) {
        return false;
    }
    out->window = beamc_slice_of(window, (size_t)(in->p - window));
    if (!beamc_get_u8(in, &clear) || clear > 1) {
        return false;
    }
    out->clear = clear == 1;
    if (out->clear) {
        return true;
    }
    if (!beamc_get_be64(in, &fire) || !beamc_get_be64(in, &hold)) {
        return false;
    }
    out->fire_at = beamc_time_from_wire(fire);
    out->hold_at = beamc_time_from_wire(hold);
    const unsigned char *pane = in->p;
    bool ok = beamc_head_skip_pane(in);
    out->pane = beamc_slice_of(pane, (size_t)(in->p - pane));
    return ok;
}

/* Scopes that the bundle wrote to; empty ones go when it is committed. */
static void touch(beamc_keyed_work *w, beamc_scope *scope) {
    if (scope->touched) {
        return;
    }
    scope->touched = true;
    if (w->touched_count == w->touched_cap) {
        w->touched_cap = w->touched_cap == 0 ? 64 : w->touched_cap * 2;
        w->touched = beamc__realloc(w->touched, w->touched_cap * sizeof *w->touched);
    }
    w->touched[w->touched_count++] = scope;
}

static bool is_empty(const beamc_scope *scope) {
    for (const beamc_cell *c = scope->cells; c != NULL; c = c->next) {
        if (!beamc__cell_is_empty(c)) {
            return false;
        }
    }
    const beamc_set_timer *t = scope->timers;
    return t == NULL || (t->family == BEAMC_FAMILY_COLLECT && t->next == NULL);
}

static void drop_empty(beamc_keyed_work *w) {
    for (size_t i = 0; i < w->touched_count; i++) {
        beamc_store *s = &w->shard->store;
        beamc_scope *scope = w->touched[i];
        scope->touched = false;
        if (scope->partial && scope->timers == NULL) {
            beamc__store_complete(s, scope);
        }
        if (!scope->partial && is_empty(scope)) {
            beamc__store_drop(s, scope);
        } else {
            beamc__store_changed(s, scope);
        }
    }
    w->touched_count = 0;
}

static void apply_setting(beamc_keyed_work *w, uint32_t family, const setting *x) {
    beamc_store *s = &w->shard->store;
    const beamc_node_spec *spec = s->spec;
    beamc_scope *scope = beamc__store_scope(s, x->window, x->key, !x->clear);
    if (scope == NULL) {
        return;
    }
    touch(w, scope);
    if (x->clear) {
        beamc__timer_clear(s, scope, family, x->tag);
        return;
    }
    /* Behind the end of its window, or of all input, nothing fires any more. */
    bool over = spec->timers[family].processing_time ? w->drain : x->fire_at > scope->expires;
    if (over) {
        beamc__timer_clear(s, scope, family, x->tag);
    } else {
        beamc__timer_set(s, scope, family, x->tag, x->fire_at, x->hold_at, x->pane);
    }
    uint32_t collect = BEAMC_FAMILY_COLLECT;
    for (uint32_t i = 0; i < spec->timer_count; i++) {
        collect = spec->timers[i].expiration ? i : collect;
    }
    beamc__timer_ensure_collection(s, scope, collect);
}

static beamc_status each_setting(beamc_keyed_work *w, bool apply, beamc_error *err) {
    const beamc_node_spec *spec = w->shard->store.spec;
    for (uint32_t family = 0; family < spec->timer_count; family++) {
        beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&w->set[family]));
        while (in.p < in.end) {
            setting x = {.clear = true};
            if (!read_setting(spec, &in, &x)) {
                return BEAMC_FAIL(err, INTERNAL, "transform %s: malformed timer of family %s",
                                  spec->timers[family].transform_id, spec->timers[family].family);
            }
            if (apply) {
                apply_setting(w, family, &x);
            }
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__keyed_prepare(beamc_bundle *b, beamc_error *err) {
    beamc_keyed_work *w = b->keyed;
    BEAMC_TRY(each_setting(w, false, err)); /* from here on nothing fails */
    for (size_t i = 0; i < w->ops.count; i++) {
        if (i + AHEAD < w->ops.count) {
            __builtin_prefetch(&w->ops.items[i + AHEAD].scope->touched);
        }
        touch(w, w->ops.items[i].scope);
    }
    beamc__store_ops_apply(&w->shard->store, &w->ops);
    for (size_t i = 0; i < w->fired_count; i++) {
        w->fired[i]->scope->fired_in = NULL;
        touch(w, w->fired[i]->scope);
    }
    BEAMC_TRY(each_setting(w, true, err));
    for (size_t i = 0; i < w->fired_count; i++) {
        if (w->fired[i]->last) { /* expired: the DoFn has seen the end of it */
            beamc__scope_clear(&w->shard->store, w->fired[i]->scope);
        }
        free(w->fired[i]);
    }
    w->fired_count = 0;
    drop_empty(w);
    const beamc_store_keeper *keeper = &w->shard->store.keeper;
    return keeper->status == BEAMC_OK
               ? BEAMC_OK
               : beamc_error_set(err, keeper->status, "%s", keeper->error.message);
}

void beamc__keyed_refresh(beamc_keyed_shard *s) {
    const beamc_store *store = &s->store;
    const beamc_set_timer *event = beamc_timer_first(&store->event);
    const beamc_set_timer *clock = beamc_timer_first(&store->clock);
    const beamc_set_timer *hold = beamc_timer_first(&store->holds);
    s->next_event = event == NULL ? BEAMC_TIME_MAX : beamc_event_fires(event);
    s->next_clock = clock == NULL ? BEAMC_TIME_MAX : clock->fire_at;
    s->hold = hold == NULL ? BEAMC_TIME_MAX : hold->hold_at;
}

void beamc__keyed_commit(beamc_bundle *b) {
    beamc__keyed_refresh(b->keyed->shard);
    b->keyed->shard->busy = false;
}

void beamc__keyed_work_free(struct beamc_keyed_work *w) {
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->fired_count; i++) {
        free(w->fired[i]);
    }
    for (size_t i = 0; i < w->shard->store.spec->timer_count; i++) {
        beamc_buf_free(&w->given[i]);
        beamc_buf_free(&w->set[i]);
    }
    free(w->fired);
    free(w->touched);
    free(w->given);
    free(w->set);
    beamc__store_ops_free(&w->ops);
    free(w);
}
