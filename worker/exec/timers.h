/* timers.h: timer families of one DoFn. */
#ifndef BEAMC_EXEC_TIMERS_H
#define BEAMC_EXEC_TIMERS_H

#include "worker/exec/pardo.h"
#include "worker/exec/records.h"

/* BEAMC_MAX_TIMERS of the DoFn's, and its window expiration. */
enum { BEAMC_MAX_TIMER_FAMILIES = BEAMC_MAX_TIMERS + 1 };

typedef struct beamc_timer_family {
    const char *id;
    uint32_t port;
    beamc_time_domain domain;
    const beamc_coder *coder; /* timer(key, window) */
    bool is_expiration;
    unsigned index; /* of the DoFn's table */
} beamc_timer_family;

typedef struct beamc_timers {
    beamc_pardo *pardo;
    beamc_timer_family families[BEAMC_MAX_TIMER_FAMILIES];
    unsigned family_count;
    beamc_arena *memory;
    beamc_records set; /* by family, tag, window and key: the last setting of this bundle */
    size_t bytes;
    int64_t allowed_lateness_ms; /* of the windows: none fires when they have expired */
    beamc_buf name;
    beamc_buf encoded;
} beamc_timers;

beamc_timers *beamc__timers_new(beamc_pardo *pardo);
void beamc__timers_free(beamc_timers *timers);
/* Adds a family and its port. The coder's key must lie in memory as the DoFn's keys do. */
beamc_status beamc__timers_add_family(beamc_timers *timers, const beamc_timer_family *family,
                                      const char *url);
/* Fires the timers of a block. */
/* @p data, @p is_last: as for beamc__source_read. */
beamc_status beamc__timers_read(beamc_timers *timers, unsigned family, beamc_slice *data,
                                bool is_last);
/* Writes all that were set to their ports. */
beamc_status beamc__timers_flush(beamc_timers *timers);
void beamc__timers_drop(beamc_timers *timers);

#endif
