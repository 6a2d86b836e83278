/* rpc_fixture.h: a server with an echo service for the rpc tests. Criterion forks for each test, so gRPC
 * starts inside the test. */
#ifndef BEAMC_TESTS_RPC_FIXTURE_H
#define BEAMC_TESTS_RPC_FIXTURE_H

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "worker/rpc/rpc.h"

/* Sends each message back until the client half-closes. */
static inline beamc_status fixture_echo(void *user, beamc_rpc_stream *s, beamc_error *err) {
    (void)user;
    for (;;) {
        beamc_rpc_msg *msg;
        BEAMC_TRY(beamc_rpc_stream_read(s, &msg, err));
        if (msg == NULL) {
            return BEAMC_OK;
        }
        BEAMC_TRY(beamc_rpc_stream_write(s, msg, err));
    }
}

/* Answers with the request; "fail" fails. */
static inline beamc_status fixture_unary(void *user, beamc_rpc_stream *call, beamc_slice request,
                                         beamc_rpc_msg **response, beamc_error *err) {
    (void)user;
    (void)call;
    if (beamc_slice_eq(request, beamc_str("fail"))) {
        return BEAMC_FAIL(err, NOT_FOUND, "no such thing: caf\xc3\xa9 100%%");
    }
    *response = beamc_rpc_msg_copy(request);
    return BEAMC_OK;
}

static inline beamc_rpc_server *fixture_server(void) {
    beamc_rpc_server *server;
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_server_new("127.0.0.1:0", NULL, &server, &err), BEAMC_OK, "%s",
                 err.message);
    beamc_rpc_server_unary(server, "/test.Echo/Unary", fixture_unary, NULL);
    beamc_rpc_server_stream(server, "/test.Echo/Stream", fixture_echo, NULL);
    return server;
}

static inline beamc_rpc_channel *fixture_channel(int port,
                                                 const beamc_rpc_channel_options *options) {
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%d", port);
    beamc_rpc_channel *channel;
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_channel_new(endpoint, options, &channel, &err), BEAMC_OK, "%s",
                 err.message);
    return channel;
}

static inline beamc_rpc_stream *fixture_stream(beamc_rpc_channel *channel, const char *method,
                                               const beamc_rpc_call_options *options) {
    beamc_rpc_stream *stream;
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_stream_open(channel, method, options, &stream, &err), BEAMC_OK, "%s",
                 err.message);
    return stream;
}

static inline int64_t fixture_now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define ASSERT_OK(expr)                                                                            \
    do {                                                                                           \
        beamc_error assert_err_ = {0};                                                             \
        beamc_error *err = &assert_err_;                                                           \
        beamc_status assert_status_ = (expr);                                                      \
        cr_assert_eq(assert_status_, BEAMC_OK, "%s: %s", #expr, err->message);                     \
    } while (0)

#endif
