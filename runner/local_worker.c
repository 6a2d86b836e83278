/* local_worker.c: see local_worker.h. An instance is a plan. */
#include "runner/local_worker.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct local_instance {
    beamc_executor base;
    beamc_plan *plan;
} local_instance;

static beamc_plan *plan_of(const beamc_executor *instance) {
    return ((const local_instance *)instance)->plan;
}

static beamc_status local_open(beamc_worker *worker, const beamc_work_spec *work,
                               beamc_executor **out, beamc_error *err) {
    beamc_plan *plan;
    BEAMC_TRY(beamc_plan_new(work->descriptor, &((beamc_local_worker *)worker)->env, &plan, err));
    local_instance *i = beamc__malloc(sizeof *i);
    *i = (local_instance){{worker}, plan};
    *out = &i->base;
    return BEAMC_OK;
}

static void local_close(beamc_executor *instance) {
    beamc_plan_free(plan_of(instance));
    free(instance);
}

static const beamc_port *local_ports(const beamc_executor *instance, size_t *count) {
    return beamc_plan_ports(plan_of(instance), count);
}

static beamc_status local_run(beamc_executor *instance, const beamc_bundle_request *request,
                              beamc_bundle_io *io, beamc_bundle_result *result, beamc_error *err) {
    return beamc_plan_run(plan_of(instance), request, io, result, err);
}

static beamc_status local_split(beamc_executor *instance, const beamc_split_request *request,
                                beamc_arena *arena, beamc_split_result *result, beamc_error *err) {
    return beamc_plan_split(plan_of(instance), request, arena, result, err);
}

static void local_metrics(beamc_executor *instance, beamc_monitoring_fn fn, void *arg) {
    beamc_plan_metrics(plan_of(instance), fn, arg);
}

static void local_finalize(beamc_worker *worker, beamc_finalizers *list, bool committed) {
    (void)worker;
    if (committed) {
        beamc_finalizers_run(list);
    } else {
        beamc_finalizers_free(list);
    }
}

void beamc__local_worker_init(beamc_local_worker *worker, const beamc_plan_env *env) {
    static const beamc_worker_ops ops = {
        .open = local_open,
        .close = local_close,
        .ports = local_ports,
        .run = local_run,
        .split = local_split,
        .metrics = local_metrics,
        .finalize = local_finalize,
    };
    *worker = (beamc_local_worker){{&ops}, *env};
}
