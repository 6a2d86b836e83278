/* fields.h: how the text of one field becomes a value. The rules are those of the event contract
 * (docs/event-contract.md); each function says which. Pure functions, no memory of their own. */
#ifndef BEAMC_TRANSFORMS_FIELDS_H
#define BEAMC_TRANSFORMS_FIELDS_H

#include <beamc/value.h>

/* An instant: seconds since the epoch and microseconds, 0 to 999,999. */
typedef struct event_instant {
    int64_t seconds;
    int32_t micros;
} event_instant;

/* 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z, in seconds. */
#define EVENT_FIRST_SECOND INT64_C(-62135596800)
#define EVENT_END_SECOND INT64_C(253402300800)

/* ISO 8601 / RFC 3339 as the contract has it; NULL when @p text is one, else what is wrong with it. */
const char *beamc__event_time_parse(beamc_slice text, event_instant *out);

/* The model's precision: milliseconds, floored. */
beamc_time beamc__event_instant_to_ms(event_instant t);

/* Whether the fixed window of @p size_seconds that holds @p t lies in years 0001 to 9999. */
bool beamc__event_window_in_range(event_instant t, int64_t size_seconds);

/* ASCII white space, one optional sign, digits, white space, within int64. */
bool beamc__event_int_from_text(beamc_slice text, int64_t *out);

/* A number that was written with '.' or 'e': whole and at most 2^53 in magnitude. */
bool beamc__event_int_from_double(double number, int64_t *out);

#endif
