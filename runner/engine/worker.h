/* worker.h: what the engine needs of those who execute stages.
 *
 * In this process that is runner/local_worker.c over beamc_plan; a worker behind gRPC is another
 * implementation of the same five calls. Nothing here says whose worker it is.
 *
 * Threads: open may be called from several threads at once; an instance runs one bundle at a time,
 * while split and metrics may come from any thread. An instance whose bundle failed is closed. */
#ifndef BEAMC_ENGINE_WORKER_H
#define BEAMC_ENGINE_WORKER_H

#include "runner/engine/graph.h"
#include "worker/exec/bundle.h"

typedef struct beamc_worker beamc_worker;
typedef struct beamc_executor beamc_executor; /* ready to run bundles of one descriptor */

typedef struct beamc_worker_ops {
    beamc_status (*open)(beamc_worker *worker, const beamc_work_spec *work, beamc_executor **out,
                         beamc_error *err);
    void (*close)(beamc_executor *instance);
    /* The data streams; the port numbers of everything below index them. */
    const beamc_port *(*ports)(const beamc_executor *instance, size_t *count);
    /* As beamc_plan_run. Residual roots live until the instance's next bundle. */
    beamc_status (*run)(beamc_executor *instance, const beamc_bundle_request *request,
                        beamc_bundle_io *io, beamc_bundle_result *result, beamc_error *err);
    beamc_status (*split)(beamc_executor *instance, const beamc_split_request *request,
                          beamc_arena *arena, beamc_split_result *result, beamc_error *err);
    /* The metrics of the running bundle, or the final ones of the last. */
    void (*metrics)(beamc_executor *instance, beamc_monitoring_fn fn, void *arg);
    /* The engine has committed the bundle, or given it up. Frees the list. */
    void (*finalize)(beamc_worker *worker, beamc_finalizers *list, bool committed);
} beamc_worker_ops;

struct beamc_worker {
    const beamc_worker_ops *ops;
};
struct beamc_executor {
    beamc_worker *worker;
};

#endif
