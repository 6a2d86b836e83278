/* nodes.h: makers of the small nodes. Each adds its node to the plan; it lives in the plan arena. */
#ifndef BEAMC_EXEC_NODES_H
#define BEAMC_EXEC_NODES_H

#include <beamc/window.h>

#include "worker/exec/plan.h"

beamc_unit *beamc__flatten_new(beamc_plan *plan, const char *id, beamc_pcol *out);
beamc_unit *beamc__window_into_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                   beamc_pcol *out);
/* KV<nonce, W1> -> KV<nonce, W2>: the side window of a main window. */
beamc_unit *beamc__map_windows_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                   beamc_pcol *out);
/* KV<nonce, iterable<W>> -> KV<nonce, KV<unmerged, merged>>. */
beamc_unit *beamc__merge_windows_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                     beamc_pcol *out);
/* KV<nonce, x> -> KV<nonce, string>. @p coder is that of x. */
beamc_unit *beamc__to_string_new(beamc_plan *plan, const char *id, const beamc_coder *coder,
                                 beamc_pcol *out);
/* The same values laid out in memory for another row table. */
beamc_unit *beamc__transcode_new(beamc_plan *plan, const char *id, const beamc_coder *from,
                                 const beamc_coder *to, beamc_pcol *out);

#endif
