/* utf8.h: well-formed UTF-8 (Unicode, table 3-7), one sequence at a time. */
#ifndef BEAMC_BASE_UTF8_H
#define BEAMC_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the sequence at @p p (p < end), of one to four bytes. When it is ill-formed, *ok is
 * false and the length is that of its maximal subpart, which one U+FFFD stands for. */
static inline size_t beamc_utf8_step(const unsigned char *p, const unsigned char *end, bool *ok) {
    unsigned lead = p[0];
    unsigned low = 0x80;
    unsigned high = 0xBF;
    size_t len;
    *ok = true;
    if (lead < 0x80) {
        return 1;
    }
    *ok = false;
    if (lead >= 0xC2 && lead <= 0xDF) {
        len = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        len = 3;
        low = lead == 0xE0 ? 0xA0 : 0x80;  /* no overlong form */
        high = lead == 0xED ? 0x9F : 0xBF; /* no surrogate */
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        len = 4;
        low = lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xF4 ? 0x8F : 0xBF; /* nothing above U+10FFFF */
    } else {
        return 1;
    }
    for (size_t i = 1; i < len; i++) {
        if (p + i == end || p[i] < low || p[i] > high) {
            return i;
        }
        low = 0x80;
        high = 0xBF;
    }
    *ok = true;
    return len;
}

#endif
