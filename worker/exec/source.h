/* source.h: where elements come into a plan (beam:runner:source:v1), and where it is split.
 *
 * Splitting needs no lock for each element: the bundle's thread publishes the index of the element
 * that it starts and then reads the stop; a splitter publishes the new stop and then reads the index
 * (both sequentially consistent). At least one sees the other. Whoever runs into the stop asks again
 * under plan->mu, which a splitter holds until it has decided. */
#ifndef BEAMC_EXEC_SOURCE_H
#define BEAMC_EXEC_SOURCE_H

#include "worker/exec/plan.h"

typedef struct beamc_source {
    beamc_unit unit;
    beamc_pcol *out;
    const beamc_coder *window_coder;
    const beamc_coder *value_coder;
    const beamc_wv *fixed; /* param_windowed_value: all but the value; else NULL */
    struct beamc_sdf *sdf; /* consumes it directly: elements can be split inside; or NULL */
    uint32_t slot;         /* of read_index */
    _Atomic int64_t index; /* of the element in progress, -1 before the first */
    _Atomic int64_t stop;  /* elements from here on belong to somebody else */
} beamc_source;

/* @p coder: windowed_value or param_windowed_value, already bound to how values lie in memory. */
beamc_source *beamc__source_new(beamc_plan *plan, const char *id, const char *url,
                                const beamc_coder *coder, beamc_pcol *out);
/* Call it with plan->mu held. */
void beamc__source_reset(beamc_source *source);
/* Reads the elements of *data. Unless @p is_last, what is left in *data then is the beginning of an element
 * that is cut. */
beamc_status beamc__source_read(beamc_source *source, beamc_slice *data, bool is_last);

/* split.c: the pure part. Where to split a stream of elements.
 * @p progress of the element at @p index, 1.0 when none was begun. */
typedef struct beamc_split_plan {
    bool in_element;         /* try inside of the current element first ... */
    double element_fraction; /* ... at this fraction of what remains of it */
    int64_t stop;            /* the new stop, -1 when there is no place */
} beamc_split_plan;
beamc_split_plan beamc__split_choose(int64_t index, int64_t stop, double progress,
                                     double fraction_of_remainder, int64_t estimated_elements,
                                     const int64_t *allowed, size_t allowed_count);

#endif
