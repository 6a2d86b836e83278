/* stateful_script.c: a stateful DoFn that does what its elements say, in a test stream; what it emits is noted, and grouped
 * into windows behind it. tests/stateful/test_scripts.py compares that with a model.
 *
 *     stateful_script --script=FILE --log=FILE [--window_ms=N] --runner=...
 *
 * Script, one event a line: "watermark MS", "clock MS", "element KEY MS COMMANDS"; a line "and ..." instead of "element ..."
 * is in the bundle of the line before. Commands: see script_command. Log: "out KEY MS TEXT", "group START MS TIMING TEXTS",
 * "step N" when event N is over. */
#include <beamc/beamc.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_EVENTS = 4096, VALUE = 0, BAG, SUM, MAP, SET, LIST, FAMILIES = 3 };

static const beamc_coder kv_str_str = BEAMC_KV(&beamc_string, &beamc_string);
static const beamc_coder strings = BEAMC_ITERABLE(&beamc_string);
static const beamc_coder kv_str_strings = BEAMC_KV(&beamc_string, &strings);

/* -------------------------------------------------------------------------------------- the log */

typedef struct log_config {
    beamc_slice path;
} log_config;
static const beamc_field log_fields[] = {BEAMC_REQUIRED(log_config, path, STRING)};
static const beamc_row log_row = BEAMC_ROW(log_config, log_fields);

static beamc_status put_line(beamc_ctx *ctx, beamc_slice line) {
    const log_config *config = beamc_config(ctx);
    beamc_slice path = beamc_format(ctx, "%.*s", BEAMC_SLICE_ARG(config->path));
    int fd = open(path.ptr, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line.ptr, line.len) != (ssize_t)line.len || close(fd) != 0) {
        return beamc_fail(ctx, INTERNAL, "cannot write to %s", path.ptr);
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------- reading */

typedef struct texts {
    beamc_slice items[256];
    size_t count;
} texts;

static int by_text(const void *a, const void *b) {
    return beamc_slice_cmp(*(const beamc_slice *)a, *(const beamc_slice *)b);
}

static beamc_slice join(beamc_ctx *ctx, texts *t, bool sorted) {
    if (sorted && t->count > 1) {
        qsort(t->items, t->count, sizeof *t->items, by_text);
    }
    beamc_slice all = {NULL, 0};
    for (size_t i = 0; i < t->count; i++) {
        all = beamc_format(ctx, "%.*s%s%.*s", BEAMC_SLICE_ARG(all), i > 0 ? "," : "",
                           BEAMC_SLICE_ARG(t->items[i]));
    }
    return all;
}

typedef beamc_slice (*item_text)(beamc_ctx *ctx, beamc_value v);

static beamc_slice number_text(beamc_ctx *ctx, beamc_value v) {
    return beamc_format(ctx, "%" PRId64, v.i64);
}

static beamc_slice string_text(beamc_ctx *ctx, beamc_value v) {
    return beamc_copy(ctx, v.bytes);
}

static beamc_slice timed_text(beamc_ctx *ctx, beamc_value v) {
    return beamc_format(ctx, "%" PRId64 "@%" PRId64, v.kv->value.i64, v.kv->key.i64);
}

static beamc_slice map_text(beamc_ctx *ctx, beamc_value key) {
    bool found;
    beamc_value v;
    key.bytes = beamc_copy(ctx, key.bytes);
    if (beamc_state_get(ctx, MAP, key, &found, &v) != BEAMC_OK || !found) {
        return beamc_str("?");
    }
    return beamc_format(ctx, "%.*s=%" PRId64, BEAMC_SLICE_ARG(key.bytes), v.i64);
}

static beamc_status list_text(beamc_ctx *ctx, const beamc_iterable *many, item_text text,
                              bool sorted, beamc_slice *out) {
    texts *t = beamc_new(ctx, texts);
    beamc_iter it;
    beamc_value v;
    beamc_iterate(many, &it);
    while (t->count < 256 && beamc_iter_next(&it, &v)) {
        t->items[t->count++] = text(ctx, v);
    }
    *out = join(ctx, t, sorted);
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

/* All that is known of the key. */
static beamc_status read_all(beamc_ctx *ctx, beamc_slice *out) {
    bool found;
    beamc_value value, sum;
    const beamc_iterable *bag, *keys, *set, *list;
    beamc_slice bags, maps, sets, lists;
    BEAMC_TRY(beamc_state_read(ctx, VALUE, &found, &value));
    BEAMC_TRY(beamc_state_read(ctx, SUM, NULL, &sum));
    BEAMC_TRY(beamc_state_iterable(ctx, BAG, &bag));
    BEAMC_TRY(list_text(ctx, bag, number_text, false, &bags));
    BEAMC_TRY(beamc_state_keys(ctx, MAP, &keys));
    BEAMC_TRY(list_text(ctx, keys, map_text, true, &maps));
    BEAMC_TRY(beamc_state_iterable(ctx, SET, &set));
    BEAMC_TRY(list_text(ctx, set, string_text, true, &sets));
    BEAMC_TRY(beamc_state_range(ctx, LIST, 0, 1000000000, &list));
    BEAMC_TRY(list_text(ctx, list, timed_text, false, &lists));
    *out = beamc_format(ctx, "value:%s bag:%.*s sum:%" PRId64 " map:%.*s set:%.*s list:%.*s",
                        found ? beamc_format(ctx, "%" PRId64, value.i64).ptr : "-",
                        BEAMC_SLICE_ARG(bags), sum.i64, BEAMC_SLICE_ARG(maps),
                        BEAMC_SLICE_ARG(sets), BEAMC_SLICE_ARG(lists));
    return BEAMC_OK;
}

static beamc_status say(beamc_ctx *ctx, beamc_slice what) {
    beamc_slice state;
    BEAMC_TRY(read_all(ctx, &state));
    beamc_value key = beamc_key(ctx);
    key.bytes = beamc_copy(ctx, key.bytes);
    beamc_value text = beamc_value_bytes(
        beamc_format(ctx, "%.*s %.*s", BEAMC_SLICE_ARG(what), BEAMC_SLICE_ARG(state)));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, key, text));
}

/* ------------------------------------------------------------------------------------ commands */

static beamc_status clear_all(beamc_ctx *ctx) {
    for (unsigned i = VALUE; i <= LIST; i++) {
        BEAMC_TRY(beamc_state_clear(ctx, i));
    }
    return BEAMC_OK;
}

/* One of, behind their letter:
 *   w N  b N  + N  m KEY N  d KEY  s MEMBER  u MEMBER  l MS N  k FROM TO     state: write, add, put, remove, add at, clear range
 *   x  q      clear all; clear the bag
 *   t FAMILY TAG MS   h FAMILY TAG MS HOLD   p TAG DELAY   c FAMILY TAG      timers: set, with output time, of the clock, clear
 *   r         say what is known */
static beamc_status script_command(beamc_ctx *ctx, char **rest) {
    char *w[5] = {0};
    char op = *strtok_r(NULL, " ", rest);
    const char *counts = "w1b1+1m2d1s1u1l2k2x0q0t3h4p2c2r0";
    const char *at = strchr(counts, op);
    for (int i = 0, n = at == NULL ? 0 : at[1] - '0'; i < n; i++) {
        w[i] = strtok_r(NULL, " ", rest);
    }
    beamc_value first = {.bytes = beamc_str(w[0] != NULL ? w[0] : "")};
    beamc_value number = {.i64 = w[0] != NULL ? atoll(w[0]) : 0};
    switch (op) {
    case 'w':
        return beamc_state_write(ctx, VALUE, number);
    case 'b':
        return beamc_state_add(ctx, BAG, number);
    case '+':
        return beamc_state_add(ctx, SUM, number);
    case 'm':
        return beamc_state_put(ctx, MAP, first, beamc_value_i64(atoll(w[1])));
    case 'd':
        return beamc_state_remove(ctx, MAP, first);
    case 's':
        return beamc_state_add(ctx, SET, first);
    case 'u':
        return beamc_state_remove(ctx, SET, first);
    case 'l':
        return beamc_state_add_at(ctx, LIST, number.i64, beamc_value_i64(atoll(w[1])));
    case 'k':
        return beamc_state_clear_range(ctx, LIST, number.i64, atoll(w[1]));
    case 'x':
        return clear_all(ctx);
    case 'q':
        return beamc_state_clear(ctx, BAG);
    case 't':
        return beamc_timer_set(ctx, (unsigned)number.i64, atoll(w[2]), .tag = beamc_str(w[1]));
    case 'h':
        return beamc_timer_set(ctx, (unsigned)number.i64, atoll(w[2]), .tag = beamc_str(w[1]),
                               .has_output_time = true, .output_time = atoll(w[3]));
    case 'p':
        return beamc_timer_set(ctx, 2, beamc_processing_time(ctx) + atoll(w[1]),
                               .tag = beamc_str(w[0]));
    case 'c':
        return beamc_timer_clear(ctx, (unsigned)number.i64, beamc_str(w[1]));
    case 'r':
        return say(ctx, beamc_str("read"));
    default:
        return beamc_fail(ctx, INVALID_ARGUMENT, "there is no command %c", op);
    }
}

static beamc_status script_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_slice text = beamc_format(ctx, "%.*s", BEAMC_SLICE_ARG(in->kv->value.bytes));
    char *rest = (char *)(uintptr_t)text.ptr;
    char copy[2048];
    snprintf(copy, sizeof copy, ". %s", rest);
    rest = NULL;
    strtok_r(copy, " ", &rest);
    while (rest != NULL && *rest != '\0') {
        BEAMC_TRY(script_command(ctx, &rest));
    }
    return BEAMC_OK;
}

/* Tags say what a timer does besides: loopN sets itself again, N times, while its window lasts; now sets one of family 1 for the same instant; kill
 * clears the timer x of family 1; add adds to the sum. */
static beamc_status script_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    beamc_slice tag = beamc_copy(ctx, timer->tag);
    beamc_slice what = timer->index == 2
                           ? beamc_format(ctx, "fired %u %.*s", timer->index, BEAMC_SLICE_ARG(tag))
                           : beamc_format(ctx, "fired %u %.*s %" PRId64, timer->index,
                                          BEAMC_SLICE_ARG(tag), timer->fire_at);
    BEAMC_TRY(say(ctx, what));
    if (tag.len == 5 && memcmp(tag.ptr, "loop", 4) == 0 && tag.ptr[4] > '0') {
        beamc_slice next = beamc_format(ctx, "loop%c", tag.ptr[4] - 1);
        beamc_time from = timer->index == 2 ? beamc_processing_time(ctx) : timer->fire_at;
        bool ends = timer->index != 2 && from + 1000 > beamc_window_max(beamc_current_window(ctx));
        return ends ? BEAMC_OK : beamc_timer_set(ctx, timer->index, from + 1000, .tag = next);
    }
    if (timer->index != 2 && beamc_slice_eq(tag, beamc_str("now"))) {
        return beamc_timer_set(ctx, 1, timer->fire_at, .tag = beamc_str("then"));
    }
    if (beamc_slice_eq(tag, beamc_str("kill"))) {
        return beamc_timer_clear(ctx, 1, beamc_str("x"));
    }
    return beamc_slice_eq(tag, beamc_str("add")) ? beamc_state_add(ctx, SUM, beamc_value_i64(100))
                                                 : BEAMC_OK;
}

static beamc_status script_expiration(beamc_ctx *ctx) {
    return say(ctx, beamc_str("expired"));
}

#define SCRIPT(id, urn_text, expiration)                                                           \
    static const beamc_dofn id = {                                                                 \
        BEAMC_DOFN_ABI,                                                                            \
        .urn = urn_text,                                                                           \
        .doc = "Does what its elements say.",                                                      \
        .input = &kv_str_str,                                                                      \
        .outputs = {{"out", &kv_str_str}},                                                         \
        .states =                                                                                  \
            {[VALUE] = {.name = "value", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint},       \
             [BAG] = {.name = "bag", .kind = BEAMC_STATE_BAG, .coder = &beamc_varint},             \
             [SUM] = {.name = "sum", .kind = BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64},   \
             [MAP] = {.name = "map",                                                               \
                      .kind = BEAMC_STATE_MAP,                                                     \
                      .key_coder = &beamc_string,                                                  \
                      .coder = &beamc_varint},                                                     \
             [SET] = {.name = "set", .kind = BEAMC_STATE_SET, .key_coder = &beamc_string},         \
             [LIST] = {.name = "list", .kind = BEAMC_STATE_ORDERED_LIST, .coder = &beamc_varint}}, \
        .timers = {{"e0", BEAMC_EVENT_TIME},                                                       \
                   {"e1", BEAMC_EVENT_TIME},                                                       \
                   {"p0", BEAMC_PROCESSING_TIME}},                                                 \
        .process = script_process,                                                                 \
        .on_timer = script_timer,                                                                  \
        .on_window_expiration = (expiration),                                                      \
    }
SCRIPT(script_fn, "beamc:test:script:v1", NULL);
SCRIPT(expiring_fn, "beamc:test:script_expiring:v1", script_expiration);

static beamc_status split_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, beamc_slice_eq(in->kv->key.bytes, beamc_str("#")), *in);
}
static const beamc_dofn split = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:script_split:v1",
    .doc = "Elements, and the marks of steps.",
    .input = &kv_str_str,
    .outputs = {{"elements", &kv_str_str}, {"marks", &kv_str_str}},
    .process = split_process,
};

static beamc_status mark_process(beamc_ctx *ctx, const beamc_elem *in) {
    return put_line(ctx, beamc_format(ctx, "step %.*s\n", BEAMC_SLICE_ARG(in->kv->value.bytes)));
}
static const beamc_dofn mark = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:script_mark:v1",
    .doc = "Notes that a step is over.",
    .config = &log_row,
    .input = &kv_str_str,
    .process = mark_process,
};

static beamc_status note_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(put_line(ctx, beamc_format(ctx, "out %.*s %" PRId64 " %.*s\n",
                                         BEAMC_SLICE_ARG(in->kv->key.bytes), beamc_timestamp(ctx),
                                         BEAMC_SLICE_ARG(in->kv->value.bytes))));
    beamc_value all = {.bytes = beamc_str("all")};
    beamc_value item = {.bytes =
                            beamc_format(ctx, "%.*s %" PRId64, BEAMC_SLICE_ARG(in->kv->key.bytes),
                                         beamc_timestamp(ctx))};
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, all, item));
}
static const beamc_dofn note = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:script_note:v1",
    .doc = "Notes what comes out.",
    .config = &log_row,
    .input = &kv_str_str,
    .outputs = {{"out", &kv_str_str}},
    .process = note_process,
};

static beamc_status group_process(beamc_ctx *ctx, const beamc_elem *in) {
    static const char *const timings[] = {"early", "on_time", "late", "unknown"};
    beamc_slice items;
    BEAMC_TRY(list_text(ctx, in->kv->value.iterable, string_text, true, &items));
    return put_line(ctx, beamc_format(ctx, "group %" PRId64 " %" PRId64 " %s %.*s\n",
                                      beamc_current_window(ctx).start, beamc_timestamp(ctx),
                                      timings[beamc_current_pane(ctx).timing & 3],
                                      BEAMC_SLICE_ARG(items)));
}
static const beamc_dofn note_group = {
    BEAMC_DOFN_ABI,           .urn = "beamc:test:script_group:v1",
    .doc = "Notes groups.",   .config = &log_row,
    .input = &kv_str_strings, .observes_window = true,
    .process = group_process,
};

/* ----------------------------------------------------------------------------------- the stream */

static struct {
    beamc_test_event events[MAX_EVENTS];
    beamc_kv pairs[MAX_EVENTS];
    char text[MAX_EVENTS][256];
    size_t count;
} stream;

static void put_element(const char *key, beamc_time at, const char *value, bool together) {
    size_t i = stream.count++;
    size_t len = strlen(key) + 1;
    snprintf(stream.text[i], sizeof stream.text[i], "%s", key);
    snprintf(stream.text[i] + len, sizeof stream.text[i] - len, "%s", value);
    stream.pairs[i] = (beamc_kv){beamc_value_bytes(beamc_str(stream.text[i])),
                                 beamc_value_bytes(beamc_str(stream.text[i] + len))};
    stream.events[i] = (beamc_test_event){.kind = BEAMC_TEST_ELEMENT,
                                          .value = {.kv = &stream.pairs[i]},
                                          .timestamp = at,
                                          .together = together};
}

static void put_mark(size_t step) {
    char text[24];
    snprintf(text, sizeof text, "%zu", step);
    put_element("#", 0, text, false);
}

static void read_line(char *line, size_t step) {
    char *rest = NULL, *op = strtok_r(line, " \n", &rest);
    bool together = strcmp(op, "and") == 0;
    if (step > 0 && !together) {
        put_mark(step - 1);
    }
    if (together || strcmp(op, "element") == 0) {
        const char *key = strtok_r(NULL, " ", &rest);
        beamc_time at = atoll(strtok_r(NULL, " ", &rest));
        put_element(key, at, strtok_r(NULL, "\n", &rest), together);
        return;
    }
    bool clock = strcmp(op, "clock") == 0;
    int64_t ms = atoll(strtok_r(NULL, " \n", &rest));
    stream.events[stream.count++] = (beamc_test_event){
        .kind = clock ? BEAMC_TEST_CLOCK : BEAMC_TEST_WATERMARK, .timestamp = ms, .advance_ms = ms};
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    FILE *from = fopen(beamc_option_text(o, "script"), "r");
    if (from == NULL) {
        beamc_pipeline_fail(p, BEAMC_NOT_FOUND, "cannot read --script");
        return;
    }
    char line[1024];
    size_t step = 0;
    while (fgets(line, sizeof line, from) != NULL && stream.count < MAX_EVENTS - 2) {
        read_line(line, step++);
    }
    put_mark(step - 1);
    fclose(from);
    log_config log = {beamc_str(beamc_option_text(o, "log"))};
    int64_t window_ms = beamc_option_int(o, "window_ms");
    const beamc_dofn *fn = beamc_option_bool(o, "expire") ? &expiring_fn : &script_fn;
    beamc_pcoll all = beamc_test_stream(p, "Play", &kv_str_str, stream.events, stream.count);
    beamc_pcoll elements = beamc_pardo(all, "Split", &split);
    beamc_pardo(beamc_out(elements, 1), "Mark", &mark, .config = &log);
    if (window_ms > 0) {
        elements = beamc_window_into(elements, "Window", .fn = beamc_fixed(.size_ms = window_ms));
    }
    beamc_pcoll noted =
        beamc_pardo(beamc_pardo(elements, "Script", fn), "Note", &note, .config = &log);
    noted = beamc_window_into(noted, "Ten", .fn = beamc_fixed(.size_ms = 10000));
    beamc_pardo(beamc_group_by_key(noted, "Group"), "NoteGroup", &note_group, .config = &log);
}

static const beamc_option options[] = {
    {.name = "script", .placeholder = "FILE", .default_text = "", .doc = "what to play"},
    {.name = "log", .placeholder = "FILE", .default_text = "", .doc = "where to note"},
    {.name = "window_ms", .type = BEAMC_OPTION_INT, .default_text = "0", .doc = "0: global"},
    {.name = "expire", .type = BEAMC_OPTION_BOOL, .default_text = "false", .doc = "say it"},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "stateful-script",
    .doc = "A stateful DoFn that does what a script says.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&script_fn, &expiring_fn, &split, &mark, &note, &note_group),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};
BEAMC_EXPORT(program);
