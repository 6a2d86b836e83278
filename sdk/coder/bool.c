/* bool.c: beam:coder:bool:v1. One byte, 0 or 1. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)s;
    unsigned byte;
    if (!beamc_get_u8(in, &byte)) {
        return beamc__ends_early(in, "bool", err);
    }
    if (byte > 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "bool is byte %u, must be 0 or 1", byte);
    }
    out->i64 = byte;
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)depth;
    (void)err;
    beamc_buf_put_u8(out, v->i64 != 0);
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_value ignored;
    (void)depth;
    return decode(c, in, true, NULL, &ignored, err);
}

const beamc_coder_ops beamc__ops_bool = {
    BEAMC_URN_CODER_BOOL, "bool", 0, true, decode, encode, skip, beamc__size_one, NULL,
};
