/* internal.h: what the files of worker/rpc share. Includes gRPC, so nobody else includes it.
 *
 * All I/O of the process goes through one completion queue (runtime.c), drained by a few threads that
 * call beamc__rpc_*_event and never block there. A tag is the object's address with the kind of event
 * in its low bits, so that the event can be dispatched before any memory of the object is read. */
#ifndef BEAMC_WORKER_RPC_INTERNAL_H
#define BEAMC_WORKER_RPC_INTERNAL_H

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdatomic.h>

#include "worker/rpc/rpc.h"

/* The C core hands events from one thread to another through synchronisation that ThreadSanitizer
 * cannot see; these two say so. (Not at the object's own address: a mutex lies there, and its unlock
 * would replace what was recorded.) */
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define BEAMC__RPC_HAND_OVER(object) __tsan_release((char *)(object) + 8)
#define BEAMC__RPC_TAKE_OVER(object) __tsan_acquire((char *)(object) + 8)
#else
#define BEAMC__RPC_HAND_OVER(object) ((void)(object))
#define BEAMC__RPC_TAKE_OVER(object) ((void)(object))
#endif

/* Kinds of events: the low three bits of a tag. */
enum {
    BEAMC__RPC_OPEN,   /* initial metadata is sent */
    BEAMC__RPC_RECV,   /* a message or the end of messages */
    BEAMC__RPC_SEND,   /* a message is sent */
    BEAMC__RPC_FINISH, /* client: half-closed; server: status sent */
    BEAMC__RPC_CLOSED, /* client: status received; server: the call is over */
    BEAMC__RPC_ACCEPT, /* a server got a call, or stops */
    BEAMC__RPC_STOPPED /* a server has stopped */
};

/* --- runtime.c --- */
grpc_completion_queue *beamc__rpc_acquire(void);
void beamc__rpc_release(void);
void *beamc__rpc_tag(void *object, unsigned kind);
/* Starts a thread with all signals blocked and a name of at most 15 characters. */
int beamc__rpc_thread(pthread_t *thread, const char *name, void *(*body)(void *), void *arg);
/* A point in time @p ms from now; negative: never. */
gpr_timespec beamc__rpc_deadline(int64_t ms);
void beamc__rpc_cond_init(pthread_cond_t *cond);
/* The same for pthread_cond_timedwait on a condition of beamc__rpc_cond_init. */
struct timespec beamc__rpc_abstime(int64_t ms);
beamc_status beamc__rpc_status(grpc_status_code code);
void beamc__rpc_quiesce_pluck(grpc_completion_queue *cq);

/* --- msg.c --- */
/* A byte buffer that shares @p msg's memory and owns a reference of its own. */
grpc_byte_buffer *beamc__rpc_msg_share(beamc_rpc_msg *msg);
/* The message in @p bytes, which is destroyed. */
beamc_rpc_msg *beamc__rpc_msg_receive(grpc_byte_buffer *bytes);

/* A FIFO of pointers. */
typedef struct beamc__rpc_ring {
    void **items;
    size_t head;
    size_t len;
    size_t cap; /* a power of two, or 0 */
} beamc__rpc_ring;
void beamc__rpc_ring_push(beamc__rpc_ring *ring, void *item);
void *beamc__rpc_ring_pop(beamc__rpc_ring *ring); /* NULL if empty */
void beamc__rpc_ring_free(beamc__rpc_ring *ring);

/* --- channel.c --- */
struct beamc_rpc_channel {
    atomic_uint refs; /* the owner's and one for each open stream */
    grpc_channel *channel;
    grpc_completion_queue *cq;
    char *endpoint;
    grpc_metadata *metadata; /* owned slices */
    size_t metadata_len;
    beamc_rpc_token_fn token;
    void *token_user;
};
void beamc__rpc_channel_unref(beamc_rpc_channel *channel);

/* The initial metadata of one call: the channel's, the call's and the token. */
typedef struct beamc__rpc_headers {
    grpc_metadata *items;
    size_t len;
} beamc__rpc_headers;
beamc_status beamc__rpc_headers_make(const beamc_rpc_channel *channel,
                                     const beamc_rpc_call_options *options, beamc__rpc_headers *out,
                                     beamc_error *err);
void beamc__rpc_headers_free(beamc__rpc_headers *headers);
/* Writes "METHOD at ENDPOINT: details" and returns the status. */
beamc_status beamc__rpc_call_error(beamc_error *err, beamc_status status, const char *method,
                                   const char *endpoint, beamc_slice details);
/* UNAVAILABLE with the reason of the last failed attempt to connect. */
beamc_status beamc__rpc_unreachable(beamc_rpc_channel *channel, int64_t waited_ms,
                                    beamc_error *err);
beamc_status beamc__rpc_method_check(const char *method, beamc_error *err);

/* --- unary.c --- */
/* One attempt without waiting for a connection: the reason of its failure goes to @p err. */
beamc_status beamc__rpc_probe(beamc_rpc_channel *channel, beamc_error *err);

/* --- stream.c: what happens; stream_api.c: what the user asks for --- */
struct beamc_rpc_stream {
    pthread_mutex_t lock;    /* guards all that is not marked constant */
    pthread_cond_t readable; /* a message came, or the end */
    pthread_cond_t writable; /* room in the queue, something was sent, or no batch is left */
    atomic_uint refs;
    beamc_rpc_channel *channel; /* constant; NULL on a server */
    beamc_rpc_server *server;   /* constant; NULL on a client */
    char *method;               /* constant */
    grpc_call *call;            /* NULL once released */
    unsigned inflight;          /* batches that were started and have not completed */
    bool detached;              /* server: freed when the last batch completes */

    beamc__rpc_headers headers;  /* client: of the request, until they are sent */
    grpc_metadata_array initial; /* client: of the response */
    grpc_metadata_array trailing;
    beamc_rpc_metadata *request_metadata; /* server, constant; one block with its strings */
    size_t request_metadata_len;

    beamc__rpc_ring inbox; /* grpc_byte_buffer */
    size_t inbox_bytes;
    size_t read_ahead_bytes; /* constant */
    grpc_byte_buffer *recv_buffer;
    bool recv_started; /* client: the initial metadata was asked for */
    bool recv_inflight;
    bool recv_paused; /* the inbox was full and is not yet half empty */
    bool recv_eof;
    bool recv_failed; /* server: it ended by an error, not by the client's half-close */

    beamc__rpc_ring queue; /* beamc_rpc_msg */
    size_t queue_bytes;    /* with what is being sent */
    size_t queue_limit;    /* constant */
    size_t sending_bytes;
    grpc_byte_buffer *send_buffer;
    uint64_t queued_seq; /* messages queued and sent so far */
    uint64_t sent_seq;
    uint64_t ticket_next; /* writers that wait are served in turn */
    uint64_t ticket_served;
    unsigned drainers; /* threads in beamc_rpc_stream_drain */
    bool send_inflight;
    bool send_failed;
    bool initial_sent;

    bool finish_wanted; /* client: half-close; server: the handler returned */
    bool finish_started;
    beamc_rpc_msg *final_msg; /* server, unary: sent together with the status */
    grpc_status_code final_status;
    grpc_slice final_text;

    bool wake_reader; /* who is to be woken before the lock is released */
    bool wake_writers;

    bool cancelled;     /* by this side */
    bool closed;        /* status received (client), call over (server) */
    int peer_cancelled; /* server: written by gRPC */
    grpc_status_code status;
    grpc_slice status_text;
};

/* Cost of a message in a queue beside its bytes, so that empty ones are bounded as well. */
enum { BEAMC__RPC_MSG_COST = 64 };

/* A stream object around @p call with one reference; starts nothing. Zero sizes: the defaults. */
beamc_rpc_stream *beamc__rpc_stream_new(grpc_call *call, const char *method,
                                        size_t write_queue_bytes, size_t read_ahead_bytes);
/* Starts what a new stream needs: its metadata, the watch for its end, the first receive. On a
 * server a unary call keeps its metadata back, to send them together with the response. */
void beamc__rpc_stream_begin(beamc_rpc_stream *s, bool send_initial);
/* Lock held on entry, released on return: starts a receive and the next send, if there is need. */
void beamc__rpc_stream_kick(beamc_rpc_stream *s);
void beamc__rpc_stream_event(beamc_rpc_stream *s, unsigned kind, bool ok);
/* Drops what is queued; lock held. */
void beamc__rpc_stream_drop_queue(beamc_rpc_stream *s);
/* Server: queues the status, with @p msg (may be NULL, taken over) in front. */
void beamc__rpc_stream_finish(beamc_rpc_stream *s, beamc_rpc_msg *msg, beamc_status status,
                              const char *text);
/* Waits until the call is over and nothing of it runs, then gives the call back. */
void beamc__rpc_stream_release_call(beamc_rpc_stream *s);
/* Frees the object; no call and no references left. */
void beamc__rpc_stream_destroy(beamc_rpc_stream *s);

/* --- server.c --- */
typedef struct beamc__rpc_accept beamc__rpc_accept;
void beamc__rpc_accept_event(beamc__rpc_accept *accept, bool ok);
void beamc__rpc_server_stopped_event(beamc_rpc_server *server);
/* A detached call of this server is gone. */
void beamc__rpc_server_call_done(beamc_rpc_server *server);

#endif
