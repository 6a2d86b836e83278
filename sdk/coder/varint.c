/* varint.c: beam:coder:varint:v1. Unsigned LEB128 of the two's complement 64 bits. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)s;
    uint64_t v;
    if (!beamc_get_varint(in, &v)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "varint is malformed or ends early: %zu bytes are left",
                          beamc_cursor_left(in));
    }
    out->i64 = (int64_t)v;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)depth;
    (void)err;
    beamc_put_varint(out, (uint64_t)v->i64);
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_value ignored;
    (void)depth;
    return decode(c, in, true, NULL, &ignored, err);
}

const beamc_coder_ops beamc__ops_varint = {
    BEAMC_URN_CODER_VARINT, "varint", 0, true, decode, encode, skip, NULL, NULL,
};
