/* base64.c: see base64.h. Pure; safe from any thread. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void beamc__base64_put(beamc_buf *out, beamc_slice bytes) {
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    unsigned char *to = beamc_buf_room(out, bytes.len / 3 * 4 + 4);
    unsigned char *from = to;
    size_t left = bytes.len;
    for (; left >= 3; left -= 3, p += 3) {
        unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        *to++ = (unsigned char)alphabet[v >> 18];
        *to++ = (unsigned char)alphabet[v >> 12 & 63];
        *to++ = (unsigned char)alphabet[v >> 6 & 63];
        *to++ = (unsigned char)alphabet[v & 63];
    }
    if (left > 0) {
        unsigned v = (unsigned)p[0] << 16 | (left == 2 ? (unsigned)p[1] << 8 : 0);
        *to++ = (unsigned char)alphabet[v >> 18];
        *to++ = (unsigned char)alphabet[v >> 12 & 63];
        *to++ = left == 2 ? (unsigned char)alphabet[v >> 6 & 63] : '=';
        *to++ = '=';
    }
    out->len += (size_t)(to - from);
}

static int digit_of(char c) {
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

bool beamc__base64_decode(beamc_slice text, beamc_buf *out) {
    if (text.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        const char *p = text.ptr + i;
        int padding = i + 4 == text.len ? (p[3] == '=') + (p[3] == '=' && p[2] == '=') : 0;
        unsigned v = 0;
        for (int j = 0; j < 4; j++) {
            int digit = j >= 4 - padding ? 0 : digit_of(p[j]);
            if (digit < 0) {
                return false;
            }
            v = v << 6 | (unsigned)digit;
        }
        const unsigned char three[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                        (unsigned char)v};
        beamc_buf_put(out, three, (size_t)(3 - padding));
    }
    return true;
}
