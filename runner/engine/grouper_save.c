/* grouper_save.c: windows as bytes: all of them at once, or the records of those that have changed.
 *
 *   window   name  hash of the key (8 bytes, big-endian), id (8)
 *            data  version, key, window, what is known of its panes and trigger, its segments, and the
 *                  values behind the last segment, as long as they are few
 *   segment  name  hash, id, number (4)
 *            data  values, as they travel
 *
 * Ids and numbers are never used twice. A segment takes in those before it that are no longer than
 * itself; so their lengths fall by half from one to the next, and there are few of them. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/general.h"

enum { LONGEST_TAIL = 512, WINDOW_NAME = 16, SEGMENT_NAME = 20 };

typedef struct beamc_ggone {
    uint64_t hash, id;
    uint32_t number;
    bool whole; /* the record of the window itself */
} beamc_ggone;

/* ----------------------------------------------------------------------------------- changes */

void beamc__general_track(beamc_grouper *base) {
    ((beamc_general *)base)->track.on = true;
}

void beamc__general_changed(beamc_general *g, beamc_gwin *w) {
    beamc_gtrack *t = &g->track;
    if (!t->on || (w->flags & BEAMC_GWIN_CHANGED) != 0) {
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->changed = beamc__realloc(t->changed, t->cap * sizeof(beamc_gwin *));
    }
    w->flags |= BEAMC_GWIN_CHANGED;
    w->changed_at = (uint32_t)t->count;
    t->changed[t->count++] = w;
}

static void note_gone(beamc_gtrack *t, beamc_ggone gone) {
    if (t->gone_count == t->gone_cap) {
        t->gone_cap = t->gone_cap == 0 ? 16 : t->gone_cap * 2;
        t->gone = beamc__realloc(t->gone, t->gone_cap * sizeof *t->gone);
    }
    t->gone[t->gone_count++] = gone;
}

void beamc__general_values_gone(beamc_general *g, beamc_gwin *w) {
    beamc_gsaved *s = w->saved;
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        note_gone(&g->track, (beamc_ggone){w->key->hash, s->id, s->segments[i].number, false});
    }
    s->count = s->values = 0;
    s->bytes = 0;
}

void beamc__general_gone(beamc_general *g, beamc_gwin *w) {
    beamc_gtrack *t = &g->track;
    if ((w->flags & BEAMC_GWIN_CHANGED) != 0) {
        beamc_gwin *last = t->changed[--t->count];
        t->changed[w->changed_at] = last;
        last->changed_at = w->changed_at;
        w->flags &= (uint8_t)~BEAMC_GWIN_CHANGED;
    }
    if (w->saved == NULL) {
        return;
    }
    beamc__general_values_gone(g, w);
    if (w->saved->stored) {
        note_gone(t, (beamc_ggone){w->key->hash, w->saved->id, 0, true});
    }
    free(w->saved);
    w->saved = NULL;
}

static void free_saved(void *arg, const beamc_gwin *w) {
    (void)arg;
    free(w->saved);
}

void beamc__general_track_free(beamc_general *g) {
    beamc__general_each(g, free_saved, NULL);
    free(g->track.changed);
    free(g->track.gone);
    beamc_buf_free(&g->track.scratch);
    beamc_buf_free(&g->track.tail);
}

void beamc__gsaved_reserve(beamc_gwin *w) {
    beamc_gsaved *s = w->saved;
    if (s->count == s->cap) {
        s->cap = s->cap * 2 + 2;
        w->saved = beamc__realloc(s, sizeof *s + s->cap * sizeof(beamc_gsegment));
    }
}

/* ------------------------------------------------------------------------------------- bytes */

static size_t value_bytes(const beamc_gwin *w) {
    size_t n = 0;
    for (const beamc_gchunk *c = w->first; c != NULL; c = c->next) {
        n += c->len;
    }
    return n;
}

/* The values of a window behind the first @p skip bytes of them. */
static void put_values(const beamc_gwin *w, size_t skip, beamc_buf *out) {
    for (const beamc_gchunk *c = w->first; c != NULL; c = c->next) {
        if (skip < c->len) {
            beamc_buf_put(out, c->bytes + skip, c->len - skip);
            skip = 0;
        } else {
            skip -= c->len;
        }
    }
}

static void put_time(beamc_buf *out, beamc_time t) {
    beamc_put_be64(out, (uint64_t)t);
}

static void put_segments(const beamc_gsaved *s, beamc_buf *out) {
    beamc_put_varint(out, s == NULL ? 0 : s->count);
    for (uint32_t i = 0; s != NULL && i < s->count; i++) {
        beamc_put_varint(out, s->segments[i].number);
        beamc_put_varint(out, s->segments[i].values);
        beamc_put_varint(out, s->segments[i].bytes);
    }
}

/* @p s: the segments that hold the first of the values; NULL: all are put here. */
static void put_window(const beamc_general *g, const beamc_gwin *w, const beamc_gsaved *s,
                       beamc_buf *out) {
    beamc_buf_put_u8(out, BEAMC_GSAVE_VERSION);
    beamc_put_prefixed(out, beamc_slice_of(w->key->bytes, w->key->len));
    put_time(out, w->window.start);
    put_time(out, w->window.end);
    beamc_buf_put_u8(out, w->flags & BEAMC_GSAVE_FLAGS);
    beamc_buf_put_u8(out, w->timing);
    beamc_put_be32(out, w->index);
    beamc_put_be32(out, (uint32_t)w->non_speculative);
    beamc_put_be32(out, w->fresh);
    put_time(out, w->hold);
    beamc_put_be64(out, w->trigger.finished);
    beamc_put_varint(out, g->program.slots);
    for (unsigned i = 0; i < g->program.slots; i++) {
        beamc_put_be64(out, (uint64_t)w->trigger.slots[i]);
    }
    put_segments(s, out);
    size_t skip = s == NULL ? 0 : s->bytes;
    beamc_put_varint(out, w->count - (s == NULL ? 0 : s->values));
    beamc_put_varint(out, value_bytes(w) - skip);
    put_values(w, skip, out);
}

typedef struct saving {
    const beamc_general *g;
    beamc_buf *out;
} saving;

static void save_window(void *arg, const beamc_gwin *w) {
    const saving *s = arg;
    put_window(s->g, w, NULL, s->out);
}

void beamc__general_save(const beamc_grouper *base, beamc_buf *out) {
    saving s = {(const beamc_general *)base, out};
    beamc_buf_put_u8(out, BEAMC_GSAVE_VERSION);
    beamc_put_varint(out, s.g->windows);
    beamc__general_each(s.g, save_window, &s);
}

/* ----------------------------------------------------------------------------------- records */

static beamc_slice name_of(unsigned char to[SEGMENT_NAME], uint64_t hash, uint64_t id,
                           const uint32_t *number) {
    hash = __builtin_bswap64(hash);
    id = __builtin_bswap64(id);
    memcpy(to, &hash, 8);
    memcpy(to + 8, &id, 8);
    if (number != NULL) {
        uint32_t n = __builtin_bswap32(*number);
        memcpy(to + 16, &n, 4);
    }
    return beamc_slice_of(to, number != NULL ? SEGMENT_NAME : WINDOW_NAME);
}

/* The values behind the segments become one, with those of shorter segments before them. */
static void add_segment(beamc_general *g, beamc_gwin *w, const beamc_group_store *store) {
    beamc_gsaved *s = w->saved;
    size_t total = value_bytes(w);
    unsigned char name[SEGMENT_NAME];
    while (s->count > 0 && s->segments[s->count - 1].bytes <= total - s->bytes) {
        const beamc_gsegment *last = &s->segments[--s->count];
        s->bytes -= last->bytes;
        s->values -= last->values;
        store->remove(store->arg, name_of(name, w->key->hash, s->id, &last->number));
    }
    beamc__gsaved_reserve(w);
    s = w->saved;
    beamc_gsegment seg = {s->next_number++, w->count - s->values, total - s->bytes};
    beamc_buf *buf = &g->track.scratch;
    buf->len = 0;
    put_values(w, s->bytes, buf);
    store->put(store->arg, name_of(name, w->key->hash, s->id, &seg.number),
               beamc_slice_of(buf->ptr, buf->len));
    s->segments[s->count++] = seg;
    s->values = w->count;
    s->bytes = total;
}

static void save_changed(beamc_general *g, beamc_gwin *w, const beamc_group_store *store) {
    if (w->saved == NULL) {
        w->saved = beamc__calloc(1, sizeof *w->saved);
        w->saved->id = g->track.next_id++;
    }
    if (value_bytes(w) - w->saved->bytes > LONGEST_TAIL) {
        add_segment(g, w, store);
    }
    unsigned char name[SEGMENT_NAME];
    beamc_buf *buf = &g->track.scratch;
    buf->len = 0;
    put_window(g, w, w->saved, buf);
    store->put(store->arg, name_of(name, w->key->hash, w->saved->id, NULL),
               beamc_slice_of(buf->ptr, buf->len));
    w->saved->stored = true;
    w->flags &= (uint8_t)~BEAMC_GWIN_CHANGED;
}

void beamc__general_save_changes(beamc_grouper *base, const beamc_group_store *store) {
    beamc_general *g = (beamc_general *)base;
    beamc_gtrack *t = &g->track;
    for (size_t i = 0; i < t->gone_count; i++) {
        unsigned char name[SEGMENT_NAME];
        const beamc_ggone *gone = &t->gone[i];
        store->remove(store->arg,
                      name_of(name, gone->hash, gone->id, gone->whole ? NULL : &gone->number));
    }
    t->gone_count = 0;
    for (size_t i = 0; i < t->count; i++) {
        save_changed(g, t->changed[i], store);
    }
    t->count = 0;
}
