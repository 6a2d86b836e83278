/* json.c: options as JSON, in the shapes that runners and other SDKs use. */
#include "options/options_impl.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include <beamc/log.h>
#include <beamc/row.h>

#include "base/mem.h"

/* Numbers go as texts: a protobuf Struct would turn them into doubles, and "5.0" is no integer to
 * the runner's own parser. Python's SDK does the same. */
void beamc_options_to_json(const beamc_options *o, beamc_buf *out) {
    bool first = true;
    beamc_buf_put_u8(out, '{');
    for (size_t i = 0; i < o->count; i++) {
        const beamc_option_entry *e = &o->entries[i];
        if (e->source == BEAMC_FROM_DEFAULT || e->text == NULL) {
            continue;
        }
        beamc_buf_put_str(out, first ? "" : ", ");
        first = false;
        beamc_buf key = {0};
        beamc_buf_printf(&key, "beam:option:%s:v1", e->def->name);
        beamc_json_put_string(out, beamc_buf_slice(&key));
        beamc_buf_free(&key);
        beamc_buf_put_str(out, ": ");
        if (e->def->type == BEAMC_OPTION_BOOL) {
            beamc_buf_put_str(out, e->text);
        } else if (e->def->type == BEAMC_OPTION_LIST) {
            beamc_buf_put_u8(out, '[');
            for (size_t k = 0; k < e->item_count; k++) {
                beamc_buf_put_str(out, k > 0 ? ", " : "");
                beamc_json_put_string(out, beamc_str(e->items[k]));
            }
            beamc_buf_put_u8(out, ']');
        } else {
            beamc_json_put_string(out, beamc_str(e->text));
        }
    }
    beamc_buf_put_u8(out, '}');
}

/* "beam:option:NAME:v1" -> NAME, and Java's camelCase -> snake_case, into @p out. */
static void plain_name(const char *key, beamc_buf *out) {
    static const char head[] = "beam:option:";
    size_t len = strlen(key);
    if (strncmp(key, head, sizeof head - 1) == 0) {
        key += sizeof head - 1;
        len -= sizeof head - 1;
        const char *version = strrchr(key, ':');
        len = version != NULL ? (size_t)(version - key) : len;
    }
    for (size_t i = 0; i < len; i++) {
        if (isupper((unsigned char)key[i]) && i > 0) {
            beamc_buf_put_u8(out, '_');
        }
        beamc_buf_put_u8(out, (unsigned)tolower((unsigned char)key[i]));
    }
}

/* A JSON value as the text that a command line would have had. False: null, or nothing to keep. */
static bool value_text(const json_t *value, beamc_buf *out) {
    switch (json_typeof(value)) {
    case JSON_NULL:
        return false;
    case JSON_STRING:
        beamc_buf_put(out, json_string_value(value), json_string_length(value));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        beamc_buf_put_str(out, json_is_true(value) ? "true" : "false");
        return true;
    case JSON_INTEGER:
        beamc_buf_printf(out, "%lld", (long long)json_integer_value(value));
        return true;
    case JSON_REAL: {
        double d = json_real_value(value);
        bool whole = d >= -9007199254740992.0 && d <= 9007199254740992.0 && d == (double)(int64_t)d;
        if (whole) {
            beamc_buf_printf(out, "%lld", (long long)d);
        } else {
            beamc_buf_printf(out, "%.17g", d);
        }
        return true;
    }
    case JSON_ARRAY: {
        size_t i;
        const json_t *item;
        json_array_foreach(value, i, item) {
            beamc_buf_put_str(out, out->len > 0 ? "," : "");
            (void)value_text(item, out);
        }
        return true;
    }
    default: {
        char *text = json_dumps(value, JSON_COMPACT);
        beamc_buf_put_str(out, text != NULL ? text : "");
        free(text);
        return true;
    }
    }
}

/* Nothing here may fail a worker: the job's options are meant for the runner first. */
static void take(beamc_options *o, const char *key, const json_t *value) {
    beamc_buf name = {0};
    beamc_buf text = {0};
    plain_name(key, &name);
    if (value_text(value, &text)) {
        beamc_option_entry *e = beamc__option_find(o, beamc_buf_slice(&name));
        e = e != NULL ? e : beamc__option_keep(o, beamc_buf_slice(&name));
        beamc_error err = {0};
        if (beamc__option_assign(o, e, BEAMC_FROM_JOB, e->def->name, beamc_buf_slice(&text),
                                 &err) != BEAMC_OK) {
            BEAMC_LOG_WARN(NULL, "option of the job left out: %s", err.message);
        }
    }
    beamc_buf_free(&name);
    beamc_buf_free(&text);
}

static void take_all(beamc_options *o, json_t *object, bool nested) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        bool holds_options =
            strcmp(key, "options") == 0 || strcmp(key, "beam:option:go_options:v1") == 0;
        if (!nested && holds_options && json_is_object(value)) {
            json_t *inner = json_object_get(value, "options");
            take_all(o, json_is_object(inner) ? inner : value, true);
        } else if (strcmp(key, "display_data") != 0) {
            take(o, key, value);
        }
    }
}

beamc_status beamc_options_from_json(beamc_options *o, beamc_slice json, beamc_error *err) {
    json_error_t fault;
    json_t *root = json_loadb(json.ptr != NULL ? json.ptr : "", json.len, JSON_ALLOW_NUL, &fault);
    if (root == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "pipeline options are no JSON: line %d: %s",
                          fault.line, fault.text);
    }
    bool is_object = json_is_object(root);
    if (is_object) {
        take_all(o, root, false);
    }
    json_decref(root);
    if (!is_object) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "pipeline options are no JSON object");
    }
    return BEAMC_OK;
}
