/**
 * @file window.h
 * Windowing: which windows an element falls into, and when their panes fire.
 *
 *     beamc_window_into(clicks, "Minute", .fn = beamc_fixed(.size_ms = 60000));
 *     beamc_window_into(clicks, "Early", .fn = beamc_fixed(.size_ms = 60000),
 *                       .trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(100)),
 *                       .accumulation = BEAMC_ACCUMULATING, .allowed_lateness_ms = 5000);
 *
 * Source: beam_runner_api.proto, WindowingStrategy, Trigger; standard_window_fns.proto.
 */
#ifndef BEAMC_WINDOW_H
#define BEAMC_WINDOW_H

#include <beamc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum beamc_window_kind {
    BEAMC_WINDOW_GLOBAL = 0,
    BEAMC_WINDOW_FIXED,
    BEAMC_WINDOW_SLIDING,
    BEAMC_WINDOW_SESSIONS
} beamc_window_kind;

typedef struct beamc_window_fn {
    beamc_window_kind kind;
    int64_t size_ms;   /**< fixed, sliding: length of a window, > 0 */
    int64_t period_ms; /**< sliding: distance of their starts, > 0 */
    int64_t offset_ms; /**< fixed, sliding: windows start at offset + n * size (period) */
    int64_t gap_ms;    /**< sessions: silence that ends one, > 0 */
} beamc_window_fn;

#define beamc_fixed(...) ((beamc_window_fn){.kind = BEAMC_WINDOW_FIXED, __VA_ARGS__})
#define beamc_sliding(...) ((beamc_window_fn){.kind = BEAMC_WINDOW_SLIDING, __VA_ARGS__})
#define beamc_sessions(...) ((beamc_window_fn){.kind = BEAMC_WINDOW_SESSIONS, __VA_ARGS__})
#define beamc_global() ((beamc_window_fn){.kind = BEAMC_WINDOW_GLOBAL})

typedef enum beamc_trigger_kind {
    BEAMC_TRIGGER_DEFAULT =
        0, /**< when the watermark passes the window's end, and again for late data */
    BEAMC_TRIGGER_AFTER_WATERMARK, /**< with `early` and `late` sub-triggers */
    BEAMC_TRIGGER_AFTER_PROCESSING_TIME, /**< delay_ms (then aligned to period_ms, if set) after the pane's first element */
    BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME,
    BEAMC_TRIGGER_AFTER_COUNT,
    BEAMC_TRIGGER_AFTER_EACH,
    BEAMC_TRIGGER_AFTER_ANY,
    BEAMC_TRIGGER_AFTER_ALL,
    BEAMC_TRIGGER_REPEATEDLY,
    BEAMC_TRIGGER_OR_FINALLY,
    BEAMC_TRIGGER_ALWAYS,
    BEAMC_TRIGGER_NEVER
} beamc_trigger_kind;

enum { BEAMC_TRIGGER_MAX_CHILDREN = 8 };

/**
 * A trigger tree. The builder copies it whole, so compound literals will do. Each is said for one pane of one
 * key and window; a trigger that is finished fires no more, and what comes behind it is dropped:
 * DEFAULT, REPEATEDLY and ALWAYS never are, AFTER_WATERMARK with `late` when that is, the others when they
 * have fired. NEVER leaves all to the closing of the window.
 */
typedef struct beamc_trigger {
    beamc_trigger_kind kind;
    const struct beamc_trigger *early; /**< AFTER_WATERMARK; NULL: no early panes */
    const struct beamc_trigger *late;  /**< AFTER_WATERMARK; NULL: no late panes */
    int64_t delay_ms;                  /**< AFTER_PROCESSING_TIME */
    int64_t period_ms;                 /**< AFTER_PROCESSING_TIME: align up to multiples of it */
    int64_t offset_ms;                 /**< AFTER_PROCESSING_TIME: of that alignment */
    int32_t count;                     /**< AFTER_COUNT */
    /** EACH, ANY, ALL: the children, ended by NULL; REPEATEDLY: [0]; OR_FINALLY: [0] main, [1] finally. */
    const struct beamc_trigger *children[BEAMC_TRIGGER_MAX_CHILDREN + 1];
} beamc_trigger;

#define BEAMC_TRIGGER_LITERAL_(...) (&(const beamc_trigger){__VA_ARGS__})
#define BEAMC_AFTER_WATERMARK(...)                                                                 \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_WATERMARK, __VA_ARGS__)
#define BEAMC_AFTER_PROCESSING_TIME(ms)                                                            \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_PROCESSING_TIME, .delay_ms = (ms))
#define BEAMC_AFTER_COUNT(n) BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_COUNT, .count = (n))
#define BEAMC_AFTER_EACH(...)                                                                      \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_EACH, .children = {__VA_ARGS__})
#define BEAMC_AFTER_ANY(...)                                                                       \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_ANY, .children = {__VA_ARGS__})
#define BEAMC_AFTER_ALL(...)                                                                       \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_ALL, .children = {__VA_ARGS__})
#define BEAMC_REPEATEDLY(t)                                                                        \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_REPEATEDLY, .children = {(t)})
#define BEAMC_OR_FINALLY(t, f)                                                                     \
    BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_OR_FINALLY, .children = {(t), (f)})
#define BEAMC_ALWAYS() BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_ALWAYS)
#define BEAMC_NEVER() BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_NEVER)

typedef enum beamc_accumulation {
    BEAMC_DISCARDING = 0, /**< a pane holds what came since the last one */
    BEAMC_ACCUMULATING    /**< a pane holds all of its window so far */
} beamc_accumulation;

/** Which timestamp a grouped element gets. An early one holds the watermark of those behind it. */
typedef enum beamc_output_time {
    BEAMC_OUTPUT_END_OF_WINDOW = 0,
    BEAMC_OUTPUT_LATEST_IN_PANE,
    BEAMC_OUTPUT_EARLIEST_IN_PANE
} beamc_output_time;

/** Whether there is a last pane when the window closes. */
typedef enum beamc_closing_behavior {
    BEAMC_CLOSING_EMIT_IF_NONEMPTY = 0, /**< if elements came since the pane before */
    BEAMC_CLOSING_EMIT_ALWAYS
} beamc_closing_behavior;

/** Whether there is a pane when the watermark passes the window's end, for triggers that fire then. */
typedef enum beamc_on_time_behavior {
    BEAMC_ON_TIME_FIRE_ALWAYS = 0,
    BEAMC_ON_TIME_FIRE_IF_NONEMPTY /**< if elements came since the pane before */
} beamc_on_time_behavior;

typedef struct beamc_windowing {
    beamc_window_fn fn;
    const beamc_trigger *trigger; /**< NULL: the default trigger */
    beamc_accumulation accumulation;
    beamc_output_time output_time;
    beamc_closing_behavior closing;
    beamc_on_time_behavior on_time;
    int64_t allowed_lateness_ms; /**< a window closes so long behind its end; >= 0 */
} beamc_windowing;

/**
 * The windows that @p fn gives to @p timestamp, written to @p out (room for @p cap); returns how many
 * there are, which may be more than @p cap. Sessions give their proto-window [t, t + gap).
 */
size_t beamc_window_assign(const beamc_window_fn *fn, beamc_time timestamp, beamc_window *out,
                           size_t cap);

#ifdef __cplusplus
}
#endif
#endif
