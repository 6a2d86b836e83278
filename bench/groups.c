/* groups.c: GroupByKey and sessions over small pairs, for bench/run-streaming.
 *
 *     groups --pairs=10000000 --keys=1000000                        GroupByKey
 *     groups --input=LINES --output=DIR                             the same of lines "key value", one row a key
 *     groups --gap_ms=1000 --session_pairs=10 --unbounded [--count] sessions, all values of each or their number
 *
 * All values of a group are looked at; counters tell how many groups and values there were. */
#include "pairs.h"

#include <beamc/io.h>

/* ---------------------------------------------------------------------------- lines to pairs */

static bool read_number(const char **at, const char *end, int64_t *out) {
    const char *p = *at;
    int64_t n = 0;
    while (p < end && *p >= '0' && *p <= '9' && p - *at < 18) {
        n = n * 10 + (*p++ - '0');
    }
    bool ok = p > *at;
    *at = p;
    *out = n;
    return ok;
}

static beamc_status parse_line(beamc_ctx *ctx, const beamc_elem *in) {
    const char *p = in->bytes.ptr, *end = p + in->bytes.len;
    beamc_kv pair;
    if (!read_number(&p, end, &pair.key.i64) || p == end || *p++ != ' ' ||
        !read_number(&p, end, &pair.value.i64) || p != end) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "not a line \"key value\": %.*s",
                          BEAMC_SLICE_ARG(in->bytes));
    }
    return beamc_emit(ctx, 0, (beamc_value){.kv = &pair});
}

static const beamc_dofn parse = {
    BEAMC_DOFN_ABI,        .urn = "beamc:bench:parse_pair:v1",    .doc = "Lines to pairs.",
    .input = &beamc_bytes, .outputs[0] = {"pairs", &pairs_coder}, .process = parse_line,
};

/* ----------------------------------------------------------------------------- what comes out */

typedef struct group_row {
    int64_t key;
    int64_t count;
    int64_t sum;
} group_row;
static const beamc_field group_row_fields[] = {
    BEAMC_REQUIRED(group_row, key, I64),
    BEAMC_REQUIRED(group_row, count, I64),
    BEAMC_REQUIRED(group_row, sum, I64),
};
static const beamc_row group_row_row = BEAMC_ROW(group_row, group_row_fields);
static const beamc_coder group_row_coder = BEAMC_ROW_CODER(&group_row_row);
static const beamc_coder values_coder = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder group_coder = BEAMC_KV(&beamc_varint, &values_coder);

typedef struct counts {
    beamc_metric *groups, *values;
} counts;

static beamc_status find_counts(beamc_ctx *ctx) {
    counts *c = beamc_instance(ctx);
    c->groups = beamc_counter(ctx, "bench", "groups");
    c->values = beamc_counter(ctx, "bench", "values");
    return BEAMC_OK;
}

static beamc_status sum_group(beamc_ctx *ctx, const beamc_elem *in) {
    counts *c = beamc_instance(ctx);
    group_row row = {.key = in->kv->key.i64};
    beamc_iter it;
    beamc_value v;
    beamc_iterate(in->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &v)) {
        row.count++;
        row.sum += v.i64;
    }
    beamc_counter_add(c->groups, 1);
    beamc_counter_add(c->values, row.count);
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_value_row(&row));
}

static const beamc_dofn sum_values = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:sum_values:v1",
    .doc = "Sums the values of a group.",
    .instance_size = sizeof(counts),
    .input = &group_coder,
    .outputs[0] = {"rows", &group_row_coder},
    .setup = find_counts,
    .process = sum_group,
};

static beamc_status take_count(beamc_ctx *ctx, const beamc_elem *in) {
    counts *c = beamc_instance(ctx);
    beamc_counter_add(c->groups, 1);
    beamc_counter_add(c->values, in->kv->value.i64);
    return BEAMC_OK;
}

static const beamc_dofn take_counts = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:take_counts:v1",
    .doc = "Adds up the sizes of groups.",
    .instance_size = sizeof(counts),
    .input = &pairs_coder,
    .setup = find_counts,
    .process = take_count,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    const char *input = beamc_option_text(o, "input");
    const char *output = beamc_option_text(o, "output");
    int64_t gap_ms = beamc_option_int(o, "gap_ms");
    beamc_pcoll pairs =
        input == NULL ? pairs_read(p, o)
                      : beamc_pardo(beamc_read_lines(p, "Read", .pattern = input), "Parse", &parse);
    if (gap_ms > 0) {
        pairs = beamc_window_into(pairs, "Sessions", .fn = beamc_sessions(.gap_ms = gap_ms));
    }
    if (beamc_option_bool(o, "count")) {
        beamc_pardo(beamc_combine_per_key(pairs, "Count", &beamc_count), "Take", &take_counts);
        return;
    }
    beamc_pcoll rows = beamc_pardo(beamc_group_by_key(pairs, "Group"), "Sum", &sum_values);
    if (output != NULL) {
        beamc_sink_table table = {rows, "groups"};
        beamc_write_jsonl(p, "Write", &table, 1, .path = output, .overwrite = true);
    }
}

static const beamc_option options[] = {
    {.name = "input", .placeholder = "FILE", .doc = "Lines \"key value\"; else pairs are made."},
    {.name = "output", .placeholder = "DIR", .doc = "Write one row for each key there."},
    {.name = "gap_ms",
     .type = BEAMC_OPTION_INT,
     .default_text = "0",
     .min = 0,
     .max = 1000000000,
     .placeholder = "MS",
     .doc = "Sessions with that gap; 0: the global window."},
    {.name = "count",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "false",
     .doc = "Count the values of each group and do not keep them."},
    PAIRS_OPTIONS,
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "groups",
    .doc = "GroupByKey and sessions over small pairs.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&pairs_bounded, &pairs_unbounded, &parse, &sum_values, &take_counts),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
