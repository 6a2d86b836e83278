/* timer.c: beam:coder:timer:v1. Key, dynamic tag, windows, whether it is cleared; and unless it is,
 * fire time, hold time and pane. Components: key, window. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status read_tail(beamc_cursor *in, beamc_timer_value *t, beamc_error *err) {
    uint64_t fire, hold;
    if (!beamc_get_be64(in, &fire) || !beamc_get_be64(in, &hold)) {
        return beamc__ends_early(in, "timer's times", err);
    }
    t->fire_at = beamc_time_from_wire(fire);
    t->hold_at = beamc_time_from_wire(hold);
    return beamc__pane_decode(in, &t->pane, err);
}

static beamc_status read_clear(beamc_cursor *in, bool *clear, beamc_error *err) {
    beamc_value v;
    BEAMC_TRY_CTX(err, beamc__ops_bool.decode(&beamc_bool, in, true, NULL, &v, err),
                  "timer's clear bit");
    *clear = v.i64 != 0;
    return BEAMC_OK;
}

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)nested;
    beamc_timer_value *t = beamc_arena_zalloc(s->arena, sizeof *t);
    BEAMC_TRY_CTX(err, beamc__decode(c->args[0], in, true, s, &t->key, err), "timer's key");
    if (!beamc_get_prefixed(in, &t->tag)) {
        return beamc__ends_early(in, "timer's tag", err);
    }
    BEAMC_TRY_CTX(
        err, beamc__windows_decode(c->args[1], in, s->arena, &t->windows, &t->window_count, err),
        "timer");
    BEAMC_TRY(read_clear(in, &t->clear, err));
    if (!t->clear) {
        BEAMC_TRY_CTX(err, read_tail(in, t, err), "timer");
    }
    out->timer = t;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    const beamc_timer_value *t = v->timer;
    BEAMC_TRY_CTX(err, beamc__encode_at(c->args[0], &t->key, true, depth + 1, out, err),
                  "timer's key");
    beamc_put_prefixed(out, t->tag);
    BEAMC_TRY(beamc__windows_encode(c->args[1], t->windows, t->window_count, out, err));
    beamc_buf_put_u8(out, t->clear);
    if (!t->clear) {
        beamc_put_be64(out, beamc_time_to_wire(t->fire_at));
        beamc_put_be64(out, beamc_time_to_wire(t->hold_at));
        beamc__pane_encode(t->pane, out);
    }
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_slice tag;
    beamc_iterable_form windows;
    beamc_timer_value t;
    BEAMC_TRY(beamc__skip_at(c->args[0], in, depth + 1, err));
    if (!beamc_get_prefixed(in, &tag)) {
        return beamc__ends_early(in, "timer's tag", err);
    }
    const beamc_coder iterable = BEAMC_ITERABLE(c->args[1]);
    BEAMC_TRY(beamc__iterable_scan(&iterable, in, depth + 1, &windows, err));
    BEAMC_TRY(read_clear(in, &t.clear, err));
    return t.clear ? BEAMC_OK : read_tail(in, &t, err);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    beamc_timer_value *t = beamc_arena_alloc(arena, sizeof *t);
    *t = *v->timer;
    t->tag = beamc_arena_copy(arena, t->tag);
    t->windows = beamc__windows_copy(arena, t->windows, t->window_count);
    BEAMC_TRY(beamc_value_copy(c->args[0], &v->timer->key, arena, &t->key, err));
    out->timer = t;
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_timer = {
    BEAMC_URN_CODER_TIMER, "timer", 2, false, decode, encode, skip, NULL, copy,
};
