/* plans.h: descriptors by id, and for each a pool of plans that are ready for a bundle.
 *
 * A descriptor comes with a register request, or is fetched once, however many bundles ask for it at the
 * same time. Threads: any. */
#ifndef BEAMC_HARNESS_PLANS_H
#define BEAMC_HARNESS_PLANS_H

#include "worker/exec/bundle.h"
#include "worker/harness/endpoint.h"

typedef struct beamc_plans beamc_plans;

/* A plan out of the pool. Only `plan` is for others. */
typedef struct beamc_pooled_plan {
    beamc_plan *plan;
    struct beamc_descriptor *of;
    unsigned version; /* of the descriptor that it was made from */
    struct beamc_pooled_plan *next_idle;
    struct beamc_pooled_plan *next, *before; /* all that exist */
} beamc_pooled_plan;

/* @p env must outlive it. */
beamc_plans *beamc__plans_new(const beamc_plan_env *env);
/* All plans must have been given back; calls their teardowns. */
void beamc__plans_free(beamc_plans *plans);
/* Where descriptors are fetched (BeamFnControl.GetProcessBundleDescriptor). Borrowed. */
void beamc__plans_set_channel(beamc_plans *plans, beamc_rpc_channel *control,
                              beamc_recorder *recorder);

/* Notes a descriptor; a later one of the same id takes its place for new plans. */
void beamc__plans_register(beamc_plans *plans, const char *id, beamc_slice descriptor);
beamc_status beamc__plans_take(beamc_plans *plans, const char *id, beamc_pooled_plan **out,
                               beamc_error *err) BEAMC_MUST_USE;
/* @p good: it may run another bundle; else it is freed. */
void beamc__plans_give_back(beamc_plans *plans, beamc_pooled_plan *pooled, bool good);

/* Calls beamc_plan_samples of every plan for @p pcollection (NULL: all). */
void beamc__plans_samples(beamc_plans *plans, const char *pcollection,
                          void (*fn)(void *arg, const char *pcollection, beamc_slice element),
                          void *arg);
/* For the status page. */
void beamc__plans_count(beamc_plans *plans, size_t *descriptors, size_t *all, size_t *idle);

#endif
