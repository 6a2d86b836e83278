/* state_io.h: reading the runner's state, by pages and as iterables.
 *
 * A read may end in bytes that are at hand (what this bundle has added). Threads: the bundle's. */
#ifndef BEAMC_EXEC_STATE_IO_H
#define BEAMC_EXEC_STATE_IO_H

#include "worker/exec/plan.h"

typedef struct beamc_state_source {
    beamc_state_key key; /* its slices must live as long as the iterable */
    bool skip_runner;    /* only the local bytes */
    beamc_slice local;   /* comes behind; copied when it is reached */
} beamc_state_source;

/* The elements of @p read, read page by page while iterating. Lives in element scratch. */
const beamc_iterable *beamc__state_iterable(beamc_plan *plan, const beamc_coder *element,
                                            const beamc_state_source *read);
/* Appends all pages to @p out. Stops with *complete = false once there are more than @p limit. */
beamc_status beamc__state_read_all(beamc_plan *plan, const beamc_state_key *key, size_t limit,
                                   beamc_buf *out, bool *complete);
beamc_status beamc__state_append(beamc_plan *plan, const beamc_state_key *key, beamc_slice data);
beamc_status beamc__state_clear(beamc_plan *plan, const beamc_state_key *key);

/* The fetch function of plan->scratch. */
beamc_status beamc__state_fetch(void *plan, beamc_slice token, beamc_slice continuation,
                                beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                                beamc_error *err);

#endif
