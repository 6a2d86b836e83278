/* arena.c: bump allocation in a chain of blocks.
 *
 * Blocks behind the current one are kept after a rewind and reused, so a steady load allocates
 * nothing. With AddressSanitizer what was rewound is poisoned, so that a kept pointer fails the
 * first test that touches it. */
#include <beamc/arena.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 16, DEFAULT_BLOCK = 64 * 1024 };

typedef struct block {
    struct block *next;
    size_t size; /* bytes of data[] */
    _Alignas(ALIGN) unsigned char data[];
} block;

struct beamc_arena {
    block *first;
    block *current;
    size_t used; /* of current */
    size_t block_bytes;
};

static block *block_new(size_t size) {
    block *b = beamc__malloc(sizeof *b + size);
    b->next = NULL;
    b->size = size;
    POISON(b->data, size);
    return b;
}

beamc_arena *beamc_arena_new(size_t block_bytes) {
    beamc_arena *a = beamc__malloc(sizeof *a);
    a->block_bytes = block_bytes != 0 ? block_bytes : DEFAULT_BLOCK;
    a->first = a->current = block_new(a->block_bytes);
    a->used = 0;
    return a;
}

void beamc_arena_free(beamc_arena *arena) {
    if (arena == NULL) {
        return;
    }
    for (block *b = arena->first; b != NULL;) {
        block *next = b->next;
        UNPOISON(b->data, b->size);
        free(b);
        b = next;
    }
    free(arena);
}

/* Moves on to a block with room for @p size: the next one if it is large enough, else a new one
 * put in between. */
static void next_block(beamc_arena *a, size_t size) {
    block *next = a->current->next;
    if (next == NULL || next->size < size) {
        block *b = block_new(size > a->block_bytes ? size : a->block_bytes);
        b->next = next;
        a->current->next = b;
        next = b;
    }
    a->current = next;
    a->used = 0;
}

void *beamc_arena_alloc(beamc_arena *arena, size_t size) {
    if (size > SIZE_MAX - sizeof(block) - ALIGN) {
        beamc__oom(size);
    }
    size_t want = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (arena->current->size - arena->used < want) {
        next_block(arena, want);
    }
    void *p = arena->current->data + arena->used;
    arena->used += want;
    UNPOISON(p, size);
    return p;
}

void *beamc_arena_zalloc(beamc_arena *arena, size_t size) {
    return memset(beamc_arena_alloc(arena, size), 0, size);
}

beamc_slice beamc_arena_copy(beamc_arena *arena, beamc_slice s) {
    char *p = beamc_arena_alloc(arena, s.len);
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    return beamc_slice_of(p, s.len);
}

char *beamc_arena_cstr(beamc_arena *arena, beamc_slice s) {
    char *p = beamc_arena_alloc(arena, s.len + 1);
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    p[s.len] = '\0';
    return p;
}

char *beamc_arena_printf(beamc_arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t len = n > 0 ? (size_t)n : 0;
    char *p = beamc_arena_alloc(arena, len + 1);
    vsnprintf(p, len + 1, fmt, again);
    va_end(again);
    return p;
}

beamc_arena_mark beamc_arena_get_mark(const beamc_arena *arena) {
    return (beamc_arena_mark){arena->current, arena->used};
}

void beamc_arena_rewind(beamc_arena *arena, beamc_arena_mark mark) {
    block *b = mark.block;
    POISON(b->data + mark.used, b->size - mark.used);
    for (block *later = b; later != arena->current;) {
        later = later->next;
        POISON(later->data, later->size);
    }
    arena->current = b;
    arena->used = mark.used;
}

void beamc_arena_reset(beamc_arena *arena) {
    beamc_arena_rewind(arena, (beamc_arena_mark){arena->first, 0});
    /* A giant element must not stay for ever: keep ordinary blocks only. */
    for (block **link = &arena->first->next; *link != NULL;) {
        block *b = *link;
        if (b->size > arena->block_bytes) {
            *link = b->next;
            UNPOISON(b->data, b->size);
            free(b);
        } else {
            link = &b->next;
        }
    }
}

size_t beamc_arena_footprint(const beamc_arena *arena) {
    size_t sum = 0;
    for (const block *b = arena->first; b != NULL; b = b->next) {
        sum += b->size;
    }
    return sum;
}
