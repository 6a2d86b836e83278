/* row_from_json.c: rows from JSON documents (configuration, dead letters) and from the defaults of
 * their tables. Not for events: see <beamc/json.h>. The forms are those that row_to_json.c writes;
 * integers and decimals are also taken as strings, as some launchers write them. Threads: any. */
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/nearest.h"
#include "base/time_text.h"
#include "coder/decimal.h"
#include "coder/row_field.h"

static beamc_status read_value(const beamc_field *f, const json_t *json, unsigned depth,
                               beamc_arena *arena, beamc_value *out, beamc_error *err);

static const char *kind_name(const json_t *json) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null"};
    return names[json_typeof(json)];
}

static beamc_slice text_of(const json_t *json) {
    return beamc_slice_of(json_string_value(json), json_string_length(json));
}

static beamc_status wrong_kind(const json_t *json, const char *wanted, beamc_error *err) {
    if (json_is_string(json)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "must be %s, is \"%.*s\"", wanted,
                          BEAMC_SLICE_ARG(text_of(json)));
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "must be %s, is %s", wanted, kind_name(json));
}

/* --------------------------------------------------------------------------------------- scalars */

static bool parse_i64(beamc_slice text, int64_t *out) {
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t i = negative || (text.len > 0 && text.ptr[0] == '+');
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t v = 0;
    if (i == text.len) {
        return false;
    }
    for (; i < text.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || v > (limit - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}

static beamc_status read_integer(const beamc_field *f, const json_t *json, beamc_value *out,
                                 beamc_error *err) {
    static const int64_t bounds[] = {[BEAMC_FIELD_BYTE] = INT8_MAX,
                                     [BEAMC_FIELD_I16] = INT16_MAX,
                                     [BEAMC_FIELD_I32] = INT32_MAX,
                                     [BEAMC_FIELD_I64] = INT64_MAX};
    if (json_is_integer(json)) {
        out->i64 = json_integer_value(json);
    } else if (!json_is_string(json) || !parse_i64(text_of(json), &out->i64)) {
        return wrong_kind(json, "an integer", err);
    }
    int64_t most = bounds[f->type];
    if (out->i64 > most || out->i64 < -most - 1) {
        return BEAMC_FAIL(err, OUT_OF_RANGE, "%lld is not within %s", (long long)out->i64,
                          beamc__field_type_name(f->type));
    }
    return BEAMC_OK;
}

static beamc_status read_real(const json_t *json, beamc_value *out, beamc_error *err) {
    if (json_is_number(json)) {
        out->f64 = json_number_value(json);
        return BEAMC_OK;
    }
    const char *text = json_is_string(json) ? json_string_value(json) : "";
    if (strcmp(text, "NaN") == 0) {
        out->f64 = (double)NAN;
    } else if (strcmp(text, "Infinity") == 0) {
        out->f64 = (double)INFINITY;
    } else if (strcmp(text, "-Infinity") == 0) {
        out->f64 = -(double)INFINITY;
    } else {
        return wrong_kind(json, "a number", err);
    }
    return BEAMC_OK;
}

/* What a buffer collected, moved to the arena. */
static beamc_slice settle(beamc_buf *buf, beamc_arena *arena) {
    beamc_slice s = beamc_arena_copy(arena, beamc_buf_slice(buf));
    beamc_buf_free(buf);
    return s;
}

static beamc_status read_bytes(const json_t *json, beamc_arena *arena, beamc_value *out,
                               beamc_error *err) {
    beamc_buf buf = {0};
    bool ok = json_is_string(json) && beamc__base64_decode(text_of(json), &buf);
    out->bytes = settle(&buf, arena);
    return ok ? BEAMC_OK : wrong_kind(json, "bytes in base64", err);
}

static beamc_status read_decimal(const json_t *json, beamc_arena *arena, beamc_value *out,
                                 beamc_error *err) {
    beamc_buf buf = {0};
    beamc_status status;
    if (json_is_integer(json)) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(json));
        status = beamc__decimal_from_text(beamc_str(text), &buf, err);
    } else if (json_is_string(json)) {
        status = beamc__decimal_from_text(text_of(json), &buf, err);
    } else {
        status = wrong_kind(json, "a decimal number in a string", err);
    }
    out->bytes = settle(&buf, arena);
    return status;
}

/* ------------------------------------------------------------------------------------ containers */

static beamc_status read_item(const beamc_field *f, const json_t *json, unsigned depth,
                              beamc_arena *arena, beamc_value *out, beamc_error *err) {
    if (!f->nullable) {
        return read_value(f, json, depth, arena, out, err);
    }
    out->nullable = NULL;
    if (!json_is_null(json)) {
        beamc_value *present = beamc_arena_alloc(arena, sizeof *present);
        BEAMC_TRY(read_value(f, json, depth, arena, present, err));
        out->nullable = present;
    }
    return BEAMC_OK;
}

static beamc_status read_array(const beamc_field *f, const json_t *json, unsigned depth,
                               beamc_arena *arena, beamc_value *out, beamc_error *err) {
    if (!json_is_array(json)) {
        return wrong_kind(json, "an array", err);
    }
    size_t count = json_array_size(json);
    beamc_array *array = beamc_arena_alloc(arena, sizeof *array);
    beamc_value *items = beamc_arena_alloc(arena, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        BEAMC_TRY_CTX(err,
                      read_item(f->element, json_array_get(json, i), depth, arena, &items[i], err),
                      "item %zu", i);
    }
    *array = (beamc_array){items, count};
    out->row = array;
    return BEAMC_OK;
}

static beamc_status read_pairs(const beamc_field *f, const json_t *json, unsigned depth,
                               beamc_arena *arena, beamc_kv *items, beamc_error *err) {
    for (size_t i = 0; i < json_array_size(json); i++) {
        const json_t *key = json_object_get(json_array_get(json, i), "key");
        const json_t *value = json_object_get(json_array_get(json, i), "value");
        if (key == NULL || value == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "item %zu must be an object with \"key\" and \"value\"", i);
        }
        BEAMC_TRY_CTX(err, read_item(f->key, key, depth, arena, &items[i].key, err), "key %zu", i);
        BEAMC_TRY_CTX(err, read_item(f->element, value, depth, arena, &items[i].value, err),
                      "value %zu", i);
    }
    return BEAMC_OK;
}

static beamc_status read_map(const beamc_field *f, const json_t *json, unsigned depth,
                             beamc_arena *arena, beamc_value *out, beamc_error *err) {
    bool object = f->key->type == BEAMC_FIELD_STRING && !f->key->nullable;
    if (object ? !json_is_object(json) : !json_is_array(json)) {
        return wrong_kind(json, object ? "an object" : "an array of keys and values", err);
    }
    size_t count = object ? json_object_size(json) : json_array_size(json);
    beamc_map *map = beamc_arena_alloc(arena, sizeof *map);
    beamc_kv *items = beamc_arena_alloc(arena, count * sizeof *items);
    *map = (beamc_map){items, count};
    out->row = map;
    if (!object) {
        return read_pairs(f, json, depth, arena, items, err);
    }
    size_t i = 0;
    for (void *at = json_object_iter((json_t *)(uintptr_t)json); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)json, at), i++) {
        items[i].key.bytes = beamc_arena_copy(arena, beamc_str(json_object_iter_key(at)));
        BEAMC_TRY_CTX(
            err,
            read_item(f->element, json_object_iter_value(at), depth, arena, &items[i].value, err),
            "value of \"%s\"", json_object_iter_key(at));
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------------- rows */

static beamc_status read_default(const beamc_field *f, unsigned depth, beamc_arena *arena,
                                 void *out, beamc_error *err);

static beamc_status unknown_member(const beamc_row *row, const char *name, beamc_error *err) {
    const char *nearest = NULL;
    unsigned distance = UINT_MAX;
    for (uint32_t i = 0; i < row->field_count; i++) {
        unsigned d = beamc__edit_distance(beamc_str(name), beamc_str(row->fields[i].name));
        if (d < distance) {
            distance = d;
            nearest = row->fields[i].name;
        }
    }
    if (nearest != NULL && beamc_edit_is_near(distance, strlen(name))) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "\"%s\" is not a field of %s; did you mean \"%s\"?", name, row->name,
                          nearest);
    }
    beamc_buf known = {0};
    for (uint32_t i = 0; i < row->field_count; i++) {
        beamc_buf_printf(&known, "%s%s", i > 0 ? ", " : "", row->fields[i].name);
    }
    beamc_status status =
        BEAMC_FAIL(err, INVALID_ARGUMENT, "\"%s\" is not a field of %s, which has: %.*s", name,
                   row->name, BEAMC_SLICE_ARG(beamc_buf_slice(&known)));
    beamc_buf_free(&known);
    return status;
}

static beamc_status read_field(const beamc_field *f, const json_t *json, unsigned depth,
                               beamc_arena *arena, void *out, beamc_error *err) {
    if (json_is_null(json)) {
        beamc_field_set_present(f, out, false);
        return f->nullable ? BEAMC_OK : BEAMC_FAIL(err, INVALID_ARGUMENT, "must not be null");
    }
    beamc_value v;
    BEAMC_TRY(read_value(f, json, depth, arena, &v, err));
    beamc_field_store(f, out, v);
    beamc_field_set_present(f, out, true);
    return BEAMC_OK;
}

static beamc_status read_row(const beamc_row *row, const json_t *json, unsigned depth,
                             beamc_arena *arena, void *out, beamc_error *err) {
    if (!json_is_object(json)) {
        return wrong_kind(json, "an object", err);
    }
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "more than %d levels of rows",
                          BEAMC_CODER_MAX_DEPTH);
    }
    memset(out, 0, row->size);
    size_t known = 0;
    for (uint32_t i = 0; i < row->field_count; i++) {
        const beamc_field *f = &row->fields[i];
        const json_t *member = json_object_get(json, f->name);
        known += member != NULL;
        beamc_status status = member != NULL ? read_field(f, member, depth, arena, out, err)
                                             : read_default(f, depth, arena, out, err);
        BEAMC_TRY_CTX(err, status, "field %s", f->name);
    }
    if (known == json_object_size(json)) {
        return BEAMC_OK;
    }
    for (void *at = json_object_iter((json_t *)(uintptr_t)json); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)json, at)) {
        bool found = false;
        for (uint32_t i = 0; i < row->field_count && !found; i++) {
            found = strcmp(row->fields[i].name, json_object_iter_key(at)) == 0;
        }
        if (!found) {
            return unknown_member(row, json_object_iter_key(at), err);
        }
    }
    return BEAMC_OK;
}

static beamc_status read_value(const beamc_field *f, const json_t *json, unsigned depth,
                               beamc_arena *arena, beamc_value *out, beamc_error *err) {
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
    case BEAMC_FIELD_I16:
    case BEAMC_FIELD_I32:
    case BEAMC_FIELD_I64:
        return read_integer(f, json, out, err);
    case BEAMC_FIELD_FLOAT:
    case BEAMC_FIELD_DOUBLE:
        return read_real(json, out, err);
    case BEAMC_FIELD_STRING:
        if (!json_is_string(json)) {
            return wrong_kind(json, "a string", err);
        }
        out->bytes = beamc_arena_copy(arena, text_of(json));
        return BEAMC_OK;
    case BEAMC_FIELD_BOOL:
        out->i64 = json_is_true(json);
        return json_is_boolean(json) ? BEAMC_OK : wrong_kind(json, "true or false", err);
    case BEAMC_FIELD_BYTES:
        return read_bytes(json, arena, out, err);
    case BEAMC_FIELD_TIME:
        return json_is_string(json) && beamc__time_parse_utc(text_of(json), &out->i64)
                   ? BEAMC_OK
                   : wrong_kind(json, "a time such as \"2026-01-31T12:00:00Z\"", err);
    case BEAMC_FIELD_DECIMAL:
        return read_decimal(json, arena, out, err);
    case BEAMC_FIELD_ROW: {
        void *row = beamc_arena_alloc(arena, f->row->size);
        out->row = row;
        return read_row(f->row, json, depth + 1, arena, row, err);
    }
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return read_array(f, json, depth, arena, out, err);
    case BEAMC_FIELD_MAP:
        return read_map(f, json, depth, arena, out, err);
    }
    return BEAMC_FAIL(err, INTERNAL, "field type %d does not exist", (int)f->type);
}

static json_t *load(beamc_slice text, size_t flags, beamc_error *err) {
    json_error_t why;
    json_t *json = json_loadb(text.len != 0 ? text.ptr : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | flags, &why);
    if (json == NULL) {
        (void)BEAMC_FAIL(err, INVALID_ARGUMENT, "JSON, line %d, column %d: %s", why.line,
                         why.column, why.text);
    }
    return json;
}

beamc_status beamc_row_from_json(const beamc_row *row, beamc_slice json, beamc_arena *arena,
                                 void *out, beamc_error *err) {
    json_t *root = load(json, 0, err);
    if (root == NULL) {
        return BEAMC_INVALID_ARGUMENT;
    }
    beamc_status status = read_row(row, root, 0, arena, out, err);
    json_decref(root);
    return status;
}

/* --------------------------------------------------------------------------------------- defaults */

static beamc_status put_defaults(const beamc_row *row, unsigned depth, beamc_arena *arena,
                                 void *out, beamc_error *err) {
    memset(out, 0, row->size);
    for (uint32_t i = 0; i < row->field_count; i++) {
        BEAMC_TRY_CTX(err, read_default(&row->fields[i], depth, arena, out, err), "field %s",
                      row->fields[i].name);
    }
    return BEAMC_OK;
}

/* Without a default: zero, null where null is allowed, and in a required row its own defaults. */
static beamc_status put_zero(const beamc_field *f, unsigned depth, beamc_arena *arena, void *out,
                             beamc_error *err) {
    if (f->type != BEAMC_FIELD_ROW || f->nullable || depth >= BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_OK;
    }
    void *row = beamc_arena_alloc(arena, f->row->size);
    beamc_field_store(f, out, (beamc_value){.row = row});
    return put_defaults(f->row, depth + 1, arena, row, err);
}

/* beamc_field.default_text: strings, times, bytes and decimals as they are, all else as JSON. */
static beamc_status read_default(const beamc_field *f, unsigned depth, beamc_arena *arena,
                                 void *out, beamc_error *err) {
    if (f->default_text == NULL) {
        return put_zero(f, depth, arena, out, err);
    }
    beamc_slice text = beamc_str(f->default_text);
    bool verbatim = f->type == BEAMC_FIELD_STRING || f->type == BEAMC_FIELD_TIME ||
                    f->type == BEAMC_FIELD_DECIMAL || f->type == BEAMC_FIELD_BYTES;
    json_t *json = verbatim ? json_stringn(text.ptr, text.len) : load(text, JSON_DECODE_ANY, err);
    if (json == NULL) {
        return verbatim ? BEAMC_FAIL(err, INVALID_ARGUMENT, "its default is not UTF-8")
                        : BEAMC_INVALID_ARGUMENT;
    }
    beamc_status status = read_field(f, json, depth, arena, out, err);
    json_decref(json);
    BEAMC_TRY_CTX(err, status, "its default \"%s\"", f->default_text);
    return BEAMC_OK;
}

beamc_status beamc_row_defaults(const beamc_row *row, beamc_arena *arena, void *out,
                                beamc_error *err) {
    return put_defaults(row, 0, arena, out, err);
}
