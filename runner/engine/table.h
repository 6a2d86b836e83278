/* table.h: an open-addressing hash table from key bytes to a list of value bytes, in the order of
 * their arrival. Groups and side inputs stand on it.
 *
 * A look-up touches two places: a slot, and the entry with its key and first values behind it. Entries
 * come from blocks that live as long as the table and are linked in the order of their insertion, which
 * is also their order in memory. Values of one key lie in a chain of chunks that double in size; chunks
 * that beamc__table_clear gives back are used again. Threads: one at a time. */
#ifndef BEAMC_ENGINE_TABLE_H
#define BEAMC_ENGINE_TABLE_H

#include <beamc/slice.h>
#include <beamc/value.h>

typedef struct beamc_chunk {
    struct beamc_chunk *next;
    uint32_t len, cap;
    unsigned char bytes[];
} beamc_chunk;

typedef struct beamc_entry {
    struct beamc_entry *next; /* inserted after this one */
    uint64_t hash;
    beamc_time timestamp; /* the owner's to use; INT64_MIN at first */
    beamc_chunk *last;
    beamc_chunk *first; /* behind the key */
    uint32_t key_len;
    uint32_t count; /* values */
    unsigned char key[];
} beamc_entry;

enum { BEAMC_TABLE_CLASSES = 28 };

typedef struct beamc_table {
    beamc_entry *first, *last;
    size_t count;
    uint64_t *slots; /* upper 16 bits of the hash, address of the entry */
    size_t mask;     /* slots - 1 */
    struct beamc_table_block *blocks;
    unsigned char *at, *end;                /* room in the newest block */
    beamc_chunk *free[BEAMC_TABLE_CLASSES]; /* by the logarithm of their size */
    size_t footprint;
    size_t extra_bytes; /* in chunks behind the first of their key: what clearing would give back */
} beamc_table;

/* Zero-initialise a table. */
void beamc__table_free(beamc_table *t);
/* NULL when it is not there. Entries do not move. */
beamc_entry *beamc__table_find(const beamc_table *t, uint64_t hash, beamc_slice key);
/* Finds it or adds it, then without values but with room for one of @p value_len bytes. */
beamc_entry *beamc__table_put(beamc_table *t, uint64_t hash, beamc_slice key, size_t value_len);
void beamc__table_append(beamc_table *t, beamc_entry *e, beamc_slice value);
/* Brings the values of an entry into one chunk. */
void beamc__table_pack(beamc_table *t, beamc_entry *e);
/* Drops the values of an entry, which stays. */
void beamc__table_clear(beamc_table *t, beamc_entry *e);

enum { BEAMC_TABLE_TAG_SHIFT = 48 };

/* Two steps of bringing an entry near: first its slot, a while later the entry that the slot names. */
static inline void beamc_table_prefetch_slot(const beamc_table *t, uint64_t hash) {
    __builtin_prefetch(&t->slots[hash & t->mask]);
}

static inline void beamc_table_prefetch_entry(const beamc_table *t, uint64_t hash) {
    uint64_t slot = t->slots[hash & t->mask];
    const char *e = (const char *)(uintptr_t)(slot & ((1ull << BEAMC_TABLE_TAG_SHIFT) - 1));
    __builtin_prefetch(e);
    __builtin_prefetch(e + 64);
}

static inline size_t beamc_entry_bytes(const beamc_entry *e) {
    size_t n = 0;
    for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
        n += c->len;
    }
    return n;
}

#endif
