/* decimal.c: base 10 to base 256 and back, digit by digit: decimals are short. Pure. */
#include "coder/decimal.h"

#include "base/wire.h"

enum { MAX_BYTES = 1024, MAX_DIGITS = 2400, MAX_SCALE = 10000 };

/* Divides the big-endian magnitude by ten and returns the rest. */
static unsigned divide_by_ten(unsigned char *bytes, size_t len) {
    unsigned rest = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned v = rest << 8 | bytes[i];
        bytes[i] = (unsigned char)(v / 10);
        rest = v % 10;
    }
    return rest;
}

static bool is_zero(const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static void negate(unsigned char *bytes, size_t len) {
    unsigned carry = 1;
    for (size_t i = len; i-- > 0;) {
        carry += (unsigned char)~bytes[i];
        bytes[i] = (unsigned char)carry;
        carry >>= 8;
    }
}

static void put_scaled(const char *digits, size_t count, int64_t scale, beamc_buf *out) {
    if (scale <= 0) {
        beamc_buf_put(out, digits, count);
        if (scale < 0) {
            beamc_buf_printf(out, "E+%lld", -(long long)scale);
        }
        return;
    }
    size_t point = (size_t)scale;
    size_t whole = count > point ? count - point : 0;
    beamc_buf_put(out, whole > 0 ? digits : "0", whole > 0 ? whole : 1);
    beamc_buf_put_u8(out, '.');
    for (size_t i = count; i < point; i++) {
        beamc_buf_put_u8(out, '0');
    }
    beamc_buf_put(out, digits + whole, count - whole);
}

beamc_status beamc__decimal_to_text(beamc_slice encoded, beamc_buf *out, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(encoded);
    uint64_t raw_scale = 0;
    beamc_slice body = {NULL, 0};
    if (encoded.len > 0 &&
        (!beamc_get_varint(&in, &raw_scale) || !beamc_get_prefixed(&in, &body))) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a decimal is malformed");
    }
    int64_t scale = (int64_t)raw_scale;
    if (body.len > MAX_BYTES || scale > MAX_SCALE || scale < -MAX_SCALE) {
        return BEAMC_FAIL(err, OUT_OF_RANGE, "a decimal of %zu bytes and scale %lld", body.len,
                          (long long)scale);
    }
    unsigned char bytes[MAX_BYTES];
    char digits[MAX_BYTES * 5 / 2 + 1];
    size_t at = sizeof digits;
    if (body.len > 0) {
        memcpy(bytes, body.ptr, body.len);
    }
    bool negative = body.len > 0 && (bytes[0] & 0x80) != 0;
    if (negative) {
        negate(bytes, body.len);
        beamc_buf_put_u8(out, '-');
    }
    do {
        digits[--at] = (char)('0' + divide_by_ten(bytes, body.len));
    } while (!is_zero(bytes, body.len));
    put_scaled(digits + at, sizeof digits - at, scale, out);
    return BEAMC_OK;
}

beamc_status beamc__decimal_from_text(beamc_slice text, beamc_buf *out, beamc_error *err) {
    unsigned char bytes[MAX_BYTES] = {0}; /* little-endian magnitude */
    size_t used = 0, digits = 0;
    int64_t scale = 0;
    bool point = false;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    for (size_t i = negative || (text.len > 0 && text.ptr[0] == '+'); i < text.len; i++) {
        if (text.ptr[i] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || ++digits > MAX_DIGITS) {
            digits = 0;
            break;
        }
        scale += point;
        unsigned carry = (unsigned)(text.ptr[i] - '0');
        for (size_t j = 0; j < used || carry > 0; j++) {
            carry += 10u * (j < used ? bytes[j] : 0u);
            bytes[j] = (unsigned char)carry;
            carry >>= 8;
            used = j + 1 > used ? j + 1 : used;
        }
    }
    if (digits == 0 || text.ptr[text.len - 1] == '.') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "\"%.*s\" is no decimal number",
                          BEAMC_SLICE_ARG(text));
    }
    /* One byte of room for the sign, then the shortest form, as other SDKs write it. */
    unsigned char big[MAX_BYTES + 1] = {0};
    size_t len = used + 1;
    for (size_t i = 0; i < used; i++) {
        big[len - 1 - i] = bytes[i];
    }
    if (negative) {
        negate(big, len);
    }
    unsigned char fill = negative && !is_zero(big, len) ? 0xff : 0;
    size_t skip = 0;
    while (len - skip > 1 && big[skip] == fill && (big[skip + 1] & 0x80) == (fill & 0x80)) {
        skip++;
    }
    beamc_put_varint(out, (uint64_t)scale);
    beamc_put_prefixed(out, beamc_slice_of(big + skip, len - skip));
    return BEAMC_OK;
}
