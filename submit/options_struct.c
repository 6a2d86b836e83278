/* options_struct.c: pipeline options, JSON to google.protobuf.Struct. */
#include <jansson.h>

#include "google/protobuf/struct.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "submit/submit.h"

static Google__Protobuf__Value *to_value(json_t *json, beamc_arena *arena);

static Google__Protobuf__Struct *to_struct(json_t *object, beamc_arena *arena) {
    Google__Protobuf__Struct *s = beamc_arena_alloc(arena, sizeof *s);
    google__protobuf__struct__init(s);
    s->fields = beamc_arena_alloc(arena, (json_object_size(object) + 1) * sizeof(void *));
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        Google__Protobuf__Struct__FieldsEntry *entry = beamc_arena_alloc(arena, sizeof *entry);
        google__protobuf__struct__fields_entry__init(entry);
        entry->key = beamc_arena_cstr(arena, beamc_str(name));
        entry->value = to_value(value, arena);
        s->fields[s->n_fields++] = entry;
    }
    return s;
}

static Google__Protobuf__ListValue *to_list(json_t *array, beamc_arena *arena) {
    Google__Protobuf__ListValue *list = beamc_arena_alloc(arena, sizeof *list);
    google__protobuf__list_value__init(list);
    list->values = beamc_arena_alloc(arena, (json_array_size(array) + 1) * sizeof(void *));
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        list->values[list->n_values++] = to_value(item, arena);
    }
    return list;
}

static Google__Protobuf__Value *to_value(json_t *json, beamc_arena *arena) {
    Google__Protobuf__Value *v = beamc_arena_alloc(arena, sizeof *v);
    google__protobuf__value__init(v);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
        v->struct_value = to_struct(json, arena);
        break;
    case JSON_ARRAY:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
        v->list_value = to_list(json, arena);
        break;
    case JSON_STRING:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        v->string_value = beamc_arena_cstr(arena, beamc_str(json_string_value(json)));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        v->number_value = json_number_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
        v->bool_value = json_is_true(json);
        break;
    case JSON_NULL:
        v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
        break;
    }
    return v;
}

beamc_status beamc__json_to_struct(beamc_slice json, beamc_buf *out, beamc_error *err) {
    json_error_t why;
    json_t *object = json_loadb(json.ptr, json.len, JSON_ALLOW_NUL, &why);
    if (!json_is_object(object)) {
        json_decref(object);
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "pipeline options are not a JSON object: %s",
                          why.text);
    }
    beamc_arena *arena = beamc_arena_new(0);
    beamc__proto_put(out, &to_struct(object, arena)->base);
    beamc_arena_free(arena);
    json_decref(object);
    return BEAMC_OK;
}
