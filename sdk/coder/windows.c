/* windows.c: what the coders with windows in them share: one window by its coder, runs of windows,
 * and panes. */
#include "coder/parts.h"

const beamc_window beamc__global_window = BEAMC_GLOBAL_WINDOW;

beamc_status beamc__window_decode(const beamc_coder *c, beamc_cursor *in, beamc_window *out,
                                  beamc_error *err) {
    switch (c->kind) {
    case BEAMC_CODER_GLOBAL_WINDOW:
        *out = beamc__global_window;
        return BEAMC_OK;
    case BEAMC_CODER_INTERVAL_WINDOW: {
        beamc_cursor at = *in;
        uint64_t end, span;
        if (!beamc_get_be64(&at, &end) || !beamc_get_varint(&at, &span)) {
            return beamc__ends_early(in, "interval window", err);
        }
        out->end = beamc_time_from_wire(end);
        if (span > INT64_MAX || __builtin_sub_overflow(out->end, (int64_t)span, &out->start)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "interval window that ends at %lld ms has a length of %llu ms",
                              (long long)out->end, (unsigned long long)span);
        }
        *in = at;
        return BEAMC_OK;
    }
    case BEAMC_CODER_CUSTOM_WINDOW: {
        /* The largest timestamp in front lets a runner order windows that it does not know. */
        uint64_t max;
        if (!beamc_get_be64(in, &max)) {
            return beamc__ends_early(in, "custom window", err);
        }
        BEAMC_TRY_CTX(err, beamc__window_decode(c->args[0], in, out, err), "custom window");
        if (beamc_time_from_wire(max) != beamc_window_max(*out)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "custom window says that it ends at %lld ms, its window at %lld ms",
                              (long long)beamc_time_from_wire(max),
                              (long long)beamc_window_max(*out));
        }
        return BEAMC_OK;
    }
    default:
        return BEAMC_FAIL(err, UNIMPLEMENTED,
                          "windows coded as %s: this SDK has global and interval windows, also "
                          "inside custom_window",
                          beamc_coder_urn(c->kind));
    }
}

beamc_status beamc__window_encode(const beamc_coder *c, beamc_window w, beamc_buf *out,
                                  beamc_error *err) {
    switch (c->kind) {
    case BEAMC_CODER_GLOBAL_WINDOW:
        return BEAMC_OK;
    case BEAMC_CODER_INTERVAL_WINDOW:
        if (w.end < w.start) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "interval window [%lld, %lld) ms ends before it starts",
                              (long long)w.start, (long long)w.end);
        }
        beamc_put_be64(out, beamc_time_to_wire(w.end));
        beamc_put_varint(out, (uint64_t)w.end - (uint64_t)w.start);
        return BEAMC_OK;
    case BEAMC_CODER_CUSTOM_WINDOW:
        beamc_put_be64(out, beamc_time_to_wire(beamc_window_max(w)));
        return beamc__window_encode(c->args[0], w, out, err);
    default:
        return BEAMC_FAIL(err, UNIMPLEMENTED, "windows cannot be coded as %s",
                          beamc_coder_urn(c->kind));
    }
}

/* Several windows, or windows in groups: the general form of an iterable. */
static beamc_status decode_many(const beamc_coder *c, beamc_cursor *in, beamc_arena *arena,
                                const beamc_window **out, size_t *count, beamc_error *err) {
    const beamc_coder iterable = BEAMC_ITERABLE(c);
    beamc_iterable_form form;
    BEAMC_TRY(beamc__iterable_scan(&iterable, in, 0, &form, err));
    if (c->kind == BEAMC_CODER_GLOBAL_WINDOW && form.count > 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%llu times the global window",
                          (unsigned long long)form.count);
    }
    /* Every other window takes bytes, and the scan went over them: the count is sound. */
    beamc_window *windows = beamc_arena_alloc(arena, form.count * sizeof *windows);
    beamc_cursor at = beamc_cursor_of(form.items);
    uint64_t left = form.chunked ? 0 : form.count;
    for (uint64_t i = 0; i < form.count; i++, left--) {
        if (left == 0 && !beamc_get_varint(&at, &left)) {
            return beamc__ends_early(&at, "group of windows", err);
        }
        BEAMC_TRY(beamc__window_decode(c, &at, &windows[i], err));
    }
    *out = windows;
    *count = form.count;
    return BEAMC_OK;
}

beamc_status beamc__windows_decode(const beamc_coder *c, beamc_cursor *in, beamc_arena *arena,
                                   const beamc_window **out, size_t *count, beamc_error *err) {
    static const unsigned char one[4] = {0, 0, 0, 1};
    if (beamc_cursor_left(in) < 4 || memcmp(in->p, one, 4) != 0) {
        BEAMC_TRY_CTX(err, decode_many(c, in, arena, out, count, err), "windows");
        return BEAMC_OK;
    }
    in->p += 4;
    *count = 1;
    if (c->kind == BEAMC_CODER_GLOBAL_WINDOW) {
        *out = &beamc__global_window;
        return BEAMC_OK;
    }
    beamc_window *w = beamc_arena_alloc(arena, sizeof *w);
    *out = w;
    return beamc__window_decode(c, in, w, err);
}

beamc_status beamc__windows_encode(const beamc_coder *c, const beamc_window *windows, size_t count,
                                   beamc_buf *out, beamc_error *err) {
    if (count > INT32_MAX) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "an element in %zu windows", count);
    }
    beamc_put_be32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        BEAMC_TRY(beamc__window_encode(c, windows[i], out, err));
    }
    return BEAMC_OK;
}

const beamc_window *beamc__windows_copy(beamc_arena *arena, const beamc_window *windows,
                                        size_t count) {
    beamc_window *copy = beamc_arena_alloc(arena, count * sizeof *copy);
    if (count > 0) {
        memcpy(copy, windows, count * sizeof *copy);
    }
    return copy;
}

/* ------------------------------------------------------------------------------------ panes */

/* The first byte of a pane: bit 0 is_first, bit 1 is_last, bits 2-3 timing, bits 4-6 how the
 * indices follow, bit 7: element metadata follow the pane (Java 2.77; a length-prefixed
 * ElementMetadata of beam_fn_api.proto, which we read over and never write). */
enum { NO_INDEX = 0, ONE_INDEX = 1, TWO_INDICES = 2, HAS_METADATA = 0x80 };

static bool pane_parts(beamc_cursor *in, unsigned form, uint64_t *index, uint64_t *on_time) {
    switch (form) {
    case NO_INDEX:
        return true;
    case ONE_INDEX:
        if (!beamc_get_varint(in, index)) {
            return false;
        }
        *on_time = *index;
        return true;
    default:
        return beamc_get_varint(in, index) && beamc_get_varint(in, on_time);
    }
}

beamc_status beamc__pane_decode(beamc_cursor *in, beamc_pane *out, beamc_error *err) {
    beamc_cursor at = *in;
    unsigned head;
    if (!beamc_get_u8(&at, &head)) {
        return beamc__ends_early(in, "pane", err);
    }
    unsigned form = head >> 4 & 7;
    if (form > TWO_INDICES) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "pane starts with byte 0x%02x", head);
    }
    uint64_t index = 0, on_time = 0;
    beamc_slice metadata;
    if (!pane_parts(&at, form, &index, &on_time) ||
        ((head & HAS_METADATA) != 0 && !beamc_get_prefixed(&at, &metadata))) {
        return beamc__ends_early(in, "pane", err);
    }
    out->is_first = (head & 1) != 0;
    out->is_last = (head & 2) != 0;
    out->timing = (uint8_t)(head >> 2 & 3);
    out->index = (int64_t)index;
    out->non_speculative_index = out->timing == BEAMC_PANE_EARLY ? -1 : (int64_t)on_time;
    *in = at;
    return BEAMC_OK;
}

void beamc__pane_encode(beamc_pane pane, beamc_buf *out) {
    unsigned form;
    if ((pane.index == 0 && pane.non_speculative_index == 0) || pane.timing == BEAMC_PANE_UNKNOWN) {
        form = NO_INDEX;
    } else if (pane.index == pane.non_speculative_index || pane.timing == BEAMC_PANE_EARLY) {
        form = ONE_INDEX;
    } else {
        form = TWO_INDICES;
    }
    beamc_buf_put_u8(out, (unsigned)pane.is_first | (unsigned)pane.is_last << 1 |
                              (unsigned)(pane.timing & 3) << 2 | form << 4);
    if (form != NO_INDEX) {
        beamc_put_varint(out, (uint64_t)pane.index);
    }
    if (form == TWO_INDICES) {
        beamc_put_varint(out, (uint64_t)pane.non_speculative_index);
    }
}
