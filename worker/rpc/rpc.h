/**
 * @file rpc.h
 * gRPC for the rest of the project: raw messages over channels, streams and servers.
 *
 * Only worker/rpc includes the headers of the gRPC C core. Messages are bytes here; what is in them
 * is the business of the callers.
 *
 * Threads: every function may be called from any thread, except where it says otherwise. Blocking
 * functions wait on condition variables; nothing polls. The I/O itself runs on a few threads named
 * `beamc-rpc-N` which exist while at least one channel, server or beamc_rpc_init() does. All signals
 * are blocked in them, and a broken connection raises no SIGPIPE. Do not fork() without exec while
 * they exist.
 *
 * Errors: gRPC's own status codes and texts, as a beamc_status and a beamc_error (may be NULL).
 */
#ifndef BEAMC_WORKER_RPC_H
#define BEAMC_WORKER_RPC_H

#include <beamc/buf.h>
#include <beamc/error.h>
#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beamc_rpc_msg beamc_rpc_msg;
typedef struct beamc_rpc_channel beamc_rpc_channel;
typedef struct beamc_rpc_stream beamc_rpc_stream;
typedef struct beamc_rpc_server beamc_rpc_server;

/* --- the process ------------------------------------------------------------------------------ */

/** Keeps the I/O threads up between channels. Optional: the first channel or server starts them. */
void beamc_rpc_init(void);
/** Undoes one beamc_rpc_init(). The last user out stops the threads and waits for them. */
void beamc_rpc_shutdown(void);

/* --- messages --------------------------------------------------------------------------------- */

/** A new message with a copy of @p bytes. One reference, never NULL. */
beamc_rpc_msg *beamc_rpc_msg_copy(beamc_slice bytes);
/** A new message that takes over the memory of @p buf, which is left empty. No copy. */
beamc_rpc_msg *beamc_rpc_msg_take(beamc_buf *buf);
/** The bytes, contiguous and read-only. Valid while a reference is held. */
beamc_slice beamc_rpc_msg_data(const beamc_rpc_msg *msg);
beamc_rpc_msg *beamc_rpc_msg_ref(beamc_rpc_msg *msg);
/** Drops a reference; NULL is fine. */
void beamc_rpc_msg_unref(beamc_rpc_msg *msg);

/* --- channels --------------------------------------------------------------------------------- */

/** One entry of request metadata. Keys are lower-case; values printable ASCII unless `-bin`. */
typedef struct beamc_rpc_metadata {
    const char *key;
    beamc_slice value;
} beamc_rpc_metadata;

/** Appends a bearer token (without the word "Bearer") to @p token; called before each call. */
typedef beamc_status (*beamc_rpc_token_fn)(void *user, beamc_buf *token, beamc_error *err);

/** Everything is copied by beamc_rpc_channel_new. All zero: plain TCP, no metadata. */
typedef struct beamc_rpc_channel_options {
    const char *worker_id;              /**< sent once as metadata `worker_id`, on every call */
    const beamc_rpc_metadata *metadata; /**< further metadata for every call */
    size_t metadata_len;
    bool tls;
    const char *ca_pem; /**< TLS: trusted roots as PEM text; NULL: those of the system */
    const char
        *authority; /**< TLS: host name to expect in the certificate, if not the endpoint's */
    beamc_rpc_token_fn token; /**< TLS: source of the `authorization: Bearer` metadata */
    void *token_user;
    int keepalive_ms; /**< ping when nothing was read for so long; 0: 5 min, negative: never */
} beamc_rpc_channel_options;

/**
 * A channel to "host:port" ("unix:/path" works too). Connects in the background when first used
 * and has a connection of its own, shared with no other channel.
 */
beamc_status beamc_rpc_channel_new(const char *endpoint, const beamc_rpc_channel_options *options,
                                   beamc_rpc_channel **out, beamc_error *err);
/** Streams and calls that are still open keep the connection until they end. NULL is fine. */
void beamc_rpc_channel_free(beamc_rpc_channel *channel);
const char *beamc_rpc_channel_endpoint(const beamc_rpc_channel *channel);

/** Blocks until connected, or fails with UNAVAILABLE and the reason after @p timeout_ms. */
beamc_status beamc_rpc_channel_wait_ready(beamc_rpc_channel *channel, int64_t timeout_ms,
                                          beamc_error *err);

/** Per call; NULL or all zero is fine. Read during the call that gets it, then not needed. */
typedef struct beamc_rpc_call_options {
    const beamc_rpc_metadata *metadata; /**< beside the channel's, e.g. data_stream_id */
    size_t metadata_len;
    size_t write_queue_bytes; /**< streams: bound of the write queue; 0: 4 MiB */
    size_t read_ahead_bytes;  /**< streams: received before it is asked for; 0: 1 MiB */
    int64_t timeout_ms;       /**< streams: deadline of the whole stream; 0: none */
} beamc_rpc_call_options;

/**
 * A unary call to @p method ("/package.Service/Method"). Waits for a listener that is slow to come
 * up, until the deadline; 0 means 60 s. A deadline without a connection gives UNAVAILABLE and the
 * reason. @p response gets a reference on BEAMC_OK and NULL otherwise.
 */
beamc_status beamc_rpc_unary(beamc_rpc_channel *channel, const char *method, beamc_slice request,
                             int64_t deadline_ms, beamc_rpc_msg **response, beamc_error *err);
/** The same with per-call options. */
beamc_status beamc_rpc_unary_with(beamc_rpc_channel *channel, const char *method,
                                  beamc_slice request, int64_t deadline_ms,
                                  const beamc_rpc_call_options *options, beamc_rpc_msg **response,
                                  beamc_error *err);

/* --- streams: the same object on both sides --------------------------------------------------- */

/**
 * Opens a bidirectional stream. It fails fast: without a connection the first read returns
 * UNAVAILABLE; call beamc_rpc_channel_wait_ready first to wait for a listener.
 */
beamc_status beamc_rpc_stream_open(beamc_rpc_channel *channel, const char *method,
                                   const beamc_rpc_call_options *options, beamc_rpc_stream **out,
                                   beamc_error *err);
/** Opens a server stream: sends @p request and half-closes. Then read until the end. */
beamc_status beamc_rpc_stream_open_server(beamc_rpc_channel *channel, const char *method,
                                          beamc_slice request,
                                          const beamc_rpc_call_options *options,
                                          beamc_rpc_stream **out, beamc_error *err);

beamc_rpc_stream *beamc_rpc_stream_ref(beamc_rpc_stream *stream);
/**
 * Drops a reference; NULL is fine. The last one of a client's stream that has not ended cancels it
 * and waits the moment that takes: nothing of the stream runs after that.
 */
void beamc_rpc_stream_unref(beamc_rpc_stream *stream);

/**
 * Blocks for the next message. BEAMC_OK with a message in @p out (unref it); BEAMC_OK with NULL: the
 * peer ended in good order (on a server: the client half-closed); else the error that ended the
 * stream. Messages that came before the end are delivered first. After the end every further call
 * gives the same answer. One reader at a time.
 */
beamc_status beamc_rpc_stream_read(beamc_rpc_stream *stream, beamc_rpc_msg **out, beamc_error *err);

/**
 * Queues @p msg, taking over the caller's reference in every case. Blocks while the queue is full; an
 * empty queue takes one message of any size. Waiting writers are served in turn. Fails once the
 * stream has ended (with its error; UNAVAILABLE if it ended without one), with CANCELLED after
 * a cancel and FAILED_PRECONDITION after beamc_rpc_stream_close_send. Any number of writers.
 */
beamc_status beamc_rpc_stream_write(beamc_rpc_stream *stream, beamc_rpc_msg *msg, beamc_error *err);
/**
 * The same without waiting: RESOURCE_EXHAUSTED if the queue is full. The reference is taken over
 * on BEAMC_OK only.
 */
beamc_status beamc_rpc_stream_write_nowait(beamc_rpc_stream *stream, beamc_rpc_msg *msg,
                                           beamc_error *err);
/**
 * Blocks until all that was queued before this call was handed to the transport, or fails
 * as a write would. DEADLINE_EXCEEDED after @p timeout_ms; negative waits for ever.
 */
beamc_status beamc_rpc_stream_drain(beamc_rpc_stream *stream, int64_t timeout_ms, beamc_error *err);
/** Client: half-closes when the queue is sent. Returns at once; a second call does nothing. */
void beamc_rpc_stream_close_send(beamc_rpc_stream *stream);
/** Ends the stream now: queued messages are dropped, readers and writers get CANCELLED. */
void beamc_rpc_stream_cancel(beamc_rpc_stream *stream);
/** True once the stream was cancelled, by either side, or has ended. */
bool beamc_rpc_stream_ended(beamc_rpc_stream *stream);
/**
 * Server: the @p index th value of request metadata @p key; false if there are not so many. The slice
 * lives as long as the stream.
 */
bool beamc_rpc_stream_metadata(const beamc_rpc_stream *stream, const char *key, size_t index,
                               beamc_slice *value);

/* --- servers ---------------------------------------------------------------------------------- */

/** All zero: plain TCP. Everything is copied by beamc_rpc_server_new. */
typedef struct beamc_rpc_server_options {
    const char *tls_cert_pem; /**< with tls_key_pem: serve TLS with this chain and key (PEM text) */
    const char *tls_key_pem;
    size_t max_calls;         /**< calls at once, more get RESOURCE_EXHAUSTED; 0: 1000 */
    size_t write_queue_bytes; /**< as in beamc_rpc_call_options */
    size_t read_ahead_bytes;
} beamc_rpc_server_options;

/**
 * Handles a unary call on a thread of its own. @p response: set it to a message (its reference is
 * taken over); NULL sends an empty one. Another status than BEAMC_OK goes to the client with the text
 * of @p err. @p call is for its metadata and beamc_rpc_stream_ended.
 */
typedef beamc_status (*beamc_rpc_unary_fn)(void *user, beamc_rpc_stream *call, beamc_slice request,
                                           beamc_rpc_msg **response, beamc_error *err);
/**
 * Handles a streaming call of any kind on a thread of its own: reads and writes as it likes and
 * returns the status of the call; what it queued is sent first. It must return when its reads or
 * writes fail. Who keeps @p stream longer takes a reference; writes then fail.
 */
typedef beamc_status (*beamc_rpc_stream_fn)(void *user, beamc_rpc_stream *stream, beamc_error *err);

/**
 * A server bound to @p address ("localhost:0", "127.0.0.1:8099", "0.0.0.0:0"); a port that somebody
 * has is an error. Connections are served from beamc_rpc_server_start on.
 */
beamc_status beamc_rpc_server_new(const char *address, const beamc_rpc_server_options *options,
                                  beamc_rpc_server **out, beamc_error *err);
int beamc_rpc_server_port(const beamc_rpc_server *server);
/** Before the start: who answers @p method ("/package.Service/Method"). */
void beamc_rpc_server_unary(beamc_rpc_server *server, const char *method, beamc_rpc_unary_fn fn,
                            void *user);
void beamc_rpc_server_stream(beamc_rpc_server *server, const char *method, beamc_rpc_stream_fn fn,
                             void *user);
void beamc_rpc_server_start(beamc_rpc_server *server);
/**
 * Takes no new calls, gives the open ones @p grace_ms, then cancels them, and returns when every
 * handler has returned. Not from a handler. A second call does nothing.
 */
void beamc_rpc_server_stop(beamc_rpc_server *server, int64_t grace_ms);
/** Stops without grace if need be, and releases everything. NULL is fine. */
void beamc_rpc_server_free(beamc_rpc_server *server);

#ifdef __cplusplus
}
#endif
#endif
