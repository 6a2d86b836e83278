/* events.c: see the header. An event is drafted field by field as JSON text; then most of the kinds of
 * invalid ones are a change of one field or of the whole text. */
#include "io/generator/events.h"

#include <stdio.h>

enum {
    PRODUCTS = 2000,
    STORES = 50,
    WAREHOUSES = 20,
    USERS = 500000,
    SECONDS = 3600,
    OUT_OF_ORDER_MS = 30000,
    INVALID_PER_MILLION = 20000,
    ENDLESS_RATE =
        10000, /* event time goes by so when neither a rate nor a number of events is given */
    FIELD_MAX = 160
};

#define BASE_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static const unsigned shares[] = {7, 2, 1}; /* of ten events */

/* ------------------------------------------------------------------------------ random numbers */

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t draw(uint64_t *state) {
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

/* 0 .. n-1. */
static uint32_t draw_below(uint64_t *state, uint32_t n) {
    return (uint32_t)((draw(state) >> 32) * n >> 32);
}

/* ------------------------------------------------------------------------------------- options */

int64_t beamc_generate_count(int64_t stream, int64_t events) {
    int64_t tens = events / 10;
    int64_t rest = events % 10;
    int64_t clicks = tens * shares[0] + rest * shares[0] / 10;
    int64_t transactions = tens * shares[1] + rest * shares[1] / 10;
    return stream == 0 ? clicks : stream == 1 ? transactions : events - clicks - transactions;
}

void beamc__generator_init(beamc_generator *g, const beamc_generate_options *o, int64_t start_ms) {
    bool endless = o->unbounded && o->events == 0;
    g->stream = o->stream < 0 || o->stream > 2 ? 0 : (int)o->stream;
    g->count = endless ? INT64_MAX : beamc_generate_count(g->stream, o->events);
    g->is_steady = endless || o->event_time_now;
    g->base_ms = o->event_time_now ? start_ms : BASE_MS;
    g->span_ms = (o->seconds > 0 ? o->seconds : SECONDS) * 1000;
    g->rate_x10 = (uint64_t)(o->rate > 0 ? o->rate : ENDLESS_RATE) * shares[g->stream];
    g->out_of_order_ms = o->out_of_order_ms < 0    ? 0
                         : o->out_of_order_ms == 0 ? OUT_OF_ORDER_MS
                                                   : o->out_of_order_ms;
    g->invalid_per_million = o->invalid_per_million < 0    ? 0
                             : o->invalid_per_million == 0 ? INVALID_PER_MILLION
                                                           : (uint64_t)o->invalid_per_million;
    int64_t products = o->products > 0 ? o->products : PRODUCTS;
    products = products > BEAMC_GENERATOR_MAX_PRODUCTS ? BEAMC_GENERATOR_MAX_PRODUCTS : products;
    g->products = beamc__zipf_of((uint32_t)products);
    g->key = mix(mix(o->seed + 1) + (uint64_t)g->stream);
}

/* How busy each twelfth of the span is, of 1024. */
static const uint16_t busy[12] = {62, 70, 78, 85, 104, 122, 131, 112, 87, 70, 55, 48};

/* The share of the span, of 2^32, that has gone by when the share @p done of the events has come. */
static uint64_t busy_time(uint64_t done) {
    unsigned twelfth = 0;
    uint64_t begin = 0;
    while (twelfth < 11 && done >= begin + ((uint64_t)busy[twelfth] << 22)) {
        begin += (uint64_t)busy[twelfth++] << 22;
    }
    uint64_t within = ((done - begin) << 10) / busy[twelfth];
    return (((uint64_t)twelfth << 32) + within) / 12;
}

beamc_time beamc__generator_place(const beamc_generator *g, int64_t index) {
    if (g->is_steady) {
        return g->base_ms + (int64_t)((unsigned __int128)index * 10000 / g->rate_x10);
    }
    if (index >= g->count) {
        return g->base_ms + g->span_ms;
    }
    uint64_t done = (uint64_t)index >> 31 == 0
                        ? ((uint64_t)index << 32) / (uint64_t)g->count
                        : (uint64_t)(((unsigned __int128)index << 32) / (uint64_t)g->count);
    return g->base_ms + (int64_t)((unsigned __int128)g->span_ms * busy_time(done) >> 32);
}

int64_t beamc__generator_due(int stream, int64_t rate, int64_t elapsed_ms) {
    unsigned __int128 rate_x10 = (unsigned __int128)rate * shares[stream];
    return elapsed_ms < 0 ? 0 : (int64_t)((unsigned __int128)elapsed_ms * rate_x10 / 10000) + 1;
}

/* --------------------------------------------------------------------------------------- text */

static char *put(char *to, const char *text, size_t len) {
    memcpy(to, text, len);
    return to + len;
}
#define PUT(to, literal) ((to) = put((to), (literal), sizeof(literal) - 1))

/* At least @p width digits. */
static char *put_digits(char *to, uint64_t n, int width) {
    char digits[20];
    int len = 0;
    for (; n > 0 || len < width; n /= 10) {
        digits[len++] = (char)('0' + n % 10);
    }
    while (len > 0) {
        *to++ = digits[--len];
    }
    return to;
}

static char *put_int(char *to, int64_t n) {
    if (n < 0) {
        *to++ = '-';
        return put_digits(to, (uint64_t)-n, 1);
    }
    return put_digits(to, (uint64_t)n, 1);
}

static char *put_two(char *to, unsigned n) {
    to[0] = (char)('0' + n / 10);
    to[1] = (char)('0' + n % 10);
    return to + 2;
}

/* "2026-01-01T00:00" of a time; the separator as given. (Days to dates as in the civil calendar, with
 * years that begin in March.) */
static char *put_minute(char *to, int64_t ms, char separator) {
    int64_t minutes = ms / 60000;
    int64_t days = minutes / 1440 + 719468;
    int64_t era = days / 146097;
    unsigned day = (unsigned)(days - era * 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned in_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;
    unsigned in_month = in_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    unsigned in_day = (unsigned)(minutes % 1440);
    to = put_digits(to, (uint64_t)((int64_t)year + era * 400 + (month <= 2)), 4);
    *to++ = '-';
    to = put_two(to, month);
    *to++ = '-';
    to = put_two(to, in_month);
    *to++ = separator;
    to = put_two(to, in_day / 60);
    *to++ = ':';
    return put_two(to, in_day % 60);
}

static char *put_second(char *to, int64_t ms, char separator) {
    to = put_minute(to, ms, separator);
    *to++ = ':';
    return put_two(to, (unsigned)(ms / 1000 % 60));
}

static char *put_milli(char *to, int64_t ms, char separator) {
    to = put_second(to, ms, separator);
    *to++ = '.';
    return put_digits(to, (uint64_t)(ms % 1000), 3);
}

/* An event time, quoted, in one of the ways that the contract accepts. What a coarser way cuts off must
 * not bring it before @p earliest. */
static char *put_time(char *to, int64_t ms, int64_t earliest, uint32_t way) {
    *to++ = '"';
    if (way < 600 || (way < 860 && ms - ms % 1000 < earliest)) {
        to = put_milli(to, ms, 'T');
        PUT(to, "Z");
    } else if (way < 800) {
        to = put_second(to, ms, 'T');
        PUT(to, "Z");
    } else if (way < 830 && ms - ms % 60000 >= earliest) {
        to = put_minute(to, ms, 'T');
    } else if (way < 860) {
        to = put_second(to, ms, ' ');
    } else if (way < 910) {
        to = put_milli(to, ms, 'T');
        PUT(to, "123+00:00");
    } else if (way < 940) {
        to = put_milli(to, ms + 7200000, 'T');
        PUT(to, "+02:00");
    } else if (way < 970) {
        to = put_milli(to, ms - 12600000, 'T');
        PUT(to, "-03:30");
    } else if (way < 985) {
        to = put_milli(to, ms, 't');
        PUT(to, "z");
    } else {
        to = put_milli(to, ms, ' ');
        PUT(to, "456789");
    }
    *to++ = '"';
    return to;
}

/* ------------------------------------------------------------------------------------- drafts */

enum { TIME, PRODUCT, SECOND, NUMBER, FIELDS };

/* The fields that the contract asks for, as JSON text; len 0: left out. */
typedef struct draft {
    char text[FIELDS][FIELD_MAX];
    size_t len[FIELDS];
} draft;

static void set_field(draft *d, int field, const char *json) {
    d->len[field] = strlen(json);
    memcpy(d->text[field], json, d->len[field]);
}

static void end_field(draft *d, int field, char *end) {
    d->len[field] = (size_t)(end - d->text[field]);
}

static void draft_product(draft *d, const beamc_generator *g, uint64_t *state, uint32_t oddity) {
    uint32_t product = beamc__zipf_draw(g->products, draw(state));
    char *to = d->text[PRODUCT];
    if (oddity < 5 && product < 10) { /* a number for an id, or one with letters of its own */
        to = put_digits(to, product, 1);
    } else if (oddity < 10 && product < 10) {
        PUT(to, "\"caf\\u00e9-\xe2\x98\x95-");
        to = put_digits(to, product, 1);
        PUT(to, "\"");
    } else {
        PUT(to, "\"P");
        to = put_digits(to, product + 1, 5);
        PUT(to, "\"");
    }
    end_field(d, PRODUCT, to);
}

/* qty: 1 to 5; delta: -20 to 20; now and then written in another way that the contract accepts. */
static void draft_number(draft *d, const beamc_generator *g, uint64_t *state) {
    int64_t n =
        g->stream == 1 ? 1 + (int64_t)draw_below(state, 5) : (int64_t)draw_below(state, 41) - 20;
    uint32_t way = draw_below(state, 1000);
    char *to = d->text[NUMBER];
    if (way >= 30) {
        to = put_int(to, n);
    } else if (way < 20) {
        PUT(to, "\"");
        to = put_int(to, n);
        PUT(to, "\"");
    } else if (way < 23) {
        PUT(to, "\" ");
        to = put_int(to, n);
        PUT(to, " \"");
    } else if (way < 26) {
        to = put_int(to, n);
        PUT(to, ".0");
    } else if (way < 28) {
        to = put_int(to, n);
        PUT(to, "e0");
    } else {
        *to++ = '"';
        *to++ = n < 0 ? '-' : '+';
        to = put_digits(to, (uint64_t)(n < 0 ? -n : n), 3);
        *to++ = '"';
    }
    end_field(d, NUMBER, to);
}

static void draft_event(draft *d, const beamc_generator *g, int64_t index, uint64_t *state) {
    uint64_t random = draw(state);
    uint32_t how_late = (uint32_t)(random & 127); /* most are a little late, few very late */
    int64_t most = how_late < 108   ? g->out_of_order_ms / 16
                   : how_late < 124 ? g->out_of_order_ms / 2
                                    : g->out_of_order_ms;
    int64_t place = beamc__generator_place(g, index);
    int64_t late = (int64_t)((unsigned __int128)(uint64_t)(most + 1) * (random >> 32) >> 32);
    int64_t earliest = place - g->out_of_order_ms;
    earliest = earliest < g->base_ms ? g->base_ms : earliest;
    int64_t ms = place - late < earliest ? earliest : place - late;
    uint32_t way = (uint32_t)((random >> 8 & 0xfffff) * 1000 >> 20);
    end_field(d, TIME, put_time(d->text[TIME], ms, earliest, way));
    draft_product(d, g, state, way);
    d->len[SECOND] = d->len[NUMBER] = 0;
    if (g->stream != 0) {
        char *to = d->text[SECOND];
        to = put(to, g->stream == 1 ? "\"S" : "\"W", 2);
        to = put_digits(to, draw_below(state, g->stream == 1 ? STORES : WAREHOUSES) + 1, 2);
        PUT(to, "\"");
        end_field(d, SECOND, to);
        draft_number(d, g, state);
    }
}

static char *put_member(char *to, const char *name, size_t name_len, const draft *d, int field) {
    if (d->len[field] == 0) {
        return to;
    }
    to = put(to, name, name_len);
    return put(to, d->text[field], d->len[field]);
}
#define PUT_MEMBER(to, name, d, field)                                                             \
    ((to) = put_member((to), ", \"" name "\": ", sizeof(", \"" name "\": ") - 1, (d), (field)))

enum { OBJECT_MAX = 256 + FIELDS * FIELD_MAX };

/* The whole object, at most OBJECT_MAX bytes. */
static char *put_object(char *to, const draft *d, int stream, int64_t index, uint64_t *state) {
    uint64_t user = draw_below(state, USERS);
    PUT(to, "{\"event_id\": \"");
    *to++ = "ctk"[stream];
    to = put_digits(to, (uint64_t)index, 9);
    PUT(to, "\"");
    PUT_MEMBER(to, "event_time", d, TIME);
    PUT_MEMBER(to, "product_id", d, PRODUCT);
    if (stream == 1) {
        PUT_MEMBER(to, "store_id", d, SECOND);
        PUT_MEMBER(to, "qty", d, NUMBER);
    } else if (stream == 2) {
        PUT_MEMBER(to, "warehouse_id", d, SECOND);
        PUT_MEMBER(to, "delta", d, NUMBER);
        PUT(to, "}");
        return to;
    }
    PUT(to, ", \"user_id\": \"u");
    to = put_digits(to, user, 6);
    PUT(to, "\"");
    if (stream == 0) {
        PUT(to, ", \"page\": \"/product/");
        to = put_digits(to, user % 997, 3);
        PUT(to, "\"");
    }
    PUT(to, "}");
    return to;
}

/* ------------------------------------------------------------------------------ invalid events */

static const char *const bad_times[] = {"\"not-a-time\"",
                                        "\"2026-02-30T10:00:00Z\"",
                                        "\"2026-13-01T00:00:00Z\"",
                                        "\"2026-01-01T24:00:00Z\"",
                                        "\"2026-01-01T10:61:00Z\"",
                                        "\"2026-01-01T10:00:60Z\"",
                                        "\"01/02/2026 10:00\"",
                                        "\"2026-01-01T10:00:00+25:00\"",
                                        "1767225600",
                                        "true",
                                        "\"2026-01-01T10:00:00.Z\"",
                                        "\"2026-1-1T10:00:00Z\""};
static const char *const bad_numbers[] = {"\"seven\"", "2.7",     "true",
                                          "\"1.0\"",   "\"1_0\"", "[1]",
                                          "1e300",     "\" \"",   "9223372036854775808"};
static const char *const bad_ids[] = {"true",         "42.0", "1e2",
                                      "[\"P00001\"]", "{}",   "9223372036854775808"};
static const char *const bad_texts[] = {"[\"P00001\"]",
                                        "\"click\"",
                                        "42",
                                        "null",
                                        "hello world",
                                        "<html></html>",
                                        "{}",
                                        "{'a': 1}",
                                        "{\"event_time\": NaN}",
                                        "{\"a\": 1,}",
                                        "{\"a\": \"\\ud800\"}",
                                        "// {}",
                                        "{\"a\": 01}"};
#define PICK(list, state) ((list)[draw_below((state), sizeof(list) / sizeof((list)[0]))])

enum { BAD_FIELD_KINDS = 6 };

/* One of the required fields of a stream. */
static int pick_field(int stream, uint64_t *state) {
    return (int)draw_below(state, stream == 0 ? 2 : FIELDS);
}

/* A fault in one field of the draft. */
static void spoil_field(draft *d, int stream, uint32_t kind, uint64_t *state) {
    int field = pick_field(stream, state);
    if (kind == 0) {
        d->len[field] = 0; /* missing */
    } else if (kind == 1) {
        set_field(d, field, "null");
    } else if (kind == 2) {
        set_field(d, field, "\"\"");
    } else if (kind == 3) {
        set_field(d, TIME, PICK(bad_times, state));
    } else if (kind == 4 && stream != 0) {
        set_field(d, NUMBER, PICK(bad_numbers, state));
    } else {
        set_field(d, field == SECOND ? SECOND : PRODUCT, PICK(bad_ids, state));
    }
}

/* A fault in the text as a whole: @p text has room for OBJECT_MAX bytes more. */
static char *spoil_text(char *text, char *end, uint32_t kind, uint64_t *state) {
    size_t len = (size_t)(end - text);
    switch (kind) {
    case 0:
    case 1:
        return text + 1 + draw_below(state, (uint32_t)len - 1); /* truncated */
    case 2:
        memset(text + len / 2, 0xff, 1); /* ill-formed UTF-8 */
        return end;
    case 3:
        memmove(text + 3, text, len); /* byte order mark */
        memcpy(text, "\xef\xbb\xbf", 3);
        return end + 3;
    case 4:
        PUT(end, " {\"a\": 1}"); /* a second value */
        return end;
    case 5:
        end[-1] = ',';
        PUT(end, " }"); /* trailing comma */
        return end;
    default: {
        const char *bad = PICK(bad_texts, state);
        return put(text, bad, strlen(bad));
    }
    }
}

void beamc__generator_event(const beamc_generator *g, int64_t index, beamc_buf *out) {
    uint64_t state = mix(g->key + (uint64_t)index * UINT64_C(0xd1342543de82ef95));
    draft d;
    draft_event(&d, g, index, &state);
    bool is_invalid = draw_below(&state, 1000000) < g->invalid_per_million;
    uint32_t kind = is_invalid ? draw_below(&state, BAD_FIELD_KINDS + 8) : 0;
    if (__builtin_expect(is_invalid, 0) && kind < BAD_FIELD_KINDS) {
        spoil_field(&d, g->stream, kind, &state);
    }
    char *text = (char *)beamc_buf_room(out, 2 * OBJECT_MAX);
    char *end = put_object(text, &d, g->stream, index, &state);
    if (__builtin_expect(is_invalid, 0) && kind >= BAD_FIELD_KINDS) {
        end = spoil_text(text, end, kind - BAD_FIELD_KINDS, &state);
    }
    out->len += (size_t)(end - text);
}

void beamc_generate_event(const beamc_generate_options *options, int64_t index, beamc_buf *out) {
    beamc_generator g;
    beamc__generator_init(&g, options, BASE_MS);
    beamc__generator_event(&g, index, out);
}
