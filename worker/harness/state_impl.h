/* state_impl.h: what state.c (sessions, the cache) and state_stream.c (streams, requests) share. */
#ifndef BEAMC_HARNESS_STATE_IMPL_H
#define BEAMC_HARNESS_STATE_IMPL_H

#include "worker/harness/idmap.h"
#include "worker/harness/state.h"
#include "worker/harness/thread.h"

typedef struct beamc_state_stream beamc_state_stream;

struct beamc_state_plane {
    beamc_client *client;
    beamc_state_cache *cache;
    pthread_mutex_t mu;     /* guards all that follows, and what sessions and streams say it does */
    pthread_cond_t changed; /* a stream has left CONNECTING, or a reader has ended */
    beamc_idmap streams;
    unsigned readers;
    uint64_t next_id;
    bool finished;
};

/* A request whose answer is awaited. Guarded by the plane's lock. */
typedef struct beamc_state_pending {
    beamc_idmap_entry entry; /* by the bytes of id */
    uint64_t id;
    beamc_state_session *session;
    bool is_get;
    beamc_rpc_msg *answer; /* of a get */
    beamc_state_response response;
} beamc_state_pending;

struct beamc_state_session {
    beamc_state_plane *plane;
    const char *url;
    const char *instruction_id;
    const beamc_cache_token *tokens;
    size_t token_count;
    beamc_state_stream *stream; /* NULL before the first request */
    pthread_cond_t answered;
    size_t writes;       /* not acknowledged; guarded by the plane's lock */
    bool got;            /* the awaited get has its answer; guarded as well */
    beamc_error failure; /* the first one; guarded as well */
    beamc_buf key;       /* scratch: the serialized StateKey */
    beamc_buf name;      /* scratch: its name in the cache */

    /* A value that is read in pages. */
    beamc_buf pages;
    beamc_buf pages_name;
    beamc_buf pages_next; /* the continuation that would go on with it */

    beamc_arena *memory; /* of the following */
    beamc_idmap touched; /* cache names of what the bundle wrote */
    struct beamc_touched *touched_first;
    size_t touched_bytes;
    bool uncached; /* it wrote too much to keep account of */
};

/* Sends a request on the session's stream, opened if need be, and notes @p pending (its session and
 * is_get are set) as awaited. */
beamc_status beamc__state_send(beamc_state_session *session, beamc_state_pending *pending,
                               beamc_state_op op, beamc_slice bytes,
                               beamc_error *err) BEAMC_MUST_USE;
/* Forgets what the session still waits for, and its stream. */
void beamc__state_detach(beamc_state_session *session);

#endif
