/**
 * @file arena.h
 * A bump allocator: everything in it is released at once.
 *
 * Threads: one at a time. Memory is 16-byte aligned and not zeroed unless the function says so.
 */
#ifndef BEAMC_ARENA_H
#define BEAMC_ARENA_H

#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_arena beamc_arena;

/** A place in an arena to rewind to. */
typedef struct beamc_arena_mark {
    void *block;
    size_t used;
} beamc_arena_mark;

/** A new arena on the heap. Never NULL. @p block_bytes is the size of its blocks; 0 means 64 KiB. */
beamc_arena *beamc_arena_new(size_t block_bytes);
void beamc_arena_free(beamc_arena *arena);

/** @p size bytes (0 gives a valid pointer), owned by the arena. Never NULL. */
void *beamc_arena_alloc(beamc_arena *arena, size_t size);
/** The same, zeroed. */
void *beamc_arena_zalloc(beamc_arena *arena, size_t size);
/** A copy of @p s in the arena. */
beamc_slice beamc_arena_copy(beamc_arena *arena, beamc_slice s);
/** A NUL-terminated copy of @p s. */
char *beamc_arena_cstr(beamc_arena *arena, beamc_slice s);
/** A formatted, NUL-terminated string. */
char *beamc_arena_printf(beamc_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Remember the present state, and later drop all that was allocated since. Marks nest. */
beamc_arena_mark beamc_arena_get_mark(const beamc_arena *arena);
void beamc_arena_rewind(beamc_arena *arena, beamc_arena_mark mark);
/** Drops everything and keeps the first blocks for reuse. */
void beamc_arena_reset(beamc_arena *arena);
/** Bytes that the arena holds from the system. */
size_t beamc_arena_footprint(const beamc_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
