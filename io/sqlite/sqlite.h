/* sqlite.h: what the two DoFns of beamc_write_sqlite share. */
#ifndef BEAMC_IO_SQLITE_SQLITE_H
#define BEAMC_IO_SQLITE_SQLITE_H

#include "io/common/parts.h"
#include "io/sqlite/database.h"

/* Beside the file, while the job runs: <file>.partial-<job>. */
#define BEAMC_SQLITE_PARTIAL ".partial-"

typedef struct beamc_sqlite_config {
    beamc_slice path;   /* the finished file */
    beamc_slice job;    /* names the unfinished one */
    beamc_slice tables; /* to_sqlite: one name; finish: "a,b,c" */
    beamc_slice create; /* finish: the tables' SQL, so that those without rows are there too */
    bool overwrite;
} beamc_sqlite_config;
extern const beamc_row beamc__sqlite_config_row;

/* All that bundles committed to the finished file. */
extern const beamc_dofn beamc__finish_sqlite;

#endif
