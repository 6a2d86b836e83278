/* Building: what is accepted, what is refused, and with which words. */
#include <criterion/criterion.h>

#include <stdio.h>

#include <beamc/pipeline.h>

#include "graph/graph.h"

static beamc_status nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static beamc_status on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)ctx;
    (void)timer;
    return BEAMC_OK;
}

static const beamc_dofn upper = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:upper:v1",
    .input = &beamc_string, .outputs = {{"out", &beamc_string}},
    .process = nothing,
};

static const beamc_dofn pairs = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:pairs:v1",
    .input = &beamc_string, .outputs = {{"out", &beamc_kv_str_i64}, {"bad", &beamc_bytes}},
    .process = nothing,
};

static const beamc_dofn counter = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:counter:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_string}},
    .states = {{.name = "n", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
    .timers = {{"flush", BEAMC_EVENT_TIME}},
    .process = nothing,
    .on_timer = on_timer,
};

static const beamc_dofn with_side = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:with_side:v1",
    .outputs = {{"out", &beamc_string}},
    .side_inputs = {"words"},
    .process = nothing,
};

static const beamc_dofn sink = {BEAMC_DOFN_ABI, .urn = "test:dofn:sink:v1", .process = nothing};

static beamc_pcoll words(beamc_pipeline *p) {
    static const char *const texts[] = {"a", "b"};
    return beamc_create_strings(p, "Words", texts, 2);
}

/* An unbounded PCollection of strings. */
static beamc_pcoll stream(beamc_pipeline *p) {
    beamc_test_event end = {.kind = BEAMC_TEST_WATERMARK, .timestamp = BEAMC_TIME_MAX};
    return beamc_test_stream(p, "Stream", &beamc_string, &end, 1);
}

static void expect_error(beamc_pipeline *p, const char *part1, const char *part2) {
    beamc_error err = {0};
    cr_assert_neq(beamc_pipeline_status(p, &err), BEAMC_OK, "expected: %s", part1);
    cr_assert(strstr(err.message, part1), "%s has no \"%s\"", err.message, part1);
    cr_assert(strstr(err.message, part2), "%s has no \"%s\"", err.message, part2);
    beamc_pipeline_free(p);
}

static void expect_ok(beamc_pipeline *p) {
    beamc_error err = {0};
    cr_assert_eq(beamc_pipeline_status(p, &err), BEAMC_OK, "%s", err.message);
    beamc_buf out = {0};
    cr_assert_eq(beamc_pipeline_lower(p, NULL, &out, &err), BEAMC_OK, "%s", err.message);
    cr_assert_gt(out.len, 100);
    beamc_buf_free(&out);
    beamc_pipeline_free(p);
}

Test(graph_build, a_word_count) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll kv = beamc_pardo(words(p), "Pairs", &pairs);
    beamc_pcoll sums = beamc_combine_per_key(kv, "Sum", &beamc_sum_i64);
    cr_assert(beamc_coder_equal(beamc_pcoll_coder(sums), &beamc_kv_str_i64));
    cr_assert(beamc_pcoll_is_bounded(sums));
    cr_assert(beamc_coder_equal(beamc_pcoll_coder(beamc_out(kv, 1)), &beamc_bytes));
    beamc_pardo(sums, "Write", &sink);
    expect_ok(p);
}

Test(graph_build, the_same_pipeline_gives_the_same_bytes) {
    beamc_buf out[2] = {0};
    for (int i = 0; i < 2; i++) {
        beamc_pipeline *p = beamc_pipeline_new();
        beamc_combine_globally(beamc_pardo(words(p), "Pairs", &pairs), "Count", &beamc_count);
        beamc_reshuffle(beamc_impulse(p, "Start"), "Spread");
        cr_assert_eq(beamc_pipeline_lower(p, NULL, &out[i], NULL), BEAMC_OK);
        beamc_pipeline_free(p);
    }
    cr_assert(beamc_slice_eq(beamc_buf_slice(&out[0]), beamc_buf_slice(&out[1])));
    beamc_buf_free(&out[0]);
    beamc_buf_free(&out[1]);
}

Test(graph_build, the_first_error_sticks) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll bad = beamc_pardo(beamc_impulse(p, "Start"), "Upper", &upper);
    cr_assert_null(beamc_pcoll_coder(bad));
    beamc_group_by_key(bad, "Group");
    beamc_pardo(beamc_out(bad, 7), "More", &upper);
    beamc_pipeline_fail(p, BEAMC_INTERNAL, "later");
    expect_error(p, "Upper: DoFn test:dofn:upper:v1 takes string", "made by Start, holds bytes");
}

Test(graph_build, errors_carry_the_path_of_labels) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in = words(p);
    beamc_composite_begin(p, "Outer");
    beamc_composite_begin(p, "Inner");
    beamc_group_by_key(in, "Group");
    beamc_composite_end(p);
    beamc_composite_end(p);
    expect_error(p, "Outer/Inner/Group: GroupByKey needs an input of key-value pairs",
                 "beamc_with_key");
}

Test(graph_build, labels_are_unique_among_siblings_only) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in = words(p);
    beamc_pardo(in, "Same", &upper);
    beamc_composite_begin(p, "Part");
    beamc_pardo(in, "Same", &upper);
    beamc_composite_end(p);
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    beamc_pardo(in, "Same", &upper);
    expect_error(p, "Same: this label is taken", "rename");
}

Test(graph_build, many_labels) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll at = words(p);
    for (int i = 0; i < 1000; i++) {
        char label[32];
        snprintf(label, sizeof label, "Step%d", i);
        at = beamc_pardo(at, label, &upper);
    }
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    beamc_pardo(at, "Step500", &upper);
    expect_error(p, "Step500: this label is taken", "");
}

Test(graph_build, empty_labels_are_refused) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_impulse(p, "");
    expect_error(p, "no label", "");
}

Test(graph_build, composites_are_balanced) {
    beamc_pipeline *p = beamc_pipeline_new();
    words(p);
    beamc_composite_begin(p, "Open");
    beamc_error err = {0};
    beamc_buf out = {0};
    cr_assert_eq(beamc_pipeline_lower(p, NULL, &out, &err), BEAMC_FAILED_PRECONDITION);
    cr_assert_str_eq(err.message, "Open: this composite is still open: call beamc_composite_end");
    beamc_composite_end(p);
    beamc_composite_end(p);
    expect_error(p, "beamc_composite_end without", "");
}

Test(graph_build, an_empty_pipeline_is_refused) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_error err = {0};
    beamc_buf out = {0};
    cr_assert_eq(beamc_pipeline_lower(p, NULL, &out, &err), BEAMC_FAILED_PRECONDITION);
    cr_assert(strstr(err.message, "empty"));
    beamc_pipeline_free(p);
}

Test(graph_build, unbounded_grouping_needs_windows_or_a_trigger) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll kv = beamc_pardo(stream(p), "Pairs", &pairs);
    cr_assert(!beamc_pcoll_is_bounded(kv));
    beamc_group_by_key(beamc_window_into(kv, "Minute", .fn = beamc_fixed(.size_ms = 60000)),
                       "Windowed");
    beamc_group_by_key(
        beamc_window_into(kv, "Often", .trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(10))),
        "Triggered");
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    beamc_group_by_key(kv, "Never");
    expect_error(p, "Never: an unbounded input in the global window", "beamc_window_into");
}

Test(graph_build, a_trigger_must_be_able_to_fire) {
    const beamc_trigger *silent[] = {BEAMC_NEVER(), BEAMC_REPEATEDLY(BEAMC_NEVER()),
                                     BEAMC_AFTER_ALL(BEAMC_AFTER_COUNT(1), BEAMC_NEVER()),
                                     BEAMC_AFTER_EACH(BEAMC_NEVER(), BEAMC_AFTER_COUNT(1)),
                                     BEAMC_AFTER_ANY(BEAMC_NEVER(), BEAMC_NEVER())};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        beamc_pipeline *p = beamc_pipeline_new();
        beamc_pcoll kv = beamc_pardo(stream(p), "Pairs", &pairs);
        beamc_group_by_key(beamc_window_into(kv, "Minute", .fn = beamc_fixed(.size_ms = 60000),
                                             .trigger = silent[i]),
                           "AtTheEnd");
        cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
        beamc_group_by_key(beamc_window_into(kv, "Silent", .trigger = silent[i]), "Group");
        expect_error(p, "Group: an unbounded input in the global window with a trigger that never",
                     "put beamc_window_into");
    }
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll kv = beamc_pardo(stream(p), "Pairs", &pairs);
    beamc_group_by_key(
        beamc_window_into(kv, "Any",
                          .trigger = BEAMC_AFTER_ANY(BEAMC_NEVER(), BEAMC_AFTER_COUNT(1))),
        "Group");
    expect_ok(p);
}

Test(graph_build, unbounded_combine_needs_windows_or_a_trigger) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_combine_per_key(beamc_pardo(stream(p), "Pairs", &pairs), "Sum", &beamc_sum_i64);
    expect_error(p, "Sum: an unbounded input in the global window", "beamc_window_into");

    p = beamc_pipeline_new();
    beamc_combine_globally(stream(p), "All", &beamc_count);
    expect_error(p, "All", "an unbounded input in the global window");
}

Test(graph_build, keys_must_be_deterministic) {
    static const beamc_coder kv = BEAMC_KV(&beamc_double, &beamc_varint);
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_group_by_key(beamc_create(p, "None", &kv, NULL, 0), "Group");
    expect_error(p, "Group: GroupByKey needs a key whose encoding is the same", "double");
}

Test(graph_build, flatten_wants_one_coder) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in[2] = {words(p), beamc_impulse(p, "Start")};
    beamc_flatten(p, "Both", in, 2);
    expect_error(p, "Both: its inputs hold different things", "Start gives bytes");
}

Test(graph_build, flatten_wants_one_windowing) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll a = words(p);
    beamc_pcoll in[2] = {a, beamc_window_into(a, "Minute", .fn = beamc_fixed(.size_ms = 60000))};
    beamc_flatten(p, "Both", in, 2);
    expect_error(
        p,
        "Both: the outputs of Words/Values (the global window) and Minute (fixed windows of "
        "60000 ms) have different windows",
        "put both through the same beamc_window_into first");

    p = beamc_pipeline_new();
    a = stream(p);
    beamc_pcoll differ[2] = {beamc_window_into(a, "Ten", .trigger = BEAMC_AFTER_COUNT(10)),
                             beamc_window_into(a, "Five", .trigger = BEAMC_AFTER_COUNT(5))};
    beamc_flatten(p, "Both", differ, 2);
    expect_error(p, "Both: the outputs of Ten", "have different triggers");

    p = beamc_pipeline_new();
    a = stream(p);
    beamc_pcoll same[2] = {
        beamc_window_into(a, "One", .fn = beamc_fixed(.size_ms = 10, .offset_ms = 1)),
        beamc_window_into(a, "Eleven", .fn = beamc_fixed(.size_ms = 10, .offset_ms = 11))};
    beamc_flatten(p, "Same", same, 2); /* an offset is a phase */
    expect_ok(p);
}

Test(graph_build, flatten_wants_an_input) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_flatten(p, "None", NULL, 0);
    expect_error(p, "None: Flatten needs at least one input", "");
}

Test(graph_build, flatten_is_unbounded_if_one_input_is) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in[2] = {words(p), stream(p)};
    cr_assert(!beamc_pcoll_is_bounded(beamc_flatten(p, "Both", in, 2)));
    expect_ok(p);
}

Test(graph_build, state_needs_keys) {
    static const beamc_dofn stateful = {
        BEAMC_DOFN_ABI,
        .urn = "test:dofn:stateful:v1",
        .outputs = {{"out", &beamc_string}},
        .states = {{.name = "n", .kind = BEAMC_STATE_BAG, .coder = &beamc_varint}},
        .process = nothing,
    };
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(words(p), "Count", &stateful);
    expect_error(p, "Count: a DoFn with state or timers needs an input of key-value pairs", "");
}

Test(graph_build, timers_and_their_callback_belong_together) {
    static const beamc_dofn deaf = {
        BEAMC_DOFN_ABI,
        .urn = "test:dofn:deaf:v1",
        .timers = {{"flush", BEAMC_EVENT_TIME}},
        .process = nothing,
    };
    static const beamc_dofn idle = {
        BEAMC_DOFN_ABI,
        .urn = "test:dofn:idle:v1",
        .process = nothing,
        .on_timer = on_timer,
    };
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(beamc_pardo(words(p), "Pairs", &pairs), "Deaf", &deaf);
    expect_error(p, "Deaf: DoFn test:dofn:deaf:v1 declares timers but has no .on_timer", "");
    p = beamc_pipeline_new();
    beamc_pardo(words(p), "Idle", &idle);
    expect_error(p, "Idle: DoFn test:dofn:idle:v1 has an .on_timer but declares no .timers", "");
}

Test(graph_build, state_in_merging_windows_is_refused) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll kv = beamc_pardo(words(p), "Pairs", &pairs);
    beamc_pcoll sessions = beamc_window_into(kv, "Sessions", .fn = beamc_sessions(.gap_ms = 1000));
    beamc_pardo(sessions, "Count", &counter);
    expect_error(p, "Count: DoFn test:dofn:counter:v1 keeps state for each window",
                 "session windows");
}

Test(graph_build, side_inputs_are_checked) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in = words(p);
    beamc_pardo(in, "Good", &with_side, .side = {{.from = in}});
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    beamc_pardo(in, "Missing", &with_side);
    expect_error(p, "Missing: DoFn test:dofn:with_side:v1 takes 1 side input(s)",
                 ".side[0] is missing");

    p = beamc_pipeline_new();
    in = words(p);
    beamc_pardo(in, "TooMany", &upper, .side = {{.from = in}});
    expect_error(p, "takes 0 side input(s)", ".side[0] is given");

    p = beamc_pipeline_new();
    in = words(p);
    beamc_pardo(in, "Unkeyed", &with_side, .side = {{.from = in, .multimap = true}});
    expect_error(p, "Unkeyed: a multimap side input needs an input of key-value pairs", "");

    p = beamc_pipeline_new();
    in = words(p);
    beamc_pcoll sessions = beamc_window_into(in, "S", .fn = beamc_sessions(.gap_ms = 1));
    beamc_pardo(in, "Sessions", &with_side, .side = {{.from = sessions}});
    expect_error(p, "side input \"words\" is in session windows", "");

    p = beamc_pipeline_new();
    in = stream(p);
    beamc_pcoll often = beamc_window_into(
        in, "Often", .trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_PROCESSING_TIME(1000)));
    beamc_pardo(in, "Triggered", &with_side, .side = {{.from = often}});
    expect_error(p, "side input \"words\" is unbounded, in the global window and triggered", "");

    p = beamc_pipeline_new();
    in = stream(p);
    beamc_pardo(in, "Endless", &with_side, .side = {{.from = in}});
    expect_error(p, "Endless: side input \"words\" is unbounded and in the global window",
                 "Put it in fixed windows, or keep it in state");
}

Test(graph_build, a_sink_has_no_output) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll none = beamc_pardo(words(p), "Write", &sink);
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    beamc_pardo(none, "After", &upper);
    expect_error(p, "After: its input, step Write, has no output", "");
}

Test(graph_build, outputs_are_counted) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_out(beamc_pardo(words(p), "Pairs", &pairs), 2);
    expect_error(p, "Pairs: it has 2 output(s), so beamc_out(..., 2) does not exist", "");
}

Test(graph_build, generic_outputs_need_a_coder) {
    static const beamc_dofn generic = {BEAMC_DOFN_ABI, .urn = "test:dofn:generic:v1",
                                       .outputs = {{"out", NULL}}, .process = nothing};
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll good = beamc_pardo(words(p), "Good", &generic, .output_coders = {&beamc_varint});
    cr_assert(beamc_coder_equal(beamc_pcoll_coder(good), &beamc_varint));
    beamc_pardo(words(p), "x", &generic); /* "Words" is taken: reported first */
    expect_error(p, "Words: this label is taken", "");
    p = beamc_pipeline_new();
    beamc_pardo(words(p), "Bad", &generic);
    expect_error(p, "Bad: output \"out\" of DoFn test:dofn:generic:v1 has no coder",
                 ".output_coders[0]");
}

Test(graph_build, definitions_are_checked) {
    static const beamc_dofn no_process = {BEAMC_DOFN_ABI, .urn = "test:a:v1"};
    static const beamc_dofn no_urn = {BEAMC_DOFN_ABI, .process = nothing};
    static const beamc_dofn no_abi = {.urn = "test:b:v1", .process = nothing};
    static const beamc_dofn no_on_timer = {BEAMC_DOFN_ABI, .urn = "test:c:v1",
                                           .timers = {{"t", BEAMC_EVENT_TIME}}, .process = nothing};
    static const beamc_dofn twice = {BEAMC_DOFN_ABI, .urn = "test:d:v1",
                                     .outputs = {{"x", &beamc_bytes}, {"x", &beamc_bytes}},
                                     .process = nothing};
    static const beamc_splittable half = {.unbounded = true};
    static const beamc_dofn no_initial = {BEAMC_DOFN_ABI, .urn = "test:e:v1", .splittable = &half,
                                          .process = nothing};
    static const struct {
        const beamc_dofn *fn;
        const char *text;
    } cases[] = {
        {NULL, "the DoFn is NULL"},
        {&no_process, "test:a:v1 has no .process"},
        {&no_urn, "has no .urn"},
        {&no_abi, "BEAMC_DOFN_ABI"},
        {&no_on_timer, "declares timers but has no .on_timer"},
        {&twice, "two outputs named \"x\""},
        {&no_initial, "has no .initial"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_pipeline *p = beamc_pipeline_new();
        beamc_pardo(words(p), "Step", cases[i].fn);
        expect_error(p, "Step: ", cases[i].text);
    }
}

static const char *not_listed(void *arg, const char *urn, const void *fn) {
    (void)arg;
    (void)fn;
    return strncmp(urn, "test:", 5) == 0 ? "is not listed in program.fns" : NULL;
}

Test(graph_build, functions_must_be_listed) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc__pipeline_set_fault(p, not_listed, NULL);
    beamc_pardo(words(p), "Upper", &upper);
    expect_error(p, "Upper: DoFn test:dofn:upper:v1 is not listed in program.fns", "");
}

Test(graph_build, windowings_are_checked) {
    static const struct {
        beamc_windowing w;
        const char *text;
    } cases[] = {
        {{.fn = {.kind = BEAMC_WINDOW_FIXED}}, "fixed windows need .size_ms > 0"},
        {{.fn = {.kind = BEAMC_WINDOW_SLIDING, .size_ms = 5}}, ".period_ms > 0"},
        {{.fn = {.kind = BEAMC_WINDOW_SESSIONS, .gap_ms = -1}}, ".gap_ms > 0"},
        {{.fn = {.kind = (beamc_window_kind)9}}, "unknown kind of windows"},
        {{.allowed_lateness_ms = -1}, "must not be negative"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_pipeline *p = beamc_pipeline_new();
        beamc_window_into_with(words(p), "Window", cases[i].w);
        expect_error(p, "Window: ", cases[i].text);
    }
    const beamc_trigger *triggers[] = {
        BEAMC_AFTER_COUNT(0),
        &(const beamc_trigger){.kind = BEAMC_TRIGGER_AFTER_ALL},
        BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_PROCESSING_TIME(-1)),
    };
    for (size_t i = 0; i < 3; i++) {
        beamc_pipeline *p = beamc_pipeline_new();
        beamc_window_into(words(p), "Window", .trigger = triggers[i]);
        expect_error(p, "Window: ", "");
    }
}

Test(graph_build, windowing_goes_on_behind_a_grouping) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll kv = beamc_pardo(words(p), "Pairs", &pairs);
    beamc_pcoll w =
        beamc_window_into(kv, "Sessions", .fn = beamc_sessions(.gap_ms = 1000),
                          .trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(5),
                                                           .late = BEAMC_AFTER_PROCESSING_TIME(10)),
                          .accumulation = BEAMC_ACCUMULATING, .allowed_lateness_ms = 7);
    beamc_pcoll g = beamc_group_by_key(w, "Group");
    cr_assert_eq(beamc_pipeline_status(p, NULL), BEAMC_OK);
    const beamc_strategy *s = &p->strategies[p->colls[g.id].strategy];
    cr_assert(s->already_merged);
    cr_assert_eq(s->w.accumulation, BEAMC_ACCUMULATING);
    cr_assert_eq(s->w.allowed_lateness_ms, 7);
    cr_assert_eq(s->w.trigger->kind, BEAMC_TRIGGER_AFTER_WATERMARK);
    cr_assert_eq(s->w.trigger->early->count, 1);
    cr_assert_eq(s->w.trigger->late->kind, BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME);
    expect_ok(p);
}

Test(graph_build, test_stream_events_are_checked) {
    beamc_test_event back[] = {{.kind = BEAMC_TEST_WATERMARK, .timestamp = 5},
                               {.kind = BEAMC_TEST_WATERMARK, .timestamp = 4}};
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_test_stream(p, "Back", &beamc_string, back, 2);
    expect_error(p, "Back: event 1 moves the watermark backwards", "");
}

Test(graph_build, a_combiner_s_input_is_checked) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_combine_globally(words(p), "Sum", &beamc_sum_i64);
    expect_error(p, "Sum: combiner beamc:combiner:sum_i64:v1 takes varint", "are string");
}

Test(graph_build, a_job_that_can_be_continued_has_a_name) {
    beamc_pipeline *p = beamc_pipeline_new();
    cr_assert_null(beamc_pipeline_job(p));
    char name[] = "orders";
    beamc__pipeline_set_job(p, name);
    name[0] = 'x'; /* it was copied */
    cr_assert_str_eq(beamc_pipeline_job(p), "orders");
    beamc__pipeline_set_job(p, "");
    cr_assert_null(beamc_pipeline_job(p));
    beamc_pipeline_free(p);
}

Test(graph_build, the_runner_is_known_or_not) {
    beamc_pipeline *p = beamc_pipeline_new();
    cr_assert_null(beamc_pipeline_runner(p));
    cr_assert_not(beamc_pipeline_runs_locally(p));
    beamc__pipeline_set_runner(p, "directrunner");
    cr_assert(beamc_pipeline_runs_locally(p));
    beamc__pipeline_set_runner(p, "PrismRunner");
    cr_assert_str_eq(beamc_pipeline_runner(p), "PrismRunner");
    cr_assert_not(beamc_pipeline_runs_locally(p));
    beamc_pipeline_free(p);
}
