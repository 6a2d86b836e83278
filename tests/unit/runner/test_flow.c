/* test_flow.c: how long bundles take: splits of running ones, by the clock and for idle threads; stopping at
 * a commit. Pipelines of real DoFns on the local runner. */
#include <criterion/criterion.h>

#include "flow.h"

/* flow_slow_fn with state. */
static beamc_status slow_keyed_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    return flow_slow_process(ctx, &in->kv->value);
}
static const beamc_dofn slow_keyed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:slow_keyed:v1",
    .input = &flow_pair,
    .outputs = {{"out", &beamc_varint}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .instance_size = sizeof(flow_slow_instance),
    .start_bundle = flow_slow_start,
    .process = slow_keyed_process,
    .finish_bundle = flow_slow_finish,
};

/* All at once: a source that is split every ms, attempts that fail, state, windows. Numbers come with one
 * at bit 40, so that one sum tells how many there were. */
enum { MANY = 60000 };
#define ONE (INT64_C(1) << 40)

static bool is_time_to_fail(int64_t every) {
    static atomic_llong calls;
    return atomic_fetch_add(&calls, 1) % every == every - 1;
}
static beamc_status busy_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_watermark_set(ctx, i);
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_value_i64(ONE + i)));
        if (i == MANY) {
            flow_stop();
        }
        if (is_time_to_fail(5000)) {
            return beamc_fail(ctx, UNAVAILABLE, "now and then");
        }
        if (i % 1000 == 999) {
            return beamc_defer(ctx, i % 2000 == 999 ? 0 : 1);
        }
        for (volatile int spin = 0; spin < 2000; spin++) {
        }
    }
    return BEAMC_OK;
}
static beamc_status busy_finish(beamc_ctx *ctx) {
    return is_time_to_fail(4001) ? beamc_fail(ctx, UNAVAILABLE, "now and then") : BEAMC_OK;
}
static const beamc_dofn busy_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:busy:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &flow_endless,
    .process = busy_process,
    .finish_bundle = busy_finish,
};
static beamc_status flaky_process(beamc_ctx *ctx, const beamc_elem *in) {
    if (is_time_to_fail(7000)) {
        return beamc_fail(ctx, UNAVAILABLE, "now and then");
    }
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_value_i64(in->i64 % 97), *in));
}
static const beamc_dofn flaky_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:flow:flaky:v1",
    .input = &beamc_varint,   .outputs = {{"out", &flow_pair}},
    .process = flaky_process,
};
/* Holds each number back until the next one of its key. */
static beamc_status holding_process(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value last;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &last));
    if (is_time_to_fail(9000)) {
        return beamc_fail(ctx, UNAVAILABLE, "now and then");
    }
    if (found) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, last)));
    }
    return beamc_state_write(ctx, 0, in->kv->value);
}
static beamc_status holding_expiration(beamc_ctx *ctx) {
    bool found;
    beamc_value last;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &last));
    return found ? beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), last)) : BEAMC_OK;
}
static const beamc_dofn holding_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:holding:v1",
    .input = &flow_pair,
    .outputs = {{"out", &flow_pair}},
    .states = {{.name = "last", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
    .process = holding_process,
    .on_window_expiration = holding_expiration,
};

/* Sources whose watermark is the clock, or what they emitted: a number every 5 ms. */
static beamc_status clocked_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    if (beamc_try_claim(ctx, r->start)) {
        BEAMC_TRY(beamc_emit_at(ctx, 0, beamc_processing_time(ctx), beamc_value_i64(r->start)));
        return beamc_defer(ctx, 5);
    }
    return BEAMC_OK;
}
static const beamc_splittable by_clock = {
    .initial = flow_endless_initial, .watermark = BEAMC_WATERMARK_WALL_TIME, .unbounded = true};
static const beamc_splittable by_emitted = {
    .initial = flow_endless_initial, .watermark = BEAMC_WATERMARK_MONOTONIC, .unbounded = true};
static const beamc_dofn clock_fn = {
    BEAMC_DOFN_ABI,          .urn = "test:flow:clock:v1",
    .input = &beamc_varint,  .outputs = {{"out", &beamc_varint}},
    .splittable = &by_clock, .process = clocked_process,
};
static const beamc_dofn emitted_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:emitted:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &by_emitted,
    .process = clocked_process,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "flow",
    .fns = BEAMC_FNS(&slow_keyed_fn, &busy_fn, &flaky_fn, &holding_fn, &clock_fn, &emitted_fn),
    .imports = BEAMC_IMPORTS(&flow_program),
};

/* ------------------------------------------------------------------------- by the clock */

static void endless_runs(unsigned threads) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn), 100);
    beamc_error err = {0};
    int64_t began = flow_ms();
    beamc_status status =
        flow_run(p, &program, (beamc_local_run){.parallelism = threads, .max_bundle_ms = 20}, &err);
    cr_expect_eq(status, BEAMC_OK, "%s", err.message);
    flow_expect_all_up_to(100);
    CHECK_MS("it", flow_ms() - began, 8000);
}

Test(flow, a_process_that_never_returns_is_split_and_drains) {
    endless_runs(1);
}

Test(flow, the_same_on_three_threads) {
    endless_runs(3);
}

Test(flow, windows_of_a_process_that_never_returns_fire) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll pairs = beamc_pardo(
        beamc_window_into(beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn),
                          "Windows", .fn = beamc_fixed(.size_ms = 50)),
        "Key", &flow_key_fn);
    beamc_pcoll sums = beamc_combine_per_key(pairs, "Sum", &beamc_sum_i64);
    flow_take_config c = {12};
    beamc_pardo(beamc_pardo(sums, "Value", &flow_value_fn), "Take", &flow_take_fn, .config = &c);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.max_bundle_ms = 20}, &err), BEAMC_OK,
                 "%s", err.message);
    int64_t n = atomic_load(&flow.emitted); /* the last one may be emitted and not counted */
    cr_expect_geq(atomic_load(&flow.taken), 12);
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2);
}

Test(flow, another_attempt_has_only_what_was_not_split_off) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn), 500);
    atomic_store(&flow.fail, 3);
    beamc_error err = {0};
    beamc_status status =
        flow_run(p, &program, (beamc_local_run){.parallelism = 2, .max_bundle_ms = 15}, &err);
    cr_expect_eq(status, BEAMC_OK, "%s", err.message);
    cr_expect_leq(atomic_load(&flow.fail), 0, "no attempt failed");
    flow_expect_all_up_to(500);
}

Test(flow, cancelling_ends_a_process_that_calls_nobody) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn), 50);
    beamc_error err = {0};
    int64_t began = flow_ms();
    beamc_local_run how = {.parallelism = 1, .max_bundle_ms = 20, .stop = BEAMC_STOP_CANCEL};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_CANCELLED);
    CHECK_MS("cancelling", flow_ms() - began, 5000);
}

Test(flow, stopping_at_a_commit_fires_nothing) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll numbers = beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn);
    flow_take(numbers, 50);
    beamc_pcoll pairs =
        beamc_pardo(beamc_window_into(numbers, "Windows", .fn = beamc_fixed(.size_ms = 1000000)),
                    "Key", &flow_key_fn);
    beamc_pcoll sums = beamc_combine_per_key(pairs, "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &flow_value_fn), "Fired", &flow_take_fn,
                .config = &(flow_take_config){0});
    beamc_error err = {0};
    beamc_local_run how = {.max_bundle_ms = 20, .stop = BEAMC_STOP_AT_COMMIT};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_CANCELLED, "it is not done");
    int64_t n = atomic_load(&flow.taken); /* all of Take's, none of Fired's */
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2);
}

/* Slow elements: 100 in one block. */
static beamc_pcoll hundred(beamc_pipeline *p, int64_t count) {
    static beamc_value values[100];
    for (int64_t i = 0; i < count; i++) {
        values[i] = beamc_value_i64(i);
    }
    return beamc_reshuffle(beamc_create(p, "Hundred", &beamc_varint, values, (size_t)count), "Mix");
}

static void slow_elements(bool keyed) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_never_ending(p);
    beamc_pcoll in = hundred(p, 40);
    beamc_pcoll out =
        keyed ? beamc_pardo(beamc_pardo(in, "Key", &flow_key_fn), "Slow", &slow_keyed_fn)
              : beamc_pardo(in, "Slow", &flow_slow_fn);
    flow_take(out, 40);
    beamc_error err = {0};
    beamc_local_run how = {.parallelism = 2, .max_bundle_ms = 100};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_OK, "%s", err.message);
    flow_expect_all_up_to(40);
    cr_expect_leq(atomic_load(&flow.most), 8, "%lld elements of 20 ms in a bundle of 100 ms",
                  (long long)atomic_load(&flow.most));
}

Test(flow, bundles_of_slow_elements_end_in_time) {
    slow_elements(false);
}

Test(flow, bundles_of_slow_stateful_elements_end_in_time) {
    slow_elements(true);
}

/* ------------------------------------------------------------------------ for idle threads */

Test(flow, idle_threads_share_a_restriction) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(flow_start(p, "Start"), "Range", &flow_range_fn), -1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 4}, &err), BEAMC_OK, "%s",
                 err.message);
    int64_t took = flow_ms() - began; /* alone: more than 800 ms */
    cr_expect_eq(atomic_load(&flow.taken), 400);
    flow_expect_all_up_to(400);
    CHECK_MS("sharing", took, 780);
    cr_expect_geq(atomic_load(&flow.bundles), 2);
    cr_expect_leq(atomic_load(&flow.bundles), 40, "%lld parts",
                  (long long)atomic_load(&flow.bundles));
}

Test(flow, idle_threads_share_slow_elements) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(hundred(p, 60), "Slow", &flow_slow_fn), -1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 4}, &err), BEAMC_OK, "%s",
                 err.message);
    int64_t took = flow_ms() - began; /* alone: more than 1200 ms */
    cr_expect_eq(atomic_load(&flow.taken), 60);
    flow_expect_all_up_to(60);
    CHECK_MS("sharing", took, 1150);
    cr_expect_geq(atomic_load(&flow.bundles), 2);
}

Test(flow, one_thread_shares_with_nobody) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_take(beamc_pardo(flow_start(p, "Start"), "Range", &flow_range_fn), -1);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 1}, &err), BEAMC_OK, "%s",
                 err.message);
    flow_expect_all_up_to(400);
    cr_expect_eq(atomic_load(&flow.bundles), 1);
}

/* -------------------------------------------------------------------------------- together */

Test(flow, splits_failures_state_and_windows_lose_nothing, .timeout = 120) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll numbers =
        beamc_reshuffle(beamc_pardo(flow_start(p, "Start"), "Busy", &busy_fn), "Mix");
    beamc_pcoll windowed =
        beamc_window_into(numbers, "Windows", .fn = beamc_fixed(.size_ms = 1000));
    beamc_pcoll held =
        beamc_pardo(beamc_pardo(windowed, "Flaky", &flaky_fn), "Holding", &holding_fn);
    beamc_pcoll sums = beamc_combine_per_key(held, "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &flow_value_fn), "Take", &flow_take_fn,
                .config = &(flow_take_config){0});
    beamc_error err = {0};
    beamc_local_run how = {.parallelism = 4, .max_bundle_ms = 1, .bundle_bytes = 20000};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_OK, "%s", err.message);
    int64_t sum = atomic_load(&flow.sum), n = sum / ONE;
    cr_expect_gt(n, MANY);
    cr_expect_eq(sum % ONE, n * (n - 1) / 2, "of %lld numbers some are missing, or there twice",
                 (long long)n);
}

/* ------------------------------------------------------------------------------ watermarks */

static void watermark_of(const beamc_dofn *source) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll windowed = beamc_window_into(beamc_pardo(flow_start(p, "Start"), "Source", source),
                                             "Windows", .fn = beamc_fixed(.size_ms = 50));
    beamc_pcoll sums =
        beamc_combine_per_key(beamc_pardo(windowed, "Key", &flow_key_fn), "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &flow_value_fn), "Take", &flow_take_fn,
                .config = &(flow_take_config){40}); /* ten windows of four keys */
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_OK, "%s",
                 err.message);
    cr_expect_geq(atomic_load(&flow.taken), 40);
    CHECK_MS("ten windows of 50 ms", flow_ms() - began, 4000);
}

Test(flow, a_watermark_of_the_clock_fires_windows) {
    watermark_of(&clock_fn);
}

Test(flow, a_watermark_of_what_was_emitted_fires_windows) {
    watermark_of(&emitted_fn);
}
