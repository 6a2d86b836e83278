/* slab.c: memory of the general grouper: pieces cut from blocks and kept by size when they are given
 * back, so that what one window gives up the next one takes. Sizes have two steps for each power of
 * two; what is larger than the largest is the system's business. Blocks go back when nothing is in
 * use. Threads: one at a time. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/general.h"

typedef struct beamc_slab_block {
    struct beamc_slab_block *next;
    size_t size;
    max_align_t data[];
} beamc_slab_block;

enum { FIRST_BLOCK = 4 * 1024, LARGEST_BLOCK = 128 * 1024, SMALLEST = 32 };

/* 32, 48, 64, 96, 128, ... */
static unsigned class_of(size_t size) {
    if (size <= SMALLEST) {
        return 0;
    }
    unsigned log = (unsigned)(63 - __builtin_clzll(size - 1)); /* 2^log < size <= 2^(log + 1) */
    bool half = size <= (size_t)3 << (log - 1);
    return (log - 5) * 2 + (half ? 1 : 2);
}

static size_t size_of(unsigned class) {
    size_t base = (size_t)SMALLEST << (class / 2);
    return (class & 1) != 0 ? base + base / 2 : base;
}

size_t beamc__slab_size(size_t size) {
    return size > BEAMC_SLAB_LARGEST ? size : size_of(class_of(size));
}

static void *cut(beamc_slab *s, size_t size) {
    if (size > (size_t)(s->end - s->at)) {
        size_t block = s->blocks == NULL ? FIRST_BLOCK : s->blocks->size * 2;
        block = block > LARGEST_BLOCK ? LARGEST_BLOCK : block;
        block = block < size ? size : block;
        beamc_slab_block *b = beamc__malloc(sizeof *b + block);
        b->next = s->blocks;
        b->size = block;
        s->blocks = b;
        s->footprint += sizeof *b + block;
        s->at = (unsigned char *)b->data;
        s->end = s->at + block;
    }
    void *piece = s->at;
    s->at += size;
    return piece;
}

void *beamc__slab_alloc(beamc_slab *s, size_t size) {
    s->live++;
    if (size > BEAMC_SLAB_LARGEST) {
        s->footprint += size;
        return beamc__malloc(size);
    }
    unsigned class = class_of(size);
    void *piece = s->free[class];
    if (piece == NULL) {
        return cut(s, size_of(class));
    }
    memcpy(&s->free[class], piece, sizeof piece);
    return piece;
}

void beamc__slab_free(beamc_slab *s, void *piece, size_t size) {
    s->live--;
    if (size > BEAMC_SLAB_LARGEST) {
        s->footprint -= size;
        free(piece);
        return;
    }
    unsigned class = class_of(size);
    memcpy(piece, &s->free[class], sizeof piece);
    s->free[class] = piece;
}

void beamc__slab_reset(beamc_slab *s) {
    while (s->blocks != NULL) {
        beamc_slab_block *next = s->blocks->next;
        free(s->blocks);
        s->blocks = next;
    }
    *s = (beamc_slab){0};
}
