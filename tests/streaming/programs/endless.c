/* endless.c: sources that do not end, for tests of running on a command line.
 *
 *     endless --source=loop|fast|idle|stubborn|bounded [--sink_us=N] [--stateful]
 *
 * The sink prints a line for each element; with --quiet it only counts. */
#include <beamc/beamc.h>
#include <beamc/program.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 16 << 10 };

static const beamc_coder numbered = BEAMC_KV(&beamc_varint, &beamc_bytes);

static void sleep_us(int64_t us) {
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&t, &t) != 0) { /* a signal */
    }
}

/* --------------------------------------------------------------------------------- sources */

typedef struct source_config {
    beamc_slice kind;
} source_config;
static const beamc_field source_fields[] = {
    BEAMC_CONFIG(source_config, kind, STRING, "loop", "Which source."),
};
static const beamc_row source_row = BEAMC_ROW(source_config, source_fields);

static bool is(const beamc_ctx *ctx, const char *kind) {
    const source_config *c = beamc_config(ctx);
    return beamc_slice_eq(c->kind, beamc_str(kind));
}

static beamc_status emit(beamc_ctx *ctx, int64_t n) {
    static const char chunk[CHUNK];
    beamc_slice data = beamc_slice_of(chunk, is(ctx, "fast") ? CHUNK : 0);
    return beamc_emit_at(ctx, 0, n, beamc_kv_of(ctx, beamc_value_i64(n), beamc_value_bytes(data)));
}

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)in;
    *(beamc_offset_range *)restriction =
        (beamc_offset_range){0, is(ctx, "bounded") ? INT64_C(1) << 40 : INT64_MAX};
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_watermark_set(ctx, i);
        BEAMC_TRY(emit(ctx, i));
        if (is(ctx, "idle")) {
            return beamc_defer(ctx, 1000);
        }
        if (is(ctx, "stubborn") && i == 100) {
            sleep_us(INT64_C(3600) * 1000000);
        }
        if (!is(ctx, "fast")) {
            sleep_us(1000);
        }
    }
    return BEAMC_OK;
}

static const beamc_splittable unbounded = {.initial = initial, .unbounded = true};
static const beamc_splittable bounded = {.initial = initial};
static const beamc_dofn endless = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:endless:v1",
    .doc = "Numbers, for ever.",
    .config = &source_row,
    .input = &beamc_bytes,
    .outputs = {{"out", &numbered}},
    .splittable = &unbounded,
    .process = process,
};
static const beamc_dofn very_long = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:very_long:v1",
    .doc = "Numbers, for years.",
    .config = &source_row,
    .input = &beamc_bytes,
    .outputs = {{"out", &numbered}},
    .splittable = &bounded,
    .process = process,
};

/* ------------------------------------------------------------------------------------ sinks */

typedef struct sink_config {
    int64_t delay_us;
    bool quiet;
} sink_config;
static const beamc_field sink_fields[] = {
    BEAMC_CONFIG(sink_config, delay_us, I64, "0", "For each element."),
    BEAMC_CONFIG(sink_config, quiet, BOOL, "false", "Prints nothing."),
};
static const beamc_row sink_row = BEAMC_ROW(sink_config, sink_fields);

static beamc_status take(beamc_ctx *ctx, int64_t n) {
    const sink_config *c = beamc_config(ctx);
    if (c->delay_us > 0) {
        sleep_us(c->delay_us);
    }
    if (!c->quiet) {
        printf("%" PRId64 "\n", n);
        fflush(stdout);
    }
    beamc_counter_add(beamc_counter(ctx, "endless", "taken"), 1);
    return BEAMC_OK;
}
static beamc_status sink_process(beamc_ctx *ctx, const beamc_elem *in) {
    return take(ctx, in->kv->key.i64);
}
static const beamc_dofn sink = {
    BEAMC_DOFN_ABI,      .urn = "beamc:test:sink:v1", .doc = "Prints numbers.",
    .config = &sink_row, .input = &numbered,          .process = sink_process,
};
static beamc_status stateful_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_state_write(ctx, 0, beamc_value_i64(in->kv->key.i64)));
    BEAMC_TRY(take(ctx, in->kv->key.i64));
    return beamc_state_clear(ctx, 0);
}
static const beamc_dofn stateful_sink = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:stateful_sink:v1",
    .doc = "Prints numbers, with state.",
    .config = &sink_row,
    .input = &numbered,
    .states = {{.name = "last", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
    .process = stateful_process,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    const char *kind = beamc_option_text(o, "source");
    source_config from = {beamc_str(kind)};
    beamc_pcoll numbers =
        beamc_pardo(beamc_impulse(p, "Impulse"), "Numbers",
                    strcmp(kind, "bounded") == 0 ? &very_long : &endless, .config = &from);
    sink_config to = {beamc_option_int(o, "sink_us"), beamc_option_bool(o, "quiet")};
    if (beamc_option_bool(o, "stateful")) {
        beamc_pardo(numbers, "Sink", &stateful_sink, .config = &to);
    } else {
        beamc_pardo(beamc_reshuffle(numbers, "Apart"), "Sink", &sink, .config = &to);
    }
}

static void report(const beamc_run_report *r, const beamc_options *o) {
    (void)o;
    printf("taken: %" PRId64 "\n", beamc_report_counter(r, "endless", "taken"));
}

static const beamc_option options[] = {
    {.name = "source",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "loop",
     .choices = "loop|fast|idle|stubborn|bounded",
     .doc = "which source"},
    {.name = "sink_us",
     .type = BEAMC_OPTION_INT,
     .default_text = "0",
     .doc = "us for each element"},
    {.name = "stateful", .type = BEAMC_OPTION_BOOL, .doc = "a sink with state"},
    {.name = "quiet", .type = BEAMC_OPTION_BOOL, .doc = "print only the count at the end"},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "endless",
    .doc = "Sources that do not end.",
    .build = build,
    .options = options,
    .report = report,
    .fns = BEAMC_FNS(&endless, &very_long, &sink, &stateful_sink),
};
BEAMC_EXPORT(program);
