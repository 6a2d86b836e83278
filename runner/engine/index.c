/* index.c: the hash map of store.h. Open addressing, linear probing, at most three quarters full; a slot
 * holds the upper 16 bits of the hash beside the node's address, so that others are passed by unseen, and
 * the lower 32 bits lie beside the slots, so that growing does not look at the nodes. */
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
    for (size_t i = (uint32_t)hash & x->mask; x->slots[i] != 0; i = (i + 1) & x->mask) {
        beamc_index_node *n = node_of(x->slots[i]);
        if ((x->slots[i] ^ hash) >> TAG_SHIFT == 0 && n->hash == hash &&
            beamc_slice_eq(n->key, key)) {
            return n;
        }
    }
    return NULL;
}

static void place(beamc_index *x, uint64_t slot, uint32_t low) {
    size_t i = low & x->mask;
    while (x->slots[i] != 0) {
        i = (i + 1) & x->mask;
    }
    x->slots[i] = slot;
    x->lows[i] = low;
}

static void grow(beamc_index *x) {
    size_t old_count = x->slots == NULL ? 0 : x->mask + 1;
    size_t count = old_count == 0 ? FIRST_SLOTS : old_count * 2;
    uint64_t *slots = x->slots;
    uint32_t *lows = x->lows;
    x->slots = beamc__calloc(count, sizeof *x->slots);
    x->lows = beamc__malloc(count * sizeof *x->lows);
    x->mask = count - 1;
    for (size_t i = 0; i < old_count; i++) {
        if (slots[i] != 0) {
            place(x, slots[i], lows[i]);
        }
    }
    free(slots);
    free(lows);
}

void beamc__index_add(beamc_index *x, beamc_index_node *n) {
    if (x->slots == NULL || (x->count + 1) * 4 > (x->mask + 1) * 3) {
        grow(x);
    }
    place(x, slot_of(n), (uint32_t)n->hash);
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
        size_t home = x->lows[i] & x->mask;
        if (((i - home) & x->mask) >= ((i - gap) & x->mask)) {
            x->slots[gap] = x->slots[i];
            x->lows[gap] = x->lows[i];
            gap = i;
        }
    }
    x->slots[gap] = 0;
}

void beamc__index_remove(beamc_index *x, beamc_index_node *n) {
    size_t i = (uint32_t)n->hash & x->mask;
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
    free(x->lows);
    *x = (beamc_index){0};
}
