/* stream.c: the state machine of one streaming call, the same for client and server.
 *
 * At most one receive and one send (message, half-close or status) is in flight; the event that ends
 * one starts the next. A receive is started ahead of the reader while the inbox has room.
 * Lifetime: `inflight` counts the batches gRPC still holds; the call is given back, and the object
 * freed, only when it is 0. So an event never meets a freed stream.
 * Threads: all state is under `lock`. Batches are started without it, since that may write to the
 * socket; the flags *_inflight keep that exclusive. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

enum { WRITE_QUEUE_DEFAULT_BYTES = 4 << 20, READ_AHEAD_DEFAULT_BYTES = 1 << 20 };

beamc_rpc_stream *beamc__rpc_stream_new(grpc_call *call, const char *method,
                                        size_t write_queue_bytes, size_t read_ahead_bytes) {
    beamc_rpc_stream *s = beamc__calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    beamc__rpc_cond_init(&s->readable);
    beamc__rpc_cond_init(&s->writable);
    atomic_init(&s->refs, 1);
    s->call = call;
    s->method = beamc__strdup(method);
    grpc_metadata_array_init(&s->initial);
    grpc_metadata_array_init(&s->trailing);
    s->queue_limit = write_queue_bytes ? write_queue_bytes : WRITE_QUEUE_DEFAULT_BYTES;
    s->read_ahead_bytes = read_ahead_bytes ? read_ahead_bytes : READ_AHEAD_DEFAULT_BYTES;
    s->status = GRPC_STATUS_UNKNOWN;
    s->status_text = grpc_empty_slice();
    s->final_text = grpc_empty_slice();
    return s;
}

static void drop_inbox(beamc_rpc_stream *s) {
    for (grpc_byte_buffer *b; (b = beamc__rpc_ring_pop(&s->inbox)) != NULL;) {
        grpc_byte_buffer_destroy(b);
    }
    s->inbox_bytes = 0;
}

void beamc__rpc_stream_drop_queue(beamc_rpc_stream *s) {
    for (beamc_rpc_msg *msg; (msg = beamc__rpc_ring_pop(&s->queue)) != NULL;) {
        beamc_rpc_msg_unref(msg);
    }
    s->queue_bytes = s->sending_bytes;
}

void beamc__rpc_stream_destroy(beamc_rpc_stream *s) {
    drop_inbox(s);
    beamc__rpc_stream_drop_queue(s);
    beamc__rpc_ring_free(&s->inbox);
    beamc__rpc_ring_free(&s->queue);
    beamc__rpc_headers_free(&s->headers);
    grpc_metadata_array_destroy(&s->initial);
    grpc_metadata_array_destroy(&s->trailing);
    grpc_slice_unref(s->status_text);
    grpc_slice_unref(s->final_text);
    beamc_rpc_msg_unref(s->final_msg);
    pthread_cond_destroy(&s->readable);
    pthread_cond_destroy(&s->writable);
    pthread_mutex_destroy(&s->lock);
    free(s->request_metadata);
    free(s->method);
    free(s);
}

/* Starts a batch that is counted in `inflight`; the stream may be gone when this returns. */
static void start_batch(beamc_rpc_stream *s, const grpc_op *ops, size_t n, unsigned kind) {
    grpc_call *call = s->call;
    BEAMC__RPC_HAND_OVER(s);
    if (grpc_call_start_batch(call, ops, n, beamc__rpc_tag(s, kind), NULL) != GRPC_CALL_OK) {
        grpc_call_cancel_with_status(call, GRPC_STATUS_INTERNAL, "gRPC refused an operation", NULL);
        beamc__rpc_stream_event(s, kind, false);
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Once the inbox is full it is left to empty by half: reader and I/O thread then take turns in
 * batches instead of waking one another for each message. */
static bool recv_wanted(beamc_rpc_stream *s) {
    if (s->inbox_bytes >= s->read_ahead_bytes) {
        s->recv_paused = true;
    } else if (s->inbox_bytes <= s->read_ahead_bytes / 2) {
        s->recv_paused = false;
    }
    bool over = s->cancelled || s->call == NULL || (s->server != NULL && s->closed);
    return !over && !s->recv_inflight && !s->recv_eof && !s->recv_paused;
}

/* The initial metadata arrive with the first answer; asked for alone they would hold up the
 * rest. */
static void recv_start(beamc_rpc_stream *s, bool first) {
    grpc_op ops[2] = {0};
    size_t n = 0;
    if (first) {
        ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
        ops[n++].data.recv_initial_metadata.recv_initial_metadata = &s->initial;
    }
    ops[n].op = GRPC_OP_RECV_MESSAGE;
    ops[n++].data.recv_message.recv_message = &s->recv_buffer;
    start_batch(s, ops, n, BEAMC__RPC_RECV);
}

static void on_recv(beamc_rpc_stream *s, bool ok) {
    grpc_byte_buffer *bytes = s->recv_buffer;
    s->recv_buffer = NULL;
    s->recv_inflight = false;
    if (!ok || bytes == NULL || s->cancelled) {
        grpc_byte_buffer_destroy(bytes);
        s->recv_eof = true;
        s->recv_failed = !ok || grpc_call_failed_before_recv_message(s->call) != 0;
    } else {
        s->inbox_bytes += grpc_byte_buffer_length(bytes) + BEAMC__RPC_MSG_COST;
        beamc__rpc_ring_push(&s->inbox, bytes);
    }
    s->wake_reader = true;
}

/* --- sending ---------------------------------------------------------------------------------- */

typedef struct next_send {
    unsigned kind; /* BEAMC__RPC_SEND, BEAMC__RPC_FINISH, or BEAMC__RPC_OPEN for nothing */
    uint32_t flags;
    bool with_initial;
} next_send;

/* Picks the next send, if one may start, and marks it as in flight. */
static next_send send_pick(beamc_rpc_stream *s) {
    next_send next = {.kind = BEAMC__RPC_OPEN};
    if (s->send_inflight || s->cancelled || s->closed || s->send_failed || s->call == NULL) {
        return next;
    }
    beamc_rpc_msg *msg = beamc__rpc_ring_pop(&s->queue);
    if (msg != NULL) {
        next.kind = BEAMC__RPC_SEND;
        /* More to come: let gRPC put several messages into one socket write. */
        next.flags = s->queue.len > 0 ? GRPC_WRITE_BUFFER_HINT : 0;
        s->sending_bytes = beamc_rpc_msg_data(msg).len + BEAMC__RPC_MSG_COST;
        s->send_buffer = beamc__rpc_msg_share(msg);
        beamc_rpc_msg_unref(msg);
    } else if (s->finish_wanted && !s->finish_started) {
        next.kind = BEAMC__RPC_FINISH;
        next.with_initial = !s->initial_sent;
        s->finish_started = true;
        if (s->final_msg != NULL) {
            s->send_buffer = beamc__rpc_msg_share(s->final_msg);
        }
    } else {
        return next;
    }
    s->initial_sent = true;
    s->send_inflight = true;
    s->inflight++;
    return next;
}

static void send_status(beamc_rpc_stream *s, bool with_initial) {
    grpc_op ops[3] = {0};
    size_t n = 0;
    if (with_initial) {
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    if (s->send_buffer != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = s->send_buffer;
    }
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = s->final_status;
    ops[n++].data.send_status_from_server.status_details = &s->final_text;
    start_batch(s, ops, n, BEAMC__RPC_FINISH);
}

static void send_start(beamc_rpc_stream *s, next_send next) {
    if (next.kind == BEAMC__RPC_FINISH && s->server != NULL) {
        send_status(s, next.with_initial);
        return;
    }
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    if (next.kind == BEAMC__RPC_SEND) {
        op.op = GRPC_OP_SEND_MESSAGE;
        op.flags = next.flags;
        op.data.send_message.send_message = s->send_buffer;
    }
    start_batch(s, &op, 1, next.kind);
}

static void on_sent(beamc_rpc_stream *s, bool is_message, bool ok) {
    grpc_byte_buffer_destroy(s->send_buffer);
    s->send_buffer = NULL;
    s->send_inflight = false;
    s->queue_bytes -= s->sending_bytes;
    s->sending_bytes = 0;
    s->sent_seq += is_message && ok;
    if (!ok) {
        s->send_failed = true;
        beamc__rpc_stream_drop_queue(s);
    }
    /* Writers wait for half of the queue, for the reason of recv_wanted. */
    if (s->queue_bytes <= s->queue_limit / 2 || s->drainers > 0) {
        s->wake_writers = true;
    }
}

/* --- begin, events, end ----------------------------------------------------------------------- */

void beamc__rpc_stream_kick(beamc_rpc_stream *s) {
    bool recv = recv_wanted(s);
    bool first = recv && s->server == NULL && !s->recv_started;
    if (recv) {
        s->recv_started = true;
        s->recv_inflight = true;
        s->inflight++;
    }
    next_send next = send_pick(s);
    bool wake_reader = s->wake_reader;
    bool wake_writers = s->wake_writers;
    s->wake_reader = false;
    s->wake_writers = false;
    /* Last before the unlock, so that who wakes up finds the lock free. After it would be too late:
     * the stream may be gone. */
    if (wake_reader) {
        pthread_cond_broadcast(&s->readable);
    }
    if (wake_writers) {
        pthread_cond_broadcast(&s->writable);
    }
    pthread_mutex_unlock(&s->lock);
    if (recv) {
        recv_start(s, first);
    }
    if (next.kind != BEAMC__RPC_OPEN) {
        send_start(s, next);
    }
}

static void start_initial(beamc_rpc_stream *s) {
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    op.data.send_initial_metadata.count = s->headers.len;
    op.data.send_initial_metadata.metadata = s->headers.items;
    start_batch(s, &op, 1, BEAMC__RPC_OPEN);
}

static void start_close_watch(beamc_rpc_stream *s) {
    grpc_op op = {0};
    if (s->server != NULL) {
        op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        op.data.recv_close_on_server.cancelled = &s->peer_cancelled;
    } else {
        op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
        op.data.recv_status_on_client.trailing_metadata = &s->trailing;
        op.data.recv_status_on_client.status = &s->status;
        op.data.recv_status_on_client.status_details = &s->status_text;
    }
    start_batch(s, &op, 1, BEAMC__RPC_CLOSED);
}

/* One batch less; lock held on entry, released on return. The stream may be gone then. */
static void settle(beamc_rpc_stream *s) {
    s->inflight--;
    if (s->closed && s->inflight == 0) {
        if (s->detached) {
            beamc_rpc_server *server = s->server;
            pthread_mutex_unlock(&s->lock);
            grpc_call_unref(s->call);
            beamc__rpc_stream_destroy(s);
            beamc__rpc_server_call_done(server);
            return;
        }
        s->wake_writers = true;
    }
    beamc__rpc_stream_kick(s);
}

void beamc__rpc_stream_begin(beamc_rpc_stream *s, bool send_initial) {
    pthread_mutex_lock(&s->lock);
    s->inflight += 2; /* the watch, and a hold for the rest of this function */
    if (send_initial) {
        s->initial_sent = true;
        s->inflight++;
    }
    pthread_mutex_unlock(&s->lock);
    if (send_initial) {
        start_initial(s);
    }
    start_close_watch(s);
    pthread_mutex_lock(&s->lock);
    settle(s);
}

static void on_closed(beamc_rpc_stream *s) {
    s->closed = true;
    beamc__rpc_stream_drop_queue(s);
    s->wake_reader = true;
    s->wake_writers = true;
}

void beamc__rpc_stream_event(beamc_rpc_stream *s, unsigned kind, bool ok) {
    pthread_mutex_lock(&s->lock);
    switch (kind) {
    case BEAMC__RPC_OPEN:
        beamc__rpc_headers_free(&s->headers);
        break;
    case BEAMC__RPC_RECV:
        on_recv(s, ok);
        break;
    case BEAMC__RPC_SEND:
    case BEAMC__RPC_FINISH:
        on_sent(s, kind == BEAMC__RPC_SEND, ok);
        break;
    default:
        on_closed(s);
        break;
    }
    settle(s);
}

void beamc__rpc_stream_finish(beamc_rpc_stream *s, beamc_rpc_msg *msg, beamc_status status,
                              const char *text) {
    pthread_mutex_lock(&s->lock);
    s->finish_wanted = true;
    s->final_msg = msg;
    s->final_status = (grpc_status_code)status;
    s->final_text = grpc_slice_from_copied_string(text);
    s->wake_writers = true; /* those that wait now get an error */
    beamc__rpc_stream_kick(s);
}

void beamc__rpc_stream_release_call(beamc_rpc_stream *s) {
    pthread_mutex_lock(&s->lock);
    while (!s->closed || s->inflight > 0) {
        pthread_cond_wait(&s->writable, &s->lock);
    }
    grpc_call *call = s->call;
    s->call = NULL;
    pthread_mutex_unlock(&s->lock);
    grpc_call_unref(call);
}
