/* live.c: a job that need not end: made-up clicks as they happen, counted per product in windows, as a table
 * that grows while it runs.
 *
 *     ./live                                    2,000 events in two seconds
 *     ./live --events=0                         until Ctrl-C: then all open windows are written
 *     ./live --events=0 --state_dir=state       Ctrl-C, or a crash, is a break: the same command goes on where
 *                                               it was, and no row comes twice
 *     ./live --sqlite=live.sqlite               a table of an SQLite file, which others may read meanwhile
 *
 * Rows are {"window": "2026-01-01T00:00:00Z", "product": "P00001", "clicks": 17}, in live/clicks.jsonl. */
#include <beamc/beamc.h>
#include <beamc/generator.h>

typedef struct row {
    beamc_time window;
    beamc_slice product;
    int64_t clicks;
} row;
static const beamc_field row_fields[] = {
    BEAMC_REQUIRED(row, window, TIME),
    BEAMC_REQUIRED(row, product, STRING),
    BEAMC_REQUIRED(row, clicks, I64),
};
static const beamc_row row_table = BEAMC_ROW(row, row_fields);
static const beamc_coder row_coder = BEAMC_ROW_CODER(&row_table);

/* A JSON event to (product, 1). The reader is made once for an instance, not for each element. */
typedef struct parser {
    beamc_json_reader *reader;
} parser;

static beamc_status parse_setup(beamc_ctx *ctx) {
    static const char *const names[] = {"product_id"};
    parser *p = beamc_instance(ctx);
    p->reader = beamc_json_reader_new(names, 1);
    return BEAMC_OK;
}

static beamc_status parse(beamc_ctx *ctx, const beamc_elem *in) {
    parser *p = beamc_instance(ctx);
    beamc_json_field product;
    BEAMC_TRY(beamc_json_read(p->reader, in->bytes, &product, beamc_ctx_error(ctx)));
    beamc_slice name = product.kind == BEAMC_JSON_STRING
                           ? product.text
                           : beamc_format(ctx, "%lld", (long long)product.i64);
    return beamc_emit(ctx, 0, beamc_pair(beamc_value_bytes(name), beamc_value_i64(1)));
}

static void parse_teardown(beamc_ctx *ctx) {
    parser *p = beamc_instance(ctx);
    beamc_json_reader_free(p->reader);
}

static const beamc_dofn parsing = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:live_parse:v1",
    .doc = "JSON clicks to (product, 1).",
    .instance_size = sizeof(parser),
    .input = &beamc_bytes,
    .outputs[0] = {"clicks", &beamc_kv_str_i64},
    .setup = parse_setup,
    .process = parse,
    .teardown = parse_teardown,
};

static beamc_status make_row(beamc_ctx *ctx, const beamc_elem *in) {
    row r = {beamc_current_window(ctx).start, in->kv->key.bytes, in->kv->value.i64};
    return beamc_emit(ctx, 0, beamc_value_row(&r));
}

static const beamc_dofn to_row = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:live_row:v1",
    .doc = "(product, clicks) to a row, with the window.",
    .input = &beamc_kv_str_i64,
    .outputs[0] = {"rows", &row_coder},
    .observes_window = true,
    .process = make_row,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_pcoll events = beamc_generate_events(p, "Events", .events = beamc_option_int(o, "events"),
                                               .rate = beamc_option_int(o, "rate"), .products = 5,
                                               .out_of_order_ms = 100, .invalid_per_million = -1,
                                               .unbounded = true, .event_time_now = true);
    beamc_pcoll clicks = beamc_pardo(events, "Parse", &parsing);
    clicks = beamc_window_into(clicks, "Window",
                               .fn = beamc_fixed(.size_ms = beamc_option_int(o, "window_ms")));
    beamc_pcoll counts = beamc_combine_per_key(clicks, "Count", &beamc_sum_i64);
    beamc_sink_table table = {beamc_pardo(counts, "ToRow", &to_row), "clicks"};
    bool overwrite = beamc_option_bool(o, "overwrite");
    if (beamc_option_text(o, "sqlite") != NULL) {
        beamc_write_sqlite(p, "Write", &table, 1, .path = beamc_option_text(o, "sqlite"),
                           .overwrite = overwrite);
    } else {
        beamc_write_jsonl(p, "Write", &table, 1, .path = beamc_option_text(o, "output"),
                          .overwrite = overwrite);
    }
}

static const beamc_option options[] = {
    {.name = "events",
     .type = BEAMC_OPTION_INT,
     .default_text = "2000",
     .min = 0,
     .max = 1000000000000,
     .placeholder = "N",
     .doc = "Events to make, of which 7 in 10 are clicks; 0: for ever."},
    {.name = "rate",
     .type = BEAMC_OPTION_INT,
     .default_text = "1000",
     .min = 0,
     .max = 1000000,
     .placeholder = "N",
     .doc = "Events a second; 0: as many as can be."},
    {.name = "window_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "1000",
     .min = 1,
     .max = 86400000,
     .placeholder = "MS",
     .doc = "Length of a window."},
    {.name = "output", .default_text = "live", .placeholder = "DIR", .doc = "For clicks.jsonl."},
    {.name = "sqlite", .placeholder = "FILE", .doc = "Write to this SQLite file instead."},
    {.name = "overwrite", .type = BEAMC_OPTION_BOOL, .doc = "Replace an output that exists."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "live",
    .doc = "Counts made-up clicks as they happen.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&parsing, &to_row),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
