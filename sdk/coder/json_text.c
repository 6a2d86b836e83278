/* json_text.c: strings as JSON text. Pure; safe from any thread. */
#include "base/utf8.h"
#include <beamc/row.h>

#define REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Non-zero if one of eight bytes is 0 (exact up to the first such byte, which is enough). */
static inline uint64_t zero_byte(uint64_t x) {
    return (x - REPEAT(0x01)) & ~x & REPEAT(0x80);
}

/* How many bytes from @p p on stand for themselves: ASCII without controls, quotes, backslashes. */
static size_t clean_run(const unsigned char *p, const unsigned char *end) {
    const unsigned char *from = p;
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        uint64_t control = (x - REPEAT(0x20)) & ~x & REPEAT(0x80);
        uint64_t special = zero_byte(x ^ REPEAT('"')) | zero_byte(x ^ REPEAT('\\'));
        if ((control | special | (x & REPEAT(0x80))) != 0) {
            break;
        }
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return (size_t)(p - from);
}

static void put_escape(beamc_buf *out, unsigned c) {
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (c < sizeof letters && letters[c] != 0) {
        beamc_buf_put_u8(out, '\\');
        beamc_buf_put_u8(out, (unsigned char)letters[c]);
    } else {
        beamc_buf_printf(out, "\\u%04x", c);
    }
}

void beamc_json_put_string(beamc_buf *out, beamc_slice text) {
    const unsigned char *p = (const unsigned char *)text.ptr;
    const unsigned char *end = p + text.len;
    beamc_buf_room(out, text.len + 2);
    beamc_buf_put_u8(out, '"');
    while (p < end) {
        size_t clean = clean_run(p, end);
        beamc_buf_put(out, p, clean);
        p += clean;
        if (p == end) {
            break;
        }
        if (*p < 0x80) {
            put_escape(out, *p++);
            continue;
        }
        bool ok;
        size_t len = beamc_utf8_step(p, end, &ok);
        if (ok) {
            beamc_buf_put(out, p, len);
        } else {
            beamc_buf_put_str(out, "\xEF\xBF\xBD"); /* U+FFFD */
        }
        p += len;
    }
    beamc_buf_put_u8(out, '"');
}
