/* server.c: listening, dispatch by method name, one thread for each open call.
 *
 * Lifetime of a call: an accept slot gets it on an I/O thread, which makes the stream object and
 * passes it to a handler thread; that runs the handler, sends the status, waits until gRPC is done
 * with the call, and drops the server's reference. Handler threads are made on demand (calls may wait
 * for one another, so any fixed number could deadlock) and reused. A call without a handler, or
 * beyond the limit, is refused on the I/O thread and frees itself.
 * Stopping: see stop_locked; everything counted in `calls` and `accepts` is gone before the
 * core's server is destroyed. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

enum { MAX_CALLS_DEFAULT = 1000, ACCEPTS = 4, METADATA_MAX_BYTES = 1 << 20 };

typedef struct method_entry {
    char *name;
    beamc_rpc_unary_fn unary;
    beamc_rpc_stream_fn stream;
    void *user;
} method_entry;

/* A call on its way to a handler thread. */
typedef struct pending_call {
    const method_entry *method;
    beamc_rpc_stream *stream;
    struct pending_call *next;
} pending_call;

struct beamc__rpc_accept {
    beamc_rpc_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

struct beamc_rpc_server {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* any count below went down, or `stopped` */
    pthread_cond_t work;    /* for idle handler threads */
    grpc_server *server;
    grpc_completion_queue *cq;
    int port;
    size_t max_calls;
    size_t write_queue_bytes;
    size_t read_ahead_bytes;
    method_entry *methods; /* constant after the start */
    size_t methods_len;
    pending_call *first;
    pending_call **last;
    size_t pending;
    size_t accepts; /* outstanding requests for a call */
    size_t calls;   /* calls that are not gone yet */
    size_t threads;
    size_t idle;
    bool started;
    bool stopping;
    bool stopped;
    bool quit; /* handler threads leave */
};

/* --- set-up ----------------------------------------------------------------------------------- */

static grpc_arg arg_int(const char *key, int value) {
    grpc_arg a = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    a.value.integer = value;
    return a;
}

/* Python's harness pings every 20 s even when idle: never count a ping as abuse. Ports are not
 * shared: the core's default lets two servers bind one port and splits the clients between them. */
static grpc_server *make_server(void) {
    grpc_arg items[] = {
        arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
        arg_int(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        arg_int(GRPC_ARG_MAX_METADATA_SIZE, METADATA_MAX_BYTES),
        arg_int(GRPC_ARG_ALLOW_REUSEPORT, 0),
        arg_int(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10),
        arg_int(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0),
        arg_int(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
    };
    grpc_channel_args args = {.num_args = sizeof items / sizeof *items, .args = items};
    return grpc_server_create(&args, NULL);
}

static beamc_status bind_port(beamc_rpc_server *s, const char *address,
                              const beamc_rpc_server_options *o, beamc_error *err) {
    grpc_server_credentials *creds;
    if (o->tls_cert_pem != NULL && o->tls_key_pem != NULL) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = o->tls_key_pem,
                                           .cert_chain = o->tls_cert_pem};
        creds = grpc_ssl_server_credentials_create_ex(
            NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    } else if (o->tls_cert_pem != NULL || o->tls_key_pem != NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "TLS needs both a certificate and its private key");
    } else {
        creds = grpc_insecure_server_credentials_create();
    }
    if (creds == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the TLS certificate or key is not usable");
    }
    s->port = grpc_server_add_http2_port(s->server, address, creds);
    grpc_server_credentials_release(creds);
    if (s->port == 0) {
        return BEAMC_FAIL(err, UNAVAILABLE,
                          "cannot listen on %s: the port is taken or the address is not ours",
                          address);
    }
    return BEAMC_OK;
}

beamc_status beamc_rpc_server_new(const char *address, const beamc_rpc_server_options *options,
                                  beamc_rpc_server **out, beamc_error *err) {
    static const beamc_rpc_server_options defaults = {0};
    const beamc_rpc_server_options *o = options != NULL ? options : &defaults;
    *out = NULL;
    if (address == NULL || *address == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the address to listen on is empty: use host:0");
    }
    beamc_rpc_server *s = beamc__calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    beamc__rpc_cond_init(&s->changed);
    beamc__rpc_cond_init(&s->work);
    s->last = &s->first;
    s->max_calls = o->max_calls ? o->max_calls : MAX_CALLS_DEFAULT;
    s->write_queue_bytes = o->write_queue_bytes;
    s->read_ahead_bytes = o->read_ahead_bytes;
    s->cq = beamc__rpc_acquire();
    s->server = make_server();
    grpc_server_register_completion_queue(s->server, s->cq, NULL);
    beamc_status status = bind_port(s, address, o, err);
    if (status != BEAMC_OK) {
        beamc_rpc_server_free(s);
        return status;
    }
    *out = s;
    return BEAMC_OK;
}

int beamc_rpc_server_port(const beamc_rpc_server *server) {
    return server->port;
}

static method_entry *add_method(beamc_rpc_server *s, const char *name, void *user) {
    s->methods = beamc__realloc(s->methods, (s->methods_len + 1) * sizeof *s->methods);
    method_entry *m = &s->methods[s->methods_len++];
    *m = (method_entry){.name = beamc__strdup(name), .user = user};
    return m;
}

void beamc_rpc_server_unary(beamc_rpc_server *server, const char *method, beamc_rpc_unary_fn fn,
                            void *user) {
    add_method(server, method, user)->unary = fn;
}

void beamc_rpc_server_stream(beamc_rpc_server *server, const char *method, beamc_rpc_stream_fn fn,
                             void *user) {
    add_method(server, method, user)->stream = fn;
}

static const method_entry *find_method(const beamc_rpc_server *s, beamc_slice name) {
    for (size_t i = 0; i < s->methods_len; i++) {
        if (beamc_slice_eq(beamc_str(s->methods[i].name), name)) {
            return &s->methods[i];
        }
    }
    return NULL;
}

/* --- handler threads -------------------------------------------------------------------------- */

static void run_unary(const method_entry *m, beamc_rpc_stream *stream) {
    beamc_error err = {0};
    beamc_rpc_msg *request;
    beamc_rpc_msg *response = NULL;
    beamc_status status = beamc_rpc_stream_read(stream, &request, &err);
    if (status == BEAMC_OK && request == NULL) {
        status = BEAMC_FAIL(&err, INTERNAL, "the call has no request message");
    }
    if (status == BEAMC_OK) {
        status = m->unary(m->user, stream, beamc_rpc_msg_data(request), &response, &err);
        beamc_rpc_msg_unref(request);
    }
    if (status == BEAMC_OK && response == NULL) {
        response = beamc_rpc_msg_copy(beamc_str(""));
    } else if (status != BEAMC_OK) {
        beamc_rpc_msg_unref(response);
        response = NULL;
    }
    beamc__rpc_stream_finish(stream, response, status, status == BEAMC_OK ? "" : err.message);
}

static void run_call(const method_entry *m, beamc_rpc_stream *stream) {
    if (m->unary != NULL) {
        run_unary(m, stream);
    } else {
        beamc_error err = {0};
        beamc_status status = m->stream(m->user, stream, &err);
        beamc__rpc_stream_finish(stream, NULL, status, status == BEAMC_OK ? "" : err.message);
    }
    beamc__rpc_stream_release_call(stream);
    beamc_rpc_stream_unref(stream);
}

static void *handler_main(void *arg) {
    beamc_rpc_server *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->first == NULL && !s->quit) {
            s->idle++;
            pthread_cond_wait(&s->work, &s->lock);
            s->idle--;
        }
        pending_call *p = s->first;
        if (p == NULL) {
            break;
        }
        s->first = p->next;
        s->last = s->first == NULL ? &s->first : s->last;
        s->pending--;
        pthread_mutex_unlock(&s->lock);
        run_call(p->method, p->stream);
        free(p);
        pthread_mutex_lock(&s->lock);
        s->calls--;
        pthread_cond_broadcast(&s->changed);
    }
    s->threads--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Passes a call to an idle or a new thread; lock held. False if there can be no thread. */
static bool hand_to_thread(beamc_rpc_server *s, const method_entry *m, beamc_rpc_stream *stream) {
    if (s->idle <= s->pending) {
        pthread_t thread;
        s->threads++;
        if (beamc__rpc_thread(&thread, "beamc-call", handler_main, s) != 0) {
            s->threads--;
            return false;
        }
        pthread_detach(thread);
    }
    pending_call *p = beamc__malloc(sizeof *p);
    *p = (pending_call){.method = m, .stream = stream};
    *s->last = p;
    s->last = &p->next;
    s->pending++;
    pthread_cond_signal(&s->work);
    return true;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* Copies the request's metadata into one block: keys, values and the table. */
static void keep_metadata(beamc_rpc_stream *stream, const grpc_metadata_array *from) {
    size_t bytes = from->count * sizeof(beamc_rpc_metadata);
    for (size_t i = 0; i < from->count; i++) {
        bytes += GRPC_SLICE_LENGTH(from->metadata[i].key) + 1 +
                 GRPC_SLICE_LENGTH(from->metadata[i].value);
    }
    beamc_rpc_metadata *table = beamc__malloc(bytes + 1);
    char *at = (char *)(table + from->count);
    for (size_t i = 0; i < from->count; i++) {
        grpc_slice key = from->metadata[i].key;
        grpc_slice value = from->metadata[i].value;
        memcpy(at, GRPC_SLICE_START_PTR(key), GRPC_SLICE_LENGTH(key));
        table[i].key = at;
        at += GRPC_SLICE_LENGTH(key);
        *at++ = '\0';
        memcpy(at, GRPC_SLICE_START_PTR(value), GRPC_SLICE_LENGTH(value));
        table[i].value = beamc_slice_of(at, GRPC_SLICE_LENGTH(value));
        at += GRPC_SLICE_LENGTH(value);
    }
    stream->request_metadata = table;
    stream->request_metadata_len = from->count;
}

/* Ends a call without a handler; it frees itself. */
static void refuse(beamc_rpc_stream *stream, beamc_status status, const char *text) {
    stream->detached = true;
    stream->recv_eof = true;
    stream->finish_wanted = true;
    stream->final_status = (grpc_status_code)status;
    stream->final_text = grpc_slice_from_copied_string(text);
    beamc__rpc_stream_begin(stream, false);
}

static void accept_call(beamc__rpc_accept *a) {
    beamc_rpc_server *s = a->server;
    beamc_slice name = beamc_slice_of(GRPC_SLICE_START_PTR(a->details.method),
                                      GRPC_SLICE_LENGTH(a->details.method));
    char *method = beamc__strndup(name.ptr, name.len);
    beamc_rpc_stream *stream =
        beamc__rpc_stream_new(a->call, method, s->write_queue_bytes, s->read_ahead_bytes);
    stream->server = s;
    keep_metadata(stream, &a->metadata);
    const method_entry *m = find_method(s, name);
    pthread_mutex_lock(&s->lock);
    bool full = s->calls++ >= s->max_calls;
    pthread_mutex_unlock(&s->lock);
    if (m == NULL || full) {
        beamc_error err = {0};
        beamc_status status =
            m == NULL ? BEAMC_FAIL(&err, UNIMPLEMENTED, "unknown method %s", method)
                      : BEAMC_FAIL(&err, RESOURCE_EXHAUSTED, "%s: too many calls at once", method);
        refuse(stream, status, err.message);
    } else {
        beamc__rpc_stream_begin(stream, m->unary == NULL);
        pthread_mutex_lock(&s->lock);
        bool handed = hand_to_thread(s, m, stream);
        pthread_mutex_unlock(&s->lock);
        if (!handed) {
            beamc_rpc_stream_cancel(stream);
            pthread_mutex_lock(&stream->lock);
            stream->detached = true;
            stream->inflight++;
            pthread_mutex_unlock(&stream->lock);
            beamc__rpc_stream_event(stream, BEAMC__RPC_OPEN, false);
        }
    }
    free(method);
}

static void request_call(beamc__rpc_accept *a) {
    grpc_call_details_init(&a->details);
    grpc_metadata_array_init(&a->metadata);
    BEAMC__RPC_HAND_OVER(a);
    grpc_server_request_call(a->server->server, &a->call, &a->details, &a->metadata, a->server->cq,
                             a->server->cq, beamc__rpc_tag(a, BEAMC__RPC_ACCEPT));
}

void beamc__rpc_accept_event(beamc__rpc_accept *a, bool ok) {
    beamc_rpc_server *s = a->server;
    if (ok) {
        accept_call(a);
    }
    grpc_call_details_destroy(&a->details);
    grpc_metadata_array_destroy(&a->metadata);
    pthread_mutex_lock(&s->lock);
    if (ok && !s->stopping) {
        pthread_mutex_unlock(&s->lock);
        request_call(a); /* if the server stops meanwhile, this comes back with ok == false */
        return;
    }
    free(a);
    s->accepts--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void beamc__rpc_server_call_done(beamc_rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    s->calls--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void beamc_rpc_server_start(beamc_rpc_server *s) {
    s->started = true;
    s->accepts = ACCEPTS;
    grpc_server_start(s->server);
    for (size_t i = 0; i < ACCEPTS; i++) {
        beamc__rpc_accept *a = beamc__calloc(1, sizeof *a);
        a->server = s;
        request_call(a);
    }
}

/* --- stopping --------------------------------------------------------------------------------- */

void beamc__rpc_server_stopped_event(beamc_rpc_server *s) {
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void beamc_rpc_server_stop(beamc_rpc_server *s, int64_t grace_ms) {
    pthread_mutex_lock(&s->lock);
    if (s->stopping) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    BEAMC__RPC_HAND_OVER(s);
    grpc_server_shutdown_and_notify(s->server, s->cq, beamc__rpc_tag(s, BEAMC__RPC_STOPPED));
    struct timespec until = beamc__rpc_abstime(grace_ms > 0 ? grace_ms : 0);
    pthread_mutex_lock(&s->lock);
    int rc = 0;
    while (s->calls > 0 && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    grpc_server_cancel_all_calls(s->server);
    pthread_mutex_lock(&s->lock);
    while (!s->stopped || s->calls > 0 || s->accepts > 0) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    s->quit = true;
    pthread_cond_broadcast(&s->work);
    while (s->threads > 0) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

void beamc_rpc_server_free(beamc_rpc_server *s) {
    if (s == NULL) {
        return;
    }
    beamc_rpc_server_stop(s, 0);
    grpc_server_destroy(s->server);
    for (size_t i = 0; i < s->methods_len; i++) {
        free(s->methods[i].name);
    }
    free(s->methods);
    pthread_cond_destroy(&s->changed);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
    beamc__rpc_release();
}
