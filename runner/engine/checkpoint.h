/* checkpoint.h: a job that can be continued, see journal.h.
 *
 * Now and then (some times a second, or when there is nothing else to do) the engine comes to rest: no task
 * begins until all that run have ended. What has changed since the last time is then handed to the journal
 * in one go (checkpoint.c, save_*.c), work goes on, and one thread makes it lasting meanwhile. After a crash
 * everything is as it was at the last commit (restore.c): what came after it is done again.
 *
 * What must not see other input when it is done again, a stage with requires_stable_input, gets its
 * bundles here: when the engine rests, what is queued for it is settled as bundles with a number, which run
 * once they are in the journal. Run again after a crash, they have the same number and the same input.
 * Finalizers, too, wait until their bundle is in the journal.
 *
 * Threads: everything here with the engine's mu held, except where it says otherwise. */
#ifndef BEAMC_ENGINE_CHECKPOINT_H
#define BEAMC_ENGINE_CHECKPOINT_H

#include "runner/engine/impl.h"
#include "runner/engine/journal.h"

/* A bundle of a stable stage that is settled. */
typedef struct beamc_sealed {
    struct beamc_sealed *next;
    uint64_t number;
    beamc_pieces pieces;
    size_t bytes;
    beamc_time hold;
    bool lasting; /* in the journal: it may run */
} beamc_sealed;

typedef struct beamc_waiting_finalizers {
    beamc_worker *worker;
    beamc_finalizers *list;
} beamc_waiting_finalizers;

typedef struct beamc_checkpoint {
    beamc_journal *journal;
    bool wanted;     /* no task may begin */
    bool committing; /* a thread writes the last one */
    bool changed;    /* there is something to write */
    bool waits;      /* sealed bundles, or input for them, wait for a commit */
    bool restored;   /* the job was begun by a process before this one */
    bool finished;   /* and it was done */
    int64_t last_ms; /* monotonic: end of the last one */
    int64_t cost_ms; /* of the last one: rest and writing */
    uint64_t next_piece;
    uint64_t lasting_piece; /* pieces up to this one are in the journal */
    uint64_t next_view_piece;
    uint32_t incarnation; /* processes that worked on this job before */
    beamc_buf gone;       /* names of records to remove: length (1 byte), name */
    beamc_waiting_finalizers *finalizers;
    size_t finalizer_count, finalizer_cap;
    beamc_buf name; /* scratch */
    beamc_buf data;
} beamc_checkpoint;

/* checkpoint.c */
beamc_checkpoint *beamc__checkpoint_new(beamc_journal *journal);
void beamc__checkpoint_free(beamc_checkpoint *c);
/* For a thread that is between two tasks: whether it made a commit. Releases mu while it writes. @p idle:
 * there is nothing else to do just now. */
bool beamc__checkpoint_step(beamc_engine *e, bool idle);
/* Something is to be committed, or is being committed, before all can be over. */
bool beamc__checkpoint_is_ahead(const beamc_engine *e);
/* No task may begin. */
static inline bool beamc_checkpoint_rests(const beamc_engine *e) {
    return e->checkpoint != NULL && e->checkpoint->wanted;
}
static inline void beamc__checkpoint_changed(beamc_engine *e) {
    if (e->checkpoint != NULL) {
        e->checkpoint->changed = true;
    }
}
/* How long an idle thread may sleep because of commits, ms; INT64_MAX: as it likes. */
int64_t beamc__checkpoint_sleep_ms(const beamc_engine *e);
/* The record of a piece (or part of a sealed bundle) is not needed any more, once all that has come of it
 * is in the journal as well. */
void beamc__checkpoint_gone(beamc_engine *e, beamc_slice name);
/* Input of a bundle that has been committed. */
void beamc__checkpoint_forget_input(beamc_bundle *b);
/* Takes the list: runs it after the next commit. */
void beamc__checkpoint_finalize(beamc_engine *e, beamc_worker *worker, beamc_finalizers *list);

/* sealed.c: bundles of stable stages. */
void beamc__sealed_make(beamc_engine *e, beamc_node *n);
beamc_bundle *beamc__sealed_take(beamc_engine *e, beamc_node *n);
void beamc__sealed_made_lasting(beamc_node *n);
void beamc__sealed_add(beamc_node *n, uint64_t number, const beamc_piece *piece);
void beamc__sealed_free(beamc_node *n);
static inline bool beamc_is_sealing(const beamc_engine *e, const beamc_node *n) {
    return e->checkpoint != NULL && n->spec->stable && !n->spec->keyed && !n->spec->splittable;
}

/* save.c: what has changed, into the journal. Flags of a piece. */
enum { PIECE_TRUNCATED = 1, PIECE_SIDED = 2 };
/* What has changed, into the journal. */
void beamc__save_changes(beamc_engine *e);
/* Names: kind, index of node or view. More is appended by the caller. */
beamc_slice beamc__record_piece_name(beamc_buf *out, beamc_record_kind kind, uint32_t node,
                                     uint64_t number);
void beamc__record_name(beamc_buf *out, beamc_record_kind kind, uint32_t node);

uint64_t beamc__graph_hash(const beamc_engine_graph *graph);

/* restore.c: before the engine runs, without mu. */
beamc_status beamc__restore(beamc_engine *e, beamc_error *err) BEAMC_MUST_USE;

#endif
