/* sqlite.h: what the two DoFns of beamc_write_sqlite share. */
#ifndef BEAMC_IO_SQLITE_SQLITE_H
#define BEAMC_IO_SQLITE_SQLITE_H

#include "io/common/parts.h"
#include "io/sqlite/database.h"

/* Beside the file, while the job runs: <file>.partial-<job>. */
#define BEAMC_SQLITE_PARTIAL ".partial-"

#define BEAMC_SQLITE_IS_LOCAL                                                                      \
    "the SQLite output is for the local runner only: workers cannot share the file; write JSON "   \
    "lines (--output_jsonl)"

typedef struct beamc_sqlite_config {
    beamc_slice path;   /* the finished file */
    beamc_slice job;    /* names the unfinished one */
    beamc_slice tables; /* to_sqlite: one name; finish: "a,b,c" */
    beamc_slice create; /* finish: the tables' SQL, so that those without rows are there too */
    bool overwrite;
    bool in_place; /* rows go into the finished file, in WAL mode; for unbounded tables */
    bool durable;  /* the job may be continued: a bundle's end waits for the disk */
} beamc_sqlite_config;
extern const beamc_row beamc__sqlite_config_row;

/* The file that the job writes to, in @p arena: that of config->path, or the one beside it. */
const char *beamc__sqlite_work_path(const beamc_sqlite_config *config, beamc_arena *arena);
/* Opens it as the config says. @p marker: beamc__sqlite_marker_path. */
beamc_status beamc__sqlite_open(beamc_database *db, const beamc_sqlite_config *config,
                                const char *marker, beamc_error *err) BEAMC_MUST_USE;

/* A file beside the output that a job has begun, and made it: ".beamc-<job>.<name>", in @p arena. */
const char *beamc__sqlite_marker_path(const beamc_sqlite_config *config, beamc_arena *arena);

/* beamc_to_sqlite with stable input, for a job that may be continued. */
extern const beamc_dofn beamc__to_sqlite_stable;
/* The same into the finished file, for unbounded tables. */
extern const beamc_dofn beamc__to_sqlite_in_place;
/* All that bundles committed to the finished file. */
extern const beamc_dofn beamc__finish_sqlite;
/* The same for a job that may be continued: the list of bundles is settled before. */
extern const beamc_dofn beamc__finish_sqlite_stable;
/* In place: an impulse to the tables, so that those without rows are there too. */
extern const beamc_dofn beamc__create_sqlite;

#endif
