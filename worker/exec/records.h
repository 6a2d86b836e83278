/* records.h: a map from byte strings to records, in the order of their creation.
 *
 * A record starts with a beamc_record and lives, with its key, in the table's arena until the table is
 * cleared. Threads: one at a time. */
#ifndef BEAMC_EXEC_RECORDS_H
#define BEAMC_EXEC_RECORDS_H

#include <beamc/arena.h>
#include <beamc/slice.h>

typedef struct beamc_record {
    struct beamc_record *next;
    uint64_t hash;
    beamc_slice key;
} beamc_record;

typedef struct beamc_records {
    beamc_arena *arena; /* borrowed */
    beamc_record **slots;
    size_t mask;
    size_t count;
    size_t bytes; /* of keys and records */
    beamc_record *first;
    beamc_record *last;
} beamc_records;

void beamc__records_init(beamc_records *t, beamc_arena *arena);
void beamc__records_deinit(beamc_records *t);
/* Forgets all records. Their memory goes when the arena's owner resets it. */
void beamc__records_clear(beamc_records *t);
/* NULL when there is none. */
void *beamc__records_find(const beamc_records *t, beamc_slice key);
/* The record of @p key; a new one has @p size zeroed bytes behind its header. */
void *beamc__records_get(beamc_records *t, beamc_slice key, size_t size);

#endif
