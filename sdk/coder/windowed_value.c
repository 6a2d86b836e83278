/* windowed_value.c: beam:coder:windowed_value:v1. Timestamp (8 bytes, ordered), windows as an
 * iterable, pane, and the value in the context of the whole. Components: value, window. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static const beamc_pane no_firing = BEAMC_PANE_NO_FIRING;
enum { NO_FIRING_BYTE = 0x0F };

beamc_status beamc__windowed_decode_head(const beamc_coder *window_coder, beamc_cursor *in,
                                         beamc_scratch *s, beamc_windowed_value *out,
                                         beamc_error *err) {
    uint64_t timestamp;
    if (!beamc_get_be64(in, &timestamp)) {
        return beamc__ends_early(in, "timestamp", err);
    }
    out->timestamp = beamc_time_from_wire(timestamp);
    BEAMC_TRY(
        beamc__windows_decode(window_coder, in, s->arena, &out->windows, &out->window_count, err));
    if (in->p < in->end && *in->p == NO_FIRING_BYTE) {
        in->p++;
        out->pane = no_firing;
        return BEAMC_OK;
    }
    return beamc__pane_decode(in, &out->pane, err);
}

beamc_status beamc__windowed_encode_head(const beamc_coder *window_coder,
                                         const beamc_windowed_value *head, beamc_buf *out,
                                         beamc_error *err) {
    beamc_put_be64(out, beamc_time_to_wire(head->timestamp));
    BEAMC_TRY(beamc__windows_encode(window_coder, head->windows, head->window_count, out, err));
    beamc__pane_encode(head->pane, out);
    return BEAMC_OK;
}

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    beamc_windowed_value *w = beamc_arena_alloc(s->arena, sizeof *w);
    BEAMC_TRY_CTX(err, beamc__windowed_decode_head(c->args[1], in, s, w, err), "windowed value");
    BEAMC_TRY(beamc__decode(c->args[0], in, nested, s, &w->value, err));
    out->windowed = w;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    BEAMC_TRY(beamc__windowed_encode_head(c->args[1], v->windowed, out, err));
    return beamc__encode_at(c->args[0], &v->windowed->value, nested, depth + 1, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    uint64_t timestamp;
    beamc_iterable_form windows;
    beamc_pane pane;
    if (!beamc_get_be64(in, &timestamp)) {
        return beamc__ends_early(in, "timestamp", err);
    }
    const beamc_coder iterable = BEAMC_ITERABLE(c->args[1]);
    BEAMC_TRY(beamc__iterable_scan(&iterable, in, depth + 1, &windows, err));
    BEAMC_TRY(beamc__pane_decode(in, &pane, err));
    return beamc__skip_at(c->args[0], in, depth + 1, err);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    beamc_windowed_value *w = beamc_arena_alloc(arena, sizeof *w);
    *w = *v->windowed;
    w->windows = beamc__windows_copy(arena, w->windows, w->window_count);
    BEAMC_TRY(beamc_value_copy(c->args[0], &v->windowed->value, arena, &w->value, err));
    out->windowed = w;
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_windowed_value = {
    BEAMC_URN_CODER_WINDOWED_VALUE, "windowed_value", 2, false, decode, encode, skip, NULL, copy,
};
