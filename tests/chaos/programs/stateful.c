/* stateful.c: a streaming job with state and timers whose rows tell of each event that was lost or counted
 * twice: clicks are numbered for each product ("seq"), counted for each product and minute when the minute is
 * over ("totals"), and batched by the clock ("batches"). What is invalid goes to "dead". */
#include <beamc/ecommerce.h>
#include <beamc/generator.h>

enum { WINDOW_MS = 60000, BATCH_MS = 20 };

typedef struct count_row {
    beamc_slice product_id;
    beamc_time at; /* totals: the minute's end; else 0 */
    int64_t n;
} count_row;
static const beamc_field count_fields[] = {
    BEAMC_REQUIRED(count_row, product_id, STRING),
    BEAMC_REQUIRED(count_row, at, TIME),
    BEAMC_REQUIRED(count_row, n, I64),
};
static const beamc_row count_table = BEAMC_ROW(count_row, count_fields);
static const beamc_coder count_coder = BEAMC_ROW_CODER(&count_table);
static const beamc_coder key_coder = BEAMC_ROW_CODER(&beamc_event_key_row);
static const beamc_coder pair_coder = BEAMC_KV(&key_coder, &beamc_varint);

static beamc_status emit_count(beamc_ctx *ctx, beamc_time at, int64_t n) {
    const beamc_event_key *key = beamc_key(ctx).row;
    count_row *row = beamc_new(ctx, count_row);
    *row = (count_row){key->product_id, at, n};
    return beamc_emit(ctx, 0, beamc_value_row(row));
}

static beamc_status count_up(beamc_ctx *ctx, int64_t *n) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    *n = (found ? v.i64 : 0) + 1;
    return beamc_state_write(ctx, 0, beamc_value_i64(*n));
}

/* ------------------------------------------------------------------------------------ numbers */

static beamc_status number(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    int64_t n;
    BEAMC_TRY(count_up(ctx, &n));
    return emit_count(ctx, 0, n);
}

static const beamc_dofn number_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:chaos_number:v1",
    .doc = "Numbers the events of a product.",
    .input = &pair_coder,
    .outputs[0] = {"rows", &count_coder},
    .states[0] = {"count", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .process = number,
};

/* ------------------------------------------------------------------------------------- totals */

static beamc_status add_to_total(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    int64_t n;
    BEAMC_TRY(count_up(ctx, &n));
    return beamc_timer_set(ctx, 0, beamc_current_window(ctx).end - 1);
}

static beamc_status emit_total(beamc_ctx *ctx, const beamc_timer *timer) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    BEAMC_TRY(beamc_state_clear(ctx, 0));
    return emit_count(ctx, timer->fire_at + 1, found ? v.i64 : -1);
}

static const beamc_dofn total_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:chaos_total:v1",
    .doc = "Counts the events of a product in a minute.",
    .input = &pair_coder,
    .outputs[0] = {"rows", &count_coder},
    .states[0] = {"count", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .timers[0] = {"end", BEAMC_EVENT_TIME},
    .observes_window = true,
    .process = add_to_total,
    .on_timer = emit_total,
};

/* ------------------------------------------------------------------------------------ batches */

static beamc_status add_to_batch(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    int64_t n;
    BEAMC_TRY(count_up(ctx, &n));
    return n > 1 ? BEAMC_OK : beamc_timer_set(ctx, 0, beamc_processing_time(ctx) + BATCH_MS);
}

static beamc_status emit_batch(beamc_ctx *ctx) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    BEAMC_TRY(beamc_state_clear(ctx, 0));
    return found ? emit_count(ctx, 0, v.i64) : BEAMC_OK;
}

static beamc_status on_batch_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)timer;
    return emit_batch(ctx);
}

static const beamc_dofn batch_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:chaos_batch:v1",
    .doc = "Counts the events of a product since the last time.",
    .input = &pair_coder,
    .outputs[0] = {"rows", &count_coder},
    .states[0] = {"count", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .timers[0] = {"soon", BEAMC_PROCESSING_TIME},
    .process = add_to_batch,
    .on_timer = on_batch_timer,
    .on_window_expiration = emit_batch,
};

/* ------------------------------------------------------------------------------------ the job */

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_pcoll lines = beamc_generate_events(
        p, "Clicks", .stream = BEAMC_STREAM_CLICKS, .events = beamc_option_int(o, "events"),
        .seed = (uint64_t)beamc_option_int(o, "seed"), .products = 50, .unbounded = true);
    beamc_parse_config parse = {BEAMC_STREAM_CLICKS, WINDOW_MS / 1000, BEAMC_STR("chaos")};
    beamc_pcoll events = beamc_pardo(lines, "Parse", &beamc_parse_and_validate, .config = &parse);
    beamc_pcoll pairs = beamc_pardo(events, "Keys", &beamc_event_keys);
    beamc_pcoll minutes =
        beamc_window_into(pairs, "Minutes", .fn = beamc_fixed(.size_ms = WINDOW_MS));
    const beamc_sink_table tables[] = {
        {beamc_pardo(pairs, "Number", &number_fn), "seq"},
        {beamc_pardo(minutes, "Total", &total_fn), "totals"},
        {beamc_pardo(pairs, "Batch", &batch_fn), "batches"},
        {beamc_out(events, BEAMC_INVALID), "dead"},
    };
    const char *dir = beamc_option_text(o, "output_jsonl");
    const char *file = beamc_option_text(o, "output_sqlite");
    bool overwrite = beamc_option_bool(o, "overwrite");
    if (dir != NULL) {
        beamc_write_jsonl(p, "ToJsonl", tables, 4, .path = dir, .overwrite = overwrite);
    }
    if (file != NULL) {
        beamc_write_sqlite(p, "ToSqlite", tables, 4, .path = file, .overwrite = overwrite);
    }
}

static const beamc_option options[] = {
    {.name = "events", .type = BEAMC_OPTION_INT, .default_text = "100000", .max = INT64_MAX},
    {.name = "seed", .type = BEAMC_OPTION_INT, .default_text = "1", .max = INT64_MAX},
    {.name = "output_jsonl", .doc = "Folder of the tables."},
    {.name = "output_sqlite", .doc = "File of the tables."},
    {.name = "overwrite", .type = BEAMC_OPTION_BOOL, .doc = "Replace outputs that exist."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "stateful",
    .build = build,
    .options = options,
    .fns =
        BEAMC_FNS(&number_fn, &total_fn, &batch_fn, &beamc_parse_and_validate, &beamc_event_keys),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
