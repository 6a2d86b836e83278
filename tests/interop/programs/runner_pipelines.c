/* runner_pipelines.c: small pipelines that the tests run on every runner and compare row for row.
 *
 *     runner_pipelines --case=words --input=FILE --out=DIR --runner=... --job_endpoint=...
 *
 * Written as a user would: public headers only. What each case must give is computed again, in Python, in
 * runner_cases.py. */
#include <beamc/beamc.h>
#include <beamc/io.h>

#include <stdlib.h>

static const beamc_coder iterable_i64 = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder kv_str_group = BEAMC_KV(&beamc_string, &iterable_i64);

/* The row of every table: a key, a number and the window that it stands in ("" in the global one). */
typedef struct result {
    beamc_slice key;
    int64_t n;
    int64_t window_start;
    int64_t window_end;
} result;
static const beamc_field result_fields[] = {
    BEAMC_REQUIRED(result, key, STRING),
    BEAMC_REQUIRED(result, n, I64),
    BEAMC_REQUIRED(result, window_start, I64),
    BEAMC_REQUIRED(result, window_end, I64),
};
static const beamc_row result_row = BEAMC_ROW(result, result_fields);
static const beamc_coder result_coder = BEAMC_ROW_CODER(&result_row);

static beamc_status emit_pair(beamc_ctx *ctx, unsigned output, beamc_slice key, int64_t n) {
    return beamc_emit(ctx, output, beamc_kv_of(ctx, beamc_value_bytes(key), beamc_value_i64(n)));
}

/* ------------------------------------------------------------------------------------ DoFns */

static beamc_status to_row_process(beamc_ctx *ctx, const beamc_elem *in) {
    result *row = beamc_new(ctx, result);
    beamc_window w = beamc_current_window(ctx);
    row->key = in->kv->key.bytes;
    row->n = in->kv->value.i64;
    if (w.start != BEAMC_TIME_MIN) {
        row->window_start = w.start;
        row->window_end = w.end;
    }
    return beamc_emit(ctx, 0, beamc_value_row(row));
}

static const beamc_dofn to_row = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:to_row:v1",
    .doc = "A pair and its window as a row.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &result_coder}},
    .observes_window = true,
    .process = to_row_process,
};

typedef struct words_state {
    beamc_metric *lines, *words, *length;
} words_state;

static beamc_status words_setup(beamc_ctx *ctx) {
    words_state *s = beamc_instance(ctx);
    s->lines = beamc_counter(ctx, "pipelines", "lines");
    s->words = beamc_counter(ctx, "pipelines", "words");
    s->length = beamc_distribution(ctx, "pipelines", "word_length");
    return BEAMC_OK;
}

static beamc_status words_process(beamc_ctx *ctx, const beamc_elem *in) {
    words_state *s = beamc_instance(ctx);
    const char *at = in->bytes.ptr, *end = at + in->bytes.len;
    beamc_counter_add(s->lines, 1);
    while (at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        const char *stop = space ? space : end;
        if (stop > at) {
            beamc_counter_add(s->words, 1);
            beamc_distribution_update(s->length, stop - at);
            BEAMC_TRY(emit_pair(ctx, 0, beamc_slice_of(at, (size_t)(stop - at)), 1));
        }
        at = stop + 1;
    }
    return BEAMC_OK;
}

static const beamc_dofn words = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:words:v1",
    .doc = "The words of a line, each with 1.",
    .instance_size = sizeof(words_state),
    .input = &beamc_bytes,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .setup = words_setup,
    .process = words_process,
};

/* "key number time" with the time in ms. */
static beamc_status stamp_process(beamc_ctx *ctx, const beamc_elem *in) {
    char *text = beamc_alloc(ctx, in->bytes.len + 1);
    memcpy(text, in->bytes.ptr, in->bytes.len);
    text[in->bytes.len] = 0;
    char *number = strchr(text, ' ');
    if (!number) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "no number in the line '%s'", text);
    }
    char *rest;
    beamc_slice key = beamc_slice_of(text, (size_t)(number - text));
    int64_t n = strtoll(number, &rest, 10);
    beamc_value pair = beamc_kv_of(ctx, beamc_value_bytes(key), beamc_value_i64(n));
    return beamc_emit_at(ctx, 0, strtoll(rest, NULL, 10), pair);
}

static const beamc_dofn stamp = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:stamp:v1",
    .doc = "A line as a pair at its own time.",
    .input = &beamc_bytes,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = stamp_process,
};

static beamc_status total_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0, count = 0;
    for (beamc_iterate(in->kv->value.iterable, &it); beamc_iter_next(&it, &v); count++) {
        sum += v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    beamc_slice key = in->kv->key.bytes;
    BEAMC_TRY(emit_pair(ctx, 0, key, sum));
    return emit_pair(ctx, 1, key, count);
}

static const beamc_dofn total = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:total:v1",
    .doc = "The sum of a group, and its size.",
    .input = &kv_str_group,
    .outputs = {{"sum", &beamc_kv_str_i64}, {"count", &beamc_kv_str_i64}},
    .process = total_process,
};

static beamc_status route_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, (unsigned)((in->kv->value.i64 % 3 + 3) % 3), *in);
}

static const beamc_dofn route = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:route:v1",
    .doc = "To one of three outputs, by the number.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"zero", &beamc_kv_str_i64},
                {"one", &beamc_kv_str_i64},
                {"two", &beamc_kv_str_i64}},
    .process = route_process,
};

static beamc_status join_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *all, *same;
    beamc_iter it;
    beamc_value v;
    int64_t n = 0;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &all));
    for (beamc_iterate(all, &it); beamc_iter_next(&it, &v);) {
        n += v.kv->value.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    BEAMC_TRY(beamc_side_lookup(ctx, 1, in->kv->key, &same));
    for (beamc_iterate(same, &it); beamc_iter_next(&it, &v);) {
        n += 1000 * v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return emit_pair(ctx, 0, in->kv->key.bytes, n);
}

static const beamc_dofn join = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:join:v1",
    .doc = "Sum of all of a side input, and 1000 times what it holds under the same key.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .side_inputs = {"all", "same"},
    .process = join_process,
};

static beamc_status number_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->value);
}

static const beamc_dofn number = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:number:v1",
    .doc = "The number of a pair.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_varint}},
    .process = number_process,
};

typedef struct name_config {
    beamc_slice name;
} name_config;
static const beamc_field name_fields[] = {
    BEAMC_CONFIG(name_config, name, STRING, "", "the key"),
};
static const beamc_row name_row = BEAMC_ROW(name_config, name_fields);

static beamc_status named_process(beamc_ctx *ctx, const beamc_elem *in) {
    return emit_pair(ctx, 0, ((const name_config *)beamc_config(ctx))->name, in->i64);
}

static const beamc_dofn named = {
    BEAMC_DOFN_ABI,           .urn = "beamc:test:named:v1", .doc = "A number under a name.",
    .config = &name_row,      .input = &beamc_varint,       .outputs = {{"out", &beamc_kv_str_i64}},
    .process = named_process,
};

static beamc_status boom_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_fail(ctx, INTERNAL, "the pair %.*s is not liked here",
                      BEAMC_SLICE_ARG(in->kv->key.bytes));
}

static const beamc_dofn boom = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:boom:v1",
    .doc = "Fails.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = boom_process,
};

/* ------------------------------------------------------------------------------------ cases */

typedef struct tables {
    beamc_sink_table list[4];
    size_t count;
} tables;

static void table(tables *t, beamc_pcoll pairs, const char *name) {
    t->list[t->count].rows = beamc_pardo(pairs, name, &to_row);
    t->list[t->count++].name = name;
}

static beamc_pcoll lines(beamc_pipeline *p, const beamc_options *o) {
    return beamc_read_lines(p, "Read", .pattern = beamc_option_text(o, "input"),
                            .split_bytes = beamc_option_int(o, "split_bytes"));
}

static void case_words(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll pairs = beamc_pardo(lines(p, o), "Words", &words);
    table(t, beamc_combine_per_key(pairs, "Count", &beamc_sum_i64), "words");
}

static void case_windows(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll pairs = beamc_pardo(lines(p, o), "Stamp", &stamp);
    beamc_pcoll fixed = beamc_window_into(pairs, "Fixed", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll sliding = beamc_window_into(
        pairs, "Sliding", .fn = beamc_sliding(.size_ms = 60000, .period_ms = 20000));
    beamc_pcoll sessions =
        beamc_window_into(pairs, "Sessions", .fn = beamc_sessions(.gap_ms = 5000));
    table(t, beamc_combine_per_key(fixed, "SumFixed", &beamc_sum_i64), "fixed");
    table(t, beamc_combine_per_key(sliding, "SumSliding", &beamc_sum_i64), "sliding");
    table(t, beamc_combine_per_key(sessions, "SumSessions", &beamc_sum_i64), "sessions");
}

static void case_groups(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll pairs = beamc_reshuffle(beamc_pardo(lines(p, o), "Stamp", &stamp), "Reshuffle");
    beamc_pcoll sums = beamc_pardo(beamc_group_by_key(pairs, "Group"), "Total", &total);
    table(t, sums, "sums");
    table(t, beamc_out(sums, 1), "counts");
}

static void case_outputs(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll pairs = beamc_pardo(lines(p, o), "Stamp", &stamp);
    beamc_pcoll zero = beamc_pardo(pairs, "Route", &route);
    beamc_pcoll again = beamc_flatten(p, "Flatten", (beamc_pcoll[]){beamc_out(zero, 1), zero}, 2);
    table(t, again, "zero_and_one");
    table(t, beamc_out(zero, 2), "two");
}

static void case_side(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll pairs = beamc_pardo(lines(p, o), "Stamp", &stamp);
    beamc_pcoll zero = beamc_pardo(pairs, "Route", &route);
    beamc_pcoll one = beamc_out(zero, 1);
    table(t, beamc_pardo(zero, "Join", &join, .side = {{one, false}, {one, true}}), "joined");
}

static void case_globally(beamc_pipeline *p, const beamc_options *o, tables *t) {
    beamc_pcoll numbers = beamc_pardo(beamc_pardo(lines(p, o), "Stamp", &stamp), "Number", &number);
    static const struct {
        const char *name;
        const beamc_combiner *fn;
    } all[] = {{"sum", &beamc_sum_i64}, {"min", &beamc_min_i64}, {"max", &beamc_max_i64}};
    beamc_pcoll parts[3];
    for (size_t i = 0; i < 3; i++) {
        beamc_pcoll one = beamc_combine_globally(numbers, all[i].name, all[i].fn);
        beamc_composite_begin(p, i == 0 ? "A" : i == 1 ? "B" : "C");
        parts[i] =
            beamc_pardo(one, "Named", &named, .config = &(name_config){beamc_str(all[i].name)});
        beamc_composite_end(p);
    }
    table(t, beamc_flatten(p, "Flatten", parts, 3), "figures");
}

static beamc_status undeclared_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 3, *in);
}

static const beamc_dofn undeclared = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:undeclared:v1",
    .doc = "Emits to an output that it does not have.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_kv_str_i64}},
    .process = undeclared_process,
};

static void case_undeclared(beamc_pipeline *p, const beamc_options *o, tables *t) {
    table(t, beamc_pardo(beamc_pardo(lines(p, o), "Stamp", &stamp), "Undeclared", &undeclared),
          "never");
}

static void case_fail(beamc_pipeline *p, const beamc_options *o, tables *t) {
    table(t, beamc_pardo(beamc_pardo(lines(p, o), "Stamp", &stamp), "Boom", &boom), "never");
}

static const struct {
    const char *name;
    void (*build)(beamc_pipeline *p, const beamc_options *o, tables *t);
} cases[] = {{"words", case_words},   {"windows", case_windows},
             {"groups", case_groups}, {"outputs", case_outputs},
             {"side", case_side},     {"globally", case_globally},
             {"fail", case_fail},     {"undeclared", case_undeclared}};

static void build(beamc_pipeline *p, const beamc_options *o) {
    tables t = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, beamc_option_text(o, "case")) == 0) {
            cases[i].build(p, o, &t);
        }
    }
    beamc_write_jsonl(p, "Write", t.list, t.count, .path = beamc_option_text(o, "out"));
}

static const beamc_option options[] = {
    {.name = "case",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "words",
     .choices = "words|windows|groups|outputs|side|globally|fail|undeclared",
     .doc = "which pipeline"},
    {.name = "input", .placeholder = "FILE", .default_text = "", .doc = "lines of text"},
    {.name = "out", .placeholder = "DIR", .default_text = "out", .doc = "where the tables go"},
    {.name = "split_bytes",
     .type = BEAMC_OPTION_INT,
     .default_text = "0",
     .doc = "size of the parts in which the input is read"},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "runner-pipelines",
    .doc = "Small pipelines for the tests against other runners.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&to_row, &words, &stamp, &total, &route, &join, &number, &named, &boom,
                     &undeclared),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64, &beamc_min_i64, &beamc_max_i64),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};
BEAMC_EXPORT(program);
