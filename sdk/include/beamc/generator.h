/**
 * @file generator.h
 * A source of made-up e-commerce events, seeded: for samples, tests and load.
 *
 * Event number i of a seed is the same whatever the splitting and the rate, so runs can be compared.
 */
#ifndef BEAMC_GENERATOR_H
#define BEAMC_GENERATOR_H

#include <beamc/io.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_generate_options {
    size_t struct_size;
    int64_t stream; /**< beamc_stream of ecommerce.h: 0 clicks, 1 transactions, 2 stock */
    int64_t
        events;   /**< of all three streams together: 70 % clicks, 20 % transactions, 10 % stock */
    int64_t rate; /**< events a second, of all three together; 0: no limit */
    uint64_t seed;
    int64_t products; /**< 0: 2,000 */
    int64_t seconds;  /**< event time that the events span; 0: 3,600 */
    int64_t
        out_of_order_ms; /**< how far an event may be from its place; 0: 30,000; -1: all are in order */
    int64_t invalid_per_million; /**< 0: 20,000; -1: none */
    bool unbounded;              /**< an unbounded source; `events` = 0 then never ends */
    bool event_time_now;         /**< unbounded: event times follow the clock, not 2026-01-01 */
} beamc_generate_options;

/** The events of one stream as JSON bytes. */
beamc_pcoll beamc_generate_events_with(beamc_pipeline *pipeline, const char *label,
                                       beamc_generate_options options);
#define beamc_generate_events(pipeline, label, ...)                                                \
    beamc_generate_events_with(                                                                    \
        (pipeline), (label),                                                                       \
        (beamc_generate_options){.struct_size = sizeof(beamc_generate_options), __VA_ARGS__})

/** How many of @p events belong to @p stream. */
int64_t beamc_generate_count(int64_t stream, int64_t events);
/** Appends event @p index of a stream (no line end). */
void beamc_generate_event(const beamc_generate_options *options, int64_t index, beamc_buf *out);

#ifdef __cplusplus
}
#endif
#endif
