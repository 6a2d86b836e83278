/* streaming_test.c: how to test a streaming pipeline: no cluster, no clock, no waiting. A test stream plays
 * elements, watermarks and hours of processing time in a moment; assertions are part of the pipeline.
 *
 *     ./streaming_test
 *
 * prints a line for each test, and ends with 1 if one failed. With a test framework (Criterion, Check, ...)
 * each function here would be a test of it. */
#include <stdio.h>

#include <beamc/beamc.h>
#include <beamc/test.h>

enum { MINUTE = 60000, HOUR = 3600000 };
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ------------------------------------------------------------------- what is tested */

/* Readings per sensor and minute; a minute takes late ones for another minute. */
static beamc_pcoll count_by_minute(beamc_pcoll readings) {
    beamc_pcoll minutes =
        beamc_window_into(readings, "Minutes", .fn = beamc_fixed(.size_ms = MINUTE),
                          .accumulation = BEAMC_ACCUMULATING, .allowed_lateness_ms = MINUTE);
    return beamc_combine_per_key(minutes, "Count", &beamc_count);
}

/* Says that a sensor is silent when nothing came from it for an hour by the clock. */
enum { SILENCE };

static beamc_status hear(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_timer_set(ctx, SILENCE, beamc_processing_time(ctx) + HOUR);
}

static beamc_status report(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    return beamc_emit(ctx, 0, beamc_key(ctx));
}

static const beamc_dofn silence = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:silence:v1",
    .doc = "The sensors that became silent.",
    .input = &beamc_kv_str_i64,
    .outputs[0] = {"silent", &beamc_string},
    .timers[SILENCE] = {"silence", BEAMC_PROCESSING_TIME},
    .process = hear,
    .on_timer = report,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "streaming_test",
    .fns = BEAMC_FNS(&silence),
    .combiners = BEAMC_COMBINERS(&beamc_count),
};

/* ------------------------------------------------------------------------ the tests */

static bool run(beamc_test_pipeline *test, const char *name) {
    beamc_error err = {0};
    bool ok = beamc_test_pipeline_run(test, &err) == BEAMC_OK;
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", err.message);
    beamc_test_pipeline_free(test);
    return ok;
}

#define reading(name) beamc_pair(beamc_value_text(name), beamc_value_i64(0))
#define counted(name, n) beamc_pair(beamc_value_text(name), beamc_value_i64(n))

static bool minutes_are_counted(void) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_test_event steps[] = {
        beamc_test_at(1000, reading("a")), beamc_test_at(59999, reading("a")),
        beamc_test_at(60000, reading("a")), /* belongs to the next minute */
        beamc_test_at(2000, reading("b")),  /* out of order, not late */
    };
    beamc_pcoll in = beamc_test_stream(beamc_test_pipeline_graph(test), "In", &beamc_kv_str_i64,
                                       steps, COUNT(steps));
    beamc_pcoll counts = count_by_minute(in);
    beamc_value first[] = {counted("a", 2), counted("b", 1)}, second[] = {counted("a", 1)};
    beamc_assert_in_window(counts, "First", (beamc_window){0, MINUTE}, first, 2);
    beamc_assert_in_window(counts, "Second", (beamc_window){MINUTE, 2 * MINUTE}, second, 1);
    return run(test, "minutes are counted");
}

static bool late_readings_correct_a_minute(void) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_test_event steps[] = {
        beamc_test_at(1000, reading("a")),
        beamc_test_watermark(MINUTE), /* the minute is over: 1 */
        beamc_test_at(2000, reading("a")),
        beamc_test_watermark(2 * MINUTE),  /* and the time for late ones: 2, corrected */
        beamc_test_at(3000, reading("a")), /* too late */
    };
    beamc_pcoll in = beamc_test_stream(beamc_test_pipeline_graph(test), "In", &beamc_kv_str_i64,
                                       steps, COUNT(steps));
    beamc_value panes[] = {counted("a", 1), counted("a", 2)};
    beamc_assert_equal(count_by_minute(in), "Panes", panes, COUNT(panes));
    return run(test, "late readings correct a minute, too late ones do not");
}

static bool an_hour_of_silence_is_reported(void) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_test_event steps[] = {
        beamc_test_at(0, reading("a")),
        beamc_test_at(0, reading("b")),
        beamc_test_advance(HOUR / 2),
        beamc_test_at(0, reading("a")), /* still there: its timer moves */
        beamc_test_advance(HOUR / 2),   /* b was silent for an hour */
        beamc_test_at(0, reading("b")), /* and is back; when the stream ends, so do both */
    };
    beamc_pcoll in = beamc_test_stream(beamc_test_pipeline_graph(test), "In", &beamc_kv_str_i64,
                                       steps, COUNT(steps));
    beamc_value silent[] = {beamc_value_text("b"), beamc_value_text("b"), beamc_value_text("a")};
    beamc_assert_equal(beamc_pardo(in, "Silence", &silence), "Silent", silent, COUNT(silent));
    return run(test, "an hour of silence is reported");
}

int main(void) {
    int failed = 0;
    failed += !minutes_are_counted();
    failed += !late_readings_correct_a_minute();
    failed += !an_hour_of_silence_is_reported();
    return failed > 0 ? 1 : 0;
}
