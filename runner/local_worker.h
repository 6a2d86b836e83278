/* local_worker.h: the worker of this process: plans of worker/exec behind the engine's interface. */
#ifndef BEAMC_RUNNER_LOCAL_WORKER_H
#define BEAMC_RUNNER_LOCAL_WORKER_H

#include "runner/engine/worker.h"

typedef struct beamc_local_worker {
    beamc_worker base;
    beamc_plan_env env;
} beamc_local_worker;

/* @p env's pointers are borrowed for the worker's life. */
void beamc__local_worker_init(beamc_local_worker *worker, const beamc_plan_env *env);

#endif
