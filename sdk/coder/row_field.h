/* row_field.h: the values of row fields, in structs and in containers. Private to sdk/coder. */
#ifndef BEAMC_CODER_ROW_FIELD_H
#define BEAMC_CODER_ROW_FIELD_H

#include "coder/parts.h"

/* The member of @p f in the struct at @p base, as a value; containers as a pointer to the member. */
static inline beamc_value beamc_field_load(const beamc_field *f, const void *base) {
    const char *at = (const char *)base + f->offset;
    beamc_value v = {.i64 = 0};
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
        v.i64 = *(const int8_t *)at;
        break;
    case BEAMC_FIELD_I16:
        v.i64 = *(const int16_t *)(const void *)at;
        break;
    case BEAMC_FIELD_I32:
        v.i64 = *(const int32_t *)(const void *)at;
        break;
    case BEAMC_FIELD_I64:
    case BEAMC_FIELD_TIME:
        v.i64 = *(const int64_t *)(const void *)at;
        break;
    case BEAMC_FIELD_FLOAT:
        v.f64 = (double)*(const float *)(const void *)at;
        break;
    case BEAMC_FIELD_DOUBLE:
        v.f64 = *(const double *)(const void *)at;
        break;
    case BEAMC_FIELD_BOOL:
        v.i64 = *(const bool *)at;
        break;
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
    case BEAMC_FIELD_DECIMAL:
        v.bytes = *(const beamc_slice *)(const void *)at;
        break;
    case BEAMC_FIELD_ROW:
        v.row = *(const void *const *)(const void *)at;
        break;
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
    case BEAMC_FIELD_MAP:
        v.row = at;
        break;
    }
    return v;
}

/* The reverse. */
static inline void beamc_field_store(const beamc_field *f, void *base, beamc_value v) {
    char *at = (char *)base + f->offset;
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
        *(int8_t *)at = (int8_t)v.i64;
        break;
    case BEAMC_FIELD_I16:
        *(int16_t *)(void *)at = (int16_t)v.i64;
        break;
    case BEAMC_FIELD_I32:
        *(int32_t *)(void *)at = (int32_t)v.i64;
        break;
    case BEAMC_FIELD_I64:
    case BEAMC_FIELD_TIME:
        *(int64_t *)(void *)at = v.i64;
        break;
    case BEAMC_FIELD_FLOAT:
        *(float *)(void *)at = (float)v.f64;
        break;
    case BEAMC_FIELD_DOUBLE:
        *(double *)(void *)at = v.f64;
        break;
    case BEAMC_FIELD_BOOL:
        *(bool *)at = v.i64 != 0;
        break;
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
    case BEAMC_FIELD_DECIMAL:
        *(beamc_slice *)(void *)at = v.bytes;
        break;
    case BEAMC_FIELD_ROW:
        *(const void **)(void *)at = v.row;
        break;
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        *(beamc_array *)(void *)at = *(const beamc_array *)v.row;
        break;
    case BEAMC_FIELD_MAP:
        *(beamc_map *)(void *)at = *(const beamc_map *)v.row;
        break;
    }
}

static inline bool beamc_field_is_null(const beamc_field *f, const void *base) {
    return f->nullable && !*((const bool *)base + f->has_offset);
}

static inline void beamc_field_set_present(const beamc_field *f, void *base, bool present) {
    if (f->nullable) {
        *((bool *)base + f->has_offset) = present;
    }
}

/* The field at a position of the encoding. */
static inline uint32_t beamc_row_index(const beamc_row *row, uint32_t position) {
    return row->encoding_order != NULL ? row->encoding_order[position] : position;
}

/* "int64", "row": for messages. */
const char *beamc__field_type_name(beamc_field_type type);

/* One value that is not null. @p v: containers as a pointer to beamc_array or beamc_map. */
beamc_status beamc__field_decode(const beamc_field *f, beamc_cursor *in, beamc_scratch *s,
                                 beamc_value *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__field_encode(const beamc_field *f, beamc_value v, unsigned depth,
                                 beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__field_skip(const beamc_field *f, beamc_cursor *in, unsigned depth,
                               beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__field_copy(const beamc_field *f, beamc_value v, beamc_arena *arena,
                               unsigned depth, beamc_value *out, beamc_error *err) BEAMC_MUST_USE;

#endif
