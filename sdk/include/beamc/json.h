/**
 * @file json.h
 * A fast reader for events: picks named top-level members out of one JSON object.
 *
 * The whole text is validated (RFC 8259, ill-formed UTF-8 and lone surrogates included), wherever
 * the fault stands. Numbers that are not finite as doubles are invalid; nesting up to 1,024 levels
 * is accepted. A member that occurs twice counts with its last value; names are compared after
 * unescaping.
 *
 *     static const char *const names[] = {"event_time", "product_id"};
 *     reader = beamc_json_reader_new(names, 2);                 // once, in setup
 *     beamc_json_field f[2];
 *     if (beamc_json_read(reader, text, f, &err) == BEAMC_OK && f[1].kind == BEAMC_JSON_STRING) ...
 *
 * For documents whose struct is known, use beamc_row_from_json.
 */
#ifndef BEAMC_JSON_H
#define BEAMC_JSON_H

#include <beamc/error.h>
#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum beamc_json_kind {
    BEAMC_JSON_ABSENT = 0,
    BEAMC_JSON_NULL,
    BEAMC_JSON_BOOL,    /**< i64: 0 or 1 */
    BEAMC_JSON_INT,     /**< i64: an integer literal within int64 (-0 is 0) */
    BEAMC_JSON_BIG_INT, /**< an integer literal beyond int64 */
    BEAMC_JSON_REAL,    /**< f64: a number written with `.`, `e` or `E` */
    BEAMC_JSON_STRING,  /**< text: unescaped, well-formed UTF-8, may hold U+0000 */
    BEAMC_JSON_ARRAY,
    BEAMC_JSON_OBJECT
} beamc_json_kind;

/** What one wanted member holds. */
typedef struct beamc_json_field {
    beamc_json_kind kind;
    union {
        beamc_slice text;
        int64_t i64;
        double f64;
    };
} beamc_json_field;

/** Bytes that must be readable behind a text given to beamc_json_read_padded. */
enum { BEAMC_JSON_PADDING = 64 };

/** Owns reusable buffers. Threads: one at a time. */
typedef struct beamc_json_reader beamc_json_reader;

/** A reader for the members @p names (@p count of them; the names are copied). Never NULL. */
beamc_json_reader *beamc_json_reader_new(const char *const *names, size_t count);
void beamc_json_reader_free(beamc_json_reader *reader);

/**
 * Reads one JSON text and fills @p fields, one for each name in the order of beamc_json_reader_new.
 * Owns: texts in @p fields live until the next read or the reader's end.
 * Fails: INVALID_ARGUMENT for what is not one JSON object; the message says what is wrong and at
 * which byte. @p fields are unspecified then.
 */
beamc_status beamc_json_read(beamc_json_reader *reader, beamc_slice text, beamc_json_field *fields,
                             beamc_error *err) BEAMC_MUST_USE;
/** The same without a copy: BEAMC_JSON_PADDING bytes behind @p text must be readable, any content. */
beamc_status beamc_json_read_padded(beamc_json_reader *reader, beamc_slice text,
                                    beamc_json_field *fields, beamc_error *err) BEAMC_MUST_USE;

/** "a string", "an integer", "null": what a field holds, for messages. */
const char *beamc_json_kind_name(beamc_json_kind kind);

#ifdef __cplusplus
}
#endif
#endif
