/* records.c: see records.h. Open addressing, at most three quarters full. */
#include "worker/exec/records.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/exec/hash.h"

enum { FIRST_SLOTS = 16 };

void beamc__records_init(beamc_records *t, beamc_arena *arena) {
    *t = (beamc_records){.arena = arena};
}

void beamc__records_deinit(beamc_records *t) {
    free(t->slots);
    t->slots = NULL;
}

void beamc__records_clear(beamc_records *t) {
    if (t->mask > 4096) { /* one giant bundle must not slow down all that follow */
        free(t->slots);
        t->slots = NULL;
    }
    if (t->slots != NULL) {
        memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    }
    t->count = t->bytes = 0;
    t->first = t->last = NULL;
}

static beamc_record **slot_of(const beamc_records *t, uint64_t hash, beamc_slice key) {
    size_t i = hash & t->mask;
    while (t->slots[i] != NULL &&
           !(t->slots[i]->hash == hash && beamc_slice_eq(t->slots[i]->key, key))) {
        i = (i + 1) & t->mask;
    }
    return &t->slots[i];
}

static void grow(beamc_records *t) {
    size_t slots = t->slots != NULL ? 2 * (t->mask + 1) : FIRST_SLOTS;
    free(t->slots);
    t->slots = beamc__calloc(slots, sizeof(beamc_record *));
    t->mask = slots - 1;
    for (beamc_record *e = t->first; e != NULL; e = e->next) {
        *slot_of(t, e->hash, e->key) = e;
    }
}

void *beamc__records_find(const beamc_records *t, beamc_slice key) {
    return t->slots != NULL ? *slot_of(t, beamc_hash_bytes(key.ptr, key.len, 0), key) : NULL;
}

void *beamc__records_get(beamc_records *t, beamc_slice key, size_t size) {
    uint64_t hash = beamc_hash_bytes(key.ptr, key.len, 0);
    if (t->slots == NULL || t->count > t->mask - t->mask / 4) {
        grow(t);
    }
    beamc_record **slot = slot_of(t, hash, key);
    if (*slot != NULL) {
        return *slot;
    }
    beamc_record *e = beamc_arena_zalloc(t->arena, size);
    e->hash = hash;
    e->key = beamc_arena_copy(t->arena, key);
    if (t->last != NULL) {
        t->last->next = e;
    } else {
        t->first = e;
    }
    t->last = e;
    *slot = e;
    t->count++;
    t->bytes += size + key.len + 2 * sizeof(beamc_record *);
    return e;
}
