/* global_window.c: beam:coder:global_window:v1. No bytes at all. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)nested;
    beamc_window *w = beamc_arena_alloc(s->arena, sizeof *w);
    out->window = w;
    return beamc__window_decode(c, in, w, err);
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    (void)depth;
    return beamc__window_encode(c, *v->window, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    (void)depth;
    beamc_window ignored;
    return beamc__window_decode(c, in, &ignored, err);
}

static int64_t fixed_size(const beamc_coder *c) {
    (void)c;
    return 0;
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    (void)c;
    (void)err;
    beamc_window *w = beamc_arena_alloc(arena, sizeof *w);
    *w = *v->window;
    out->window = w;
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_global_window = {
    BEAMC_URN_CODER_GLOBAL_WINDOW, "global_window", 0, true, decode, encode, skip, fixed_size, copy,
};
