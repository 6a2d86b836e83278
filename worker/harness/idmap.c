/* idmap.c: see idmap.h. Chained; doubles when it is full. */
#include "worker/harness/idmap.h"

#include <stdlib.h>

#include "base/mem.h"

static uint64_t mix(uint64_t a, uint64_t b) {
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash_of(beamc_slice s) {
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd1b54a32d192ed03);
    uint64_t h = mix(s.len ^ k0, k1);
    while (s.len > 0) {
        size_t n = s.len < 8 ? s.len : 8;
        uint64_t v = 0;
        memcpy(&v, s.ptr, n);
        h = mix(h ^ v ^ k0, k1 ^ n);
        s.ptr += n;
        s.len -= n;
    }
    return h;
}

static void grow(beamc_idmap *map) {
    size_t cap = map->cap != 0 ? map->cap * 2 : 16;
    beamc_idmap_entry **slots = beamc__calloc(cap, sizeof(beamc_idmap_entry *));
    for (size_t i = 0; i < map->cap; i++) {
        for (beamc_idmap_entry *e = map->slots[i]; e != NULL;) {
            beamc_idmap_entry *next = e->next;
            e->next = slots[e->hash & (cap - 1)];
            slots[e->hash & (cap - 1)] = e;
            e = next;
        }
    }
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
}

void beamc__idmap_deinit(beamc_idmap *map) {
    free(map->slots);
    *map = (beamc_idmap){0};
}

beamc_idmap_entry *beamc__idmap_find(const beamc_idmap *map, beamc_slice key) {
    if (map->count == 0) {
        return NULL;
    }
    uint64_t hash = hash_of(key);
    beamc_idmap_entry *e = map->slots[hash & (map->cap - 1)];
    while (e != NULL && (e->hash != hash || !beamc_slice_eq(e->key, key))) {
        e = e->next;
    }
    return e;
}

void beamc__idmap_add(beamc_idmap *map, beamc_idmap_entry *entry, beamc_slice key) {
    if (map->count == map->cap) {
        grow(map);
    }
    entry->key = key;
    entry->hash = hash_of(key);
    beamc_idmap_entry **slot = &map->slots[entry->hash & (map->cap - 1)];
    entry->next = *slot;
    *slot = entry;
    map->count++;
}

void beamc__idmap_remove(beamc_idmap *map, beamc_idmap_entry *entry) {
    beamc_idmap_entry **at = &map->slots[entry->hash & (map->cap - 1)];
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    map->count--;
}

void beamc__idmap_each(beamc_idmap *map, void (*fn)(void *arg, beamc_idmap_entry *entry),
                       void *arg) {
    for (size_t i = 0; i < map->cap; i++) {
        for (beamc_idmap_entry *e = map->slots[i]; e != NULL;) {
            beamc_idmap_entry *next = e->next;
            fn(arg, e);
            e = next;
        }
    }
}
