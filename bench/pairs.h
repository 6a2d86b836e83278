/* pairs.h: a source of small pairs KV<varint, varint> for the benches, the same in each run.
 *
 * Pair i has the time i / pairs_per_ms. Its key is drawn from `keys` of them; with `session` set it is
 * one of the `keys` that are open at that time, each of which gets `session` pairs and never comes back.
 * Those that linger behind the last one have the keys of the first ones. */
#ifndef BEAMC_BENCH_PAIRS_H
#define BEAMC_BENCH_PAIRS_H

#include <beamc/beamc.h>

enum { PAIRS_PARTS = 64, PAIRS_CHUNK = 4096, PAIRS_BUNDLE_MS = 10, PAIRS_LINGER_MS = 20 };

typedef struct pairs_config {
    int64_t pairs;
    int64_t keys;
    int64_t session;
    int64_t pairs_per_ms;
    int64_t lag_ms;
    bool unbounded;
    bool linger;
} pairs_config;
static const beamc_field pairs_config_fields[] = {
    BEAMC_CONFIG(pairs_config, pairs, I64, "0", "How many."),
    BEAMC_CONFIG(pairs_config, keys, I64, "1", "Different keys, or open ones."),
    BEAMC_CONFIG(pairs_config, session, I64, "0", "Pairs of a key; 0: keys are drawn."),
    BEAMC_CONFIG(pairs_config, pairs_per_ms, I64, "1", "Event time."),
    BEAMC_CONFIG(pairs_config, lag_ms, I64, "0", "How far the watermark is behind."),
    BEAMC_CONFIG(pairs_config, unbounded, BOOL, "false", "An unbounded source."),
    BEAMC_CONFIG(pairs_config, linger, BOOL, "false", "Then one more now and then, for ever."),
};
static const beamc_row pairs_config_row = BEAMC_ROW(pairs_config, pairs_config_fields);

static const beamc_coder pairs_coder = BEAMC_KV(&beamc_varint, &beamc_varint);

static inline uint64_t pairs_mix(uint64_t x) { /* splitmix64 */
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline int64_t pairs_key(const pairs_config *c, int64_t i) {
    uint64_t at = (uint64_t)(i < c->pairs ? i : i - c->pairs), keys = (uint64_t)c->keys;
    if (c->session == 0) {
        return (int64_t)(pairs_mix(at) % keys);
    }
    return (int64_t)(at / (keys * (uint64_t)c->session) * keys + at % keys);
}

static beamc_status pairs_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)in;
    const pairs_config *c = beamc_config(ctx);
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, c->linger ? INT64_MAX : c->pairs};
    return BEAMC_OK;
}

static beamc_status pairs_split(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    const pairs_config *c = beamc_config(ctx);
    beamc_offset_range part = *(const beamc_offset_range *)restriction;
    int64_t stop = part.stop;
    int64_t step = c->unbounded ? INT64_MAX : (stop - part.start) / PAIRS_PARTS + 1;
    do {
        part.stop = stop - part.start > step ? part.start + step : stop;
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
        part.start = part.stop;
    } while (part.start < stop);
    return BEAMC_OK;
}

static double pairs_size(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)ctx;
    (void)in;
    const beamc_offset_range *range = restriction;
    return (double)(range->stop - range->start);
}

static beamc_status pairs_emit(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const pairs_config *c = beamc_config(ctx);
    const beamc_offset_range *range = beamc_restriction(ctx);
    beamc_time began = beamc_processing_time(ctx);
    for (int64_t i = range->start; beamc_try_claim(ctx, i); i++) {
        beamc_kv pair = {.key.i64 = pairs_key(c, i), .value.i64 = i};
        BEAMC_TRY(beamc_emit_at(ctx, 0, i / c->pairs_per_ms, (beamc_value){.kv = &pair}));
        if (i >= c->pairs) {
            return beamc_defer(ctx, PAIRS_LINGER_MS);
        }
        if (c->unbounded && (i + 1) % PAIRS_CHUNK == 0) {
            beamc_watermark_set(ctx, i / c->pairs_per_ms - c->lag_ms);
            if (beamc_processing_time(ctx) - began >= PAIRS_BUNDLE_MS) {
                return beamc_defer(ctx, 0);
            }
        }
    }
    return BEAMC_OK;
}

static const beamc_splittable pairs_of_end = {
    .initial = pairs_initial, .split = pairs_split, .size = pairs_size};
static const beamc_splittable pairs_without_end = {
    .initial = pairs_initial, .split = pairs_split, .size = pairs_size, .unbounded = true};

static const beamc_dofn pairs_bounded = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:pairs:v1",
    .doc = "Small pairs, as a bounded source.",
    .config = &pairs_config_row,
    .input = &beamc_bytes,
    .outputs[0] = {"pairs", &pairs_coder},
    .splittable = &pairs_of_end,
    .process = pairs_emit,
};

static const beamc_dofn pairs_unbounded = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:bench:pairs_unbounded:v1",
    .doc = "Small pairs, as an unbounded source.",
    .config = &pairs_config_row,
    .input = &beamc_bytes,
    .outputs[0] = {"pairs", &pairs_coder},
    .splittable = &pairs_without_end,
    .process = pairs_emit,
};

/* clang-format off */
#define PAIRS_INT(option, value, least, text)                                                      \
    {.name = option, .type = BEAMC_OPTION_INT, .default_text = value, .min = least,                \
     .max = INT64_MAX, .placeholder = "N", .doc = text}
#define PAIRS_FLAG(option, text)                                                                   \
    {.name = option, .type = BEAMC_OPTION_BOOL, .default_text = "false", .doc = text}
#define PAIRS_OPTIONS                                                                              \
    PAIRS_INT("pairs", "1000000", 1, "How many pairs."),                                           \
    PAIRS_INT("keys", "100000", 1, "Different keys."),                                             \
    PAIRS_INT("session_pairs", "0", 0, "Pairs of a key, which then never comes back; 0: drawn."),  \
    PAIRS_INT("pairs_per_ms", "100", 1, "Pairs for each millisecond of event time."),              \
    PAIRS_INT("lag_ms", "0", 0, "How far the watermark of an unbounded source is behind."),        \
    PAIRS_FLAG("unbounded", "Read them from an unbounded source."),                                \
    PAIRS_FLAG("linger", "Unbounded: then one more pair each 20 ms, for ever.")
/* clang-format on */

static inline beamc_pcoll pairs_read(beamc_pipeline *p, const beamc_options *o) {
    pairs_config c = {.pairs = beamc_option_int(o, "pairs"),
                      .keys = beamc_option_int(o, "keys"),
                      .session = beamc_option_int(o, "session_pairs"),
                      .pairs_per_ms = beamc_option_int(o, "pairs_per_ms"),
                      .lag_ms = beamc_option_int(o, "lag_ms"),
                      .unbounded = beamc_option_bool(o, "unbounded"),
                      .linger = beamc_option_bool(o, "linger")};
    return beamc_pardo(beamc_impulse(p, "Impulse"), "Pairs",
                       c.unbounded ? &pairs_unbounded : &pairs_bounded, .config = &c);
}

#endif
