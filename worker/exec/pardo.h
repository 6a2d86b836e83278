/* pardo.h: runs a DoFn. */
#ifndef BEAMC_EXEC_PARDO_H
#define BEAMC_EXEC_PARDO_H

#include "worker/exec/ctx.h"

typedef struct beamc_pardo {
    beamc_unit unit;
    beamc_ctx ctx;
    const beamc_dofn *fn;
} beamc_pardo;

/* Makes the node of @p fn. @p outputs has one entry for each of its outputs, NULL where nobody
 * consumes it. State, timers, side inputs and restrictions are hung into ctx before setup. */
beamc_pardo *beamc__pardo_new(beamc_plan *plan, const char *id, const beamc_dofn *fn,
                              const void *config, beamc_pcol *const *outputs,
                              unsigned output_count);

/* One call of process for @p in, whose windows are already those that the DoFn may see. */
static inline beamc_status beamc_pardo_call(beamc_pardo *p, const beamc_wv *in) {
    p->ctx.at = in;
    p->ctx.emitted = 0;
    beamc_status status = p->fn->process(&p->ctx, &in->value);
    p->ctx.at = NULL;
    if (__builtin_expect(status == BEAMC_OK, 1)) {
        return p->ctx.plan->failed; /* of an emit whose status the DoFn did not pass on */
    }
    return status;
}

/* Of the ops of all nodes that run a DoFn. */
beamc_status beamc__pardo_setup(beamc_unit *unit);
/* Forgets what side inputs held; start_bundle of those that call no user code then. */
beamc_status beamc__pardo_reset(beamc_unit *unit);
beamc_status beamc__pardo_start_bundle(beamc_unit *unit);
beamc_status beamc__pardo_finish_bundle(beamc_unit *unit);
void beamc__pardo_abort_bundle(beamc_unit *unit);
void beamc__pardo_teardown(beamc_unit *unit);

#endif
