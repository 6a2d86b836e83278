/* fuse_impl.h: the pipeline while it is being fused. Everything lives in one arena. */
#ifndef BEAMC_RUNNER_FUSE_IMPL_H
#define BEAMC_RUNNER_FUSE_IMPL_H

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "proto/beam_model/urns.h"
#include "runner/fuse.h"

enum { BEAMC_FUSE_NONE = UINT32_MAX, BEAMC_FUSE_MAX_NESTING = 100 };

/* --------------------------------------------------------------- ids to indices, in the arena */

typedef struct beamc_idmap {
    const char **keys;
    uint32_t *values;
    uint32_t cap;
    uint32_t count;
} beamc_idmap;

/* BEAMC_FUSE_NONE when it is not there. */
uint32_t beamc__idmap_get(const beamc_idmap *map, const char *key);
/* False, and nothing changes, when it is there already. @p key is borrowed. */
bool beamc__idmap_put(beamc_idmap *map, beamc_arena *arena, const char *key, uint32_t value);

/* A growing array in the arena: *items of @p size bytes; returns the new item, zeroed. */
void *beamc__fuse_push(beamc_arena *arena, void *items, size_t *count, size_t size);

/* ------------------------------------------------------------------------------ the graph */

typedef enum beamc_fx_kind {
    BEAMC_FX_WORKER = 1, /* runs in a worker */
    BEAMC_FX_IMPULSE,    /* the rest is the runner's */
    BEAMC_FX_TEST_STREAM,
    BEAMC_FX_GROUP,
    BEAMC_FX_FLATTEN, /* until it is known to be inside one stage */
    BEAMC_FX_RESHUFFLE
} beamc_fx_kind;

typedef struct beamc_fx_edge {
    const char *tag;
    uint32_t pcoll;
} beamc_fx_edge;

typedef struct beamc_fx_transform {
    const char *id;
    const char *name; /* unique_name */
    const char *step; /* unique_name of the transform that the user wrote */
    beamc_fx_kind kind;
    const char *urn;
    beamc_slice payload;
    const char *environment; /* "" for the runner's own */
    beamc_fx_edge *inputs;
    size_t input_count;
    beamc_fx_edge *outputs;
    size_t output_count;
    const Pipe__PTransform *proto;   /* display data and annotations, or NULL */
    const Pipe__ParDoPayload *pardo; /* of the ParDo family */
    uint32_t main_input;             /* index in inputs; NONE without */
    bool stateful;                   /* state, timers or window expiration */
    bool process_sized;              /* works on restrictions */
    beamc_slice truncate_payload;    /* process_sized */
    uint32_t compaction_of;          /* GROUP of a lifted combine: pcoll of its accumulators */
    beamc_slice combine_payload;     /* GROUP of a lifted combine */
    const char *combine_environment;
    uint32_t stage; /* set by the fuser */
    unsigned waits; /* for the topological order */
} beamc_fx_transform;

typedef struct beamc_fx_use {
    uint32_t transform;
    uint32_t input; /* index in its inputs */
} beamc_fx_use;

typedef struct beamc_fx_pcoll {
    const char *id;
    const char *name;
    const char *coder; /* coder id */
    const char *windowing;
    bool unbounded;
    uint32_t producer; /* transform, or NONE */
    beamc_fx_use *uses;
    size_t use_count;
} beamc_fx_pcoll;

typedef struct beamc_fx_stage {
    uint32_t root; /* pcoll that it reads */
    const char *environment;
    bool keyed, splittable, finalizes, time_sorted, stable;
    uint32_t *transforms;
    size_t transform_count;
    uint32_t node;
} beamc_fx_stage;

/* A coder under construction, so that both the descriptor and the engine can have it. */
typedef struct beamc_fx_coder {
    const char *id;
    const Pipe__Coder *proto;
    const char *wire; /* id of the coder that travels; NULL: not decided yet */
    bool busy;
} beamc_fx_coder;

typedef struct beamc_fx_windowing {
    const char *id;
    const Pipe__WindowingStrategy *proto;
} beamc_fx_windowing;

typedef struct beamc_fx_view {
    uint32_t pcoll;
    bool multimap;
} beamc_fx_view;

typedef struct beamc_fuser {
    beamc_arena *arena;
    const beamc_fuse_options *options;
    const Pipe__Pipeline *pipeline;
    const Pipe__Components *components;

    beamc_fx_transform *transforms;
    size_t transform_count;
    beamc_fx_pcoll *pcolls;
    size_t pcoll_count;
    beamc_fx_stage *stages;
    size_t stage_count;
    beamc_fx_coder *coders;
    size_t coder_count;
    beamc_fx_windowing *windowings;
    size_t windowing_count;
    beamc_fx_view *views;
    size_t view_count;
    const char **environments; /* ids, in the order of the engine's workers */
    size_t environment_count;
    uint32_t *order; /* transforms, producers first */
    struct beamc_coder_set *built;

    beamc_idmap transform_ids; /* of the proto: index in components->transforms */
    beamc_idmap pcoll_ids;
    beamc_idmap coder_ids;
    beamc_idmap windowing_ids;
    beamc_idmap steps; /* transform id -> index in step_names */
    const char **step_names;
    size_t step_count;
} beamc_fuser;

/* fuse_expand.c: the proto's tree to primitive transforms and collections. */
beamc_status beamc__fuse_expand(beamc_fuser *f, beamc_error *err);
beamc_status beamc__fuse_order(beamc_fuser *f, beamc_error *err);
/* A transform of ours; the caller sets what is not given. */
beamc_fx_transform *beamc__fuse_add_transform(beamc_fuser *f, const char *id, const char *name,
                                              const char *step, const char *urn,
                                              beamc_slice payload, const char *environment);
uint32_t beamc__fuse_add_pcoll(beamc_fuser *f, const char *id, const char *coder, uint32_t like);
void beamc__fuse_add_input(beamc_fuser *f, beamc_fx_transform *t, const char *tag, uint32_t pcoll);
void beamc__fuse_add_output(beamc_fuser *f, beamc_fx_transform *t, const char *tag, uint32_t pcoll);

/* fuse_lift.c: what becomes of a combine and of a splittable DoFn. *done is false when the composite
 * is to be taken apart as it is. */
beamc_status beamc__fuse_combine(beamc_fuser *f, const char *id, const Pipe__PTransform *t,
                                 bool *done, beamc_error *err);
beamc_status beamc__fuse_splittable(beamc_fuser *f, const char *id, const Pipe__PTransform *t,
                                    const Pipe__ParDoPayload *pardo, beamc_error *err);

/* fuse_stage.c: which transform runs in which stage. */
beamc_status beamc__fuse_stages(beamc_fuser *f, beamc_error *err);

/* fuse_coder.c */
beamc_status beamc__fuse_coders(beamc_fuser *f, beamc_error *err);
/* A coder of ours, made once: the same urn and components give the same id. */
const char *beamc__fuse_make_coder(beamc_fuser *f, const char *urn, const char *a, const char *b);
/* What travels for coder @p id: the same, with length prefixes around what only its SDK knows. */
beamc_status beamc__fuse_wire_coder(beamc_fuser *f, const char *id, const char **wire,
                                    beamc_error *err);
/* windowed_value(wire coder of @p pcoll, its window coder). */
beamc_status beamc__fuse_port_coder(beamc_fuser *f, uint32_t pcoll, const char **id,
                                    beamc_error *err);
/* The coder that the engine uses; @p id is a wire coder. */
beamc_status beamc__fuse_built_coder(beamc_fuser *f, const char *id, const beamc_coder **out,
                                     beamc_error *err);
/* Whether a runner may look through a coder of this URN. */
bool beamc__fuse_knows_coder(const char *urn);
const Pipe__Coder *beamc__fuse_coder(const beamc_fuser *f, const char *id);

/* fuse_window.c */
const Pipe__WindowingStrategy *beamc__fuse_strategy(const beamc_fuser *f, const char *id);
beamc_status beamc__fuse_windowing(beamc_fuser *f, const char *id, beamc_windowing *out,
                                   bool *merging, beamc_error *err);
/* Whether a trigger in it looks at the number of elements. */
bool beamc__fuse_counts_elements(const Pipe__Trigger *trigger);

/* fuse_emit.c: stages to nodes. fuse_descriptor.c: their descriptors. */
beamc_status beamc__fuse_emit(beamc_fuser *f, beamc_engine_graph *graph, beamc_error *err);

/* Sinks of a descriptor: what goes out of @p pcoll, as @p coder. */
typedef struct beamc_fx_sink {
    const char *id;
    uint32_t pcoll;
    const char *coder; /* port coder id */
} beamc_fx_sink;

typedef struct beamc_fx_descriptor {
    const char *id;
    const char *environment;
    const char *source_id;
    uint32_t source;
    const char *source_coder;
    const uint32_t *transforms;
    size_t transform_count;
    const beamc_fx_sink *sinks;
    size_t sink_count;
} beamc_fx_descriptor;

/* fuse_test_stream.c: the script of a test stream; @p sinks tell which output is which collection. */
beamc_status beamc__fuse_test_stream(beamc_fuser *f, const beamc_fx_transform *t,
                                     const beamc_fx_sink *sinks, beamc_node_spec *node,
                                     beamc_error *err);

beamc_status beamc__fuse_descriptor(beamc_fuser *f, const beamc_fx_descriptor *d, beamc_slice *out,
                                    beamc_error *err);

#define BEAMC_FUSE_STREQ(a, b) (strcmp((a), (b)) == 0)

#endif
