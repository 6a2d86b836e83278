/* sharded_key.c: beam:coder:sharded_key:v1. Shard id as nested bytes, then the key, always nested.
 * The value is a pair of the shard id (bytes) and the key. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)nested;
    beamc_kv *kv = beamc_arena_alloc(s->arena, sizeof *kv);
    if (!beamc_get_prefixed(in, &kv->key.bytes)) {
        return beamc__ends_early(in, "shard id", err);
    }
    BEAMC_TRY_CTX(err, beamc__decode(c->args[0], in, true, s, &kv->value, err), "sharded key");
    out->kv = kv;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    beamc_put_prefixed(out, v->kv->key.bytes);
    return beamc__encode_at(c->args[0], &v->kv->value, true, depth + 1, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_slice ignored;
    if (!beamc_get_prefixed(in, &ignored)) {
        return beamc__ends_early(in, "shard id", err);
    }
    BEAMC_TRY_CTX(err, beamc__skip_at(c->args[0], in, depth + 1, err), "sharded key");
    return BEAMC_OK;
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    beamc_kv *kv = beamc_arena_alloc(arena, sizeof *kv);
    kv->key.bytes = beamc_arena_copy(arena, v->kv->key.bytes);
    BEAMC_TRY(beamc_value_copy(c->args[0], &v->kv->value, arena, &kv->value, err));
    out->kv = kv;
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_sharded_key = {
    BEAMC_URN_CODER_SHARDED_KEY, "sharded_key", 1, true, decode, encode, skip, NULL, copy,
};
