/* double.c: beam:coder:double:v1. Eight bytes, big-endian IEEE 754. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)s;
    uint64_t bits;
    if (!beamc_get_be64(in, &bits)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "double needs 8 bytes, %zu are left",
                          beamc_cursor_left(in));
    }
    memcpy(&out->f64, &bits, sizeof bits);
    return BEAMC_OK;
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)c;
    (void)nested;
    (void)depth;
    (void)err;
    uint64_t bits;
    memcpy(&bits, &v->f64, sizeof bits);
    beamc_put_be64(out, bits);
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_value ignored;
    (void)depth;
    return decode(c, in, true, NULL, &ignored, err);
}

static int64_t fixed_size(const beamc_coder *c) {
    (void)c;
    return 8;
}

/* Not deterministic: 0 and -0, and the many NaNs, are equal or alike but differ in bytes. */
const beamc_coder_ops beamc__ops_double = {
    BEAMC_URN_CODER_DOUBLE, "double", 0, false, decode, encode, skip, fixed_size, NULL,
};
