/* batch.c: state and timers: single requests become calls of many, for each customer. A call goes out when
 * --batch requests wait, when the first of them has waited for --wait_ms, and when the window ends.
 *
 *     ./batch --batch=3
 *
 * prints, of a stream that is played step by step, "ann: [1, 2, 3] full" and so on. */
#include <beamc/beamc.h>

typedef struct settings {
    int64_t batch;
    int64_t wait_ms;
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, batch, I64, "3", "Requests in a call."),
    BEAMC_CONFIG(settings, wait_ms, I64, "1000", "Longest time that a request waits."),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

/* State is kept for each key and window: here, for each customer and minute. */
enum { WAITING, COUNT };
enum { PATIENCE };

/* One call for all that wait; here it is a line of text. */
static beamc_status call(beamc_ctx *ctx, const char *reason) {
    const beamc_iterable *waiting;
    beamc_iter it;
    beamc_value request;
    beamc_slice list = beamc_str("");
    BEAMC_TRY(beamc_state_iterable(ctx, WAITING, &waiting));
    for (beamc_iterate(waiting, &it); beamc_iter_next(&it, &request);) {
        list = beamc_format(ctx, "%.*s%s%lld", BEAMC_SLICE_ARG(list), list.len > 0 ? ", " : "",
                            (long long)request.i64);
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    if (list.len == 0) {
        return BEAMC_OK; /* the timer of a call that went out because it was full */
    }
    BEAMC_TRY(beamc_state_clear(ctx, WAITING));
    BEAMC_TRY(beamc_state_clear(ctx, COUNT));
    beamc_slice line = beamc_format(ctx, "[%.*s] %s", BEAMC_SLICE_ARG(list), reason);
    return beamc_emit(ctx, 0, beamc_pair(beamc_key(ctx), beamc_value_bytes(line)));
}

static beamc_status add(beamc_ctx *ctx, const beamc_elem *in) {
    const settings *s = beamc_config(ctx);
    beamc_value count;
    BEAMC_TRY(beamc_state_add(ctx, WAITING, in->kv->value));
    BEAMC_TRY(beamc_state_add(ctx, COUNT, in->kv->value));
    BEAMC_TRY(beamc_state_read(ctx, COUNT, NULL, &count));
    if (count.i64 >= s->batch) {
        return call(ctx, "full");
    }
    beamc_time patience = beamc_processing_time(ctx) + s->wait_ms;
    return count.i64 > 1 ? BEAMC_OK : beamc_timer_set(ctx, PATIENCE, patience);
}

static beamc_status waited(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer; /* there is one only */
    return call(ctx, "waited long enough");
}

static beamc_status window_ends(beamc_ctx *ctx) {
    return call(ctx, "the window ends");
}

static const beamc_coder calls_coder = BEAMC_KV(&beamc_string, &beamc_string);

static const beamc_dofn batching = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:batch:v1",
    .doc = "Single requests to calls of many.",
    .config = &settings_row,
    .input = &beamc_kv_str_i64,
    .outputs[0] = {"calls", &calls_coder},
    .states[WAITING] = {.name = "waiting", .kind = BEAMC_STATE_BAG, .coder = &beamc_varint},
    .states[COUNT] = {.name = "count", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_count},
    .timers[PATIENCE] = {"patience", BEAMC_PROCESSING_TIME},
    .process = add,
    .on_timer = waited,
    .on_window_expiration = window_ends,
};

/* In place of a real stream, so that it is over soon and always the same. */
static beamc_pcoll requests(beamc_pipeline *p) {
    beamc_value ann = beamc_value_text("ann"), bob = beamc_value_text("bob");
    beamc_test_event steps[] = {
        beamc_test_at(1000, beamc_pair(ann, beamc_value_i64(1))),
        beamc_test_at(1000, beamc_pair(bob, beamc_value_i64(10))),
        beamc_test_at(2000, beamc_pair(ann, beamc_value_i64(2))),
        beamc_test_at(3000, beamc_pair(ann, beamc_value_i64(3))),
        beamc_test_watermark(3000),
        beamc_test_advance(10000), /* bob has waited long enough */
        beamc_test_at(4000, beamc_pair(ann, beamc_value_i64(4))),
        beamc_test_at(5000, beamc_pair(bob, beamc_value_i64(20))),
        beamc_test_watermark(60000), /* the minute is over */
        beamc_test_at(61000, beamc_pair(ann, beamc_value_i64(5))),
        beamc_test_watermark(62000),
        beamc_test_advance(10000),
    };
    return beamc_test_stream(p, "Requests", &beamc_kv_str_i64, steps, sizeof steps / sizeof *steps);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    settings s = {beamc_option_int(o, "batch"), beamc_option_int(o, "wait_ms")};
    beamc_pcoll minutes =
        beamc_window_into(requests(p), "Minutes", .fn = beamc_fixed(.size_ms = 60000));
    beamc_print(beamc_pardo(minutes, "Batch", &batching, .config = &s), "Print");
}

static const beamc_option options[] = {
    {.name = "batch",
     .type = BEAMC_OPTION_INT,
     .default_text = "3",
     .min = 1,
     .max = 1000,
     .placeholder = "N",
     .doc = "Requests in a call."},
    {.name = "wait_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "1000",
     .min = 0,
     .max = 60000,
     .placeholder = "MS",
     .doc = "How long a request waits for others."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "batch",
    .doc = "Gathers requests into calls.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&batching),
    .combiners = BEAMC_COMBINERS(&beamc_count),
};
BEAMC_EXPORT(program);
