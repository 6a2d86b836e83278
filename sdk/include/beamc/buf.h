/**
 * @file buf.h
 * A growable byte buffer that owns its memory. Zero-initialise it; free it with beamc_buf_free.
 * Threads: one at a time.
 */
#ifndef BEAMC_BUF_H
#define BEAMC_BUF_H

#include <beamc/error.h>
#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_buf {
    unsigned char *ptr;
    size_t len;
    size_t cap;
} beamc_buf;

void beamc_buf_free(beamc_buf *buf);
/** Makes room for @p more bytes behind `len`. Slow path of beamc_buf_room. */
void beamc_buf_grow(beamc_buf *buf, size_t more);
/** Formatted text behind what is there (no NUL is counted). */
void beamc_buf_printf(beamc_buf *buf, const char *fmt, ...) BEAMC_PRINTF(2, 3);

/** A pointer to @p more writable bytes at the end; advance `len` by what was written. */
static inline unsigned char *beamc_buf_room(beamc_buf *buf, size_t more) {
    if (__builtin_expect(buf->cap - buf->len < more, 0)) {
        beamc_buf_grow(buf, more);
    }
    return buf->ptr + buf->len;
}

static inline void beamc_buf_put(beamc_buf *buf, const void *src, size_t len) {
    unsigned char *to = beamc_buf_room(buf, len);
    if (len > 0) {
        memcpy(to, src, len);
        buf->len += len;
    }
}

static inline void beamc_buf_put_slice(beamc_buf *buf, beamc_slice s) {
    beamc_buf_put(buf, s.ptr, s.len);
}

static inline void beamc_buf_put_str(beamc_buf *buf, const char *text) {
    beamc_buf_put(buf, text, strlen(text));
}

static inline void beamc_buf_put_u8(beamc_buf *buf, unsigned value) {
    *beamc_buf_room(buf, 1) = (unsigned char)value;
    buf->len++;
}

static inline beamc_slice beamc_buf_slice(const beamc_buf *buf) {
    return beamc_slice_of(buf->ptr, buf->len);
}

static inline void beamc_buf_clear(beamc_buf *buf) {
    buf->len = 0;
}

#ifdef __cplusplus
}
#endif
#endif
