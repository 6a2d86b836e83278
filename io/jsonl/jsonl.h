/* jsonl.h: what the DoFns of beamc_write_jsonl share.
 *
 * Bounded tables: to_jsonl writes parts, finish makes tables of them. Unbounded ones: on the local runner
 * append_rows writes to the tables itself; elsewhere to_jsonl writes parts, and append puts those of a pane
 * behind the tables. */
#ifndef BEAMC_IO_JSONL_JSONL_H
#define BEAMC_IO_JSONL_JSONL_H

#include "io/common/parts.h"

/* Where parts lie: DIR/.beamc-<job>/. */
#define BEAMC_JSONL_PARTS_PREFIX ".beamc-"

typedef struct beamc_jsonl_config {
    beamc_slice dir;
    beamc_slice job;    /* names this job's folder of parts */
    beamc_slice tables; /* to_jsonl: one name; finish: "a,b,c" */
    bool overwrite;
    bool
        lasting; /* the job may be continued: what a bundle wrote is synced, and the folder of parts stays */
} beamc_jsonl_config;
extern const beamc_row beamc__jsonl_config_row;

/* beamc_to_jsonl with stable input, for a job that may be continued. */
extern const beamc_dofn beamc__to_jsonl_stable;
/* The parts of all tables to DIR/<table>.jsonl, once all are there. */
extern const beamc_dofn beamc__finish_jsonl;
/* The same for a job that may be continued: the list of parts is settled before. */
extern const beamc_dofn beamc__finish_jsonl_stable;
/* Rows behind what DIR/<table>.jsonl holds; for unbounded tables on the local runner. */
extern const beamc_dofn beamc__append_rows;
/* An impulse to the files of these tables, so that those without rows are there too. */
extern const beamc_dofn beamc__create_jsonl;
/* The parts of a pane behind what DIR/<table>.jsonl holds; for unbounded tables elsewhere. */
extern const beamc_dofn beamc__append_jsonl;

#endif
