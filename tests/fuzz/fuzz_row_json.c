/* fuzz_row_json.c: rows from arbitrary JSON. What is accepted is written as JSON that reads back to
 * the same JSON and to the same bytes; times and decimals come back from their text. */
#include "base/time_text.h"
#include "coder/decimal.h"

#include "fuzz_coder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct inner {
    beamc_slice name;
    float f;
} inner;
static const beamc_field inner_fields[] = {
    BEAMC_CONFIG(inner, name, STRING, "none", ""),
    BEAMC_CONFIG(inner, f, FLOAT, "1.5", ""),
};
static const beamc_row inner_row = BEAMC_ROW(inner, inner_fields);

typedef struct outer {
    int8_t b;
    int64_t n;
    double x;
    bool t;
    beamc_slice s, raw, d;
    beamc_time at;
    const inner *in;
    beamc_array list;
    beamc_map map, pairs;
    int32_t o;
    bool has_o;
} outer;
static const beamc_field text_field = {.name = "", .type = BEAMC_FIELD_STRING};
static const beamc_field int_field = {.name = "", .type = BEAMC_FIELD_I16, .nullable = true};
static const beamc_field outer_fields[] = {
    BEAMC_REQUIRED(outer, b, BYTE),
    BEAMC_REQUIRED(outer, n, I64),
    BEAMC_REQUIRED(outer, x, DOUBLE),
    BEAMC_REQUIRED(outer, t, BOOL),
    BEAMC_REQUIRED(outer, s, STRING),
    BEAMC_REQUIRED(outer, raw, BYTES),
    BEAMC_REQUIRED(outer, d, DECIMAL),
    BEAMC_REQUIRED(outer, at, TIME),
    {.name = "in", .type = BEAMC_FIELD_ROW, .offset = offsetof(outer, in), .row = &inner_row},
    {.name = "list",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(outer, list),
     .element = &int_field},
    {.name = "map",
     .type = BEAMC_FIELD_MAP,
     .offset = offsetof(outer, map),
     .key = &text_field,
     .element = &int_field},
    {.name = "pairs",
     .type = BEAMC_FIELD_MAP,
     .offset = offsetof(outer, pairs),
     .key = &int_field,
     .element = &text_field},
    BEAMC_OPTIONAL(outer, o, I32),
};
static const beamc_row outer_row = BEAMC_ROW(outer, outer_fields);

static void check_row(beamc_slice text, beamc_arena *arena) {
    outer v, w;
    beamc_buf first = {0}, second = {0};
    beamc_error err = {0};
    if (beamc_row_from_json(&outer_row, text, arena, &v, &err) != BEAMC_OK) {
        require(err.message[0] != '\0');
        return;
    }
    require(beamc_row_to_json(&outer_row, &v, &first, &err) == BEAMC_OK);
    require(beamc_row_from_json(&outer_row, beamc_buf_slice(&first), arena, &w, &err) == BEAMC_OK);
    require(beamc_row_to_json(&outer_row, &w, &second, &err) == BEAMC_OK);
    require(beamc_slice_eq(beamc_buf_slice(&first), beamc_buf_slice(&second)));
    beamc_buf_free(&first);
    beamc_buf_free(&second);
}

static void check_texts(beamc_slice text) {
    beamc_time t, again;
    char out[BEAMC_TIME_TEXT_MAX];
    if (beamc__time_parse_utc(text, &t)) {
        size_t len = beamc__time_format_utc(t, out);
        require(len > 0 && beamc__time_parse_utc(beamc_slice_of(out, len), &again) && again == t);
    }
    beamc_buf encoded = {0}, back = {0}, encoded_again = {0};
    if (beamc__decimal_from_text(text, &encoded, NULL) == BEAMC_OK) {
        require(beamc__decimal_to_text(beamc_buf_slice(&encoded), &back, NULL) == BEAMC_OK);
        require(beamc__decimal_from_text(beamc_buf_slice(&back), &encoded_again, NULL) == BEAMC_OK);
        require(beamc_slice_eq(beamc_buf_slice(&encoded), beamc_buf_slice(&encoded_again)));
    }
    beamc_buf_clear(&back);
    beamc_error err = {0};
    require(beamc__decimal_to_text(text, &back, &err) == BEAMC_OK || err.message[0] != '\0');
    beamc_buf_free(&encoded);
    beamc_buf_free(&back);
    beamc_buf_free(&encoded_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_slice text = beamc_slice_of(data, size);
    check_row(text, arena);
    check_texts(text);
    beamc_arena_free(arena);
    return 0;
}
