/* grouper_load.c: windows from the bytes that grouper_save.c made of them. The bytes come from disk:
 * everything is checked before it is used, and a window that another program wrote is refused. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/general.h"
#include "runner/engine/hash.h"

static beamc_status damaged(const beamc_general *g, const char *what, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS, "transform %s: saved groups are damaged: %s", g->node->name,
                      what);
}

static bool get_time(beamc_cursor *in, beamc_time *out) {
    uint64_t t;
    if (!beamc_get_be64(in, &t)) {
        return false;
    }
    *out = (beamc_time)t;
    return true;
}

static bool get_u32(beamc_cursor *in, uint32_t *out) {
    uint64_t n;
    if (!beamc_get_varint(in, &n) || n > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

/* Raw values, a chunk's worth at a time. */
static void append_raw(beamc_general *g, beamc_gwin *w, const void *bytes, size_t len,
                       uint32_t values) {
    const char *p = bytes;
    uint32_t count = w->count;
    for (size_t part; len > 0; p += part, len -= part) {
        size_t most = (size_t)UINT32_MAX / 2;
        part = len < most ? len : most;
        beamc__gwin_append(g, w, beamc_slice_of(p, part));
    }
    w->count = count + values;
}

static bool get_pane(beamc_cursor *in, beamc_gwin *w) {
    unsigned flags, timing;
    uint32_t non_speculative;
    if (!beamc_get_u8(in, &flags) || !beamc_get_u8(in, &timing) || !beamc_get_be32(in, &w->index) ||
        !beamc_get_be32(in, &non_speculative) || !beamc_get_be32(in, &w->fresh) ||
        !get_time(in, &w->hold) || (flags & ~(unsigned)BEAMC_GSAVE_FLAGS) != 0 ||
        timing > BEAMC_PANE_UNKNOWN) {
        return false;
    }
    w->flags = (uint8_t)flags;
    w->timing = (uint8_t)timing;
    w->non_speculative = (int32_t)non_speculative;
    return true;
}

static bool get_trigger(const beamc_general *g, beamc_cursor *in, beamc_gwin *w) {
    uint64_t slots;
    if (!beamc_get_be64(in, &w->trigger.finished) || !beamc_get_varint(in, &slots) ||
        slots != g->program.slots) {
        return false;
    }
    for (unsigned i = 0; i < g->program.slots; i++) {
        if (!get_time(in, &w->trigger.slots[i])) {
            return false;
        }
    }
    return true;
}

static bool get_segments(beamc_cursor *in, beamc_gwin *w) {
    uint32_t count;
    if (!get_u32(in, &count) || count > beamc_cursor_left(in) || (count > 0 && w->saved == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        beamc_gsegment seg;
        uint64_t bytes;
        if (!get_u32(in, &seg.number) || !get_u32(in, &seg.values) ||
            !beamc_get_varint(in, &bytes) || seg.number < w->saved->next_number ||
            seg.number == UINT32_MAX) {
            return false;
        }
        seg.bytes = (size_t)bytes;
        beamc__gsaved_reserve(w);
        w->saved->segments[w->saved->count++] = seg;
        w->saved->next_number = seg.number + 1;
        w->saved->bytes += seg.bytes;
        w->saved->values += seg.values;
    }
    return true;
}

/* The tail goes into track.tail: what segments hold is before it. */
static bool get_tail(beamc_general *g, beamc_cursor *in) {
    beamc_slice tail;
    if (!get_u32(in, &g->track.tail_values) || !beamc_get_prefixed(in, &tail)) {
        return false;
    }
    g->track.tail.len = 0;
    beamc_buf_put_slice(&g->track.tail, tail);
    return true;
}

/* A window that is in no table yet, up to its tail; NULL: damaged. */
static beamc_gwin *read_window(beamc_general *g, beamc_cursor *in, const uint64_t *id) {
    beamc_slice key;
    beamc_window window;
    unsigned version;
    if (!beamc_get_u8(in, &version) || version != BEAMC_GSAVE_VERSION ||
        !beamc_get_prefixed(in, &key) || key.len > UINT32_MAX - 64 ||
        !get_time(in, &window.start) || !get_time(in, &window.end)) {
        return NULL;
    }
    beamc_gkey *k = beamc__gkey_put(g, beamc_hash(key), key);
    if (beamc__gkey_window(k, window) != NULL) {
        return NULL;
    }
    beamc_gwin *w = beamc__gwin_new(g, k, window);
    if (id != NULL) {
        w->saved = beamc__calloc(1, sizeof *w->saved);
        w->saved->id = *id;
        w->saved->stored = true;
        g->track.next_id = *id >= g->track.next_id ? *id + 1 : g->track.next_id;
    }
    bool good = get_pane(in, w) && get_trigger(g, in, w) && get_segments(in, w) && get_tail(g, in);
    bool ready = (w->flags & BEAMC_GWIN_READY) != 0;
    w->flags &= (uint8_t)~BEAMC_GWIN_READY;
    if (good && ready) {
        beamc__gwin_make_ready(g, w);
    }
    return good ? w : NULL;
}

/* All its segments have come. */
static void complete(beamc_general *g, beamc_gwin *w) {
    append_raw(g, w, g->track.tail.ptr, g->track.tail.len, g->track.tail_values);
    beamc__gwin_schedule(g, w, BEAMC_TIME_MIN);
}

beamc_status beamc__general_load(beamc_grouper *base, beamc_slice bytes, beamc_error *err) {
    beamc_general *g = (beamc_general *)base;
    beamc_cursor in = beamc_cursor_of(bytes);
    unsigned version;
    uint64_t count;
    if (!beamc_get_u8(&in, &version) || version != BEAMC_GSAVE_VERSION ||
        !beamc_get_varint(&in, &count)) {
        return damaged(g, "no head", err);
    }
    for (uint64_t i = 0; i < count; i++) {
        beamc_gwin *w = read_window(g, &in, NULL);
        if (w == NULL) {
            return damaged(g, "a window", err);
        }
        beamc__general_changed(g, w);
        complete(g, w);
    }
    return in.p == in.end ? BEAMC_OK : damaged(g, "bytes behind the last window", err);
}

static beamc_status load_window(beamc_general *g, uint64_t hash, uint64_t id, beamc_slice data,
                                beamc_error *err) {
    BEAMC_TRY(beamc__general_load_end(&g->base, err));
    beamc_cursor in = beamc_cursor_of(data);
    beamc_gwin *w = read_window(g, &in, &id);
    if (w == NULL || in.p != in.end) {
        return damaged(g, "a window", err);
    }
    if (w->key->hash != hash) {
        return damaged(g, "a window under the name of another key", err);
    }
    g->track.loading = w;
    g->track.segments = 0;
    return BEAMC_OK;
}

static beamc_status load_segment(beamc_general *g, uint64_t hash, uint64_t id, uint32_t number,
                                 beamc_slice data, beamc_error *err) {
    beamc_gwin *w = g->track.loading;
    if (w == NULL || w->key->hash != hash || w->saved->id != id ||
        g->track.segments == w->saved->count) {
        return damaged(g, "values without a window", err);
    }
    const beamc_gsegment *seg = &w->saved->segments[g->track.segments++];
    if (seg->number != number || seg->bytes != data.len) {
        return damaged(g, "values that are not those of their window", err);
    }
    append_raw(g, w, data.ptr, data.len, seg->values);
    return BEAMC_OK;
}

beamc_status beamc__general_load_record(beamc_grouper *base, beamc_slice name, beamc_slice data,
                                        beamc_error *err) {
    beamc_general *g = (beamc_general *)base;
    beamc_cursor in = beamc_cursor_of(name);
    uint64_t hash, id;
    uint32_t number;
    g->track.on = true;
    if (!beamc_get_be64(&in, &hash) || !beamc_get_be64(&in, &id)) {
        return damaged(g, "a name", err);
    }
    if (in.p == in.end) {
        return load_window(g, hash, id, data, err);
    }
    if (!beamc_get_be32(&in, &number) || in.p != in.end) {
        return damaged(g, "a name", err);
    }
    return load_segment(g, hash, id, number, data, err);
}

beamc_status beamc__general_load_end(beamc_grouper *base, beamc_error *err) {
    beamc_general *g = (beamc_general *)base;
    beamc_gwin *w = g->track.loading;
    if (w != NULL && g->track.segments != w->saved->count) {
        return damaged(g, "values are missing", err);
    }
    if (w != NULL) {
        complete(g, w);
    }
    g->track.loading = NULL;
    return BEAMC_OK;
}
