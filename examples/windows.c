/* windows.c: windows, triggers, lateness and accumulation, seen pane by pane.
 *
 *     ./windows                                      minutes: early every 2 points, on time, late each
 *     ./windows --windows=sliding --accumulate
 *     ./windows --windows=sessions --lateness=0
 *     ./windows --trigger=clock
 *
 * prints "red: 12 in [START, END) pane 0 early, first" for each firing; the points are the same each time. */
#include <beamc/beamc.h>

/* The points of two teams. The watermark says how far the stream is: what comes behind it is late. */
static beamc_pcoll points(beamc_pipeline *p) {
    const beamc_time s = 1000;
    beamc_value red = beamc_value_text("red"), blue = beamc_value_text("blue");
    beamc_test_event steps[] = {
        beamc_test_at(10 * s, beamc_pair(red, beamc_value_i64(5))),
        beamc_test_at(15 * s, beamc_pair(red, beamc_value_i64(7))), /* early: two points */
        beamc_test_watermark(20 * s),
        beamc_test_at(30 * s, beamc_pair(blue, beamc_value_i64(1))),
        beamc_test_at(50 * s, beamc_pair(red, beamc_value_i64(3))),
        beamc_test_advance(10 * s),
        beamc_test_watermark(65 * s),                               /* the first minute is over */
        beamc_test_at(20 * s, beamc_pair(red, beamc_value_i64(2))), /* late */
        beamc_test_at(70 * s, beamc_pair(blue, beamc_value_i64(4))),
        beamc_test_watermark(120 * s),
        beamc_test_watermark(300 * s),                               /* and long over */
        beamc_test_at(25 * s, beamc_pair(red, beamc_value_i64(99))), /* too late: dropped */
    };
    return beamc_test_stream(p, "Points", &beamc_kv_str_i64, steps, sizeof steps / sizeof *steps);
}

/* Written at file level a trigger lives as long as the program; in a function, as long as its block. */
static const struct {
    const char *name;
    const beamc_trigger *trigger;
} triggers[] = {
    {"default", NULL},
    {"early_and_late", BEAMC_AFTER_WATERMARK(.early = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)),
                                             .late = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(1)))},
    {"pairs", BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2))},
    {"clock", BEAMC_REPEATEDLY(BEAMC_AFTER_PROCESSING_TIME(5000))},
    {"pair_or_clock",
     BEAMC_REPEATEDLY(BEAMC_AFTER_ANY(BEAMC_AFTER_COUNT(2), BEAMC_AFTER_PROCESSING_TIME(5000)))},
    {"pair_and_clock",
     BEAMC_REPEATEDLY(BEAMC_AFTER_ALL(BEAMC_AFTER_COUNT(2), BEAMC_AFTER_PROCESSING_TIME(5000)))},
    {"two_then_each",
     BEAMC_AFTER_EACH(BEAMC_AFTER_COUNT(2), BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(1)))},
    {"each_until_over",
     BEAMC_OR_FINALLY(BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(1)), BEAMC_AFTER_WATERMARK())},
    {"always", BEAMC_ALWAYS()},
    {"never", BEAMC_NEVER()},
};

static const beamc_trigger *trigger_of(const beamc_options *o) {
    const char *name = beamc_option_text(o, "trigger");
    size_t i = 0;
    while (strcmp(triggers[i].name, name) != 0) {
        i++;
    }
    return triggers[i].trigger;
}

static beamc_window_fn windows_of(const beamc_options *o) {
    const char *name = beamc_option_text(o, "windows");
    return strcmp(name, "sliding") == 0    ? beamc_sliding(.size_ms = 60000, .period_ms = 30000)
           : strcmp(name, "sessions") == 0 ? beamc_sessions(.gap_ms = 30000)
                                           : beamc_fixed(.size_ms = 60000);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_pcoll windowed = beamc_window_into(
        points(p), "Window", .fn = windows_of(o), .trigger = trigger_of(o),
        .accumulation = beamc_option_bool(o, "accumulate") ? BEAMC_ACCUMULATING : BEAMC_DISCARDING,
        .on_time = BEAMC_ON_TIME_FIRE_IF_NONEMPTY,
        .allowed_lateness_ms = 1000 * beamc_option_int(o, "lateness"));
    beamc_pcoll sums = beamc_combine_per_key(windowed, "Sum", &beamc_sum_i64);
    beamc_print(sums, "Print", .window = true, .pane = true);
}

static const beamc_option options[] = {
    {.name = "windows",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "fixed",
     .choices = "fixed|sliding|sessions",
     .doc = "Minutes; minutes that begin each half minute; or points at most 30 s apart."},
    {.name = "trigger",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "early_and_late",
     .choices = "default|early_and_late|pairs|clock|pair_or_clock|pair_and_clock|two_then_each|"
                "each_until_over|always|never",
     .doc = "When a window fires; clock is 5 s after a pane's first point."},
    {.name = "accumulate",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "false",
     .doc = "Each firing tells the whole sum so far, not what is new."},
    {.name = "lateness",
     .type = BEAMC_OPTION_INT,
     .default_text = "60",
     .min = 0,
     .max = 86400,
     .placeholder = "SECONDS",
     .doc = "How long a window takes late points."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "windows",  .doc = "Sums points in windows and prints each pane.",
    .build = build,    .options = options, .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};
BEAMC_EXPORT(program);
