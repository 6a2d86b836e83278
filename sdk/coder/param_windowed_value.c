/* param_windowed_value.c: beam:coder:param_windowed_value:v1. The value alone; timestamp, windows
 * and pane are those of the coder's payload, which coder->extra holds. Components: value, window. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    beamc_windowed_value *w = beamc_arena_alloc(s->arena, sizeof *w);
    *w = *(const beamc_windowed_value *)c->extra;
    BEAMC_TRY(beamc__decode(c->args[0], in, nested, s, &w->value, err));
    out->windowed = w;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    return beamc__encode_at(c->args[0], &v->windowed->value, nested, depth + 1, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    return beamc__skip_at(c->args[0], in, depth + 1, err);
}

static int64_t fixed_size(const beamc_coder *c) {
    return beamc__coder_fixed_size(c->args[0]);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    return beamc__ops_windowed_value.copy(c, v, arena, out, err);
}

const beamc_coder_ops beamc__ops_param_windowed_value = {
    BEAMC_URN_CODER_PARAM_WINDOWED_VALUE,
    "param_windowed_value",
    2,
    false,
    decode,
    encode,
    skip,
    fixed_size,
    copy,
};
