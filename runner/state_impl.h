/* state_impl.h: what the two halves of the state folder share: state_dir.c (folder, lock, identity, steps)
 * and state_records.c (the records in the file). */
#ifndef BEAMC_RUNNER_STATE_IMPL_H
#define BEAMC_RUNNER_STATE_IMPL_H

#include <beamc/buf.h>
#include <pthread.h>
#include <sqlite3.h>

#include "runner/state_dir.h"

enum { BEAMC_STATE_JOB_MAX = 40 };

/* A change that waits for its commit: where it stands in the buffer of changes. */
typedef struct beamc_state_change {
    size_t at;         /* of name and data, one behind the other */
    size_t order;      /* among all */
    uint32_t name_len; /* in bytes */
    uint32_t data_len;
    bool is_removal;
} beamc_state_change;

struct beamc_state_dir {
    beamc_journal journal; /* first: the engine knows only this */
    char *path;            /* of the folder */
    char *file;            /* of the database */
    int lock_fd;
    char job[BEAMC_STATE_JOB_MAX];
    bool unmade;     /* the file is made, or made anew, when the pipeline has proved good */
    bool is_writing; /* all in it was found good: commits have begun */

    sqlite3 *writer; /* put, remove, commit */
    sqlite3_stmt *upsert, *drop;
    beamc_buf bytes; /* of changes */
    beamc_state_change *changes;
    size_t change_count, change_cap;

    pthread_mutex_t read_mu;
    sqlite3 *reader; /* guarded by read_mu */
    sqlite3_stmt *range, *tail;
};

/* state_records.c */
extern const beamc_journal_ops beamc__state_journal_ops;
/* Opens both connections to the file, which is there. */
beamc_status beamc__state_open_records(beamc_state_dir *dir, beamc_error *err) BEAMC_MUST_USE;
void beamc__state_close_records(beamc_state_dir *dir);
/* What SQLite's code means, with the file's name and what to do. */
beamc_status beamc__state_error(const beamc_state_dir *dir, sqlite3 *db, int rc, beamc_error *err);
/* A row of the table of facts about the file; *found tells. */
beamc_status beamc__state_fact(beamc_state_dir *dir, const char *name, beamc_buf *out, bool *found,
                               beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__state_set_fact(beamc_state_dir *dir, const char *name, beamc_slice value,
                                   beamc_error *err) BEAMC_MUST_USE;

#endif
