/* index.c: the hash map of store.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/store.h"

beamc_index_node *beamc__index_find(const beamc_index *x, uint64_t hash, beamc_slice key) {
    if (x->buckets == NULL) {
        return NULL;
    }
    beamc_index_node *n = x->buckets[hash & x->mask];
    while (n != NULL && (n->hash != hash || !beamc_slice_eq(n->key, key))) {
        n = n->chain;
    }
    return n;
}

static void grow(beamc_index *x) {
    size_t count = x->buckets == NULL ? 8 : (x->mask + 1) * 2;
    free(x->buckets);
    x->buckets = beamc__calloc(count, sizeof *x->buckets);
    x->mask = count - 1;
    for (beamc_index_node *n = x->first; n != NULL; n = n->next) {
        n->chain = x->buckets[n->hash & x->mask];
        x->buckets[n->hash & x->mask] = n;
    }
}

void beamc__index_add(beamc_index *x, beamc_index_node *n) {
    if (x->buckets == NULL || x->count > x->mask) {
        grow(x);
    }
    n->chain = x->buckets[n->hash & x->mask];
    x->buckets[n->hash & x->mask] = n;
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

void beamc__index_remove(beamc_index *x, beamc_index_node *n) {
    beamc_index_node **at = &x->buckets[n->hash & x->mask];
    while (*at != n) {
        at = &(*at)->chain;
    }
    *at = n->chain;
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
    free(x->buckets);
    *x = (beamc_index){0};
}
