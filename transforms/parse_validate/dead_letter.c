/* dead_letter.c: the payload as text, with nothing lost and nothing too large. */
#include "dead_letter.h"

static const char replacement[3] = {'\xEF', '\xBF', '\xBD'}; /* U+FFFD */

/* The length of the well-formed UTF-8 sequence at @p p, or 0; *bad is then the length of the maximal
 * ill-formed subsequence there (Unicode 15, section 3.9, "Substitution of Maximal Subparts"). */
static size_t utf8_sequence(const unsigned char *p, size_t left, size_t *bad) {
    unsigned lead = p[0];
    *bad = 1;
    if (lead < 0x80) {
        return 1;
    }
    size_t need = lead >= 0xC2 && lead <= 0xDF   ? 1
                  : lead >= 0xE0 && lead <= 0xEF ? 2
                  : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                 : 0;
    if (need == 0) {
        return 0;
    }
    /* The first continuation byte is where overlong forms, surrogates and what is over U+10FFFF show. */
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i <= need; i++) {
        if (i >= left || p[i] < low || p[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return need + 1;
}

/* The first byte that does not belong to well-formed UTF-8, or the length. */
static size_t utf8_valid_prefix(beamc_slice s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    size_t bad;
    while (i < s.len) {
        size_t n = utf8_sequence(p + i, s.len - i, &bad);
        if (n == 0) {
            return i;
        }
        i += n;
    }
    return i;
}

/* A copy in which each maximal ill-formed subsequence is one U+FFFD. */
static beamc_slice utf8_repair(beamc_ctx *ctx, beamc_slice s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    char *to = beamc_alloc(ctx, s.len * sizeof replacement);
    size_t len = 0;
    for (size_t i = 0; i < s.len;) {
        size_t bad;
        size_t n = utf8_sequence(p + i, s.len - i, &bad);
        if (n > 0) {
            memcpy(to + len, p + i, n);
            len += n;
            i += n;
        } else {
            memcpy(to + len, replacement, sizeof replacement);
            len += sizeof replacement;
            i += bad;
        }
    }
    return beamc_slice_of(to, len);
}

static beamc_slice base64(beamc_ctx *ctx, beamc_slice s) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s.ptr;
    char *to = beamc_alloc(ctx, (s.len + 2) / 3 * 4);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        unsigned v =
            (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0u);
        to[len++] = digits[v >> 18 & 63];
        to[len++] = digits[v >> 12 & 63];
        to[len++] = n > 1 ? digits[v >> 6 & 63] : '=';
        to[len++] = n > 2 ? digits[v & 63] : '=';
    }
    return beamc_slice_of(to, len);
}

/* Bytes of @p s as a JSON string; escapes are at most six bytes for one. */
static size_t json_size(beamc_slice s) {
    size_t n = s.len + 2;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            n += 1;
        } else if (c < 0x20) {
            n += 5;
        }
    }
    return n;
}

/* At most @p max bytes of well-formed text, not cutting a character. */
static beamc_slice cut(beamc_slice s, size_t max) {
    if (s.len > max) {
        while (max > 0 && ((unsigned char)s.ptr[max] & 0xC0) == 0x80) {
            max--;
        }
        s.len = max;
    }
    return s;
}

void beamc__dead_letter_fill(beamc_ctx *ctx, beamc_slice event_type, beamc_slice error,
                             beamc_slice payload, uint64_t payload_size, beamc_dead_letter *out) {
    enum { OTHER_FIELDS = 4096, MAX_GROWTH = 6 };
    memset(out, 0, sizeof *out);
    out->event_type = event_type;
    out->error = error;
    bool well_formed = utf8_valid_prefix(payload) == payload.len;
    out->payload = well_formed ? payload : utf8_repair(ctx, payload);
    size_t base64_size = well_formed ? 0 : (payload.len + 2) / 3 * 4;
    bool large = payload_size > payload.len;
    if (!large &&
        out->payload.len * MAX_GROWTH + base64_size + OTHER_FIELDS > DEAD_LETTER_MAX_BYTES) {
        large = json_size(out->payload) + base64_size + OTHER_FIELDS > DEAD_LETTER_MAX_BYTES;
    }
    if (large) {
        /* The bytes as such would not fit either: they go to the overflow, where that is set. */
        out->payload = cut(out->payload, DEAD_LETTER_CUT_BYTES);
        out->truncated = out->has_truncated = true;
        out->payload_size = (int64_t)payload_size;
        out->has_payload_size = true;
    } else if (!well_formed) {
        out->payload_base64 = base64(ctx, payload);
        out->has_payload_base64 = true;
    }
}
