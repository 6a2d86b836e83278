/* grouper_general.c: the grouper that does whatever the windowing asks for: every trigger, merging
 * windows, accumulation, panes, lateness. See general.h for its parts and grouper.h for the rules.
 *
 * An element finds its key in a hash table, its window in the tree of the key, is appended to the
 * window's chunks and seen by the trigger. If that makes the trigger ready, the window joins a list,
 * and all else is left to advance and drain, when the bundle is complete. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/general.h"

enum { FIRST_SLOTS = 64, KEPT_BYTES = 64 * 1024, SMALLEST_VALUES = 16 };

/* -------------------------------------------------------------------------------------- keys */

static void insert_slot(beamc_general *g, beamc_gkey *k) {
    size_t i = k->hash & g->mask;
    while (g->slots[i].key != NULL) {
        i = (i + 1) & g->mask;
    }
    g->slots[i] = (beamc_gslot){k->hash, k};
}

static void resize_slots(beamc_general *g, size_t size) {
    beamc_gslot *old = g->slots;
    size_t old_size = old == NULL ? 0 : g->mask + 1;
    g->slots = beamc__calloc(size, sizeof *g->slots);
    g->mask = size - 1;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].key != NULL) {
            insert_slot(g, old[i].key);
        }
    }
    free(old);
}

static inline bool is_key(const beamc_gkey *k, beamc_slice key) {
    return k->len == key.len && (key.len == 0 || memcmp(k->bytes, key.ptr, key.len) == 0);
}

beamc_gkey *beamc__gkey_find(const beamc_general *g, uint64_t hash, beamc_slice key) {
    if (g->slots == NULL) {
        return NULL;
    }
    for (size_t i = hash & g->mask; g->slots[i].key != NULL; i = (i + 1) & g->mask) {
        if (g->slots[i].hash == hash && is_key(g->slots[i].key, key)) {
            return g->slots[i].key;
        }
    }
    return NULL;
}

static inline size_t key_size(size_t len) {
    return sizeof(beamc_gkey) + len;
}

beamc_gkey *beamc__gkey_put(beamc_general *g, uint64_t hash, beamc_slice key) {
    beamc_gkey *k = beamc__gkey_find(g, hash, key);
    if (k != NULL) {
        return k;
    }
    if (g->slots == NULL || (g->keys + 1) * 4 > (g->mask + 1) * 3) {
        resize_slots(g, g->slots == NULL ? FIRST_SLOTS : (g->mask + 1) * 2);
    }
    k = beamc__slab_alloc(&g->slab, key_size(key.len));
    *k = (beamc_gkey){.hash = hash, .len = (uint32_t)key.len};
    if (key.len > 0) {
        memcpy(k->bytes, key.ptr, key.len);
    }
    insert_slot(g, k);
    g->keys++;
    return k;
}

/* Closes the gap: what was pushed on by the key that goes moves back. */
static void remove_slot(beamc_general *g, const beamc_gkey *k) {
    size_t i = k->hash & g->mask;
    while (g->slots[i].key != k) {
        i = (i + 1) & g->mask;
    }
    for (size_t j = (i + 1) & g->mask; g->slots[j].key != NULL; j = (j + 1) & g->mask) {
        size_t home = g->slots[j].hash & g->mask;
        if (((j - home) & g->mask) >= ((j - i) & g->mask)) {
            g->slots[i] = g->slots[j];
            i = j;
        }
    }
    g->slots[i].key = NULL;
}

/* Nothing is left: the memory of busier times goes back. */
static void shrink(beamc_general *g) {
    if (g->slab.live == 0 && g->slab.footprint > KEPT_BYTES) {
        beamc__slab_reset(&g->slab);
        free(g->slots);
        g->slots = NULL;
        for (unsigned i = 0; i < BEAMC_HEAPS; i++) {
            free(g->heaps[i].items);
            g->heaps[i] = (beamc_gheap){0};
        }
    }
}

void beamc__gkey_check(beamc_general *g, beamc_gkey *k) {
    if (k->root != NULL) {
        return;
    }
    remove_slot(g, k);
    g->keys--;
    beamc__slab_free(&g->slab, k, key_size(k->len));
    if (g->keys == 0) {
        shrink(g);
    } else if (g->mask + 1 > FIRST_SLOTS && g->keys < (g->mask + 1) / 8) {
        resize_slots(g, (g->mask + 1) / 2);
    }
}

/* ----------------------------------------------------------------------------------- windows */

beamc_gwin *beamc__gwin_new(beamc_general *g, beamc_gkey *k, beamc_window window) {
    beamc_gwin *w = beamc__slab_alloc(&g->slab, g->win_size);
    *w = (beamc_gwin){.key = k, .window = window, .hold = BEAMC_TIME_MAX};
    beamc__trigger_init(&g->program, &w->trigger);
    if (g->program.deadlines != 0) {
        w->trigger.slots[g->program.slots] = BEAMC_TIME_MAX;
    }
    beamc__gkey_link(k, w);
    g->windows++;
    return w;
}

void beamc__gwin_free(beamc_general *g, beamc_gwin *w) {
    beamc_gkey *k = w->key;
    beamc__general_gone(g, w);
    beamc__gwin_unready(g, w);
    for (unsigned i = 0; i < BEAMC_HEAPS; i++) {
        beamc__gheap_remove(g, i, w);
    }
    beamc__gwin_drop_values(g, w);
    beamc__gkey_unlink(k, w);
    k->last = k->last == w ? NULL : k->last;
    beamc__slab_free(&g->slab, w, g->win_size);
    g->windows--;
}

void beamc__gwin_make_ready(beamc_general *g, beamc_gwin *w) {
    if ((w->flags & BEAMC_GWIN_READY) != 0) {
        return;
    }
    w->flags |= BEAMC_GWIN_READY;
    w->ready_prev = g->ready_last;
    w->ready_next = NULL;
    if (g->ready_last != NULL) {
        g->ready_last->ready_next = w;
    } else {
        g->ready_first = w;
    }
    g->ready_last = w;
}

void beamc__gwin_unready(beamc_general *g, beamc_gwin *w) {
    if ((w->flags & BEAMC_GWIN_READY) == 0) {
        return;
    }
    w->flags &= (uint8_t)~BEAMC_GWIN_READY;
    *(w->ready_prev != NULL ? &w->ready_prev->ready_next : &g->ready_first) = w->ready_next;
    *(w->ready_next != NULL ? &w->ready_next->ready_prev : &g->ready_last) = w->ready_prev;
}

void beamc__gwin_schedule(beamc_general *g, beamc_gwin *w, beamc_time now) {
    if (g->program.deadlines != 0) {
        w->trigger.slots[g->program.slots] =
            beamc_trigger_is_closed(&w->trigger)
                ? BEAMC_TIME_MAX
                : beamc__trigger_next_clock(&g->program, &w->trigger, now);
        beamc__gheap_update(g, BEAMC_HEAP_CLOCK, w, beamc__gwin_at(g, w, BEAMC_HEAP_CLOCK));
    }
    beamc__gheap_update(g, BEAMC_HEAP_WATERMARK, w, beamc__gwin_at(g, w, BEAMC_HEAP_WATERMARK));
    beamc__gheap_update(g, BEAMC_HEAP_HOLD, w, beamc__gwin_at(g, w, BEAMC_HEAP_HOLD));
}

/* ------------------------------------------------------------------------------------ values */

/* Each chunk is twice as long as the one before. */
static beamc_gchunk *new_chunk(beamc_general *g, beamc_gwin *w, size_t len) {
    size_t size = sizeof(beamc_gchunk) + (len < SMALLEST_VALUES ? SMALLEST_VALUES : len);
    if (w->last != NULL) {
        size_t twice = (sizeof(beamc_gchunk) + w->last->cap) * 2;
        twice = twice > BEAMC_SLAB_LARGEST ? BEAMC_SLAB_LARGEST : twice;
        size = size < twice ? twice : size;
    }
    size = beamc__slab_size(size);
    beamc_gchunk *c = beamc__slab_alloc(&g->slab, size);
    c->next = NULL;
    c->len = 0;
    c->cap = (uint32_t)(size - sizeof *c);
    if (w->last != NULL) {
        w->last->next = c;
        g->value_bytes += size;
    } else {
        w->first = c;
    }
    w->last = c;
    return c;
}

void beamc__gwin_append(beamc_general *g, beamc_gwin *w, beamc_slice value) {
    beamc_gchunk *c = w->last;
    if (c == NULL || c->cap - c->len < value.len) {
        c = new_chunk(g, w, value.len);
    }
    if (value.len > 0) {
        memcpy(c->bytes + c->len, value.ptr, value.len);
        c->len += (uint32_t)value.len;
    }
    w->count++;
}

void beamc__gwin_drop_values(beamc_general *g, beamc_gwin *w) {
    beamc__general_values_gone(g, w);
    for (beamc_gchunk *c = w->first, *next; c != NULL; c = next) {
        next = c->next;
        size_t size = sizeof *c + c->cap;
        g->value_bytes -= c == w->first ? 0 : size;
        beamc__slab_free(&g->slab, c, size);
    }
    w->first = w->last = NULL;
    w->count = 0;
}

/* -------------------------------------------------------------------------------- operations */

static void each_in(const beamc_gwin *w, void (*fn)(void *arg, const beamc_gwin *w), void *arg) {
    for (; w != NULL; w = w->right) {
        each_in(w->left, fn, arg);
        fn(arg, w);
    }
}

void beamc__general_each(const beamc_general *g, void (*fn)(void *arg, const beamc_gwin *w),
                         void *arg) {
    for (size_t i = 0; g->slots != NULL && i <= g->mask; i++) {
        if (g->slots[i].key != NULL) {
            each_in(g->slots[i].key->root, fn, arg);
        }
    }
}

static void free_values(void *arg, const beamc_gwin *w) {
    for (beamc_gchunk *c = w->first, *next; c != NULL; c = next) {
        next = c->next;
        beamc__slab_free(arg, c, sizeof *c + c->cap);
    }
}

static void general_free(beamc_grouper *base) {
    beamc_general *g = (beamc_general *)base;
    beamc__general_track_free(g);
    beamc__general_each(g, free_values, &g->slab);
    for (size_t i = 0; g->slots != NULL && i <= g->mask;
         i++) { /* long keys have their own memory */
        if (g->slots[i].key != NULL && key_size(g->slots[i].key->len) > BEAMC_SLAB_LARGEST) {
            free(g->slots[i].key);
        }
    }
    beamc__slab_reset(&g->slab);
    free(g->slots);
    for (unsigned i = 0; i < BEAMC_HEAPS; i++) {
        free(g->heaps[i].items);
    }
    free(g);
}

/* The timestamp that a pane with this element may have: it holds the watermark there, unless it is
 * too late for that. Such an element holds it where its window expires. */
static void hold_element(const beamc_general *g, beamc_gwin *w, beamc_time timestamp,
                         const beamc_group_time *time) {
    beamc_time last = beamc_gwin_last(w->window);
    beamc_output_time how = g->windowing->output_time;
    beamc_time t = how == BEAMC_OUTPUT_END_OF_WINDOW || timestamp > last ? last : timestamp;
    if (t < time->output || last < time->watermark) {
        w->flags |= BEAMC_GWIN_HOLD_EXPIRY;
    } else if (w->hold == BEAMC_TIME_MAX ||
               (how == BEAMC_OUTPUT_EARLIEST_IN_PANE ? t < w->hold : t > w->hold)) {
        w->hold = t;
    }
}

static beamc_gwin *find_window(beamc_general *g, beamc_gkey *k, beamc_window window) {
    beamc_gwin *w = k->last;
    if (w == NULL || w->window.end != window.end || w->window.start != window.start) {
        w = beamc__gkey_window(k, window);
        w = w != NULL ? w : beamc__gwin_new(g, k, window);
    }
    return w;
}

static void add_one(beamc_general *g, const beamc_group_item *item, const beamc_group_time *time) {
    if (beamc_gwin_expiry(g, item->window) < time->watermark) {
        g->counts.late_dropped++;
        return;
    }
    beamc_gkey *k = beamc__gkey_put(g, item->hash, item->key);
    beamc_gwin *w =
        g->node->merging ? beamc__general_merged(k, item->window) : find_window(g, k, item->window);
    if (beamc_trigger_is_closed(&w->trigger)) {
        g->counts.late_dropped++;
        return;
    }
    k->last = w;
    beamc_trigger_context c = beamc_gwin_context(w, time);
    if (c.ended && w->place[BEAMC_HEAP_WATERMARK] == 0) {
        w->flags |= BEAMC_GWIN_ENDED; /* it is new and its end is past: nothing to wait for there */
    }
    w->flags &= (uint8_t)~BEAMC_GWIN_NEW;
    beamc__general_changed(g, w);
    beamc__gwin_append(g, w, item->value);
    w->fresh++;
    hold_element(g, w, item->timestamp, time);
    beamc__trigger_element(&g->program, &w->trigger, &c);
    beamc__gwin_schedule(g, w, time->now);
    if (beamc__trigger_should_fire(&g->program, &w->trigger, &c)) {
        beamc__gwin_make_ready(g, w);
    }
}

static bool merge_one(beamc_general *g, const beamc_group_item *item,
                      const beamc_group_time *time) {
    return beamc_gwin_expiry(g, item->window) < time->watermark ||
           beamc__general_merge(g, beamc__gkey_put(g, item->hash, item->key), item->window, time);
}

/* Those that met a closed window come again: another element may have opened one that takes them. */
static void merge_all(beamc_general *g, const beamc_group_item *items, size_t count,
                      const beamc_group_time *time) {
    size_t *again = NULL, again_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!merge_one(g, &items[i], time)) {
            again = again != NULL ? again : beamc__calloc(count - i, sizeof *again);
            again[again_count++] = i;
        }
    }
    for (size_t i = 0; i < again_count; i++) {
        (void)merge_one(g, &items[again[i]], time);
    }
    free(again);
}

static void general_add(beamc_grouper *base, const beamc_group_item *items, size_t count,
                        const beamc_group_time *time) {
    beamc_general *g = (beamc_general *)base;
    if (g->node->merging) {
        merge_all(g, items, count, time);
    }
    for (size_t i = 0; i < count; i++) {
        if (g->slots != NULL && i + 8 < count) {
            __builtin_prefetch(&g->slots[items[i + 8].hash & g->mask]);
        }
        add_one(g, &items[i], time);
    }
}

static bool general_advance(beamc_grouper *base, const beamc_group_time *time) {
    return beamc__general_is_due((beamc_general *)base, time);
}

static bool general_drain(beamc_grouper *base, const beamc_group_time *time, size_t limit,
                          beamc_buf *out, beamc_time *min_timestamp, uint64_t *count) {
    beamc_general *g = (beamc_general *)base;
    size_t stop = out->len + limit;
    while (out->len < stop) {
        if (!beamc__general_step(g, time, out, min_timestamp, count)) {
            return false;
        }
    }
    return beamc__general_is_due(g, time);
}

static beamc_time general_hold(beamc_grouper *base) {
    beamc_gwin *w;
    return beamc__gheap_top((beamc_general *)base, BEAMC_HEAP_HOLD, &w);
}

static beamc_time general_next_watermark(beamc_grouper *base) {
    beamc_general *g = (beamc_general *)base;
    beamc_gwin *w;
    return g->ready_first != NULL ? BEAMC_TIME_MIN : beamc__gheap_top(g, BEAMC_HEAP_WATERMARK, &w);
}

static beamc_time general_next_clock(beamc_grouper *base) {
    beamc_gwin *w;
    return beamc__gheap_top((beamc_general *)base, BEAMC_HEAP_CLOCK, &w);
}

static size_t general_value_bytes(const beamc_grouper *base) {
    return ((const beamc_general *)base)->value_bytes;
}

static size_t general_footprint(const beamc_grouper *base) {
    const beamc_general *g = (const beamc_general *)base;
    size_t bytes = g->slab.footprint + (g->slots == NULL ? 0 : (g->mask + 1) * sizeof *g->slots);
    for (unsigned i = 0; i < BEAMC_HEAPS; i++) {
        bytes += g->heaps[i].cap * sizeof *g->heaps[i].items;
    }
    return bytes;
}

static beamc_group_counts general_take_counts(beamc_grouper *base) {
    beamc_general *g = (beamc_general *)base;
    beamc_group_counts counts = g->counts;
    g->counts = (beamc_group_counts){0};
    return counts;
}

/* -------------------------------------------------------------------------------- compaction */

typedef struct collection {
    beamc_general *g;
    beamc_buf *out;
    uint64_t *count;
} collection;

static void collect_one(void *arg, const beamc_gwin *w) {
    static const beamc_pane pane = BEAMC_PANE_NO_FIRING;
    collection *c = arg;
    if (w->count > 1) {
        beamc__gwin_put(c->g, w, beamc_gwin_last(w->window), &pane, c->out);
        beamc__general_changed(c->g, (beamc_gwin *)w);
        beamc__gwin_drop_values(c->g, (beamc_gwin *)w);
        ++*c->count;
    }
}

static void general_collect(beamc_grouper *base, beamc_buf *out, uint64_t *count) {
    collection c = {(beamc_general *)base, out, count};
    beamc__general_each(c.g, collect_one, &c);
}

static void general_replace(beamc_grouper *base, const beamc_group_item *items, size_t count) {
    beamc_general *g = (beamc_general *)base;
    for (size_t i = 0; i < count; i++) {
        beamc_gkey *k = beamc__gkey_find(g, items[i].hash, items[i].key);
        beamc_gwin *w = k == NULL ? NULL : beamc__gkey_window(k, items[i].window);
        if (w != NULL) {
            beamc__general_changed(g, w);
            beamc__gwin_append(g, w, items[i].value);
        }
    }
}

static const beamc_grouper_ops general_ops = {
    .free = general_free,
    .add = general_add,
    .advance = general_advance,
    .drain = general_drain,
    .hold = general_hold,
    .next_watermark = general_next_watermark,
    .next_clock = general_next_clock,
    .value_bytes = general_value_bytes,
    .footprint = general_footprint,
    .take_counts = general_take_counts,
    .collect = general_collect,
    .replace = general_replace,
    .save = beamc__general_save,
    .load = beamc__general_load,
    .track = beamc__general_track,
    .save_changes = beamc__general_save_changes,
    .load_record = beamc__general_load_record,
    .load_end = beamc__general_load_end,
};

beamc_status beamc__grouper_general_new(const beamc_node_spec *node, beamc_grouper **out,
                                        beamc_error *err) {
    beamc_general *g = beamc__calloc(1, sizeof *g);
    g->base.ops = &general_ops;
    g->node = node;
    g->windowing = &node->windowing;
    beamc_status status =
        beamc__trigger_compile(node->windowing.trigger, node->merging, &g->program, err);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "transform %s", node->name);
        free(g);
        return status;
    }
    unsigned slots = g->program.slots + (g->program.deadlines != 0 ? 1 : 0);
    g->win_size = sizeof(beamc_gwin) + slots * sizeof(int64_t);
    *out = &g->base;
    return BEAMC_OK;
}
