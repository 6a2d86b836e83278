/* keep.c: a pipeline with something of everything that a job which is continued must not lose: an unbounded
 * source, queued input, all kinds of state, timers of both kinds, groups in fixed windows and sessions, a
 * side input, stable input. What it counts does not depend on bundles or on the clock, so that a run with
 * interruptions must count the same as one without. */
#include <beamc/beamc.h>

enum { KEYS = 7, STEP = 400, WINDOW_MS = 20000 };

static const beamc_coder pair = BEAMC_KV(&beamc_varint, &beamc_varint);

static int64_t mix(int64_t a,
                   int64_t b) { /* order of additions does not matter, mixed-up values do */
    uint64_t x = (uint64_t)a * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)b;
    x = (x ^ (x >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (int64_t)((x ^ (x >> 29)) & 0xffffff);
}

static void count(beamc_ctx *ctx, const char *name, int64_t n) {
    beamc_counter_add(beamc_counter(ctx, "keep", name), n);
}

/* ---------------------------------------------------------------------------------- source */

typedef struct config {
    int64_t elements;
} config;
static const beamc_field config_fields[] = {BEAMC_CONFIG(config, elements, I64, "0", "How many.")};
static const beamc_row config_row = BEAMC_ROW(config, config_fields);

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)in;
    const config *c = beamc_config(ctx);
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, c->elements};
    return BEAMC_OK;
}

static beamc_status read(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *range = beamc_restriction(ctx);
    for (int64_t i = range->start; beamc_try_claim(ctx, i); i++) {
        beamc_time at = i - (i % 1000 == 999); /* no element at the very time of a timer */
        beamc_watermark_set(ctx, at);
        beamc_kv kv = {.key.i64 = i % KEYS, .value.i64 = i};
        BEAMC_TRY(beamc_emit_at(ctx, 0, at, (beamc_value){.kv = &kv}));
        if ((i + 1) % STEP == 0) {
            return beamc_defer(ctx, i % (10 * STEP) < STEP ? 3 : 0);
        }
    }
    return BEAMC_OK;
}

static const beamc_splittable endless = {.initial = initial, .unbounded = true};
static const beamc_dofn source = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:keep_source:v1",
    .doc = "Counts up, some at a time.",
    .config = &config_row,
    .input = &beamc_bytes,
    .outputs[0] = {"pairs", &pair},
    .splittable = &endless,
    .process = read,
};

/* ----------------------------------------------------------------------------------- state */

enum { SUM, BAG, MAP, SET, LIST, PENDING };
enum { BY_TAG, SOON };

static beamc_status add(beamc_ctx *ctx, const beamc_elem *in) {
    int64_t n = in->kv->value.i64;
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_add(ctx, SUM, beamc_value_i64(n)));
    BEAMC_TRY(beamc_state_add(ctx, BAG, beamc_value_i64(n)));
    BEAMC_TRY(beamc_state_get(ctx, MAP, beamc_value_i64(n % 11), &found, &v));
    BEAMC_TRY(beamc_state_put(ctx, MAP, beamc_value_i64(n % 11),
                              beamc_value_i64((found ? v.i64 : 0) + n)));
    BEAMC_TRY(beamc_state_add(ctx, SET, beamc_value_i64(n % 101)));
    if (n % 16 == 0) {
        BEAMC_TRY(beamc_state_add_at(ctx, LIST, beamc_timestamp(ctx), beamc_value_i64(n)));
    }
    BEAMC_TRY(beamc_state_read(ctx, PENDING, &found, &v));
    BEAMC_TRY(beamc_state_write(ctx, PENDING, beamc_value_i64((found ? v.i64 : 0) + 1)));
    beamc_slice tag = beamc_format(ctx, "%lld", (long long)(n / 1000));
    BEAMC_TRY(beamc_timer_set(ctx, BY_TAG, n / 1000 * 1000 + 999, .tag = tag));
    return beamc_timer_set(ctx, SOON, beamc_processing_time(ctx) + 7);
}

static beamc_status flush_pending(beamc_ctx *ctx) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, PENDING, &found, &v));
    count(ctx, "flushed", found ? v.i64 : 0);
    return beamc_state_clear(ctx, PENDING);
}

static beamc_status on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    if (timer->index == SOON) {
        return flush_pending(ctx);
    }
    beamc_kv kv = {.key = beamc_key(ctx), .value.i64 = timer->fire_at};
    count(ctx, "fired", mix(kv.key.i64, timer->fire_at));
    return beamc_emit(ctx, 0, (beamc_value){.kv = &kv});
}

static beamc_status sum_of(beamc_ctx *ctx, const beamc_iterable *values, const char *name) {
    int64_t sum = 0, n = 0;
    beamc_iter it;
    beamc_iterate(values, &it);
    for (beamc_value v; beamc_iter_next(&it, &v); n++) {
        sum += mix(v.i64, 1);
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    count(ctx, name, sum + n);
    return BEAMC_OK;
}

static beamc_status expire(beamc_ctx *ctx) {
    bool found;
    beamc_value v;
    const beamc_iterable *all;
    BEAMC_TRY(flush_pending(ctx));
    BEAMC_TRY(beamc_state_read(ctx, SUM, &found, &v));
    count(ctx, "sum", v.i64);
    BEAMC_TRY(beamc_state_iterable(ctx, BAG, &all));
    BEAMC_TRY(sum_of(ctx, all, "bag"));
    BEAMC_TRY(beamc_state_iterable(ctx, SET, &all));
    BEAMC_TRY(sum_of(ctx, all, "set"));
    for (int64_t k = 0; k < 11; k++) {
        BEAMC_TRY(beamc_state_get(ctx, MAP, beamc_value_i64(k), &found, &v));
        count(ctx, "map", found ? mix(k, v.i64) : 0);
    }
    BEAMC_TRY(beamc_state_range(ctx, LIST, BEAMC_TIME_MIN, BEAMC_TIME_MAX, &all));
    int64_t n = 0;
    beamc_iter it;
    beamc_iterate(all, &it);
    for (beamc_value at; beamc_iter_next(&it, &at); n++) {
        count(ctx, "list", mix(at.kv->key.i64, at.kv->value.i64));
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

static const beamc_dofn stateful = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:keep_state:v1",
    .doc = "All kinds of state, and timers.",
    .input = &pair,
    .outputs[0] = {"fired", &pair},
    .states[SUM] = {"sum", BEAMC_STATE_COMBINING, .combiner = &beamc_sum_i64},
    .states[BAG] = {"bag", BEAMC_STATE_BAG, .coder = &beamc_varint},
    .states[MAP] = {"map", BEAMC_STATE_MAP, .coder = &beamc_varint, .key_coder = &beamc_varint},
    .states[SET] = {"set", BEAMC_STATE_SET, .key_coder = &beamc_varint},
    .states[LIST] = {"list", BEAMC_STATE_ORDERED_LIST, .coder = &beamc_varint},
    .states[PENDING] = {"pending", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .timers[BY_TAG] = {"by_tag", BEAMC_EVENT_TIME},
    .timers[SOON] = {"soon", BEAMC_PROCESSING_TIME},
    .process = add,
    .on_timer = on_timer,
    .on_window_expiration = expire,
};

/* Every other element of a key finds what the one before left, and clears it: nothing of the key is left. */
static beamc_status toggle(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    if (!found) {
        return beamc_state_write(ctx, 0, in->kv->value);
    }
    count(ctx, "toggled", mix(v.i64, in->kv->value.i64));
    return beamc_state_clear(ctx, 0);
}

static const beamc_dofn toggling = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:keep_toggle:v1",
    .doc = "State that comes and goes.",
    .input = &pair,
    .states[0] = {"last", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .process = toggle,
};

/* ---------------------------------------------------------------------------------- groups */

static beamc_status look_up(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *found;
    BEAMC_TRY(beamc_side_lookup(ctx, 0, in->kv->key, &found));
    beamc_iter it;
    beamc_iterate(found, &it);
    for (beamc_value v; beamc_iter_next(&it, &v);) {
        count(ctx, "looked_up", mix(v.i64, in->kv->value.i64));
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    beamc_kv kv = {.key.i64 = in->kv->value.i64 / 3000 % 5, .value = in->kv->value};
    return beamc_emit(ctx, 0, (beamc_value){.kv = &kv});
}

static const beamc_dofn with_side = {
    BEAMC_DOFN_ABI,     .urn = "beamc:test:keep_side:v1", .doc = "Looks keys up in a side input.",
    .input = &pair,     .outputs[0] = {"pairs", &pair},   .side_inputs = {"names"},
    .process = look_up,
};

static const beamc_coder varints = BEAMC_ITERABLE(&beamc_varint);
static const beamc_coder grouped = BEAMC_KV(&beamc_varint, &varints);

static beamc_status count_group(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_window w = beamc_current_window(ctx);
    int64_t n = 0;
    beamc_iter it;
    beamc_iterate(in->kv->value.iterable, &it);
    for (beamc_value v; beamc_iter_next(&it, &v);) {
        n += mix(v.i64, w.end);
    }
    count(ctx, "grouped", n + mix(in->kv->key.i64, w.start));
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

/* Elements that end in 7, as a side input of their own windows. */
static beamc_status keep_some(beamc_ctx *ctx, const beamc_elem *in) {
    return in->kv->value.i64 % 10 == 7 ? beamc_emit(ctx, 0, *in) : BEAMC_OK;
}

static const beamc_dofn some = {
    BEAMC_DOFN_ABI, .urn = "beamc:test:keep_some:v1", .doc = "Every tenth.",
    .input = &pair, .outputs[0] = {"pairs", &pair},   .process = keep_some,
};

static beamc_status see(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *all;
    BEAMC_TRY(beamc_side_lookup(ctx, 0, in->kv->key, &all));
    int64_t n = 0;
    beamc_iter it;
    beamc_iterate(all, &it);
    for (beamc_value v; in->kv->value.i64 % 50 == 0 && beamc_iter_next(&it, &v);) {
        n += mix(v.i64, in->kv->value.i64);
    }
    count(ctx, "seen", n);
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

static const beamc_dofn seeing = {
    BEAMC_DOFN_ABI, .urn = "beamc:test:keep_seeing:v1", .doc = "Sees all of its window.",
    .input = &pair, .side_inputs = {"window"},          .observes_window = true,
    .process = see,
};

static const beamc_dofn count_groups = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:keep_groups:v1",
    .doc = "Counts groups and what is in them.",
    .input = &grouped,
    .observes_window = true,
    .process = count_group,
};

static beamc_status count_sum(beamc_ctx *ctx, const beamc_elem *in) {
    count(ctx, "stable", mix(in->kv->key.i64, in->kv->value.i64));
    return BEAMC_OK;
}

static const beamc_dofn stable = {
    BEAMC_DOFN_ABI, .urn = "beamc:test:keep_stable:v1", .doc = "Wants stable input.",
    .input = &pair, .requires_stable_input = true,      .process = count_sum,
};

static beamc_status look_at_nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static const beamc_dofn other_state = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:test:keep_state:v2",
    .doc = "Another function under the same label.",
    .input = &pair,
    .outputs[0] = {"fired", &pair},
    .process = look_at_nothing,
};

static beamc_pcoll names(beamc_pipeline *p) {
    static const beamc_kv kv[] = {{.key.i64 = 1, .value.i64 = 10},
                                  {.key.i64 = 1, .value.i64 = 11},
                                  {.key.i64 = 2, .value.i64 = 20}};
    const beamc_value values[] = {{.kv = &kv[0]}, {.kv = &kv[1]}, {.kv = &kv[2]}};
    return beamc_create(p, "Names", &pair, values, 3);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    config c = {beamc_option_int(o, "elements")};
    beamc_pcoll in = beamc_pardo(beamc_impulse(p, "Impulse"), "Read", &source, .config = &c);
    beamc_pcoll minutes = beamc_window_into(in, "Windows", .fn = beamc_fixed(.size_ms = WINDOW_MS));
    beamc_pcoll fired =
        beamc_pardo(minutes, "State", beamc_option_bool(o, "other") ? &other_state : &stateful);
    beamc_pardo(beamc_group_by_key(fired, "GroupFired"), "CountFired", &count_groups);
    beamc_pardo(beamc_combine_per_key(minutes, "Sum", &beamc_sum_i64), "Stable", &stable);
    beamc_pardo(in, "Toggle", &toggling);
    beamc_pcoll short_ones = beamc_window_into(in, "Short", .fn = beamc_fixed(.size_ms = 500));
    beamc_pardo(short_ones, "See", &seeing,
                .side[0] = {beamc_pardo(short_ones, "Some", &some), true});
    beamc_pcoll looked = beamc_pardo(in, "Side", &with_side, .side[0] = {names(p), true});
    beamc_pcoll sessions =
        beamc_window_into(looked, "Sessions", .fn = beamc_sessions(.gap_ms = 1000));
    beamc_pardo(beamc_group_by_key(sessions, "Group"), "CountSessions", &count_groups);
}

static const beamc_option options[] = {
    {.name = "other", .type = BEAMC_OPTION_BOOL, .doc = "Another pipeline."},
    {.name = "elements", .type = BEAMC_OPTION_INT, .default_text = "100000", .max = INT64_MAX},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "keep",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&source, &stateful, &toggling, &other_state, &with_side, &some, &seeing,
                     &count_groups, &stable),
};
BEAMC_EXPORT(program);
