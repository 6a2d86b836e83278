/* ticks.c: an unbounded source as a splittable DoFn, as small as it gets: a metronome.
 *
 *     ./ticks                 ten ticks a second for two seconds
 *     ./ticks --seconds=0     for ever, until Ctrl-C
 *
 * prints, when a second of event time has passed, "ticks in it: 10 in [START, END)". */
#include <beamc/beamc.h>

typedef struct settings {
    int64_t every_ms;
    int64_t seconds; /* 0: for ever */
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, every_ms, I64, "100", "Time between two ticks."),
    BEAMC_CONFIG(settings, seconds, I64, "2", "How long; 0: for ever."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

/* The impulse to the next full second: when the ticks begin. It travels as an element of its own, so that a
 * source that is interrupted goes on with the same beginning. */
static beamc_status now(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    beamc_time time = beamc_processing_time(ctx);
    return beamc_emit(ctx, 0, beamc_value_i64(time - time % 1000 + 1000));
}

static const beamc_dofn beginning = {
    BEAMC_DOFN_ABI,        .urn = "example:dofn:ticks_begin:v1",  .doc = "When the ticks begin.",
    .input = &beamc_bytes, .outputs[0] = {"time", &beamc_varint}, .process = now,
};

/* The restriction is the numbers of the ticks. */
static beamc_status all_ticks(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)in;
    const settings *s = beamc_config(ctx);
    beamc_offset_range *range = restriction;
    *range = (beamc_offset_range){0, s->seconds > 0 ? s->seconds * 1000 / s->every_ms : INT64_MAX};
    return BEAMC_OK;
}

/* Emits what is due and comes back when the next one is. The monotonic estimator moves the watermark to the
 * latest tick, since ticks are emitted in the order of their times. */
static beamc_status tick(beamc_ctx *ctx, const beamc_elem *begin) {
    const settings *s = beamc_config(ctx);
    const beamc_offset_range *range = beamc_restriction(ctx);
    for (int64_t i = range->start;; i++) {
        beamc_time due = begin->i64 + i * s->every_ms, wait = due - beamc_processing_time(ctx);
        if (wait > 0 && i < range->stop) {
            return beamc_defer(ctx, wait);
        }
        if (!beamc_try_claim(ctx, i)) {
            return BEAMC_OK;
        }
        BEAMC_TRY(beamc_emit_at(ctx, 0, due, beamc_value_i64(i)));
    }
}

static const beamc_dofn ticks = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:ticks:v1",
    .doc = "The numbers of the ticks, each at its time.",
    .config = &settings_row,
    .input = &beamc_varint,
    .outputs[0] = {"ticks", &beamc_varint},
    .splittable = &(const beamc_splittable){.initial = all_ticks,
                                            .watermark = BEAMC_WATERMARK_MONOTONIC,
                                            .unbounded = true},
    .process = tick,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {beamc_option_int(o, "every_ms"), beamc_option_int(o, "seconds")};
    beamc_pcoll begin = beamc_pardo(beamc_impulse(p, "Impulse"), "Begin", &beginning);
    beamc_pcoll all = beamc_pardo(begin, "Ticks", &ticks, .config = &s);
    all = beamc_window_into(all, "Seconds", .fn = beamc_fixed(.size_ms = 1000));
    beamc_pcoll counts = beamc_combine_globally(all, "Count", &beamc_count);
    beamc_print(counts, "Print", .prefix = "ticks in it: ", .window = true);
}

static const beamc_option options[] = {
    {.name = "every_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "100",
     .min = 1,
     .max = 1000,
     .placeholder = "MS",
     .doc = "Time between two ticks."},
    {.name = "seconds",
     .type = BEAMC_OPTION_INT,
     .default_text = "2",
     .min = 0,
     .max = 1000000,
     .placeholder = "N",
     .doc = "How long to tick; 0: for ever."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "ticks",
    .doc = "Counts the ticks of a metronome for each second.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&beginning, &ticks),
};
BEAMC_EXPORT(program);
