/* jsonl.h: what the two DoFns of beamc_write_jsonl share. */
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
    bool keep_parts; /* the folder of parts stays: the job may be continued */
} beamc_jsonl_config;
extern const beamc_row beamc__jsonl_config_row;

/* The parts of all tables to DIR/<table>.jsonl, once all are there. */
extern const beamc_dofn beamc__finish_jsonl;
/* The parts of a pane behind what DIR/<table>.jsonl holds; for unbounded tables. */
extern const beamc_dofn beamc__append_jsonl;

#endif
