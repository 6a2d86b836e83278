/**
 * @file pipeline.h
 * Building pipelines.
 *
 * Every function takes a label, unique among its siblings: it names the step in errors, metrics and
 * across updates of a running job. The first error sticks (see beamc_pipeline_status), and everything
 * built upon it is skipped, so user code stays linear and checks once. All arguments are copied.
 * Threads: one at a time.
 */
#ifndef BEAMC_PIPELINE_H
#define BEAMC_PIPELINE_H

#include <beamc/combine.h>
#include <beamc/dofn.h>
#include <beamc/window.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_pipeline beamc_pipeline;

/** A PCollection: a value, valid as long as its pipeline. */
typedef struct beamc_pcoll {
    beamc_pipeline *pipeline;
    uint32_t id;        /**< of the PCollection */
    uint32_t transform; /**< that made it; for beamc_out */
} beamc_pcoll;

beamc_pipeline *beamc_pipeline_new(void);
void beamc_pipeline_free(beamc_pipeline *pipeline);
/** The first error that building met. */
beamc_status beamc_pipeline_status(const beamc_pipeline *pipeline, beamc_error *err) BEAMC_MUST_USE;
/** Fails the pipeline from user code, e.g. on a bad option. */
void beamc_pipeline_fail(beamc_pipeline *pipeline, beamc_status code, const char *fmt, ...)
    BEAMC_PRINTF(3, 4);

/**
 * What names a job that can be continued (local runner with --state_dir): the same text each time that
 * it is run again, another one for every other job. NULL: it cannot, and what it leaves unfinished is
 * nobody's. For transforms that write outside of the pipeline: such a job's sinks run with stable input
 * (beamc_dofn.requires_stable_input) and keep their unfinished work under this name. Lives as long as
 * the pipeline; is known before the program's build function is called.
 */
const char *beamc_pipeline_job(const beamc_pipeline *pipeline);

/** The runner that will run it, as --runner names it; NULL: not known, the pipeline is built by hand. Lives as
 *  long as the pipeline. */
const char *beamc_pipeline_runner(const beamc_pipeline *pipeline);
/** Whether that is the local one; false where it is not known. For transforms that can do better where all
 *  bundles are in one process. */
bool beamc_pipeline_runs_locally(const beamc_pipeline *pipeline);

/** Everything between begin and end becomes one composite; labels inside are relative to it. */
void beamc_composite_begin(beamc_pipeline *pipeline, const char *label);
void beamc_composite_end(beamc_pipeline *pipeline);

/** One empty byte string at the start of time. */
beamc_pcoll beamc_impulse(beamc_pipeline *pipeline, const char *label);
/** @p count values of @p coder. */
beamc_pcoll beamc_create(beamc_pipeline *pipeline, const char *label, const beamc_coder *coder,
                         const beamc_value *values, size_t count);
/** Strings. */
beamc_pcoll beamc_create_strings(beamc_pipeline *pipeline, const char *label,
                                 const char *const *texts, size_t count);

/** How a side input is looked at. */
typedef struct beamc_side_input {
    beamc_pcoll from;
    bool multimap; /**< of KVs, looked up by key; else an iterable */
} beamc_side_input;

typedef struct beamc_pardo_options {
    size_t struct_size;
    const void *config;                           /**< struct of fn->config; NULL: all defaults */
    beamc_side_input side[BEAMC_MAX_SIDE_INPUTS]; /**< in the order of fn->side_inputs */
    const char *display[8]; /**< display data: name, value, name, value, ... */
    /** Coders that replace the output table's, for generic DoFns. */
    const beamc_coder *output_coders[BEAMC_MAX_OUTPUTS];
    int64_t min_ram_bytes; /**< resource hint; 0: none */
} beamc_pardo_options;

beamc_pcoll beamc_pardo_with(beamc_pcoll in, const char *label, const beamc_dofn *fn,
                             beamc_pardo_options options);
/** Applies @p fn; the result is its main output. `beamc_pardo(in, "Parse", &parse, .config = &cfg)`. */
#define beamc_pardo(in, label, fn, ...)                                                            \
    beamc_pardo_with(                                                                              \
        (in), (label), (fn),                                                                       \
        (beamc_pardo_options){.struct_size = sizeof(beamc_pardo_options), __VA_ARGS__})
/** Another output of the transform that made @p main. */
beamc_pcoll beamc_out(beamc_pcoll main, unsigned output);

/** KV<K, V> -> KV<K, iterable<V>>, for each key and window. */
beamc_pcoll beamc_group_by_key(beamc_pcoll in, const char *label);

typedef struct beamc_combine_options {
    size_t struct_size;
    const void *config; /**< of combiner->config */
    bool
        without_defaults; /**< combine_globally: an empty input gives no element (always so where windowed or unbounded) */
} beamc_combine_options;
/** KV<K, V> -> KV<K, out>. */
beamc_pcoll beamc_combine_per_key_with(beamc_pcoll in, const char *label,
                                       const beamc_combiner *combiner,
                                       beamc_combine_options options);
#define beamc_combine_per_key(in, label, combiner, ...)                                            \
    beamc_combine_per_key_with(                                                                    \
        (in), (label), (combiner),                                                                 \
        (beamc_combine_options){.struct_size = sizeof(beamc_combine_options), __VA_ARGS__})
/** V -> out, one for each window. */
beamc_pcoll beamc_combine_globally_with(beamc_pcoll in, const char *label,
                                        const beamc_combiner *combiner,
                                        beamc_combine_options options);
#define beamc_combine_globally(in, label, combiner, ...)                                           \
    beamc_combine_globally_with(                                                                   \
        (in), (label), (combiner),                                                                 \
        (beamc_combine_options){.struct_size = sizeof(beamc_combine_options), __VA_ARGS__})

/** One PCollection of all; same coder, compatible windowing. */
beamc_pcoll beamc_flatten(beamc_pipeline *pipeline, const char *label, const beamc_pcoll *in,
                          size_t count);
/** Breaks fusion and balances work; elements keep their timestamps and windows. */
beamc_pcoll beamc_reshuffle(beamc_pcoll in, const char *label);
/** Any element -> KV<key, element>, by @p key, the same for all. */
beamc_pcoll beamc_with_key(beamc_pcoll in, const char *label, const beamc_coder *key_coder,
                           beamc_value key);

typedef struct beamc_print_options {
    size_t struct_size;
    const char *prefix; /**< in front of each line; NULL: nothing */
    bool timestamp;     /**< adds " at TIME" */
    bool window;        /**< adds " in [START, END)", for each window that it is in */
    bool pane;          /**< adds " pane INDEX early|on time|late", and ", first" and ", last" */
} beamc_print_options;
beamc_pcoll beamc_print_with(beamc_pcoll in, const char *label, beamc_print_options options);
/**
 * Prints every element as a line on standard output and passes it on: texts as they are, pairs as
 * "key: value", all else as beamc_value_describe says it. For a look at what flows, and for examples: it
 * prints where the bundle runs (a remote worker's own output), in no order, and a bundle that is tried
 * again prints again. `beamc_print(sums, "Print", .window = true);`
 */
#define beamc_print(in, label, ...)                                                                \
    beamc_print_with(                                                                              \
        (in), (label),                                                                             \
        (beamc_print_options){.struct_size = sizeof(beamc_print_options), __VA_ARGS__})

beamc_pcoll beamc_window_into_with(beamc_pcoll in, const char *label, beamc_windowing windowing);
#define beamc_window_into(in, label, ...)                                                          \
    beamc_window_into_with((in), (label), (beamc_windowing){__VA_ARGS__})

/** The coder of a PCollection; NULL after an error. Lives as long as the pipeline. */
const beamc_coder *beamc_pcoll_coder(beamc_pcoll pc);
bool beamc_pcoll_is_bounded(beamc_pcoll pc);

/* TestStream: elements, watermarks and clock, step by step (beam:transform:teststream:v1). */
typedef enum beamc_test_event_kind {
    BEAMC_TEST_ELEMENT = 1, /**< value at timestamp */
    BEAMC_TEST_WATERMARK,   /**< watermark moves to timestamp; BEAMC_TIME_MAX ends the stream */
    BEAMC_TEST_CLOCK        /**< processing time advances by advance_ms */
} beamc_test_event_kind;
typedef struct beamc_test_event {
    beamc_test_event_kind kind;
    beamc_value value;
    beamc_time timestamp;
    int64_t advance_ms;
    bool
        together; /**< ELEMENT: in one bundle with the element in front of it, not a step of its own */
} beamc_test_event;
/* The steps, as expressions: `beamc_test_event steps[] = {beamc_test_at(0, beamc_value_i64(7)),
 * beamc_test_watermark(60000), beamc_test_advance(1000)};` C only. */
#define beamc_test_at(time, element)                                                               \
    ((beamc_test_event){.kind = BEAMC_TEST_ELEMENT, .value = (element), .timestamp = (time)})
#define beamc_test_watermark(time)                                                                 \
    ((beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = (time)})
#define beamc_test_advance(ms) ((beamc_test_event){.kind = BEAMC_TEST_CLOCK, .advance_ms = (ms)})
/** An unbounded PCollection that plays @p events; the watermark goes to the end behind the last. */
beamc_pcoll beamc_test_stream(beamc_pipeline *pipeline, const char *label, const beamc_coder *coder,
                              const beamc_test_event *events, size_t count);

/** How the job's DoFns will be run, for lowering. */
typedef struct beamc_environment {
    const char *urn;     /**< "beam:env:external:v1"; NULL: "beam:env:default:v1" */
    beamc_slice payload; /**< serialized payload of that URN */
} beamc_environment;
/** Appends the serialized org.apache.beam.model.pipeline.v1.Pipeline. Validates first. */
beamc_status beamc_pipeline_lower(beamc_pipeline *pipeline, const beamc_environment *env,
                                  beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
