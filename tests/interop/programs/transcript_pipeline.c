/* transcript_pipeline.c: a trigger transcript as a whole pipeline: a test stream, windows, a grouping and a DoFn that
 * notes each pane. tests/triggers/test_pipeline.py compares what it notes with what is expected.
 *
 *     transcript_pipeline --transcript=FILE --log=FILE --form=group|combine --runner=...
 *
 * The log has one line for each step when it is over, "step N", and one for each pane:
 *     pane KEY START END TIMESTAMP INDEX NONSPECULATIVE TIMING FIRST LAST VALUES...
 * with times in milliseconds and values in order. A step is over when its mark comes through the stream: the runner
 * plays an event only when everything else is quiet. Keys see the same elements in other orders and bundles. */
#include <beamc/beamc.h>

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "tests/triggers/programs/script.h"

enum { MAX_EVENTS = 8192 };

static const beamc_coder numbers = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder kv_str_numbers = BEAMC_KV(&beamc_string, &numbers);
static const beamc_coder kv_str_bytes = BEAMC_KV(&beamc_string, &beamc_bytes);

/* -------------------------------------------------------------------------------------- the log */

typedef struct log_config {
    beamc_slice path;
} log_config;
static const beamc_field log_fields[] = {BEAMC_REQUIRED(log_config, path, STRING)};
static const beamc_row log_row = BEAMC_ROW(log_config, log_fields);

/* A line is one write: the lines of several threads do not mix. */
static beamc_status put_line(beamc_ctx *ctx, beamc_slice line) {
    const log_config *config = beamc_config(ctx);
    beamc_slice path = beamc_format(ctx, "%.*s", BEAMC_SLICE_ARG(config->path));
    int fd = open(path.ptr, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line.ptr, line.len) != (ssize_t)line.len || close(fd) != 0) {
        return beamc_fail(ctx, INTERNAL, "cannot write to %s", path.ptr);
    }
    return BEAMC_OK;
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static beamc_status put_pane(beamc_ctx *ctx, beamc_slice key, int64_t *values, size_t count) {
    static const char *const timings[] = {"early", "on_time", "late", "unknown"};
    beamc_window w = beamc_current_window(ctx);
    beamc_pane p = beamc_current_pane(ctx);
    if (count > 0) {
        qsort(values, count, sizeof *values, by_value);
    }
    beamc_slice line = beamc_format(
        ctx, "pane %.*s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s %d %d",
        BEAMC_SLICE_ARG(key), w.start, w.end, beamc_timestamp(ctx), (int64_t)p.index,
        (int64_t)p.non_speculative_index, timings[p.timing & 3], p.is_first, p.is_last);
    for (size_t i = 0; i < count; i++) {
        line = beamc_format(ctx, "%.*s %" PRId64, BEAMC_SLICE_ARG(line), values[i]);
    }
    return put_line(ctx, beamc_format(ctx, "%.*s\n", BEAMC_SLICE_ARG(line)));
}

/* ---------------------------------------------------------------------------------------- DoFns */

static beamc_status split_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, beamc_slice_eq(in->kv->key.bytes, beamc_str("#")), *in);
}

static const beamc_dofn split = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:transcript_split:v1",
    .doc = "Elements, and the marks of steps.",
    .input = &beamc_kv_str_i64,
    .outputs = {{"elements", &beamc_kv_str_i64}, {"marks", &beamc_kv_str_i64}},
    .process = split_process,
};

static beamc_status mark_process(beamc_ctx *ctx, const beamc_elem *in) {
    return put_line(ctx, beamc_format(ctx, "step %" PRId64 "\n", in->kv->value.i64));
}

static const beamc_dofn mark = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:transcript_mark:v1",
    .doc = "Notes that a step is over.",
    .config = &log_row,
    .input = &beamc_kv_str_i64,
    .process = mark_process,
};

static beamc_status group_process(beamc_ctx *ctx, const beamc_elem *in) {
    int64_t *values = beamc_alloc(ctx, MAX_VALUES * sizeof *values);
    size_t count = 0;
    beamc_iter it;
    beamc_value v;
    beamc_iterate(in->kv->value.iterable, &it);
    while (count < MAX_VALUES && beamc_iter_next(&it, &v)) {
        values[count++] = v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return put_pane(ctx, in->kv->key.bytes, values, count);
}

static const beamc_dofn note_group = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:transcript_group:v1",
    .doc = "Notes a pane of a GroupByKey.",
    .config = &log_row,
    .input = &kv_str_numbers,
    .observes_window = true,
    .process = group_process,
};

static beamc_status combined_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_slice bytes = in->kv->value.bytes;
    int64_t *values = beamc_alloc(ctx, bytes.len + 8);
    if (bytes.len > 0) {
        memcpy(values, bytes.ptr, bytes.len);
    }
    return put_pane(ctx, in->kv->key.bytes, values, bytes.len / 8);
}

static const beamc_dofn note_combined = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:transcript_combined:v1",
    .doc = "Notes a pane of a Combine.",
    .config = &log_row,
    .input = &kv_str_bytes,
    .observes_window = true,
    .process = combined_process,
};

/* Collects numbers, eight bytes each. */
typedef struct collected {
    beamc_slice bytes;
} collected;
static const beamc_field collected_fields[] = {BEAMC_REQUIRED(collected, bytes, BYTES)};
static const beamc_row collected_row = BEAMC_ROW(collected, collected_fields);

static void append(beamc_ctx *ctx, collected *to, beamc_slice more) {
    char *all = beamc_alloc(ctx, to->bytes.len + more.len + 1);
    if (to->bytes.len > 0) {
        memcpy(all, to->bytes.ptr, to->bytes.len);
    }
    if (more.len > 0) {
        memcpy(all + to->bytes.len, more.ptr, more.len);
    }
    to->bytes = beamc_slice_of(all, to->bytes.len + more.len);
}

static beamc_status collect_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    append(ctx, acc, beamc_slice_of(&in->i64, sizeof in->i64));
    return BEAMC_OK;
}

static beamc_status collect_merge(beamc_ctx *ctx, void *acc, const void *other) {
    append(ctx, acc, ((const collected *)other)->bytes);
    return BEAMC_OK;
}

static beamc_status collect_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    out->bytes = ((const collected *)acc)->bytes;
    return BEAMC_OK;
}

static const beamc_combiner collect = {
    BEAMC_COMBINER_ABI,
    .urn = "beamc:test:transcript_collect:v1",
    .doc = "All numbers.",
    .input = &beamc_varint,
    .accumulator = &collected_row,
    .output = &beamc_bytes,
    .add = collect_add,
    .merge = collect_merge,
    .extract = collect_extract,
};

/* ----------------------------------------------------------------------------------- the stream */

static struct {
    beamc_test_event events[MAX_EVENTS];
    beamc_kv pairs[MAX_EVENTS];
    size_t count;
} stream;

static void put_element(const char *key, int64_t value, bool together) {
    if (stream.count == MAX_EVENTS) {
        die("too many events");
    }
    size_t i = stream.count++;
    stream.pairs[i] = (beamc_kv){{.bytes = beamc_str(key)}, {.i64 = value}};
    stream.events[i] = (beamc_test_event){.kind = BEAMC_TEST_ELEMENT,
                                          .value = {.kv = &stream.pairs[i]},
                                          .timestamp = key[0] == '#' ? 0 : value * 1000,
                                          .together = together};
}

/* With the default trigger and accumulation the order of elements does not matter, nor their bundles. */
static bool any_order(void) {
    const beamc_trigger *t = script.windowing.trigger;
    return (t == NULL || t->kind == BEAMC_TRIGGER_DEFAULT) &&
           script.windowing.accumulation == BEAMC_ACCUMULATING;
}

static void put_input(const step *s, int64_t watermark) {
    bool late = false;
    for (size_t i = 0; i < s->count; i++) {
        put_element("first", s->values[i], i > 0);
        late |= s->values[i] * 1000 < watermark;
    }
    for (size_t i = 0; i < s->count; i++) { /* two keys in one bundle */
        put_element("second", s->values[i], i > 0);
        put_element("third", s->values[s->count - 1 - i], true);
    }
    for (size_t i = 0; i < s->count && any_order() && !late; i++) {
        put_element("single", s->values[i], false);
    }
    for (size_t i = 0; i < s->count && any_order(); i++) {
        put_element("pairs", s->values[i], late ? i > 0 : i % 2 == 1);
    }
    for (size_t i = 0; i < s->count && any_order() && late; i++) {
        put_element("single", s->values[i], i > 0); /* bundles of late elements count */
    }
}

static void make_stream(void) {
    int64_t watermark = INT64_MIN;
    for (size_t i = 0; i < script.count; i++) {
        const step *s = &script.steps[i];
        if (s->kind == INPUT) {
            put_input(s, watermark);
        } else if (s->kind == WATERMARK) {
            watermark = s->time;
            stream.events[stream.count++] =
                (beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = s->time};
        } else if (s->kind == CLOCK) {
            stream.events[stream.count++] =
                (beamc_test_event){.kind = BEAMC_TEST_CLOCK, .advance_ms = s->time};
        } else {
            continue;
        }
        put_element("#", (int64_t)i, false);
    }
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    FILE *from = fopen(beamc_option_text(o, "transcript"), "r");
    if (from == NULL) {
        beamc_pipeline_fail(p, BEAMC_NOT_FOUND, "cannot read --transcript");
        return;
    }
    read_script(from);
    fclose(from);
    make_stream();
    log_config log = {beamc_str(beamc_option_text(o, "log"))};
    beamc_pcoll all = beamc_test_stream(p, "Play", &beamc_kv_str_i64, stream.events, stream.count);
    beamc_pcoll elements = beamc_pardo(all, "Split", &split);
    beamc_pardo(beamc_out(elements, 1), "Mark", &mark, .config = &log);
    beamc_pcoll windowed = beamc_window_into_with(elements, "Window", script.windowing);
    if (strcmp(beamc_option_text(o, "form"), "combine") == 0) {
        beamc_pardo(beamc_combine_per_key(windowed, "Combine", &collect), "Note", &note_combined,
                    .config = &log);
    } else {
        beamc_pardo(beamc_group_by_key(windowed, "Group"), "Note", &note_group, .config = &log);
    }
}

static const beamc_option options[] = {
    {.name = "transcript", .placeholder = "FILE", .default_text = "", .doc = "what to play"},
    {.name = "log", .placeholder = "FILE", .default_text = "", .doc = "where to note panes"},
    {.name = "form",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "group",
     .choices = "group|combine",
     .doc = "how to group"},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "transcript-pipeline",
    .doc = "A trigger transcript as a pipeline.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&split, &mark, &note_group, &note_combined),
    .combiners = BEAMC_COMBINERS(&collect),
};
BEAMC_EXPORT(program);
