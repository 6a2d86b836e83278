/* json_reader.c: the reader of <beamc/json.h>: the wanted names and a buffer for unescaped texts.
 * Threads: one at a time. */
#include <beamc/json.h>

#include <stdlib.h>

#include "base/json_parse.h"
#include "base/mem.h"

enum { KEEP_MAX_BYTES = 4 << 20 };

struct beamc_json_reader {
    beamc_json_names wanted;
    beamc_buf strings;
};

beamc_json_reader *beamc_json_reader_new(const char *const *names, size_t count) {
    beamc_json_reader *r = beamc__calloc(1, sizeof *r);
    beamc_json_name *copies = beamc__calloc(count != 0 ? count : 1, sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = beamc_json_name_of(beamc_str(beamc__strdup(names[i])));
    }
    r->wanted = (beamc_json_names){copies, count};
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
    beamc_buf_free(&reader->strings);
    free(reader);
}

beamc_status beamc_json_read(beamc_json_reader *reader, beamc_slice text, beamc_json_field *fields,
                             beamc_error *err) {
    if (reader->strings.cap > KEEP_MAX_BYTES) { /* a giant event must not stay for ever */
        beamc_buf_free(&reader->strings);
    }
    beamc_buf_clear(&reader->strings);
    return beamc__json_parse(text, &reader->wanted, fields, &reader->strings, err);
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
