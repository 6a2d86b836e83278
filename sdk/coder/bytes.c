/* bytes.c: beam:coder:bytes:v1. Nested: varint length and the bytes; outer: the bytes alone. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)s;
    if (nested) {
        return beamc_get_prefixed(in, &out->bytes)
                   ? BEAMC_OK
                   : beamc__ends_early(in, beamc__coder_ops(c->kind)->name, err);
    }
    out->bytes = beamc_slice_of(in->p, beamc_cursor_left(in));
    in->p = in->end;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)c;
    (void)depth;
    (void)err;
    if (nested) {
        beamc_put_prefixed(out, v->bytes);
    } else {
        beamc_buf_put_slice(out, v->bytes);
    }
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    (void)depth;
    beamc_slice ignored;
    return beamc_get_prefixed(in, &ignored)
               ? BEAMC_OK
               : beamc__ends_early(in, beamc__coder_ops(c->kind)->name, err);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    (void)c;
    (void)err;
    out->bytes = beamc_arena_copy(arena, v->bytes);
    return BEAMC_OK;
}

const beamc_coder_ops beamc__ops_bytes = {
    BEAMC_URN_CODER_BYTES, "bytes", 0, true, decode, encode, skip, NULL, copy,
};

/* string_utf8 has the same form. Ill-formed UTF-8 passes through untouched, as in other SDKs. */
const beamc_coder_ops beamc__ops_string = {
    BEAMC_URN_CODER_STRING_UTF8, "string", 0, true, decode, encode, skip, NULL, copy,
};
