/* row_to_json.c: rows as JSON text. Bytes are base64, times RFC 3339, decimals text, doubles that
 * JSON cannot say are "NaN", "Infinity", "-Infinity"; maps are objects where the keys are strings,
 * else arrays of {"key": ..., "value": ...}. Hot for sinks: integers, strings and times are written
 * without printf. Threads: any. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/time_text.h"
#include "coder/decimal.h"
#include "coder/row_field.h"

static beamc_status put_row(const beamc_row *row, const void *value, unsigned depth, beamc_buf *out,
                            beamc_error *err);
static beamc_status put_value(const beamc_field *f, beamc_value v, unsigned depth, beamc_buf *out,
                              beamc_error *err);

static void put_i64(beamc_buf *out, int64_t v) {
    char text[24];
    char *p = text + sizeof text;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (v < 0) {
        *--p = '-';
    }
    beamc_buf_put(out, p, (size_t)(text + sizeof text - p));
}

/* The fewest digits that read back as the same number; a point also under a locale with commas. */
static void put_f64(beamc_buf *out, double v, bool single) {
    if (isnan(v) || isinf(v)) {
        beamc_buf_put_str(out, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    char text[64];
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) {
            break;
        }
    }
    const char *point = localeconv()->decimal_point;
    char *at = strstr(text, point);
    beamc_buf_put(out, text, at != NULL ? (size_t)(at - text) : strlen(text));
    if (at != NULL) {
        beamc_buf_put_u8(out, '.');
        beamc_buf_put_str(out, at + strlen(point));
    } else if (strchr(text, 'e') == NULL) {
        beamc_buf_put_str(out, ".0");
    }
}

static beamc_status put_time(beamc_buf *out, beamc_time t, beamc_error *err) {
    char *to = (char *)beamc_buf_room(out, BEAMC_TIME_TEXT_MAX + 2);
    size_t len = beamc__time_format_utc(t, to + 1);
    if (len == 0) {
        return BEAMC_FAIL(err, OUT_OF_RANGE, "the time %lld ms lies outside the years 0001 to 9999",
                          (long long)t);
    }
    to[0] = to[len + 1] = '"';
    out->len += len + 2;
    return BEAMC_OK;
}

static beamc_status put_quoted_decimal(beamc_buf *out, beamc_slice encoded, beamc_error *err) {
    beamc_buf_put_u8(out, '"');
    BEAMC_TRY(beamc__decimal_to_text(encoded, out, err));
    beamc_buf_put_u8(out, '"');
    return BEAMC_OK;
}

static beamc_status put_item(const beamc_field *f, const beamc_value *v, unsigned depth,
                             beamc_buf *out, beamc_error *err) {
    if (!f->nullable) {
        return put_value(f, *v, depth, out, err);
    }
    if (v->nullable == NULL) {
        beamc_buf_put_str(out, "null");
        return BEAMC_OK;
    }
    return put_value(f, *v->nullable, depth, out, err);
}

static beamc_status put_array(const beamc_field *f, const beamc_array *array, unsigned depth,
                              beamc_buf *out, beamc_error *err) {
    beamc_buf_put_u8(out, '[');
    for (size_t i = 0; i < array->count; i++) {
        if (i > 0) {
            beamc_buf_put_str(out, ", ");
        }
        BEAMC_TRY_CTX(err, put_item(f->element, &array->items[i], depth, out, err), "item %zu", i);
    }
    beamc_buf_put_u8(out, ']');
    return BEAMC_OK;
}

static beamc_status put_map(const beamc_field *f, const beamc_map *map, unsigned depth,
                            beamc_buf *out, beamc_error *err) {
    bool object = f->key->type == BEAMC_FIELD_STRING && !f->key->nullable;
    beamc_buf_put_u8(out, object ? '{' : '[');
    for (size_t i = 0; i < map->count; i++) {
        const beamc_kv *kv = &map->items[i];
        beamc_buf_put_str(out, i > 0 ? ", " : "");
        beamc_buf_put_str(out, object ? "" : "{\"key\": ");
        BEAMC_TRY_CTX(err, put_item(f->key, &kv->key, depth, out, err), "key %zu", i);
        beamc_buf_put_str(out, object ? ": " : ", \"value\": ");
        BEAMC_TRY_CTX(err, put_item(f->element, &kv->value, depth, out, err), "value %zu", i);
        beamc_buf_put_str(out, object ? "" : "}");
    }
    beamc_buf_put_u8(out, object ? '}' : ']');
    return BEAMC_OK;
}

static beamc_status put_value(const beamc_field *f, beamc_value v, unsigned depth, beamc_buf *out,
                              beamc_error *err) {
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
    case BEAMC_FIELD_I16:
    case BEAMC_FIELD_I32:
    case BEAMC_FIELD_I64:
        put_i64(out, v.i64);
        return BEAMC_OK;
    case BEAMC_FIELD_FLOAT:
    case BEAMC_FIELD_DOUBLE:
        put_f64(out, v.f64, f->type == BEAMC_FIELD_FLOAT);
        return BEAMC_OK;
    case BEAMC_FIELD_STRING:
        beamc_json_put_string(out, v.bytes);
        return BEAMC_OK;
    case BEAMC_FIELD_BOOL:
        beamc_buf_put_str(out, v.i64 != 0 ? "true" : "false");
        return BEAMC_OK;
    case BEAMC_FIELD_BYTES:
        beamc_buf_put_u8(out, '"');
        beamc__base64_put(out, v.bytes);
        beamc_buf_put_u8(out, '"');
        return BEAMC_OK;
    case BEAMC_FIELD_TIME:
        return put_time(out, v.i64, err);
    case BEAMC_FIELD_DECIMAL:
        return put_quoted_decimal(out, v.bytes, err);
    case BEAMC_FIELD_ROW:
        if (v.row == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "the row is missing (a NULL pointer)");
        }
        return put_row(f->row, v.row, depth + 1, out, err);
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return put_array(f, v.row, depth, out, err);
    case BEAMC_FIELD_MAP:
        return put_map(f, v.row, depth, out, err);
    }
    return BEAMC_FAIL(err, INTERNAL, "field type %d does not exist", (int)f->type);
}

static beamc_status put_row(const beamc_row *row, const void *value, unsigned depth, beamc_buf *out,
                            beamc_error *err) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "more than %d levels of rows in a row",
                          BEAMC_CODER_MAX_DEPTH);
    }
    beamc_buf_put_u8(out, '{');
    bool first = true;
    for (uint32_t i = 0; i < row->field_count; i++) {
        const beamc_field *f = &row->fields[i];
        if (beamc_field_is_null(f, value)) {
            continue; /* absent: what a reader takes for null, and shorter */
        }
        if (!first) {
            beamc_buf_put(out, ", ", 2);
        }
        first = false;
        beamc_json_put_string(out, beamc_str(f->name));
        beamc_buf_put(out, ": ", 2);
        BEAMC_TRY_CTX(err, put_value(f, beamc_field_load(f, value), depth, out, err), "field %s",
                      f->name);
    }
    beamc_buf_put_u8(out, '}');
    return BEAMC_OK;
}

beamc_status beamc_row_to_json(const beamc_row *row, const void *value, beamc_buf *out,
                               beamc_error *err) {
    return put_row(row, value, 0, out, err);
}
