/* ctx.h: what a DoFn or combiner sees as its beamc_ctx.
 *
 * One for each instance; it lives in the plan arena. Threads: the bundle's. */
#ifndef BEAMC_EXEC_CTX_H
#define BEAMC_EXEC_CTX_H

#include <beamc/combine.h>
#include <beamc/dofn.h>

#include "worker/exec/plan.h"

struct beamc_side;
struct beamc_user_state;
struct beamc_timers;
struct beamc_sdf;

struct beamc_ctx {
    beamc_plan *plan;
    const char *step;
    const beamc_dofn *fn; /* NULL: a combiner's */
    const void *config;
    void *instance;
    beamc_arena *instance_arena; /* lives as long as the plan */

    bool may_finalize;  /* the DoFn says so */
    const beamc_wv *at; /* the element at hand, NULL outside of process and timers */
    unsigned emitted;   /* during this call; many: each emit gives its scratch back */
    unsigned output_count;
    beamc_pcol *outputs[BEAMC_MAX_OUTPUTS]; /* NULL: nobody wants that one */

    /* Of the step; for functions of any type. NULL: not told. */
    const beamc_coder *input_coder;
    const beamc_coder *output_coders[BEAMC_MAX_OUTPUTS];

    struct beamc_side *sides;
    unsigned side_count;
    struct beamc_user_state *state; /* NULL: not stateful */
    struct beamc_timers *timers;    /* NULL: no timers */
    struct beamc_sdf *sdf;          /* NULL: not splittable */
};

void beamc__ctx_init(beamc_ctx *ctx, beamc_plan *plan, const char *step, const void *config,
                     size_t instance_size);
void beamc__ctx_deinit(beamc_ctx *ctx);
/* Passes wv on to an output; all that was allocated behind it is dropped when there is much of it. */
beamc_status beamc__ctx_emit(beamc_ctx *ctx, unsigned output, const beamc_wv *wv);

#endif
