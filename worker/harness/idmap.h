/* idmap.h: a hash table of things that carry their own entry and key. It owns neither.
 * Zero-initialise it. Threads: one at a time. */
#ifndef BEAMC_HARNESS_IDMAP_H
#define BEAMC_HARNESS_IDMAP_H

#include <beamc/slice.h>

typedef struct beamc_idmap_entry {
    struct beamc_idmap_entry *next;
    uint64_t hash;
    beamc_slice key;
} beamc_idmap_entry;

typedef struct beamc_idmap {
    beamc_idmap_entry **slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
} beamc_idmap;

/* The thing that holds the map entry at @p entry (NULL gives NULL). */
#define BEAMC_IDMAP_OWNER(entry, type, member)                                                     \
    ((type *)beamc_idmap_owner((entry), offsetof(type, member)))

static inline void *beamc_idmap_owner(const beamc_idmap_entry *entry, size_t offset) {
    return entry != NULL ? (void *)((uintptr_t)entry - offset) : NULL;
}

/* Frees the table, not what is in it. */
void beamc__idmap_deinit(beamc_idmap *map);
/* NULL when there is none. */
beamc_idmap_entry *beamc__idmap_find(const beamc_idmap *map, beamc_slice key);
/* Adds @p entry under @p key, which must stay where it is and must not be in the map. */
void beamc__idmap_add(beamc_idmap *map, beamc_idmap_entry *entry, beamc_slice key);
/* Takes out an entry that is in the map. */
void beamc__idmap_remove(beamc_idmap *map, beamc_idmap_entry *entry);
/* Calls @p fn for each entry; it may take out the one that it is given, and nothing else. */
void beamc__idmap_each(beamc_idmap *map, void (*fn)(void *arg, beamc_idmap_entry *entry),
                       void *arg);

#endif
