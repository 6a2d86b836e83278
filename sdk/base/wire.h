/* wire.h: the bounds-checked cursor over bytes from outside, and the writers that mirror it.
 *
 * Every reader returns false and leaves the cursor where it was when the bytes run out or are
 * malformed; nothing here ever reads past `end`. Inline: these are the hot wire paths. */
#ifndef BEAMC_BASE_WIRE_H
#define BEAMC_BASE_WIRE_H

#include <beamc/buf.h>
#include <beamc/slice.h>

typedef struct beamc_cursor {
    const unsigned char *p;
    const unsigned char *end;
} beamc_cursor;

static inline beamc_cursor beamc_cursor_of(beamc_slice s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    beamc_cursor c = {p, p + s.len};
    return c;
}

static inline size_t beamc_cursor_left(const beamc_cursor *c) {
    return (size_t)(c->end - c->p);
}

static inline bool beamc_get_u8(beamc_cursor *c, unsigned *out) {
    if (c->p == c->end) {
        return false;
    }
    *out = *c->p++;
    return true;
}

bool beamc__get_varint_slow(beamc_cursor *c, uint64_t *out);

/* Unsigned LEB128, at most 10 bytes; a longer or overflowing one is malformed. */
static inline bool beamc_get_varint(beamc_cursor *c, uint64_t *out) {
    if (__builtin_expect(c->p < c->end && *c->p < 0x80, 1)) {
        *out = *c->p++;
        return true;
    }
    return beamc__get_varint_slow(c, out);
}

static inline bool beamc_get_be32(beamc_cursor *c, uint32_t *out) {
    if (beamc_cursor_left(c) < 4) {
        return false;
    }
    uint32_t v;
    memcpy(&v, c->p, 4);
    *out = __builtin_bswap32(v);
    c->p += 4;
    return true;
}

static inline bool beamc_get_be64(beamc_cursor *c, uint64_t *out) {
    if (beamc_cursor_left(c) < 8) {
        return false;
    }
    uint64_t v;
    memcpy(&v, c->p, 8);
    *out = __builtin_bswap64(v);
    c->p += 8;
    return true;
}

static inline bool beamc_get_bytes(beamc_cursor *c, size_t len, beamc_slice *out) {
    if (beamc_cursor_left(c) < len) {
        return false;
    }
    *out = beamc_slice_of(c->p, len);
    c->p += len;
    return true;
}

/* A varint length and that many bytes. */
static inline bool beamc_get_prefixed(beamc_cursor *c, beamc_slice *out) {
    beamc_cursor at = *c;
    uint64_t len;
    if (!beamc_get_varint(&at, &len) || len > beamc_cursor_left(&at)) {
        return false;
    }
    *out = beamc_slice_of(at.p, (size_t)len);
    c->p = at.p + len;
    return true;
}

/* Writes a varint at @p to (10 bytes of room) and returns the byte behind it. */
static inline unsigned char *beamc_write_varint(unsigned char *to, uint64_t v) {
    while (v >= 0x80) {
        *to++ = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    *to++ = (unsigned char)v;
    return to;
}

static inline size_t beamc_varint_size(uint64_t v) {
    return (size_t)(64 - __builtin_clzll(v | 1) + 6) / 7;
}

static inline void beamc_put_varint(beamc_buf *buf, uint64_t v) {
    unsigned char *to = beamc_buf_room(buf, 10);
    buf->len += (size_t)(beamc_write_varint(to, v) - to);
}

static inline void beamc_put_be32(beamc_buf *buf, uint32_t v) {
    uint32_t x = __builtin_bswap32(v);
    memcpy(beamc_buf_room(buf, 4), &x, 4);
    buf->len += 4;
}

static inline void beamc_put_be64(beamc_buf *buf, uint64_t v) {
    uint64_t x = __builtin_bswap64(v);
    memcpy(beamc_buf_room(buf, 8), &x, 8);
    buf->len += 8;
}

static inline void beamc_put_prefixed(beamc_buf *buf, beamc_slice s) {
    beamc_put_varint(buf, s.len);
    beamc_buf_put_slice(buf, s);
}

/* Beam orders signed times as unsigned bytes: big-endian with the sign bit flipped. */
static inline uint64_t beamc_time_to_wire(int64_t t) {
    return (uint64_t)t ^ (1ull << 63);
}

static inline int64_t beamc_time_from_wire(uint64_t w) {
    return (int64_t)(w ^ (1ull << 63));
}

#endif
