/**
 * @file coder.h
 * Coders: how values become bytes, by Beam's standard coders.
 *
 * A coder is an immutable struct; compose them in static initialisers:
 * `static const beamc_coder views = BEAMC_KV(&beamc_string, &beamc_varint);`
 * The wire's coders (from a ProcessBundleDescriptor) are the same type, built at run time.
 * Source of the encodings: beam_runner_api.proto, StandardCoders.Enum.
 */
#ifndef BEAMC_CODER_H
#define BEAMC_CODER_H

#include <beamc/arena.h>
#include <beamc/buf.h>
#include <beamc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_coder beamc_coder;
typedef struct beamc_row beamc_row;

typedef enum beamc_coder_kind {
    BEAMC_CODER_BYTES = 1,
    BEAMC_CODER_STRING,
    BEAMC_CODER_BOOL,
    BEAMC_CODER_VARINT,
    BEAMC_CODER_DOUBLE,
    BEAMC_CODER_KV,
    BEAMC_CODER_ITERABLE,
    BEAMC_CODER_STATE_BACKED_ITERABLE,
    BEAMC_CODER_LENGTH_PREFIX,
    BEAMC_CODER_GLOBAL_WINDOW,
    BEAMC_CODER_INTERVAL_WINDOW,
    BEAMC_CODER_CUSTOM_WINDOW,
    BEAMC_CODER_WINDOWED_VALUE,
    BEAMC_CODER_PARAM_WINDOWED_VALUE,
    BEAMC_CODER_TIMER,
    BEAMC_CODER_ROW,
    BEAMC_CODER_SHARDED_KEY,
    BEAMC_CODER_NULLABLE
} beamc_coder_kind;

struct beamc_coder {
    beamc_coder_kind kind;
    const beamc_coder *args[2]; /**< component coders, in the order of the model */
    const beamc_row *row;       /**< of BEAMC_CODER_ROW */
    const void *extra;          /**< of param_windowed_value: its fixed beamc_windowed_value */
};

extern const beamc_coder beamc_bytes;
extern const beamc_coder beamc_string;
extern const beamc_coder beamc_bool;
extern const beamc_coder beamc_varint;
extern const beamc_coder beamc_double;
extern const beamc_coder beamc_global_window;
extern const beamc_coder beamc_interval_window;
/** KV<string, varint>: the pair that counts are made of. */
extern const beamc_coder beamc_kv_str_i64;
/** KV<bytes, bytes>. */
extern const beamc_coder beamc_kv_bytes_bytes;

/** Initialisers: `static const beamc_coder c = BEAMC_KV(&beamc_string, &beamc_varint);` */
#define BEAMC_KV(key_coder, value_coder)                                                           \
    { BEAMC_CODER_KV, {(key_coder), (value_coder)}, 0, 0 }
#define BEAMC_ITERABLE(element_coder)                                                              \
    { BEAMC_CODER_ITERABLE, {(element_coder), 0}, 0, 0 }
#define BEAMC_NULLABLE(coder)                                                                      \
    { BEAMC_CODER_NULLABLE, {(coder), 0}, 0, 0 }
#define BEAMC_ROW_CODER(row_table)                                                                 \
    { BEAMC_CODER_ROW, {0, 0}, (row_table), 0 }

/** "beam:coder:kv:v1" of a kind. */
const char *beamc_coder_urn(beamc_coder_kind kind);
/** "kv<string, varint>", for messages. Written into @p out. */
void beamc_coder_describe(const beamc_coder *coder, beamc_buf *out);
/** Same encoding (structure, rows by their schema). */
bool beamc_coder_equal(const beamc_coder *a, const beamc_coder *b);
/** Whether equal values always give equal bytes, as grouping keys must (double and map are not). */
bool beamc_coder_deterministic(const beamc_coder *coder);

/**
 * Appends the encoding of @p value. @p nested: inside another encoding, self-delimiting; all that
 * goes over the Fn API is nested. On failure @p out may hold a part of it.
 */
beamc_status beamc_encode(const beamc_coder *coder, const beamc_value *value, bool nested,
                          beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;

/**
 * Decodes one value from the front of @p in and moves @p in behind it (outer context: all of it).
 * Owns: slices in the result point into @p in; structures are put into @p arena.
 * Fails: INVALID_ARGUMENT for malformed or truncated bytes.
 */
beamc_status beamc_decode(const beamc_coder *coder, beamc_slice *in, bool nested,
                          beamc_arena *arena, beamc_value *out, beamc_error *err) BEAMC_MUST_USE;

/** A deep copy of @p value in @p arena, iterables included (state-backed ones are read whole). */
beamc_status beamc_value_copy(const beamc_coder *coder, const beamc_value *value,
                              beamc_arena *arena, beamc_value *out,
                              beamc_error *err) BEAMC_MUST_USE;

/**
 * Appends @p value as text for people: strings quoted, rows as JSON, pairs as (key: value), iterables as
 * [a, b], bytes quoted where they are text and as 0x... where not. For messages; nothing reads it back.
 */
void beamc_value_describe(const beamc_coder *coder, beamc_value value, beamc_buf *out);
/** Appends an RFC 3339 time, or "the start of time", "the end of time". */
void beamc_time_describe(beamc_time time, beamc_buf *out);
/** Appends "[start, end)" with such times, or "the global window". */
void beamc_window_describe(beamc_window window, beamc_buf *out);

/** An iterable over @p count values that live at least as long as @p arena. */
const beamc_iterable *beamc_iterable_of(beamc_arena *arena, const beamc_value *values,
                                        size_t count);

#ifdef __cplusplus
}
#endif
#endif
