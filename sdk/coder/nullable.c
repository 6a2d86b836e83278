/* nullable.c: beam:coder:nullable:v1. Byte 0 for null, or byte 1 and the value. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

/* Whether a value follows. */
static beamc_status read_flag(beamc_cursor *in, bool *present, beamc_error *err) {
    unsigned byte;
    if (!beamc_get_u8(in, &byte)) {
        return beamc__ends_early(in, "nullable", err);
    }
    if (byte > 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "nullable starts with byte %u, must be 0 or 1",
                          byte);
    }
    *present = byte == 1;
    return BEAMC_OK;
}

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    bool present = false;
    BEAMC_TRY(read_flag(in, &present, err));
    if (!present) {
        out->nullable = NULL;
        return BEAMC_OK;
    }
    beamc_value *v = beamc_arena_alloc(s->arena, sizeof *v);
    BEAMC_TRY(beamc__decode(c->args[0], in, nested, s, v, err));
    out->nullable = v;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    beamc_buf_put_u8(out, v->nullable != NULL);
    if (v->nullable == NULL) {
        return BEAMC_OK;
    }
    return beamc__encode_at(c->args[0], v->nullable, nested, depth + 1, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    bool present = false;
    BEAMC_TRY(read_flag(in, &present, err));
    return present ? beamc__skip_at(c->args[0], in, depth + 1, err) : BEAMC_OK;
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    out->nullable = NULL;
    if (v->nullable != NULL) {
        beamc_value *present = beamc_arena_alloc(arena, sizeof *present);
        BEAMC_TRY(beamc_value_copy(c->args[0], v->nullable, arena, present, err));
        out->nullable = present;
    }
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_nullable = {
    BEAMC_URN_CODER_NULLABLE, "nullable", 1, true, decode, encode, skip, NULL, copy,
};
