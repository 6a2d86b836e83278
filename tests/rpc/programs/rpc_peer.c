/* rpc_peer: one end of the tests against Python's gRPC (tests/rpc/test_python_peer.py).
 *
 *   rpc_peer server [CERT_FILE KEY_FILE]   prints its port, serves until its standard input ends
 *   rpc_peer client ENDPOINT CHECK [CA_FILE AUTHORITY]
 *                                          runs one check against Python's server; 0 means passed
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/rpc/rpc.h"

static int failed(const char *what, const beamc_error *err) {
    fprintf(stderr, "%s: %s %s\n", what, beamc_status_name(err->code), err->message);
    return 1;
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 65536);
    if (f == NULL || text == NULL || fread(text, 1, 65535, f) == 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    fclose(f);
    return text;
}

/* --- server ----------------------------------------------------------------------------------- */

static beamc_status on_echo(void *user, beamc_rpc_stream *call, beamc_slice request,
                            beamc_rpc_msg **response, beamc_error *err) {
    (void)user;
    (void)call;
    if (beamc_slice_eq(request, beamc_str("fail"))) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "no: \xc3\xa9 100%%");
    }
    *response = beamc_rpc_msg_copy(request);
    return BEAMC_OK;
}

static beamc_status on_metadata(void *user, beamc_rpc_stream *call, beamc_slice request,
                                beamc_rpc_msg **response, beamc_error *err) {
    (void)user;
    (void)request;
    (void)err;
    beamc_buf text = {0};
    beamc_slice value;
    for (size_t i = 0; beamc_rpc_stream_metadata(call, "worker_id", i, &value); i++) {
        beamc_buf_printf(&text, "%.*s;", BEAMC_SLICE_ARG(value));
    }
    *response = beamc_rpc_msg_take(&text);
    return BEAMC_OK;
}

static beamc_status on_stream(void *user, beamc_rpc_stream *s, beamc_error *err) {
    (void)user;
    for (;;) {
        beamc_rpc_msg *msg;
        beamc_status status = beamc_rpc_stream_read(s, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            fprintf(stderr, "stream ended: %s\n", beamc_status_name(status));
            return status;
        }
        BEAMC_TRY(beamc_rpc_stream_write(s, msg, err));
    }
}

static beamc_status on_count(void *user, beamc_rpc_stream *s, beamc_error *err) {
    (void)user;
    beamc_rpc_msg *request;
    BEAMC_TRY(beamc_rpc_stream_read(s, &request, err));
    if (request == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "no request");
    }
    beamc_slice digits = beamc_rpc_msg_data(request);
    int n = 0;
    for (size_t i = 0; i < digits.len; i++) {
        n = n * 10 + (digits.ptr[i] - '0');
    }
    beamc_rpc_msg_unref(request);
    for (int i = 0; i < n; i++) {
        BEAMC_TRY(beamc_rpc_stream_write(s, beamc_rpc_msg_copy(beamc_slice_of(&i, sizeof i)), err));
    }
    return BEAMC_FAIL(err, DATA_LOSS, "counted to %d", n);
}

static int serve(const char *cert, const char *key) {
    beamc_rpc_server_options options = {.tls_cert_pem = cert != NULL ? read_file(cert) : NULL,
                                        .tls_key_pem = key != NULL ? read_file(key) : NULL};
    beamc_rpc_server *server;
    beamc_error err = {0};
    if (beamc_rpc_server_new("127.0.0.1:0", &options, &server, &err) != BEAMC_OK) {
        return failed("server", &err);
    }
    free((char *)(uintptr_t)options.tls_cert_pem);
    free((char *)(uintptr_t)options.tls_key_pem);
    beamc_rpc_server_unary(server, "/test.Peer/Echo", on_echo, NULL);
    beamc_rpc_server_unary(server, "/test.Peer/Metadata", on_metadata, NULL);
    beamc_rpc_server_stream(server, "/test.Peer/Stream", on_stream, NULL);
    beamc_rpc_server_stream(server, "/test.Peer/Count", on_count, NULL);
    beamc_rpc_server_start(server);
    printf("%d\n", beamc_rpc_server_port(server));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    beamc_rpc_server_stop(server, 200);
    beamc_rpc_server_free(server);
    return 0;
}

/* --- client ----------------------------------------------------------------------------------- */

static int expect_unary(beamc_rpc_channel *c, const char *method, beamc_slice request,
                        beamc_slice want) {
    beamc_error err = {0};
    beamc_rpc_msg *response;
    if (beamc_rpc_unary(c, method, request, 20000, &response, &err) != BEAMC_OK) {
        return failed(method, &err);
    }
    bool same = beamc_slice_eq(beamc_rpc_msg_data(response), want);
    if (!same) {
        beamc_slice got = beamc_rpc_msg_data(response);
        fprintf(stderr, "%s: %zu bytes: %.200s\n", method, got.len, got.len ? got.ptr : "");
    }
    beamc_rpc_msg_unref(response);
    return same ? 0 : 1;
}

static int check_unary(beamc_rpc_channel *c) {
    return expect_unary(c, "/test.Peer/Echo", beamc_str("hello"), beamc_str("hello"));
}

static int check_large(beamc_rpc_channel *c) {
    beamc_buf buf = {0};
    size_t n = 20u << 20;
    memset(beamc_buf_room(&buf, n), 'L', n);
    buf.len = n;
    int rc = expect_unary(c, "/test.Peer/Echo", beamc_buf_slice(&buf), beamc_buf_slice(&buf));
    beamc_buf_free(&buf);
    return rc;
}

static int check_metadata(beamc_rpc_channel *c) {
    return expect_unary(c, "/test.Peer/Metadata", beamc_str(""), beamc_str("w[1];"));
}

static int check_error(beamc_rpc_channel *c) {
    beamc_error err = {0};
    beamc_rpc_msg *response;
    beamc_status status =
        beamc_rpc_unary(c, "/test.Peer/Echo", beamc_str("fail"), 20000, &response, &err);
    if (status != BEAMC_FAILED_PRECONDITION || strstr(err.message, "no: \xc3\xa9 100%") == NULL) {
        return failed("wrong error", &err);
    }
    status = beamc_rpc_unary(c, "/test.Peer/Nothing", beamc_str(""), 20000, &response, &err);
    return status == BEAMC_UNIMPLEMENTED ? 0 : failed("unknown method", &err);
}

static int open_stream(beamc_rpc_channel *c, beamc_rpc_stream **out) {
    beamc_error err = {0};
    return beamc_rpc_stream_open(c, "/test.Peer/Stream", NULL, out, &err) == BEAMC_OK
               ? 0
               : failed("open", &err);
}

/* Sends one number and wants it back. */
static int ping_pong(beamc_rpc_stream *s, int i) {
    beamc_error err = {0};
    beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(&i, sizeof i));
    if (beamc_rpc_stream_write(s, msg, &err) != BEAMC_OK ||
        beamc_rpc_stream_read(s, &msg, &err) != BEAMC_OK || msg == NULL) {
        return failed("stream", &err);
    }
    bool same = beamc_slice_eq(beamc_rpc_msg_data(msg), beamc_slice_of(&i, sizeof i));
    beamc_rpc_msg_unref(msg);
    return same ? 0 : 1;
}

static int check_stream(beamc_rpc_channel *c) {
    beamc_rpc_stream *s;
    int rc = open_stream(c, &s);
    for (int i = 0; i < 500 && rc == 0; i++) {
        rc = ping_pong(s, i);
    }
    beamc_rpc_stream_close_send(s);
    beamc_rpc_msg *msg;
    beamc_error err = {0};
    if (rc == 0 && (beamc_rpc_stream_read(s, &msg, &err) != BEAMC_OK || msg != NULL)) {
        rc = failed("end of the stream", &err);
    }
    beamc_rpc_stream_unref(s);
    return rc;
}

/* The channel pings each second; nothing else happens for 6 s. */
static int check_idle(beamc_rpc_channel *c) {
    beamc_rpc_stream *s;
    int rc = open_stream(c, &s);
    rc = rc != 0 ? rc : ping_pong(s, 1);
    sleep(6);
    rc = rc != 0 ? rc : ping_pong(s, 2);
    beamc_rpc_stream_unref(s);
    return rc;
}

static int check_cancel(beamc_rpc_channel *c) {
    beamc_rpc_stream *s;
    int rc = open_stream(c, &s);
    rc = rc != 0 ? rc : ping_pong(s, 1);
    beamc_rpc_stream_cancel(s);
    beamc_rpc_stream_unref(s);
    sleep(1);
    return rc != 0 ? rc : expect_unary(c, "/test.Peer/Cancelled", beamc_str(""), beamc_str("1"));
}

static int check_server_stream(beamc_rpc_channel *c) {
    beamc_rpc_stream *s;
    beamc_error err = {0};
    if (beamc_rpc_stream_open_server(c, "/test.Peer/Count", beamc_str("300"), NULL, &s, &err) !=
        BEAMC_OK) {
        return failed("open", &err);
    }
    int n = 0;
    beamc_status status;
    beamc_rpc_msg *msg;
    while ((status = beamc_rpc_stream_read(s, &msg, &err)) == BEAMC_OK && msg != NULL) {
        beamc_rpc_msg_unref(msg);
        n++;
    }
    beamc_rpc_stream_unref(s);
    if (n != 300 || status != BEAMC_DATA_LOSS || strstr(err.message, "counted to 300") == NULL) {
        fprintf(stderr, "%d messages\n", n);
        return failed("end", &err);
    }
    return 0;
}

static beamc_status give_token(void *user, beamc_buf *token, beamc_error *err) {
    (void)user;
    (void)err;
    beamc_buf_put_str(token, "s3cret");
    return BEAMC_OK;
}

static int run_client(const char *endpoint, const char *name, const char *ca,
                      const char *authority) {
    static const struct {
        const char *name;
        int (*run)(beamc_rpc_channel *);
    } checks[] = {{"unary", check_unary},       {"large", check_large},
                  {"metadata", check_metadata}, {"error", check_error},
                  {"stream", check_stream},     {"idle", check_idle},
                  {"cancel", check_cancel},     {"server-stream", check_server_stream}};
    beamc_rpc_channel_options options = {.worker_id = "w[1]", .keepalive_ms = 1000};
    if (ca != NULL) {
        options.tls = true;
        options.ca_pem = read_file(ca);
        options.authority = authority;
        options.token = give_token;
    }
    beamc_rpc_channel *channel;
    beamc_error err = {0};
    if (beamc_rpc_channel_new(endpoint, &options, &channel, &err) != BEAMC_OK ||
        beamc_rpc_channel_wait_ready(channel, 5000, &err) != BEAMC_OK) {
        return failed(endpoint, &err);
    }
    free((char *)(uintptr_t)options.ca_pem);
    int rc = 2;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (strcmp(checks[i].name, name) == 0) {
            rc = checks[i].run(channel);
        }
    }
    beamc_rpc_channel_free(channel);
    return rc;
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "server") == 0) {
        return serve(argc >= 4 ? argv[2] : NULL, argc >= 4 ? argv[3] : NULL);
    }
    if (argc >= 4 && strcmp(argv[1], "client") == 0) {
        return run_client(argv[2], argv[3], argc >= 6 ? argv[4] : NULL, argc >= 6 ? argv[5] : NULL);
    }
    fprintf(stderr, "usage: rpc_peer server [CERT KEY] | client ENDPOINT CHECK [CA AUTHORITY]\n");
    return 2;
}
