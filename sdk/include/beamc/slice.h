/**
 * @file slice.h
 * A borrowed run of bytes, passed by value. It is never NUL-terminated and may hold any byte.
 */
#ifndef BEAMC_SLICE_H
#define BEAMC_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that somebody else owns. `ptr` may be NULL only when `len` is 0. */
typedef struct beamc_slice {
    const char *ptr;
    size_t len;
} beamc_slice;

/** A slice of a string literal, usable in static initialisers. */
#define BEAMC_STR(literal)                                                                         \
    { (literal), sizeof(literal) - 1 }

/** printf: `"%.*s"` with BEAMC_SLICE_ARG(s). */
#define BEAMC_SLICE_ARG(s)                                                                         \
    ((int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len)), ((s).ptr ? (s).ptr : "")

/** The slice of a C string (NULL gives the empty slice). */
static inline beamc_slice beamc_str(const char *text) {
    beamc_slice s = {text, text ? strlen(text) : 0};
    return s;
}

static inline beamc_slice beamc_slice_of(const void *ptr, size_t len) {
    beamc_slice s = {(const char *)ptr, len};
    return s;
}

static inline bool beamc_slice_eq(beamc_slice a, beamc_slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/** Byte order, shorter first among equals: the order of memcmp. */
static inline int beamc_slice_cmp(beamc_slice a, beamc_slice b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool beamc_slice_starts_with(beamc_slice s, beamc_slice prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

#ifdef __cplusplus
}
#endif
#endif
