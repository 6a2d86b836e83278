/* json_text.c: strings as JSON text. Pure; safe from any thread. */
#include "base/json_scan.h"
#include "base/utf8.h"
#include <beamc/row.h>

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
        const unsigned char *plain = p;
        p = beamc_json_plain_end(p, end);
        beamc_buf_put(out, plain, (size_t)(p - plain));
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
