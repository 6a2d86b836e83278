/* ecommerce.c: the job's graph. Each stream is read, validated, keyed, windowed and summed; its rows and
 * all dead letters go to the sinks that the options name. */
#include <beamc/ecommerce.h>
#include <beamc/generator.h>

enum { STREAMS = 3, TABLES = STREAMS + 1 };

/* What differs between the three streams. */
typedef struct branch {
    beamc_stream stream;
    const char *label;
    const char *event_type;
    const char *input_option;
    const char *window_option;
    const char *overflow_counter;
    const char *table;
    const beamc_dofn *to_row;
} branch;

static const branch branches[STREAMS] = {
    {BEAMC_STREAM_CLICKS, "Clicks", "click", "input_clicks", "views_window_seconds",
     "views_overflow", "product_views_summary", &beamc_to_views_row},
    {BEAMC_STREAM_TRANSACTIONS, "Transactions", "transaction", "input_transactions",
     "sales_window_seconds", "sales_quantity_overflow", "sales_summary", &beamc_to_sales_row},
    {BEAMC_STREAM_STOCK, "Stock", "stock", "input_stock", "stock_window_seconds",
     "stock_delta_overflow", "inventory_summary", &beamc_to_stock_row},
};

/* In the generator's options 0 stands for its default, and -1 for none. */
static int64_t or_none(int64_t n) {
    return n == 0 ? -1 : n;
}

static beamc_pcoll generate_stream(beamc_pipeline *p, const branch *b, const beamc_options *o) {
    int64_t rate = beamc_option_int(o, "generate_rate");
    bool now = beamc_option_bool(o, "generate_event_time_now");
    if (now && rate == 0) {
        beamc_pipeline_fail(p, BEAMC_INVALID_ARGUMENT,
                            "--generate_event_time_now needs a rate: without one event times would "
                            "run away from the clock; add --generate_rate=1000, or the like");
    }
    return beamc_generate_events(
        p, "Sample", .stream = b->stream, .events = beamc_option_int(o, "generate_events"),
        .rate = rate, .seed = (uint64_t)beamc_option_int(o, "generate_seed"),
        .products = beamc_option_int(o, "generate_products"),
        .seconds = beamc_option_int(o, "generate_seconds"),
        .out_of_order_ms = or_none(beamc_option_int(o, "generate_out_of_order_ms")),
        .invalid_per_million = or_none(beamc_option_int(o, "generate_invalid_per_million")),
        .unbounded = beamc_option_bool(o, "streaming"), .event_time_now = now);
}

/* The lines of one stream; *long_lines is set where there can be lines too long to hold. */
static beamc_pcoll read_stream(beamc_pipeline *p, const branch *b, const beamc_options *o,
                               bool any_input, beamc_pcoll *long_lines) {
    const char *pattern = beamc_option_text(o, b->input_option);
    if (pattern != NULL) {
        beamc_pcoll lines = beamc_read_lines(p, "Read", .pattern = pattern);
        *long_lines = beamc_out(lines, BEAMC_LONG_LINES);
        return lines;
    }
    if (any_input) { /* an absent stream is an empty table */
        return beamc_create(p, "None", &beamc_bytes, NULL, 0);
    }
    return generate_stream(p, b, o);
}

static bool log_aggregates(const beamc_options *o) {
    return beamc_option_given(o, "log_aggregates") ? beamc_option_bool(o, "log_aggregates")
                                                   : beamc_option_bool(o, "streaming");
}

/* One stream, from its events to the rows of its table; its dead letters are added to @p dead. */
static beamc_pcoll build_branch(beamc_pipeline *p, const branch *b, const beamc_options *o,
                                bool any_input, beamc_pcoll *dead, size_t *dead_count) {
    const char *space = beamc_option_text(o, "metrics_namespace");
    int64_t seconds = beamc_option_int(o, b->window_option);
    beamc_composite_begin(p, b->label);
    beamc_pcoll long_lines = {0};
    beamc_pcoll lines = read_stream(p, b, o, any_input, &long_lines);
    if (long_lines.pipeline != NULL) {
        beamc_long_line_config config = {beamc_str(b->event_type), beamc_str(space)};
        dead[(*dead_count)++] =
            beamc_pardo(long_lines, "LongLines", &beamc_long_line, .config = &config);
    }
    beamc_parse_config parse = {b->stream, seconds, beamc_str(space)};
    beamc_pcoll events =
        beamc_pardo(lines, "ParseAndValidate", &beamc_parse_and_validate, .config = &parse);
    dead[(*dead_count)++] = beamc_out(events, BEAMC_INVALID);
    beamc_pcoll pairs = beamc_pardo(events, "Keys", &beamc_event_keys);
    beamc_pcoll windowed = beamc_fixed_window(pairs, "FixedWindow", seconds,
                                              beamc_option_int(o, "allowed_lateness_seconds"));
    beamc_pcoll sums = beamc_sum_per_key(windowed, "CombinePerKey", space, b->overflow_counter);
    beamc_to_row_config row = {beamc_str(space), log_aggregates(o)};
    beamc_pcoll rows = beamc_pardo(sums, "ToRow", b->to_row, .config = &row);
    beamc_composite_end(p);
    return rows;
}

static void write_tables(beamc_pipeline *p, const beamc_sink_table *tables, const beamc_options *o,
                         bool sample) {
    bool overwrite = beamc_option_bool(o, "overwrite");
    const char *dir = beamc_option_text(o, "output_jsonl");
    const char *file = beamc_option_text(o, "output_sqlite");
    if (dir == NULL && file == NULL && sample) {
        file = BEAMC_ECOMMERCE_SAMPLE_SQLITE;
        overwrite = true;
    }
    if (dir != NULL) {
        beamc_write_jsonl(p, "ToJsonl", tables, TABLES, .path = dir, .overwrite = overwrite);
    }
    if (file != NULL) {
        beamc_write_sqlite(p, "ToSqlite", tables, TABLES, .path = file, .overwrite = overwrite);
    }
    if (dir == NULL && file == NULL) {
        beamc_pipeline_fail(p, BEAMC_INVALID_ARGUMENT,
                            "no output: add --output_jsonl=DIR or --output_sqlite=FILE");
    }
}

void beamc_ecommerce_build(beamc_pipeline *p, const beamc_options *o) {
    bool any_input = false;
    for (size_t i = 0; i < STREAMS; i++) {
        any_input = any_input || beamc_option_text(o, branches[i].input_option) != NULL;
    }
    beamc_sink_table tables[TABLES];
    beamc_pcoll dead[2 * STREAMS];
    size_t dead_count = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        tables[i].rows = build_branch(p, &branches[i], o, any_input, dead, &dead_count);
        tables[i].name = branches[i].table;
    }
    tables[STREAMS].rows = beamc_flatten(p, "DeadLetters", dead, dead_count);
    tables[STREAMS].name = "dead_letter";
    write_tables(p, tables, o, !any_input);
}

const beamc_program beamc_ecommerce_program = {
    BEAMC_PROGRAM_ABI,
    .name = "ecommerce",
    .doc = "Clicks, transactions and stock events, validated and summed in fixed windows.",
    .build = beamc_ecommerce_build,
    .options = beamc_ecommerce_options,
    .fns = BEAMC_FNS(&beamc_parse_and_validate, &beamc_long_line, &beamc_event_keys,
                     &beamc_to_views_row, &beamc_to_sales_row, &beamc_to_stock_row),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
