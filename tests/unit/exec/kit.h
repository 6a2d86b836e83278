/* kit.h: for tests of plans: builds descriptors, and is the runner behind a bundle.
 *
 * A kit owns everything; criterion gives each test a process of its own, so tests free only what they
 * mean to test. Failures inside the kit abort the test. */
#ifndef BEAMC_TESTS_EXEC_KIT_H
#define BEAMC_TESTS_EXEC_KIT_H

#include <beamc/program.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "program/library.h"
#include "worker/exec/bundle.h"

enum { KIT_MAX = 64 };

/* What the runner's state holds under one key. */
typedef struct kit_state {
    char *key;
    beamc_buf bytes;
} kit_state;

typedef struct kit {
    beamc_bundle_io io; /* first: the ops cast back */
    beamc_bundle_io_ops ops;
    beamc_arena *arena;
    Fn__ProcessBundleDescriptor d;
    beamc_library *library;
    beamc_plan_env env;
    beamc_plan *plan;
    beamc_error err;
    beamc_bundle_result result;
    bool has_no_state;
    const char *bundle_id; /* NULL: that of the instruction */
    /* input and output by port */
    beamc_input_block blocks[4096];
    size_t block_count, next_block;
    void (*before_block)(struct kit *kit, size_t block); /* called on the bundle's thread */
    beamc_buf out[KIT_MAX];
    size_t flushes;
    size_t flush_limit;
    /* state */
    kit_state states[4096];
    size_t state_count;
    size_t page_bytes;
    beamc_buf state_log; /* "get KEY\n", "append KEY\n", "clear KEY\n" */
    beamc_time now;
} kit;

kit *kit_new(const beamc_program *program);
void kit_free(kit *k);

/* Ids of coders and windowing strategies, added to the descriptor. */
const char *kit_coder(kit *k, const beamc_coder *coder);
const char *kit_windowing(kit *k, const beamc_window_fn *fn, beamc_output_time output_time);
void kit_pcol(kit *k, const char *id, const beamc_coder *coder, const char *windowing);
/* "tag=pcol tag=pcol" */
void kit_transform(kit *k, const char *id, const char *urn, beamc_slice payload, const char *inputs,
                   const char *outputs);
/* Sources and sinks of windowed elements; the ports are looked up by id. */
void kit_source(kit *k, const char *id, const char *pcol, const beamc_coder *element,
                const beamc_coder *window);
void kit_sink(kit *k, const char *id, const char *pcol, const beamc_coder *element,
              const beamc_coder *window);
/* ParDoPayload of a DoFn with default config. */
Pipe__ParDoPayload *kit_pardo_payload(kit *k, const beamc_dofn *fn, const void *config,
                                      const beamc_coder *input, const beamc_coder *key,
                                      const beamc_coder *window);
beamc_slice kit_pack(kit *k, const void *message);
void kit_pardo(kit *k, const char *id, const beamc_dofn *fn, const char *inputs,
               const char *outputs);
beamc_slice kit_combine_payload(kit *k, const beamc_combiner *fn, const beamc_coder *input);
beamc_slice kit_window_into_payload(kit *k, const beamc_window_fn *fn);

beamc_slice kit_descriptor(kit *k);
/* The plan from what was added. kit_plan demands success. */
beamc_status kit_try_plan(kit *k);
void kit_plan(kit *k);
uint32_t kit_port(const kit *k, const char *transform_id, const char *family);

/* Adds a block to a port's input, of values at a timestamp in the window. */
typedef struct kit_element {
    beamc_value value;
    beamc_time timestamp;
    beamc_window window;
} kit_element;
void kit_feed(kit *k, const char *source, const beamc_coder *element, const beamc_coder *window,
              const kit_element *elements, size_t count);
void kit_feed_bytes(kit *k, uint32_t port, beamc_slice bytes, bool is_last);
/* Runs the bundle: ends all ports behind what was fed. */
beamc_status kit_try_run(kit *k);
void kit_run(kit *k);
/* Decodes what a sink got. */
size_t kit_output(kit *k, const char *sink, const beamc_coder *element, const beamc_coder *window,
                  beamc_windowed_value *out, size_t cap);
/* The output as text: one "value @timestamp [start,end)" per line, in order; windows of the global
 * window are left out. Values as to_string shows them. */
const char *kit_text(kit *k, const char *sink, const beamc_coder *element,
                     const beamc_coder *window);
/* Value of a metric: urn, and PTRANSFORM or PCOLLECTION, and name (or NULL); the payload's first
 * varint, -1 if absent. */
int64_t kit_metric(kit *k, const char *urn, const char *label, const char *name);

/* The runner's state under a key like "bag S cell 00 6b6579" (kind, transform, id, window, key in hex). */
beamc_slice kit_state_get(kit *k, const char *key);
void kit_state_set(kit *k, const char *key, beamc_slice bytes);

static const beamc_window kit_global = BEAMC_GLOBAL_WINDOW;
#define KIT_STR(s)                                                                                 \
    { .bytes = BEAMC_STR(s) }

#endif
