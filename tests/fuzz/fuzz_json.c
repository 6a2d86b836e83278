/* fuzz_json.c: the event reader on arbitrary bytes. simdjson, the strict reader and jansson must say
 * the same of a text, and find the same members in it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"a", "event_time", "product_id", "qty"};
enum { NAMES = sizeof names / sizeof names[0] };

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static bool same_field(const beamc_json_field *a, const beamc_json_field *b) {
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case BEAMC_JSON_BOOL:
    case BEAMC_JSON_INT:
        return a->i64 == b->i64;
    case BEAMC_JSON_REAL:
        return memcmp(&a->f64, &b->f64, sizeof a->f64) == 0;
    case BEAMC_JSON_STRING:
        return beamc_slice_eq(a->text, b->text);
    default:
        return true;
    }
}

static void check_member(const beamc_json_field *f, const json_t *json) {
    switch (f->kind) {
    case BEAMC_JSON_ABSENT:
        require(json == NULL);
        break;
    case BEAMC_JSON_NULL:
        require(json_is_null(json));
        break;
    case BEAMC_JSON_BOOL:
        require(json_is_boolean(json) && json_is_true(json) == (f->i64 != 0));
        break;
    case BEAMC_JSON_INT:
        require(json_is_real(json) && json_real_value(json) == (double)f->i64);
        break;
    case BEAMC_JSON_BIG_INT:
        require(json_is_real(json) &&
                (json_real_value(json) >= 0x1p63 || json_real_value(json) <= -0x1p63));
        break;
    case BEAMC_JSON_REAL:
        require(json_is_real(json) && json_real_value(json) == f->f64);
        break;
    case BEAMC_JSON_STRING:
        require(json_is_string(json) &&
                beamc_slice_eq(f->text,
                               beamc_slice_of(json_string_value(json), json_string_length(json))));
        break;
    case BEAMC_JSON_ARRAY:
        require(json_is_array(json));
        break;
    case BEAMC_JSON_OBJECT:
        require(json_is_object(json));
        break;
    }
}

/* jansson has two limits of its own (no U+0000 in names, 2048 levels) and we have one (1024). It
 * also reads over a NUL byte behind a number, which RFC 8259 does not allow. */
static void check_jansson(beamc_slice text, beamc_status status, const beamc_json_field *fields) {
    json_error_t why;
    json_t *root = json_loadb(text.len != 0 ? text.ptr : "", text.len,
                              JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    if (root == NULL) {
        enum json_error_code code = json_error_code(&why);
        require(status != BEAMC_OK || code == json_error_null_byte_in_key);
        return;
    }
    if (json_is_object(root) && status == BEAMC_OK) {
        for (size_t i = 0; i < NAMES; i++) {
            check_member(&fields[i], json_object_get(root, names[i]));
        }
    }
    size_t opened = 0;
    for (size_t i = 0; i < text.len; i++) {
        opened += text.ptr[i] == '[' || text.ptr[i] == '{';
    }
    bool nul = text.len != 0 && memchr(text.ptr, '\0', text.len) != NULL;
    require(status == BEAMC_OK || !json_is_object(root) || opened > 1000 || nul);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_slice text = beamc_slice_of(data, size);
    beamc_json_reader *reader = beamc_json_reader_new(names, NAMES);
    beamc_json_field quick[NAMES], strict[NAMES];
    beamc_error err = {0};
    beamc_status a = beamc_json_read(reader, text, quick, &err);
    beamc_json_name wanted[NAMES];
    for (size_t i = 0; i < NAMES; i++) {
        wanted[i] = beamc_json_name_of(beamc_str(names[i]));
    }
    const beamc_json_names n = {wanted, NAMES};
    beamc_buf strings = {0};
    beamc_status b = beamc__json_strict_read(text, &n, strict, &strings, NULL);
    require(a == b);
    require(a == BEAMC_OK || err.message[0] != '\0');
    for (size_t i = 0; i < NAMES && a == BEAMC_OK; i++) {
        require(same_field(&quick[i], &strict[i]));
    }
    check_jansson(text, b, strict);
    beamc_buf_free(&strings);
    beamc_json_reader_free(reader);
    return 0;
}
