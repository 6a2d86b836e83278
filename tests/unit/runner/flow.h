/* flow.h: for tests of running: pipelines that go on until somebody stops them. */
#ifndef TESTS_RUNNER_FLOW_H
#define TESTS_RUNNER_FLOW_H

#include <beamc/beamc.h>
#include <stdatomic.h>

#include "runner/run_local.h"

/* One for each test: Criterion gives each a process of its own. */
extern struct flow {
    int stop_fd;
    atomic_llong emitted, taken; /* elements; whoever counts them says so */
    atomic_llong bundles;
    _Atomic(int64_t) most; /* the largest of something */
    atomic_llong sum;
    atomic_int fail; /* attempts that fail */
} flow;

/* Stops the run, from anywhere. */
void flow_stop(void);
void flow_raise(int64_t value); /* flow.most */
int64_t flow_ms(void);          /* monotonic */
int64_t flow_cpu_ms(void);
void flow_sleep(int64_t ms);

/* Runs @p p with the functions of @p program. */
beamc_status flow_run(beamc_pipeline *p, const beamc_program *program, beamc_local_run how,
                      beamc_error *err);

#endif
