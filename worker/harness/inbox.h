/* inbox.h: what has arrived for a bundle and was not read yet.
 *
 * The readers of the data streams put messages in, the bundle's thread takes them. A running bundle's
 * inbox is bounded: when it is full the reader waits, and with it the stream, which is how a slow DoFn
 * holds back its runner. A bundle that does not run yet never makes a reader wait: what comes for it is
 * kept, within a bound for all such bundles together. What comes for a bundle that has ended is dropped.
 *
 * Threads: any; one lock for all inboxes of a harness. */
#ifndef BEAMC_HARNESS_INBOX_H
#define BEAMC_HARNESS_INBOX_H

#include "worker/harness/elements.h"
#include "worker/rpc/rpc.h"

typedef struct beamc_inboxes beamc_inboxes;
typedef struct beamc_inbox beamc_inbox;

/* A part with the message that it lies in. */
typedef struct beamc_chunk {
    struct beamc_chunk *next;
    beamc_rpc_msg *msg;
    beamc_elements_part part;
} beamc_chunk;

void beamc__chunk_free(beamc_chunk *chunk);

typedef struct beamc_inbox_limits {
    size_t running_bytes; /* of one running bundle; one message is always taken */
    size_t waiting_bytes; /* of all bundles together that do not run yet */
    size_t waiting_count; /* instruction ids without a request */
    size_t ended_count;   /* ended ids that are remembered */
} beamc_inbox_limits;

/* @p limits: NULL for the usual ones. */
beamc_inboxes *beamc__inboxes_new(const beamc_inbox_limits *limits);
/* All inboxes must be closed and no reader be left. */
void beamc__inboxes_free(beamc_inboxes *all);

/* For the reader of @p stream (any pointer that names it): hands @p part, which lies in @p msg, to the
 * bundle that it is for. May wait until there is room. */
void beamc__inboxes_put(beamc_inboxes *all, const void *stream, beamc_rpc_msg *msg,
                        const beamc_elements_part *part);
/* The stream has ended or lost something: all bundles that use it, and what came through it for those
 * without a request, fail with this. */
void beamc__inboxes_fail(beamc_inboxes *all, const void *stream, const beamc_error *why);
/* Nothing more will come, so nobody waits any more: who finds an empty inbox gets CANCELLED. */
void beamc__inboxes_finish(beamc_inboxes *all);
/* Messages for bundles without a request, and their bytes; for the status page. */
void beamc__inboxes_waiting(beamc_inboxes *all, size_t *count, size_t *bytes);

/* The request of a bundle is here. Takes over what came before it. Never NULL. */
beamc_inbox *beamc__inbox_claim(beamc_inboxes *all, const char *instruction_id);
/* The bundle runs: from now on its inbox is bounded. */
void beamc__inbox_start(beamc_inbox *inbox);
/* The bundle depends on @p stream, and fails with it. (Whether it has failed before, ask it afterwards.) */
void beamc__inbox_use(beamc_inbox *inbox, const void *stream);
/* The next chunk (free it), waiting for it until @p until_ms of beamc__clock_ms (INT64_MAX: for ever).
 * BEAMC_OK with NULL: the time is up. */
beamc_status beamc__inbox_take(beamc_inbox *inbox, int64_t until_ms, beamc_chunk **out,
                               beamc_error *err) BEAMC_MUST_USE;
/* Whether the bundle has something to do: false while it waits for input. Any thread. */
bool beamc__inbox_is_busy(beamc_inbox *inbox);
/* Ends it: what it holds and what still comes for this id is dropped. */
void beamc__inbox_close(beamc_inbox *inbox);

#endif
