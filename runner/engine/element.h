/* element.h: reading the head of an encoded windowed value: timestamp, windows, pane. The value is
 * left to the caller. Everything is bounds-checked: the bytes come from workers.
 *
 * beam_runner_api.proto, StandardCoders.WINDOWED_VALUE: 8 bytes big-endian time with the sign flipped,
 * an iterable of windows, pane, value. */
#ifndef BEAMC_ENGINE_ELEMENT_H
#define BEAMC_ENGINE_ELEMENT_H

#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/graph.h"

typedef struct beamc_head {
    beamc_time timestamp;
    uint32_t window_count;
    beamc_window window;      /* the first; meaningless when there is none */
    beamc_slice window_bytes; /* all of them, one after another */
} beamc_head;

/* One window. Interval: end, then length; global: nothing. */
static inline bool beamc_head_window(const beamc_coder *coder, beamc_cursor *in,
                                     beamc_window *out) {
    if (coder->kind == BEAMC_CODER_INTERVAL_WINDOW) {
        uint64_t end, span;
        if (!beamc_get_be64(in, &end) || !beamc_get_varint(in, &span)) {
            return false;
        }
        out->end = beamc_time_from_wire(end);
        out->start = (beamc_time)((uint64_t)out->end - span);
        return true;
    }
    if (coder->kind == BEAMC_CODER_GLOBAL_WINDOW) {
        *out = (beamc_window)BEAMC_GLOBAL_WINDOW;
        return true;
    }
    return beamc__window_decode(coder, in, out, NULL) == BEAMC_OK;
}

/* Pane, and the element metadata that bit 0x80 announces. */
static inline bool beamc_head_skip_pane(beamc_cursor *in) {
    unsigned first;
    uint64_t n;
    if (!beamc_get_u8(in, &first)) {
        return false;
    }
    if (__builtin_expect((first & 0xf0) == 0, 1)) {
        return true;
    }
    unsigned kind = (first >> 4) & 7;
    for (unsigned i = 0; i < kind; i++) {
        if (kind > 2 || !beamc_get_varint(in, &n)) {
            return false;
        }
    }
    beamc_slice metadata;
    return (first & 0x80) == 0 || beamc_get_prefixed(in, &metadata);
}

/* Moves @p in to the value. False: malformed. */
static inline bool beamc_head_read(const beamc_coder *window_coder, beamc_cursor *in,
                                   beamc_head *out) {
    uint64_t time;
    uint32_t count;
    if (!beamc_get_be64(in, &time) || !beamc_get_be32(in, &count)) {
        return false;
    }
    out->timestamp = beamc_time_from_wire(time);
    const unsigned char *from = in->p;
    /* A window takes 0 bytes when it is global: more than one of those makes no sense. */
    if (count > beamc_cursor_left(in) && count > 1) {
        return false;
    }
    out->window_count = count;
    if (count > 0 && !beamc_head_window(window_coder, in, &out->window)) {
        return false;
    }
    for (uint32_t i = 1; i < count; i++) {
        beamc_window other;
        if (!beamc_head_window(window_coder, in, &other)) {
            return false;
        }
    }
    out->window_bytes = beamc_slice_of(from, (size_t)(in->p - from));
    return beamc_head_skip_pane(in);
}

/* The place in the bytes, for messages. */
beamc_status beamc__element_malformed(const char *collection, const beamc_cursor *at,
                                      beamc_slice all, beamc_error *err);

#endif
