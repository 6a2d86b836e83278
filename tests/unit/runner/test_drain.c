/* test_drain.c: how jobs end before their input does: drained, or cancelled when they are bounded. */
#include <criterion/criterion.h>

#include "flow.h"

/* The same, but a drain goes on to the next multiple of 1000, and reads a side input to know it. */
static beamc_status rounding_truncate(beamc_ctx *ctx, const beamc_elem *in, void *restriction,
                                      bool *keep) {
    (void)in;
    const beamc_iterable *many;
    beamc_iter it;
    beamc_value step = {0};
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &many));
    beamc_iterate(many, &it);
    if (!beamc_iter_next(&it, &step)) {
        return beamc_fail(ctx, INTERNAL, "no side input");
    }
    beamc_offset_range *r = restriction;
    r->stop = (r->start + step.i64 - 1) / step.i64 * step.i64;
    *keep = r->stop > r->start;
    return BEAMC_OK;
}
static beamc_status rounding_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_value_i64(i)));
        if (i % 100 == 99) { /* it comes back, also when it was truncated */
            return beamc_defer(ctx, 1);
        }
    }
    return BEAMC_OK;
}
static const beamc_splittable rounding = {
    .initial = flow_endless_initial, .truncate = rounding_truncate, .unbounded = true};
static const beamc_dofn rounding_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:drain:rounding:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .side_inputs = {"step"},
    .splittable = &rounding,
    .process = rounding_process,
};

/* Bounded: 0 .. 19, with a pause of 50 ms behind each. */
static beamc_status twenty_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, 20};
    return BEAMC_OK;
}
static beamc_status pausing_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    if (beamc_try_claim(ctx, r->start)) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(r->start)));
        return beamc_defer(ctx, 50);
    }
    return BEAMC_OK;
}
static const beamc_splittable twenty = {.initial = twenty_initial};
static const beamc_dofn pausing_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:drain:pausing:v1",
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
    .splittable = &twenty,  .process = pausing_process,
};

/* KV<k, n>: n in an hour. */
static beamc_status hourly_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    if (in->kv->value.i64 == 50) {
        flow_stop();
    }
    return beamc_timer_set(ctx, 0, beamc_processing_time(ctx) + 3600 * 1000);
}
static beamc_status hourly_on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    BEAMC_TRY(beamc_state_clear(ctx, 0));
    return beamc_emit(ctx, 0, sum);
}
static const beamc_dofn hourly_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:drain:hourly:v1",
    .input = &flow_pair,
    .outputs = {{"out", &beamc_varint}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .timers = {{"later", BEAMC_PROCESSING_TIME}},
    .process = hourly_process,
    .on_timer = hourly_on_timer,
};

/* KV<k, many> -> 1000. */
static const beamc_coder many_i64 = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder groups = BEAMC_KV(&beamc_varint, &many_i64);
static beamc_status length_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_emit(ctx, 0, beamc_value_i64(1000));
}
static const beamc_dofn length_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:drain:length:v1",
    .input = &groups,
    .outputs = {{"out", &beamc_varint}},
    .process = length_process,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "drain",
    .fns = BEAMC_FNS(&rounding_fn, &pausing_fn, &hourly_fn, &length_fn),
    .imports = BEAMC_IMPORTS(&flow_program),
};

Test(drain, a_drain_truncates_restrictions_once_and_finishes_them) {
    beamc_pipeline *p = beamc_pipeline_new();
    static const beamc_value step[] = {{.i64 = 1000}};
    beamc_pcoll side = beamc_create(p, "Step", &beamc_varint, step, 1);
    flow_take(
        beamc_pardo(flow_start(p, "Start"), "Rounding", &rounding_fn, .side = {{side, false}}),
        1234);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_OK, "%s",
                 err.message);
    flow_expect_all_up_to(2000);
    cr_expect_eq(atomic_load(&flow.taken) % 1000, 0, "%lld", (long long)atomic_load(&flow.taken));
}

Test(drain, a_drain_ends_waiting_restrictions_and_finishes_bounded_ones) {
    beamc_pipeline *p = beamc_pipeline_new();
    flow_never_ending(p);
    flow_take(beamc_pardo(flow_start(p, "Start"), "Range", &flow_range_fn), 1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(
        flow_run(p, &program, (beamc_local_run){.parallelism = 2, .max_bundle_ms = 50}, &err),
        BEAMC_OK, "%s", err.message);
    cr_expect_eq(atomic_load(&flow.taken), 400);
    flow_expect_all_up_to(400);
    CHECK_MS("draining", flow_ms() - began, 8000);
}

Test(drain, a_drain_fires_timers_of_the_clock_at_once) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll pairs = beamc_pardo(
        beamc_pardo(flow_start(p, "Start"), "Endless", &flow_endless_fn), "Key", &flow_key_fn);
    beamc_pardo(beamc_pardo(pairs, "Hourly", &hourly_fn), "Take", &flow_take_fn,
                .config = &(flow_take_config){0});
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.max_bundle_ms = 20}, &err), BEAMC_OK,
                 "%s", err.message);
    int64_t n = atomic_load(&flow.emitted);
    cr_expect_eq(atomic_load(&flow.taken), 4, "four keys, one timer each");
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2);
    CHECK_MS("it", flow_ms() - began, 8000);
}

Test(drain, a_drained_test_stream_ends) {
    beamc_pipeline *p = beamc_pipeline_new();
    static beamc_test_event events[300];
    for (int64_t i = 0; i < 300; i++) {
        events[i] = (beamc_test_event){.kind = BEAMC_TEST_ELEMENT, .value = {.i64 = i}};
        events[i].timestamp = i;
        if (i % 2 == 1) {
            events[i] = (beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = i};
        }
    }
    beamc_pcoll in = beamc_test_stream(p, "Stream", &beamc_varint, events, 300);
    beamc_pardo(beamc_pardo(in, "Slow", &flow_slow_fn), "Take", &flow_take_fn,
                .config = &(flow_take_config){3});
    beamc_pcoll pairs = beamc_pardo(
        beamc_window_into(in, "Windows", .fn = beamc_fixed(.size_ms = 1000)), "Key", &flow_key_fn);
    beamc_pardo(beamc_pardo(beamc_group_by_key(pairs, "Group"), "Length", &length_fn), "Fired",
                &flow_take_fn, .config = &(flow_take_config){0});
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){0}, &err), BEAMC_OK, "%s", err.message);
    cr_expect_lt(atomic_load(&flow.taken), 100, "of 150 elements");
    cr_expect_geq(atomic_load(&flow.sum), 1000, "the window fired");
}

Test(drain, pauses_do_not_wait_for_the_clock_of_a_test_stream_that_has_ended) {
    beamc_pipeline *p = beamc_pipeline_new();
    static const beamc_test_event events[] = {
        {.kind = BEAMC_TEST_CLOCK, .advance_ms = 100},
        {.kind = BEAMC_TEST_WATERMARK, .timestamp = BEAMC_TIME_MAX}};
    beamc_test_stream(p, "Stream", &beamc_varint, events, 2);
    flow_take(beamc_pardo(flow_start(p, "Start"), "Pausing", &pausing_fn), -1);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){0}, &err), BEAMC_OK, "%s", err.message);
    cr_expect_eq(atomic_load(&flow.taken), 20);
    flow_expect_all_up_to(20);
}

Test(drain, a_bounded_job_is_cancelled) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll first = beamc_pardo(flow_start(p, "First"), "Stop", &flow_take_fn,
                                    .config = &(flow_take_config){1});
    (void)first;
    flow_take(beamc_pardo(flow_start(p, "Start"), "Range", &flow_range_fn), -1);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_CANCELLED);
}
