/* events.h: made-up events one by one; knows nothing of pipelines. All of it is integer arithmetic on
 * (seed, stream, index), so the same event comes out on every machine and in any order. */
#ifndef BEAMC_IO_GENERATOR_EVENTS_H
#define BEAMC_IO_GENERATOR_EVENTS_H

#include <beamc/generator.h>

struct beamc__zipf;

/* What can be worked out of the options once. */
typedef struct beamc_generator {
    int stream;
    bool is_steady;    /* event times follow `rate`; else they span `span_ms` with busy minutes */
    int64_t count;     /* of this stream; INT64_MAX: endless */
    int64_t base_ms;   /* event time of the first event's place */
    int64_t span_ms;   /* steady ones have none */
    uint64_t rate_x10; /* ten times the events a second of this stream, when steady */
    int64_t out_of_order_ms;
    uint64_t invalid_per_million;
    uint64_t key;
    const struct beamc__zipf *products;
} beamc_generator;

/* @p start_ms: where event times begin when they follow the clock. */
void beamc__generator_init(beamc_generator *g, const beamc_generate_options *options,
                           int64_t start_ms);
/* When event @p index is due; never smaller for a larger index. Its event time lies up to
 * out_of_order_ms before that. */
beamc_time beamc__generator_place(const beamc_generator *g, int64_t index);
/* How many events of this stream are due @p elapsed_ms after the first, at @p rate a second of all. */
int64_t beamc__generator_due(int stream, int64_t rate, int64_t elapsed_ms);
/* Appends event @p index, without a line end. */
void beamc__generator_event(const beamc_generator *g, int64_t index, beamc_buf *out);

/* zipf.c: a table for drawing 0 .. n-1 with weights 1, 1/2, 1/3 ... Tables are made once for each n and
 * stay. Any thread. */
const struct beamc__zipf *beamc__zipf_of(uint32_t n);
uint32_t beamc__zipf_draw(const struct beamc__zipf *zipf, uint64_t random);
enum { BEAMC_GENERATOR_MAX_PRODUCTS = 10000000 };

/* generate.c: the DoFns of beamc_generate_events. */
extern const beamc_dofn beamc__generator_start;
extern const beamc_dofn beamc__generate_bounded;
extern const beamc_dofn beamc__generate_unbounded;

#endif
