/* length_prefix.c: beam:coder:length_prefix:v1. Varint size, then the component's outer encoding.
 * The value is the component's value. */
#include "coder/parts.h"

#include "proto/beam_model/urns.h"

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)nested;
    beamc_slice body;
    if (!beamc_get_prefixed(in, &body)) {
        return beamc__ends_early(in, "length-prefixed value", err);
    }
    beamc_cursor inner = beamc_cursor_of(body);
    BEAMC_TRY_CTX(err, beamc__decode(c->args[0], &inner, false, s, out, err),
                  "length-prefixed value");
    if (inner.p != inner.end) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "length-prefixed value of %zu bytes ends %zu bytes early", body.len,
                          beamc_cursor_left(&inner));
    }
    return BEAMC_OK;
}

/* The size is not known before: encode behind one byte of room, then move if it needs more. */
static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    size_t start = out->len;
    beamc_buf_put_u8(out, 0);
    BEAMC_TRY(beamc__encode_at(c->args[0], v, false, depth + 1, out, err));
    size_t size = out->len - start - 1;
    size_t head = beamc_varint_size(size);
    if (head > 1) {
        beamc_buf_room(out, head - 1);
        memmove(out->ptr + start + head, out->ptr + start + 1, size);
        out->len += head - 1;
    }
    beamc_write_varint(out->ptr + start, size);
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    (void)c;
    (void)depth;
    beamc_slice ignored;
    return beamc_get_prefixed(in, &ignored) ? BEAMC_OK
                                            : beamc__ends_early(in, "length-prefixed value", err);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    return beamc_value_copy(c->args[0], v, arena, out, err);
}

const beamc_coder_ops beamc__ops_length_prefix = {
    BEAMC_URN_CODER_LENGTH_PREFIX, "length_prefix", 1, true, decode, encode, skip, NULL, copy,
};
