/* set_timers.c: timers that wait: heaps by their time and by the watermark that they hold. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/store.h"

#define LAST (UINT64_C(1) << 63)

static beamc_heap_item item_of(const beamc_timer_heap *h, beamc_set_timer *t) {
    if (h->kind == BEAMC_HEAP_HOLD) {
        return (beamc_heap_item){t->hold_at, 0, t};
    }
    return (beamc_heap_item){t->fire_at, t->order | (t->last ? LAST : 0), t};
}

static bool before(const beamc_heap_item *a, const beamc_heap_item *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(beamc_timer_heap *h, beamc_heap_item item, size_t i) {
    h->items[i] = item;
    item.timer->at[h->kind] = i;
}

static void sift_up(beamc_timer_heap *h, beamc_heap_item item, size_t i) {
    for (; i > 0 && before(&item, &h->items[(i - 1) / 2]); i = (i - 1) / 2) {
        place(h, h->items[(i - 1) / 2], i);
    }
    place(h, item, i);
}

static void sift_down(beamc_timer_heap *h, beamc_heap_item item, size_t i) {
    for (size_t kid; (kid = i * 2 + 1) < h->count; i = kid) {
        if (kid + 1 < h->count && before(&h->items[kid + 1], &h->items[kid])) {
            kid++;
        }
        if (!before(&h->items[kid], &item)) {
            break;
        }
        place(h, h->items[kid], i);
    }
    place(h, item, i);
}

static void heap_add(beamc_timer_heap *h, beamc_set_timer *t) {
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 16 : h->cap * 2;
        h->items = beamc__realloc(h->items, h->cap * sizeof *h->items);
    }
    sift_up(h, item_of(h, t), h->count++);
}

static void heap_remove(beamc_timer_heap *h, beamc_set_timer *t) {
    size_t i = t->at[h->kind];
    beamc_heap_item moved = h->items[--h->count];
    t->at[h->kind] = SIZE_MAX;
    if (moved.timer == t) {
        return;
    }
    if (i > 0 && before(&moved, &h->items[(i - 1) / 2])) {
        sift_up(h, moved, i);
    } else {
        sift_down(h, moved, i);
    }
}

static beamc_timer_heap *fire_heap(beamc_store *s, const beamc_set_timer *t) {
    return t->processing_time ? &s->clock : &s->event;
}

void beamc__timer_put(beamc_store *s, beamc_set_timer *t) {
    t->next = t->scope->timers;
    t->scope->timers = t;
    heap_add(fire_heap(s, t), t);
    if (t->hold_at < BEAMC_TIME_MAX) {
        heap_add(&s->holds, t);
    }
}

void beamc__timer_take(beamc_store *s, beamc_set_timer *t) {
    beamc_set_timer **at = &t->scope->timers;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    heap_remove(fire_heap(s, t), t);
    if (t->at[BEAMC_HEAP_HOLD] != SIZE_MAX) {
        heap_remove(&s->holds, t);
    }
}

static beamc_set_timer *find(const beamc_scope *scope, uint32_t family, beamc_slice tag) {
    beamc_set_timer *t = scope->timers;
    while (t != NULL && (t->family != family || !beamc_slice_eq(t->tag, tag))) {
        t = t->next;
    }
    return t;
}

void beamc__timer_clear(beamc_store *s, beamc_scope *scope, uint32_t family, beamc_slice tag) {
    beamc_set_timer *t = find(scope, family, tag);
    if (t != NULL) {
        beamc__timer_take(s, t);
        free(t);
    }
}

static beamc_set_timer *new_timer(beamc_store *s, beamc_scope *scope, uint32_t family,
                                  beamc_slice tag, beamc_slice pane) {
    beamc_set_timer *t = beamc__calloc(1, sizeof *t + tag.len + pane.len);
    char *to = (char *)(t + 1);
    if (tag.len > 0) {
        memcpy(to, tag.ptr, tag.len);
    }
    if (pane.len > 0) {
        memcpy(to + tag.len, pane.ptr, pane.len);
    }
    t->tag = beamc_slice_of(to, tag.len);
    t->pane = beamc_slice_of(to + tag.len, pane.len);
    t->scope = scope;
    t->family = family;
    t->order = s->next_order++;
    t->at[BEAMC_HEAP_FIRE] = t->at[BEAMC_HEAP_HOLD] = SIZE_MAX;
    return t;
}

void beamc__timer_set(beamc_store *s, beamc_scope *scope, uint32_t family, beamc_slice tag,
                      beamc_time fire_at, beamc_time hold_at, beamc_slice pane) {
    beamc__timer_clear(s, scope, family, tag);
    beamc_set_timer *t = new_timer(s, scope, family, tag, pane);
    t->processing_time = s->spec->timers[family].processing_time;
    t->fire_at = fire_at;
    /* Also one that holds nothing must fire before all is over. */
    t->hold_at = hold_at < BEAMC_TIME_MAX ? hold_at : BEAMC_TIME_MAX - 1;
    beamc__timer_put(s, t);
}

void beamc__timer_restore(beamc_store *s, beamc_scope *scope, const beamc_set_timer *like) {
    beamc_set_timer *t = new_timer(s, scope, like->family, like->tag, like->pane);
    t->processing_time = like->processing_time;
    t->last = like->last;
    t->fire_at = like->fire_at;
    t->hold_at = like->hold_at;
    t->order = like->order;
    s->next_order = like->order >= s->next_order ? like->order + 1 : s->next_order;
    beamc__timer_put(s, t);
}

/* The DoFn's expiration timer comes with the last instant of the window as its output time, and holds
 * the watermark there; the collection alone holds nothing. */
void beamc__timer_ensure_collection(beamc_store *s, beamc_scope *scope, uint32_t family) {
    static const beamc_slice none = {NULL, 0};
    if (family == BEAMC_FAMILY_COLLECT && scope->window_max >= BEAMC_TIME_GLOBAL_WINDOW_MAX) {
        return; /* the global window is over when all is */
    }
    if (find(scope, family, none) != NULL) {
        return;
    }
    static const char no_firing[] = {0x0f};
    beamc_set_timer *t = new_timer(s, scope, family, none, beamc_slice_of(no_firing, 1));
    t->last = true;
    t->fire_at = scope->expires;
    t->hold_at = family == BEAMC_FAMILY_COLLECT ? BEAMC_TIME_MAX : scope->window_max;
    beamc__timer_put(s, t);
}
