/* database.h: one connection for each SQLite file in a process, shared by the sink's instances under one
 * lock. Knows SQLite and nothing of pipelines.
 *
 * Bounded tables are written to a file of their own without syncs, in one transaction for each bundle; the
 * finished file is then synced and moved into place. Unbounded ones are written in place, in WAL mode,
 * so that others can read meanwhile and a crash at any time leaves whole bundles. */
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
beamc_status beamc__database_open(beamc_database *db, beamc_error *err) BEAMC_MUST_USE;
/* The same in place, for the job named @p job: a file of another job is replaced, or refused. */
beamc_status beamc__database_open_in_place(beamc_database *db, beamc_slice job, bool overwrite,
                                           bool durable, beamc_error *err) BEAMC_MUST_USE;
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
/* What went wrong just now, in words, with the file's name. */
beamc_status beamc__database_error(beamc_database *db, int rc, beamc_error *err);

/* Which rows a bundle wrote: a transaction's rows follow one another. */
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
