/* record.h: --record_traffic=FILE: every message of the control, data, state and logging streams and the
 * descriptors, in a file that beamc-dump prints. tools/beamc_dump.c says how it is laid out.
 *
 * One lock, so that frames are whole and in the order in which messages were read or queued. When nothing is
 * recorded there is no recorder: a message then costs the look at one pointer. Threads: any. */
#ifndef BEAMC_HARNESS_RECORD_H
#define BEAMC_HARNESS_RECORD_H

#include <beamc/error.h>
#include <beamc/slice.h>

typedef struct beamc_recorder beamc_recorder;

/* Begins @p path anew. When another worker records there already, that is logged and *out is NULL. */
beamc_status beamc__recorder_new(const char *path, beamc_recorder **out,
                                 beamc_error *err) BEAMC_MUST_USE;
/* NULL is fine. */
void beamc__recorder_free(beamc_recorder *recorder);
/* The first error of writing is logged, and ends the recording. */
void beamc__recorder_put(beamc_recorder *recorder, bool to_worker, const char *method,
                         beamc_slice message);

/* What is received and sent. @p recorder is NULL when nothing is recorded. */
static inline void beamc_record_in(beamc_recorder *recorder, const char *method,
                                   beamc_slice message) {
    if (__builtin_expect(recorder != NULL, 0)) {
        beamc__recorder_put(recorder, true, method, message);
    }
}

static inline void beamc_record_out(beamc_recorder *recorder, const char *method,
                                    beamc_slice message) {
    if (__builtin_expect(recorder != NULL, 0)) {
        beamc__recorder_put(recorder, false, method, message);
    }
}

#endif
