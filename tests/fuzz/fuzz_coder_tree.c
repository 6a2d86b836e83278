/* fuzz_coder_tree.c: any coder on any bytes. The first bytes choose a tree of coders, one byte says
 * the context, one how long the state of state-backed iterables is; that comes next, then the value. */
#include "fuzz_coder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct item {
    int64_t n;
    beamc_slice text;
    bool has_text;
    float f;
    beamc_time at;
} item;
static const beamc_field item_fields[] = {
    BEAMC_REQUIRED(item, n, I64),
    BEAMC_OPTIONAL(item, text, STRING),
    BEAMC_REQUIRED(item, f, FLOAT),
    BEAMC_REQUIRED(item, at, TIME),
};
static const beamc_row item_row = BEAMC_ROW(item, item_fields);

typedef struct node {
    const struct node *next;
    bool has_next;
    beamc_array names;
    beamc_map counts;
    beamc_slice price;
    int32_t small;
} node;
static const beamc_row node_row;
static const beamc_field name_field = {.name = "", .type = BEAMC_FIELD_STRING, .nullable = true};
static const beamc_field count_field = {.name = "", .type = BEAMC_FIELD_I16};
static const beamc_field node_fields[] = {
    {.name = "next",
     .type = BEAMC_FIELD_ROW,
     .nullable = true,
     .offset = offsetof(node, next),
     .has_offset = offsetof(node, has_next),
     .row = &node_row},
    {.name = "names",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(node, names),
     .element = &name_field},
    {.name = "counts",
     .type = BEAMC_FIELD_MAP,
     .offset = offsetof(node, counts),
     .key = &name_field,
     .element = &count_field},
    BEAMC_REQUIRED(node, price, DECIMAL),
    BEAMC_REQUIRED(node, small, I32),
};
static const beamc_row node_row = BEAMC_ROW(node, node_fields);

static const beamc_window fixed_window = {0, 1000};
static const beamc_windowed_value fixed_head = {
    {.i64 = 0}, 5, &fixed_window, 1, BEAMC_PANE_NO_FIRING};

static const beamc_coder *tree(beamc_cursor *in, unsigned depth, beamc_arena *arena) {
    static const unsigned args[] = {[BEAMC_CODER_KV] = 2,
                                    [BEAMC_CODER_ITERABLE] = 1,
                                    [BEAMC_CODER_STATE_BACKED_ITERABLE] = 1,
                                    [BEAMC_CODER_LENGTH_PREFIX] = 1,
                                    [BEAMC_CODER_CUSTOM_WINDOW] = 1,
                                    [BEAMC_CODER_WINDOWED_VALUE] = 2,
                                    [BEAMC_CODER_PARAM_WINDOWED_VALUE] = 2,
                                    [BEAMC_CODER_TIMER] = 2,
                                    [BEAMC_CODER_SHARDED_KEY] = 1,
                                    [BEAMC_CODER_NULLABLE] = 1};
    unsigned byte = 0;
    (void)beamc_get_u8(in, &byte);
    beamc_coder *c = beamc_arena_zalloc(arena, sizeof *c);
    c->kind = (beamc_coder_kind)(1 + byte % BEAMC_CODER_NULLABLE);
    if (depth > 5) {
        c->kind = BEAMC_CODER_VARINT;
    }
    for (unsigned i = 0; i < args[c->kind]; i++) {
        c->args[i] = tree(in, depth + 1, arena);
    }
    bool has_windows = c->kind == BEAMC_CODER_WINDOWED_VALUE ||
                       c->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE || c->kind == BEAMC_CODER_TIMER;
    if (has_windows) {
        c->args[1] = byte & 0x80 ? &beamc_global_window : &beamc_interval_window;
    }
    c->row = byte & 0x80 ? &item_row : &node_row;
    c->extra = &fixed_head;
    return c;
}

typedef struct state {
    beamc_slice all;
    size_t page_bytes;
} state;

static beamc_status fetch(void *arg, beamc_slice token, beamc_slice continuation,
                          beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                          beamc_error *err) {
    (void)err;
    (void)token;
    const state *s = arg;
    size_t from = continuation.len;
    size_t len = s->all.len - from < s->page_bytes ? s->all.len - from : s->page_bytes;
    *page = beamc_arena_copy(arena, beamc_slice_of(s->all.ptr + from, len));
    *next = beamc_slice_of(s->all.ptr, from + len < s->all.len ? from + len : 0);
    return BEAMC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_arena *arena = beamc_arena_new(4096);
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(data, size));
    const beamc_coder *c = tree(&in, 0, arena);
    unsigned context = 0, pages = 0;
    (void)(beamc_get_u8(&in, &context) && beamc_get_u8(&in, &pages));
    state s = {{NULL, 0}, 1 + pages % 7};
    if (beamc_get_bytes(&in, pages % 64, &s.all)) {
        check_coder(c, beamc_slice_of(in.p, beamc_cursor_left(&in)), context % 2 != 0, fetch, &s);
    }
    beamc_arena_free(arena);
    return 0;
}
