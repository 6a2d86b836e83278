/* stateful.c: one step with state over small pairs, for bench/run-streaming.
 *
 *     stateful --state=value --pairs=10000000 --keys=100000
 *
 * For each pair the step reads and writes its value, adds to its bag, adds to and reads its sum, or moves
 * its timer, which fires a second of event time later. `none` is the same job up to a step without state:
 * what the source costs. `blob` keeps --bytes for each key. */
#include <stdio.h>

#include "pairs.h"

static beamc_status ignore(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static const beamc_dofn none = {
    BEAMC_DOFN_ABI,    .urn = "beamc:bench:none:v1", .doc = "Takes pairs.", .input = &pairs_coder,
    .process = ignore,
};

static beamc_status add_to_value(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    int64_t before = found ? sum.i64 : 0;
    return beamc_state_write(ctx, 0, beamc_value_i64(before + in->kv->value.i64));
}

static const beamc_dofn with_value = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:value:v1",
    .doc = "Sums in a value.",
    .input = &pairs_coder,
    .states[0] = {"sum", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .process = add_to_value,
};

static const beamc_dofn with_sorted_value = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:sorted_value:v1",
    .doc = "Sums in a value, in the order of time.",
    .input = &pairs_coder,
    .states[0] = {"sum", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .requires_time_sorted_input = true,
    .process = add_to_value,
};

static beamc_status add_to_bag(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_state_add(ctx, 0, in->kv->value);
}

static const beamc_dofn with_bag = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:bag:v1",
    .doc = "Keeps all values in a bag.",
    .input = &pairs_coder,
    .states[0] = {"all", BEAMC_STATE_BAG, .coder = &beamc_varint},
    .process = add_to_bag,
};

static beamc_status add_to_sum(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    return beamc_state_read(ctx, 0, &found, &sum);
}

static const beamc_dofn with_combining = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:combining:v1",
    .doc = "Sums in combining state, and looks at it.",
    .input = &pairs_coder,
    .states[0] = {"sum", BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64},
    .process = add_to_sum,
};

static beamc_status move_timer(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_timer_set(ctx, 0, beamc_timestamp(ctx) + 1000);
}

static beamc_status count_firing(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    beamc_counter_add(beamc_counter(ctx, "bench", "fired"), 1);
    return BEAMC_OK;
}

static const beamc_dofn with_timer = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:timer:v1",
    .doc = "A timer for each key.",
    .input = &pairs_coder,
    .timers[0] = {"quiet", BEAMC_EVENT_TIME},
    .process = move_timer,
    .on_timer = count_firing,
};

/* A value of many bytes. Of pairs that come when the others are through it tells what it found. */
typedef struct blob_config {
    int64_t bytes;
    int64_t pairs;
} blob_config;
static const beamc_field blob_config_fields[] = {
    BEAMC_CONFIG(blob_config, bytes, I64, "0", "Of each value."),
    BEAMC_CONFIG(blob_config, pairs, I64, "0", "After that many, tell."),
};
static const beamc_row blob_config_row = BEAMC_ROW(blob_config, blob_config_fields);

static beamc_status write_blob(beamc_ctx *ctx, const beamc_elem *in) {
    const blob_config *c = beamc_config(ctx);
    bool found;
    beamc_value value;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &value));
    if (in->kv->value.i64 >= c->pairs) {
        printf("pair %lld found %zu bytes\n", (long long)in->kv->value.i64,
               found ? value.bytes.len : 0);
        fflush(stdout);
        return BEAMC_OK;
    }
    char *bytes = beamc_alloc(ctx, (size_t)c->bytes);
    memset(bytes, (int)(in->kv->value.i64 & 0x7f), (size_t)c->bytes);
    return beamc_state_write(ctx, 0, beamc_value_bytes(beamc_slice_of(bytes, (size_t)c->bytes)));
}

static const beamc_dofn with_blob = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:blob:v1",
    .doc = "Keeps some bytes.",
    .config = &blob_config_row,
    .input = &pairs_coder,
    .states[0] = {"blob", BEAMC_STATE_VALUE, .coder = &beamc_bytes},
    .process = write_blob,
};

static const struct {
    const char *name;
    const beamc_dofn *fn;
} kinds[] = {{"none", &none},     {"value", &with_value},         {"sorted", &with_sorted_value},
             {"bag", &with_bag},  {"combining", &with_combining}, {"timer", &with_timer},
             {"blob", &with_blob}};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_slice wanted = beamc_str(beamc_option_text(o, "state"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (beamc_slice_eq(wanted, beamc_str(kinds[i].name))) {
            blob_config blob = {beamc_option_int(o, "bytes"), beamc_option_int(o, "pairs")};
            beamc_pcoll pairs = pairs_read(p, o);
            int64_t window_ms = beamc_option_int(o, "window_ms");
            if (window_ms > 0) {
                pairs = beamc_window_into(pairs, "Window", .fn = beamc_fixed(.size_ms = window_ms));
            }
            beamc_pardo(pairs, "Step", kinds[i].fn,
                        .config = kinds[i].fn->config != NULL ? &blob : NULL);
            return;
        }
    }
    beamc_pipeline_fail(p, BEAMC_INVALID_ARGUMENT,
                        "--state: it is one of none, value, sorted, bag, combining, timer, blob");
}

static const beamc_option options[] = {
    {.name = "state",
     .default_text = "value",
     .placeholder = "none|value|sorted|bag|combining|timer|blob",
     .doc = "What the step keeps for each key."},
    {.name = "bytes",
     .type = BEAMC_OPTION_INT,
     .default_text = "1000",
     .min = 0,
     .max = 1 << 20,
     .placeholder = "N",
     .doc = "blob: what each key keeps."},
    {.name = "window_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = INT64_MAX,
     .placeholder = "MS",
     .doc = "Fixed windows; 0: the global one."},
    PAIRS_OPTIONS,
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "stateful",
    .doc = "A stateful step over small pairs.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&pairs_bounded, &pairs_unbounded, &none, &with_value, &with_sorted_value,
                     &with_bag, &with_combining, &with_timer, &with_blob),
};
BEAMC_EXPORT(program);
