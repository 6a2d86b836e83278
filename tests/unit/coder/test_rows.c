/* Rows: every field type through the row coder, schemas, copies and JSON; evolution; faults. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "coder/coder_impl.h"
#include "coder/from_proto.h"
#include "coder/schema.h"

static beamc_arena *arena;
static beamc_scratch scratch;

static void set_up(void) {
    arena = beamc_arena_new(0);
    beamc__scratch_init(&scratch, arena);
}

static void tear_down(void) {
    beamc__scratch_deinit(&scratch);
    beamc_arena_free(arena);
}

TestSuite(row, .init = set_up, .fini = tear_down);

typedef struct place {
    double lat;
    float height;
    beamc_slice note;
    bool has_note;
} place;
static const beamc_field place_fields[] = {
    BEAMC_REQUIRED(place, lat, DOUBLE),
    BEAMC_REQUIRED(place, height, FLOAT),
    BEAMC_OPTIONAL(place, note, STRING),
};
static const beamc_row place_row = BEAMC_ROW(place, place_fields);

typedef struct all {
    int8_t byte;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    bool flag;
    beamc_slice text;
    beamc_slice raw;
    beamc_time at;
    beamc_slice price;
    const place *where;
    beamc_array words;
    beamc_array maybes;
    beamc_map counts;
    beamc_map matrix;
    int64_t opt;
    bool has_opt;
    const place *other;
    bool has_other;
} all;
static const beamc_field word = {.name = "", .type = BEAMC_FIELD_STRING};
static const beamc_field maybe = {.name = "", .type = BEAMC_FIELD_I32, .nullable = true};
static const beamc_field number = {.name = "", .type = BEAMC_FIELD_I64};
static const beamc_field numbers = {.name = "", .type = BEAMC_FIELD_ARRAY, .element = &number};
#define CONTAINER(member, kind, ...)                                                               \
    { .name = #member, .type = BEAMC_FIELD_##kind, .offset = offsetof(all, member), __VA_ARGS__ }
static const beamc_field all_fields[] = {
    BEAMC_REQUIRED(all, byte, BYTE),
    BEAMC_REQUIRED(all, i16, I16),
    BEAMC_REQUIRED(all, i32, I32),
    BEAMC_REQUIRED(all, i64, I64),
    BEAMC_REQUIRED(all, flag, BOOL),
    BEAMC_REQUIRED(all, text, STRING),
    BEAMC_REQUIRED(all, raw, BYTES),
    BEAMC_REQUIRED(all, at, TIME),
    BEAMC_REQUIRED(all, price, DECIMAL),
    CONTAINER(where, ROW, .row = &place_row),
    CONTAINER(words, ARRAY, .element = &word),
    CONTAINER(maybes, ITERABLE, .element = &maybe),
    CONTAINER(counts, MAP, .key = &word, .element = &maybe),
    CONTAINER(matrix, MAP, .key = &number, .element = &numbers),
    BEAMC_OPTIONAL(all, opt, I64),
    CONTAINER(other, ROW, .row = &place_row, .nullable = true,
              .has_offset = offsetof(all, has_other)),
};
static const beamc_row all_row = BEAMC_ROW(all, all_fields);
static const beamc_coder all_coder = BEAMC_ROW_CODER(&all_row);

static const char all_json[] =
    "{\"byte\": -128, \"i16\": -32768, \"i32\": -2147483648, \"i64\": 9223372036854775807, "
    "\"flag\": true, \"text\": \"\xc3\xa9\\n\", \"raw\": \"AP8Q\", "
    "\"at\": \"1969-12-31T23:59:59.999Z\", \"price\": \"-0.05\", "
    "\"where\": {\"lat\": -0.1, \"height\": 3.1415}, \"words\": [\"a\", \"\"], "
    "\"maybes\": [1, null, -1], \"counts\": {\"x\": 7, \"y\": null}, "
    "\"matrix\": [{\"key\": 1, \"value\": [1, 2]}, {\"key\": 2, \"value\": []}], "
    "\"other\": {\"lat\": 1e+300, \"height\": 2.0, \"note\": \"here\"}}";

static const all *all_value(void) {
    all *v = beamc_arena_alloc(arena, sizeof *v);
    beamc_error err = {0};
    cr_assert_eq(beamc_row_from_json(&all_row, beamc_str(all_json), arena, v, &err), BEAMC_OK, "%s",
                 err.message);
    return v;
}

static void expect_json(const beamc_row *row, const void *value, const char *want) {
    beamc_buf out = {0};
    beamc_error err = {0};
    cr_assert_eq(beamc_row_to_json(row, value, &out, &err), BEAMC_OK, "%s", err.message);
    cr_assert(beamc_slice_eq(beamc_buf_slice(&out), beamc_str(want)), "%.*s",
              BEAMC_SLICE_ARG(beamc_buf_slice(&out)));
    beamc_buf_free(&out);
}

static beamc_slice encoded(const beamc_row *row, const void *value) {
    const beamc_coder c = BEAMC_ROW_CODER(row);
    beamc_buf buf = {0};
    beamc_error err = {0};
    beamc_value v = {.row = value};
    cr_assert_eq(beamc_encode(&c, &v, true, &buf, &err), BEAMC_OK, "%s", err.message);
    beamc_slice s = beamc_arena_copy(arena, beamc_buf_slice(&buf));
    beamc_buf_free(&buf);
    return s;
}

static const void *decoded(const beamc_row *row, beamc_slice bytes) {
    const beamc_coder c = BEAMC_ROW_CODER(row);
    beamc_error err = {0};
    beamc_value v;
    cr_assert_eq(beamc_decode(&c, &bytes, true, arena, &v, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(bytes.len, 0);
    return v.row;
}

Test(row, json_and_bytes_and_copies_of_every_type) {
    const all *v = all_value();
    cr_assert_eq(v->i16, INT16_MIN);
    cr_assert_eq(v->matrix.items[0].key.i64, 1);
    cr_assert_null(v->maybes.items[1].nullable);
    expect_json(&all_row, v, all_json);
    beamc_slice bytes = encoded(&all_row, v);
    expect_json(&all_row, decoded(&all_row, bytes), all_json);
    beamc_value copy, from = {.row = v};
    cr_assert_eq(beamc_value_copy(&all_coder, &from, arena, &copy, NULL), BEAMC_OK);
    expect_json(&all_row, copy.row, all_json);
    beamc_cursor in = beamc_cursor_of(bytes);
    cr_assert_eq(beamc__skip(&all_coder, &in, NULL), BEAMC_OK);
    cr_assert_eq(in.p, in.end);
}

Test(row, every_truncation_is_an_error) {
    beamc_slice bytes = encoded(&all_row, all_value());
    for (size_t n = 0; n < bytes.len; n++) {
        char *exact = malloc(n + 1);
        memcpy(exact, bytes.ptr, n);
        beamc_slice cut = {exact, n};
        beamc_value v;
        beamc_error err = {0};
        cr_assert_eq(beamc_decode(&all_coder, &cut, true, arena, &v, &err), BEAMC_INVALID_ARGUMENT);
        beamc_cursor in = {(const unsigned char *)exact, (const unsigned char *)exact + n};
        cr_assert_eq(beamc__skip(&all_coder, &in, &err), BEAMC_INVALID_ARGUMENT);
        free(exact);
    }
}

Test(row, schemas_carry_everything) {
    beamc_slice schema, again;
    const beamc_row *wire;
    beamc_error err = {0};
    cr_assert_eq(beamc__schema_from_row(&all_row, arena, &schema, &err), BEAMC_OK, "%s",
                 err.message);
    cr_assert_eq(beamc__schema_to_row(schema, arena, &wire, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc_row_fingerprint(wire), beamc_row_fingerprint(&all_row));
    cr_assert_eq(beamc__schema_from_row(wire, arena, &again, &err), BEAMC_OK);
    cr_assert(beamc_slice_eq(schema, again));
    beamc_slice bytes = encoded(&all_row, all_value());
    const void *foreign = decoded(wire, bytes);
    expect_json(wire, foreign, all_json);
    cr_assert(beamc_slice_eq(encoded(wire, foreign), bytes));
}

Test(row, fingerprints_tell_apart) {
    beamc_field fields[3];
    memcpy(fields, place_fields, sizeof fields);
    beamc_row other = place_row;
    other.fields = fields;
    uint64_t same = beamc_row_fingerprint(&place_row);
    cr_assert_eq(beamc_row_fingerprint(&other), same);
    fields[0].name = "lon";
    cr_assert_neq(beamc_row_fingerprint(&other), same);
    fields[0] = place_fields[0];
    fields[1].nullable = true;
    cr_assert_neq(beamc_row_fingerprint(&other), same);
    fields[1] = place_fields[1];
    other.field_count = 2;
    cr_assert_neq(beamc_row_fingerprint(&other), same);
}

/* -------------------------------------------------------------------------- other encodings */

Test(row, encoding_order_moves_fields_on_the_wire_only) {
    static const uint32_t order[] = {2, 0, 1};
    beamc_row moved = place_row;
    moved.encoding_order = order;
    place v = {.lat = 1, .height = 2, .note = beamc_str("n"), .has_note = true};
    beamc_slice bytes = encoded(&moved, &v);
    cr_assert(beamc_slice_eq(bytes, beamc_slice_of("\3\0\1n\x3f\xf0\0\0\0\0\0\0\x40\0\0\0", 16)));
    expect_json(&moved, decoded(&moved, bytes), "{\"lat\": 1.0, \"height\": 2.0, \"note\": \"n\"}");
    beamc_slice schema;
    const beamc_row *wire;
    cr_assert_eq(beamc__schema_from_row(&moved, arena, &schema, NULL), BEAMC_OK);
    cr_assert_eq(beamc__schema_to_row(schema, arena, &wire, NULL), BEAMC_OK);
    cr_assert(beamc_slice_eq(encoded(wire, decoded(wire, bytes)), bytes));
    const beamc_coder a = BEAMC_ROW_CODER(&moved), b = BEAMC_ROW_CODER(&place_row);
    cr_assert(!beamc_coder_equal(&a, &b));
}

Test(row, fewer_fields_are_null_or_zero) {
    const place *v = decoded(&place_row, (beamc_slice)BEAMC_STR("\1\0\x3f\xf0\0\0\0\0\0\0"));
    cr_assert_eq(v->lat, 1.0);
    cr_assert_eq(v->height, 0.0f);
    cr_assert(!v->has_note);
}

Test(row, more_fields_are_read_over_where_the_length_is_known) {
    static const char newer[] = "\4\0\x3f\xf0\0\0\0\0\0\0\x40\0\0\0\1n\5extra";
    static const beamc_coder place_coder = BEAMC_ROW_CODER(&place_row);
    beamc_slice in = beamc_slice_of(newer, sizeof newer - 1);
    beamc_value v;
    beamc_error err = {0};
    cr_assert_eq(beamc_decode(&place_coder, &in, true, arena, &v, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(err.message, "newer") != NULL, "%s", err.message);
    cr_assert_eq(beamc_decode(&place_coder, &in, false, arena, &v, &err), BEAMC_OK);
    cr_assert_eq(in.len, 0);
    cr_assert_eq(((const place *)v.row)->height, 2.0f);
}

Test(row, malformed_rows) {
    static const beamc_coder place_coder = BEAMC_ROW_CODER(&place_row);
    static const beamc_slice cases[] = {
        BEAMC_STR("\3\1\1\x40\0\0\0\1n"), /* lat is null */
        BEAMC_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0"),
        BEAMC_STR("\3\x7f\1"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_slice in = cases[i];
        beamc_value v;
        cr_assert_eq(beamc_decode(&place_coder, &in, true, arena, &v, NULL), BEAMC_INVALID_ARGUMENT,
                     "case %zu", i);
    }
    /* counts of containers: more than there are bytes, negative, in a map -1 */
    static const beamc_slice counts[] = {BEAMC_STR("\1\0\x7f\xff\xff\xff\1a"),
                                         BEAMC_STR("\1\0\xff\xff\xff\xfe"),
                                         BEAMC_STR("\1\0\xff\xff\xff\xff")};
    typedef struct list {
        beamc_array a;
    } list;
    static const beamc_field list_fields[] = {
        {.name = "a", .type = BEAMC_FIELD_ARRAY, .element = &word}};
    static const beamc_row list_row = BEAMC_ROW(list, list_fields);
    static const beamc_coder list_coder = BEAMC_ROW_CODER(&list_row);
    for (size_t i = 0; i < 3; i++) {
        beamc_slice in = counts[i];
        beamc_value v;
        cr_assert_eq(beamc_decode(&list_coder, &in, true, arena, &v, NULL), BEAMC_INVALID_ARGUMENT);
        beamc_cursor at = beamc_cursor_of(counts[i]);
        cr_assert_eq(beamc__skip(&list_coder, &at, NULL), BEAMC_INVALID_ARGUMENT);
    }
    /* groups, as an iterable of unknown length writes them */
    const list *v =
        decoded(&list_row, (beamc_slice)BEAMC_STR("\1\0\xff\xff\xff\xff\2\1a\1b\1\1c\0"));
    cr_assert_eq(v->a.count, 3);
    cr_assert(beamc_slice_eq(v->a.items[2].bytes, beamc_str("c")));
}

typedef struct chain {
    const struct chain *next;
    bool has_next;
} chain;
static const beamc_row chain_row;
static const beamc_field chain_fields[] = {{.name = "next",
                                            .type = BEAMC_FIELD_ROW,
                                            .nullable = true,
                                            .offset = offsetof(chain, next),
                                            .has_offset = offsetof(chain, has_next),
                                            .row = &chain_row}};
static const beamc_row chain_row = BEAMC_ROW(chain, chain_fields);

Test(row, rows_in_rows_have_a_limit) {
    static const beamc_coder chain_coder = BEAMC_ROW_CODER(&chain_row);
    for (size_t depth = 1; depth <= 200; depth++) {
        beamc_buf buf = {0};
        for (size_t i = 1; i < depth; i++) {
            beamc_buf_put(&buf, "\1\0", 2);
        }
        beamc_buf_put(&buf, "\1\1\1", 3);
        beamc_slice in = beamc_buf_slice(&buf);
        beamc_value v;
        beamc_error err = {0};
        beamc_status want = depth <= 64 ? BEAMC_OK : BEAMC_INVALID_ARGUMENT;
        cr_assert_eq(beamc_decode(&chain_coder, &in, true, arena, &v, &err), want, "%zu: %s", depth,
                     err.message);
        beamc_buf_free(&buf);
    }
    cr_assert_neq(beamc_row_fingerprint(&chain_row), 0);
    beamc_slice schema;
    cr_assert_neq(beamc__schema_from_row(&chain_row, arena, &schema, NULL), BEAMC_OK);
}

/* ---------------------------------------------------------------------------------------- JSON */

typedef struct settings {
    beamc_slice name;
    int32_t size;
    double rate;
    bool on;
    beamc_time since;
    int64_t limit;
    bool has_limit;
} settings;
static const beamc_field settings_fields[] = {
    BEAMC_CONFIG(settings, name, STRING, "a name", "What it is called."),
    BEAMC_CONFIG(settings, size, I32, "42", "How large."),
    BEAMC_CONFIG(settings, rate, DOUBLE, "0.5", "How fast."),
    BEAMC_CONFIG(settings, on, BOOL, "true", "Whether."),
    BEAMC_CONFIG(settings, since, TIME, "2026-01-01T00:00:00Z", "Since when."),
    BEAMC_OPTIONAL(settings, limit, I64),
};
static const beamc_row settings_row = BEAMC_ROW(settings, settings_fields);

Test(row, defaults) {
    settings s;
    cr_assert_eq(beamc_row_defaults(&settings_row, arena, &s, NULL), BEAMC_OK);
    expect_json(&settings_row, &s,
                "{\"name\": \"a name\", \"size\": 42, \"rate\": 0.5, \"on\": true, "
                "\"since\": \"2026-01-01T00:00:00Z\"}");
    cr_assert_eq(beamc_row_from_json(&settings_row,
                                     beamc_str("{\"size\": \"-7\", \"limit\": 1, \"rate\": 2}"),
                                     arena, &s, NULL),
                 BEAMC_OK);
    expect_json(&settings_row, &s,
                "{\"name\": \"a name\", \"size\": -7, \"rate\": 2.0, \"on\": true, "
                "\"since\": \"2026-01-01T00:00:00Z\", \"limit\": 1}");
}

Test(row, json_faults_name_the_field) {
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"[]", "must be an object, is an array"},
        {"{\"siez\": 1}", "\"siez\" is not a field of settings; did you mean \"size\"?"},
        {"{\"zzzzzz\": 1}", "which has: name, size, rate, on, since, limit"},
        {"{\"size\": 2147483648}", "field size: 2147483648 is not within int32"},
        {"{\"size\": 1.5}", "field size: must be an integer, is a number"},
        {"{\"size\": \"x\"}", "field size: must be an integer, is \"x\""},
        {"{\"size\": null}", "field size: must not be null"},
        {"{\"on\": 1}", "field on: must be true or false, is an integer"},
        {"{\"since\": \"yesterday\"}", "field since: must be a time"},
        {"{\"size\": 1, \"size\": 2}", "JSON, line 1"},
        {"{", "JSON, line 1"},
        {"", "JSON, line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        settings s;
        beamc_error err = {0};
        cr_assert_neq(beamc_row_from_json(&settings_row, beamc_str(cases[i].json), arena, &s, &err),
                      BEAMC_OK, "%s", cases[i].json);
        cr_assert(strstr(err.message, cases[i].says) != NULL, "%s says: %s", cases[i].json,
                  err.message);
    }
}

typedef struct one {
    double f;
    beamc_slice d;
} one;
static const beamc_field one_fields[] = {BEAMC_REQUIRED(one, f, DOUBLE),
                                         BEAMC_REQUIRED(one, d, DECIMAL)};
static const beamc_row one_row = BEAMC_ROW(one, one_fields);

Test(row, doubles_and_decimals_as_text) {
    static const struct {
        double f;
        const char *decimal, *json;
    } cases[] = {
        {0.1, "0", "{\"f\": 0.1, \"d\": \"0\"}"},
        {-0.0, "-1", "{\"f\": -0.0, \"d\": \"-1\"}"},
        {1.0 / 3, "127", "{\"f\": 0.3333333333333333, \"d\": \"127\"}"},
        {5e-324, "128", "{\"f\": 4.94065645841247e-324, \"d\": \"128\"}"},
        {1e23, "-128.00", "{\"f\": 1e+23, \"d\": \"-128.00\"}"},
        {0, "-129", "{\"f\": 0.0, \"d\": \"-129\"}"},
        {0, "0.000", "{\"f\": 0.0, \"d\": \"0.000\"}"},
        {0, "+3.1415", "{\"f\": 0.0, \"d\": \"3.1415\"}"},
        {0, "-100.123", "{\"f\": 0.0, \"d\": \"-100.123\"}"},
        {0, "123456789012345678901234567890.5",
         "{\"f\": 0.0, \"d\": \"123456789012345678901234567890.5\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"d\": \"%s\"}", cases[i].decimal);
        one v;
        beamc_error err = {0};
        cr_assert_eq(beamc_row_from_json(&one_row, beamc_str(json), arena, &v, &err), BEAMC_OK,
                     "%s", err.message);
        v.f = cases[i].f;
        expect_json(&one_row, &v, cases[i].json);
        expect_json(&one_row, decoded(&one_row, encoded(&one_row, &v)), cases[i].json);
    }
    one v = {.f = (double)NAN};
    expect_json(&one_row, &v, "{\"f\": \"NaN\", \"d\": \"0\"}");
    v.f = -(double)INFINITY;
    expect_json(&one_row, &v, "{\"f\": \"-Infinity\", \"d\": \"0\"}");
    static const char *const bad[] = {"", "-", ".", "1.", ".5", "1e5", "0x1", " 1", "1 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"d\": \"%s\"}", bad[i]);
        cr_assert_neq(beamc_row_from_json(&one_row, beamc_str(json), arena, &v, NULL), BEAMC_OK,
                      "%s", bad[i]);
    }
}

/* ------------------------------------------------------------------------- coders of the model */

typedef struct model {
    const char *id;
    const char *urn;
    beamc_slice payload;
    const char *components[3];
} model;

static bool find(void *arg, const char *id, beamc_coder_spec *out) {
    for (const model *m = arg; m->id != NULL; m++) {
        if (strcmp(m->id, id) == 0) {
            *out = (beamc_coder_spec){m->urn, m->payload, m->components, 0};
            while (out->component_count < 3 && m->components[out->component_count] != NULL) {
                out->component_count++;
            }
            return true;
        }
    }
    return false;
}

static beamc_status build(const model *models, const char *id, const beamc_coder **out,
                          beamc_error *err) {
    const beamc_coder_source source = {.find = find, .arg = (void *)(uintptr_t)models};
    return beamc__coder_set_get(beamc__coder_set_new(arena, &source), id, out, err);
}

Test(row, coders_from_the_model) {
    static const model models[] = {
        {"s", "beam:coder:string_utf8:v1", {0, 0}, {0}},
        {"i", "beam:coder:varint:v1", {0, 0}, {0}},
        {"kv", "beam:coder:kv:v1", {0, 0}, {"s", "i"}},
        {"w", "beam:coder:interval_window:v1", {0, 0}, {0}},
        {"wv", "beam:coder:windowed_value:v1", {0, 0}, {"kv", "w"}},
        {"cycle", "beam:coder:kv:v1", {0, 0}, {"s", "it"}},
        {"it", "beam:coder:iterable:v1", {0, 0}, {"cycle"}},
        {"lost", "beam:coder:iterable:v1", {0, 0}, {"nowhere"}},
        {"few", "beam:coder:kv:v1", {0, 0}, {"s"}},
        {"many", "beam:coder:kv:v1", {0, 0}, {"s", "s", "s"}},
        {"odd", "acme:coder:odd:v1", {0, 0}, {0}},
        {"bad", "beam:coder:row:v1", BEAMC_STR("\xff\xff"), {0}},
        {"param", "beam:coder:param_windowed_value:v1", BEAMC_STR("\x80"), {"i", "w"}},
        {0},
    };
    const beamc_coder *c;
    beamc_error err = {0};
    cr_assert_eq(build(models, "wv", &c, &err), BEAMC_OK, "%s", err.message);
    static const beamc_coder want = {
        BEAMC_CODER_WINDOWED_VALUE, {&beamc_kv_str_i64, &beamc_interval_window}, 0, 0};
    cr_assert(beamc_coder_equal(c, &want));
    static const struct {
        const char *id, *says;
    } bad[] = {
        {"cycle", "contains itself"},
        {"it", "contains itself"},
        {"lost", "\"nowhere\""},
        {"few", "1 components, needs 2"},
        {"many", "3 components, needs 2"},
        {"odd", "acme:coder:odd:v1"},
        {"bad", "coder \"bad\" (beam:coder:"},
        {"param", "coder \"param\""},
        {"absent", "missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err.message[0] = '\0';
        cr_assert_neq(build(models, bad[i].id, &c, &err), BEAMC_OK, "%s", bad[i].id);
        cr_assert(strstr(err.message, bad[i].says) != NULL, "%s: %s", bad[i].id, err.message);
    }
}

Test(row, deep_coders_have_a_limit) {
    enum { N = 100 };
    static model models[N + 2];
    static char ids[N + 1][16];
    for (int i = 0; i <= N; i++) {
        snprintf(ids[i], sizeof ids[i], "c%d", i);
        models[i] = (model){ids[i], "beam:coder:iterable:v1", {0, 0}, {0}};
        if (i < N) {
            models[i].components[0] = ids[i + 1];
        }
        snprintf(ids[i], sizeof ids[i], "c%d", i);
    }
    models[N].urn = "beam:coder:bytes:v1";
    const beamc_coder *c;
    beamc_error err = {0};
    cr_assert_eq(build(models, "c0", &c, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_eq(build(models, "c60", &c, &err), BEAMC_OK, "%s", err.message);
}

static const beamc_row *own_rows(void *arg, uint64_t fingerprint) {
    (void)arg;
    return fingerprint == beamc_row_fingerprint(&place_row) ? &place_row : NULL;
}

/* beam:coder:schema:v1: SchemaCoderPayload.schema (field 1) is the row's; what else it holds is another SDK's affair. */
Test(row, schema_coders_are_rows) {
    beamc_slice schema;
    cr_assert_eq(beamc__schema_from_row(&all_row, arena, &schema, NULL), BEAMC_OK);
    beamc_buf payload = {0};
    beamc_buf_put_u8(&payload, 1 << 3 | 2);
    beamc_put_prefixed(&payload, schema);
    const model models[] = {{"s", "beam:coder:schema:v1", beamc_buf_slice(&payload), {0}},
                            {"bad", "beam:coder:schema:v1", BEAMC_STR("\x0a\x7f"), {0}},
                            {0}};
    const beamc_coder *c;
    beamc_error err = {0};
    cr_assert_eq(build(models, "s", &c, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(c->kind, BEAMC_CODER_ROW);
    beamc_slice bytes = encoded(&all_row, all_value());
    const void *value = decoded(c->row, bytes);
    expect_json(c->row, value, all_json);
    cr_assert(beamc_slice_eq(encoded(c->row, value), bytes));
    cr_assert_neq(build(models, "bad", &c, &err), BEAMC_OK);
    beamc_buf_free(&payload);
}

Test(row, the_programs_own_struct_is_used_for_its_schema) {
    static const uint32_t order[] = {2, 0, 1};
    for (int moved = 0; moved < 2; moved++) {
        beamc_row sent = place_row;
        sent.encoding_order = moved ? order : NULL;
        beamc_slice schema;
        cr_assert_eq(beamc__schema_from_row(&sent, arena, &schema, NULL), BEAMC_OK);
        const model models[] = {{"r", "beam:coder:row:v1", schema, {0}}, {0}};
        const beamc_coder_source source = {find, (void *)(uintptr_t)models, own_rows, NULL};
        const beamc_coder *c;
        cr_assert_eq(beamc__coder_set_get(beamc__coder_set_new(arena, &source), "r", &c, NULL),
                     BEAMC_OK);
        cr_assert_eq(c->row->fields, place_fields);
        cr_assert_eq(c->row->size, sizeof(place));
        place v = {.lat = 1, .height = 2, .note = beamc_str("n"), .has_note = true};
        cr_assert(beamc_slice_eq(encoded(c->row, &v), encoded(&sent, &v)));
        beamc_coder_parts parts;
        cr_assert_eq(beamc__coder_to_model(c, arena, &parts, NULL), BEAMC_OK);
        cr_assert(beamc_slice_eq(parts.payload, schema));
    }
}
