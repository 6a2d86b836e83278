/* database.h: one connection for each SQLite file in a process, shared by the sink's instances under one
 * lock. Knows SQLite and nothing of pipelines.
 *
 * Bounded tables are written to a file of their own without syncs, in one transaction for each bundle; the
 * finished file is then synced and moved into place. Unbounded ones are written in place, in WAL mode,
 * so that others can read meanwhile and a crash at any time leaves whole bundles. A job that may be
 * continued writes both kinds in WAL mode, and each bundle's end waits for the disk. */
#ifndef BEAMC_IO_SQLITE_DATABASE_H
#define BEAMC_IO_SQLITE_DATABASE_H

#include <beamc/dofn.h>
#include <sqlite3.h>

typedef struct beamc_database beamc_database;

/* The database of @p path, one for each path; get it in setup, put it back in teardown. Any thread. */
beamc_database *beamc__database_get(const char *path);
void beamc__database_put(beamc_database *db);

/* Everything below: between lock and unlock. */
void beamc__database_lock(beamc_database *db);
void beamc__database_unlock(beamc_database *db);

/* Opens the file (and makes it) unless it is open. */
beamc_status beamc__database_open(beamc_database *db, bool durable,
                                  beamc_error *err) BEAMC_MUST_USE;
/* How a file is opened in place. */
typedef struct beamc_database_place {
    beamc_slice job;    /* a file of another job is replaced, or refused */
    bool overwrite;     /* replaced */
    bool durable;       /* the job may be continued */
    const char *marker; /* durable: a file that tells that the job has made its own */
} beamc_database_place;
beamc_status beamc__database_open_in_place(beamc_database *db, const beamc_database_place *place,
                                           beamc_error *err) BEAMC_MUST_USE;
/* Fails if the open file is not the one of that name any more. */
beamc_status beamc__database_check_place(beamc_database *db, beamc_error *err) BEAMC_MUST_USE;
/* A durable file as it is read by others: without a log beside it, all in the file. */
beamc_status beamc__database_settle(beamc_database *db, beamc_error *err) BEAMC_MUST_USE;
/* Removes a database file and the files that SQLite keeps beside it. */
void beamc__database_remove(const char *path, bool side_files_only);
/* The same for a finished file that must be there. */
beamc_status beamc__database_open_readonly(beamc_database *db, beamc_error *err) BEAMC_MUST_USE;
/* Closes the file; what is not committed is dropped. */
void beamc__database_close(beamc_database *db);
sqlite3 *beamc__database_handle(beamc_database *db);

/* Runs SQL without results. */
beamc_status beamc__database_run(beamc_database *db, const char *sql,
                                 beamc_error *err) BEAMC_MUST_USE;
/* A prepared statement, kept until the file is closed. */
beamc_status beamc__database_statement(beamc_database *db, const char *sql, sqlite3_stmt **out,
                                       beamc_error *err) BEAMC_MUST_USE;
/* Steps a statement without results to its end and resets it. */
beamc_status beamc__database_step(beamc_database *db, sqlite3_stmt *statement,
                                  beamc_error *err) BEAMC_MUST_USE;
/* A number out of a one-row query; the parameters are texts. */
beamc_status beamc__database_number(beamc_database *db, const char *sql, beamc_slice p1,
                                    beamc_slice p2, int64_t *out, beamc_error *err) BEAMC_MUST_USE;
/* Notes for whoever holds the lock next: leaves @p text for the database of @p path; where nobody has got
 * that any more, it is dropped. Any thread, without lock. */
void beamc__database_leave_note(const char *path, beamc_slice text);
/* All of them, one behind the other, behind what is in @p out; and takes the first @p bytes off. */
void beamc__database_notes(beamc_database *db, beamc_buf *out);
void beamc__database_notes_done(beamc_database *db, size_t bytes);
/* What went wrong just now, in words, with the file's name. */
beamc_status beamc__database_error(beamc_database *db, int rc, beamc_error *err);

/* Which rows a bundle wrote: a transaction's rows follow one another. Of a file that is written in place,
 * only bundles that may come again, and the name of its job. */
#define BEAMC_BUNDLES_TABLE "_beamc_bundles"

/* schema.c. `CREATE TABLE IF NOT EXISTS "name" (...)`; fails for a field that SQLite has no type for. */
beamc_status beamc__sqlite_create_text(const beamc_row *row, const char *table, beamc_buf *out,
                                       beamc_error *err) BEAMC_MUST_USE;
/* `INSERT INTO "name" VALUES (?,?),(?,?)` with @p rows rows. */
void beamc__sqlite_insert_text(const beamc_row *row, const char *table, size_t rows,
                               beamc_buf *out);
/* Binds the fields of @p value from parameter @p first on; they, and element scratch, must live until the
 * step. Returns SQLite's code. */
int beamc__sqlite_bind(beamc_ctx *ctx, sqlite3_stmt *statement, int first, const beamc_row *row,
                       const void *value);

#endif
