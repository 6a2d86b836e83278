/* The composites, run: what Create, WithKey, Reshuffle and CombineGlobally give. */
#include <criterion/criterion.h>

#include <beamc/test.h>

typedef struct point {
    int64_t x;
    beamc_slice name;
} point;

static const beamc_field point_fields[] = {
    BEAMC_REQUIRED(point, x, I64),
    BEAMC_REQUIRED(point, name, STRING),
};
static const beamc_row point_row = BEAMC_ROW(point, point_fields);
static const beamc_coder point_coder = BEAMC_ROW_CODER(&point_row);

/* n -> n at time n. */
static beamc_status stamp_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit_at(ctx, 0, in->i64, *in);
}
static const beamc_dofn stamp = {BEAMC_DOFN_ABI, .urn = "test:composites:stamp:v1",
                                 .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
                                 .process = stamp_process};

/* n -> its timestamp. */
static beamc_status time_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_emit(ctx, 0, beamc_value_i64(beamc_timestamp(ctx)));
}
static const beamc_dofn time_of = {BEAMC_DOFN_ABI, .urn = "test:composites:time:v1",
                                   .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
                                   .process = time_process};

/* point -> its x. */
static beamc_status x_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, beamc_value_i64(((const point *)in->row)->x));
}
static const beamc_dofn x_of = {BEAMC_DOFN_ABI, .urn = "test:composites:x:v1",
                                .input = &point_coder, .outputs = {{"out", &beamc_varint}},
                                .process = x_process};

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "composites",
                                      .fns = BEAMC_FNS(&stamp, &time_of, &x_of)};

static const beamc_value numbers[] = {{.i64 = 5}, {.i64 = -3}, {.i64 = 70000}, {.i64 = 5}};

static void run(beamc_test_pipeline *test) {
    beamc_error err = {0};
    beamc_status st = beamc_test_pipeline_run(test, &err);
    cr_assert_eq(st, BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(test);
}

Test(composites, create_gives_back_rows) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    const point points[] = {{1, BEAMC_STR("a")}, {-2, BEAMC_STR("")}};
    const beamc_value values[] = {{.row = &points[0]}, {.row = &points[1]}};
    beamc_pcoll in = beamc_create(p, "Points", &point_coder, values, 2);
    beamc_assert_equal(in, "Same", values, 2);
    const beamc_value xs[] = {{.i64 = -2}, {.i64 = 1}};
    beamc_assert_equal(beamc_pardo(in, "X", &x_of), "Xs", xs, 2);
    beamc_assert_equal(beamc_pardo(beamc_reshuffle(in, "Spread"), "X2", &x_of), "Xs2", xs, 2);
    beamc_assert_empty(beamc_create(p, "None", &point_coder, NULL, 0), "Nothing");
    run(test);
}

Test(composites, globally_there_is_a_value_for_nothing) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll none = beamc_create(p, "None", &beamc_varint, NULL, 0);
    const beamc_value zero[] = {{.i64 = 0}};
    const beamc_value least[] = {{.i64 = INT64_MAX}};
    beamc_assert_equal(beamc_combine_globally(none, "Count", &beamc_count), "Zero", zero, 1);
    beamc_assert_equal(beamc_combine_globally(none, "Sum", &beamc_sum_i64), "NoSum", zero, 1);
    beamc_assert_equal(beamc_combine_globally(none, "Min", &beamc_min_i64), "NoMin", least, 1);
    beamc_assert_empty(beamc_combine_globally(none, "Bare", &beamc_count, .without_defaults = true),
                       "Bare none");
    beamc_pcoll windowed = beamc_window_into(none, "Minute", .fn = beamc_fixed(.size_ms = 60000));
    beamc_assert_empty(beamc_combine_globally(windowed, "InWindows", &beamc_count), "No windows");
    run(test);
}

Test(composites, globally_there_is_one_value_for_all) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll in = beamc_create(p, "Numbers", &beamc_varint, numbers, 4);
    const beamc_value sum[] = {{.i64 = 70007}};
    const beamc_value count[] = {{.i64 = 4}};
    const beamc_value mean[] = {{.f64 = 70007.0 / 4}};
    beamc_assert_equal(beamc_combine_globally(in, "Sum", &beamc_sum_i64), "TheSum", sum, 1);
    beamc_assert_equal(beamc_combine_globally(in, "Count", &beamc_count), "TheCount", count, 1);
    beamc_assert_equal(beamc_combine_globally(in, "Mean", &beamc_mean_i64), "TheMean", mean, 1);
    beamc_pcoll minutes = beamc_window_into(beamc_pardo(in, "Stamp", &stamp), "Minute",
                                            .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll counts = beamc_combine_globally(minutes, "PerMinute", &beamc_count);
    const beamc_value one[] = {{.i64 = 1}};
    const beamc_value two[] = {{.i64 = 2}};
    beamc_assert_in_window(counts, "Before", (beamc_window){-60000, 0}, one, 1);
    beamc_assert_in_window(counts, "First", (beamc_window){0, 60000}, two, 1);
    beamc_assert_in_window(counts, "Second", (beamc_window){60000, 120000}, one, 1);
    run(test);
}

Test(composites, saturated_sums_are_counted) {
    static const beamc_value most[] = {{.i64 = INT64_MAX}, {.i64 = 1}, {.i64 = INT64_MAX}};
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_sum_config config = {.metric_namespace = BEAMC_STR("sums")};
    beamc_pcoll in = beamc_create(p, "Most", &beamc_varint, most, 3);
    const beamc_value want[] = {{.i64 = INT64_MAX}};
    beamc_assert_equal(beamc_combine_globally(in, "Sum", &beamc_sum_i64, .config = &config),
                       "Saturated", want, 1);
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(test, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc_test_pipeline_counter(test, "sums", "sum_overflow"), 1);
    beamc_test_pipeline_free(test);
}

Test(composites, reshuffle_keeps_time_and_windows) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll in = beamc_create(p, "Numbers", &beamc_varint, numbers, 4);
    beamc_pcoll minutes = beamc_window_into(beamc_pardo(in, "Stamp", &stamp), "Minute",
                                            .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll spread = beamc_reshuffle(minutes, "Spread");
    beamc_assert_equal(beamc_pardo(spread, "Time", &time_of), "Times", numbers, 4);
    const beamc_value late[] = {{.i64 = 70000}};
    beamc_assert_in_window(spread, "Second", (beamc_window){60000, 120000}, late, 1);
    run(test);
}

Test(composites, with_key_pairs_rows) {
    static const beamc_coder kv_point = BEAMC_KV(&point_coder, &beamc_varint);
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    const point key = {7, BEAMC_STR("k")};
    beamc_pcoll in = beamc_create(p, "Numbers", &beamc_varint, numbers, 2);
    beamc_pcoll keyed = beamc_with_key(in, "Key", &point_coder, beamc_value_row(&key));
    cr_assert(beamc_coder_equal(beamc_pcoll_coder(keyed), &kv_point));
    const beamc_kv kv = {{.row = &key}, {.i64 = 2}};
    const beamc_value want[] = {{.kv = &kv}};
    beamc_assert_equal(beamc_combine_per_key(keyed, "Sum", &beamc_sum_i64), "One", want, 1);
    run(test);
}
