/* The DoFn tester: what test.h promises to people who test their DoFns. */
#include <criterion/criterion.h>

#include <beamc/combine.h>
#include <beamc/test.h>

typedef struct config {
    int64_t factor;
    beamc_slice word;
} config;
static const beamc_field config_fields[] = {
    BEAMC_CONFIG(config, factor, I64, "3", "What to multiply with."),
    BEAMC_CONFIG(config, word, STRING, "w", "A word."),
};
static const beamc_row config_row = BEAMC_ROW(config, config_fields);

typedef struct instance {
    beamc_metric *seen;
    int64_t sum;
} instance;

static int torn_down;

static beamc_status setup(beamc_ctx *ctx) {
    ((instance *)beamc_instance(ctx))->seen = beamc_counter(ctx, "test", "seen");
    return ((const config *)beamc_config(ctx))->factor == 0
               ? beamc_fail(ctx, INVALID_ARGUMENT, "factor 0")
               : BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    instance *self = beamc_instance(ctx);
    const config *c = beamc_config(ctx);
    beamc_counter_add(self->seen, 1);
    if (in->i64 < 0) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "%lld is negative", (long long)in->i64);
    }
    self->sum += in->i64;
    long long product = in->i64 * c->factor;
    beamc_slice text = beamc_format(ctx, "%.*s%lld", BEAMC_SLICE_ARG(c->word), product);
    return beamc_emit(ctx, 0, beamc_value_bytes(text));
}

static beamc_status finish(beamc_ctx *ctx) {
    static const beamc_window all = BEAMC_GLOBAL_WINDOW;
    instance *self = beamc_instance(ctx);
    return beamc_emit_in(ctx, 1, 9, all, beamc_value_i64(self->sum));
}

static void teardown(beamc_ctx *ctx) {
    (void)ctx;
    torn_down++;
}

static const beamc_dofn fn = {
    BEAMC_DOFN_ABI,          .urn = "test:dofn:tester:v1",
    .config = &config_row,   .instance_size = sizeof(instance),
    .input = &beamc_varint,  .outputs = {{"texts", &beamc_string}, {"sum", &beamc_varint}},
    .setup = setup,          .process = process,
    .finish_bundle = finish, .teardown = teardown,
};

Test(exec_tester, process_and_look) {
    beamc_error err;
    beamc_dofn_tester *t = beamc_dofn_tester_new(&fn, NULL, &err);
    cr_assert_not_null(t, "%s", err.message);
    cr_assert_eq(beamc_dofn_tester_process(t, beamc_value_i64(2), 5, &err), BEAMC_OK);
    cr_assert_eq(beamc_dofn_tester_process(t, beamc_value_i64(-2), 5, &err),
                 BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(err.message, "-2 is negative") != NULL, "%s", err.message);
    cr_assert_eq(beamc_dofn_tester_process(t, beamc_value_i64(4), 6, &err), BEAMC_OK);
    cr_assert_eq(beamc_dofn_tester_count(t, 0), 2);
    const beamc_windowed_value *second = beamc_dofn_tester_output(t, 0, 1);
    cr_assert(beamc_slice_eq(second->value.bytes, beamc_str("w12")));
    cr_assert_eq(second->timestamp, 6);
    cr_assert_null(beamc_dofn_tester_output(t, 0, 2));
    cr_assert_eq(beamc_dofn_tester_count(t, 7), 0);
    cr_assert_eq(beamc_dofn_tester_counter(t, "test", "seen"), 3);
    cr_assert_eq(beamc_dofn_tester_counter(t, "test", "unseen"), 0);
    cr_assert_eq(beamc_dofn_tester_finish_bundle(t, &err), BEAMC_OK);
    cr_assert_eq(beamc_dofn_tester_output(t, 1, 0)->value.i64, 6);
    beamc_dofn_tester_free(t);
    cr_assert_eq(torn_down, 1);
}

Test(exec_tester, config_and_failing_setup) {
    beamc_error err;
    config c = {.factor = 10, .word = BEAMC_STR("x")};
    beamc_dofn_tester *t = beamc_dofn_tester_new(&fn, &c, &err);
    cr_assert_eq(beamc_dofn_tester_process(t, beamc_value_i64(2), 5, &err), BEAMC_OK);
    cr_assert(beamc_slice_eq(beamc_dofn_tester_output(t, 0, 0)->value.bytes, beamc_str("x20")));
    beamc_dofn_tester_free(t);
    c.factor = 0;
    cr_assert_null(beamc_dofn_tester_new(&fn, &c, &err));
    cr_assert(strstr(err.message, "factor 0") != NULL, "%s", err.message);
}

/* State is kept, also from bundle to bundle. */
static beamc_status count_process(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value v;
    (void)in;
    BEAMC_TRY(beamc_state_add(ctx, 0, beamc_value_i64(1)));
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    BEAMC_TRY(beamc_timer_set(ctx, 0, 100));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), v));
}

static const beamc_dofn count_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:count_keys:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"counts", &beamc_kv_str_i64}},
    .states = {{"count", BEAMC_STATE_COMBINING, NULL, NULL, &beamc_sum_i64}},
    .timers = {{"flush", BEAMC_EVENT_TIME}},
    .process = count_process,
};

Test(exec_tester, state_and_timers) {
    beamc_error err;
    beamc_dofn_tester *t = beamc_dofn_tester_new(&count_fn, NULL, &err);
    cr_assert_not_null(t, "%s", err.message);
    const char *const keys[] = {"a", "b", "a", "a"};
    for (size_t i = 0; i < 4; i++) {
        beamc_kv kv = {{.bytes = beamc_str(keys[i])}, {.i64 = 0}};
        cr_assert_eq(beamc_dofn_tester_process(t, (beamc_value){.kv = &kv}, 0, &err), BEAMC_OK,
                     "%s", err.message);
        if (i == 2) {
            cr_assert_eq(beamc_dofn_tester_finish_bundle(t, &err), BEAMC_OK);
        }
    }
    const int64_t counts[] = {1, 1, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(beamc_dofn_tester_output(t, 0, i)->value.kv->value.i64, counts[i]);
    }
    beamc_dofn_tester_free(t);
}

/* A splittable one works on its whole restriction. */
static beamc_status to_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    ((beamc_offset_range *)restriction)->stop = in->i64;
    return BEAMC_OK;
}

static beamc_status to_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    for (int64_t i = 0; beamc_try_claim(ctx, i); i++) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(i)));
    }
    return BEAMC_OK;
}

static const beamc_splittable to_splittable = {.initial = to_initial};
static const beamc_dofn to_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:to:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &to_splittable,
    .process = to_process,
};

Test(exec_tester, splittable) {
    beamc_error err;
    beamc_dofn_tester *t = beamc_dofn_tester_new(&to_fn, NULL, &err);
    cr_assert_eq(beamc_dofn_tester_process(t, beamc_value_i64(50), 0, &err), BEAMC_OK);
    cr_assert_eq(beamc_dofn_tester_count(t, 0), 50);
    beamc_dofn_tester_free(t);
}
