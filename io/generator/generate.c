/* generate.c: the generator as a source: impulse -> the time it starts at -> a splittable DoFn over event
 * numbers. With a rate it emits what is due and asks to be called again; without one an unbounded source
 * gives its bundle back now and then, so that what is behind it gets on. */
#include "io/generator/events.h"

enum {
    PART_EVENTS = 20000, /* initial parts of a bounded source, at least */
    PARTS_MAX = 64,
    CHUNK_EVENTS = 256, /* between looks at the clock */
    BUNDLE_MS = 100,    /* an unbounded source without a rate */
    PAUSE_MS = 5        /* the shortest, with a rate */
};

/* When the source starts, by the clock. */
typedef struct start {
    beamc_time at;
} start;
static const beamc_field start_fields[] = {BEAMC_REQUIRED(start, at, TIME)};
static const beamc_row start_row = BEAMC_ROW(start, start_fields);
static const beamc_coder start_coder = BEAMC_ROW_CODER(&start_row);

static beamc_status emit_start(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    start *s = beamc_new(ctx, start);
    s->at = beamc_processing_time(ctx);
    return beamc_emit(ctx, 0, beamc_value_row(s));
}

const beamc_dofn beamc__generator_start = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:generator_start:v1",
    .doc = "The time at which the event generator starts.",
    .input = &beamc_bytes,
    .outputs[0] = {"start", &start_coder},
    .process = emit_start,
};

/* beamc_generate_options as they travel. */
typedef struct config {
    int64_t stream;
    int64_t events;
    int64_t rate;
    int64_t seed;
    int64_t products;
    int64_t seconds;
    int64_t out_of_order_ms;
    int64_t invalid_per_million;
    bool unbounded;
    bool event_time_now;
} config;
static const beamc_field config_fields[] = {
    BEAMC_CONFIG(config, stream, I64, "0", "0 clicks, 1 transactions, 2 stock."),
    BEAMC_CONFIG(config, events, I64, "0", "Events of all three streams together."),
    BEAMC_CONFIG(config, rate, I64, "0", "Events a second of all three; 0: no limit."),
    BEAMC_CONFIG(config, seed, I64, "0", "Equal seeds give equal events."),
    BEAMC_CONFIG(config, products, I64, "0", "Number of products."),
    BEAMC_CONFIG(config, seconds, I64, "0", "Event time that the events span."),
    BEAMC_CONFIG(config, out_of_order_ms, I64, "0", "How far an event may be from its place."),
    BEAMC_CONFIG(config, invalid_per_million, I64, "0", "Invalid events."),
    BEAMC_CONFIG(config, unbounded, BOOL, "false", "Never ends, unless events is set."),
    BEAMC_CONFIG(config, event_time_now, BOOL, "false", "Event times follow the clock."),
};
static const beamc_row config_row = BEAMC_ROW(config, config_fields);

static void generator_of(const beamc_ctx *ctx, const beamc_elem *in, beamc_generator *g) {
    const config *c = beamc_config(ctx);
    const start *s = in->row;
    beamc_generate_options o = {
        .struct_size = sizeof o,
        .stream = c->stream,
        .events = c->events,
        .rate = c->rate,
        .seed = (uint64_t)c->seed,
        .products = c->products,
        .seconds = c->seconds,
        .out_of_order_ms = c->out_of_order_ms,
        .invalid_per_million = c->invalid_per_million,
        .unbounded = c->unbounded,
        .event_time_now = c->event_time_now,
    };
    beamc__generator_init(g, &o, s->at);
}

typedef struct instance {
    beamc_buf text;
} instance;

/* Events [from, to), or up to what may be claimed. *more tells whether there may be more. */
static beamc_status emit_events(beamc_ctx *ctx, const beamc_generator *g, int64_t from, int64_t to,
                                bool *more) {
    instance *in = beamc_instance(ctx);
    for (int64_t i = from; i < to; i++) {
        *more = beamc_try_claim(ctx, i);
        if (!*more) {
            return BEAMC_OK;
        }
        beamc_buf_clear(&in->text);
        beamc__generator_event(g, i, &in->text);
        BEAMC_TRY(beamc_emit_at(ctx, 0, beamc__generator_place(g, i),
                                beamc_value_bytes(beamc_buf_slice(&in->text))));
    }
    return BEAMC_OK;
}

static beamc_status generate(beamc_ctx *ctx, const beamc_elem *elem) {
    const config *c = beamc_config(ctx);
    const start *s = elem->row;
    const beamc_offset_range *range = beamc_restriction(ctx);
    beamc_generator g;
    generator_of(ctx, elem, &g);
    beamc_time began = beamc_processing_time(ctx);
    bool more = true;
    for (int64_t i = range->start; more;) {
        beamc_time now = beamc_processing_time(ctx);
        int64_t due =
            c->rate > 0 ? beamc__generator_due(g.stream, c->rate, now - s->at) : INT64_MAX;
        int64_t to = due - i > CHUNK_EVENTS ? i + CHUNK_EVENTS : due;
        if (c->unbounded) {
            beamc_watermark_set(ctx, beamc__generator_place(&g, i) - g.out_of_order_ms);
        }
        if (to <= i && i < range->stop) {
            return beamc_defer(ctx, PAUSE_MS);
        }
        if (c->unbounded && now - began >= BUNDLE_MS && i < range->stop) {
            return beamc_defer(ctx, 0);
        }
        BEAMC_TRY(emit_events(ctx, &g, i, to, &more));
        i = to;
    }
    return BEAMC_OK;
}

static void teardown(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    beamc_buf_free(&in->text);
}

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    beamc_generator g;
    generator_of(ctx, in, &g);
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, g.count};
    return BEAMC_OK;
}

static beamc_status split(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    const config *c = beamc_config(ctx);
    beamc_offset_range part = *(const beamc_offset_range *)restriction;
    int64_t stop = part.stop;
    int64_t step = stop / PARTS_MAX > PART_EVENTS ? stop / PARTS_MAX : PART_EVENTS;
    if (c->unbounded || c->rate > 0) { /* in order, or the watermark could not move */
        step = INT64_MAX;
    }
    do {
        part.stop = stop - part.start > step ? part.start + step : stop;
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
        part.start = part.stop;
    } while (part.start < stop);
    return BEAMC_OK;
}

static double size_of(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    const config *c = beamc_config(ctx);
    const beamc_offset_range *range = restriction;
    if (c->rate > 0) { /* what is due now, or a little */
        const start *s = in->row;
        int64_t due =
            beamc__generator_due((int)c->stream, c->rate, beamc_processing_time(ctx) - s->at);
        int64_t stop = due < range->stop ? due : range->stop;
        return stop > range->start ? (double)(stop - range->start) : 1;
    }
    return range->stop == INT64_MAX ? 1e6 : (double)(range->stop - range->start);
}

static const beamc_splittable bounded = {.initial = initial, .split = split, .size = size_of};
static const beamc_splittable unbounded = {
    .initial = initial, .split = split, .size = size_of, .unbounded = true};

const beamc_dofn beamc__generate_bounded = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:generate_events:v1",
    .doc = "Made-up e-commerce events, a certain number of them.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &start_coder,
    .outputs[0] = {"events", &beamc_bytes},
    .splittable = &bounded,
    .process = generate,
    .teardown = teardown,
};

const beamc_dofn beamc__generate_unbounded = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:generate_events_unbounded:v1",
    .doc = "Made-up e-commerce events, as an unbounded source.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &start_coder,
    .outputs[0] = {"events", &beamc_bytes},
    .splittable = &unbounded,
    .process = generate,
    .teardown = teardown,
};

static void check(beamc_pipeline *pipeline, const char *label, const beamc_generate_options *o) {
    const struct {
        const char *name;
        int64_t value;
        int64_t min;
        int64_t max;
    } bounds[] = {
        {"stream", o->stream, 0, 2},
        {"events", o->events, 0, INT64_MAX},
        {"rate", o->rate, 0, 1000000000},
        {"products", o->products, 0, BEAMC_GENERATOR_MAX_PRODUCTS},
        {"seconds", o->seconds, 0, 3650 * INT64_C(86400)},
        {"out_of_order_ms", o->out_of_order_ms, -1, 86400000},
        {"invalid_per_million", o->invalid_per_million, -1, 1000000},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (bounds[i].value < bounds[i].min || bounds[i].value > bounds[i].max) {
            beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                                "%s: %s is %lld, but must be %lld to %lld", label, bounds[i].name,
                                (long long)bounds[i].value, (long long)bounds[i].min,
                                (long long)bounds[i].max);
        }
    }
}

beamc_pcoll beamc_generate_events_with(beamc_pipeline *pipeline, const char *label,
                                       beamc_generate_options options) {
    check(pipeline, label, &options);
    config c = {
        .stream = options.stream,
        .events = options.events,
        .rate = options.rate,
        .seed = (int64_t)options.seed,
        .products = options.products,
        .seconds = options.seconds,
        .out_of_order_ms = options.out_of_order_ms,
        .invalid_per_million = options.invalid_per_million,
        .unbounded = options.unbounded,
        .event_time_now = options.event_time_now,
    };
    beamc_composite_begin(pipeline, label);
    beamc_pcoll impulse = beamc_impulse(pipeline, "Impulse");
    beamc_pcoll begin = beamc_pardo(impulse, "Start", &beamc__generator_start);
    beamc_pcoll events = beamc_pardo(
        begin, "Events", options.unbounded ? &beamc__generate_unbounded : &beamc__generate_bounded,
        .config = &c);
    beamc_composite_end(pipeline);
    return events;
}
