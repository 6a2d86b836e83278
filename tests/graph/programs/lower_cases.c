/* lower_cases.c: prints the proto of one of several pipelines, for tests/graph/test_lowering.py.
 *
 *   lower_cases            the names of the cases
 *   lower_cases NAME       the serialized Pipeline on standard output */
#include <beamc/beamc.h>

#include <stddef.h>
#include <stdio.h>

static beamc_status nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static beamc_status no_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)ctx;
    (void)timer;
    return BEAMC_OK;
}

static beamc_status no_expiration(beamc_ctx *ctx) {
    (void)ctx;
    return BEAMC_OK;
}

static beamc_status no_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    (void)in;
    (void)restriction;
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------- functions */

typedef struct pairs_config {
    beamc_slice separator;
    int64_t limit;
} pairs_config;

static const beamc_field pairs_fields[] = {
    BEAMC_CONFIG(pairs_config, separator, STRING, " ", "Between words."),
    BEAMC_CONFIG(pairs_config, limit, I64, "7", "Most words of a line."),
};
static const beamc_row pairs_row = BEAMC_ROW(pairs_config, pairs_fields);

static const beamc_dofn pairs = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:pairs:v1",
    .config = &pairs_row,
    .input = &beamc_string,
    .outputs = {{"words", &beamc_kv_str_i64}, {"rest", &beamc_bytes}},
    .process = nothing,
};

static const beamc_dofn sink = {BEAMC_DOFN_ABI, .urn = "test:dofn:sink:v1", .process = nothing};

static const beamc_dofn looker = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:looker:v1",
    .outputs = {{"out", &beamc_string}},
    .side_inputs = {"all", "by_key"},
    .process = nothing,
};

static const beamc_dofn keeper = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:keeper:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_string}},
    .states = {{.name = "value", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint},
               {.name = "bag", .kind = BEAMC_STATE_BAG, .coder = &beamc_string},
               {.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64},
               {.name = "map",
                .kind = BEAMC_STATE_MAP,
                .key_coder = &beamc_string,
                .coder = &beamc_double},
               {.name = "set", .kind = BEAMC_STATE_SET, .key_coder = &beamc_bytes},
               {.name = "list", .kind = BEAMC_STATE_ORDERED_LIST, .coder = &beamc_bytes}},
    .timers = {{"event", BEAMC_EVENT_TIME}, {"clock", BEAMC_PROCESSING_TIME}},
    .requires_finalization = true,
    .process = nothing,
    .on_timer = no_timer,
    .on_window_expiration = no_expiration,
};

static const beamc_splittable reading = {.unbounded = true, .initial = no_initial};
static const beamc_dofn reader = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:reader:v1",
    .input = &beamc_string, .outputs = {{"out", &beamc_string}},
    .splittable = &reading, .process = nothing,
};

typedef struct inner {
    int32_t i32;
} inner;

typedef struct outer {
    beamc_slice text;
    int64_t i64;
    double f64;
    bool flag;
    beamc_time at;
    const inner *part;
    beamc_array list;
    beamc_map map;
    beamc_slice maybe;
    bool has_maybe;
} outer;

static const beamc_field inner_fields[] = {BEAMC_REQUIRED(inner, i32, I32)};
static const beamc_row inner_row = BEAMC_ROW(inner, inner_fields);
static const beamc_field text_item = {.name = "item", .type = BEAMC_FIELD_STRING};
static const beamc_field int_item = {.name = "item", .type = BEAMC_FIELD_I64, .nullable = true};
static const beamc_field outer_fields[] = {
    BEAMC_REQUIRED(outer, text, STRING),
    BEAMC_REQUIRED(outer, i64, I64),
    BEAMC_REQUIRED(outer, f64, DOUBLE),
    BEAMC_REQUIRED(outer, flag, BOOL),
    BEAMC_REQUIRED(outer, at, TIME),
    {.name = "part", .type = BEAMC_FIELD_ROW, .offset = offsetof(outer, part), .row = &inner_row},
    {.name = "list",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(outer, list),
     .element = &text_item},
    {.name = "map",
     .type = BEAMC_FIELD_MAP,
     .offset = offsetof(outer, map),
     .key = &text_item,
     .element = &int_item},
    BEAMC_OPTIONAL(outer, maybe, BYTES),
};
static const beamc_row outer_row = BEAMC_ROW(outer, outer_fields);
static const beamc_coder outer_coder = BEAMC_ROW_CODER(&outer_row);
static const beamc_coder inner_coder = BEAMC_ROW_CODER(&inner_row);
static const beamc_coder kv_inner_outer = BEAMC_KV(&inner_coder, &outer_coder);

/* ----------------------------------------------------------------------------------- cases */

static beamc_pcoll words(beamc_pipeline *p) {
    static const char *const texts[] = {"to be", "or not", "to be"};
    return beamc_create_strings(p, "Words", texts, 3);
}

static beamc_pcoll keyed(beamc_pipeline *p) {
    return beamc_pardo(words(p), "Pairs", &pairs);
}

static void word_count(beamc_pipeline *p) {
    beamc_pcoll in = words(p);
    pairs_config config = {BEAMC_STR("\t"), 3};
    beamc_composite_begin(p, "Count words");
    beamc_pcoll kv = beamc_pardo(in, "Split", &pairs, .config = &config,
                                 .display = {"separator", "tab", "limit", "3"});
    beamc_pcoll sums = beamc_combine_per_key(kv, "Sum", &beamc_sum_i64);
    beamc_composite_end(p);
    beamc_pardo(sums, "Write", &sink, .min_ram_bytes = 1 << 30);
    beamc_pardo(beamc_out(kv, 1), "Rest", &sink);
}

static void globally(beamc_pipeline *p) {
    beamc_pcoll in = words(p);
    beamc_combine_globally(in, "Count", &beamc_count);
    beamc_combine_globally(in, "CountSome", &beamc_count, .without_defaults = true);
}

static void windows(beamc_pipeline *p) {
    beamc_pcoll kv = keyed(p);
    beamc_group_by_key(
        beamc_window_into(kv, "Fixed", .fn = beamc_fixed(.size_ms = 60000, .offset_ms = 1500)),
        "GroupFixed");
    beamc_group_by_key(
        beamc_window_into(kv, "Sliding", .fn = beamc_sliding(.size_ms = 60000, .period_ms = 500)),
        "GroupSliding");
    beamc_group_by_key(beamc_window_into(kv, "Sessions", .fn = beamc_sessions(.gap_ms = 1234),
                                         .accumulation = BEAMC_ACCUMULATING,
                                         .allowed_lateness_ms = 5000,
                                         .output_time = BEAMC_OUTPUT_LATEST_IN_PANE,
                                         .closing = BEAMC_CLOSING_EMIT_ALWAYS,
                                         .on_time = BEAMC_ON_TIME_FIRE_IF_NONEMPTY),
                       "GroupSessions");
    beamc_group_by_key(beamc_window_into(kv, "Global", .fn = beamc_global()), "GroupGlobal");
}

static void triggers(beamc_pipeline *p) {
    beamc_pcoll kv = keyed(p);
    const beamc_trigger *aligned =
        &(const beamc_trigger){.kind = BEAMC_TRIGGER_AFTER_PROCESSING_TIME,
                               .delay_ms = 100,
                               .period_ms = 1000,
                               .offset_ms = 10};
    const beamc_trigger *all[] = {
        BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(3),
                              .late = BEAMC_AFTER_PROCESSING_TIME(7000)),
        BEAMC_REPEATEDLY(BEAMC_AFTER_EACH(BEAMC_AFTER_COUNT(2), aligned)),
        BEAMC_REPEATEDLY(BEAMC_AFTER_ANY(BEAMC_AFTER_COUNT(2), BEAMC_AFTER_PROCESSING_TIME(5000))),
        BEAMC_REPEATEDLY(BEAMC_AFTER_ALL(BEAMC_AFTER_COUNT(2), BEAMC_AFTER_COUNT(4))),
        BEAMC_OR_FINALLY(BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)), BEAMC_AFTER_COUNT(9)),
        BEAMC_ALWAYS(),
        BEAMC_NEVER(),
    };
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        char label[32];
        snprintf(label, sizeof label, "Window%u", i);
        beamc_pcoll w =
            beamc_window_into(kv, label, .fn = beamc_fixed(.size_ms = 1000), .trigger = all[i]);
        snprintf(label, sizeof label, "Group%u", i);
        beamc_group_by_key(w, label);
    }
}

static void rows(beamc_pipeline *p) {
    beamc_pcoll in = beamc_create(p, "None", &kv_inner_outer, NULL, 0);
    beamc_group_by_key(in, "Group");
    inner one = {7};
    beamc_value key = {.row = &one};
    beamc_with_key(words(p), "Key", &inner_coder, key);
}

static void state(beamc_pipeline *p) {
    beamc_pcoll kv = beamc_window_into(keyed(p), "Minute", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pardo(kv, "Keep", &keeper);
}

static void splittable(beamc_pipeline *p) {
    beamc_pardo(beamc_pardo(words(p), "Read", &reader), "Write", &sink);
}

static void refused(beamc_pipeline *p) {
    beamc_pardo(words(p), "Unreached", &sink);
    beamc_pardo(words(p), "Unreached too", &sink);
}

static void side_inputs(beamc_pipeline *p) {
    beamc_pcoll in = words(p);
    beamc_pcoll kv = beamc_pardo(in, "Pairs", &pairs);
    beamc_pcoll minutes = beamc_window_into(kv, "Minute", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pardo(in, "Look", &looker, .side = {{.from = kv}, {.from = minutes, .multimap = true}});
}

static void reshuffle(beamc_pipeline *p) {
    beamc_pcoll in = words(p);
    beamc_pcoll minutes = beamc_window_into(in, "Minute", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll both[2] = {
        beamc_reshuffle(in, "Spread"),
        beamc_pardo(
            beamc_impulse(p, "Start"), "Read more", &looker,
            .side = {{.from = in}, {.from = beamc_pardo(in, "Pairs", &pairs), .multimap = true}})};
    beamc_pardo(beamc_flatten(p, "Both", both, 2), "Write", &sink);
    beamc_pardo(beamc_reshuffle(minutes, "SpreadMinutes"), "WriteMinutes", &sink);
}

static void test_stream(beamc_pipeline *p) {
    beamc_test_event events[] = {
        {.kind = BEAMC_TEST_ELEMENT, .value = {.bytes = BEAMC_STR("a")}, .timestamp = -5},
        {.kind = BEAMC_TEST_WATERMARK, .timestamp = 1000},
        {.kind = BEAMC_TEST_CLOCK, .advance_ms = 60000},
        {.kind = BEAMC_TEST_WATERMARK, .timestamp = BEAMC_TIME_MAX},
    };
    beamc_pcoll in = beamc_test_stream(p, "Stream", &beamc_string, events, 4);
    beamc_pcoll w = beamc_window_into(in, "Minute", .fn = beamc_fixed(.size_ms = 60000));
    beamc_combine_globally(w, "Count", &beamc_count);
}

static void odd_labels(beamc_pipeline *p) {
    beamc_pcoll in = words(p);
    beamc_pardo(in, "a b", &sink);
    beamc_pardo(in, "a_b", &sink);
    beamc_pardo(in,
                "a\xc3\xa4"
                "b",
                &sink);
    beamc_pcoll one[1] = {in};
    beamc_flatten(p, "ft_one", one, 1);
}

static const struct {
    const char *name;
    void (*build)(beamc_pipeline *p);
} cases[] = {
    {"word_count", word_count},
    {"globally", globally},
    {"windows", windows},
    {"triggers", triggers},
    {"rows", rows},
    {"state", state},
    {"splittable", splittable},
    {"side_inputs", side_inputs},
    {"reshuffle", reshuffle},
    {"test_stream", test_stream},
    {"odd_labels", odd_labels},
    {"refused", refused},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc < 2) {
            puts(cases[i].name);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            beamc_pipeline *p = beamc_pipeline_new();
            cases[i].build(p);
            beamc_buf out = {0};
            beamc_error err = {0};
            if (beamc_pipeline_lower(p, NULL, &out, &err) != BEAMC_OK) {
                fprintf(stderr, "%s\n", err.message);
                beamc_pipeline_free(p);
                return 1;
            }
            fwrite(out.ptr, 1, out.len, stdout);
            beamc_buf_free(&out);
            beamc_pipeline_free(p);
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
