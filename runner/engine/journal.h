/* journal.h: where a job that can be continued keeps what it has not finished: records, name -> data, that
 * change together or not at all. runner/state_dir.c is the one on disk; the engine knows no more than this.
 *
 * Names begin with a kind (beamc_record_kind) and the index of a node, 4 bytes big-endian: all that belongs
 * together stands together, in the order of the bytes.
 *
 * Threads: put, remove and commit by one thread at a time; scan by any. */
#ifndef BEAMC_ENGINE_JOURNAL_H
#define BEAMC_ENGINE_JOURNAL_H

#include <beamc/error.h>
#include <beamc/slice.h>

typedef enum beamc_record_kind {
    BEAMC_RECORD_SEALED =
        'B', /* node, bundle (8 bytes), place (4): a piece of a bundle that is settled */
    BEAMC_RECORD_CELL = 'C',   /* node, scope: user state of a key in a window */
    BEAMC_RECORD_ENGINE = 'E', /* counters and watermarks */
    BEAMC_RECORD_GROUP = 'G',  /* node, name given by the grouper */
    BEAMC_RECORD_KEYED = 'K',  /* node, shard (1), number (8): queued input of a stateful stage */
    BEAMC_RECORD_METRICS = 'M',
    BEAMC_RECORD_QUEUE = 'Q',  /* node, number (8): queued input */
    BEAMC_RECORD_TIMERS = 'T', /* node, scope: timers of a key in a window */
    BEAMC_RECORD_VIEW = 'V'    /* view, number (8): elements of a side input */
} beamc_record_kind;

typedef struct beamc_journal beamc_journal;

/* Slices hold for the call. */
typedef beamc_status (*beamc_journal_fn)(void *arg, beamc_slice name, beamc_slice data,
                                         beamc_error *err);

typedef struct beamc_journal_ops {
    /* Changes for the next commit; kept in memory until then. The last one of a name counts. */
    void (*put)(beamc_journal *j, beamc_slice name, beamc_slice data);
    void (*remove)(beamc_journal *j, beamc_slice name);
    /* Makes them lasting, all or none. After a failure the journal is as before the first of them. */
    beamc_status (*commit)(beamc_journal *j, beamc_error *err);
    /* Calls @p fn for what is committed under names that begin with @p prefix, in their order. What is
     * damaged is an error of its own (DATA_LOSS). */
    beamc_status (*scan)(beamc_journal *j, beamc_slice prefix, beamc_journal_fn fn, void *arg,
                         beamc_error *err);
} beamc_journal_ops;

struct beamc_journal {
    const beamc_journal_ops *ops;
};

#endif
