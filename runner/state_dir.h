/* state_dir.h: the folder of a job that can be continued (--state_dir): a lock, and one SQLite file with
 * the engine's records. Opened before the pipeline is built, since sinks ask for the job's identity.
 *
 *   DIR/lock          held (flock) while a process works on it; holds its process id
 *   DIR/state.beamc   made under another name and renamed, so that it is whole or not there
 *
 * Nothing in DIR is written before everything in it has been found good. Threads: open, check and close
 * by one; the journal as journal.h says. */
#ifndef BEAMC_RUNNER_STATE_DIR_H
#define BEAMC_RUNNER_STATE_DIR_H

#include "runner/engine/journal.h"

typedef struct beamc_state_dir beamc_state_dir;

/* Makes DIR where it is not there. @p reset: what the file holds is to be forgotten. The file is made, or
 * made anew, by check_steps: a pipeline that cannot be built costs nobody his state. Fails with one line: FAILED_PRECONDITION (another process has it, it belongs to another version, other files are
 * in it), DATA_LOSS (damaged, not writable), RESOURCE_EXHAUSTED (no room). */
beamc_status beamc__state_dir_open(const char *path, bool reset, beamc_state_dir **out,
                                   beamc_error *err) BEAMC_MUST_USE;
/* Also NULL. */
void beamc__state_dir_close(beamc_state_dir *dir);
/* Made once for each folder; the same when the job is continued. */
const char *beamc__state_dir_job(const beamc_state_dir *dir);
/* Compares the steps of the pipeline (one line for each: "<name>\t<fingerprint>\n", sorted) with those that
 * the state belongs to, or notes them in a new one. A difference is FAILED_PRECONDITION and names the step. */
beamc_status beamc__state_dir_check_steps(beamc_state_dir *dir, beamc_slice steps,
                                          beamc_error *err) BEAMC_MUST_USE;
beamc_journal *beamc__state_dir_journal(beamc_state_dir *dir);

#endif
