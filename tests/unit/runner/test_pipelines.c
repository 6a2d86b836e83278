/* test_pipelines.c: pipelines of the public builder, end to end on the local runner. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "program/library.h"
#include "runner/run_local.h"

static beamc_value str(const char *s) {
    return beamc_value_bytes(beamc_str(s));
}

/* A KV that lives as long as the test. */
static beamc_value kv(beamc_value k, beamc_value v) {
    static beamc_kv pairs[64];
    static unsigned used;
    cr_assert_lt(used, 64u);
    pairs[used] = (beamc_kv){k, v};
    return (beamc_value){.kv = &pairs[used++]};
}
static beamc_value count_of(const char *word, int64_t n) {
    return kv(str(word), beamc_value_i64(n));
}

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Runs it and expects success. */
static void expect_ok(beamc_test_pipeline *test) {
    beamc_error err = {0};
    beamc_status status = beamc_test_pipeline_run(test, &err);
    cr_assert_eq(status, BEAMC_OK, "%s", err.message);
}

/* --------------------------------------------------------------------------------- DoFns */

static beamc_status split_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_counter_add(beamc_counter(ctx, "test", "lines"), 1);
    const char *p = in->bytes.ptr, *end = p + in->bytes.len;
    while (p < end) {
        const char *q = memchr(p, ' ', (size_t)(end - p));
        q = q == NULL ? end : q;
        beamc_value word = beamc_value_bytes(beamc_slice_of(p, (size_t)(q - p)));
        BEAMC_TRY(beamc_emit(ctx, q - p > 3, beamc_kv_of(ctx, word, beamc_value_i64(1))));
        p = q + 1;
    }
    return BEAMC_OK;
}
static const beamc_dofn split_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:split:v1",
    .input = &beamc_string,
    .outputs = {{"short", &beamc_kv_str_i64}, {"long", &beamc_kv_str_i64}},
    .process = split_process,
};

/* KV<word, n> at time n, unchanged. */
static beamc_status stamp_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit_at(ctx, 0, in->kv->value.i64, *in);
}
static const beamc_dofn stamp_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:stamp:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = stamp_process,
};

/* KV<string, iterable<varint>> -> KV<string, sum>. */
static const beamc_coder many_i64 = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder grouped = BEAMC_KV(&beamc_string, &many_i64);
static beamc_status total_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0;
    beamc_iterate(in->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &v)) {
        sum += v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(sum)));
}
static const beamc_dofn total_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:pipelines:total:v1",
    .input = &grouped,        .outputs = {{"out", &beamc_kv_str_i64}},
    .process = total_process,
};

/* KV<word, n> -> KV<word, n + all of side input 0 + those of the word in side input 1>. */
static beamc_status add_sides_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *many;
    beamc_iter it;
    beamc_value v;
    int64_t sum = in->kv->value.i64;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &many));
    beamc_iterate(many, &it);
    while (beamc_iter_next(&it, &v)) {
        sum += v.i64 * 100;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    BEAMC_TRY(beamc_side_lookup(ctx, 1, in->kv->key, &many));
    beamc_iterate(many, &it);
    while (beamc_iter_next(&it, &v)) {
        sum += v.i64 * 10000;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(sum)));
}
static const beamc_dofn add_sides_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:add_sides:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .side_inputs = {"all", "by_word"},
    .process = add_sides_process,
};

/* KV<word, n> -> n. */
static beamc_status number_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->value);
}
static const beamc_dofn number_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:number:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_varint}},
    .process = number_process,
};

/* Splittable: a number n -> 0 .. n-1, in parts of 10. */
static beamc_status range_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, in->i64};
    return BEAMC_OK;
}
static beamc_status range_split(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    const beamc_offset_range *r = restriction;
    for (int64_t at = r->start; at < r->stop; at += 10) {
        beamc_offset_range part = {at, at + 10 < r->stop ? at + 10 : r->stop};
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
    }
    return BEAMC_OK;
}
static beamc_status range_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(i)));
        if (i % 4 == 3) { /* comes back for the rest */
            return beamc_defer(ctx, i % 8 == 3 ? 0 : 2);
        }
    }
    return BEAMC_OK;
}
static const beamc_splittable range_splittable = {.initial = range_initial, .split = range_split};
static const beamc_dofn range_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:range:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &range_splittable,
    .process = range_process,
};

static beamc_status broken_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return beamc_fail(ctx, INVALID_ARGUMENT, "this never works");
}
static const beamc_dofn broken_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pipelines:broken:v1",
    .outputs = {{"out", &beamc_varint}},
    .process = broken_process,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "pipelines",
    .fns = BEAMC_FNS(&split_fn, &stamp_fn, &total_fn, &add_sides_fn, &number_fn, &range_fn,
                     &broken_fn),
};

static const char *const lines[] = {"a bb a", "word a bb", "", "word words a"};

static beamc_pcoll words(beamc_pipeline *p) {
    return beamc_pardo(beamc_create_strings(p, "Lines", lines, LEN(lines)), "Split", &split_fn);
}

/* --------------------------------------------------------------------------------- tests */

Test(pipelines, word_count_and_several_outputs) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll split = words(p);
    beamc_value want_short[] = {count_of("a", 4), count_of("bb", 2)};
    beamc_value want_long[] = {count_of("word", 2), count_of("words", 1)};
    beamc_assert_equal(beamc_combine_per_key(split, "CountShort", &beamc_sum_i64), "Short",
                       want_short, 2);
    beamc_assert_equal(beamc_combine_per_key(beamc_out(split, 1), "CountLong", &beamc_sum_i64),
                       "Long", want_long, 2);
    beamc_assert_count(split, "ShortWords", 6);
    expect_ok(test);
    cr_expect_eq(beamc_test_pipeline_counter(test, "test", "lines"), 4);
    cr_expect_eq(beamc_test_pipeline_counter(test, "test", "other"), 0);
    beamc_test_pipeline_free(test);
}

Test(pipelines, assertions_show_what_differs) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value want[] = {count_of("a", 4), count_of("zz", 2)};
    beamc_assert_equal(beamc_combine_per_key(words(p), "Count", &beamc_sum_i64), "Words", want, 2);
    beamc_error err = {0};
    cr_expect_eq(beamc_test_pipeline_run(test, &err), BEAMC_FAILED_PRECONDITION);
    cr_expect(strstr(err.message, "assertion Words: 2 elements, expected 2; missing 1: "
                                  "(\"zz\": 2); extra 1: (\"bb\": 2)") != NULL,
              "%s", err.message);
    beamc_test_pipeline_free(test);

    test = beamc_test_pipeline_new(&program);
    beamc_assert_empty(words(beamc_test_pipeline_graph(test)), "Nothing");
    cr_expect_eq(beamc_test_pipeline_run(test, &err), BEAMC_FAILED_PRECONDITION);
    cr_expect(strstr(err.message, "assertion Nothing: 6 elements, expected 0; extra 6:") != NULL,
              "%s", err.message);
    beamc_test_pipeline_free(test);

    test = beamc_test_pipeline_new(&program);
    beamc_assert_count(words(beamc_test_pipeline_graph(test)), "Many", 7);
    cr_expect_eq(beamc_test_pipeline_run(test, &err), BEAMC_FAILED_PRECONDITION);
    cr_expect(strstr(err.message, "assertion Many: 6 elements, expected 7") != NULL, "%s",
              err.message);
    beamc_test_pipeline_free(test);
}

Test(pipelines, empty_inputs) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll none = beamc_pardo(beamc_create_strings(p, "None", lines, 0), "Split", &split_fn);
    beamc_assert_empty(none, "NoWords");
    beamc_assert_empty(beamc_combine_per_key(none, "Count", &beamc_sum_i64), "NoCounts");
    beamc_value zero[] = {beamc_value_i64(0)};
    beamc_assert_equal(
        beamc_combine_globally(beamc_pardo(none, "Number", &number_fn), "Sum", &beamc_sum_i64),
        "DefaultSum", zero, 1);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, group_by_key_and_flatten) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll split = words(p);
    beamc_value more_values[] = {count_of("a", 10), count_of("new", 20)};
    beamc_pcoll more = beamc_create(p, "More", &beamc_kv_str_i64, more_values, 2);
    /* one collection twice, two outputs of one DoFn, and one from elsewhere */
    beamc_pcoll parts[] = {split, beamc_out(split, 1), more, more};
    beamc_pcoll all = beamc_flatten(p, "All", parts, 4);
    beamc_pcoll totals = beamc_pardo(beamc_group_by_key(all, "Group"), "Total", &total_fn);
    beamc_value want[] = {count_of("a", 24), count_of("bb", 2), count_of("word", 2),
                          count_of("words", 1), count_of("new", 40)};
    beamc_assert_equal(totals, "Totals", want, 5);
    beamc_pcoll inside[] = {split, beamc_out(split, 1)}; /* fused */
    beamc_assert_count(beamc_flatten(p, "Inside", inside, 2), "InsideCount", 9);
    beamc_assert_empty(
        beamc_flatten(p, "None", (beamc_pcoll[]){beamc_create(p, "C", &beamc_varint, NULL, 0)}, 1),
        "NoneCount");
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, windows) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value values[] = {count_of("a", 1),  count_of("a", 9),  count_of("a", 10),
                            count_of("b", 15), count_of("a", 19), count_of("b", -1)};
    beamc_pcoll stamped = beamc_pardo(beamc_create(p, "In", &beamc_kv_str_i64, values, LEN(values)),
                                      "Stamp", &stamp_fn);
    beamc_pcoll fixed = beamc_window_into(stamped, "Fixed", .fn = beamc_fixed(.size_ms = 10));
    beamc_pcoll sums = beamc_combine_per_key(fixed, "Sum", &beamc_sum_i64);
    beamc_value before[] = {count_of("b", -1)}, first[] = {count_of("a", 10)},
                second[] = {count_of("a", 29), count_of("b", 15)};
    beamc_assert_in_window(sums, "Before", (beamc_window){-10, 0}, before, 1);
    beamc_assert_in_window(sums, "First", (beamc_window){0, 10}, first, 1);
    beamc_assert_in_window(sums, "Second", (beamc_window){10, 20}, second, 2);
    beamc_assert_count(sums, "Sums", 4);
    beamc_pcoll sliding =
        beamc_window_into(stamped, "Sliding", .fn = beamc_sliding(.size_ms = 20, .period_ms = 10));
    beamc_pcoll slid = beamc_pardo(beamc_group_by_key(sliding, "G"), "T", &total_fn);
    beamc_value middle[] = {count_of("a", 39), count_of("b", 15)};
    beamc_assert_in_window(slid, "Middle", (beamc_window){0, 20}, middle, 2);
    beamc_assert_count(slid, "Slid", 7);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, side_inputs) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll split = words(p);
    beamc_pcoll counts = beamc_combine_per_key(split, "Count", &beamc_sum_i64);
    beamc_value numbers[] = {beamc_value_i64(1), beamc_value_i64(2)};
    /* The second side input comes from the same stage as the main input: it must not be fused. */
    beamc_pcoll out = beamc_pardo(
        split, "Add", &add_sides_fn,
        .side = {{beamc_create(p, "Numbers", &beamc_varint, numbers, 2), false}, {counts, true}});
    beamc_value want[] = {count_of("a", 40301), count_of("a", 40301),  count_of("a", 40301),
                          count_of("a", 40301), count_of("bb", 20301), count_of("bb", 20301)};
    beamc_assert_equal(out, "Added", want, LEN(want));
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, combine_globally_reshuffle_and_keys) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_pcoll shuffled = beamc_reshuffle(words(p), "Shuffle");
    beamc_assert_count(shuffled, "Shuffled", 6);
    beamc_pcoll numbers = beamc_pardo(shuffled, "Number", &number_fn);
    beamc_value six[] = {beamc_value_i64(6)};
    beamc_assert_equal(beamc_combine_globally(numbers, "Sum", &beamc_sum_i64), "Six", six, 1);
    beamc_pcoll keyed = beamc_with_key(numbers, "Key", &beamc_string, str("k"));
    beamc_value want[] = {count_of("k", 6)};
    beamc_assert_equal(beamc_pardo(beamc_group_by_key(keyed, "G"), "T", &total_fn), "Keyed", want,
                       1);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, splittable_with_checkpoints) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value sizes[] = {beamc_value_i64(95), beamc_value_i64(0), beamc_value_i64(7)};
    beamc_pcoll out =
        beamc_pardo(beamc_create(p, "Sizes", &beamc_varint, sizes, 3), "Range", &range_fn);
    beamc_value want[102];
    for (int64_t i = 0; i < 102; i++) {
        want[i] = beamc_value_i64(i < 95 ? i : i - 95);
    }
    beamc_assert_equal(out, "Numbers", want, 102);
    expect_ok(test);
    beamc_test_pipeline_free(test);
}

Test(pipelines, failures_name_the_step) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_composite_begin(p, "Outer");
    beamc_pardo(words(p), "Broken", &broken_fn);
    beamc_composite_end(p);
    beamc_error err = {0};
    cr_expect_eq(beamc_test_pipeline_run(test, &err), BEAMC_INVALID_ARGUMENT);
    cr_expect(strstr(err.message, "Broken") != NULL, "%s", err.message);
    cr_expect(strstr(err.message, "this never works") != NULL, "%s", err.message);
    beamc_test_pipeline_free(test);
}

/* Many keys, lifted and not, on one thread and on several: the same sums. */
static void run_sums(bool no_lifting, unsigned threads) {
    enum { KEYS = 3000 };
    static beamc_kv pairs[KEYS * 3];
    static beamc_value values[KEYS * 3], want[KEYS];
    static char names[KEYS][16];
    static beamc_kv sums[KEYS];
    for (int i = 0; i < KEYS * 3; i++) {
        snprintf(names[i % KEYS], sizeof names[0], "key%d", i % KEYS);
        pairs[i] = (beamc_kv){str(names[i % KEYS]), beamc_value_i64(i)};
        values[i].kv = &pairs[i];
    }
    for (int i = 0; i < KEYS; i++) {
        sums[i] = (beamc_kv){str(names[i]), beamc_value_i64(3 * i + 3 * KEYS)};
        want[i].kv = &sums[i];
    }
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in =
        beamc_reshuffle(beamc_create(p, "In", &beamc_kv_str_i64, values, KEYS * 3), "R");
    beamc_assert_equal(beamc_combine_per_key(in, "Sum", &beamc_sum_i64), "Sums", want, KEYS);
    beamc_library *library = beamc__library_new();
    extern const beamc_program beamc__assert_program;
    beamc_error err = {0};
    cr_assert_eq(beamc__library_add_program(library, &beamc__assert_program, &err), BEAMC_OK);
    beamc_buf proto = {0};
    cr_assert_eq(beamc_pipeline_lower(p, NULL, &proto, &err), BEAMC_OK, "%s", err.message);
    beamc_local_run how = {.library = library,
                           .parallelism = threads,
                           .no_lifting = no_lifting,
                           .bundle_bytes = 10000};
    beamc_run_report *report;
    cr_expect_eq(beamc__local_run(&how, beamc_buf_slice(&proto), &report, &err), BEAMC_OK, "%s",
                 err.message);
    beamc__report_free(report);
    beamc_buf_free(&proto);
    beamc__library_free(library);
    beamc_pipeline_free(p);
}

Test(pipelines, lifted_or_not_and_any_number_of_threads) {
    run_sums(false, 1);
    run_sums(true, 1);
    run_sums(false, 4);
    run_sums(true, 4);
}
