/* protocol_dofns.c: the worker under test in test_worker_protocol*.py.
 *
 * An ordinary user program (public headers only) whose DoFns do what their elements say: fail, wait for
 * a file, log, crash. `--dump_pipeline=FILE SET` writes the pipeline proto of one SET and ends; the tests
 * cut their ProcessBundleDescriptors out of that. Everything else goes to beamc_main, so --worker does
 * what it does in every program. */
#include <beamc/beamc.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const beamc_coder kv_bytes_i64 = BEAMC_KV(&beamc_bytes, &beamc_varint);
static const beamc_coder kv_i64_i64 = BEAMC_KV(&beamc_varint, &beamc_varint);
static const beamc_coder iterable_i64 = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder kv_bytes_group = BEAMC_KV(&beamc_bytes, &iterable_i64);

/* "verb:argument" -> the argument as a C string in element scratch, or NULL for another verb. */
static const char *argument_of(beamc_ctx *ctx, beamc_slice text, const char *verb) {
    size_t n = strlen(verb);
    if (text.len < n || memcmp(text.ptr, verb, n) != 0) {
        return NULL;
    }
    char *out = beamc_alloc(ctx, text.len - n + 1);
    memcpy(out, text.ptr + n, text.len - n);
    out[text.len - n] = 0;
    return out;
}

static void touch(const char *path) {
    FILE *f = fopen(path, "w");
    if (f) {
        (void)fclose(f);
    }
}

/* Tells the test that it is here (PATH.started), then stays until PATH exists. */
static beamc_status wait_for_file(beamc_ctx *ctx, const char *path) {
    touch(beamc_format(ctx, "%s.started%c", path, 0).ptr);
    for (int i = 0; i < 60000; i++) {
        if (access(path, F_OK) == 0) {
            return BEAMC_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return beamc_fail(ctx, DEADLINE_EXCEEDED, "%s did not appear", path);
}

/* ------------------------------------------------------------------------------------ Echo */

typedef struct echo_state {
    beamc_metric *elements, *bytes, *last, *verbs;
} echo_state;

static beamc_status echo_setup(beamc_ctx *ctx) {
    echo_state *s = beamc_instance(ctx);
    s->elements = beamc_counter(ctx, "interop", "elements");
    s->bytes = beamc_distribution(ctx, "interop", "bytes");
    s->last = beamc_gauge(ctx, "interop", "last");
    s->verbs = beamc_string_set(ctx, "interop", "verbs");
    return BEAMC_OK;
}

static beamc_status emit_bytes(beamc_ctx *ctx, beamc_slice bytes) {
    return beamc_emit(ctx, 0, beamc_value_bytes(bytes));
}

static beamc_status echo_verb(beamc_ctx *ctx, beamc_slice in, bool *done) {
    const char *arg;
    *done = true;
    if ((arg = argument_of(ctx, in, "fail:"))) {
        return beamc_fail(ctx, INTERNAL, "told to fail: %s", arg);
    }
    if ((arg = argument_of(ctx, in, "unavailable:"))) {
        return beamc_fail(ctx, UNAVAILABLE, "told to be unavailable: %s", arg);
    }
    if (argument_of(ctx, in, "crash:")) {
        (void)raise(SIGSEGV);
    }
    if (argument_of(ctx, in, "drop:")) {
        return BEAMC_OK;
    }
    if ((arg = argument_of(ctx, in, "many:"))) {
        for (long i = 0, n = atol(arg); i < n; i++) {
            BEAMC_TRY(emit_bytes(ctx, beamc_format(ctx, "%ld", i)));
        }
        return BEAMC_OK;
    }
    if ((arg = argument_of(ctx, in, "big:"))) {
        size_t n = (size_t)atoll(arg);
        return emit_bytes(ctx, beamc_slice_of(memset(beamc_alloc(ctx, n), 'x', n), n));
    }
    *done = false;
    if ((arg = argument_of(ctx, in, "wait:"))) {
        return wait_for_file(ctx, arg);
    }
    if ((arg = argument_of(ctx, in, "log:"))) {
        BEAMC_LOG_WARN(ctx, "%s", arg);
    }
    return BEAMC_OK;
}

static beamc_status echo_process(beamc_ctx *ctx, const beamc_elem *in) {
    echo_state *s = beamc_instance(ctx);
    beamc_counter_add(s->elements, 1);
    beamc_distribution_update(s->bytes, (int64_t)in->bytes.len);
    const char *colon = in->bytes.len > 2 && in->bytes.len < 4096
                            ? memchr(in->bytes.ptr, ':', in->bytes.len)
                            : NULL;
    if (colon) {
        beamc_gauge_set(s->last, (int64_t)in->bytes.len);
        beamc_string_set_add(s->verbs,
                             beamc_slice_of(in->bytes.ptr, (size_t)(colon - in->bytes.ptr)));
        bool done;
        BEAMC_TRY(echo_verb(ctx, in->bytes, &done));
        if (done) {
            return BEAMC_OK;
        }
    }
    return beamc_emit(ctx, 0, *in);
}

static const beamc_dofn echo = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:echo:v1",
    .doc = "Passes elements on, but for those that tell it something else.",
    .instance_size = sizeof(echo_state),
    .input = &beamc_bytes,
    .outputs = {{"out", &beamc_bytes}},
    .setup = echo_setup,
    .process = echo_process,
};

/* --------------------------------------------------------------------------- BundleCount */

typedef struct count_state {
    int64_t bundles, elements;
} count_state;

static beamc_status count_start(beamc_ctx *ctx) {
    count_state *s = beamc_instance(ctx);
    s->bundles++;
    s->elements = 0;
    return BEAMC_OK;
}

static beamc_status count_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    ((count_state *)beamc_instance(ctx))->elements++;
    return BEAMC_OK;
}

static beamc_status count_finish(beamc_ctx *ctx) {
    const count_state *s = beamc_instance(ctx);
    beamc_value pair = beamc_kv_of(ctx, beamc_value_i64(s->bundles), beamc_value_i64(s->elements));
    return beamc_emit_in(ctx, 0, BEAMC_TIME_GLOBAL_WINDOW_MAX, (beamc_window)BEAMC_GLOBAL_WINDOW,
                         pair);
}

static const beamc_dofn bundle_count = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:bundle_count:v1",
    .doc = "At the end of a bundle: (bundles that this instance has seen, elements in this one).",
    .instance_size = sizeof(count_state),
    .input = &beamc_bytes,
    .outputs = {{"out", &kv_i64_i64}},
    .start_bundle = count_start,
    .process = count_process,
    .finish_bundle = count_finish,
};

/* ------------------------------------------------------------------------- Pair, GroupSum */

static beamc_status pair_process(beamc_ctx *ctx, const beamc_elem *in) {
    if (in->bytes.len > 8) {
        BEAMC_TRY(beamc_emit(ctx, 1, *in));
    }
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, *in, beamc_value_i64((int64_t)in->bytes.len)));
}

static const beamc_dofn pair = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:pair:v1",
    .doc = "(bytes, length); those over 8 bytes also at the output long.",
    .input = &beamc_bytes,
    .outputs = {{"out", &kv_bytes_i64}, {"long", &beamc_bytes}},
    .process = pair_process,
};

/* Twice, since a state-backed iterable must survive being read again. */
static beamc_status group_sum_process(beamc_ctx *ctx, const beamc_elem *in) {
    int64_t sums[2] = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        beamc_iter it;
        beamc_value v;
        beamc_iterate(in->kv->value.iterable, &it);
        while (beamc_iter_next(&it, &v)) {
            sums[pass] += v.i64;
        }
        BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    }
    if (sums[0] != sums[1]) {
        return beamc_fail(ctx, INTERNAL, "two readings of one group differ");
    }
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(sums[0])));
}

static const beamc_dofn group_sum = {
    BEAMC_DOFN_ABI,           .urn = "beamc:test:group_sum:v1",    .doc = "Sums each group, twice.",
    .input = &kv_bytes_group, .outputs = {{"out", &kv_bytes_i64}}, .process = group_sum_process,
};

/* -------------------------------------------------------------------------------- RowStep */

typedef struct item {
    beamc_slice id;
    int64_t n;
    bool has_note;
    beamc_slice note;
} item;
static const beamc_field item_fields[] = {
    BEAMC_REQUIRED(item, id, STRING),
    BEAMC_REQUIRED(item, n, I64),
    BEAMC_OPTIONAL(item, note, STRING),
};
static const beamc_row item_row = BEAMC_ROW(item, item_fields);
static const beamc_coder item_coder = BEAMC_ROW_CODER(&item_row);

typedef struct row_config {
    int64_t step;
} row_config;
static const beamc_field row_config_fields[] = {
    BEAMC_CONFIG(row_config, step, I64, "1", "what is added to n"),
};
static const beamc_row row_config_row = BEAMC_ROW(row_config, row_config_fields);

static beamc_status make_row_process(beamc_ctx *ctx, const beamc_elem *in) {
    item *row = beamc_new(ctx, item);
    row->id = in->bytes;
    row->n = (int64_t)in->bytes.len;
    return beamc_emit(ctx, 0, beamc_value_row(row));
}

static const beamc_dofn make_row = {
    BEAMC_DOFN_ABI,        .urn = "beamc:test:make_row:v1",   .doc = "Bytes as a row.",
    .input = &beamc_bytes, .outputs = {{"out", &item_coder}}, .process = make_row_process,
};

static beamc_status row_step_process(beamc_ctx *ctx, const beamc_elem *in) {
    item *row = beamc_new(ctx, item);
    *row = *(const item *)in->row;
    row->n += ((const row_config *)beamc_config(ctx))->step;
    return beamc_emit(ctx, 0, beamc_value_row(row));
}

static const beamc_dofn row_step = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:row_step:v1",
    .doc = "Adds its config's step to the row's n.",
    .config = &row_config_row,
    .input = &item_coder,
    .outputs = {{"out", &item_coder}},
    .process = row_step_process,
};

/* -------------------------------------------------------------------------------- SideJoin */

static beamc_status side_sum(beamc_ctx *ctx, const beamc_iterable *values, int64_t *sum) {
    beamc_iter it;
    beamc_value v;
    beamc_iterate(values, &it);
    *sum = 0;
    while (beamc_iter_next(&it, &v)) {
        *sum += v.i64;
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

static beamc_status side_join_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *list, *matches;
    int64_t bytes = 0, sum;
    beamc_iter it;
    beamc_value v;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &list));
    for (beamc_iterate(list, &it); beamc_iter_next(&it, &v);) {
        bytes += (int64_t)v.bytes.len;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    BEAMC_TRY(beamc_side_lookup(ctx, 1, *in, &matches));
    BEAMC_TRY(side_sum(ctx, matches, &sum));
    return emit_bytes(ctx, beamc_format(ctx, "%.*s bytes=%lld sum=%lld", BEAMC_SLICE_ARG(in->bytes),
                                        (long long)bytes, (long long)sum));
}

static const beamc_dofn side_join = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:side_join:v1",
    .doc = "Joins with an iterable and a multimap side input.",
    .input = &beamc_bytes,
    .outputs = {{"out", &beamc_bytes}},
    .side_inputs = {"list", "map"},
    .process = side_join_process,
};

/* ---------------------------------------------------------------------------- Bag, Alarm */

enum { BAG, LAST };

/* Adds its value to the bag (0 clears it) and emits the sum of the bag. */
static beamc_status bag_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *values;
    int64_t sum;
    if (in->kv->value.i64 == 0) {
        BEAMC_TRY(beamc_state_clear(ctx, BAG));
    } else {
        BEAMC_TRY(beamc_state_add(ctx, BAG, in->kv->value));
    }
    BEAMC_TRY(beamc_state_write(ctx, LAST, in->kv->value));
    BEAMC_TRY(beamc_state_iterable(ctx, BAG, &values));
    BEAMC_TRY(side_sum(ctx, values, &sum));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(sum)));
}

static const beamc_dofn bag = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:bag:v1",
    .doc = "Sums what it remembers of a key.",
    .input = &kv_bytes_i64,
    .outputs = {{"out", &kv_bytes_i64}},
    .states = {{"bag", BEAMC_STATE_BAG, &beamc_varint, 0, 0},
               {"last", BEAMC_STATE_VALUE, &beamc_varint, 0, 0}},
    .process = bag_process,
};

enum { ALARM, TICK };

static beamc_status alarm_process(beamc_ctx *ctx, const beamc_elem *in) {
    BEAMC_TRY(beamc_timer_set(ctx, ALARM, in->kv->value.i64));
    return beamc_timer_set(ctx, TICK, in->kv->value.i64 + 1, .tag = BEAMC_STR("tag"));
}

static beamc_status alarm_on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    beamc_slice text = beamc_format(ctx, "%.*s/%u/%.*s", BEAMC_SLICE_ARG(beamc_key(ctx).bytes),
                                    timer->index, BEAMC_SLICE_ARG(timer->tag));
    return beamc_emit(ctx, 0,
                      beamc_kv_of(ctx, beamc_value_bytes(text), beamc_value_i64(timer->fire_at)));
}

static const beamc_dofn alarm_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:alarm:v1",
    .doc = "Sets a timer of each family for each element; a fired one becomes an element.",
    .input = &kv_bytes_i64,
    .outputs = {{"out", &kv_bytes_i64}},
    .timers = {{"alarm", BEAMC_EVENT_TIME}, {"tick", BEAMC_PROCESSING_TIME}},
    .process = alarm_process,
    .on_timer = alarm_on_timer,
};

/* ------------------------------------------------------------------------------ Finalize */

static void touch_callback(void *arg) {
    touch(arg);
}

static beamc_status finalize_process(beamc_ctx *ctx, const beamc_elem *in) {
    const char *path = argument_of(ctx, in->bytes, "");
    BEAMC_TRY(beamc_finalize(ctx, touch_callback, path, in->bytes.len + 1, 60000));
    return beamc_emit(ctx, 0, *in);
}

static const beamc_dofn finalize = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:finalize:v1",
    .doc = "Makes the file that its element names once the bundle is committed.",
    .input = &beamc_bytes,
    .outputs = {{"out", &beamc_bytes}},
    .requires_finalization = true,
    .process = finalize_process,
};

/* ------------------------------------------------------------------------------ the program */

static const char *chosen_set = "basic";

static void build_basic(beamc_pipeline *p) {
    beamc_pcoll in = beamc_impulse(p, "In");
    beamc_pcoll also = beamc_impulse(p, "Also");
    beamc_pcoll lines = beamc_flatten(p, "Flatten", (beamc_pcoll[]){in, also}, 2);
    beamc_pcoll echoed = beamc_pardo(lines, "Echo", &echo);
    (void)beamc_pardo(echoed, "BundleCount", &bundle_count);
    beamc_pcoll pairs = beamc_pardo(echoed, "Pair", &pair);
    (void)beamc_pardo(beamc_out(pairs, 1), "EchoLong", &echo);
    (void)beamc_combine_per_key(pairs, "Sum", &beamc_sum_i64);
    (void)beamc_pardo(beamc_group_by_key(pairs, "Group"), "GroupSum", &group_sum);
    beamc_pcoll minutes = beamc_window_into(pairs, "Minute", .fn = beamc_fixed(.size_ms = 60000));
    (void)beamc_combine_per_key(minutes, "SumByMinute", &beamc_sum_i64);
    beamc_pcoll rows = beamc_pardo(echoed, "MakeRow", &make_row);
    (void)beamc_pardo(rows, "RowStep", &row_step, .config = &(row_config){.step = 10});
}

static void build(beamc_pipeline *p, const beamc_options *options) {
    (void)options;
    beamc_pcoll in;
    if (strcmp(chosen_set, "side") == 0) {
        in = beamc_impulse(p, "In");
        beamc_pcoll list = beamc_pardo(beamc_impulse(p, "List"), "ListEcho", &echo);
        beamc_pcoll map = beamc_pardo(beamc_impulse(p, "Map"), "MapPair", &pair);
        (void)beamc_pardo(in, "SideJoin", &side_join, .side = {{list, false}, {map, true}});
    } else if (strcmp(chosen_set, "state") == 0) {
        in = beamc_pardo(beamc_impulse(p, "In"), "Pair", &pair);
        (void)beamc_pardo(in, "Bag", &bag);
    } else if (strcmp(chosen_set, "timers") == 0) {
        in = beamc_pardo(beamc_impulse(p, "In"), "Pair", &pair);
        (void)beamc_pardo(in, "Alarm", &alarm_fn);
    } else if (strcmp(chosen_set, "finalize") == 0) {
        (void)beamc_pardo(beamc_impulse(p, "In"), "Finalize", &finalize);
    } else {
        build_basic(p);
    }
}

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "protocol-dofns",
    .doc = "DoFns for the tests of the worker's protocol.",
    .build = build,
    .fns = BEAMC_FNS(&echo, &bundle_count, &pair, &group_sum, &make_row, &row_step, &side_join,
                     &bag, &alarm_fn, &finalize),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};

static int dump(const char *path) {
    beamc_error err = {0};
    beamc_buf out = {0};
    beamc_pipeline *p = beamc_pipeline_new();
    build(p, NULL);
    beamc_status status = beamc_pipeline_lower(p, NULL, &out, &err);
    if (status != BEAMC_OK) {
        (void)fprintf(stderr, "protocol_dofns: %s: %s\n", chosen_set, err.message);
    } else {
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(out.ptr, 1, out.len, f) != out.len || fclose(f) != 0) {
            perror(path);
            status = BEAMC_INTERNAL;
        }
    }
    beamc_buf_free(&out);
    beamc_pipeline_free(p);
    return status == BEAMC_OK ? 0 : 1;
}

int main(int argc, char **argv) {
    static const char flag[] = "--dump_pipeline=";
    if (argc == 3 && strncmp(argv[1], flag, sizeof flag - 1) == 0) {
        chosen_set = argv[2];
        return dump(argv[1] + sizeof flag - 1);
    }
    return beamc_main(&program, argc, argv);
}
