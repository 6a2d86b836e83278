/* pool.h: a BeamFnExternalWorkerPool in this process (--worker_pool, and LOOPBACK).
 *
 * Each StartWorker runs one harness on threads of its own; StopWorker, and the end of its control stream,
 * end it. Threads: any. */
#ifndef BEAMC_HARNESS_POOL_H
#define BEAMC_HARNESS_POOL_H

#include <beamc/options.h>

#include "program/library.h"

typedef struct beamc_worker_pool beamc_worker_pool;

/* Serves on @p address ("localhost:0" takes a free port). The library and options must outlive it. */
beamc_status beamc__worker_pool_start(const char *address, const beamc_library *library,
                                      const beamc_options *options, beamc_worker_pool **out,
                                      beamc_error *err) BEAMC_MUST_USE;
/* "localhost:PORT", as runners on this machine reach it. */
const char *beamc__worker_pool_endpoint(const beamc_worker_pool *pool);
/* Ends its workers and waits for them. NULL is fine. */
void beamc__worker_pool_stop(beamc_worker_pool *pool);

#endif
