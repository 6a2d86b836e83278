/* json_scan.h: where the plain part of a JSON string ends. Shared by reading and writing. */
#ifndef BEAMC_BASE_JSON_SCAN_H
#define BEAMC_BASE_JSON_SCAN_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BEAMC_JSON_EIGHT_(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte from @p p on that does not stand for itself: a control character, a quote, a
 * backslash, or one of a longer UTF-8 sequence; @p end if there is none. */
static inline const unsigned char *beamc_json_plain_end(const unsigned char *p,
                                                        const unsigned char *end) {
#ifdef __SSE2__
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Bytes from 0x80 on are negative: one signed comparison finds them and the controls. */
        __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
        __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
        __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
        int mask = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
        if (mask != 0) {
            return p + __builtin_ctz((unsigned)mask);
        }
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        uint64_t quote = x ^ BEAMC_JSON_EIGHT_('"');
        uint64_t backslash = x ^ BEAMC_JSON_EIGHT_('\\');
        /* The high bit of a byte is set if it is 0 in the latter two, below 0x20 in x, or above
         * 0x7f; false alarms only behind a true one. */
        uint64_t hit = ((x - BEAMC_JSON_EIGHT_(0x20)) & ~x) |
                       ((quote - BEAMC_JSON_EIGHT_(1)) & ~quote) |
                       ((backslash - BEAMC_JSON_EIGHT_(1)) & ~backslash) | x;
        if ((hit & BEAMC_JSON_EIGHT_(0x80)) != 0) {
            break;
        }
        p += 8;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

#endif
