/* index.c: the hash map of store.h. Open addressing, linear probing, at most three quarters full; a slot
 * holds the upper 16 bits of the hash beside the node's address, so that others are passed by unseen. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/store.h"

enum { TAG_SHIFT = 48, FIRST_SLOTS = 8 };

#define ADDRESS_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)

static inline beamc_index_node *node_of(uint64_t slot) {
    return (beamc_index_node *)(uintptr_t)(slot & ADDRESS_MASK);
}

static inline uint64_t slot_of(const beamc_index_node *n) {
    return (n->hash & ~ADDRESS_MASK) | (uint64_t)(uintptr_t)n;
}

beamc_index_node *beamc__index_find(const beamc_index *x, uint64_t hash, beamc_slice key) {
    if (x->slots == NULL) {
        return NULL;
    }
    for (size_t i = hash & x->mask; x->slots[i] != 0; i = (i + 1) & x->mask) {
        beamc_index_node *n = node_of(x->slots[i]);
        if ((x->slots[i] ^ hash) >> TAG_SHIFT == 0 && n->hash == hash &&
            beamc_slice_eq(n->key, key)) {
            return n;
        }
    }
    return NULL;
}

static void place(beamc_index *x, const beamc_index_node *n) {
    size_t i = n->hash & x->mask;
    while (x->slots[i] != 0) {
        i = (i + 1) & x->mask;
    }
    x->slots[i] = slot_of(n);
}

static void grow(beamc_index *x) {
    size_t count = x->slots == NULL ? FIRST_SLOTS : (x->mask + 1) * 2;
    free(x->slots);
    x->slots = beamc__calloc(count, sizeof *x->slots);
    x->mask = count - 1;
    for (const beamc_index_node *n = x->first; n != NULL; n = n->next) {
        place(x, n);
    }
}

void beamc__index_add(beamc_index *x, beamc_index_node *n) {
    if (x->slots == NULL || (x->count + 1) * 4 > (x->mask + 1) * 3) {
        grow(x);
    }
    place(x, n);
    n->prev = x->last;
    n->next = NULL;
    if (x->last != NULL) {
        x->last->next = n;
    } else {
        x->first = n;
    }
    x->last = n;
    x->count++;
}

/* Those behind an empty slot that it kept from their place move up. */
static void close_gap(beamc_index *x, size_t gap) {
    for (size_t i = (gap + 1) & x->mask; x->slots[i] != 0; i = (i + 1) & x->mask) {
        size_t home = node_of(x->slots[i])->hash & x->mask;
        if (((i - home) & x->mask) >= ((i - gap) & x->mask)) {
            x->slots[gap] = x->slots[i];
            gap = i;
        }
    }
    x->slots[gap] = 0;
}

void beamc__index_remove(beamc_index *x, beamc_index_node *n) {
    size_t i = n->hash & x->mask;
    while (node_of(x->slots[i]) != n) {
        i = (i + 1) & x->mask;
    }
    close_gap(x, i);
    if (n->prev != NULL) {
        n->prev->next = n->next;
    } else {
        x->first = n->next;
    }
    if (n->next != NULL) {
        n->next->prev = n->prev;
    } else {
        x->last = n->prev;
    }
    x->count--;
}

void beamc__index_free(beamc_index *x) {
    free(x->slots);
    *x = (beamc_index){0};
}
