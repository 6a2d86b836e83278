/* state.h: the state client of a harness.
 *
 * One stream for each endpoint; answers come in any order and find their request by its id. Reads wait
 * for their answer; writes do not, but a bundle's sync waits for all of its writes, and the first that
 * failed fails it. What has a cache token is kept beyond the bundle (state_cache.h).
 *
 * Threads: a plane may be used by any, a session by its bundle's thread. */
#ifndef BEAMC_HARNESS_STATE_H
#define BEAMC_HARNESS_STATE_H

#include "worker/exec/bundle.h"
#include "worker/harness/endpoint.h"
#include "worker/harness/state_cache.h"
#include "worker/harness/state_wire.h"

typedef struct beamc_state_plane beamc_state_plane;
typedef struct beamc_state_session beamc_state_session;

beamc_state_plane *beamc__state_new(beamc_client *client, beamc_state_cache *cache);
/* Nobody waits for an answer any more: reads and syncs fail with CANCELLED. */
void beamc__state_finish(beamc_state_plane *plane);
/* Closes the streams. All sessions must have ended. */
void beamc__state_free(beamc_state_plane *plane);

/* ProcessBundleRequest.CacheToken. */
typedef struct beamc_cache_token {
    beamc_slice token;
    beamc_slice transform_id; /* with side_input_id; neither: of the user state */
    beamc_slice side_input_id;
} beamc_cache_token;

/* All texts and tokens are borrowed for the session's life. @p url: "" when there is no state service. */
beamc_state_session *beamc__state_session_new(beamc_state_plane *plane, const char *url,
                                              const char *instruction_id,
                                              const beamc_cache_token *tokens, size_t token_count);
/* @p success: what was written through may be kept in the cache; else it is dropped from there. */
void beamc__state_session_free(beamc_state_session *session, bool success);

/* See beamc_bundle_io_ops. */
beamc_status beamc__state_get(beamc_state_session *session, const beamc_state_key *key,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err) BEAMC_MUST_USE;
/* @p op: append or clear. */
beamc_status beamc__state_write(beamc_state_session *session, const beamc_state_key *key,
                                beamc_state_op op, beamc_slice data,
                                beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__state_sync(beamc_state_session *session, beamc_error *err) BEAMC_MUST_USE;

#endif
