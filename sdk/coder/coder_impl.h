/* coder_impl.h: the coders as the execution engine uses them.
 *
 * The public functions of coder.h stand on these. Leaf values and pairs of them are done inline;
 * everything else goes through one switch (coder.c) to the file of its coder. Decoding allocates
 * nothing but bumps of the scratch arena. Coders are immutable and shared between threads; a
 * scratch belongs to one thread. */
#ifndef BEAMC_CODER_CODER_IMPL_H
#define BEAMC_CODER_CODER_IMPL_H

#include <beamc/coder.h>
#include <beamc/row.h>

#include "base/wire.h"

/* Reads one page of a state-backed iterable. An empty @p continuation asks for the first page; an
 * empty *next says that there is no further one. The page must live until @p arena is reset. */
typedef beamc_status (*beamc_page_fn)(void *arg, beamc_slice token, beamc_slice continuation,
                                      beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                                      beamc_error *err);

struct beamc_iter_slot;

/* Where decoded values go: the element scratch, and arenas for iterations in progress. */
typedef struct beamc_scratch {
    beamc_arena *arena;  /* borrowed */
    beamc_page_fn fetch; /* NULL: state-backed iterables cannot be read */
    void *fetch_arg;
    bool eager; /* decode iterables at once: their values outlive this scratch */
    unsigned depth;
    uint64_t slots_taken; /* ever; orders slots against marks */
    struct beamc_iter_slot *used;
    struct beamc_iter_slot *free;
} beamc_scratch;

typedef struct beamc_scratch_mark {
    beamc_arena_mark arena;
    uint64_t slots_taken;
} beamc_scratch_mark;

void beamc__scratch_init(beamc_scratch *s, beamc_arena *arena);
/* Frees the iterator arenas; the element arena stays its owner's. */
void beamc__scratch_deinit(beamc_scratch *s);
void beamc__scratch_reclaim(beamc_scratch *s, uint64_t slots_taken);

static inline beamc_scratch_mark beamc__scratch_mark(const beamc_scratch *s) {
    return (beamc_scratch_mark){beamc_arena_get_mark(s->arena), s->slots_taken};
}

/* Drops what was decoded since the mark. Iterations that were begun since, and left early, give
 * their arenas back here. */
static inline void beamc__scratch_rewind(beamc_scratch *s, beamc_scratch_mark mark) {
    if (__builtin_expect(s->used != NULL, 0)) {
        beamc__scratch_reclaim(s, mark.slots_taken);
    }
    beamc_arena_rewind(s->arena, mark.arena);
}

/* Levels of structure in one value: coders from the wire are checked against it when they are
 * built, recursive rows while they are decoded. */
enum { BEAMC_CODER_MAX_DEPTH = 64 };

beamc_status beamc__decode_slow(const beamc_coder *c, beamc_cursor *in, bool nested,
                                beamc_scratch *s, beamc_value *out, beamc_error *err);
beamc_status beamc__encode_slow(const beamc_coder *c, const beamc_value *v, bool nested,
                                unsigned depth, beamc_buf *out, beamc_error *err);

/* Moves behind one nested value without decoding it. */
beamc_status beamc__skip(const beamc_coder *c, beamc_cursor *in, beamc_error *err) BEAMC_MUST_USE;
/* The nested size when it is the same for every value, else -1. */
int64_t beamc__coder_fixed_size(const beamc_coder *c);

/* A nested leaf. False: not a leaf, or malformed; the cursor has not moved. */
static inline bool beamc__decode_leaf(const beamc_coder *c, beamc_cursor *in, beamc_value *out) {
    switch (c->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
        return beamc_get_prefixed(in, &out->bytes);
    case BEAMC_CODER_VARINT: {
        uint64_t v;
        if (!beamc_get_varint(in, &v)) {
            return false;
        }
        out->i64 = (int64_t)v;
        return true;
    }
    default:
        return false;
    }
}

static inline bool beamc__encode_leaf(const beamc_coder *c, const beamc_value *v, beamc_buf *out) {
    switch (c->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
        beamc_put_prefixed(out, v->bytes);
        return true;
    case BEAMC_CODER_VARINT:
        beamc_put_varint(out, (uint64_t)v->i64);
        return true;
    default:
        return false;
    }
}

/* One value from the front of @p in. Slices in it point into the input. */
static inline beamc_status BEAMC_MUST_USE beamc__decode(const beamc_coder *c, beamc_cursor *in,
                                                        bool nested, beamc_scratch *s,
                                                        beamc_value *out, beamc_error *err) {
    if (__builtin_expect(nested, 1)) {
        if (beamc__decode_leaf(c, in, out)) {
            return BEAMC_OK;
        }
        if (c->kind == BEAMC_CODER_KV) {
            beamc_cursor at = *in;
            beamc_kv *kv = (beamc_kv *)beamc_arena_alloc(s->arena, sizeof *kv);
            if (beamc__decode_leaf(c->args[0], &at, &kv->key) &&
                beamc__decode_leaf(c->args[1], &at, &kv->value)) {
                *in = at;
                out->kv = kv;
                return BEAMC_OK;
            }
        }
    }
    return beamc__decode_slow(c, in, nested, s, out, err);
}

static inline beamc_status BEAMC_MUST_USE beamc__encode(const beamc_coder *c, const beamc_value *v,
                                                        bool nested, beamc_buf *out,
                                                        beamc_error *err) {
    if (__builtin_expect(nested, 1)) {
        if (beamc__encode_leaf(c, v, out)) {
            return BEAMC_OK;
        }
        if (c->kind == BEAMC_CODER_KV) {
            size_t start = out->len;
            if (beamc__encode_leaf(c->args[0], &v->kv->key, out) &&
                beamc__encode_leaf(c->args[1], &v->kv->value, out)) {
                return BEAMC_OK;
            }
            out->len = start;
        }
    }
    return beamc__encode_slow(c, v, nested, 0, out, err);
}

/* ------------------------------------------------------------------- windows and panes */

extern const beamc_window beamc__global_window;

/* One window by its coder (global, interval, custom). */
beamc_status beamc__window_decode(const beamc_coder *c, beamc_cursor *in, beamc_window *out,
                                  beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__window_encode(const beamc_coder *c, beamc_window w, beamc_buf *out,
                                  beamc_error *err) BEAMC_MUST_USE;
/* An iterable of windows; the array is put into @p arena. */
beamc_status beamc__windows_decode(const beamc_coder *c, beamc_cursor *in, beamc_arena *arena,
                                   const beamc_window **out, size_t *count,
                                   beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__windows_encode(const beamc_coder *c, const beamc_window *windows, size_t count,
                                   beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__pane_decode(beamc_cursor *in, beamc_pane *out, beamc_error *err) BEAMC_MUST_USE;
void beamc__pane_encode(beamc_pane pane, beamc_buf *out);

/* What stands in front of the value of a windowed_value: timestamp, windows, pane. The fast paths
 * are one global or interval window and a one-byte pane. @p value is left alone. */
beamc_status beamc__windowed_decode_head(const beamc_coder *window_coder, beamc_cursor *in,
                                         beamc_scratch *s, beamc_windowed_value *out,
                                         beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__windowed_encode_head(const beamc_coder *window_coder,
                                         const beamc_windowed_value *head, beamc_buf *out,
                                         beamc_error *err) BEAMC_MUST_USE;

#endif
