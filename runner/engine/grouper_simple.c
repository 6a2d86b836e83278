/* grouper_simple.c: one firing for each window, when the watermark has passed its end.
 *
 * A shard keeps a table for each window: key -> encoded values. When a window's turn comes, the whole
 * table becomes elements in the order in which its keys came, and is freed.
 *
 * Fits: windows that do not merge, with the default trigger (or after-watermark alone), where nothing
 * can come late: in bounded jobs, whose watermark leaps from the beginning to the end, or with no
 * allowed lateness. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/grouper.h"
#include "runner/engine/table.h"

enum { BATCH = 16 };

static inline beamc_time beamc_time_min(beamc_time a, beamc_time b) {
    return a < b ? a : b;
}

typedef struct win {
    beamc_window window;
    beamc_time earliest; /* timestamp of an element */
    struct win *next;    /* in its bucket */
    beamc_table table;
} win;

typedef struct simple {
    beamc_grouper base;
    const beamc_node_spec *node;
    win **buckets; /* by window */
    size_t bucket_mask;
    win **heap; /* by end of window, then start */
    size_t count, heap_cap;
    win *last;            /* where the last element went */
    win *draining;        /* taken out of the heap: it goes out now */
    beamc_entry *drained; /* the next to go */
    beamc_group_counts counts;
} simple;

static inline size_t bucket_of(const simple *s, beamc_window w) {
    uint64_t h = (uint64_t)w.end * 0x9e3779b97f4a7c15u ^ (uint64_t)w.start * 0xd6e8feb86659fd93u;
    return (h ^ (h >> 32)) & s->bucket_mask;
}

static inline bool before(const win *a, const win *b) {
    return a->window.end != b->window.end ? a->window.end < b->window.end
                                          : a->window.start < b->window.start;
}

static void heap_push(simple *s, win *w) {
    if (s->count == s->heap_cap) {
        s->heap_cap = s->heap_cap == 0 ? 8 : s->heap_cap * 2;
        s->heap = beamc__realloc(s->heap, s->heap_cap * sizeof *s->heap);
    }
    size_t i = s->count++;
    for (; i > 0 && before(w, s->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        s->heap[i] = s->heap[(i - 1) / 2];
    }
    s->heap[i] = w;
}

static win *heap_pop(simple *s) {
    win *top = s->heap[0], *w = s->heap[--s->count];
    size_t i = 0;
    for (size_t kid; (kid = i * 2 + 1) < s->count; i = kid) {
        if (kid + 1 < s->count && before(s->heap[kid + 1], s->heap[kid])) {
            kid++;
        }
        if (!before(s->heap[kid], w)) {
            break;
        }
        s->heap[i] = s->heap[kid];
    }
    s->heap[i] = w;
    return top;
}

static void grow_buckets(simple *s) {
    size_t n = s->buckets == NULL ? 16 : (s->bucket_mask + 1) * 2;
    win **old = s->buckets;
    size_t old_n = old == NULL ? 0 : s->bucket_mask + 1;
    s->buckets = beamc__calloc(n, sizeof *s->buckets);
    s->bucket_mask = n - 1;
    for (size_t i = 0; i < old_n; i++) {
        for (win *w = old[i], *next; w != NULL; w = next) {
            next = w->next;
            size_t b = bucket_of(s, w->window);
            w->next = s->buckets[b];
            s->buckets[b] = w;
        }
    }
    free(old);
}

static win *find_window(simple *s, beamc_window window) {
    if (s->last != NULL && s->last->window.end == window.end &&
        s->last->window.start == window.start) {
        return s->last;
    }
    if (s->buckets == NULL || s->count > s->bucket_mask) {
        grow_buckets(s);
    }
    size_t b = bucket_of(s, window);
    win *w = s->buckets[b];
    while (w != NULL && (w->window.end != window.end || w->window.start != window.start)) {
        w = w->next;
    }
    if (w == NULL) {
        w = beamc__calloc(1, sizeof *w);
        w->window = window;
        w->earliest = BEAMC_TIME_MAX;
        w->next = s->buckets[b];
        s->buckets[b] = w;
        heap_push(s, w);
    }
    s->last = w;
    return w;
}

static void unlink_window(simple *s, win *w) {
    win **at = &s->buckets[bucket_of(s, w->window)];
    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    s->last = s->last == w ? NULL : s->last;
}

static void free_window(win *w) {
    beamc__table_free(&w->table);
    free(w);
}

static void simple_free(beamc_grouper *g) {
    simple *s = (simple *)g;
    for (size_t i = 0; i < s->count; i++) {
        free_window(s->heap[i]);
    }
    if (s->draining != NULL) {
        free_window(s->draining);
    }
    free(s->heap);
    free(s->buckets);
    free(s);
}

static inline void add_to(simple *s, win *w, const beamc_group_item *item) {
    beamc_entry *e = beamc__table_put(&w->table, item->hash, item->key, item->value.len);
    beamc_time t = item->timestamp;
    if (e->timestamp == INT64_MIN) {
        e->timestamp = t;
    } else if (s->node->windowing.output_time == BEAMC_OUTPUT_EARLIEST_IN_PANE) {
        e->timestamp = beamc_time_min(t, e->timestamp);
    } else {
        e->timestamp = t > e->timestamp ? t : e->timestamp;
    }
    w->earliest = beamc_time_min(t, w->earliest);
    beamc__table_append(&w->table, e, item->value);
}

static bool is_late(const simple *s, const beamc_group_item *item, beamc_time watermark) {
    beamc_time last = beamc_window_max(item->window);
    return __builtin_expect(last < watermark, 0) &&
           last + s->node->windowing.allowed_lateness_ms < watermark;
}

/* Tables are larger than caches: the memory that a batch will touch is asked for ahead. */
static void simple_add(beamc_grouper *g, const beamc_group_item *items, size_t count,
                       const beamc_group_time *time) {
    simple *s = (simple *)g;
    win *wins[BATCH];
    for (size_t done = 0; done < count; done += BATCH) {
        size_t n = count - done < BATCH ? count - done : BATCH;
        const beamc_group_item *batch = items + done;
        for (size_t i = 0; i < n; i++) {
            bool late = is_late(s, &batch[i], time->watermark);
            s->counts.late_dropped += late;
            wins[i] = late ? NULL : find_window(s, batch[i].window);
            if (wins[i] != NULL && wins[i]->table.slots != NULL) {
                beamc_table_prefetch_slot(&wins[i]->table, batch[i].hash);
            }
        }
        for (size_t i = 0; i < n; i++) {
            if (wins[i] != NULL && wins[i]->table.slots != NULL) {
                beamc_table_prefetch_entry(&wins[i]->table, batch[i].hash);
            }
        }
        for (size_t i = 0; i < n; i++) {
            if (wins[i] != NULL) {
                add_to(s, wins[i], &batch[i]);
            }
        }
    }
}

/* The timestamp of the group stays what its elements made of it. */
static void simple_replace(beamc_grouper *g, const beamc_group_item *items, size_t count) {
    simple *s = (simple *)g;
    for (size_t i = 0; i < count; i++) {
        win *w = find_window(s, items[i].window);
        beamc_entry *e =
            beamc__table_put(&w->table, items[i].hash, items[i].key, items[i].value.len);
        beamc__table_append(&w->table, e, items[i].value);
    }
}

static bool simple_advance(beamc_grouper *g, const beamc_group_time *time) {
    simple *s = (simple *)g;
    return s->draining != NULL ||
           (s->count > 0 && beamc_window_max(s->heap[0]->window) < time->watermark);
}

static beamc_time output_time(const simple *s, const win *w, const beamc_entry *e) {
    return s->node->windowing.output_time == BEAMC_OUTPUT_END_OF_WINDOW
               ? beamc_window_max(w->window)
               : e->timestamp;
}

static void put_entry(const simple *s, const win *w, const beamc_entry *e, const beamc_pane *pane,
                      beamc_buf *out) {
    beamc__group_put_head(out, s->node->input.window, output_time(s, w, e), w->window, pane);
    unsigned char *to = beamc_buf_room(out, (size_t)e->key_len + 4 + beamc_entry_bytes(e));
    if (e->key_len > 0) {
        memcpy(to, e->key, e->key_len);
    }
    to += e->key_len;
    uint32_t count = __builtin_bswap32(e->count);
    memcpy(to, &count, 4);
    to += 4;
    for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
        memcpy(to, c->bytes, c->len);
        to += c->len;
    }
    out->len = (size_t)(to - out->ptr);
}

static bool simple_drain(beamc_grouper *g, const beamc_group_time *time, size_t limit,
                         beamc_buf *out, beamc_time *min_timestamp, uint64_t *count) {
    simple *s = (simple *)g;
    size_t stop = out->len + limit;
    while (out->len < stop && simple_advance(g, time)) {
        if (s->draining == NULL) {
            s->draining = heap_pop(s);
            s->drained = s->draining->table.first;
            unlink_window(s, s->draining);
        }
        win *w = s->draining;
        beamc_time last = beamc_window_max(w->window);
        beamc_pane pane = {.timing = BEAMC_PANE_ON_TIME, .is_first = true};
        pane.is_last = last + s->node->windowing.allowed_lateness_ms < time->watermark;
        for (; s->drained != NULL && out->len < stop; s->drained = s->drained->next) {
            const beamc_entry *e = s->drained;
            put_entry(s, w, e, &pane, out);
            beamc_time t = output_time(s, w, e);
            *min_timestamp = t < *min_timestamp ? t : *min_timestamp;
            ++*count;
            s->counts.panes++;
            s->counts.elements += e->count;
        }
        if (s->drained == NULL) {
            free_window(w);
            s->draining = NULL;
        }
    }
    return simple_advance(g, time);
}

static beamc_time hold_of(const simple *s, const win *w) {
    return s->node->windowing.output_time == BEAMC_OUTPUT_END_OF_WINDOW
               ? beamc_window_max(w->window)
               : w->earliest;
}

static beamc_time simple_hold(beamc_grouper *g) {
    const simple *s = (const simple *)g;
    beamc_time hold = s->draining == NULL ? BEAMC_TIME_MAX : hold_of(s, s->draining);
    bool by_end = s->node->windowing.output_time == BEAMC_OUTPUT_END_OF_WINDOW;
    for (size_t i = 0; i < (by_end && s->count > 0 ? 1 : s->count); i++) {
        beamc_time t = hold_of(s, s->heap[i]);
        hold = t < hold ? t : hold;
    }
    return hold;
}

static beamc_time simple_next_watermark(beamc_grouper *g) {
    const simple *s = (const simple *)g;
    return s->draining != NULL ? BEAMC_TIME_MIN
           : s->count == 0     ? BEAMC_TIME_MAX
                               : s->heap[0]->window.end;
}

static beamc_time simple_next_clock(beamc_grouper *g) {
    (void)g;
    return BEAMC_TIME_MAX;
}

static size_t simple_value_bytes(const beamc_grouper *g) {
    const simple *s = (const simple *)g;
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        n += s->heap[i]->table.extra_bytes;
    }
    return n;
}

static size_t simple_footprint(const beamc_grouper *g) {
    const simple *s = (const simple *)g;
    size_t n = s->draining == NULL ? 0 : s->draining->table.footprint;
    for (size_t i = 0; i < s->count; i++) {
        n += s->heap[i]->table.footprint;
    }
    return n;
}

static beamc_group_counts simple_take_counts(beamc_grouper *g) {
    simple *s = (simple *)g;
    beamc_group_counts counts = s->counts;
    s->counts = (beamc_group_counts){0};
    return counts;
}

static void simple_collect(beamc_grouper *g, beamc_buf *out, uint64_t *count) {
    simple *s = (simple *)g;
    static const beamc_pane pane = BEAMC_PANE_NO_FIRING;
    for (size_t i = 0; i < s->count; i++) {
        win *w = s->heap[i];
        for (beamc_entry *e = w->table.first; e != NULL; e = e->next) {
            if (e->count > 1) {
                put_entry(s, w, e, &pane, out);
                beamc__table_clear(&w->table, e);
                ++*count;
            }
        }
    }
}

static const beamc_grouper_ops simple_ops = {
    .free = simple_free,
    .add = simple_add,
    .advance = simple_advance,
    .drain = simple_drain,
    .hold = simple_hold,
    .next_watermark = simple_next_watermark,
    .next_clock = simple_next_clock,
    .value_bytes = simple_value_bytes,
    .footprint = simple_footprint,
    .take_counts = simple_take_counts,
    .collect = simple_collect,
    .replace = simple_replace,
};

bool beamc__grouper_simple_fits(const beamc_node_spec *node, bool bounded) {
    const beamc_trigger *t = node->windowing.trigger;
    bool once = t == NULL || t->kind == BEAMC_TRIGGER_DEFAULT ||
                (t->kind == BEAMC_TRIGGER_AFTER_WATERMARK && t->early == NULL &&
                 (t->late == NULL || bounded));
    /* Some of the elements of a window may be too late to hold the watermark at their time. */
    bool exact = bounded || node->windowing.output_time == BEAMC_OUTPUT_END_OF_WINDOW;
    return !node->merging && once && exact && (bounded || node->windowing.allowed_lateness_ms == 0);
}

beamc_grouper *beamc__grouper_simple_new(const beamc_node_spec *node) {
    simple *s = beamc__calloc(1, sizeof *s);
    s->base.ops = &simple_ops;
    s->node = node;
    return &s->base;
}
