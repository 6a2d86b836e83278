/* graph.h: the pipeline in memory, between building and lowering.
 *
 * A pipeline is one arena and two tables: nodes (transforms, composites included; the parent stands
 * before its children) and PCollections. Indices are stable; index 0 of both is reserved, so that a
 * zeroed handle is invalid. After the first error nothing is added any more. Threads: one at a time. */
#ifndef BEAMC_GRAPH_GRAPH_H
#define BEAMC_GRAPH_GRAPH_H

#include <beamc/pipeline.h>

#include "graph/job.h"
#include "graph/payload.h"

typedef enum beamc_node_kind {
    BEAMC_NODE_COMPOSITE = 1,
    BEAMC_NODE_IMPULSE,
    BEAMC_NODE_PARDO,        /* of `fn` */
    BEAMC_NODE_COMBINE_LEAF, /* ParDo of `combiner` on grouped values */
    BEAMC_NODE_GROUP_BY_KEY,
    BEAMC_NODE_FLATTEN,
    BEAMC_NODE_WINDOW_INTO,
    BEAMC_NODE_TEST_STREAM
} beamc_node_kind;

/* A windowing strategy; equal ones are stored once. */
typedef struct beamc_strategy {
    beamc_windowing w;   /* its trigger lives in the pipeline's arena; NULL: the default */
    bool already_merged; /* behind a GroupByKey in session windows: the next one does not merge */
} beamc_strategy;

typedef struct beamc_node_input {
    uint32_t coll;
    const char *tag;
    bool is_side;
    bool multimap;
} beamc_node_input;

typedef struct beamc_node {
    beamc_node_kind kind;
    uint32_t parent; /* node; 0: top level */
    const char *label;
    const char *unique_name; /* labels from the top, joined by '/' */
    beamc_node_input *inputs;
    uint32_t input_count;
    uint32_t first_output; /* the outputs' PCollections follow one another */
    uint32_t output_count;
    /* Known composites have one input and one output, set when they are complete. */
    const char *composite_urn; /* NULL: a composite that only groups */
    uint32_t composite_in, composite_out;
    const beamc_dofn *fn;
    const beamc_combiner *combiner; /* COMBINE_LEAF, and combine_per_key composites */
    beamc_slice payload;            /* StepPayload of fn or combiner; TEST_STREAM: none */
    const char *const *display;     /* name, value, ..., NULL */
    int64_t min_ram_bytes;
    uint32_t strategy;              /* WINDOW_INTO: the new one */
    const beamc_test_event *events; /* TEST_STREAM, element values encoded in `bytes` */
    size_t event_count;
} beamc_node;

typedef struct beamc_coll {
    uint32_t node;
    const char *tag;
    const beamc_coder *coder;
    uint32_t strategy;
    bool bounded;
} beamc_coll;

struct beamc_pipeline {
    beamc_arena *arena;
    beamc_error error; /* holds when failed */
    bool failed;
    beamc_node *nodes;
    uint32_t node_count, node_cap;
    beamc_coll *colls;
    uint32_t coll_count, coll_cap;
    beamc_strategy *strategies;
    uint32_t strategy_count, strategy_cap;
    uint32_t *names; /* open-addressing table of nodes by unique name; a power of two */
    uint32_t name_cap;
    uint32_t scope; /* the composite that is open; 0: none */
    const char *(*fn_fault)(void *arg, const char *urn, const void *fn);
    void *fn_fault_arg;
    const char *job;    /* see beamc_pipeline_job */
    const char *runner; /* see beamc_pipeline_runner */
};

/* @p fault tells why a step may not use a DoFn or combiner (a worker could not find it), or NULL. */
void beamc__pipeline_set_fault(beamc_pipeline *p,
                               const char *(*fault)(void *arg, const char *urn, const void *fn),
                               void *arg);

/* Whether any PCollection is unbounded: the job is a streaming one. */
bool beamc__pipeline_is_unbounded(const beamc_pipeline *p);

/* ---------------------------------------------------------------- for the files of sdk/graph */

/* Records the first error as "path/of/label: text". */
void beamc__graph_fail(beamc_pipeline *p, const char *label, beamc_status code, const char *fmt,
                       ...) BEAMC_PRINTF(4, 5);
/* The same around an error that a callee made. */
void beamc__graph_fail_with(beamc_pipeline *p, const char *label, const beamc_error *err);
/* A new node in the open scope, NULL (with the error set) after a failure or on a bad label. The
 * pointer holds until the next one is made. */
beamc_node *beamc__graph_node(beamc_pipeline *p, beamc_node_kind kind, const char *label);
static inline uint32_t beamc_node_index(const beamc_pipeline *p, const beamc_node *n) {
    return (uint32_t)(n - p->nodes);
}
void beamc__graph_set_input(beamc_pipeline *p, beamc_node *n, beamc_pcoll in);
/* Adds the next output of @p n; outputs of a node are added in one go. */
beamc_pcoll beamc__graph_output(beamc_pipeline *p, beamc_node *n, const char *tag,
                                const beamc_coder *coder, uint32_t strategy, bool bounded);
/* The PCollection behind a handle, NULL when building has failed; checks the handle. */
const beamc_coll *beamc__graph_coll(beamc_pcoll in, const char *label);
/* What is returned once building has failed. */
static inline beamc_pcoll beamc_pcoll_none(beamc_pipeline *p) {
    return (beamc_pcoll){.pipeline = p};
}
/* The composite that was begun last, to make it a known one. */
void beamc__graph_close_known(beamc_pipeline *p, const char *urn, beamc_pcoll in, beamc_pcoll out);

/* A deep copy in the arena: coders may be locals of the caller. Row tables must be static. */
const beamc_coder *beamc__graph_coder(beamc_pipeline *p, const beamc_coder *coder);
const beamc_coder *beamc__graph_kv(beamc_pipeline *p, const beamc_coder *k, const beamc_coder *v);
const beamc_coder *beamc__graph_iterable(beamc_pipeline *p, const beamc_coder *element);
/* "kv<string, varint>", in the arena. */
const char *beamc__graph_describe(beamc_pipeline *p, const beamc_coder *coder);

/* The index of an equal strategy, added if new. */
uint32_t beamc__graph_strategy(beamc_pipeline *p, const beamc_strategy *s);
/* What a GroupByKey in @p strategy gives: merged sessions, continuation trigger. */
uint32_t beamc__graph_strategy_after_group(beamc_pipeline *p, uint32_t strategy);

/* Same windows, merged alike. */
bool beamc__strategy_same_windows(const beamc_strategy *a, const beamc_strategy *b);

/* Rules that several transforms share; false with the error set. check.c */
bool beamc__check_dofn(beamc_pipeline *p, const char *label, const beamc_dofn *fn);
/* @p listed: it is looked up by URN, so the program must list it (state has its combiner at hand). */
bool beamc__check_combiner(beamc_pipeline *p, const char *label, const beamc_combiner *fn,
                           bool listed);
bool beamc__check_keyed(beamc_pipeline *p, const char *label, const beamc_coll *in,
                        const char *what);
bool beamc__check_grouping(beamc_pipeline *p, const char *label, const beamc_coll *in);
bool beamc__check_side_input(beamc_pipeline *p, const char *label, const char *name,
                             const beamc_coll *side, bool multimap);
bool beamc__check_windowing(beamc_pipeline *p, const char *label, const beamc_windowing *w);

/* Triggers. trigger.c */
bool beamc__trigger_equal(const beamc_trigger *a, const beamc_trigger *b);
const beamc_trigger *beamc__trigger_copy(beamc_arena *arena, const beamc_trigger *t);
/* The trigger behind a GroupByKey that fires by @p t (Beam: getContinuationTrigger). */
const beamc_trigger *beamc__trigger_continuation(beamc_arena *arena, const beamc_trigger *t);
/* Whether it stops firing for good, so that later data is dropped. */
bool beamc__trigger_may_finish(const beamc_trigger *t);
/* Whether it can fire at all, if only at the end of the window. */
bool beamc__trigger_can_fire(const beamc_trigger *t);
/* Whether a window gives one pane, at its end: the default, never, or after the watermark without
 * early panes and late ones that could come. */
bool beamc__trigger_fires_once(const beamc_trigger *t, int64_t allowed_lateness_ms);
/* NULL if sound, else what is wrong with it. */
const char *beamc__trigger_fault(const beamc_trigger *t, unsigned depth);

/* Flatten without the check of triggers, for composites that know better. */
beamc_pcoll beamc__graph_flatten(beamc_pipeline *p, const char *label, const beamc_pcoll *in,
                                 size_t count, bool same_trigger);

/* Empty groups and the like: a ParDo whose payload is @p combiner's, on KV<K, iterable<V>>. */
beamc_pcoll beamc__graph_combine_leaf(beamc_pcoll grouped, const char *label,
                                      const beamc_combiner *combiner, beamc_slice payload);

#endif
