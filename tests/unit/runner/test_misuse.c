/* test_misuse.c: DoFns that do what they have not declared or have promised not to do. The run fails,
 * and the message names step, DoFn, output, timer or state, the numbers, and what to do. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

static struct { const char *what; /* the case at hand */ } at;

static bool is(const char *what) {
    return strcmp(at.what, what) == 0;
}

static beamc_value one_pair(const char *word, int64_t n) {
    static beamc_kv kv;
    kv = (beamc_kv){beamc_value_bytes(beamc_str(word)), beamc_value_i64(n)};
    return (beamc_value){.kv = &kv};
}

/* ------------------------------------------------------------------------------ plain and stateful */

static beamc_status stamp_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit_at(ctx, 0, 5, *in);
}
static const beamc_dofn stamp_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:misuse:stamp:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = stamp_process,
};

static beamc_status plain_process(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value v;
    if (is("output")) {
        return beamc_emit(ctx, 2, *in);
    }
    if (is("ignored")) {
        beamc_status status = beamc_emit(ctx, 2, *in);
        (void)status;
        return BEAMC_OK;
    }
    if (is("output at")) {
        return beamc_emit_at(ctx, 7, 5, *in);
    }
    if (is("timer")) {
        return beamc_timer_set(ctx, 0, 100);
    }
    return is("state") ? beamc_state_read(ctx, 1, &found, &v) : BEAMC_OK;
}
static beamc_status plain_finish(beamc_ctx *ctx) {
    return is("finish") ? beamc_emit(ctx, 0, one_pair("late", 1)) : BEAMC_OK;
}
static const beamc_dofn plain_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:misuse:plain:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"main", &beamc_kv_str_i64}, {"other", &beamc_kv_str_i64}},
    .process = plain_process,
    .finish_bundle = plain_finish,
};

static beamc_status stateful_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *all;
    if (is("no such timer")) {
        return beamc_timer_set(ctx, 2, 100);
    }
    if (is("clear no such timer")) {
        return beamc_timer_clear(ctx, 5, beamc_str(""));
    }
    if (is("no such state")) {
        return beamc_state_add(ctx, 2, in->kv->value);
    }
    if (is("read a bag")) {
        return beamc_state_read(ctx, 1, NULL, NULL);
    }
    if (is("iterate a value")) {
        return beamc_state_iterable(ctx, 0, &all);
    }
    if (is("behind the window")) {
        return beamc_timer_set(ctx, 0, 1010);
    }
    if (is("output time")) {
        return beamc_timer_set(ctx, 0, 50, .has_output_time = true, .output_time = 60);
    }
    return BEAMC_OK;
}
static beamc_status stateful_finish(beamc_ctx *ctx) {
    if (is("state at the end")) {
        return beamc_state_clear(ctx, 0);
    }
    return is("timer at the end") ? beamc_timer_set(ctx, 1, 5) : BEAMC_OK;
}
static beamc_status on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)ctx;
    (void)timer;
    return BEAMC_OK;
}
static const beamc_dofn stateful_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:misuse:stateful:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"main", &beamc_kv_str_i64}},
    .states = {{.name = "seen", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint},
               {.name = "all", .kind = BEAMC_STATE_BAG, .coder = &beamc_varint}},
    .timers = {{"alarm", BEAMC_EVENT_TIME}, {"poll", BEAMC_PROCESSING_TIME}},
    .process = stateful_process,
    .on_timer = on_timer,
    .finish_bundle = stateful_finish,
};

/* -------------------------------------------------------------------------------------- splittable */

static beamc_status ten(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, 10};
    return BEAMC_OK;
}

static beamc_status split_process(beamc_ctx *ctx, const beamc_elem *in) {
    for (int64_t i = 0; beamc_try_claim(ctx, i); i++) {
        if (is("ahead") && i == 5) {
            beamc_watermark_set(ctx, 90000);
        }
        if (is("watermark back") && i > 0) {
            beamc_watermark_set(ctx, 1000 - i); /* the first promise stands */
        } else if (is("watermark back")) {
            beamc_watermark_set(ctx, 1000);
        }
        beamc_time t = is("in order") ? i : is("out of order") ? 1000 - i : 1000;
        BEAMC_TRY(beamc_emit_at(ctx, 0, t, *in));
        if (is("stops early") && i == 3) {
            return BEAMC_OK;
        }
    }
    (void)(is("claims on") && beamc_try_claim(ctx, 11));
    return BEAMC_OK;
}

static const beamc_splittable manual = {.initial = ten};
static const beamc_splittable monotonic = {.initial = ten, .watermark = BEAMC_WATERMARK_MONOTONIC};
static const beamc_dofn manual_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:misuse:manual:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"numbers", &beamc_kv_str_i64}},
    .splittable = &manual,
    .process = split_process,
};
static const beamc_dofn monotonic_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:misuse:monotonic:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"numbers", &beamc_kv_str_i64}},
    .splittable = &monotonic,
    .process = split_process,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "misuse",
    .fns = BEAMC_FNS(&stamp_fn, &plain_fn, &stateful_fn, &manual_fn, &monotonic_fn),
};

static beamc_status run(const beamc_dofn *fn, const char *what, beamc_error *err) {
    at.what = what;
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_value in = one_pair("a", 1);
    beamc_pcoll words =
        beamc_create(beamc_test_pipeline_graph(test), "Create", &beamc_kv_str_i64, &in, 1);
    words = beamc_pardo(words, "Stamp", &stamp_fn);
    if (strcmp(what, "behind the window") == 0) {
        words = beamc_window_into(words, "Fixed", .fn = beamc_fixed(.size_ms = 1000),
                                  .allowed_lateness_ms = 10);
    }
    beamc_pcoll out = beamc_pardo(words, "Step", fn);
    beamc_assert_count(out, "Count",
                       strstr(what, "order") != NULL || is("watermark back") ? 10 : 0);
    *err = (beamc_error){0};
    beamc_status status = beamc_test_pipeline_run(test, err);
    beamc_test_pipeline_free(test);
    return status;
}

static void refused(const beamc_dofn *fn, const char *what, const char *text) {
    beamc_error err;
    cr_assert_neq(run(fn, what, &err), BEAMC_OK, "%s: nothing was said", what);
    cr_assert(strstr(err.message, "Step") != NULL, "%s: %s", what, err.message);
    cr_assert(strstr(err.message, text) != NULL, "%s: %s", what, err.message);
}

Test(misuse, outputs_that_are_not_declared) {
    refused(&plain_fn, "output",
            "DoFn test:misuse:plain:v1 emits to output 2, which it does not declare (it has 2: [0] "
            "\"main\", [1] \"other\"): add it to .outputs");
    refused(&plain_fn, "ignored", "transform Step: DoFn test:misuse:plain:v1 emits to output 2");
    refused(&plain_fn, "output at", "emits to output 7, which it does not declare");
    refused(&plain_fn, "finish",
            "DoFn test:misuse:plain:v1 emits where there is no element at hand to take timestamp "
            "and window from (start_bundle, finish_bundle): use beamc_emit_in");
}

Test(misuse, state_and_timers_that_are_not_declared) {
    refused(&plain_fn, "timer",
            "DoFn test:misuse:plain:v1 uses timer 0, which it does not declare (it has 0: none): "
            "add it to .timers");
    refused(&plain_fn, "state",
            "DoFn test:misuse:plain:v1 uses state 1, which it does not declare (it has 0: none): "
            "add it to .states; a DoFn with state takes key-value pairs");
    refused(&stateful_fn, "no such timer",
            "DoFn test:misuse:stateful:v1 uses timer 2, which it does not declare (it has 2: [0] "
            "\"alarm\", [1] \"poll\"): add it to .timers");
    refused(&stateful_fn, "clear no such timer", "uses timer 5, which it does not declare");
    refused(&stateful_fn, "no such state",
            "DoFn test:misuse:stateful:v1 uses state 2, which it does not declare (it has 2: [0] "
            "\"seen\", [1] \"all\"): add it to .states");
}

Test(misuse, state_of_another_kind_and_without_a_key) {
    refused(&stateful_fn, "read a bag",
            "state \"all\" of DoFn test:misuse:stateful:v1 is a bag, and the call is for another "
            "kind (value, combining state): use beamc_state_add, beamc_state_iterable, or "
            "beamc_state_clear");
    refused(
        &stateful_fn, "iterate a value",
        "state \"seen\" of DoFn test:misuse:stateful:v1 is a value, and the call is for another "
        "kind (bag, set): use beamc_state_read, beamc_state_write, or beamc_state_clear");
    refused(&stateful_fn, "state at the end",
            "DoFn test:misuse:stateful:v1 uses state \"seen\" where there is no key at hand");
    refused(&stateful_fn, "timer at the end",
            "DoFn test:misuse:stateful:v1 uses timer \"poll\" where there is no key at hand");
}

Test(misuse, timers_that_cannot_be) {
    refused(&stateful_fn, "behind the window",
            "timer \"alarm\" of DoFn test:misuse:stateful:v1 is set to 1010 "
            "(1970-01-01T00:00:01.010Z), but its window, with the allowed lateness, ends at 1009 "
            "(1970-01-01T00:00:01.009Z)");
    refused(
        &stateful_fn, "output time",
        "timer \"alarm\" of DoFn test:misuse:stateful:v1 is set to 50 (1970-01-01T00:00:00.050Z), "
        "which is before its output time 60");
}

Test(misuse, elements_behind_a_promised_watermark) {
    refused(&manual_fn, "ahead",
            "DoFn test:misuse:manual:v1 emits to output \"numbers\" at 1000 "
            "(1970-01-01T00:00:01Z), but its watermark has promised nothing before 90000 "
            "(1970-01-01T00:01:30Z)");
    refused(&monotonic_fn, "out of order",
            "emits to output \"numbers\" at 999 "
            "(1970-01-01T00:00:00.999Z), but its watermark has "
            "promised nothing before 1000");
    beamc_error err;
    cr_assert_eq(run(&monotonic_fn, "in order", &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(run(&manual_fn, "out of order", &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(run(&manual_fn, "watermark back", &err), BEAMC_OK, "%s", err.message);
}

Test(misuse, claims) {
    refused(
        &manual_fn, "claims on",
        "offset 11 was claimed although the claim of 10 had failed: return from process as soon "
        "as beamc_try_claim returns false");
    refused(&manual_fn, "stops early",
            "process returned after claiming 3, but its range goes to 10: claim on until "
            "beamc_try_claim returns false, or return beamc_defer");
}
