/* test_stateful.c: user state, timers and window expiration on the local runner, bounded and with a
 * test stream. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static beamc_value pair(const char *word, int64_t n) {
    static beamc_kv pairs[256];
    static unsigned used;
    cr_assert_lt(used, 256u);
    pairs[used] = (beamc_kv){beamc_value_bytes(beamc_str(word)), beamc_value_i64(n)};
    return (beamc_value){.kv = &pairs[used++]};
}

static void expect_ok(beamc_test_pipeline *test) {
    beamc_error err = {0};
    beamc_status status = beamc_test_pipeline_run(test, &err);
    cr_assert_eq(status, BEAMC_OK, "%s", err.message);
}

/* KV<word, n>: emits KV<word, sum so far> from a value state; keeps all in a bag as well. */
static beamc_status running_process(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    int64_t total = (found ? sum.i64 : 0) + in->kv->value.i64;
    BEAMC_TRY(beamc_state_write(ctx, 0, beamc_value_i64(total)));
    BEAMC_TRY(beamc_state_add(ctx, 1, in->kv->value));
    const beamc_iterable *all;
    BEAMC_TRY(beamc_state_iterable(ctx, 1, &all));
    beamc_iter it;
    beamc_value v;
    int64_t again = 0;
    beamc_iterate(all, &it);
    while (beamc_iter_next(&it, &v)) {
        again += v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    if (again != total) {
        return beamc_fail(ctx, INTERNAL, "bag %lld, value %lld", (long long)again,
                          (long long)total);
    }
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(total)));
}
static const beamc_dofn running_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:running:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint},
               {.name = "all", .kind = BEAMC_STATE_BAG, .coder = &beamc_varint}},
    .process = running_process,
};

/* KV<word, n>: sums; an event timer at 100 emits the sum and sets another at 200, which emits its
 * negative. */
static beamc_status timed_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    return beamc_timer_set(ctx, 0, 100);
}
static beamc_status timed_on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    if (timer->index == 0) {
        BEAMC_TRY(beamc_timer_set(ctx, 1, 200));
        return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), sum));
    }
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), beamc_value_i64(-sum.i64)));
}
static const beamc_dofn timed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:timed:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .timers = {{"first", BEAMC_EVENT_TIME}, {"second", BEAMC_EVENT_TIME}},
    .process = timed_process,
    .on_timer = timed_on_timer,
};

/* Buffers until a processing-time timer fires. */
static beamc_status delayed_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    return beamc_timer_set(ctx, 0, beamc_processing_time(ctx) + 60000);
}
static beamc_status delayed_on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    BEAMC_TRY(beamc_state_clear(ctx, 0));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), sum));
}
static const beamc_dofn delayed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:delayed:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .timers = {{"later", BEAMC_PROCESSING_TIME}},
    .process = delayed_process,
    .on_timer = delayed_on_timer,
};

/* Counts; says how many there were when the window expires. */
static beamc_status expiring_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_state_add(ctx, 0, in->kv->value);
}
static beamc_status expiring_expiration(beamc_ctx *ctx) {
    bool found;
    beamc_value sum;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &sum));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), sum));
}
static const beamc_dofn expiring_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:expiring:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .process = expiring_process,
    .on_window_expiration = expiring_expiration,
};

/* A map, a set and an ordered list over several bundles. */
static beamc_status maps_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_value n = in->kv->value, old;
    bool found;
    beamc_value slot = beamc_value_i64(n.i64 % 3);
    BEAMC_TRY(beamc_state_get(ctx, 0, slot, &found, &old));
    BEAMC_TRY(beamc_state_put(ctx, 0, slot, beamc_value_i64(n.i64 + (found ? old.i64 : 0))));
    BEAMC_TRY(beamc_state_add(ctx, 1, slot));
    BEAMC_TRY(beamc_state_add_at(ctx, 2, -n.i64, n));
    return BEAMC_OK;
}
static beamc_status maps_expiration(beamc_ctx *ctx) {
    for (int64_t slot = 0; slot < 3; slot++) {
        bool found;
        beamc_value sum;
        BEAMC_TRY(beamc_state_get(ctx, 0, beamc_value_i64(slot), &found, &sum));
        if (found) {
            BEAMC_TRY(beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), sum)));
        }
    }
    const beamc_iterable *many;
    beamc_iter it;
    beamc_value v;
    int64_t members = 0, order = 0;
    BEAMC_TRY(beamc_state_iterable(ctx, 1, &many));
    beamc_iterate(many, &it);
    while (beamc_iter_next(&it, &v)) {
        members++;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    BEAMC_TRY(
        beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), beamc_value_i64(1000 + members))));
    BEAMC_TRY(beamc_state_range(ctx, 2, -4, 0, &many)); /* numbers 4 to 1, in that order */
    beamc_iterate(many, &it);
    while (beamc_iter_next(&it, &v)) {
        order = order * 10 + v.kv->value.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), beamc_value_i64(order)));
}
static const beamc_dofn maps_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:maps:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "map",
                .kind = BEAMC_STATE_MAP,
                .key_coder = &beamc_varint,
                .coder = &beamc_varint},
               {.name = "set", .kind = BEAMC_STATE_SET, .key_coder = &beamc_varint},
               {.name = "list", .kind = BEAMC_STATE_ORDERED_LIST, .coder = &beamc_varint}},
    .process = maps_process,
    .on_window_expiration = maps_expiration,
};

/* KV<word, n> at time n. */
static beamc_status stamp_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit_at(ctx, 0, in->kv->value.i64, *in);
}
static const beamc_dofn stamp_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:stamp:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = stamp_process,
};

/* Wants its input in the order of time: n must never fall. */
static beamc_status sorted_process(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value before;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &before));
    if (found && before.i64 > in->kv->value.i64) {
        return beamc_fail(ctx, INTERNAL, "%lld behind %lld", (long long)in->kv->value.i64,
                          (long long)before.i64);
    }
    BEAMC_TRY(beamc_state_write(ctx, 0, in->kv->value));
    return beamc_emit(ctx, 0, *in);
}
static const beamc_dofn sorted_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:stateful:sorted:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .states = {{.name = "last", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
    .requires_time_sorted_input = true,
    .process = sorted_process,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "stateful",
    .fns = BEAMC_FNS(&running_fn, &timed_fn, &delayed_fn, &expiring_fn, &maps_fn, &stamp_fn,
                     &sorted_fn),
};

static beamc_pcoll create(beamc_pipeline *p, const beamc_value *values, size_t count) {
    return beamc_create(p, "In", &beamc_kv_str_i64, values, count);
}

Test(stateful, value_and_bag) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("a", 1), pair("b", 10), pair("a", 1), pair("a", 1), pair("b", 10)};
    beamc_value want[] = {pair("a", 1), pair("a", 2), pair("a", 3), pair("b", 10), pair("b", 20)};
    beamc_assert_equal(beamc_pardo(create(p, in, LEN(in)), "Running", &running_fn), "Sums", want,
                       LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, windows_have_their_own_state) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("a", 1), pair("a", 2), pair("a", 11), pair("a", 12)};
    beamc_value want[] = {pair("a", 3), pair("a", 23)};
    beamc_pcoll windowed =
        beamc_window_into(beamc_pardo(create(p, in, LEN(in)), "Stamp", &stamp_fn), "Ten",
                          .fn = beamc_fixed(.size_ms = 10));
    beamc_assert_equal(beamc_pardo(windowed, "Expiring", &expiring_fn), "AtTheEnd", want,
                       LEN(want));
    beamc_assert_count(beamc_pardo(windowed, "Running", &running_fn), "All", 4);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, event_timers_in_order) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("a", 1), pair("b", 10), pair("a", 2)};
    beamc_value want[] = {pair("a", 3), pair("b", 10), pair("a", -3), pair("b", -10)};
    beamc_assert_equal(beamc_pardo(create(p, in, LEN(in)), "Timed", &timed_fn), "Timers", want,
                       LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, processing_timers_do_not_wait_at_the_end) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("a", 1), pair("b", 10), pair("a", 2)};
    beamc_value want[] = {pair("a", 3), pair("b", 10)};
    beamc_assert_equal(beamc_pardo(create(p, in, LEN(in)), "Delayed", &delayed_fn), "Sums", want,
                       LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, maps_sets_and_lists) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("k", 1), pair("k", 2), pair("k", 3),
                        pair("k", 4), pair("k", 6), pair("j", 5)};
    beamc_value want[] = {pair("k", 9),    pair("k", 5), pair("k", 2),    pair("k", 1003),
                          pair("k", 4321), pair("j", 5), pair("j", 1001), pair("j", 0)};
    /* one by one, so that each element is a bundle of its own at least sometimes */
    beamc_assert_equal(beamc_pardo(beamc_reshuffle(create(p, in, LEN(in)), "R"), "Maps", &maps_fn),
                       "Contents", want, LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, time_sorted_input) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value in[] = {pair("a", 5), pair("b", 1), pair("a", 3), pair("a", 9), pair("a", 4)};
    beamc_assert_count(
        beamc_pardo(beamc_pardo(create(p, in, LEN(in)), "Stamp", &stamp_fn), "Sorted", &sorted_fn),
        "All", 5);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

/* ---------------------------------------------------------------------------- test streams */

static beamc_test_event element(beamc_value v, beamc_time at) {
    return (beamc_test_event){.kind = BEAMC_TEST_ELEMENT, .value = v, .timestamp = at};
}
static beamc_test_event watermark(beamc_time at) {
    return (beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = at};
}
static beamc_test_event clock_by(int64_t ms) {
    return (beamc_test_event){.kind = BEAMC_TEST_CLOCK, .advance_ms = ms};
}

Test(stateful, a_stream_fires_as_time_goes_by) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_test_event events[] = {
        element(pair("a", 1), 10),  watermark(50),
        element(pair("a", 2), 60),  watermark(150), /* fires the first timer, with 3 */
        element(pair("a", 4), 170), watermark(190), /* sets the first one again, due at once: 7 */
        watermark(BEAMC_TIME_MAX),                  /* the second: -7 */
    };
    beamc_pcoll in = beamc_test_stream(p, "Stream", &beamc_kv_str_i64, events, LEN(events));
    beamc_value want[] = {pair("a", 3), pair("a", 7), pair("a", -7)};
    beamc_assert_equal(beamc_pardo(in, "Timed", &timed_fn), "Timers", want, LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, a_stream_moves_the_clock) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_test_event events[] = {
        element(pair("a", 1), 10), clock_by(30000),
        element(pair("a", 2), 20), clock_by(30000), /* the timer has moved on: nothing yet */
        clock_by(30000),                            /* 3 */
        element(pair("a", 5), 30), watermark(BEAMC_TIME_MAX), /* 5, at the end */
    };
    beamc_pcoll in = beamc_test_stream(p, "Stream", &beamc_kv_str_i64, events, LEN(events));
    beamc_value want[] = {pair("a", 3), pair("a", 5)};
    beamc_assert_equal(beamc_pardo(in, "Delayed", &delayed_fn), "Sums", want, LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(stateful, late_elements_are_dropped) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_test_event events[] = {
        element(pair("a", 1), 1),   watermark(20),
        element(pair("a", 100), 5), element(pair("a", 2), 25),
        watermark(BEAMC_TIME_MAX),
    };
    beamc_pcoll in = beamc_test_stream(p, "Stream", &beamc_kv_str_i64, events, LEN(events));
    beamc_pcoll windowed = beamc_window_into(in, "Ten", .fn = beamc_fixed(.size_ms = 10));
    beamc_value want[] = {pair("a", 1), pair("a", 2)};
    beamc_assert_equal(beamc_pardo(windowed, "Expiring", &expiring_fn), "State", want, 2);
    beamc_assert_equal(beamc_combine_per_key(windowed, "Sum", &beamc_sum_i64), "Group", want, 2);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}
