/* test_pressure.c: back-pressure, waiting and waking: what is queued stays little, nothing waits for
 * itself, and who has nothing to do does nothing. */
#include <criterion/criterion.h>
#include <time.h>

#include "flow.h"

enum { CHUNK = 16 << 10 };

/* ---------------------------------------------------------------------------------- DoFns */

static const beamc_value one_number[] = {{.i64 = 0}};
static beamc_pcoll start(beamc_pipeline *p, const char *label) {
    return beamc_create(p, label, &beamc_varint, one_number, 1);
}

typedef struct settings {
    int64_t delay_us;    /* of each element */
    int64_t stop_behind; /* elements */
    int64_t count;       /* of a bounded source */
    int64_t keys;        /* 0: 64 */
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, delay_us, I64, "0", "Sleeps for each element."),
    BEAMC_CONFIG(settings, stop_behind, I64, "0", "Stops the run behind so many."),
    BEAMC_CONFIG(settings, count, I64, "0", "Elements of a bounded source."),
    BEAMC_CONFIG(settings, keys, I64, "0", "Different keys."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

static beamc_status fast_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)in;
    const settings *c = beamc_config(ctx);
    *(beamc_offset_range *)restriction =
        (beamc_offset_range){0, c->count > 0 ? c->count : INT64_MAX};
    return BEAMC_OK;
}

/* KV<n % 64, 16 KiB>, as fast as it can; counts what was emitted. */
static beamc_status fast_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    static const char chunk[CHUNK];
    const beamc_offset_range *r = beamc_restriction(ctx);
    const settings *c = beamc_config(ctx);
    int64_t keys = c->keys > 0 ? c->keys : 64;
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_watermark_set(ctx, i);
        beamc_value v = beamc_kv_of(ctx, beamc_value_i64(i % keys),
                                    beamc_value_bytes(beamc_slice_of(chunk, CHUNK)));
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, v));
        atomic_fetch_add(&flow.emitted, 1);
    }
    return BEAMC_OK;
}
static const beamc_coder pair = BEAMC_KV(&beamc_varint, &beamc_bytes);
static const beamc_splittable fast_unbounded = {.initial = fast_initial, .unbounded = true};
static const beamc_dofn fast_fn = {
    BEAMC_DOFN_ABI,          .urn = "test:pressure:fast:v1", .config = &settings_row,
    .input = &beamc_varint,  .outputs = {{"out", &pair}},    .splittable = &fast_unbounded,
    .process = fast_process,
};
static const beamc_splittable fast_range = {.initial = fast_initial};
static const beamc_dofn fast_bounded_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pressure:fast_bounded:v1",
    .config = &settings_row,
    .input = &beamc_varint,
    .outputs = {{"out", &pair}},
    .splittable = &fast_range,
    .process = fast_process,
};

/* Takes its time, and notes how many elements are under way. */
static beamc_status slow(beamc_ctx *ctx) {
    const settings *c = beamc_config(ctx);
    if (c->delay_us > 0) {
        struct timespec t = {0, c->delay_us * 1000};
        nanosleep(&t, NULL);
    }
    int64_t taken = atomic_fetch_add(&flow.taken, 1) + 1;
    flow_raise(atomic_load(&flow.emitted) - taken);
    if (taken == c->stop_behind) {
        flow_stop();
    }
    return BEAMC_OK;
}
static beamc_status slow_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    return slow(ctx);
}
static const beamc_dofn slow_fn = {
    BEAMC_DOFN_ABI, .urn = "test:pressure:slow:v1", .config = &settings_row,
    .input = &pair, .process = slow_process,
};
static beamc_status slow_keyed_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    BEAMC_TRY(beamc_state_add(ctx, 0, beamc_value_i64(1)));
    return slow(ctx);
}
static const beamc_dofn slow_keyed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pressure:slow_keyed:v1",
    .config = &settings_row,
    .input = &pair,
    .states = {{.name = "count", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64}},
    .process = slow_keyed_process,
};
static const beamc_coder many_bytes = BEAMC_ITERABLE(&beamc_bytes);
static const beamc_coder grouped = BEAMC_KV(&beamc_varint, &many_bytes);
static beamc_status slow_group_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_iter it;
    beamc_value v;
    beamc_iterate(in->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &v)) {
        BEAMC_TRY(slow(ctx));
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}
static const beamc_dofn slow_group_fn = {
    BEAMC_DOFN_ABI,    .urn = "test:pressure:slow_group:v1", .config = &settings_row,
    .input = &grouped, .process = slow_group_process,
};
/* One element becomes 64. */
static beamc_status more_process(beamc_ctx *ctx, const beamc_elem *in) {
    for (int i = 0; i < 64; i++) {
        BEAMC_TRY(beamc_emit(ctx, 0, *in));
    }
    atomic_fetch_add(&flow.emitted, 63);
    return BEAMC_OK;
}
static const beamc_dofn more_fn = {
    BEAMC_DOFN_ABI,          .urn = "test:pressure:more:v1",
    .input = &pair,          .outputs = {{"out", &pair}},
    .process = more_process,
};
/* Looks at its side input for each element. */
static beamc_status joining_process(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *c = beamc_config(ctx);
    const beamc_iterable *many;
    beamc_iter it;
    beamc_value v;
    (void)in;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &many));
    beamc_iterate(many, &it);
    if (!beamc_iter_next(&it, &v)) {
        atomic_fetch_add(&flow.fail, 1); /* it has none in this window */
    } else if (c->count > 0) {
        int64_t count = 1;
        while (beamc_iter_next(&it, &v)) {
            count++;
        }
        atomic_fetch_add(&flow.fail, count != c->count);
    }
    return slow(ctx);
}
static const beamc_dofn joining_fn = {
    BEAMC_DOFN_ABI, .urn = "test:pressure:joining:v1", .config = &settings_row,
    .input = &pair, .side_inputs = {"side"},           .process = joining_process,
};
/* A number after `delay_us`. */
static beamc_status late_process(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *c = beamc_config(ctx);
    flow_sleep(c->delay_us / 1000);
    return beamc_emit(ctx, 0, *in);
}
static const beamc_dofn late_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:pressure:late:v1",      .config = &settings_row,
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}}, .process = late_process,
};
static beamc_status length_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->key);
}
static const beamc_dofn length_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:pressure:length:v1",
    .input = &pair,
    .outputs = {{"out", &beamc_varint}},
    .process = length_process,
};

/* Machines are busy: most come in time, not all. */
static void note_lateness(int64_t ms) {
    atomic_fetch_add(&flow.bundles, 1);
    atomic_fetch_add(&flow.sum, ms > 15);
}
static void expect_most_in_time(void) {
    cr_expect_geq(atomic_load(&flow.bundles), 20);
    cr_expect_leq(atomic_load(&flow.sum) * 2, atomic_load(&flow.bundles), "%lld of %lld are late",
                  (long long)atomic_load(&flow.sum), (long long)atomic_load(&flow.bundles));
}

/* Comes back every `delay_us`; notes how late it is. Stops behind so many. */
static beamc_status tick_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    static _Atomic(int64_t) due;
    const settings *c = beamc_config(ctx);
    const beamc_offset_range *r = beamc_restriction(ctx);
    int64_t now = beamc_processing_time(ctx);
    if (atomic_load(&due) > 0) {
        note_lateness(now - atomic_load(&due));
    }
    if (!beamc_try_claim(ctx, r->start)) {
        return BEAMC_OK;
    }
    atomic_store(&due, now + c->delay_us / 1000);
    if (r->start + 1 == c->stop_behind) {
        flow_stop();
    }
    return beamc_defer(ctx, c->delay_us / 1000);
}
static const beamc_dofn tick_fn = {
    BEAMC_DOFN_ABI,          .urn = "test:pressure:tick:v1", .config = &settings_row,
    .input = &beamc_varint,  .outputs = {{"out", &pair}},    .splittable = &fast_unbounded,
    .process = tick_process,
};

/* KV<k, bytes>: a timer of processing time in 30 ms, again and again. */
static _Atomic(int64_t) timer_due;
static beamc_status timed_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    atomic_store(&timer_due, beamc_processing_time(ctx) + 30);
    return beamc_timer_set(ctx, 0, atomic_load(&timer_due));
}
static beamc_status timed_on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    int64_t now = beamc_processing_time(ctx);
    note_lateness(now - atomic_load(&timer_due));
    if (atomic_fetch_add(&flow.taken, 1) + 1 == 20) {
        flow_stop();
    }
    atomic_store(&timer_due, now + 30);
    return beamc_timer_set(ctx, 0, now + 30);
}
static const beamc_dofn timed_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:pressure:timed:v1",
    .input = &pair,           .timers = {{"tick", BEAMC_PROCESSING_TIME}},
    .process = timed_process, .on_timer = timed_on_timer,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "pressure",
    .fns = BEAMC_FNS(&fast_fn, &fast_bounded_fn, &slow_fn, &slow_keyed_fn, &slow_group_fn, &more_fn,
                     &joining_fn, &late_fn, &length_fn, &tick_fn, &timed_fn),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};

static void run_ok(beamc_pipeline *p, beamc_local_run how) {
    beamc_error err = {0};
    cr_expect_eq(flow_run(p, &program, how, &err), BEAMC_OK, "%s", err.message);
}

static beamc_pcoll fast(beamc_pipeline *p) {
    return beamc_pardo(start(p, "Start"), "Fast", &fast_fn, .config = &(settings){0});
}

/* 40 MiB is far below what a source makes in the time of a test: some GiB. */
static void expect_little_under_way(void) {
    int64_t bytes = atomic_load(&flow.most) * CHUNK;
    cr_expect_leq(bytes, 40 << 20, "%lld MiB were under way", (long long)(bytes >> 20));
    cr_expect_geq(atomic_load(&flow.taken), 1000);
    cr_expect_eq(atomic_load(&flow.taken), atomic_load(&flow.emitted), "nothing is lost");
}

/* --------------------------------------------------------------------------------- queues */

static settings slow_sink = {.delay_us = 500, .stop_behind = 1000};

Test(pressure, of_a_slow_stage) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(beamc_reshuffle(fast(p), "Apart"), "Slow", &slow_fn, .config = &slow_sink);
    run_ok(p, (beamc_local_run){.parallelism = 3});
    expect_little_under_way();
}

Test(pressure, of_a_slow_stateful_stage) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(fast(p), "Slow", &slow_keyed_fn, .config = &slow_sink);
    run_ok(p, (beamc_local_run){.parallelism = 3});
    expect_little_under_way();
}

Test(pressure, of_one_key) { /* one thread works on it, the others could read */
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in =
        beamc_pardo(start(p, "Start"), "Fast", &fast_fn, .config = &(settings){.keys = 1});
    beamc_pardo(in, "Slow", &slow_keyed_fn, .config = &slow_sink);
    run_ok(p, (beamc_local_run){.parallelism = 3});
    expect_little_under_way();
}

Test(pressure, of_a_stage_behind_one_that_makes_more) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll more =
        beamc_pardo(beamc_reshuffle(fast(p), "Apart"), "More", &more_fn, .config = NULL);
    beamc_pardo(beamc_reshuffle(more, "Again"), "Slow", &slow_fn, .config = &slow_sink);
    run_ok(p, (beamc_local_run){.parallelism = 3});
    int64_t bytes = atomic_load(&flow.most) * CHUNK;
    cr_expect_leq(bytes, 200 << 20, "%lld MiB were under way", (long long)(bytes >> 20));
}

Test(pressure, of_a_stage_behind_a_group_that_fires_often) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll windowed = beamc_window_into(fast(p), "Window", .fn = beamc_global(),
                                             .trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(1)));
    beamc_pardo(beamc_group_by_key(windowed, "Group"), "Slow", &slow_group_fn,
                .config = &slow_sink);
    run_ok(p, (beamc_local_run){.parallelism = 3});
    cr_expect_geq(atomic_load(&flow.taken), 1000);
    cr_expect_eq(atomic_load(&flow.taken), atomic_load(&flow.emitted), "nothing is lost");
}

/* ---------------------------------------------------------------------- no dead ends */

/* One source feeds both a stage and, through a group, its side input: it must go on. */
static void diamond(const beamc_dofn *source, settings of, unsigned threads) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll in = beamc_pardo(start(p, "Start"), "Fast", source, .config = &of);
    beamc_pcoll windowed = beamc_window_into(in, "Window", .fn = beamc_fixed(.size_ms = 3000));
    beamc_pcoll keys = beamc_pardo(windowed, "Length", &length_fn);
    beamc_pcoll ones = beamc_with_key(keys, "Key", &beamc_varint, beamc_value_i64(1));
    beamc_pcoll sums = beamc_combine_per_key(ones, "Sum", &beamc_sum_i64);
    beamc_pardo(windowed, "Joining", &joining_fn, .config = &(settings){.stop_behind = 10000},
                .side = {{sums, false}});
    run_ok(p, (beamc_local_run){.parallelism = threads});
    cr_expect_eq(atomic_load(&flow.taken), atomic_load(&flow.emitted));
}

Test(pressure, a_source_of_its_own_side_input_goes_on, .timeout = 60) {
    diamond(&fast_fn, (settings){0}, 3);
    cr_expect_geq(atomic_load(&flow.taken), 10000);
}

Test(pressure, the_same_bounded_and_alone, .timeout = 60) {
    diamond(&fast_bounded_fn, (settings){.count = 8000}, 1); /* 125 MiB */
    cr_expect_eq(atomic_load(&flow.taken), 8000);
    cr_expect_eq(atomic_load(&flow.fail), 0);
}

Test(pressure, a_late_side_input_holds_back_its_reader_alone, .timeout = 60) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll side = beamc_pardo(beamc_reshuffle(start(p, "Begin"), "Mix"), "Late", &late_fn,
                                   .config = &(settings){.delay_us = 500000});
    beamc_pcoll other = beamc_pardo(start(p, "Two"), "Fast2", &fast_bounded_fn,
                                    .config = &(settings){.count = 100});
    beamc_pcoll both[] = {fast(p), other};
    beamc_pardo(beamc_flatten(p, "Both", both, 2), "Joining", &joining_fn,
                .config = &(settings){.delay_us = 200, .stop_behind = 2000},
                .side = {{side, false}});
    run_ok(p, (beamc_local_run){.parallelism = 2});
    cr_expect_eq(atomic_load(&flow.fail), 0);
    expect_little_under_way();
}

/* The job is endless, its side input is not: it is not read before all of it is there. */
Test(pressure, a_bounded_side_input_is_read_whole, .timeout = 60) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll parts[] = {start(p, "First"),
                           beamc_pardo(beamc_reshuffle(start(p, "Begin"), "Mix"), "Late", &late_fn,
                                       .config = &(settings){.delay_us = 300000})};
    beamc_pardo(beamc_reshuffle(fast(p), "Apart"), "Joining", &joining_fn,
                .config = &(settings){.count = 2, .stop_behind = 1000},
                .side = {{beamc_flatten(p, "Both", parts, 2), false}});
    run_ok(p, (beamc_local_run){.parallelism = 3});
    cr_expect_eq(atomic_load(&flow.fail), 0, "%d elements saw a part of it",
                 atomic_load(&flow.fail));
    cr_expect_geq(atomic_load(&flow.taken), 1000);
}

/* -------------------------------------------------------------------------------- waiting */

Test(pressure, an_idle_job_sleeps) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(start(p, "Start"), "Tick", &tick_fn,
                .config = &(settings){.delay_us = 250000, .stop_behind = 8});
    int64_t began = flow_ms(), cpu = flow_cpu_ms();
    run_ok(p, (beamc_local_run){.parallelism = 4});
    int64_t took = flow_ms() - began;
    cr_expect_geq(took, 1700);
    cpu = flow_cpu_ms() - cpu;
    cr_expect_leq(cpu * 1000 / took, 20, "%lld ms CPU in %lld ms", (long long)cpu, (long long)took);
}

Test(pressure, residuals_come_back_in_time) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pardo(start(p, "Start"), "Tick", &tick_fn,
                .config = &(settings){.delay_us = 20000, .stop_behind = 30});
    run_ok(p, (beamc_local_run){.parallelism = 4});
    expect_most_in_time();
}

Test(pressure, timers_of_the_clock_come_in_time) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll ticks = beamc_pardo(start(p, "Never"), "Tick", &tick_fn,
                                    .config = &(settings){.delay_us = 3600000000});
    (void)ticks;
    beamc_pcoll one =
        beamc_pardo(start(p, "Start"), "Fast", &fast_bounded_fn, .config = &(settings){.count = 1});
    beamc_pcoll both[] = {one, ticks};
    beamc_pardo(beamc_flatten(p, "Both", both, 2), "Timed", &timed_fn);
    run_ok(p, (beamc_local_run){.parallelism = 4});
    expect_most_in_time();
}
