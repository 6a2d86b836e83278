/* stateful.c: one step with state over small pairs, for bench/run-streaming.
 *
 *     stateful --state=value --pairs=10000000 --keys=100000
 *
 * For each pair the step reads and writes its value, adds to its bag, adds to and reads its sum, or moves
 * its timer, which fires a second of event time later. `none` is the same job up to a step without state:
 * what the source costs. */
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

static const struct {
    const char *name;
    const beamc_dofn *fn;
} kinds[] = {{"none", &none},
             {"value", &with_value},
             {"bag", &with_bag},
             {"combining", &with_combining},
             {"timer", &with_timer}};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_slice wanted = beamc_str(beamc_option_text(o, "state"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (beamc_slice_eq(wanted, beamc_str(kinds[i].name))) {
            beamc_pardo(pairs_read(p, o), "Step", kinds[i].fn);
            return;
        }
    }
    beamc_pipeline_fail(p, BEAMC_INVALID_ARGUMENT,
                        "--state: it is one of none, value, bag, combining, timer");
}

static const beamc_option options[] = {
    {.name = "state",
     .default_text = "value",
     .placeholder = "none|value|bag|combining|timer",
     .doc = "What the step keeps for each key."},
    PAIRS_OPTIONS,
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "stateful",
    .doc = "A stateful step over small pairs.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&pairs_bounded, &pairs_unbounded, &none, &with_value, &with_bag,
                     &with_combining, &with_timer),
};
BEAMC_EXPORT(program);
