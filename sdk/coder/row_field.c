/* row_field.c: the encodings of row fields (schema.proto; the coders that other SDKs give to the
 * types). Inside rows everything is nested. Items of containers that may be null carry one byte in
 * front: 0 for null, 1 for a value. */
#include "coder/row_field.h"

/* --------------------------------------------------------------------------------------- scalars */

static beamc_status get_i32(beamc_cursor *in, beamc_value *out, beamc_error *err) {
    uint64_t v;
    if (!beamc_get_varint(in, &v)) {
        return beamc__ends_early(in, "int32", err);
    }
    /* Written as an unsigned 32-bit number; a sign-extended one is understood as well. */
    if (v > UINT32_MAX && (int64_t)v != (int32_t)v) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%lld is not within int32", (long long)v);
    }
    out->i64 = (int32_t)(uint32_t)v;
    return BEAMC_OK;
}

static beamc_status get_decimal(beamc_cursor *in, beamc_value *out, beamc_error *err) {
    const unsigned char *from = in->p;
    uint64_t scale;
    beamc_slice digits;
    if (!beamc_get_varint(in, &scale) || !beamc_get_prefixed(in, &digits)) {
        return beamc__ends_early(in, "decimal", err);
    }
    out->bytes = beamc_slice_of(from, (size_t)(in->p - from));
    return BEAMC_OK;
}

static beamc_status get_fixed(beamc_cursor *in, size_t size, uint64_t *out, beamc_field_type type,
                              beamc_error *err) {
    if (beamc_cursor_left(in) < size) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s needs %zu bytes, %zu are left",
                          beamc__field_type_name(type), size, beamc_cursor_left(in));
    }
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) {
        v = v << 8 | in->p[i];
    }
    in->p += size;
    *out = v;
    return BEAMC_OK;
}

static size_t fixed_size(beamc_field_type type) {
    switch (type) {
    case BEAMC_FIELD_BYTE:
    case BEAMC_FIELD_BOOL:
        return 1;
    case BEAMC_FIELD_I16:
        return 2;
    case BEAMC_FIELD_FLOAT:
        return 4;
    case BEAMC_FIELD_DOUBLE:
    case BEAMC_FIELD_TIME:
        return 8;
    default:
        return 0;
    }
}

static beamc_status get_scalar(const beamc_field *f, beamc_cursor *in, beamc_value *out,
                               beamc_error *err) {
    uint64_t bits = 0;
    BEAMC_TRY(get_fixed(in, fixed_size(f->type), &bits, f->type, err));
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
        out->i64 = (int8_t)(uint8_t)bits;
        return BEAMC_OK;
    case BEAMC_FIELD_I16:
        out->i64 = (int16_t)(uint16_t)bits;
        return BEAMC_OK;
    case BEAMC_FIELD_FLOAT: {
        uint32_t half = (uint32_t)bits;
        float x;
        memcpy(&x, &half, sizeof x);
        out->f64 = (double)x;
        return BEAMC_OK;
    }
    case BEAMC_FIELD_DOUBLE:
        memcpy(&out->f64, &bits, sizeof bits);
        return BEAMC_OK;
    case BEAMC_FIELD_TIME:
        out->i64 = beamc_time_from_wire(bits);
        return BEAMC_OK;
    default:
        if (bits > 1) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "bool is byte %u, must be 0 or 1",
                              (unsigned)bits);
        }
        out->i64 = (int64_t)bits;
        return BEAMC_OK;
    }
}

/* ------------------------------------------------------------------------------------ containers */

/* An item of a container: the flag of nullable ones, then the value. */
static beamc_status decode_item(const beamc_field *f, beamc_cursor *in, beamc_scratch *s,
                                beamc_value *out, beamc_error *err) {
    if (!f->nullable) {
        return beamc__field_decode(f, in, s, out, err);
    }
    unsigned flag;
    if (!beamc_get_u8(in, &flag) || flag > 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "an item lacks its null flag of 0 or 1");
    }
    out->nullable = NULL;
    if (flag == 1) {
        beamc_value *present = beamc_arena_alloc(s->arena, sizeof *present);
        BEAMC_TRY(beamc__field_decode(f, in, s, present, err));
        out->nullable = present;
    }
    return BEAMC_OK;
}

static beamc_status encode_item(const beamc_field *f, const beamc_value *v, unsigned depth,
                                beamc_buf *out, beamc_error *err) {
    if (!f->nullable) {
        return beamc__field_encode(f, *v, depth, out, err);
    }
    beamc_buf_put_u8(out, v->nullable != NULL);
    return v->nullable != NULL ? beamc__field_encode(f, *v->nullable, depth, out, err) : BEAMC_OK;
}

static beamc_status skip_item(const beamc_field *f, beamc_cursor *in, unsigned depth,
                              beamc_error *err) {
    if (f->nullable) {
        unsigned flag;
        if (!beamc_get_u8(in, &flag) || flag > 1) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "an item lacks its null flag of 0 or 1");
        }
        if (flag == 0) {
            return BEAMC_OK;
        }
    }
    return beamc__field_skip(f, in, depth, err);
}

static beamc_status copy_item(const beamc_field *f, const beamc_value *v, beamc_arena *arena,
                              unsigned depth, beamc_value *out, beamc_error *err) {
    if (!f->nullable) {
        return beamc__field_copy(f, *v, arena, depth, out, err);
    }
    out->nullable = NULL;
    if (v->nullable != NULL) {
        beamc_value *present = beamc_arena_alloc(arena, sizeof *present);
        BEAMC_TRY(beamc__field_copy(f, *v->nullable, arena, depth, present, err));
        out->nullable = present;
    }
    return BEAMC_OK;
}

/* A count in front of items that take at least @p least bytes each. -1: groups follow. */
static beamc_status get_count(beamc_cursor *in, size_t least, int64_t *out, beamc_error *err) {
    uint32_t count;
    if (!beamc_get_be32(in, &count)) {
        return beamc__ends_early(in, "count of items", err);
    }
    *out = (int32_t)count;
    if (*out < -1 || (*out > 0 && (uint64_t)*out > beamc_cursor_left(in) / least)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a count of %lld items, with %zu bytes left",
                          (long long)*out, beamc_cursor_left(in));
    }
    return BEAMC_OK;
}

/* Items of groups: iterables of unknown length. The groups are walked once to count them. */
static beamc_status count_groups(const beamc_field *f, beamc_cursor in, unsigned depth,
                                 uint64_t *total, beamc_error *err) {
    *total = 0;
    for (;;) {
        uint64_t n;
        if (!beamc_get_varint(&in, &n)) {
            return beamc__ends_early(&in, "group of items", err);
        }
        if (n == 0) {
            return BEAMC_OK;
        }
        if (n > beamc_cursor_left(&in)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a group of %lld items, with %zu bytes left",
                              (long long)n, beamc_cursor_left(&in));
        }
        *total += n;
        for (uint64_t i = 0; i < n; i++) {
            BEAMC_TRY(skip_item(f, &in, depth, err));
        }
    }
}

static beamc_status decode_array(const beamc_field *f, beamc_cursor *in, beamc_scratch *s,
                                 beamc_value *out, beamc_error *err) {
    int64_t count;
    BEAMC_TRY(get_count(in, 1, &count, err));
    bool groups = count < 0;
    uint64_t total = groups ? 0 : (uint64_t)count;
    if (groups) {
        BEAMC_TRY(count_groups(f->element, *in, s->depth, &total, err));
    }
    beamc_array *array = beamc_arena_alloc(s->arena, sizeof *array);
    beamc_value *items = beamc_arena_alloc(s->arena, total * sizeof *items);
    uint64_t left = groups ? 0 : total;
    for (uint64_t i = 0; i < total; i++, left--) {
        if (left == 0 && !beamc_get_varint(in, &left)) {
            return beamc__ends_early(in, "group of items", err);
        }
        BEAMC_TRY_CTX(err, decode_item(f->element, in, s, &items[i], err), "item %llu",
                      (unsigned long long)i);
    }
    if (groups && !beamc_get_varint(in, &left)) { /* the 0 that ends them, in any length */
        return beamc__ends_early(in, "group of items", err);
    }
    *array = (beamc_array){items, total};
    out->row = array;
    return BEAMC_OK;
}

static beamc_status decode_map(const beamc_field *f, beamc_cursor *in, beamc_scratch *s,
                               beamc_value *out, beamc_error *err) {
    int64_t count;
    BEAMC_TRY(get_count(in, 2, &count, err));
    if (count < 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a map has a count of %lld", (long long)count);
    }
    beamc_map *map = beamc_arena_alloc(s->arena, sizeof *map);
    beamc_kv *items = beamc_arena_alloc(s->arena, (size_t)count * sizeof *items);
    for (int64_t i = 0; i < count; i++) {
        BEAMC_TRY_CTX(err, decode_item(f->key, in, s, &items[i].key, err), "key %lld",
                      (long long)i);
        BEAMC_TRY_CTX(err, decode_item(f->element, in, s, &items[i].value, err), "value %lld",
                      (long long)i);
    }
    *map = (beamc_map){items, (size_t)count};
    out->row = map;
    return BEAMC_OK;
}

static beamc_status put_count(size_t count, beamc_buf *out, beamc_error *err) {
    if (count > INT32_MAX) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%zu items; a row can hold 2^31 - 1", count);
    }
    beamc_put_be32(out, (uint32_t)count);
    return BEAMC_OK;
}

static beamc_status encode_array(const beamc_field *f, const beamc_array *array, unsigned depth,
                                 beamc_buf *out, beamc_error *err) {
    BEAMC_TRY(put_count(array->count, out, err));
    for (size_t i = 0; i < array->count; i++) {
        BEAMC_TRY_CTX(err, encode_item(f->element, &array->items[i], depth, out, err), "item %zu",
                      i);
    }
    return BEAMC_OK;
}

static beamc_status encode_map(const beamc_field *f, const beamc_map *map, unsigned depth,
                               beamc_buf *out, beamc_error *err) {
    BEAMC_TRY(put_count(map->count, out, err));
    for (size_t i = 0; i < map->count; i++) {
        BEAMC_TRY_CTX(err, encode_item(f->key, &map->items[i].key, depth, out, err), "key %zu", i);
        BEAMC_TRY_CTX(err, encode_item(f->element, &map->items[i].value, depth, out, err),
                      "value %zu", i);
    }
    return BEAMC_OK;
}

static beamc_status skip_array(const beamc_field *f, beamc_cursor *in, unsigned depth,
                               beamc_error *err) {
    int64_t count;
    BEAMC_TRY(get_count(in, 1, &count, err));
    bool groups = count < 0;
    uint64_t left = groups ? 0 : (uint64_t)count;
    for (;;) {
        for (; left > 0; left--) {
            BEAMC_TRY(skip_item(f->element, in, depth, err));
        }
        if (!groups) {
            return BEAMC_OK;
        }
        if (!beamc_get_varint(in, &left) || left > beamc_cursor_left(in)) {
            return beamc__ends_early(in, "group of items", err);
        }
        groups = left != 0;
    }
}

static beamc_status skip_map(const beamc_field *f, beamc_cursor *in, unsigned depth,
                             beamc_error *err) {
    int64_t count;
    BEAMC_TRY(get_count(in, 2, &count, err));
    if (count < 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a map has a count of %lld", (long long)count);
    }
    for (int64_t i = 0; i < count; i++) {
        BEAMC_TRY(skip_item(f->key, in, depth, err));
        BEAMC_TRY(skip_item(f->element, in, depth, err));
    }
    return BEAMC_OK;
}

static beamc_status copy_array(const beamc_field *f, const beamc_array *from, beamc_arena *arena,
                               unsigned depth, beamc_value *out, beamc_error *err) {
    beamc_array *array = beamc_arena_alloc(arena, sizeof *array);
    beamc_value *items = beamc_arena_alloc(arena, from->count * sizeof *items);
    for (size_t i = 0; i < from->count; i++) {
        BEAMC_TRY(copy_item(f->element, &from->items[i], arena, depth, &items[i], err));
    }
    *array = (beamc_array){items, from->count};
    out->row = array;
    return BEAMC_OK;
}

static beamc_status copy_map(const beamc_field *f, const beamc_map *from, beamc_arena *arena,
                             unsigned depth, beamc_value *out, beamc_error *err) {
    beamc_map *map = beamc_arena_alloc(arena, sizeof *map);
    beamc_kv *items = beamc_arena_alloc(arena, from->count * sizeof *items);
    for (size_t i = 0; i < from->count; i++) {
        BEAMC_TRY(copy_item(f->key, &from->items[i].key, arena, depth, &items[i].key, err));
        BEAMC_TRY(copy_item(f->element, &from->items[i].value, arena, depth, &items[i].value, err));
    }
    *map = (beamc_map){items, from->count};
    out->row = map;
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- any field */

beamc_status beamc__field_decode(const beamc_field *f, beamc_cursor *in, beamc_scratch *s,
                                 beamc_value *out, beamc_error *err) {
    switch (f->type) {
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
        return beamc_get_prefixed(in, &out->bytes) ? BEAMC_OK
                                                   : beamc__ends_early(in, "string", err);
    case BEAMC_FIELD_I64: {
        uint64_t v;
        if (!beamc_get_varint(in, &v)) {
            return beamc__ends_early(in, "int64", err);
        }
        out->i64 = (int64_t)v;
        return BEAMC_OK;
    }
    case BEAMC_FIELD_I32:
        return get_i32(in, out, err);
    case BEAMC_FIELD_DECIMAL:
        return get_decimal(in, out, err);
    case BEAMC_FIELD_ROW: {
        void *row = beamc_arena_alloc(s->arena, f->row->size);
        out->row = row;
        return beamc__row_decode(f->row, in, true, s, row, err);
    }
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return decode_array(f, in, s, out, err);
    case BEAMC_FIELD_MAP:
        return decode_map(f, in, s, out, err);
    default:
        return get_scalar(f, in, out, err);
    }
}

beamc_status beamc__field_encode(const beamc_field *f, beamc_value v, unsigned depth,
                                 beamc_buf *out, beamc_error *err) {
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
    case BEAMC_FIELD_BOOL:
        beamc_buf_put_u8(out, (uint8_t)v.i64);
        return BEAMC_OK;
    case BEAMC_FIELD_I16: {
        const unsigned char two[2] = {(unsigned char)(v.i64 >> 8), (unsigned char)v.i64};
        beamc_buf_put(out, two, 2);
        return BEAMC_OK;
    }
    case BEAMC_FIELD_I32:
        beamc_put_varint(out, (uint32_t)v.i64);
        return BEAMC_OK;
    case BEAMC_FIELD_I64:
        beamc_put_varint(out, (uint64_t)v.i64);
        return BEAMC_OK;
    case BEAMC_FIELD_FLOAT: {
        float x = (float)v.f64;
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        beamc_put_be32(out, bits);
        return BEAMC_OK;
    }
    case BEAMC_FIELD_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, &v.f64, sizeof bits);
        beamc_put_be64(out, bits);
        return BEAMC_OK;
    }
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
        beamc_put_prefixed(out, v.bytes);
        return BEAMC_OK;
    case BEAMC_FIELD_DECIMAL:
        if (v.bytes.len == 0) { /* a zeroed struct: 0 */
            beamc_buf_put(out, "\0\1\0", 3);
        } else {
            beamc_buf_put_slice(out, v.bytes);
        }
        return BEAMC_OK;
    case BEAMC_FIELD_TIME:
        beamc_put_be64(out, beamc_time_to_wire(v.i64));
        return BEAMC_OK;
    case BEAMC_FIELD_ROW:
        if (v.row == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "the row is missing (a NULL pointer)");
        }
        return beamc__row_encode(f->row, v.row, depth + 1, out, err);
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return encode_array(f, v.row, depth, out, err);
    case BEAMC_FIELD_MAP:
        return encode_map(f, v.row, depth, out, err);
    }
    return BEAMC_FAIL(err, INTERNAL, "field type %d does not exist", (int)f->type);
}

beamc_status beamc__field_skip(const beamc_field *f, beamc_cursor *in, unsigned depth,
                               beamc_error *err) {
    beamc_value ignored;
    switch (f->type) {
    case BEAMC_FIELD_ROW:
        return beamc__row_skip(f->row, in, depth + 1, err);
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return skip_array(f, in, depth, err);
    case BEAMC_FIELD_MAP:
        return skip_map(f, in, depth, err);
    default:
        return beamc__field_decode(f, in, NULL, &ignored, err); /* a scalar: allocates nothing */
    }
}

beamc_status beamc__field_copy(const beamc_field *f, beamc_value v, beamc_arena *arena,
                               unsigned depth, beamc_value *out, beamc_error *err) {
    switch (f->type) {
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
    case BEAMC_FIELD_DECIMAL:
        out->bytes = beamc_arena_copy(arena, v.bytes);
        return BEAMC_OK;
    case BEAMC_FIELD_ROW: {
        out->row = NULL;
        if (v.row == NULL) {
            return BEAMC_OK;
        }
        void *row = beamc_arena_alloc(arena, f->row->size);
        out->row = row;
        return beamc__row_copy(f->row, v.row, arena, depth + 1, row, err);
    }
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return copy_array(f, v.row, arena, depth, out, err);
    case BEAMC_FIELD_MAP:
        return copy_map(f, v.row, arena, depth, out, err);
    default:
        *out = v;
        return BEAMC_OK;
    }
}

const char *beamc__field_type_name(beamc_field_type type) {
    static const char *const names[] = {
        [BEAMC_FIELD_BYTE] = "byte",         [BEAMC_FIELD_I16] = "int16",
        [BEAMC_FIELD_I32] = "int32",         [BEAMC_FIELD_I64] = "int64",
        [BEAMC_FIELD_FLOAT] = "float",       [BEAMC_FIELD_DOUBLE] = "double",
        [BEAMC_FIELD_STRING] = "string",     [BEAMC_FIELD_BOOL] = "boolean",
        [BEAMC_FIELD_BYTES] = "bytes",       [BEAMC_FIELD_TIME] = "time",
        [BEAMC_FIELD_ROW] = "row",           [BEAMC_FIELD_ARRAY] = "array",
        [BEAMC_FIELD_ITERABLE] = "iterable", [BEAMC_FIELD_MAP] = "map",
        [BEAMC_FIELD_DECIMAL] = "decimal",
    };
    size_t i = (size_t)type;
    return i < sizeof names / sizeof names[0] && names[i] != NULL ? names[i] : "unknown";
}
