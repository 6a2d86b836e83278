/* deltas.c: time-sorted input: how much was used between two readings of a meter, although readings come in any
 * order. The runner keeps them until the watermark says that nothing earlier will come.
 *
 *     ./deltas
 *
 * prints "meter-1: 7 at TIME" for each reading but the first of a meter. */
#include <beamc/beamc.h>

enum { LAST };

/* Called in the order of time for each key, since the DoFn requires it. */
static beamc_status subtract(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_value last, now = in->kv->value;
    bool found;
    BEAMC_TRY(beamc_state_read(ctx, LAST, &found, &last));
    BEAMC_TRY(beamc_state_write(ctx, LAST, now));
    if (!found) {
        return BEAMC_OK;
    }
    return beamc_emit(ctx, 0, beamc_pair(in->kv->key, beamc_value_i64(now.i64 - last.i64)));
}

static const beamc_dofn deltas = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:deltas:v1",
    .doc = "(meter, reading) to (meter, what was used since the last one).",
    .input = &beamc_kv_str_i64,
    .outputs[0] = {"deltas", &beamc_kv_str_i64},
    .states[LAST] = {.name = "last", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .requires_time_sorted_input = true,
    .process = subtract,
};

/* In place of a real stream, so that it is over soon and always the same. */
static beamc_pcoll readings(beamc_pipeline *p) {
    const beamc_time hour = 3600000;
    beamc_value one = beamc_value_text("meter-1"), two = beamc_value_text("meter-2");
    beamc_test_event steps[] = {
        beamc_test_at(3 * hour, beamc_pair(one, beamc_value_i64(130))),
        beamc_test_at(1 * hour, beamc_pair(one, beamc_value_i64(100))),
        beamc_test_at(1 * hour, beamc_pair(two, beamc_value_i64(7))),
        beamc_test_at(2 * hour, beamc_pair(one, beamc_value_i64(107))),
        beamc_test_watermark(4 * hour),
        beamc_test_at(6 * hour, beamc_pair(two, beamc_value_i64(9))),
        beamc_test_at(5 * hour, beamc_pair(one, beamc_value_i64(131))),
    };
    return beamc_test_stream(p, "Readings", &beamc_kv_str_i64, steps, sizeof steps / sizeof *steps);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    (void)o;
    beamc_print(beamc_pardo(readings(p), "Deltas", &deltas), "Print", .timestamp = true);
}

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "deltas",
    .doc = "What was used between two readings of a meter.",
    .build = build,
    .fns = BEAMC_FNS(&deltas),
};
BEAMC_EXPORT(program);
