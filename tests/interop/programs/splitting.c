/* splitting.c: a splittable DoFn on any runner: slow restrictions, which the runner may split while they
 * run, and others that come back after a while. Each offset must come out once.
 *
 *     splitting --out=DIR --runner=... --job_endpoint=...
 *
 * Prism splits a bundle that has neither read nor made an element between two looks, 100 ms apart at
 * first: so the slow ones are very slow, and alone in their bundle. Counters tell what happened: calls of
 * process, pauses, and restrictions that were begun. */
#include <beamc/beamc.h>
#include <beamc/io.h>

#include <time.h>

enum { PAUSE_EVERY = 10, PAUSE_MS = 30, SLOW_MS = 600 };

typedef struct offset_row {
    beamc_slice key;
    int64_t n;
} offset_row;
static const beamc_field row_fields[] = {
    BEAMC_REQUIRED(offset_row, key, STRING),
    BEAMC_REQUIRED(offset_row, n, I64),
};
static const beamc_row row_table = BEAMC_ROW(offset_row, row_fields);
static const beamc_coder row_coder = BEAMC_ROW_CODER(&row_table);

/* KV<name, n>: n offsets. */
static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, in->kv->value.i64};
    beamc_counter_add(beamc_counter(ctx, "splitting", "restrictions"), 1);
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_offset_range *range = beamc_restriction(ctx);
    beamc_slice name = in->kv->key.bytes;
    bool pauses = beamc_slice_eq(name, beamc_str("pausing"));
    beamc_counter_add(beamc_counter(ctx, "splitting", "calls"), 1);
    for (int64_t i = range->start; beamc_try_claim(ctx, i); i++) {
        offset_row *row = beamc_new(ctx, offset_row);
        *row = (offset_row){name, i};
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_row(row)));
        if (!pauses) {
            struct timespec t = {0, SLOW_MS * 1000000L};
            nanosleep(&t, NULL);
        } else if (i % PAUSE_EVERY == PAUSE_EVERY - 1 && i + 1 < range->stop) {
            beamc_counter_add(beamc_counter(ctx, "splitting", "pauses"), 1);
            return beamc_defer(ctx, PAUSE_MS);
        }
    }
    return BEAMC_OK;
}

static const beamc_splittable splittable = {.initial = initial};
static const beamc_dofn offsets = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:offsets:v1",
    .doc = "The offsets below a number, some of them slowly.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &row_coder}},
    .splittable = &splittable,
    .process = process,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_kv pairs[] = {{beamc_value_bytes(beamc_str("slow")), beamc_value_i64(8)},
                        {beamc_value_bytes(beamc_str("pausing")), beamc_value_i64(75)},
                        {beamc_value_bytes(beamc_str("none")), beamc_value_i64(0)}};
    beamc_value values[3];
    for (size_t i = 0; i < 3; i++) {
        values[i].kv = &pairs[i];
    }
    beamc_pcoll parts[] = {
        beamc_pardo(beamc_create(p, "One", &beamc_kv_str_i64, values, 1), "Slow", &offsets),
        beamc_pardo(beamc_create(p, "Two", &beamc_kv_str_i64, values + 1, 2), "Others", &offsets)};
    beamc_sink_table table = {.rows = beamc_flatten(p, "Both", parts, 2), .name = "offsets"};
    beamc_write_jsonl(p, "Write", &table, 1, .path = beamc_option_text(o, "out"));
}

static const beamc_option options[] = {
    {.name = "out", .placeholder = "DIR", .default_text = "out", .doc = "where the table goes"},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "splitting",
    .doc = "A splittable DoFn for the tests against other runners.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&offsets),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
