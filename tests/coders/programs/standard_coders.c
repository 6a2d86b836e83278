/* standard_coders.c: checks the vectors that test_standard_coders.py gives it, one document of the
 * model's standard_coders.yaml on each line. Prints TAP: one test for each example and context.
 *
 * An example passes if its value encodes to its bytes (unless the document is for decoding only),
 * and if its bytes decode, as a whole, to something that encodes as its value does. State-backed
 * rests are served in one page and byte by byte. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "coder/decimal.h"
#include "coder/from_proto.h"
#include "coder/row_field.h"

enum { MAX_CODERS = 64 };

typedef struct specs {
    beamc_arena *arena;
    size_t count;
    beamc_coder_spec list[MAX_CODERS];
} specs;

static _Noreturn void die(const char *what) {
    printf("Bail out! %s\n", what);
    exit(1);
}

static const json_t *member(const json_t *object, const char *name) {
    const json_t *v = json_object_get(object, name);
    if (v == NULL) {
        die(name);
    }
    return v;
}

static beamc_slice unhex(beamc_arena *arena, const char *hex) {
    size_t len = strlen(hex) / 2;
    char *bytes = beamc_arena_alloc(arena, len);
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    return beamc_slice_of(bytes, len);
}

/* ----------------------------------------------------------------------------------------- coders */

/* Gives each nested spec an id, its number. */
static const char *add_spec(specs *all, const json_t *json) {
    size_t mine = all->count++;
    const json_t *components = member(json, "components");
    const char **ids = beamc_arena_alloc(all->arena, json_array_size(components) * sizeof *ids);
    for (size_t i = 0; i < json_array_size(components); i++) {
        ids[i] = add_spec(all, json_array_get(components, i));
    }
    all->list[mine] =
        (beamc_coder_spec){json_string_value(member(json, "urn")),
                           unhex(all->arena, json_string_value(member(json, "payload"))), ids,
                           json_array_size(components)};
    return beamc_arena_printf(all->arena, "%zu", mine);
}

static bool find_spec(void *arg, const char *id, beamc_coder_spec *out) {
    const specs *all = arg;
    size_t i = strtoul(id, NULL, 10);
    *out = all->list[i];
    return i < all->count;
}

/* ----------------------------------------------------------------------------------------- values */

static beamc_value value_of(const beamc_coder *c, const json_t *json, beamc_arena *arena);

static beamc_slice text_of(const json_t *json) {
    return beamc_slice_of(json_string_value(json), json_string_length(json));
}

/* Floating point stands in the file as text. */
static double real_of(const json_t *json) {
    return json_is_string(json) ? strtod(json_string_value(json), NULL) : json_number_value(json);
}

static beamc_window window_of(const json_t *json) {
    if (json_is_string(json)) { /* "" or "global" */
        return beamc__global_window;
    }
    if (json_object_get(json, "window") != NULL) {
        return window_of(json_object_get(json, "window"));
    }
    beamc_time end = json_integer_value(member(json, "end"));
    return (beamc_window){end - json_integer_value(member(json, "span")), end};
}

static const beamc_window *windows_of(const json_t *json, beamc_arena *arena) {
    beamc_window *windows = beamc_arena_alloc(arena, json_array_size(json) * sizeof *windows);
    for (size_t i = 0; i < json_array_size(json); i++) {
        windows[i] = window_of(json_array_get(json, i));
    }
    return windows;
}

static beamc_pane pane_of(const json_t *json) {
    static const char *const timings[] = {"EARLY", "ON_TIME", "LATE", "UNKNOWN"};
    beamc_pane pane = {.index = json_integer_value(member(json, "index")),
                       .non_speculative_index = json_integer_value(member(json, "on_time_index")),
                       .is_first = json_is_true(member(json, "is_first")),
                       .is_last = json_is_true(member(json, "is_last"))};
    for (uint8_t i = 0; i < 4; i++) {
        if (strcmp(json_string_value(member(json, "timing")), timings[i]) == 0) {
            pane.timing = i;
        }
    }
    return pane;
}

static beamc_value windowed_of(const beamc_coder *c, const json_t *json, beamc_arena *arena) {
    beamc_windowed_value *w = beamc_arena_alloc(arena, sizeof *w);
    *w = (beamc_windowed_value){
        value_of(c->args[0], member(json, "value"), arena),
        json_integer_value(member(json, "timestamp")), windows_of(member(json, "windows"), arena),
        json_array_size(member(json, "windows")), pane_of(member(json, "pane"))};
    return (beamc_value){.windowed = w};
}

static beamc_value timer_of(const beamc_coder *c, const json_t *json, beamc_arena *arena) {
    beamc_timer_value *t = beamc_arena_zalloc(arena, sizeof *t);
    t->key = value_of(c->args[0], member(json, "userKey"), arena);
    t->tag = text_of(member(json, "dynamicTimerTag"));
    t->windows = windows_of(member(json, "windows"), arena);
    t->window_count = json_array_size(member(json, "windows"));
    t->clear = json_is_true(member(json, "clearBit"));
    if (!t->clear) {
        t->fire_at = json_integer_value(member(json, "fireTimestamp"));
        t->hold_at = json_integer_value(member(json, "holdTimestamp"));
        t->pane = pane_of(member(json, "pane"));
    }
    return (beamc_value){.timer = t};
}

static beamc_value field_of(const beamc_field *f, const json_t *json, beamc_arena *arena);

static const void *row_of(const beamc_row *row, const json_t *json, beamc_arena *arena) {
    char *out = beamc_arena_zalloc(arena, row->size);
    for (uint32_t i = 0; i < row->field_count; i++) {
        const json_t *v = member(json, row->fields[i].name);
        if (!json_is_null(v)) {
            beamc_field_store(&row->fields[i], out, field_of(&row->fields[i], v, arena));
            beamc_field_set_present(&row->fields[i], out, true);
        }
    }
    return out;
}

static beamc_value item_of(const beamc_field *f, const json_t *json, beamc_arena *arena) {
    if (!f->nullable) {
        return field_of(f, json, arena);
    }
    beamc_value *present = NULL;
    if (!json_is_null(json)) {
        present = beamc_arena_alloc(arena, sizeof *present);
        *present = field_of(f, json, arena);
    }
    return (beamc_value){.nullable = present};
}

static beamc_value containers_of(const beamc_field *f, const json_t *json, beamc_arena *arena) {
    if (f->type != BEAMC_FIELD_MAP) {
        beamc_array *array = beamc_arena_alloc(arena, sizeof *array);
        beamc_value *items = beamc_arena_alloc(arena, json_array_size(json) * sizeof *items);
        for (size_t i = 0; i < json_array_size(json); i++) {
            items[i] = item_of(f->element, json_array_get(json, i), arena);
        }
        *array = (beamc_array){items, json_array_size(json)};
        return (beamc_value){.row = array};
    }
    beamc_map *map = beamc_arena_alloc(arena, sizeof *map);
    beamc_kv *items = beamc_arena_alloc(arena, json_object_size(json) * sizeof *items);
    size_t i = 0;
    for (void *at = json_object_iter((json_t *)(uintptr_t)json); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)json, at)) {
        items[i].key.bytes = beamc_str(json_object_iter_key(at));
        items[i++].value = item_of(f->element, json_object_iter_value(at), arena);
    }
    *map = (beamc_map){items, i};
    return (beamc_value){.row = map};
}

static beamc_value field_of(const beamc_field *f, const json_t *json, beamc_arena *arena) {
    beamc_value v = {.i64 = 0};
    beamc_buf buf = {0};
    switch (f->type) {
    case BEAMC_FIELD_ROW:
        v.row = row_of(f->row, json, arena);
        break;
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
    case BEAMC_FIELD_MAP:
        return containers_of(f, json, arena);
    case BEAMC_FIELD_FLOAT:
    case BEAMC_FIELD_DOUBLE:
        v.f64 = real_of(json);
        break;
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
        v.bytes = text_of(json);
        break;
    case BEAMC_FIELD_DECIMAL:
        if (beamc__decimal_from_text(text_of(json), &buf, NULL) != BEAMC_OK) {
            die("decimal");
        }
        v.bytes = beamc_arena_copy(arena, beamc_buf_slice(&buf));
        beamc_buf_free(&buf);
        break;
    case BEAMC_FIELD_BOOL:
        v.i64 = json_is_true(json);
        break;
    case BEAMC_FIELD_TIME: /* the representation: the ordered 64 bits, as a signed number */
        v.i64 = beamc_time_from_wire((uint64_t)json_integer_value(json));
        break;
    default:
        v.i64 = json_integer_value(json);
    }
    return v;
}

static beamc_value pair_of(beamc_value key, beamc_value value, beamc_arena *arena) {
    beamc_kv *kv = beamc_arena_alloc(arena, sizeof *kv);
    *kv = (beamc_kv){key, value};
    return (beamc_value){.kv = kv};
}

static beamc_value iterable_of(const beamc_coder *c, const json_t *json, beamc_arena *arena) {
    beamc_value *items = beamc_arena_alloc(arena, json_array_size(json) * sizeof *items);
    for (size_t i = 0; i < json_array_size(json); i++) {
        items[i] = value_of(c->args[0], json_array_get(json, i), arena);
    }
    return (beamc_value){.iterable = beamc_iterable_of(arena, items, json_array_size(json))};
}

static beamc_value value_of(const beamc_coder *c, const json_t *json, beamc_arena *arena) {
    beamc_value v = {.i64 = 0};
    switch (c->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
        return (beamc_value){.bytes = text_of(json)};
    case BEAMC_CODER_BOOL:
        return (beamc_value){.i64 = json_is_true(json)};
    case BEAMC_CODER_VARINT:
        return (beamc_value){.i64 = json_integer_value(json)};
    case BEAMC_CODER_DOUBLE:
        return (beamc_value){.f64 = real_of(json)};
    case BEAMC_CODER_KV:
        return pair_of(value_of(c->args[0], member(json, "key"), arena),
                       value_of(c->args[1], member(json, "value"), arena), arena);
    case BEAMC_CODER_SHARDED_KEY:
        v.bytes = text_of(member(json, "shardId"));
        return pair_of(v, value_of(c->args[0], member(json, "key"), arena), arena);
    case BEAMC_CODER_ITERABLE:
    case BEAMC_CODER_STATE_BACKED_ITERABLE:
        return iterable_of(c, json, arena);
    case BEAMC_CODER_LENGTH_PREFIX:
        return value_of(c->args[0], json, arena);
    case BEAMC_CODER_GLOBAL_WINDOW:
    case BEAMC_CODER_INTERVAL_WINDOW:
    case BEAMC_CODER_CUSTOM_WINDOW: {
        beamc_window *w = beamc_arena_alloc(arena, sizeof *w);
        *w = window_of(json);
        return (beamc_value){.window = w};
    }
    case BEAMC_CODER_WINDOWED_VALUE:
    case BEAMC_CODER_PARAM_WINDOWED_VALUE:
        return windowed_of(c, json, arena);
    case BEAMC_CODER_TIMER:
        return timer_of(c, json, arena);
    case BEAMC_CODER_ROW:
        return (beamc_value){.row = row_of(c->row, json, arena)};
    case BEAMC_CODER_NULLABLE:
        if (!json_is_null(json)) {
            beamc_value *present = beamc_arena_alloc(arena, sizeof *present);
            *present = value_of(c->args[0], json, arena);
            v.nullable = present;
        }
        return v;
    }
    die("coder kind");
}

/* ------------------------------------------------------------------------------------------ checks */

typedef struct state {
    const json_t *pages; /* token -> bytes, both as hex */
    size_t page_bytes;
} state;

static beamc_status fetch(void *arg, beamc_slice token, beamc_slice continuation,
                          beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                          beamc_error *err) {
    const state *s = arg;
    char *hex = beamc_arena_zalloc(arena, token.len * 2 + 1);
    for (size_t i = 0; i < token.len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)token.ptr[i]);
    }
    const json_t *found = json_object_get(s->pages, hex);
    if (found == NULL) {
        return BEAMC_FAIL(err, NOT_FOUND, "no state under token %s", hex);
    }
    beamc_slice all = unhex(arena, json_string_value(found));
    size_t from = continuation.len;
    size_t len = all.len - from < s->page_bytes ? all.len - from : s->page_bytes;
    *page = beamc_slice_of(all.ptr + from, len);
    *next = beamc_slice_of(all.ptr, from + len < all.len ? from + len : 0);
    return BEAMC_OK;
}

static unsigned tests, failures;

static void report(bool ok, const char *name, size_t example, bool nested, const char *why) {
    tests++;
    failures += !ok;
    printf("%sok %u - %s: example %zu, %s\n", ok ? "" : "not ", tests, name, example + 1,
           nested ? "nested" : "outer");
    if (!ok) {
        printf("# %s\n", why);
    }
}

/* param_windowed_value writes the value alone; the rest of it is compared through windowed_value. */
static beamc_status encode_whole(const beamc_coder *c, beamc_value v, bool nested, beamc_buf *out,
                                 beamc_error *err) {
    beamc_coder whole = *c;
    if (c->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE) {
        whole.kind = BEAMC_CODER_WINDOWED_VALUE;
    }
    return beamc_encode(&whole, &v, nested, out, err);
}

static beamc_status check_decode(const beamc_coder *c, beamc_slice bytes, bool nested,
                                 beamc_scratch *s, beamc_slice want, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_value v, copy;
    BEAMC_TRY(beamc__decode(c, &in, nested, s, &v, err));
    if (in.p != in.end) {
        return BEAMC_FAIL(err, INTERNAL, "%zu bytes are left", beamc_cursor_left(&in));
    }
    if (nested) {
        beamc_cursor over = beamc_cursor_of(bytes);
        BEAMC_TRY(beamc__skip(c, &over, err));
        if (over.p != over.end) {
            return BEAMC_FAIL(err, INTERNAL, "skipping leaves %zu bytes", beamc_cursor_left(&over));
        }
    }
    BEAMC_TRY(beamc_value_copy(c, &v, s->arena, &copy, err));
    beamc_buf out = {0};
    beamc_status status = encode_whole(c, copy, nested, &out, err);
    if (status == BEAMC_OK && !beamc_slice_eq(beamc_buf_slice(&out), want)) {
        status = BEAMC_FAIL(err, INTERNAL, "the decoded value is another one");
    }
    beamc_buf_free(&out);
    return status;
}

static void check_example(const beamc_coder *c, const json_t *doc, size_t i, bool nested,
                          beamc_arena *arena) {
    const char *name = json_string_value(member(doc, "name"));
    const json_t *example = json_array_get(member(doc, "examples"), i);
    beamc_slice bytes = unhex(arena, json_string_value(member(example, "bytes")));
    beamc_value value = value_of(c, member(example, "value"), arena);
    beamc_error err = {0};
    beamc_buf out = {0}, want = {0};
    beamc_status status = beamc_encode(c, &value, nested, &out, &err);
    if (status == BEAMC_OK && !json_is_true(member(doc, "decode_only")) &&
        !beamc_slice_eq(beamc_buf_slice(&out), bytes)) {
        status = BEAMC_FAIL(&err, INTERNAL, "the value is encoded otherwise");
    }
    if (status == BEAMC_OK) {
        status = encode_whole(c, value, nested, &want, &err);
    }
    static const size_t page_bytes[] = {1, SIZE_MAX};
    for (size_t p = 0; p < 2 && status == BEAMC_OK; p++) {
        state st = {member(doc, "state"), page_bytes[p]};
        beamc_scratch s;
        beamc__scratch_init(&s, arena);
        s.fetch = fetch;
        s.fetch_arg = &st;
        status = check_decode(c, bytes, nested, &s, beamc_buf_slice(&want), &err);
        beamc__scratch_deinit(&s);
    }
    report(status == BEAMC_OK, name, i, nested, err.message);
    beamc_buf_free(&out);
    beamc_buf_free(&want);
}

/* Taking the coder apart and building it again must give the same coder. */
static bool rebuilds(const beamc_coder *c, beamc_arena *arena) {
    beamc_coder_parts parts;
    if (beamc__coder_to_model(c, arena, &parts, NULL) != BEAMC_OK) {
        return false;
    }
    for (size_t i = 0; i < parts.component_count; i++) {
        if (!rebuilds(parts.components[i], arena)) {
            return false;
        }
    }
    if (c->kind != BEAMC_CODER_ROW) {
        return true;
    }
    specs one = {arena, 1, {{parts.urn, parts.payload, NULL, 0}}};
    const beamc_coder_source source = {.find = find_spec, .arg = &one};
    const beamc_coder *again;
    return beamc__coder_set_get(beamc__coder_set_new(arena, &source), "0", &again, NULL) ==
               BEAMC_OK &&
           beamc_coder_equal(c, again);
}

static void check_document(const json_t *doc) {
    beamc_arena *arena = beamc_arena_new(0);
    specs all = {.arena = arena};
    const char *id = add_spec(&all, member(doc, "coder"));
    const beamc_coder_source source = {.find = find_spec, .arg = &all};
    const beamc_coder *c;
    beamc_error err = {0};
    if (beamc__coder_set_get(beamc__coder_set_new(arena, &source), id, &c, &err) != BEAMC_OK ||
        !rebuilds(c, arena)) {
        report(false, json_string_value(member(doc, "name")), 0, true, err.message);
    } else {
        const json_t *contexts = member(doc, "nested");
        for (size_t n = 0; n < json_array_size(contexts); n++) {
            for (size_t i = 0; i < json_array_size(member(doc, "examples")); i++) {
                check_example(c, doc, i, json_is_true(json_array_get(contexts, n)), arena);
            }
        }
    }
    beamc_arena_free(arena);
}

int main(void) {
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, stdin)) > 0) {
        json_error_t why;
        json_t *doc = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, &why);
        if (doc == NULL) {
            die(why.text);
        }
        check_document(doc);
        json_decref(doc);
    }
    free(line);
    printf("1..%u\n", tests);
    return failures == 0 ? 0 : 1;
}
