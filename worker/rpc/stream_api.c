/* stream_api.c: what a user does with a stream: open, read, write, drain, cancel, release.
 *
 * The client's last reference cancels what still runs and waits for it, so that nothing of the
 * stream is left when beamc_rpc_stream_unref returns. A server's call is ended by server.c. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

/* --- open and release ------------------------------------------------------------------------- */

beamc_status beamc_rpc_stream_open(beamc_rpc_channel *channel, const char *method,
                                   const beamc_rpc_call_options *options, beamc_rpc_stream **out,
                                   beamc_error *err) {
    static const beamc_rpc_call_options defaults = {0};
    const beamc_rpc_call_options *o = options != NULL ? options : &defaults;
    *out = NULL;
    BEAMC_TRY(beamc__rpc_method_check(method, err));
    beamc__rpc_headers headers;
    BEAMC_TRY_CTX(err, beamc__rpc_headers_make(channel, o, &headers, err), "%s", method);
    grpc_slice name = grpc_slice_from_copied_string(method);
    gpr_timespec deadline = beamc__rpc_deadline(o->timeout_ms > 0 ? o->timeout_ms : -1);
    grpc_call *call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               channel->cq, name, NULL, deadline, NULL);
    grpc_slice_unref(name);
    beamc_rpc_stream *s =
        beamc__rpc_stream_new(call, method, o->write_queue_bytes, o->read_ahead_bytes);
    atomic_fetch_add_explicit(&channel->refs, 1, memory_order_relaxed);
    s->channel = channel;
    s->headers = headers;
    beamc__rpc_stream_begin(s, true);
    *out = s;
    return BEAMC_OK;
}

beamc_status beamc_rpc_stream_open_server(beamc_rpc_channel *channel, const char *method,
                                          beamc_slice request,
                                          const beamc_rpc_call_options *options,
                                          beamc_rpc_stream **out, beamc_error *err) {
    beamc_rpc_stream *s;
    *out = NULL;
    BEAMC_TRY(beamc_rpc_stream_open(channel, method, options, &s, err));
    /* A write that fails here means that the call has failed; the first read says why. */
    (void)beamc_rpc_stream_write(s, beamc_rpc_msg_copy(request), NULL);
    beamc_rpc_stream_close_send(s);
    *out = s;
    return BEAMC_OK;
}

beamc_rpc_stream *beamc_rpc_stream_ref(beamc_rpc_stream *s) {
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void beamc_rpc_stream_unref(beamc_rpc_stream *s) {
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    beamc_rpc_channel *channel = s->channel;
    if (channel != NULL) {
        beamc_rpc_stream_cancel(s);
        beamc__rpc_stream_release_call(s);
    }
    beamc__rpc_stream_destroy(s);
    if (channel != NULL) {
        beamc__rpc_channel_unref(channel);
    }
}

/* --- errors ----------------------------------------------------------------------------------- */

static beamc_status stream_error(const beamc_rpc_stream *s, beamc_error *err, beamc_status status,
                                 beamc_slice text) {
    if (s->channel == NULL) {
        return beamc_error_set(err, status, "%s: %.*s", s->method, BEAMC_SLICE_ARG(text));
    }
    return beamc__rpc_call_error(err, status, s->method, s->channel->endpoint, text);
}

/* The status the stream ended with, as the reader sees it; `closed` or the end of messages. */
static beamc_status end_status(const beamc_rpc_stream *s, beamc_error *err) {
    if (s->cancelled) {
        return stream_error(s, err, BEAMC_CANCELLED, beamc_str("the stream was cancelled"));
    }
    if (s->server == NULL) {
        beamc_status status = beamc__rpc_status(s->status);
        beamc_slice text =
            beamc_slice_of(GRPC_SLICE_START_PTR(s->status_text), GRPC_SLICE_LENGTH(s->status_text));
        return status == BEAMC_OK ? BEAMC_OK : stream_error(s, err, status, text);
    }
    if (s->closed && s->peer_cancelled) {
        return stream_error(s, err, BEAMC_CANCELLED,
                            beamc_str("the client cancelled the call or went away"));
    }
    return BEAMC_OK;
}

/* Why nothing more can be written; BEAMC_OK if it can. */
static beamc_status write_error(const beamc_rpc_stream *s, beamc_error *err) {
    if (__builtin_expect(!s->cancelled && !s->closed && !s->send_failed && !s->finish_wanted, 1)) {
        return BEAMC_OK;
    }
    if (s->cancelled || s->closed) {
        BEAMC_TRY(end_status(s, err));
        return stream_error(s, err, BEAMC_UNAVAILABLE, beamc_str("the stream has ended"));
    }
    if (s->send_failed) {
        return stream_error(s, err, BEAMC_UNAVAILABLE, beamc_str("the peer has gone away"));
    }
    return stream_error(s, err, BEAMC_FAILED_PRECONDITION,
                        beamc_str("write after the sending side was closed"));
}

/* --- read ------------------------------------------------------------------------------------- */

static bool at_end(const beamc_rpc_stream *s) {
    if (s->server == NULL) {
        return s->recv_eof && s->closed;
    }
    return s->closed || (s->recv_eof && !s->recv_failed);
}

beamc_status beamc_rpc_stream_read(beamc_rpc_stream *s, beamc_rpc_msg **out, beamc_error *err) {
    *out = NULL;
    pthread_mutex_lock(&s->lock);
    while (!s->cancelled && s->inbox.len == 0 && !at_end(s)) {
        pthread_cond_wait(&s->readable, &s->lock);
    }
    if (s->cancelled || s->inbox.len == 0) {
        beamc_status status = end_status(s, err);
        pthread_mutex_unlock(&s->lock);
        return status;
    }
    grpc_byte_buffer *bytes = beamc__rpc_ring_pop(&s->inbox);
    s->inbox_bytes -= grpc_byte_buffer_length(bytes) + BEAMC__RPC_MSG_COST;
    beamc__rpc_stream_kick(s);
    *out = beamc__rpc_msg_receive(bytes);
    return BEAMC_OK;
}

/* --- write ------------------------------------------------------------------------------------ */

static bool queue_full(const beamc_rpc_stream *s, size_t cost) {
    return s->queue_bytes > 0 && (cost > s->queue_limit || s->queue_bytes > s->queue_limit - cost);
}

/* Waits in turn for room; lock held. */
static beamc_status wait_for_room(beamc_rpc_stream *s, size_t cost, beamc_error *err) {
    uint64_t ticket = s->ticket_next++;
    beamc_status status;
    while ((status = write_error(s, err)) == BEAMC_OK &&
           (s->ticket_served != ticket || queue_full(s, cost))) {
        pthread_cond_wait(&s->writable, &s->lock);
    }
    s->ticket_served++;
    if (s->ticket_served != s->ticket_next) {
        pthread_cond_broadcast(&s->writable);
    }
    return status;
}

static beamc_status write_message(beamc_rpc_stream *s, beamc_rpc_msg *msg, bool wait,
                                  beamc_error *err) {
    size_t len = beamc_rpc_msg_data(msg).len;
    if (len > UINT32_MAX) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: a message of %zu bytes exceeds 4 GiB",
                          s->method, len);
    }
    size_t cost = len + BEAMC__RPC_MSG_COST;
    pthread_mutex_lock(&s->lock);
    beamc_status status = write_error(s, err);
    if (status == BEAMC_OK && (s->ticket_served != s->ticket_next || queue_full(s, cost))) {
        status =
            wait ? wait_for_room(s, cost, err)
                 : BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "%s: the write queue is full", s->method);
    }
    if (status != BEAMC_OK) {
        pthread_mutex_unlock(&s->lock);
        return status;
    }
    beamc__rpc_ring_push(&s->queue, msg);
    s->queue_bytes += cost;
    s->queued_seq++;
    beamc__rpc_stream_kick(s);
    return BEAMC_OK;
}

beamc_status beamc_rpc_stream_write(beamc_rpc_stream *s, beamc_rpc_msg *msg, beamc_error *err) {
    beamc_status status = write_message(s, msg, true, err);
    if (status != BEAMC_OK) {
        beamc_rpc_msg_unref(msg);
    }
    return status;
}

beamc_status beamc_rpc_stream_write_nowait(beamc_rpc_stream *s, beamc_rpc_msg *msg,
                                           beamc_error *err) {
    return write_message(s, msg, false, err);
}

/* Like write_error, but a half-closed stream may still be drained. */
static beamc_status drain_error(const beamc_rpc_stream *s, beamc_error *err) {
    if (s->finish_wanted && !s->cancelled && !s->closed && !s->send_failed) {
        return BEAMC_OK;
    }
    return write_error(s, err);
}

beamc_status beamc_rpc_stream_drain(beamc_rpc_stream *s, int64_t timeout_ms, beamc_error *err) {
    struct timespec until = beamc__rpc_abstime(timeout_ms < 0 ? 0 : timeout_ms);
    pthread_mutex_lock(&s->lock);
    uint64_t target = s->queued_seq;
    beamc_status status = BEAMC_OK;
    int rc = 0;
    s->drainers++;
    while (s->sent_seq < target && (status = drain_error(s, err)) == BEAMC_OK && rc != ETIMEDOUT) {
        rc = timeout_ms < 0 ? pthread_cond_wait(&s->writable, &s->lock)
                            : pthread_cond_timedwait(&s->writable, &s->lock, &until);
    }
    s->drainers--;
    if (status == BEAMC_OK && s->sent_seq < target) {
        status = BEAMC_FAIL(err, DEADLINE_EXCEEDED,
                            "%s: %llu messages are still queued after %lld ms", s->method,
                            (unsigned long long)(target - s->sent_seq), (long long)timeout_ms);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* --- end -------------------------------------------------------------------------------------- */

void beamc_rpc_stream_close_send(beamc_rpc_stream *s) {
    pthread_mutex_lock(&s->lock);
    if (s->server == NULL && !s->finish_wanted) {
        s->finish_wanted = true;
        beamc__rpc_stream_kick(s);
        return;
    }
    pthread_mutex_unlock(&s->lock);
}

void beamc_rpc_stream_cancel(beamc_rpc_stream *s) {
    pthread_mutex_lock(&s->lock);
    if (!s->cancelled && !s->closed && s->call != NULL) {
        s->cancelled = true;
        beamc__rpc_stream_drop_queue(s);
        grpc_call_cancel(s->call, NULL);
        pthread_cond_broadcast(&s->readable);
        pthread_cond_broadcast(&s->writable);
    }
    pthread_mutex_unlock(&s->lock);
}

bool beamc_rpc_stream_ended(beamc_rpc_stream *s) {
    pthread_mutex_lock(&s->lock);
    bool ended = s->cancelled || s->closed;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

bool beamc_rpc_stream_metadata(const beamc_rpc_stream *s, const char *key, size_t index,
                               beamc_slice *value) {
    for (size_t i = 0; i < s->request_metadata_len; i++) {
        if (strcmp(s->request_metadata[i].key, key) == 0 && index-- == 0) {
            *value = s->request_metadata[i].value;
            return true;
        }
    }
    return false;
}
