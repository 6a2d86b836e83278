/* time_text.h: times as RFC 3339 text, in UTC. Years 0001 to 9999. */
#ifndef BEAMC_BASE_TIME_TEXT_H
#define BEAMC_BASE_TIME_TEXT_H

#include <beamc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BEAMC_TIME_TEXT_MAX = 32 };

/* 0001-01-01T00:00:00Z and the last millisecond of 9999. */
#define BEAMC_TIME_TEXT_FIRST INT64_C(-62135596800000)
#define BEAMC_TIME_TEXT_LAST INT64_C(253402300799999)

/* "2026-01-01T00:00:00Z", with ".123" before the Z where the milliseconds are not 0; no NUL.
 * Returns the length, or 0 for a time outside the years 0001 to 9999. The last day is remembered
 * by each thread, so a run of near times costs no calendar arithmetic. */
size_t beamc__time_format_utc(beamc_time ms, char out[BEAMC_TIME_TEXT_MAX]);

/* The reverse, for any RFC 3339 date-time: YYYY-MM-DD, T or t or a space, HH:MM[:SS[.f{1,9}]], then
 * nothing (UTC), Z, z or +HH:MM; or a date alone (midnight UTC). Digits beyond the millisecond are
 * cut off (floor). False for anything else. */
bool beamc__time_parse_utc(beamc_slice text, beamc_time *out);

#ifdef __cplusplus
}
#endif
#endif
