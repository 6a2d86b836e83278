/* tiny.c: a program with a way into each exit code, for tests/program/test_main.py. */
#include <beamc/beamc.h>

#include <stdio.h>
#include <unistd.h>

typedef struct work_config {
    int64_t fail_at;
    int64_t sleep_ms;
} work_config;

static const beamc_field work_fields[] = {
    BEAMC_CONFIG(work_config, fail_at, I64, "0", "The number that fails."),
    BEAMC_CONFIG(work_config, sleep_ms, I64, "0", "Sleep for each number."),
};
static const beamc_row work_row = BEAMC_ROW(work_config, work_fields);

static beamc_status work(beamc_ctx *ctx, const beamc_elem *in) {
    const work_config *config = beamc_config(ctx);
    if (config->fail_at == in->i64) {
        return beamc_fail(ctx, INTERNAL, "number %lld was meant to fail", (long long)in->i64);
    }
    usleep((useconds_t)config->sleep_ms * 1000);
    return beamc_emit(ctx, 0, *in);
}

static const beamc_dofn work_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:tiny:work:v1",          .config = &work_row,
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}}, .process = work};
static const beamc_dofn unlisted = {BEAMC_DOFN_ABI, .urn = "test:tiny:unlisted:v1",
                                    .process = work};

static void build(beamc_pipeline *p, const beamc_options *options) {
    if (beamc_option_text(options, "missing") != NULL) {
        beamc_pipeline_fail(p, BEAMC_NOT_FOUND, "--missing=%s: there is no such file",
                            beamc_option_text(options, "missing"));
    }
    if (beamc_option_bool(options, "exists")) {
        beamc_pipeline_fail(p, BEAMC_ALREADY_EXISTS, "it exists");
    }
    int64_t count = beamc_option_int(options, "count");
    beamc_value values[1000];
    for (int64_t i = 0; i < count; i++) {
        values[i].i64 = i + 1;
    }
    work_config config = {beamc_option_int(options, "fail_at"),
                          beamc_option_int(options, "sleep_ms")};
    beamc_pcoll in = beamc_create(p, "Numbers", &beamc_varint, values, (size_t)count);
    beamc_pcoll out =
        beamc_pardo(beamc_reshuffle(in, "Spread"), "Work", &work_fn, .config = &config);
    if (beamc_option_bool(options, "unlisted")) {
        beamc_pardo(out, "Unlisted", &unlisted);
    }
}

static void report(const beamc_run_report *r, const beamc_options *options) {
    (void)r;
    printf("done: %s\n", beamc_option_text(options, "greeting"));
}

static const beamc_option options[] = {
    {.name = "count",
     .type = BEAMC_OPTION_INT,
     .default_text = "3",
     .min = 0,
     .max = 1000,
     .doc = "How many numbers.",
     .group = "Tiny"},
    {.name = "greeting",
     .env = "TINY_GREETING",
     .default_text = "hello",
     .doc = "What is said at the end.",
     .group = "Tiny"},
    {.name = "fail_at", .type = BEAMC_OPTION_INT, .doc = "Fails at N.", .group = "Tiny"},
    {.name = "sleep_ms", .type = BEAMC_OPTION_INT, .doc = "Sleeps.", .group = "Tiny"},
    {.name = "missing", .doc = "An input that is not there.", .group = "Tiny"},
    {.name = "exists", .type = BEAMC_OPTION_BOOL, .doc = "An output that is.", .group = "Tiny"},
    {.name = "unlisted", .type = BEAMC_OPTION_BOOL, .doc = "A DoFn that is not.", .group = "Tiny"},
    {.name = NULL},
};

static const beamc_program tiny = {BEAMC_PROGRAM_ABI,  .name = "tiny",
                                   .doc = "Counts.",   .build = build,
                                   .options = options, .fns = BEAMC_FNS(&work_fn),
                                   .report = report};

BEAMC_EXPORT(tiny);
