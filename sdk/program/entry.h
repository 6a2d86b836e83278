/* entry.h: what beamc_main can dispatch to, and what those parts need of the process.
 *
 * The local runner is linked in. The Fn API parts (worker, job submission) live in libbeamc-fnapi,
 * which pulls in gRPC: it is found late, by weak symbols (static link) or dlopen (fnapi_load.c).
 *
 * The status tells beamc_main the exit code: OK -> 0; CANCELLED -> 130; INVALID_ARGUMENT from options
 * or building -> 2; NOT_FOUND, PERMISSION_DENIED -> 3 (an input is missing or unreadable);
 * ALREADY_EXISTS, RESOURCE_EXHAUSTED, DATA_LOSS -> 4 (an output exists, has no room, cannot be
 * written); anything else -> 1. */
#ifndef BEAMC_PROGRAM_ENTRY_H
#define BEAMC_PROGRAM_ENTRY_H

#include <beamc/program.h>

#include "program/library.h"

/* The folder of a job that can be continued (runner/state_dir.h). */
struct beamc_state_dir;

/* Runs @p pipeline_proto (a serialized Pipeline) in this process and returns when it is done. @p state:
 * where the job is kept; NULL: nowhere. */
beamc_status beamc__run_local(const beamc_program *program, const beamc_options *options,
                              beamc_slice pipeline_proto, const beamc_library *library,
                              struct beamc_state_dir *state, beamc_error *err) BEAMC_MUST_USE;

/* Serves as a worker (--worker, or --worker_pool) until the runner ends it. @p program may be NULL in a
 * stock worker. */
typedef beamc_status (*beamc_worker_main_fn)(const beamc_program *program,
                                             const beamc_options *options,
                                             const beamc_library *library, beamc_error *err);
/* Submits @p pipeline (lowered by the submitter, with the environment that the options ask for) and
 * waits for the job's end. */
typedef beamc_status (*beamc_submit_main_fn)(const beamc_program *program,
                                             const beamc_options *options, beamc_pipeline *pipeline,
                                             const beamc_library *library, beamc_error *err);

/* In libbeamc-fnapi: worker/harness and submit/ define these. */
beamc_status beamc__fnapi_worker_main(const beamc_program *program, const beamc_options *options,
                                      const beamc_library *library,
                                      beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__fnapi_submit_main(const beamc_program *program, const beamc_options *options,
                                      beamc_pipeline *pipeline, const beamc_library *library,
                                      beamc_error *err) BEAMC_MUST_USE;

extern const char beamc__fnapi_version[];

/* Finds them. Fails with one line that says which library was looked for. */
beamc_status beamc__fnapi_load(beamc_worker_main_fn *worker, beamc_submit_main_fn *submit,
                               beamc_error *err) BEAMC_MUST_USE;

/* Ctrl-C: SIGINT or SIGTERM sets a flag, the second one ends the process at once (130). */
void beamc__cancel_install(void);
bool beamc__cancel_requested(void);
/* As if the signal had come. Any thread. */
void beamc__cancel_request(void);
/* Becomes readable when cancelled, and stays so; for poll. -1 before beamc__cancel_install. */
int beamc__cancel_fd(void);

/* Builds the pipeline with the check that every DoFn is listed in the library. @p job: its identity, where
 * it can be continued, or NULL. Free it in any case. */
beamc_pipeline *beamc__program_build(const beamc_program *program, const beamc_options *options,
                                     const beamc_library *library, const char *job);

/* The options of every program: runner, endpoints, environment, worker ... Ended by an entry without a
 * name. */
extern const beamc_option beamc__standard_options[];

#endif
