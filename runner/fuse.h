/* fuse.h: from a pipeline proto to the engine's graph.
 *
 * Greedy fusion: whatever can run in one bundle does. Combines are lifted, splittable DoFns expanded,
 * flattens sunk into the edges, and stages end where the model demands it: at groupings, reshuffles,
 * side inputs, stateful DoFns, and in front of the processing of restrictions.
 *
 * Lifetime: everything that comes out lives in the result's arena. Threads: none of this keeps state. */
#ifndef BEAMC_RUNNER_FUSE_H
#define BEAMC_RUNNER_FUSE_H

#include <beamc/arena.h>

#include "program/library.h"
#include "runner/engine/graph.h"

typedef struct beamc_fuse_options {
    const beamc_library *library; /* rows by schema; may be NULL */
    const char *data_url;         /* of the data and timer service; NULL: none */
    const char *state_url;        /* of the state service; NULL: none */
    bool no_lifting;              /* for tests: combine behind the shuffle only */
} beamc_fuse_options;

typedef struct beamc_fused beamc_fused;

/* Fails with INVALID_ARGUMENT, naming the transform, for a pipeline that breaks the model, and with
 * UNIMPLEMENTED for what this runner cannot do. */
beamc_status beamc__fuse(beamc_slice pipeline_proto, const beamc_fuse_options *options,
                         beamc_fused **out, beamc_error *err) BEAMC_MUST_USE;
void beamc__fused_free(beamc_fused *fused);

const beamc_engine_graph *beamc__fused_graph(const beamc_fused *fused);
/* The name by which the user knows the step that transform @p id came from; @p id if unknown. */
const char *beamc__fused_step(const beamc_fused *fused, const char *id);

#endif
