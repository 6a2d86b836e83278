/* sink.h: where elements leave a plan (beam:runner:sink:v1). */
#ifndef BEAMC_EXEC_SINK_H
#define BEAMC_EXEC_SINK_H

#include "worker/exec/plan.h"

/* @p coder: windowed_value or param_windowed_value, bound to how values lie in memory. */
beamc_unit *beamc__sink_new(beamc_plan *plan, const char *id, const char *url,
                            const beamc_coder *coder);

#endif
