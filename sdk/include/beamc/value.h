/**
 * @file value.h
 * Elements: a 16-byte value whose meaning its coder tells.
 *
 * A value is borrowed: what it points to lives until the call that was given it returns (element
 * scratch, see dofn.h). There is no tag in it; the coder of the PCollection says which member holds.
 */
#ifndef BEAMC_VALUE_H
#define BEAMC_VALUE_H

#include <beamc/error.h>
#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Event time and processing time: milliseconds since 1970-01-01T00:00:00Z. */
typedef int64_t beamc_time;

/** Bounds of the model (beam_runner_api.proto, BeamConstants.MIN/MAX_TIMESTAMP_MILLIS). */
#define BEAMC_TIME_MIN INT64_C(-9223372036854775)
#define BEAMC_TIME_MAX INT64_C(9223372036854775)
/** BeamConstants.GLOBAL_WINDOW_MAX_TIMESTAMP_MILLIS: the last instant of the global window. */
#define BEAMC_TIME_GLOBAL_WINDOW_MAX INT64_C(9223371950454775)

/**
 * Reads an RFC 3339 date-time: YYYY-MM-DD, then T or a space, HH:MM[:SS[.fraction]], then nothing (UTC), Z
 * or +HH:MM; or a date alone, which is midnight UTC. What is finer than a millisecond is cut off. False
 * for anything else, and for years beyond 0001 to 9999; then *out is unspecified.
 */
bool beamc_parse_time(beamc_slice text, beamc_time *out);

/** [start, end). The global window is {BEAMC_TIME_MIN, BEAMC_TIME_GLOBAL_WINDOW_MAX + 1}. */
typedef struct beamc_window {
    beamc_time start;
    beamc_time end;
} beamc_window;

#define BEAMC_GLOBAL_WINDOW                                                                        \
    { BEAMC_TIME_MIN, BEAMC_TIME_GLOBAL_WINDOW_MAX + 1 }

/** The last instant that belongs to @p w. */
static inline beamc_time beamc_window_max(beamc_window w) {
    return w.end > INT64_MIN ? w.end - 1 : INT64_MIN;
}

typedef enum beamc_pane_timing {
    BEAMC_PANE_EARLY = 0,
    BEAMC_PANE_ON_TIME = 1,
    BEAMC_PANE_LATE = 2,
    BEAMC_PANE_UNKNOWN = 3
} beamc_pane_timing;

/** Which firing of its window an element came with. */
typedef struct beamc_pane {
    int64_t index;                 /**< 0 for the first firing of the window. */
    int64_t non_speculative_index; /**< The same, not counting early ones; -1 while early. */
    uint8_t timing;                /**< beamc_pane_timing */
    bool is_first;
    bool is_last;
} beamc_pane;

/** Elements that no trigger has fired yet (wire byte 0x0F). */
#define BEAMC_PANE_NO_FIRING                                                                       \
    { 0, 0, BEAMC_PANE_UNKNOWN, true, true }

struct beamc_kv;
struct beamc_iterable;
struct beamc_windowed_value;
struct beamc_timer_value;

/** One element. Which member holds is said by the coder. */
typedef union beamc_value {
    beamc_slice bytes;                     /**< bytes, string_utf8 */
    int64_t i64;                           /**< varint; bool (0 or 1) */
    double f64;                            /**< double */
    const struct beamc_kv *kv;             /**< kv; sharded_key (shard id bytes, key) */
    const struct beamc_iterable *iterable; /**< iterable, state_backed_iterable */
    const void *row;                       /**< row: the C struct of its beamc_row */
    const beamc_window *window;            /**< global_window, interval_window, custom_window */
    const union beamc_value *nullable;     /**< nullable: NULL is null */
    const struct beamc_windowed_value *windowed; /**< windowed_value, param_windowed_value */
    const struct beamc_timer_value *timer;       /**< timer */
} beamc_value;

/** Many functions talk about elements; an element is a value. */
typedef beamc_value beamc_elem;

typedef struct beamc_kv {
    beamc_value key;
    beamc_value value;
} beamc_kv;

static inline beamc_value beamc_value_bytes(beamc_slice s) {
    beamc_value v;
    v.bytes = s;
    return v;
}
/** Of a C string, which is borrowed as well; for both the bytes and the string coder. */
static inline beamc_value beamc_value_text(const char *text) {
    return beamc_value_bytes(beamc_str(text));
}
static inline beamc_value beamc_value_i64(int64_t n) {
    beamc_value v;
    v.i64 = n;
    return v;
}
static inline beamc_value beamc_value_f64(double d) {
    beamc_value v;
    v.f64 = d;
    return v;
}
static inline beamc_value beamc_value_row(const void *row) {
    beamc_value v;
    v.row = row;
    return v;
}
/** A pair that lives until the end of the block it is written in (a compound literal; C only): enough for
 *  beamc_emit and for arguments of the builder. `beamc_emit(ctx, 0, beamc_pair(key, beamc_value_i64(1)))`. */
#define beamc_pair(k, v) ((beamc_value){.kv = &(const beamc_kv){.key = (k), .value = (v)}})

/** A value with its place in time. */
typedef struct beamc_windowed_value {
    beamc_value value;
    beamc_time timestamp;
    const beamc_window *windows;
    size_t window_count;
    beamc_pane pane;
} beamc_windowed_value;

/** What the timer coder carries (beam:coder:timer:v1). */
typedef struct beamc_timer_value {
    beamc_value key;
    beamc_slice tag; /**< dynamic timer tag, "" for none */
    const beamc_window *windows;
    size_t window_count;
    bool clear; /**< when set, what follows does not hold */
    beamc_time fire_at;
    beamc_time hold_at; /**< output timestamp: the watermark is held here */
    beamc_pane pane;
} beamc_timer_value;

/** A run of elements: values at hand, or bytes that are decoded while iterating. */
typedef struct beamc_iterable beamc_iterable;

/** An iteration in progress; lives in the caller's frame and must not be copied. Its members are
 *  the library's. */
typedef struct beamc_iter {
    const beamc_iterable *of;
    uint64_t left; /* elements left in the present group */
    const unsigned char *p;
    const unsigned char *end;
    struct beamc_iter_slot *slot;
    int stage;
    beamc_error error;
} beamc_iter;

/** Starts at the first element. An iterable can be iterated many times, also nested. */
void beamc_iterate(const beamc_iterable *iterable, beamc_iter *it);
/**
 * The next element, false at the end or on an error. What *out points to holds until the next call.
 * Decoding and state reads happen here.
 */
bool beamc_iter_next(beamc_iter *it, beamc_value *out);
/** BEAMC_OK after a complete iteration; check it behind every loop. */
beamc_status beamc_iter_status(const beamc_iter *it, beamc_error *err) BEAMC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
