/* graph.h: the job as the engine sees it: nodes, and where their outputs go. Plain structs, made by
 * runner/fuse*.c from the pipeline proto; the engine knows no protobuf.
 *
 *   impulse, test stream --> stage --> group --> stage ...
 *
 * A stage is a ProcessBundleDescriptor that workers run; a group is a GroupByKey that the engine does
 * itself. Flatten and Reshuffle are no nodes: a collection is a set of targets, and several outputs
 * may feed one target. All of it is immutable while the engine runs and outlives it. */
#ifndef BEAMC_ENGINE_GRAPH_H
#define BEAMC_ENGINE_GRAPH_H

#include <beamc/coder.h>
#include <beamc/window.h>

/* How the elements of a materialised collection are encoded: windowed_value(element, window).
 * element is NULL where the engine never looks into the elements. */
typedef struct beamc_wire_coder {
    const beamc_coder *element;
    const beamc_coder *window;
} beamc_wire_coder;

typedef enum beamc_target_kind {
    BEAMC_TO_STAGE = 1, /* the source port of node `index` */
    BEAMC_TO_GROUP,     /* the input of group node `index` */
    BEAMC_TO_VIEW       /* side input view `index` */
} beamc_target_kind;

typedef struct beamc_target {
    beamc_target_kind kind;
    uint32_t index;
} beamc_target;

/* One output of a node. Of a stage: a sink of its descriptor. */
typedef struct beamc_output_spec {
    const char *sink_id;    /* transform id of the sink; NULL of other nodes */
    const char *collection; /* PCollection id, for messages */
    beamc_wire_coder coder;
    const beamc_target *targets; /* a target that is listed twice gets everything twice */
    size_t target_count;
} beamc_output_spec;

/* A side input, materialised by the engine. An element of the main input waits until the watermark has
 * passed the window of the side input that belongs to its own. */
typedef struct beamc_view_spec {
    const char *collection;
    beamc_wire_coder coder; /* multimap: of KVs */
    bool multimap;
    beamc_windowing windowing;
} beamc_view_spec;

/* Where a stage looks at a view. */
typedef struct beamc_side_ref {
    const char *transform_id;
    const char *side_input_id;
    uint32_t view;
} beamc_side_ref;

/* A timer family of a stateful stage; a port of its descriptor. */
typedef struct beamc_timer_family_spec {
    const char *transform_id;
    const char *family;
    bool processing_time;
    bool
        expiration; /* set by the engine for each key and window with state, at its end + lateness */
} beamc_timer_family_spec;

typedef enum beamc_node_kind {
    BEAMC_NODE_IMPULSE = 1, /* one empty byte string at BEAMC_TIME_MIN in the global window */
    BEAMC_NODE_TEST_STREAM,
    BEAMC_NODE_STAGE,
    BEAMC_NODE_GROUP
} beamc_node_kind;

/* A piece of work for a worker: a stage, or the compaction of a group. */
typedef struct beamc_work_spec {
    beamc_slice descriptor; /* serialized ProcessBundleDescriptor */
    const char *source_id;  /* transform id of its source */
    uint32_t environment;   /* which worker */
} beamc_work_spec;

/* One step of a test stream (TestStreamPayload.Event). */
typedef struct beamc_stream_event {
    enum { BEAMC_STREAM_ELEMENTS = 1, BEAMC_STREAM_WATERMARK, BEAMC_STREAM_CLOCK } kind;
    uint32_t output;      /* ELEMENTS, WATERMARK: which output of the node */
    beamc_slice elements; /* ELEMENTS: windowed, in the encoding of that output */
    beamc_time time;      /* WATERMARK: the new one; CLOCK: the advance in ms */
} beamc_stream_event;

typedef struct beamc_node_spec {
    beamc_node_kind kind;
    const char *name; /* for messages: unique names of the transforms in it */
    beamc_wire_coder input;
    const beamc_output_spec *outputs;
    size_t output_count;
    bool unbounded; /* its output has no end of its own */

    /* STAGE */
    beamc_work_spec work;
    bool splittable; /* its elements are sized restrictions: each is a bundle of its own */
    bool keyed;      /* user state or timers: one bundle at a time for each key */
    bool finalizes;  /* asks for bundle finalization */
    bool time_sorted;
    bool
        stable; /* of a job that can be continued: a bundle's number and input are saved before it runs */
    const char *stateful_id;   /* transform id of the stateful DoFn, when keyed */
    int64_t state_lateness_ms; /* keyed: allowed lateness of the input's windowing */
    beamc_slice truncate;      /* splittable: descriptor that truncates on drain, or empty */
    const char *truncate_source_id;
    const char *truncate_sink_id;
    const beamc_side_ref *sides;
    size_t side_count;
    const beamc_timer_family_spec *timers;
    size_t timer_count;

    /* GROUP: input is KV<K, V>, output KV<K, iterable<V>> */
    beamc_windowing windowing;
    bool merging;        /* windows of a key merge before they are emitted (sessions) */
    bool has_compaction; /* the values are accumulators: KV<K, iter A> -> KV<K, A> by: */
    beamc_work_spec compaction;
    const char *compaction_sink_id;

    /* TEST_STREAM */
    const beamc_stream_event *events;
    size_t event_count;
} beamc_node_spec;

typedef struct beamc_engine_graph {
    const beamc_node_spec *nodes; /* producers before consumers */
    size_t node_count;
    const beamc_view_spec *views;
    size_t view_count;
    size_t environment_count;
} beamc_engine_graph;

#endif
