/* lower.h: one lowering in progress; the parts of lower*.c share it. */
#ifndef BEAMC_GRAPH_LOWER_H
#define BEAMC_GRAPH_LOWER_H

#include "graph/coder_table.h"
#include "graph/graph.h"
#include "graph/pb.h"

typedef struct beamc_lowering {
    const beamc_pipeline *p;
    beamc_arena *arena;
    beamc_coder_table coders;
    const char **node_ids;     /* by node */
    const char **coll_ids;     /* by PCollection */
    const char **strategy_ids; /* by strategy; NULL until somebody asks for it */
    const char *env_id;
    const int64_t *ram_hints; /* one environment more for each */
    size_t ram_hint_count;
} beamc_lowering;

const char *beamc__lower_env_of(const beamc_lowering *l, const beamc_node *n);
Pipe__FunctionSpec *beamc__lower_spec(beamc_arena *arena, const char *urn, beamc_slice payload);

/* lower_windowing.c */
Pipe__FunctionSpec *beamc__lower_window_fn(beamc_arena *arena, const beamc_window_fn *fn);
/* The coder of the windows of a strategy. */
const beamc_coder *beamc__lower_window_coder(const beamc_strategy *s);
beamc_status beamc__lower_strategy(beamc_lowering *l, const beamc_strategy *s,
                                   Pipe__WindowingStrategy **out, beamc_error *err) BEAMC_MUST_USE;

/* lower_pardo.c: the payloads, packed. */
beamc_status beamc__lower_pardo(beamc_lowering *l, const beamc_node *n, ProtobufCBinaryData *out,
                                beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__lower_combine(beamc_lowering *l, const beamc_combiner *fn, beamc_slice payload,
                                  ProtobufCBinaryData *out, beamc_error *err) BEAMC_MUST_USE;

/* capabilities.c: what this SDK's worker can do, ended by NULL. */
extern const char *const beamc__capabilities[];

#endif
