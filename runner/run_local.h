/* run_local.h: a pipeline proto, run to its end in this process, with all that the engine can tell
 * about it afterwards. beamc__run_local (program/entry.h) is the same with options and a report. */
#ifndef BEAMC_RUNNER_RUN_LOCAL_H
#define BEAMC_RUNNER_RUN_LOCAL_H

#include "program/library.h"
#include "program/report.h"
#include "runner/engine/engine.h"

typedef struct beamc_local_run {
    const beamc_library *library;
    const beamc_options *options;  /* what DoFns may ask for; may be NULL */
    unsigned parallelism;          /* 0: one for each core */
    size_t bundle_bytes;           /* 0: default */
    bool no_lifting;               /* for tests: combine behind the shuffle only */
    struct beamc_state_dir *state; /* where the job is kept; NULL: nowhere */
    int64_t checkpoint_ms;         /* between commits to it; 0: default */
    bool progress;                 /* a line on stderr while it runs */
    int64_t max_bundle_ms;         /* 0: default */
    int stop_fd;      /* becomes readable when the run should end early, and stays so; 0: none */
    beamc_stop stop;  /* how it ends then; up to DRAIN: that, but a bounded one is cancelled */
    const char *name; /* of the program, for a line that says so; NULL: none is written */
} beamc_local_run;

/* *report is made in any case where the run began, also after a failure; free it. */
beamc_status beamc__local_run(const beamc_local_run *run, beamc_slice pipeline_proto,
                              beamc_run_report **report, beamc_error *err) BEAMC_MUST_USE;

#endif
