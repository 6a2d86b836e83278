/* bind.c: see bind.h. Threads: while a plan is built. */
#include "worker/exec/bind.h"

#include "coder/coder_impl.h"

static beamc_coder_kind memory_kind(const beamc_coder *c) {
    switch (c->kind) {
    case BEAMC_CODER_STRING:
        return BEAMC_CODER_BYTES;
    case BEAMC_CODER_STATE_BACKED_ITERABLE:
        return BEAMC_CODER_ITERABLE;
    case BEAMC_CODER_BOOL:
        return BEAMC_CODER_VARINT;
    case BEAMC_CODER_SHARDED_KEY:
        return BEAMC_CODER_KV;
    case BEAMC_CODER_INTERVAL_WINDOW:
    case BEAMC_CODER_CUSTOM_WINDOW:
        return BEAMC_CODER_GLOBAL_WINDOW;
    case BEAMC_CODER_PARAM_WINDOWED_VALUE:
        return BEAMC_CODER_WINDOWED_VALUE;
    default:
        return c->kind;
    }
}

static const beamc_coder *unwrap(const beamc_coder *c) {
    while (c->kind == BEAMC_CODER_LENGTH_PREFIX) {
        c = c->args[0];
    }
    return c;
}

/* ---------------------------------------------------------------------------- same memory */

static bool same_rows(const beamc_row *a, const beamc_row *b, unsigned depth);

static bool same_fields(const beamc_field *a, const beamc_field *b, unsigned depth) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (a->type != b->type || a->nullable != b->nullable || a->offset != b->offset ||
        (a->nullable && a->has_offset != b->has_offset)) {
        return false;
    }
    return same_rows(a->row, b->row, depth + 1) && same_fields(a->element, b->element, depth + 1) &&
           same_fields(a->key, b->key, depth + 1);
}

static bool same_rows(const beamc_row *a, const beamc_row *b, unsigned depth) {
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || depth > BEAMC_CODER_MAX_DEPTH ||
        a->field_count != b->field_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            !same_fields(&a->fields[i], &b->fields[i], depth)) {
            return false;
        }
    }
    return true;
}

static bool same_memory(const beamc_coder *a, const beamc_coder *b, unsigned depth) {
    if (a == NULL || b == NULL) {
        return true; /* free, or a kind without components */
    }
    a = unwrap(a);
    b = unwrap(b);
    if (a == b) {
        return true;
    }
    if (depth > BEAMC_CODER_MAX_DEPTH || memory_kind(a) != memory_kind(b)) {
        return false;
    }
    if (a->kind == BEAMC_CODER_ROW) {
        return same_rows(a->row, b->row, 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!same_memory(a->args[i], b->args[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

bool beamc__coder_same_memory(const beamc_coder *a, const beamc_coder *b) {
    return same_memory(a, b, 0);
}

/* -------------------------------------------------------------------------------- binding */

static beamc_status mismatch(const beamc_coder *wire, const beamc_coder *memory, beamc_error *err) {
    beamc_buf a = {0}, b = {0};
    beamc_coder_describe(wire, &a);
    beamc_coder_describe(memory, &b);
    beamc_status status = BEAMC_FAIL(
        err, INVALID_ARGUMENT, "elements are encoded as %.*s, but the function uses %.*s",
        (int)a.len, (const char *)a.ptr, (int)b.len, (const char *)b.ptr);
    beamc_buf_free(&a);
    beamc_buf_free(&b);
    return status;
}

static beamc_status bind_row(beamc_arena *arena, const beamc_coder *wire, const beamc_coder *memory,
                             const beamc_coder **out, beamc_error *err) {
    if (wire->row == memory->row) {
        *out = wire;
        return BEAMC_OK;
    }
    if (!beamc_coder_equal(wire, memory)) {
        return mismatch(wire, memory, err);
    }
    beamc_row *row = beamc_arena_alloc(arena, sizeof *row);
    *row = *memory->row;
    row->encoding_order = wire->row->encoding_order;
    beamc_coder *c = beamc_arena_alloc(arena, sizeof *c);
    *c = *wire;
    c->row = row;
    *out = c;
    return BEAMC_OK;
}

static beamc_status bind(beamc_arena *arena, const beamc_coder *wire, const beamc_coder *memory,
                         unsigned depth, const beamc_coder **out, beamc_error *err) {
    if (memory == NULL) {
        *out = wire;
        return BEAMC_OK;
    }
    memory = unwrap(memory);
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder nested more than %d levels deep",
                          BEAMC_CODER_MAX_DEPTH);
    }
    bool wrapper = wire->kind == BEAMC_CODER_LENGTH_PREFIX;
    if (!wrapper && memory_kind(wire) != memory_kind(memory)) {
        return mismatch(wire, memory, err);
    }
    if (wire->kind == BEAMC_CODER_ROW) {
        return bind_row(arena, wire, memory, out, err);
    }
    if (memory_kind(wire) == BEAMC_CODER_GLOBAL_WINDOW || wire->args[0] == NULL) {
        *out = wire;
        return BEAMC_OK;
    }
    beamc_coder *c = beamc_arena_alloc(arena, sizeof *c);
    *c = *wire;
    for (unsigned i = 0; i < 2 && wire->args[i] != NULL; i++) {
        const beamc_coder *part = wrapper ? memory : memory->args[i];
        BEAMC_TRY(bind(arena, wire->args[i], part, depth + 1, &c->args[i], err));
    }
    *out = c;
    return BEAMC_OK;
}

beamc_status beamc__coder_bind(beamc_arena *arena, const beamc_coder *wire,
                               const beamc_coder *memory, const beamc_coder **out,
                               beamc_error *err) {
    return bind(arena, wire, memory, 0, out, err);
}
