/* table.h: an open-addressing hash table from key bytes to a list of value bytes, in the order of
 * their arrival. Groups, side inputs and compaction stand on it.
 *
 * Entries keep the order of their insertion. Keys and small chunks come from blocks that live as long
 * as the table; values of one key lie in a chain of chunks that double in size, and chunks that
 * beamc__table_clear gives back are used again. Threads: one at a time. */
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
    uint64_t hash;
    const unsigned char *key;
    uint32_t key_len;
    uint32_t count; /* values */
    beamc_chunk *first, *last;
    beamc_time timestamp; /* the owner's to use */
} beamc_entry;

enum { BEAMC_TABLE_CLASSES = 28 };

typedef struct beamc_table {
    beamc_entry *entries;
    size_t count, cap;
    uint64_t *slots; /* upper half of the hash, lower half: entry + 1 */
    size_t mask;     /* slots - 1 */
    struct beamc_table_block *blocks;
    unsigned char *at, *end;                /* room in the newest block */
    beamc_chunk *free[BEAMC_TABLE_CLASSES]; /* by the logarithm of their size */
    size_t footprint;
    size_t extra_bytes; /* in chunks behind the first of their key: what clearing would give back */
} beamc_table;

/* Zero-initialise a table. */
void beamc__table_free(beamc_table *t);
/* NULL when it is not there. Entries move when one is put. */
beamc_entry *beamc__table_find(const beamc_table *t, uint64_t hash, beamc_slice key);
/* Finds it or adds it, then without values. */
beamc_entry *beamc__table_put(beamc_table *t, uint64_t hash, beamc_slice key);
void beamc__table_append(beamc_table *t, beamc_entry *e, beamc_slice value);
/* Brings the values of an entry into one chunk. */
void beamc__table_pack(beamc_table *t, beamc_entry *e);
/* Drops the values of an entry, which stays. */
void beamc__table_clear(beamc_table *t, beamc_entry *e);

static inline void beamc_table_prefetch(const beamc_table *t, uint64_t hash) {
    if (t->slots != NULL) {
        __builtin_prefetch(&t->slots[hash & t->mask]);
    }
}

static inline size_t beamc_entry_bytes(const beamc_entry *e) {
    size_t n = 0;
    for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
        n += c->len;
    }
    return n;
}

#endif
