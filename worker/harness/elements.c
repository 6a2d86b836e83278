/* elements.c: see elements.h. Field numbers are those of Elements.Data and Elements.Timers; a field that
 * comes twice counts the last time, an unknown one is skipped. Threads: none of this keeps state. */
#include "worker/harness/elements.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum { ELEMENTS_DATA = 1, ELEMENTS_TIMERS = 2 };

enum { LENGTH_BYTES = 5 }; /* of a padded varint */

static bool skip(beamc_cursor *in, unsigned wire_type) {
    uint64_t v;
    beamc_slice s;
    switch (wire_type) {
    case WIRE_VARINT:
        return beamc_get_varint(in, &v);
    case WIRE_FIXED64:
        return beamc_get_bytes(in, 8, &s);
    case WIRE_BYTES:
        return beamc_get_prefixed(in, &s);
    case WIRE_FIXED32:
        return beamc_get_bytes(in, 4, &s);
    default: /* groups are long gone from protobuf */
        return false;
    }
}

/* Field numbers of Data and Timers differ behind transform_id. */
static bool read_field(beamc_cursor *in, uint64_t tag, beamc_elements_part *part) {
    uint64_t field = tag >> 3;
    unsigned wire_type = tag & 7;
    uint64_t data_field = part->is_timers ? 4 : 3;
    if (wire_type == WIRE_BYTES && field == 1) {
        return beamc_get_prefixed(in, &part->instruction_id);
    }
    if (wire_type == WIRE_BYTES && field == 2) {
        return beamc_get_prefixed(in, &part->transform_id);
    }
    if (wire_type == WIRE_BYTES && field == data_field) {
        return beamc_get_prefixed(in, &part->data);
    }
    if (wire_type == WIRE_BYTES && field == 3) {
        return beamc_get_prefixed(in, &part->family);
    }
    if (wire_type == WIRE_VARINT && field == data_field + 1) {
        uint64_t v;
        bool ok = beamc_get_varint(in, &v);
        part->is_last = ok && v != 0;
        return ok;
    }
    return field != 0 && skip(in, wire_type);
}

static bool read_part(beamc_slice bytes, bool is_timers, beamc_elements_part *part) {
    beamc_cursor in = beamc_cursor_of(bytes);
    *part = (beamc_elements_part){.is_timers = is_timers};
    uint64_t tag;
    while (beamc_cursor_left(&in) > 0) {
        if (!beamc_get_varint(&in, &tag) || !read_field(&in, tag, part)) {
            return false;
        }
    }
    return true;
}

beamc_status beamc__elements_next(beamc_cursor *in, beamc_elements_part *part, bool *more,
                                  beamc_error *err) {
    while (beamc_cursor_left(in) > 0) {
        uint64_t tag;
        beamc_slice bytes;
        size_t left = beamc_cursor_left(in);
        bool ok = beamc_get_varint(in, &tag) && tag >> 3 != 0;
        bool is_part = ok && (tag & 7) == WIRE_BYTES &&
                       (tag >> 3 == ELEMENTS_DATA || tag >> 3 == ELEMENTS_TIMERS);
        if (is_part) {
            ok = beamc_get_prefixed(in, &bytes) &&
                 read_part(bytes, tag >> 3 == ELEMENTS_TIMERS, part);
        } else {
            ok = ok && skip(in, tag & 7);
        }
        if (!ok) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "an Elements message is malformed, %zu bytes before its end", left);
        }
        if (is_part) {
            *more = true;
            return BEAMC_OK;
        }
    }
    *more = false;
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------- writing */

static void write_length(unsigned char *to, size_t length) {
    for (int i = 0; i < LENGTH_BYTES - 1; i++) {
        to[i] = (unsigned char)(length | 0x80);
        length >>= 7;
    }
    to[LENGTH_BYTES - 1] = (unsigned char)length;
}

static void put_tag(beamc_buf *out, unsigned field, unsigned wire_type) {
    beamc_buf_put_u8(out, field << 3 | wire_type);
}

static void put_text(beamc_buf *out, unsigned field, const char *text) {
    put_tag(out, field, WIRE_BYTES);
    beamc_put_prefixed(out, beamc_str(text));
}

static void put_names(beamc_buf *out, const char *instruction_id, const char *transform_id,
                      const char *family) {
    put_text(out, 1, instruction_id);
    put_text(out, 2, transform_id);
    if (family != NULL) {
        put_text(out, 3, family);
    }
}

static void put_unknown_length(beamc_buf *out, unsigned field) {
    put_tag(out, field, WIRE_BYTES);
    write_length(beamc_buf_room(out, LENGTH_BYTES), 0);
    out->len += LENGTH_BYTES;
}

size_t beamc__elements_begin(beamc_buf *out, const char *instruction_id, const char *transform_id,
                             const char *family) {
    size_t start = out->len;
    put_unknown_length(out, family != NULL ? ELEMENTS_TIMERS : ELEMENTS_DATA);
    put_names(out, instruction_id, transform_id, family);
    put_unknown_length(out, family != NULL ? 4 : 3);
    return out->len - start;
}

void beamc__elements_end(beamc_buf *out, size_t start, size_t header) {
    size_t behind_length = start + 1 + LENGTH_BYTES;
    write_length(out->ptr + start + 1, out->len - behind_length);
    size_t behind_header = start + header;
    write_length(out->ptr + behind_header - LENGTH_BYTES, out->len - behind_header);
}

void beamc__elements_put_last(beamc_buf *out, const char *instruction_id, const char *transform_id,
                              const char *family) {
    put_tag(out, family != NULL ? ELEMENTS_TIMERS : ELEMENTS_DATA, WIRE_BYTES);
    size_t length_at = out->len;
    write_length(beamc_buf_room(out, LENGTH_BYTES), 0);
    out->len += LENGTH_BYTES;
    put_names(out, instruction_id, transform_id, family);
    put_tag(out, family != NULL ? 5 : 4, WIRE_VARINT);
    beamc_buf_put_u8(out, 1);
    write_length(out->ptr + length_at, out->len - length_at - LENGTH_BYTES);
}
