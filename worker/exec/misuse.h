/* misuse.h: errors of DoFns that do what they have not declared, all in one place so that they read
 * alike. Each sets the plan's error and returns its status. */
#ifndef BEAMC_EXEC_MISUSE_H
#define BEAMC_EXEC_MISUSE_H

#include "worker/exec/ctx.h"

beamc_status beamc__misuse_output(beamc_ctx *ctx, unsigned output);
/* beamc_emit where no element is at hand. */
beamc_status beamc__misuse_emit(beamc_ctx *ctx);
/* Timers, states: not declared or, when they are, used where no key is at hand. */
beamc_status beamc__misuse_timer(beamc_ctx *ctx, unsigned timer);
beamc_status beamc__misuse_state(beamc_ctx *ctx, unsigned state);
/* @p wanted: a bit for each beamc_state_kind that the call is for. */
beamc_status beamc__misuse_state_kind(beamc_ctx *ctx, const char *name, beamc_state_kind kind,
                                      unsigned wanted);
/* An element behind what the watermark estimator of the DoFn has said. */
beamc_status beamc__misuse_watermark(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                                     beamc_time watermark);
/* "timer t is set to @p fire_at, @p what @p limit". */
beamc_status beamc__misuse_timer_time(beamc_ctx *ctx, const char *timer, beamc_time fire_at,
                                      beamc_time limit, const char *what);

#endif
