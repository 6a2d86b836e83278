/* test_flow.c: how long bundles take: splits of running ones, by the clock and for idle threads; drain and
 * cancel. Pipelines of real DoFns on the local runner. */
#include <criterion/criterion.h>

#include "flow.h"

#define CHECK_MS(what, ms, most)                                                                   \
    cr_expect_leq((ms), (most), "%s took %lld ms", (what), (long long)(ms))

static const beamc_value one_number[] = {{.i64 = 0}};

static beamc_pcoll start(beamc_pipeline *p, const char *label) {
    return beamc_create(p, label, &beamc_varint, one_number, 1);
}

/* --------------------------------------------------------------------------------- sources */

static beamc_status endless_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, INT64_MAX};
    return BEAMC_OK;
}

/* Numbers, one each ms, at the times 0, 1, ...; never returns by itself. */
static beamc_status endless_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_watermark_set(ctx, i);
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_value_i64(i)));
        flow_sleep(1);
        atomic_fetch_add(&flow.emitted, 1);
    }
    return BEAMC_OK;
}
/* By then the restriction has been split. */
static beamc_status endless_finish(beamc_ctx *ctx) {
    if (atomic_load(&flow.emitted) > 100 && atomic_fetch_sub(&flow.fail, 1) > 0) {
        return beamc_fail(ctx, UNAVAILABLE, "at the end of a bundle");
    }
    return BEAMC_OK;
}
static const beamc_splittable endless = {.initial = endless_initial, .unbounded = true};
static const beamc_dofn endless_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:endless:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &endless,
    .process = endless_process,
    .finish_bundle = endless_finish,
};

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
    .initial = endless_initial, .truncate = rounding_truncate, .unbounded = true};
static const beamc_dofn rounding_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:rounding:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .side_inputs = {"step"},
    .splittable = &rounding,
    .process = rounding_process,
};

/* One number, then it waits for an hour. */
static beamc_status waiting_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    if (beamc_try_claim(ctx, r->start)) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(r->start)));
        return beamc_defer(ctx, 3600 * 1000);
    }
    return BEAMC_OK;
}
static const beamc_dofn waiting_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:waiting:v1",
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
    .splittable = &endless, .process = waiting_process,
};

/* Bounded: 0 .. 399, each 2 ms. */
static beamc_status range_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, 400};
    return BEAMC_OK;
}
static beamc_status range_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    atomic_fetch_add(&flow.bundles, 1);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        flow_sleep(2);
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(i)));
    }
    return BEAMC_OK;
}
static const beamc_splittable range = {.initial = range_initial};
static const beamc_dofn range_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:range:v1",
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
    .splittable = &range,   .process = range_process,
};

/* ---------------------------------------------------------------------------------- others */

/* Counts and sums numbers; stops the run behind the number in its config. */
typedef struct take_config {
    int64_t stop_behind;
} take_config;
static const beamc_field take_fields[] = {
    BEAMC_CONFIG(take_config, stop_behind, I64, "0", "That many elements."),
};
static const beamc_row take_row = BEAMC_ROW(take_config, take_fields);

static beamc_status take_process(beamc_ctx *ctx, const beamc_elem *in) {
    const take_config *c = beamc_config(ctx);
    atomic_fetch_add(&flow.sum, in->i64);
    if (atomic_fetch_add(&flow.taken, 1) + 1 == c->stop_behind) {
        flow_stop();
    }
    return BEAMC_OK;
}
static const beamc_dofn take_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:take:v1", .config = &take_row,
    .input = &beamc_varint, .process = take_process,
};

static beamc_pcoll take(beamc_pcoll in, int64_t stop_behind) {
    beamc_pcoll apart = beamc_reshuffle(in, "Apart"); /* a stage of its own */
    take_config c = {stop_behind};
    return beamc_pardo(apart, "Take", &take_fn, .config = &c);
}

/* n -> KV<n % 4, n> */
static beamc_status key_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_value_i64(in->i64 % 4), *in));
}
static const beamc_coder pair = BEAMC_KV(&beamc_varint, &beamc_varint);
static const beamc_dofn key_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:key:v1",
    .input = &beamc_varint, .outputs = {{"out", &pair}},
    .process = key_process,
};
/* KV<k, n> -> n */
static beamc_status value_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->value);
}
static const beamc_dofn value_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:flow:value:v1",
    .input = &pair,           .outputs = {{"out", &beamc_varint}},
    .process = value_process,
};

/* Asks somebody far away, 20 ms for each element. Notes the most elements of a bundle. */
typedef struct slow_instance {
    int64_t elements;
} slow_instance;
static beamc_status slow_start(beamc_ctx *ctx) {
    ((slow_instance *)beamc_instance(ctx))->elements = 0;
    return BEAMC_OK;
}
static beamc_status slow_process(beamc_ctx *ctx, const beamc_elem *in) {
    slow_instance *s = beamc_instance(ctx);
    s->elements++;
    flow_sleep(20);
    return beamc_emit(ctx, 0, *in);
}
static beamc_status slow_finish(beamc_ctx *ctx) {
    const slow_instance *s = beamc_instance(ctx);
    flow_raise(s->elements);
    atomic_fetch_add(&flow.bundles, s->elements > 0);
    return BEAMC_OK;
}
static const beamc_dofn slow_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:slow:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .instance_size = sizeof(slow_instance),
    .start_bundle = slow_start,
    .process = slow_process,
    .finish_bundle = slow_finish,
};
/* The same with state. */
static beamc_status slow_keyed_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_add(ctx, 0, in->kv->value));
    return slow_process(ctx, &in->kv->value);
}
static const beamc_dofn slow_keyed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:slow_keyed:v1",
    .input = &pair,
    .outputs = {{"out", &beamc_varint}},
    .states = {{.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .instance_size = sizeof(slow_instance),
    .start_bundle = slow_start,
    .process = slow_keyed_process,
    .finish_bundle = slow_finish,
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
    .splittable = &endless,
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
    .input = &beamc_varint,   .outputs = {{"out", &pair}},
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
    .input = &pair,
    .outputs = {{"out", &pair}},
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
    .initial = endless_initial, .watermark = BEAMC_WATERMARK_WALL_TIME, .unbounded = true};
static const beamc_splittable by_emitted = {
    .initial = endless_initial, .watermark = BEAMC_WATERMARK_MONOTONIC, .unbounded = true};
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
    .fns = BEAMC_FNS(&endless_fn, &rounding_fn, &waiting_fn, &range_fn, &take_fn, &key_fn,
                     &value_fn, &slow_fn, &slow_keyed_fn, &busy_fn, &flaky_fn, &holding_fn,
                     &clock_fn, &emitted_fn),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};

static void expect_all_up_to(int64_t least) {
    int64_t n = atomic_load(&flow.taken);
    cr_expect_geq(n, least);
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2, "%lld elements are not 0 .. n-1",
                 (long long)n);
}

/* ------------------------------------------------------------------------- by the clock */

static void endless_runs(unsigned threads) {
    beamc_pipeline *p = beamc_pipeline_new();
    take(beamc_pardo(start(p, "Start"), "Endless", &endless_fn), 100);
    beamc_error err = {0};
    int64_t began = flow_ms();
    beamc_status status =
        flow_run(p, &program, (beamc_local_run){.parallelism = threads, .max_bundle_ms = 20}, &err);
    cr_expect_eq(status, BEAMC_OK, "%s", err.message);
    expect_all_up_to(100);
    CHECK_MS("it", flow_ms() - began, 3000);
}

Test(flow, a_process_that_never_returns_is_split_and_drains) {
    endless_runs(1);
}

Test(flow, the_same_on_three_threads) {
    endless_runs(3);
}

Test(flow, windows_of_a_process_that_never_returns_fire) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll pairs =
        beamc_pardo(beamc_window_into(beamc_pardo(start(p, "Start"), "Endless", &endless_fn),
                                      "Windows", .fn = beamc_fixed(.size_ms = 50)),
                    "Key", &key_fn);
    beamc_pcoll sums = beamc_combine_per_key(pairs, "Sum", &beamc_sum_i64);
    take_config c = {12};
    beamc_pardo(beamc_pardo(sums, "Value", &value_fn), "Take", &take_fn, .config = &c);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.max_bundle_ms = 20}, &err), BEAMC_OK,
                 "%s", err.message);
    int64_t n = atomic_load(&flow.emitted); /* the last one may be emitted and not counted */
    cr_expect_geq(atomic_load(&flow.taken), 12);
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2);
}

Test(flow, another_attempt_has_only_what_was_not_split_off) {
    beamc_pipeline *p = beamc_pipeline_new();
    take(beamc_pardo(start(p, "Start"), "Endless", &endless_fn), 500);
    atomic_store(&flow.fail, 3);
    beamc_error err = {0};
    beamc_status status =
        flow_run(p, &program, (beamc_local_run){.parallelism = 2, .max_bundle_ms = 15}, &err);
    cr_expect_eq(status, BEAMC_OK, "%s", err.message);
    cr_expect_leq(atomic_load(&flow.fail), 0, "no attempt failed");
    expect_all_up_to(500);
}

Test(flow, cancelling_ends_a_process_that_calls_nobody) {
    beamc_pipeline *p = beamc_pipeline_new();
    take(beamc_pardo(start(p, "Start"), "Endless", &endless_fn), 50);
    beamc_error err = {0};
    int64_t began = flow_ms();
    beamc_local_run how = {.parallelism = 1, .max_bundle_ms = 20, .stop = BEAMC_STOP_CANCEL};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_CANCELLED);
    CHECK_MS("cancelling", flow_ms() - began, 2000);
}

Test(flow, stopping_at_a_commit_fires_nothing) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll numbers = beamc_pardo(start(p, "Start"), "Endless", &endless_fn);
    take(numbers, 50);
    beamc_pcoll pairs =
        beamc_pardo(beamc_window_into(numbers, "Windows", .fn = beamc_fixed(.size_ms = 1000000)),
                    "Key", &key_fn);
    beamc_pcoll sums = beamc_combine_per_key(pairs, "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &value_fn), "Fired", &take_fn,
                .config = &(take_config){0});
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

/* Something that makes the job an unbounded one. */
static void never_ending(beamc_pipeline *p) {
    beamc_pardo(start(p, "Never"), "Waiting", &waiting_fn);
}

static void slow_elements(bool keyed) {
    beamc_pipeline *p = beamc_pipeline_new();
    never_ending(p);
    beamc_pcoll in = hundred(p, 40);
    beamc_pcoll out = keyed ? beamc_pardo(beamc_pardo(in, "Key", &key_fn), "Slow", &slow_keyed_fn)
                            : beamc_pardo(in, "Slow", &slow_fn);
    take(out, 40);
    beamc_error err = {0};
    beamc_local_run how = {.parallelism = 2, .max_bundle_ms = 100};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_OK, "%s", err.message);
    expect_all_up_to(40);
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
    take(beamc_pardo(start(p, "Start"), "Range", &range_fn), -1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 4}, &err), BEAMC_OK, "%s",
                 err.message);
    int64_t took = flow_ms() - began; /* alone: more than 800 ms */
    cr_expect_eq(atomic_load(&flow.taken), 400);
    expect_all_up_to(400);
    CHECK_MS("sharing", took, 700);
    cr_expect_leq(atomic_load(&flow.bundles), 40, "%lld parts",
                  (long long)atomic_load(&flow.bundles));
}

Test(flow, idle_threads_share_slow_elements) {
    beamc_pipeline *p = beamc_pipeline_new();
    take(beamc_pardo(hundred(p, 60), "Slow", &slow_fn), -1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 4}, &err), BEAMC_OK, "%s",
                 err.message);
    int64_t took = flow_ms() - began; /* alone: more than 1200 ms */
    cr_expect_eq(atomic_load(&flow.taken), 60);
    expect_all_up_to(60);
    CHECK_MS("sharing", took, 900);
}

Test(flow, one_thread_shares_with_nobody) {
    beamc_pipeline *p = beamc_pipeline_new();
    take(beamc_pardo(start(p, "Start"), "Range", &range_fn), -1);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 1}, &err), BEAMC_OK, "%s",
                 err.message);
    expect_all_up_to(400);
    cr_expect_eq(atomic_load(&flow.bundles), 1);
}

/* ----------------------------------------------------------------------------------- drain */

Test(flow, a_drain_truncates_restrictions_once_and_finishes_them) {
    beamc_pipeline *p = beamc_pipeline_new();
    static const beamc_value step[] = {{.i64 = 1000}};
    beamc_pcoll side = beamc_create(p, "Step", &beamc_varint, step, 1);
    take(beamc_pardo(start(p, "Start"), "Rounding", &rounding_fn, .side = {{side, false}}), 1234);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_OK, "%s",
                 err.message);
    expect_all_up_to(2000);
    cr_expect_eq(atomic_load(&flow.taken) % 1000, 0, "%lld", (long long)atomic_load(&flow.taken));
}

Test(flow, a_drain_ends_waiting_restrictions_and_finishes_bounded_ones) {
    beamc_pipeline *p = beamc_pipeline_new();
    never_ending(p);
    take(beamc_pardo(start(p, "Start"), "Range", &range_fn), 1);
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(
        flow_run(p, &program, (beamc_local_run){.parallelism = 2, .max_bundle_ms = 50}, &err),
        BEAMC_OK, "%s", err.message);
    cr_expect_eq(atomic_load(&flow.taken), 400);
    expect_all_up_to(400);
    CHECK_MS("draining", flow_ms() - began, 3000);
}

Test(flow, a_bounded_job_is_cancelled) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll first =
        beamc_pardo(start(p, "First"), "Stop", &take_fn, .config = &(take_config){1});
    (void)first;
    take(beamc_pardo(start(p, "Start"), "Range", &range_fn), -1);
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_CANCELLED);
}

/* -------------------------------------------------------------------------------- together */

Test(flow, splits_failures_state_and_windows_lose_nothing, .timeout = 120) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll numbers = beamc_reshuffle(beamc_pardo(start(p, "Start"), "Busy", &busy_fn), "Mix");
    beamc_pcoll windowed =
        beamc_window_into(numbers, "Windows", .fn = beamc_fixed(.size_ms = 1000));
    beamc_pcoll held =
        beamc_pardo(beamc_pardo(windowed, "Flaky", &flaky_fn), "Holding", &holding_fn);
    beamc_pcoll sums = beamc_combine_per_key(held, "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &value_fn), "Take", &take_fn,
                .config = &(take_config){0});
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
    beamc_pcoll windowed = beamc_window_into(beamc_pardo(start(p, "Start"), "Source", source),
                                             "Windows", .fn = beamc_fixed(.size_ms = 50));
    beamc_pcoll sums =
        beamc_combine_per_key(beamc_pardo(windowed, "Key", &key_fn), "Sum", &beamc_sum_i64);
    beamc_pardo(beamc_pardo(sums, "Value", &value_fn), "Take", &take_fn,
                .config = &(take_config){40}); /* ten windows of four keys */
    beamc_error err = {0};
    int64_t began = flow_ms();
    cr_expect_eq(flow_run(p, &program, (beamc_local_run){.parallelism = 2}, &err), BEAMC_OK, "%s",
                 err.message);
    cr_expect_geq(atomic_load(&flow.taken), 40);
    CHECK_MS("ten windows of 50 ms", flow_ms() - began, 1500);
}

Test(flow, a_watermark_of_the_clock_fires_windows) {
    watermark_of(&clock_fn);
}

Test(flow, a_watermark_of_what_was_emitted_fires_windows) {
    watermark_of(&emitted_fn);
}
