/* live.c: the e-commerce job on a live source: the generator at a rate, event times by the clock, short
 * windows. bench/run-streaming watches the outputs and sees how long rows take.
 *
 *     live --rate=50000 --events=500000 --output_sqlite=FILE|--output_jsonl=DIR
 *
 * Without an output it is the generator alone: what its events cost. */
#include <beamc/ecommerce.h>
#include <beamc/generator.h>

enum { STREAMS = 3 };

static const char *const names[STREAMS] = {"views", "sales", "stock"};
static const beamc_dofn *const to_row[STREAMS] = {&beamc_to_views_row, &beamc_to_sales_row,
                                                  &beamc_to_stock_row};

static beamc_status ignore(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static const beamc_dofn drop = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:drop:v1",
    .doc = "Takes events and leaves them.",
    .input = &beamc_bytes,
    .process = ignore,
};

static beamc_pcoll generate(beamc_pipeline *p, const beamc_options *o, int64_t stream) {
    return beamc_generate_events(p, "Events", .stream = stream,
                                 .events = beamc_option_int(o, "events"),
                                 .rate = beamc_option_int(o, "rate"),
                                 .out_of_order_ms = beamc_option_int(o, "out_of_order_ms"),
                                 .unbounded = beamc_option_bool(o, "unbounded"),
                                 .event_time_now = beamc_option_int(o, "rate") > 0);
}

static beamc_pcoll rows_of(const beamc_options *o, int64_t stream, beamc_pcoll events) {
    int64_t seconds = beamc_option_int(o, "window_seconds");
    beamc_parse_config parse = {stream, seconds, beamc_str("bench")};
    beamc_pcoll valid = beamc_pardo(events, "Parse", &beamc_parse_and_validate, .config = &parse);
    beamc_pcoll windowed =
        beamc_fixed_window(beamc_pardo(valid, "Keys", &beamc_event_keys), "Window", seconds, 0);
    beamc_pcoll sums = beamc_sum_per_key(windowed, "Sum", "bench", "overflow");
    beamc_to_row_config row = {beamc_str("bench"), false};
    return beamc_pardo(sums, "ToRow", to_row[stream], .config = &row);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    const char *dir = beamc_option_text(o, "output_jsonl");
    const char *file = beamc_option_text(o, "output_sqlite");
    beamc_sink_table tables[STREAMS];
    for (int64_t i = 0; i < STREAMS; i++) {
        beamc_composite_begin(p, names[i]);
        beamc_pcoll events = generate(p, o, i);
        if (dir == NULL && file == NULL) {
            beamc_pardo(events, "Drop", &drop);
        } else {
            tables[i] = (beamc_sink_table){rows_of(o, i, events), names[i]};
        }
        beamc_composite_end(p);
    }
    if (dir != NULL) {
        beamc_write_jsonl(p, "ToJsonl", tables, STREAMS, .path = dir, .overwrite = true);
    }
    if (file != NULL) {
        beamc_write_sqlite(p, "ToSqlite", tables, STREAMS, .path = file, .overwrite = true);
    }
}

#define INT_OPTION(option, value, text)                                                            \
    {                                                                                              \
        .name = option, .type = BEAMC_OPTION_INT, .default_text = value, .min = 0,                 \
        .max = INT64_MAX, .placeholder = "N", .doc = text                                          \
    }

static const beamc_option options[] = {
    INT_OPTION("events", "500000", "How many."),
    INT_OPTION("rate", "0", "Events a second; 0: as fast as can be, with the times of the sample."),
    INT_OPTION("out_of_order_ms", "10", "How far an event may be from its place in time."),
    INT_OPTION("window_seconds", "1", "Length of all windows."),
    {.name = "unbounded",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "true",
     .doc = "Generate with an unbounded source."},
    {.name = "output_jsonl", .placeholder = "DIR", .doc = "Write the tables there."},
    {.name = "output_sqlite", .placeholder = "FILE", .doc = "Write the tables there."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "live",
    .doc = "The e-commerce job on a live source; without an output: the source alone.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&drop, &beamc_parse_and_validate, &beamc_event_keys, &beamc_to_views_row,
                     &beamc_to_sales_row, &beamc_to_stock_row),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
