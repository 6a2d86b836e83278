/* steps.h: what the state of a job depends on, step by step, so that a changed pipeline is told before it
 * meets state that it cannot read. Threads: none of this keeps state. */
#ifndef BEAMC_RUNNER_STEPS_H
#define BEAMC_RUNNER_STEPS_H

#include <beamc/buf.h>

/* One line for each transform that does something, in the order of names: unique name, tab, a hash of its
 * URN, of its function's URN and state, and of the coders and windowing of its outputs. Configuration is
 * not part of it. */
beamc_status beamc__steps_of(beamc_slice pipeline_proto, beamc_buf *out,
                             beamc_error *err) BEAMC_MUST_USE;

#endif
