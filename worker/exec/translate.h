/* translate.h: shared by the files that read a ProcessBundleDescriptor, the only ones of the plan that
 * know protobuf. Nothing of a descriptor is trusted.
 *
 * A plan is made in three steps: the graph is checked and sorted (translate.c); each node says what it
 * wants its input to look like in memory (prepare); nodes are built, producers first (build). */
#ifndef BEAMC_EXEC_TRANSLATE_H
#define BEAMC_EXEC_TRANSLATE_H

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "coder/from_proto.h"
#include "worker/exec/bind.h"
#include "worker/exec/combine.h"
#include "worker/exec/nodes.h"
#include "worker/exec/sdf.h"
#include "worker/exec/sink.h"
#include "worker/exec/source.h"
#include "graph/payload.h"
#include "program/library.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"

typedef struct beamc_tr beamc_tr;
typedef struct beamc_tr_node beamc_tr_node;

/* Message of a map of the descriptor, sorted by id. */
typedef struct beamc_tr_entry {
    const char *id;
    size_t order; /* the last of equal ids holds */
    const void *message;
} beamc_tr_entry;

typedef struct beamc_tr_index {
    beamc_tr_entry *entries;
    size_t count;
} beamc_tr_index;

/* A PCollection. */
typedef struct beamc_tr_pcol {
    const char *id;
    const Pipe__PCollection *proto;
    beamc_pcol *pc;
    const beamc_coder *expected;   /* how a consumer wants it in memory; NULL: as it comes */
    beamc_output_time output_time; /* of its windowing strategy, as the next */
    int64_t allowed_lateness_ms;
    beamc_window_fn windows;
    const beamc_coder *window_coder; /* NULL: none that we know */
    size_t consumer_count;
} beamc_tr_pcol;

typedef struct beamc_tr_edge {
    const char *tag;
    beamc_tr_pcol *pcol;
} beamc_tr_edge;

/* What one URN of a transform means. */
typedef struct beamc_tr_kind {
    const char *urn;
    bool flows; /* output elements look like the input's */
    beamc_status (*prepare)(beamc_tr *tr, beamc_tr_node *node);
    beamc_status (*build)(beamc_tr *tr, beamc_tr_node *node);
} beamc_tr_kind;

struct beamc_tr_node {
    const char *id;
    const Pipe__PTransform *proto;
    const beamc_tr_kind *kind;
    beamc_slice payload;
    beamc_tr_edge *inputs; /* without side inputs, once prepared */
    size_t input_count;
    beamc_tr_edge *outputs;
    size_t output_count;
    size_t waits_for; /* producers of its inputs that are not sorted yet */
    size_t depth;     /* longest chain up to it */
    bool sorted;

    /* ParDo, splittable DoFns, combines */
    const Pipe__ParDoPayload *pardo;
    const beamc_dofn *fn;
    const beamc_combiner *combiner;
    beamc_payload decoded;
    const beamc_coder *expected; /* of its input in memory, NULL parts are free */
    const beamc_coder *in;       /* how its input does lie in memory */
    beamc_unit *unit;
};

struct beamc_tr {
    beamc_plan *plan;
    beamc_arena *arena; /* the plan's */
    const beamc_plan_env *env;
    const Fn__ProcessBundleDescriptor *descriptor;
    beamc_coder_set *coders;
    beamc_row_finder rows; /* the program's own structs, by schema */
    beamc_tr_index coder_index, strategy_index;
    beamc_tr_pcol *pcols;
    size_t pcol_count;
    beamc_tr_node *nodes; /* by id */
    size_t node_count;
    beamc_tr_node **sorted; /* producers first */
    beamc_error *err;
};

/* translate.c */
const void *beamc__tr_find(const beamc_tr_index *index, const char *id);
beamc_tr_pcol *beamc__tr_pcol(beamc_tr *tr, const char *id);
beamc_status beamc__tr_one_input(beamc_tr *tr, const beamc_tr_node *node);
/* The only output, or NULL with an error. */
beamc_status beamc__tr_one_output(beamc_tr *tr, const beamc_tr_node *node, beamc_tr_pcol **out);
/* Without length prefixes around it. */
const beamc_coder *beamc__tr_unwrap(const beamc_coder *c);
const beamc_coder *beamc__tr_kv(beamc_tr *tr, const beamc_coder *key, const beamc_coder *value);
const beamc_coder *beamc__tr_wrap(beamc_tr *tr, beamc_coder_kind kind, const beamc_coder *a,
                                  const beamc_coder *b);
/* How the elements of @p pcol lie in memory from now on. */
beamc_status beamc__tr_set_memory(beamc_tr *tr, beamc_tr_pcol *pcol, const beamc_coder *memory);
beamc_slice beamc__tr_bytes(ProtobufCBinaryData data);

/* translate_coder.c */
beamc_status beamc__tr_coders_init(beamc_tr *tr);
beamc_status beamc__tr_coder(beamc_tr *tr, const char *id, const beamc_coder **out);
/* The coder of the PCollection as its descriptor names it, bound to how it lies in memory. */
beamc_status beamc__tr_pcol_coder(beamc_tr *tr, const beamc_tr_pcol *pcol,
                                  const beamc_coder *memory, const beamc_coder **out);
beamc_status beamc__tr_windowing(beamc_tr *tr, beamc_tr_pcol *pcol);
beamc_status beamc__tr_window_fn(beamc_tr *tr, const Pipe__FunctionSpec *spec,
                                 beamc_window_fn *out);
/* A source's or sink's payload: endpoint and windowed coder. */
beamc_status beamc__tr_port(beamc_tr *tr, const beamc_tr_node *node, const char **url,
                            const beamc_coder **coder);

/* translate_simple.c */
beamc_status beamc__tr_build_source(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_sink(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_flatten(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_window_into(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_map_windows(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_merge_windows(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_to_string(beamc_tr *tr, beamc_tr_node *node);

/* translate_pardo.c */
beamc_status beamc__tr_prepare_pardo(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_pardo(beamc_tr *tr, beamc_tr_node *node);
/* translate_sdf.c */
beamc_status beamc__tr_prepare_pair(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_pair(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_prepare_split(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_split(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_prepare_sized(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_truncate(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_process(beamc_tr *tr, beamc_tr_node *node);
/* Shared by both: payload, DoFn, main input. */
beamc_status beamc__tr_read_pardo(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_pardo_outputs(beamc_tr *tr, beamc_tr_node *node, beamc_pcol **outputs);
/* What the DoFn's context knows: coders of its step, side inputs. */
beamc_status beamc__tr_finish_ctx(beamc_tr *tr, beamc_tr_node *node, beamc_pardo *p);
/* translate_combine.c */
beamc_status beamc__tr_prepare_combine(beamc_tr *tr, beamc_tr_node *node);
beamc_status beamc__tr_build_combine(beamc_tr *tr, beamc_tr_node *node);
/* A ParDo whose function is a combiner. */
beamc_status beamc__tr_build_grouped(beamc_tr *tr, beamc_tr_node *node);

#endif
