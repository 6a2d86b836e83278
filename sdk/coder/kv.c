/* kv.c: beam:coder:kv:v1. The key, always nested, then the value in the context of the pair. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    beamc_kv *kv = beamc_arena_alloc(s->arena, sizeof *kv);
    BEAMC_TRY_CTX(err, beamc__decode(c->args[0], in, true, s, &kv->key, err), "KV key");
    BEAMC_TRY_CTX(err, beamc__decode(c->args[1], in, nested, s, &kv->value, err), "KV value");
    out->kv = kv;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    BEAMC_TRY_CTX(err, beamc__encode_at(c->args[0], &v->kv->key, true, depth + 1, out, err),
                  "KV key");
    BEAMC_TRY_CTX(err, beamc__encode_at(c->args[1], &v->kv->value, nested, depth + 1, out, err),
                  "KV value");
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    BEAMC_TRY_CTX(err, beamc__skip_at(c->args[0], in, depth + 1, err), "KV key");
    BEAMC_TRY_CTX(err, beamc__skip_at(c->args[1], in, depth + 1, err), "KV value");
    return BEAMC_OK;
}

static int64_t fixed_size(const beamc_coder *c) {
    int64_t key = beamc__coder_fixed_size(c->args[0]);
    int64_t value = key >= 0 ? beamc__coder_fixed_size(c->args[1]) : -1;
    return value >= 0 ? key + value : -1;
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    beamc_kv *kv = beamc_arena_alloc(arena, sizeof *kv);
    BEAMC_TRY(beamc_value_copy(c->args[0], &v->kv->key, arena, &kv->key, err));
    BEAMC_TRY(beamc_value_copy(c->args[1], &v->kv->value, arena, &kv->value, err));
    out->kv = kv;
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_kv = {
    BEAMC_URN_CODER_KV, "kv", 2, true, decode, encode, skip, fixed_size, copy,
};
