/* dedup.c: a set as state, and a timer for each member of it: messages that were sent twice go on once. An id
 * is remembered for --minutes of event time, so what is kept does not grow for ever.
 *
 *     ./dedup --minutes=10
 *
 * prints "sensor-1: a at TIME" for each message that is new. */
#include <beamc/beamc.h>

typedef struct settings {
    int64_t minutes;
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, minutes, I64, "10", "How long an id is remembered."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

enum { SEEN };
enum { FORGET };

/* The tag of the timer is the id, so there is one timer for each. Setting it again moves it. */
static beamc_status pass_new(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *s = beamc_config(ctx);
    beamc_value id = in->kv->value, one;
    bool seen;
    BEAMC_TRY(beamc_state_get(ctx, SEEN, id, &seen, &one));
    BEAMC_TRY(beamc_state_add(ctx, SEEN, id));
    BEAMC_TRY(
        beamc_timer_set(ctx, FORGET, beamc_timestamp(ctx) + s->minutes * 60000, .tag = id.bytes));
    return seen ? BEAMC_OK : beamc_emit(ctx, 0, *in);
}

static beamc_status forget(beamc_ctx *ctx, const beamc_timer *timer) {
    return beamc_state_remove(ctx, SEEN, beamc_value_bytes(timer->tag));
}

static const beamc_coder message_coder = BEAMC_KV(&beamc_string, &beamc_string);

static const beamc_dofn dedup = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:dedup:v1",
    .doc = "(sender, id) once for each id, as long as it is remembered.",
    .config = &settings_row,
    .input = &message_coder,
    .outputs[0] = {"new", &message_coder},
    .states[SEEN] = {.name = "seen", .kind = BEAMC_STATE_SET, .key_coder = &beamc_string},
    .timers[FORGET] = {"forget", BEAMC_EVENT_TIME},
    .process = pass_new,
    .on_timer = forget,
};

/* In place of a real stream, so that it is over soon and always the same. */
static beamc_pcoll messages(beamc_pipeline *p) {
    const beamc_time minute = 60000;
    beamc_value one = beamc_value_text("sensor-1"), two = beamc_value_text("sensor-2");
    beamc_value a = beamc_value_text("a"), b = beamc_value_text("b");
    beamc_test_event steps[] = {
        beamc_test_at(1 * minute, beamc_pair(one, a)),
        beamc_test_at(1 * minute, beamc_pair(one, a)), /* again */
        beamc_test_at(2 * minute, beamc_pair(two, a)), /* another sender */
        beamc_test_at(3 * minute, beamc_pair(one, b)),
        beamc_test_watermark(5 * minute),
        beamc_test_at(6 * minute, beamc_pair(one, a)), /* again, and remembered anew */
        beamc_test_watermark(14 * minute),             /* b is forgotten, a is not */
        beamc_test_at(15 * minute, beamc_pair(one, a)),
        beamc_test_at(15 * minute, beamc_pair(one, b)),
        beamc_test_watermark(40 * minute),
        beamc_test_at(41 * minute, beamc_pair(one, a)),
    };
    return beamc_test_stream(p, "Messages", &message_coder, steps, sizeof steps / sizeof *steps);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {beamc_option_int(o, "minutes")};
    beamc_pcoll fresh = beamc_pardo(messages(p), "Dedup", &dedup, .config = &s);
    beamc_print(fresh, "Print", .timestamp = true);
}

static const beamc_option options[] = {
    {.name = "minutes",
     .type = BEAMC_OPTION_INT,
     .default_text = "10",
     .min = 0,
     .max = 1000000,
     .placeholder = "N",
     .doc = "How long an id is remembered."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "dedup",    .doc = "Lets each message through once.",
    .build = build,    .options = options, .fns = BEAMC_FNS(&dedup),
};
BEAMC_EXPORT(program);
