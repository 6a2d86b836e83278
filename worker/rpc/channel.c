/* channel.c: client channels, the metadata of their calls, and waiting for a connection.
 *
 * Lifetime: counted, since an open stream keeps its channel. A channel has a connection of its
 * own (no shared subchannel pool), so that control traffic never queues behind data. */
#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

/* Servers in Go, Java and C++ cut a client that pings more often than every 5 minutes by default. */
enum { KEEPALIVE_DEFAULT_MS = 300 * 1000, KEEPALIVE_TIMEOUT_MS = 20 * 1000 };
enum { METADATA_MAX_BYTES = 1 << 20 };

static grpc_arg arg_int(const char *key, int value) {
    grpc_arg a = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
    a.value.integer = value;
    return a;
}

static grpc_arg arg_str(const char *key, const char *value) {
    grpc_arg a = {.type = GRPC_ARG_STRING, .key = (char *)(uintptr_t)key};
    a.value.string = (char *)(uintptr_t)value;
    return a;
}

/* A plain endpoint is a runner next door: never ask a proxy for it. */
static size_t channel_args(const beamc_rpc_channel_options *o, grpc_arg args[16]) {
    size_t n = 0;
    int keepalive = o->keepalive_ms == 0  ? KEEPALIVE_DEFAULT_MS
                    : o->keepalive_ms < 0 ? INT_MAX
                                          : o->keepalive_ms;
    args[n++] = arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1);
    args[n++] = arg_int(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    args[n++] = arg_int(GRPC_ARG_MAX_METADATA_SIZE, METADATA_MAX_BYTES);
    args[n++] = arg_int(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive);
    args[n++] = arg_int(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS);
    args[n++] = arg_int(GRPC_ARG_ENABLE_RETRIES, 0);
    args[n++] = arg_int(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    args[n++] = arg_int(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args[n++] = arg_int(GRPC_ARG_ENABLE_HTTP_PROXY, o->tls ? 1 : 0);
    args[n++] = arg_int(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    args[n++] = arg_int(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
    if (o->keepalive_ms > 0) {
        args[n++] = arg_int(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    }
    if (o->tls && o->authority != NULL) {
        args[n++] = arg_str(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, o->authority);
    }
    return n;
}

static bool is_binary_key(const char *key) {
    size_t n = strlen(key);
    return n > 4 && strcmp(key + n - 4, "-bin") == 0;
}

/* Checks one entry and makes slices of it. The core would reject or, worse, abort on bad ones. */
static beamc_status metadata_make(const char *key, beamc_slice value, grpc_metadata *out,
                                  beamc_error *err) {
    memset(out, 0, sizeof *out);
    grpc_slice k = grpc_slice_from_copied_string(key);
    grpc_slice v = grpc_slice_from_copied_buffer(value.ptr ? value.ptr : "", value.len);
    beamc_status status = BEAMC_OK;
    if (!grpc_header_key_is_legal(k) || strncmp(key, "grpc-", 5) == 0) {
        status = BEAMC_FAIL(
            err, INVALID_ARGUMENT,
            "\"%s\" is no valid metadata key: use a-z 0-9 . _ - and no grpc- prefix", key);
    } else if (!is_binary_key(key) && !grpc_header_nonbin_value_is_legal(v)) {
        status =
            BEAMC_FAIL(err, INVALID_ARGUMENT,
                       "the value of metadata %s has bytes other than printable ASCII: \"%.*s\"",
                       key, BEAMC_SLICE_ARG(value));
    }
    if (status != BEAMC_OK) {
        grpc_slice_unref(k);
        grpc_slice_unref(v);
        return status;
    }
    out->key = k;
    out->value = v;
    return BEAMC_OK;
}

static void metadata_free(grpc_metadata *items, size_t len) {
    for (size_t i = 0; i < len; i++) {
        grpc_slice_unref(items[i].key);
        grpc_slice_unref(items[i].value);
    }
    free(items);
}

static beamc_status channel_metadata(beamc_rpc_channel *c, const beamc_rpc_channel_options *o,
                                     beamc_error *err) {
    c->metadata = beamc__calloc(o->metadata_len + 1, sizeof *c->metadata);
    if (o->worker_id != NULL) {
        BEAMC_TRY_CTX(err,
                      metadata_make("worker_id", beamc_str(o->worker_id), &c->metadata[0], err),
                      "worker id");
        c->metadata_len = 1;
    }
    for (size_t i = 0; i < o->metadata_len; i++) {
        const beamc_rpc_metadata *m = &o->metadata[i];
        BEAMC_TRY(metadata_make(m->key, m->value, &c->metadata[c->metadata_len], err));
        c->metadata_len++;
    }
    return BEAMC_OK;
}

static beamc_status connect_channel(beamc_rpc_channel *c, const beamc_rpc_channel_options *o,
                                    beamc_error *err) {
    grpc_channel_credentials *creds = o->tls
                                          ? grpc_ssl_credentials_create(o->ca_pem, NULL, NULL, NULL)
                                          : grpc_insecure_credentials_create();
    if (creds == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: the TLS roots are not usable", c->endpoint);
    }
    grpc_arg items[16];
    grpc_channel_args args = {.num_args = channel_args(o, items), .args = items};
    c->channel = grpc_channel_create(c->endpoint, creds, &args);
    grpc_channel_credentials_release(creds);
    if (c->channel == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "\"%s\" is no endpoint: use host:port",
                          c->endpoint);
    }
    return BEAMC_OK;
}

static beamc_status endpoint_check(const char *endpoint, beamc_error *err) {
    if (endpoint == NULL || *endpoint == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the endpoint is empty: use host:port");
    }
    if (strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "\"%s\" is a URL: a gRPC endpoint is host:port without a scheme",
                          endpoint);
    }
    if (strncmp(endpoint, "unix:", 5) != 0 && strchr(endpoint, ':') == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "\"%s\" has no port: use host:port", endpoint);
    }
    return BEAMC_OK;
}

beamc_status beamc_rpc_channel_new(const char *endpoint, const beamc_rpc_channel_options *options,
                                   beamc_rpc_channel **out, beamc_error *err) {
    static const beamc_rpc_channel_options defaults = {0};
    const beamc_rpc_channel_options *o = options != NULL ? options : &defaults;
    *out = NULL;
    BEAMC_TRY(endpoint_check(endpoint, err));
    if (o->token != NULL && !o->tls) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: a token is sent over TLS only", endpoint);
    }
    beamc_rpc_channel *c = beamc__calloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->cq = beamc__rpc_acquire();
    c->endpoint = beamc__strdup(endpoint);
    c->token = o->token;
    c->token_user = o->token_user;
    beamc_status status = channel_metadata(c, o, err);
    if (status == BEAMC_OK) {
        status = connect_channel(c, o, err);
    }
    if (status != BEAMC_OK) {
        beamc__rpc_channel_unref(c);
        return status;
    }
    *out = c;
    return BEAMC_OK;
}

void beamc__rpc_channel_unref(beamc_rpc_channel *c) {
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (c->channel != NULL) {
        grpc_channel_destroy(c->channel);
    }
    metadata_free(c->metadata, c->metadata_len);
    free(c->endpoint);
    free(c);
    beamc__rpc_release();
}

void beamc_rpc_channel_free(beamc_rpc_channel *channel) {
    if (channel != NULL) {
        beamc__rpc_channel_unref(channel);
    }
}

const char *beamc_rpc_channel_endpoint(const beamc_rpc_channel *channel) {
    return channel->endpoint;
}

/* --- metadata of a call ----------------------------------------------------------------------- */

static beamc_status headers_token(const beamc_rpc_channel *c, grpc_metadata *out,
                                  beamc_error *err) {
    beamc_buf value = {0};
    beamc_buf_put_str(&value, "Bearer ");
    beamc_status status = c->token(c->token_user, &value, err);
    if (status == BEAMC_OK) {
        status = metadata_make("authorization", beamc_buf_slice(&value), out, err);
    }
    beamc_buf_free(&value);
    return status;
}

beamc_status beamc__rpc_headers_make(const beamc_rpc_channel *c,
                                     const beamc_rpc_call_options *options, beamc__rpc_headers *out,
                                     beamc_error *err) {
    size_t extra = options != NULL ? options->metadata_len : 0;
    *out = (beamc__rpc_headers){0};
    out->items = beamc__calloc(c->metadata_len + extra + 1, sizeof *out->items);
    for (size_t i = 0; i < c->metadata_len; i++) {
        out->items[i].key = grpc_slice_ref(c->metadata[i].key);
        out->items[i].value = grpc_slice_ref(c->metadata[i].value);
    }
    out->len = c->metadata_len;
    beamc_status status = BEAMC_OK;
    for (size_t i = 0; i < extra && status == BEAMC_OK; i++) {
        const beamc_rpc_metadata *m = &options->metadata[i];
        status = metadata_make(m->key, m->value, &out->items[out->len], err);
        out->len += status == BEAMC_OK;
    }
    if (status == BEAMC_OK && c->token != NULL) {
        status = headers_token(c, &out->items[out->len], err);
        out->len += status == BEAMC_OK;
    }
    if (status != BEAMC_OK) {
        beamc__rpc_headers_free(out);
    }
    return status;
}

void beamc__rpc_headers_free(beamc__rpc_headers *headers) {
    metadata_free(headers->items, headers->len);
    *headers = (beamc__rpc_headers){0};
}

/* --- waiting and errors ----------------------------------------------------------------------- */

beamc_status beamc__rpc_method_check(const char *method, beamc_error *err) {
    const char *slash = method != NULL && *method == '/' ? strchr(method + 1, '/') : NULL;
    if (slash == NULL || slash == method + 1 || slash[1] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "\"%s\" is no method: use /package.Service/Method",
                          method != NULL ? method : "");
    }
    return BEAMC_OK;
}

beamc_status beamc__rpc_call_error(beamc_error *err, beamc_status status, const char *method,
                                   const char *endpoint, beamc_slice details) {
    if (details.len == 0) {
        details = beamc_str(beamc_status_name(status));
    }
    return beamc_error_set(err, status, "%s at %s: %.*s", method, endpoint,
                           BEAMC_SLICE_ARG(details));
}

beamc_status beamc__rpc_unreachable(beamc_rpc_channel *channel, int64_t waited_ms,
                                    beamc_error *err) {
    beamc_error why = {0};
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->channel, 0);
    if (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_SHUTDOWN) {
        (void)beamc__rpc_probe(channel, &why);
    }
    return BEAMC_FAIL(err, UNAVAILABLE, "no connection to %s within %lld ms: %s", channel->endpoint,
                      (long long)waited_ms,
                      why.message[0] != '\0' ? why.message : "no answer to the attempt to connect");
}

beamc_status beamc_rpc_channel_wait_ready(beamc_rpc_channel *channel, int64_t timeout_ms,
                                          beamc_error *err) {
    gpr_timespec deadline = beamc__rpc_deadline(timeout_ms < 0 ? 0 : timeout_ms);
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel->channel, 1);
    if (state == GRPC_CHANNEL_READY) {
        return BEAMC_OK;
    }
    grpc_completion_queue *cq = grpc_completion_queue_create_for_pluck(NULL);
    while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_SHUTDOWN &&
           gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), deadline) < 0) {
        grpc_channel_watch_connectivity_state(channel->channel, state, deadline, cq, cq);
        grpc_completion_queue_pluck(cq, cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        state = grpc_channel_check_connectivity_state(channel->channel, 1);
    }
    beamc__rpc_quiesce_pluck(cq);
    if (state == GRPC_CHANNEL_READY) {
        return BEAMC_OK;
    }
    return beamc__rpc_unreachable(channel, timeout_ms, err);
}
