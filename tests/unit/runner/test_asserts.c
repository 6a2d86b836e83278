/* test_asserts.c: the assertions of beamc/test.h on panes, and that each of them can fail. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* KV<word, iterable<n>> -> the sum. */
static const beamc_coder numbers = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder group = BEAMC_KV(&beamc_string, &numbers);

static beamc_status sum_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0;
    beamc_iterate(in->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &v)) {
        sum += v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_value_i64(sum));
}
static const beamc_dofn sum_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:asserts:sum:v1",
    .input = &group,        .outputs = {{"sum", &beamc_varint}},
    .process = sum_process,
};

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "asserts",
                                      .fns = BEAMC_FNS(&sum_fn)};

/* 1 and 2 early, 4 on time, 8 late, all in [0, 10); 16 on time in [10, 20). */
static beamc_pcoll panes(beamc_test_pipeline *test) {
    static beamc_kv pairs[5];
    beamc_test_event events[9];
    size_t n = 0;
    const beamc_time times[] = {1, 2, 3, 4, 11};
    for (size_t i = 0; i < 5; i++) {
        pairs[i] = (beamc_kv){beamc_value_bytes(beamc_str("a")), beamc_value_i64(1 << i)};
        if (i == 3) {
            events[n++] = (beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = 10};
        }
        events[n++] = (beamc_test_event){.kind = BEAMC_TEST_ELEMENT,
                                         .value = {.kv = &pairs[i]},
                                         .timestamp = times[i],
                                         .together = i == 1};
    }
    beamc_pcoll all =
        beamc_test_stream(beamc_test_pipeline_graph(test), "Stream", &beamc_kv_str_i64, events, n);
    all = beamc_window_into(all, "Ten", .fn = beamc_fixed(.size_ms = 10),
                            .trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(2),
                                                             .late = BEAMC_AFTER_COUNT(1)),
                            .allowed_lateness_ms = 100);
    return beamc_pardo(beamc_group_by_key(all, "Group"), "Sum", &sum_fn);
}

static void run(beamc_test_pipeline *test, const char *fault) {
    beamc_error err = {0};
    beamc_status status = beamc_test_pipeline_run(test, &err);
    if (fault == NULL) {
        cr_assert_eq(status, BEAMC_OK, "%s", err.message);
    } else {
        cr_assert_neq(status, BEAMC_OK, "no \"%s\"", fault);
        cr_assert(strstr(err.message, fault) != NULL, "%s", err.message);
    }
    beamc_test_pipeline_free(test);
}

Test(asserts, panes_of_a_window) {
    const beamc_window first = {0, 10}, second = {10, 20};
    const beamc_value three = {.i64 = 3}, four = {.i64 = 4}, eight = {.i64 = 8}, last = {.i64 = 16};
    const beamc_value both[] = {three, four}, all[] = {eight, three, four};
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pcoll sums = panes(test);
    beamc_assert_in_panes(sums, "Early", first, BEAMC_PANES_EARLY, &three, 1);
    beamc_assert_in_panes(sums, "OnTime", first, BEAMC_PANES_ON_TIME, &four, 1);
    beamc_assert_in_panes(sums, "Late", first, BEAMC_PANES_LATE, &eight, 1);
    beamc_assert_in_panes(sums, "NotLate", first, BEAMC_PANES_NOT_LATE, both, 2);
    beamc_assert_in_panes(sums, "Last", first, BEAMC_PANES_LAST, NULL, 0);
    beamc_assert_in_panes(sums, "All", first, BEAMC_PANES_ALL, all, 3);
    beamc_assert_in_panes(sums, "NothingEarly", second, BEAMC_PANES_EARLY, NULL, 0);
    beamc_assert_in_panes(sums, "SecondOnTime", second, BEAMC_PANES_ON_TIME, &last, 1);
    beamc_assert_in_window(sums, "Second", second, &last, 1);
    run(test, NULL);
}

Test(asserts, what_is_in_another_pane_is_missed) {
    const beamc_window first = {0, 10};
    const beamc_value four = {.i64 = 4};
    const struct {
        beamc_panes panes;
        const char *fault;
    } cases[] = {
        {BEAMC_PANES_EARLY, "assertion Wrong: 1 elements, expected 1; missing 1: 4; extra 1: 3"},
        {BEAMC_PANES_LATE, "missing 1: 4; extra 1: 8"},
        {BEAMC_PANES_LAST, "assertion Wrong: 0 elements, expected 1; missing 1: 4"},
        {BEAMC_PANES_NOT_LATE, "assertion Wrong: 2 elements, expected 1; extra 1: 3"}};
    for (size_t i = 0; i < LEN(cases); i++) {
        beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
        beamc_assert_in_panes(panes(test), "Wrong", first, cases[i].panes, &four, 1);
        run(test, cases[i].fault);
    }
}

static beamc_status adds_up(const beamc_value *elements, size_t count, void *arg,
                            beamc_error *err) {
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += elements[i].i64;
    }
    int64_t want = *(int64_t *)arg;
    return sum == want ? BEAMC_OK
                       : BEAMC_FAIL(err, FAILED_PRECONDITION, "%zu elements make %lld, not %lld",
                                    count, (long long)sum, (long long)want);
}

Test(asserts, a_function_of_the_users) {
    int64_t right = 31, wrong = 30;
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_assert_that(panes(test), "AddsUp", adds_up, &right);
    run(test, NULL);
    test = beamc_test_pipeline_new(&program);
    beamc_assert_that(panes(test), "AddsUp", adds_up, &wrong);
    run(test, "assertion AddsUp: 4 elements make 31, not 30");
}

/* [0, 10) with 100 ms of lateness expires when the watermark is behind 109. */
Test(asserts, what_comes_behind_the_expiry_is_dropped_and_counted) {
    static beamc_kv pairs[3];
    for (size_t i = 0; i < 3; i++) {
        pairs[i] = (beamc_kv){beamc_value_bytes(beamc_str("a")), beamc_value_i64(1 << i)};
    }
    const beamc_test_event events[] = {
        {.kind = BEAMC_TEST_ELEMENT, .value = {.kv = &pairs[0]}, .timestamp = 1},
        {.kind = BEAMC_TEST_WATERMARK, .timestamp = 109},
        {.kind = BEAMC_TEST_ELEMENT, .value = {.kv = &pairs[1]}, .timestamp = 2},
        {.kind = BEAMC_TEST_WATERMARK, .timestamp = 110},
        {.kind = BEAMC_TEST_ELEMENT, .value = {.kv = &pairs[2]}, .timestamp = 3},
    };
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pcoll all = beamc_test_stream(beamc_test_pipeline_graph(test), "Stream",
                                        &beamc_kv_str_i64, events, LEN(events));
    all =
        beamc_window_into(all, "Ten", .fn = beamc_fixed(.size_ms = 10), .allowed_lateness_ms = 100);
    const beamc_value sums[] = {{.i64 = 1}, {.i64 = 2}};
    beamc_assert_equal(beamc_pardo(beamc_group_by_key(all, "Group"), "Sum", &sum_fn), "Sums", sums,
                       2);
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(test, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc_test_pipeline_counter(test, "beamc", "late_dropped"), 1);
    beamc_test_pipeline_free(test);
}
