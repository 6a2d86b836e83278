/* row.c: beam:coder:row:v1. Varint number of fields; bitmap of the nulls as nested bytes (bit 0 of
 * the first byte is field 0; empty without nulls); then the other fields by encoding position.
 *
 * A row written with fewer fields than ours (an older schema) leaves the rest null or zero; one with
 * more is read where its length is known from outside, since only there the rest can be passed
 * over. */
#include "coder/row_field.h"

#include "proto/beam_model/urns.h"

typedef struct head {
    uint32_t fields; /* to read: at most row->field_count */
    beamc_slice nulls;
} head;

static bool bit_of(beamc_slice bitmap, uint32_t i) {
    return i / 8 < bitmap.len && ((unsigned char)bitmap.ptr[i / 8] >> (i % 8) & 1) != 0;
}

static beamc_status read_head(const beamc_row *row, beamc_cursor *in, bool nested, head *out,
                              beamc_error *err) {
    uint64_t count;
    if (!beamc_get_varint(in, &count)) {
        return beamc__ends_early(in, "row's field count", err);
    }
    if (!beamc_get_prefixed(in, &out->nulls)) {
        return beamc__ends_early(in, "row's bitmap of nulls", err);
    }
    if (count > row->field_count && nested) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "row has %llu fields, its schema %s has %u: it was written with a newer "
                          "schema",
                          (unsigned long long)count, row->name != NULL ? row->name : "",
                          row->field_count);
    }
    out->fields = count < row->field_count ? (uint32_t)count : row->field_count;
    return BEAMC_OK;
}

static beamc_status null_in_required(const beamc_field *f, beamc_error *err) {
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "field %s is null, which its schema does not allow",
                      f->name);
}

static beamc_status too_deep(beamc_error *err) {
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "more than %d levels of rows in a row",
                      BEAMC_CODER_MAX_DEPTH);
}

static beamc_status decode_fields(const beamc_row *row, beamc_cursor *in, bool nested,
                                  beamc_scratch *s, void *out, beamc_error *err) {
    head h;
    BEAMC_TRY(read_head(row, in, nested, &h, err));
    memset(out, 0, row->size);
    for (uint32_t i = 0; i < h.fields; i++) {
        uint32_t index = beamc_row_index(row, i);
        const beamc_field *f = &row->fields[index];
        if (h.nulls.len != 0 && bit_of(h.nulls, index)) {
            if (!f->nullable) {
                return null_in_required(f, err);
            }
            continue;
        }
        beamc_value v;
        BEAMC_TRY_CTX(err, beamc__field_decode(f, in, s, &v, err), "field %s", f->name);
        beamc_field_store(f, out, v);
        beamc_field_set_present(f, out, true);
    }
    if (!nested) {
        in->p = in->end; /* fields of a newer schema */
    }
    return BEAMC_OK;
}

beamc_status beamc__row_decode(const beamc_row *row, beamc_cursor *in, bool nested,
                               beamc_scratch *s, void *out, beamc_error *err) {
    if (s->depth >= BEAMC_CODER_MAX_DEPTH) {
        return too_deep(err);
    }
    s->depth++;
    beamc_status status = decode_fields(row, in, nested, s, out, err);
    s->depth--;
    return status;
}

/* The bitmap has its full length when there is a null, as the model describes it. */
static void encode_nulls(const beamc_row *row, const void *value, beamc_buf *out) {
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < row->field_count; i++) {
        nulls += beamc_field_is_null(&row->fields[i], value);
    }
    if (nulls == 0) {
        beamc_buf_put_u8(out, 0);
        return;
    }
    size_t size = (row->field_count + 7) / 8;
    beamc_put_varint(out, size);
    unsigned char *bits = memset(beamc_buf_room(out, size), 0, size);
    for (uint32_t i = 0; i < row->field_count; i++) {
        bits[i / 8] |= (unsigned char)(beamc_field_is_null(&row->fields[i], value) << (i % 8));
    }
    out->len += size;
}

beamc_status beamc__row_encode(const beamc_row *row, const void *value, unsigned depth,
                               beamc_buf *out, beamc_error *err) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return too_deep(err);
    }
    beamc_put_varint(out, row->field_count);
    encode_nulls(row, value, out);
    for (uint32_t i = 0; i < row->field_count; i++) {
        const beamc_field *f = &row->fields[beamc_row_index(row, i)];
        if (!beamc_field_is_null(f, value)) {
            BEAMC_TRY_CTX(err, beamc__field_encode(f, beamc_field_load(f, value), depth, out, err),
                          "field %s", f->name);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__row_skip(const beamc_row *row, beamc_cursor *in, unsigned depth,
                             beamc_error *err) {
    head h;
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return too_deep(err);
    }
    BEAMC_TRY(read_head(row, in, true, &h, err));
    for (uint32_t i = 0; i < h.fields; i++) {
        uint32_t index = beamc_row_index(row, i);
        const beamc_field *f = &row->fields[index];
        if (!bit_of(h.nulls, index)) {
            BEAMC_TRY_CTX(err, beamc__field_skip(f, in, depth, err), "field %s", f->name);
        } else if (!f->nullable) {
            return null_in_required(f, err);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__row_copy(const beamc_row *row, const void *value, beamc_arena *arena,
                             unsigned depth, void *out, beamc_error *err) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return too_deep(err);
    }
    memcpy(out, value, row->size);
    for (uint32_t i = 0; i < row->field_count; i++) {
        const beamc_field *f = &row->fields[i];
        if (!beamc_field_is_null(f, value)) {
            beamc_value v;
            BEAMC_TRY_CTX(err,
                          beamc__field_copy(f, beamc_field_load(f, value), arena, depth, &v, err),
                          "field %s", f->name);
            beamc_field_store(f, out, v);
        }
    }
    return BEAMC_OK;
}

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    void *row = beamc_arena_alloc(s->arena, c->row->size);
    out->row = row;
    return beamc__row_decode(c->row, in, nested, s, row, err);
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    return beamc__row_encode(c->row, v->row, depth, out, err);
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    return beamc__row_skip(c->row, in, depth, err);
}

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    void *row = beamc_arena_alloc(arena, c->row->size);
    out->row = row;
    return beamc__row_copy(c->row, v->row, arena, 0, row, err);
}

const beamc_coder_ops beamc__ops_row = {
    BEAMC_URN_CODER_ROW, "row", 0, true, decode, encode, skip, NULL, copy,
};
