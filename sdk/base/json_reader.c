/* json_reader.c: the reader of <beamc/json.h>.
 *
 * Texts go through simdjson first. What it refuses, and what is so long that simdjson's tape (about
 * ten bytes for one of the text) would be kept for ever, is decided by the strict reader, which
 * also words the errors. Threads: one at a time. */
#include <beamc/json.h>

#include <stdlib.h>

#include "base/json_parts.h"
#include "base/mem.h"

enum { SIMD_MAX_BYTES = 1 << 20, KEEP_MAX_BYTES = 4 << 20 };

struct beamc_json_reader {
    beamc_json_names wanted;
    beamc_json_simd *simd;
    beamc_buf padded;
    beamc_buf strings;
};

beamc_json_reader *beamc_json_reader_new(const char *const *names, size_t count) {
    beamc_json_reader *r = beamc__calloc(1, sizeof *r);
    beamc_json_name *copies = beamc__calloc(count != 0 ? count : 1, sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = beamc_json_name_of(beamc_str(beamc__strdup(names[i])));
    }
    r->wanted = (beamc_json_names){copies, count};
    r->simd = beamc__json_simd_new();
    return r;
}

void beamc_json_reader_free(beamc_json_reader *reader) {
    if (reader == NULL) {
        return;
    }
    for (size_t i = 0; i < reader->wanted.count; i++) {
        free((void *)(uintptr_t)reader->wanted.names[i].text.ptr);
    }
    free((void *)(uintptr_t)reader->wanted.names);
    beamc__json_simd_free(reader->simd);
    beamc_buf_free(&reader->padded);
    beamc_buf_free(&reader->strings);
    free(reader);
}

/* One giant event must not stay in memory for ever. */
static void forget_giant(beamc_buf *buf) {
    if (buf->cap > KEEP_MAX_BYTES) {
        beamc_buf_free(buf);
    }
    beamc_buf_clear(buf);
}

static beamc_status read_strict(beamc_json_reader *r, beamc_slice text, beamc_json_field *fields,
                                beamc_error *err) {
    forget_giant(&r->strings);
    return beamc__json_strict_read(text, &r->wanted, fields, &r->strings, err);
}

beamc_status beamc_json_read_padded(beamc_json_reader *reader, beamc_slice text,
                                    beamc_json_field *fields, beamc_error *err) {
    /* Some simdjson releases skip a byte order mark; RFC 8259 does not have one in the grammar. */
    bool plain = text.len > 0 && (unsigned char)text.ptr[0] < 0x80 && text.len <= SIMD_MAX_BYTES;
    if (plain && reader->simd != NULL &&
        beamc__json_simd_read(reader->simd, text, &reader->wanted, fields)) {
        return BEAMC_OK;
    }
    return read_strict(reader, text, fields, err);
}

beamc_status beamc_json_read(beamc_json_reader *reader, beamc_slice text, beamc_json_field *fields,
                             beamc_error *err) {
    if (text.len > SIMD_MAX_BYTES) {
        return read_strict(reader, text, fields, err);
    }
    beamc_buf_clear(&reader->padded);
    unsigned char *to = beamc_buf_room(&reader->padded, text.len + BEAMC_JSON_PADDING);
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    memset(to + text.len, ' ', BEAMC_JSON_PADDING);
    return beamc_json_read_padded(reader, beamc_slice_of(to, text.len), fields, err);
}

const char *beamc_json_kind_name(beamc_json_kind kind) {
    static const char *const names[] = {
        [BEAMC_JSON_ABSENT] = "absent",
        [BEAMC_JSON_NULL] = "null",
        [BEAMC_JSON_BOOL] = "a boolean",
        [BEAMC_JSON_INT] = "an integer",
        [BEAMC_JSON_BIG_INT] = "an integer beyond 64 bits",
        [BEAMC_JSON_REAL] = "a number with a fraction or an exponent",
        [BEAMC_JSON_STRING] = "a string",
        [BEAMC_JSON_ARRAY] = "an array",
        [BEAMC_JSON_OBJECT] = "an object",
    };
    size_t i = (size_t)kind;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown";
}
