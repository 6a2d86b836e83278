/* ParDo, flatten, windows, failures: plans built from descriptors, run behind the bundle interface. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kit.h"
#include "proto/beam_model/urns.h"

/* ------------------------------------------------------------------------------------- DoFns */

enum { WORDS, SHORT };

static char calls[4096]; /* what was called, in order */

static void note(beamc_ctx *ctx, const char *what) {
    size_t n = strlen(calls);
    snprintf(calls + n, sizeof calls - n, "%s.%s ", beamc_ctx_step(ctx), what);
}

static beamc_status split_setup(beamc_ctx *ctx) {
    note(ctx, "setup");
    return BEAMC_OK;
}

static beamc_status split_start(beamc_ctx *ctx) {
    note(ctx, "start");
    return BEAMC_OK;
}

static beamc_status split_finish(beamc_ctx *ctx) {
    note(ctx, "finish");
    return BEAMC_OK;
}

static void split_teardown(beamc_ctx *ctx) {
    note(ctx, "teardown");
}

static beamc_status split_words(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_slice rest = in->bytes;
    beamc_counter_add(beamc_counter(ctx, "words", "lines"), 1);
    while (rest.len > 0) {
        const char *space = memchr(rest.ptr, ' ', rest.len);
        size_t n = space != NULL ? (size_t)(space - rest.ptr) : rest.len;
        beamc_slice word = beamc_slice_of(rest.ptr, n);
        if (beamc_slice_eq(word, beamc_str("fail"))) {
            return beamc_fail(ctx, INTERNAL, "a bad word");
        }
        if (beamc_slice_eq(word, beamc_str("silent"))) {
            return BEAMC_ABORTED;
        }
        BEAMC_TRY(
            beamc_emit(ctx, n < 3 ? SHORT : WORDS,
                       beamc_kv_of(ctx, beamc_value_bytes(word), beamc_value_i64((int64_t)n))));
        rest = beamc_slice_of(rest.ptr + n + (space != NULL), rest.len - n - (space != NULL));
    }
    return BEAMC_OK;
}

static const beamc_dofn split_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:split:v1",
    .input = &beamc_string,
    .outputs = {[WORDS] = {"words", &beamc_kv_str_i64}, [SHORT] = {"short", &beamc_kv_str_i64}},
    .setup = split_setup,
    .start_bundle = split_start,
    .process = split_words,
    .finish_bundle = split_finish,
    .teardown = split_teardown,
};

static beamc_status at_length(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit_at(ctx, 0, beamc_timestamp(ctx) + in->kv->value.i64, *in);
}

static const beamc_dofn at_length_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:at_length:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .setup = split_setup,
    .start_bundle = split_start,
    .process = at_length,
    .finish_bundle = split_finish,
};

static beamc_status window_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    beamc_window w = beamc_current_window(ctx);
    return beamc_emit(ctx, 0, beamc_value_i64(w.start));
}

static const beamc_dofn window_fn = {
    BEAMC_DOFN_ABI,          .urn = "test:dofn:window:v1", .outputs = {{"out", &beamc_varint}},
    .observes_window = true, .process = window_process,
};

/* Ignores what emit tells it. */
static beamc_status careless_process(beamc_ctx *ctx, const beamc_elem *in) {
    for (int i = 0; i < 3; i++) {
        if (beamc_emit(ctx, 0, *in) != BEAMC_OK) {
            note(ctx, "ignored");
        }
    }
    return BEAMC_OK;
}

static const beamc_dofn careless_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:careless:v1",
    .input = &beamc_string,
    .outputs = {{"out", &beamc_string}},
    .process = careless_process,
};

static beamc_status buffer_finish(beamc_ctx *ctx) {
    cr_assert_eq(beamc_emit(ctx, 0, beamc_value_i64(1)), BEAMC_FAILED_PRECONDITION);
    return beamc_emit_in(ctx, 0, 7, kit_global, beamc_value_i64(42));
}

static beamc_status buffer_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static const beamc_dofn buffer_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:buffer:v1",
    .input = &beamc_string,
    .outputs = {{"out", &beamc_varint}},
    .process = buffer_process,
    .finish_bundle = buffer_finish,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "test",
    .fns = BEAMC_FNS(&split_fn, &at_length_fn, &window_fn, &careless_fn, &buffer_fn)};

static const kit_element lines[] = {{KIT_STR("a bee"), 10, BEAMC_GLOBAL_WINDOW},
                                    {KIT_STR("cat of doom"), 20, BEAMC_GLOBAL_WINDOW}};

/* source -> split -> (words -> at -> sink, short -> sink2) */
static kit *two_outputs(void) {
    kit *k = kit_new(&program);
    calls[0] = '\0';
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_pcol(k, "words", &beamc_kv_str_i64, NULL);
    kit_pcol(k, "short", &beamc_kv_str_i64, NULL);
    kit_pcol(k, "moved", &beamc_kv_str_i64, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_pardo(k, "Split", &split_fn, "in=in", "words=words short=short");
    kit_pardo(k, "At", &at_length_fn, "in=words", "out=moved");
    kit_sink(k, "long_sink", "moved", &beamc_kv_str_i64, &beamc_global_window);
    kit_sink(k, "short_sink", "short", &beamc_kv_str_i64, &beamc_global_window);
    kit_plan(k);
    return k;
}

/* ------------------------------------------------------------------------------------- tests */

Test(exec_pardo, outputs_and_timestamps) {
    kit *k = two_outputs();
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "long_sink", &beamc_kv_str_i64, &beamc_global_window),
                     "bee:3 @13\ncat:3 @23\ndoom:4 @24\n");
    cr_assert_str_eq(kit_text(k, "short_sink", &beamc_kv_str_i64, &beamc_global_window),
                     "a:1 @10\nof:2 @20\n");
    kit_free(k);
}

Test(exec_pardo, call_order) {
    kit *k = two_outputs();
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 1);
    kit_run(k);
    kit_free(k);
    cr_assert_str_eq(calls, "At.setup Split.setup At.start Split.start Split.finish At.finish "
                            "Split.teardown ");
}

Test(exec_pardo, a_plan_runs_many_bundles) {
    kit *k = two_outputs();
    for (int i = 0; i < 3; i++) {
        kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
        kit_run(k);
        cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_ELEMENT_COUNT, "words", NULL), 3);
        cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_USER_SUM_INT64, "Split", "lines"), 2);
        cr_assert_eq(beamc_plan_read_index(k->plan, kit_port(k, "src", NULL)), 1);
    }
    kit_run(k); /* and an empty one */
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_ELEMENT_COUNT, "in", NULL), 0);
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_USER_SUM_INT64, "Split", "lines"), -1);
    kit_free(k);
}

Test(exec_pardo, failures_name_bundle_transform_and_element) {
    kit *k = two_outputs();
    const kit_element bad[] = {{KIT_STR("ok"), 0, BEAMC_GLOBAL_WINDOW},
                               {KIT_STR("oh fail"), 0, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &beamc_string, &beamc_global_window, bad, 2);
    cr_assert_eq(kit_try_run(k), BEAMC_INTERNAL);
    cr_assert_str_eq(k->err.message, "bundle i1: transform Split: element 2: a bad word");
    cr_assert_eq(kit_try_run(k), BEAMC_FAILED_PRECONDITION);
    kit_free(k);

    k = two_outputs();
    const kit_element silent[] = {{KIT_STR("silent"), 0, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &beamc_string, &beamc_global_window, silent, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_ABORTED);
    cr_assert_str_eq(k->err.message, "bundle i1: transform Split: element 1: failed with ABORTED "
                                     "and gave no reason");
    kit_free(k);
}

Test(exec_pardo, damaged_input) {
    kit *k = two_outputs();
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    k->blocks[0].data.len -= 2;
    cr_assert_eq(kit_try_run(k), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(k->err.message, "transform src: element 2: ") != NULL, "%s", k->err.message);
    kit_free(k);
}

/* Elements.Data may end inside of an element; the next one goes on with it. */
Test(exec_pardo, elements_cut_by_blocks) {
    kit *k = two_outputs();
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    beamc_slice whole = k->blocks[0].data;
    uint32_t port = k->blocks[0].port;
    for (size_t piece = 1; piece <= whole.len; piece++) {
        k->block_count = 0;
        for (size_t at = 0; at < whole.len; at += piece) {
            size_t n = whole.len - at < piece ? whole.len - at : piece;
            kit_feed_bytes(k, port, beamc_slice_of(whole.ptr + at, n), false);
        }
        kit_run(k);
        cr_assert_str_eq(kit_text(k, "long_sink", &beamc_kv_str_i64, &beamc_global_window),
                         "bee:3 @13\ncat:3 @23\ndoom:4 @24\n");
        cr_assert_eq(beamc_plan_read_index(k->plan, port), 1);
    }
    /* What was cut in a bundle that ends there does not reach into the next one. */
    kit_feed_bytes(k, port, beamc_slice_of(whole.ptr, whole.len - 1), false);
    cr_assert_eq(kit_try_run(k), BEAMC_INVALID_ARGUMENT);
    kit_free(k);
}

Test(exec_pardo, an_ignored_failure_still_fails_the_bundle) {
    kit *k = kit_new(&program);
    calls[0] = '\0';
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_pcol(k, "mid", &beamc_string, NULL);
    kit_pcol(k, "words", &beamc_kv_str_i64, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_pardo(k, "Careless", &careless_fn, "in=in", "out=mid");
    kit_pardo(k, "Split", &split_fn, "in=mid", "words=words");
    kit_sink(k, "sink", "words", &beamc_kv_str_i64, &beamc_global_window);
    kit_plan(k);
    const kit_element bad[] = {{KIT_STR("fail"), 0, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &beamc_string, &beamc_global_window, bad, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_INTERNAL);
    cr_assert_str_eq(k->err.message, "bundle i1: transform Split: element 1: a bad word");
    cr_assert(strstr(calls, "Careless.ignored Careless.ignored Careless.ignored") != NULL);
    kit_free(k);
}

Test(exec_pardo, emit_from_finish_bundle) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_pardo(k, "Buffer", &buffer_fn, "in=in", "out=out");
    kit_sink(k, "sink", "out", &beamc_varint, &beamc_global_window);
    kit_plan(k);
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_varint, &beamc_global_window), "42 @7\n");
    kit_free(k);
}

Test(exec_pardo, fan_out_and_flatten) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_pcol(k, "words", &beamc_kv_str_i64, NULL);
    kit_pcol(k, "short", &beamc_kv_str_i64, NULL);
    kit_pcol(k, "all", &beamc_kv_str_i64, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_pardo(k, "Split", &split_fn, "in=in", "words=words short=short");
    kit_transform(k, "Flat", BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0}, "a=words b=short",
                  "out=all");
    kit_sink(k, "all_sink", "all", &beamc_kv_str_i64, &beamc_global_window);
    kit_sink(k, "words_sink", "words", &beamc_kv_str_i64, &beamc_global_window);
    kit_plan(k);
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "all_sink", &beamc_kv_str_i64, &beamc_global_window),
                     "a:1 @10\nbee:3 @10\ncat:3 @20\nof:2 @20\ndoom:4 @20\n");
    cr_assert_str_eq(kit_text(k, "words_sink", &beamc_kv_str_i64, &beamc_global_window),
                     "bee:3 @10\ncat:3 @20\ndoom:4 @20\n");
    kit_free(k);
}

Test(exec_pardo, length_prefixes_come_and_go) {
    kit *k = kit_new(&program);
    beamc_coder prefixed = {BEAMC_CODER_LENGTH_PREFIX, {&beamc_string, NULL}, NULL, NULL};
    beamc_coder whole = {BEAMC_CODER_LENGTH_PREFIX, {&beamc_kv_str_i64, NULL}, NULL, NULL};
    kit_pcol(k, "in", &prefixed, NULL);
    kit_pcol(k, "words", &whole, NULL);
    kit_source(k, "src", "in", &prefixed, &beamc_global_window);
    kit_pardo(k, "Split", &split_fn, "in=in", "words=words");
    kit_sink(k, "sink", "words", &whole, &beamc_global_window);
    kit_plan(k);
    kit_feed(k, "src", &prefixed, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &whole, &beamc_global_window),
                     "bee:3 @10\ncat:3 @20\ndoom:4 @20\n");
    kit_free(k);
}

Test(exec_pardo, windows_are_assigned_and_observed) {
    kit *k = kit_new(&program);
    const beamc_window_fn fixed = beamc_fixed(.size_ms = 15);
    const beamc_window_fn sliding = beamc_sliding(.size_ms = 20, .period_ms = 10);
    const char *fixed_id = kit_windowing(k, &fixed, BEAMC_OUTPUT_END_OF_WINDOW);
    const char *sliding_id = kit_windowing(k, &sliding, BEAMC_OUTPUT_END_OF_WINDOW);
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_pcol(k, "fixed", &beamc_string, fixed_id);
    kit_pcol(k, "sliding", &beamc_string, sliding_id);
    kit_pcol(k, "starts", &beamc_varint, sliding_id);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_transform(k, "Fixed", BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS,
                  kit_window_into_payload(k, &fixed), "in=in", "out=fixed");
    kit_transform(k, "Sliding", BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS,
                  kit_window_into_payload(k, &sliding), "in=in", "out=sliding");
    kit_pardo(k, "Start", &window_fn, "in=sliding", "out=starts");
    kit_sink(k, "fixed_sink", "fixed", &beamc_string, &beamc_interval_window);
    kit_sink(k, "sliding_sink", "sliding", &beamc_string, &beamc_interval_window);
    kit_sink(k, "start_sink", "starts", &beamc_varint, &beamc_interval_window);
    kit_plan(k);
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "fixed_sink", &beamc_string, &beamc_interval_window),
                     "a bee @10 [0,15)\ncat of doom @20 [15,30)\n");
    const char *text = kit_text(k, "start_sink", &beamc_varint, &beamc_interval_window);
    cr_assert_str_eq(text, "10 @10 [10,30)\n0 @10 [0,20)\n20 @20 [20,40)\n10 @20 [10,30)\n", "%s",
                     text);
    beamc_windowed_value out[4];
    cr_assert_eq(kit_output(k, "sliding_sink", &beamc_string, &beamc_interval_window, out, 4), 2);
    cr_assert_eq(out[0].window_count, 2); /* not exploded where nobody looks */
    kit_free(k);
}

Test(exec_pardo, samples_and_sizes) {
    kit *k = kit_new(&program);
    k->env.sample_data = true;
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_sink(k, "sink", "in", &beamc_string, &beamc_global_window);
    kit_plan(k);
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_SAMPLED_BYTE_SIZE, "in", NULL), 2);
    kit_free(k);
}

Test(exec_pardo, output_is_flushed_when_full_and_failures_count) {
    kit *k = two_outputs();
    k->ops.flush_bytes = 8;
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    kit_run(k);
    cr_assert_eq(k->flushes, 5); /* the kit never empties a buffer */
    k->flush_limit = 7;
    kit_feed(k, "src", &beamc_string, &beamc_global_window, lines, 2);
    cr_assert_eq(kit_try_run(k), BEAMC_UNAVAILABLE);
    cr_assert(strstr(k->err.message, "the stream is gone") != NULL);
    kit_free(k);
}
