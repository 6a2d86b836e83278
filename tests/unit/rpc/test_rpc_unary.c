/* Unary calls: answers, errors, deadlines, metadata, endpoints that are wrong. */
#include "tests/unit/rpc/rpc_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

Test(rpc_unary, answers_with_the_bytes_of_the_handler, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    static const char bytes[] = "a\0b\xff";
    beamc_rpc_msg *response;
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_slice_of(bytes, 4), 5000,
                              &response, err));
    cr_assert(beamc_slice_eq(beamc_rpc_msg_data(response), beamc_slice_of(bytes, 4)));
    beamc_rpc_msg_unref(response);
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str(""), 0, &response, err));
    cr_assert_eq(beamc_rpc_msg_data(response).len, 0);
    beamc_rpc_msg_unref(response);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_unary, passes_the_handlers_status_and_text_on, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_msg *response;
    beamc_error err = {0};
    cr_assert_eq(
        beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("fail"), 5000, &response, &err),
        BEAMC_NOT_FOUND);
    cr_assert_null(response);
    cr_assert(strstr(err.message, "/test.Echo/Unary at 127.0.0.1:") != NULL, "%s", err.message);
    cr_assert(strstr(err.message, "no such thing: caf\xc3\xa9 100%") != NULL, "%s", err.message);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_unary, unknown_method_is_unimplemented, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_msg *response;
    beamc_error err = {0};
    cr_assert_eq(
        beamc_rpc_unary(channel, "/test.Echo/Nothing", beamc_str("x"), 5000, &response, &err),
        BEAMC_UNIMPLEMENTED);
    cr_assert(strstr(err.message, "unknown method /test.Echo/Nothing") != NULL, "%s", err.message);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Nothing", NULL);
    beamc_rpc_msg *msg;
    cr_assert_eq(beamc_rpc_stream_read(stream, &msg, &err), BEAMC_UNIMPLEMENTED);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

static beamc_status hang_unary(void *user, beamc_rpc_stream *call, beamc_slice request,
                               beamc_rpc_msg **response, beamc_error *err) {
    (void)user;
    (void)request;
    (void)response;
    for (int i = 0; i < 1000 && !beamc_rpc_stream_ended(call); i++) {
        usleep(5000);
    }
    return BEAMC_FAIL(err, ABORTED, "the client has gone");
}

Test(rpc_unary, deadline_ends_a_call_that_hangs, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_unary(server, "/test.Echo/Hang", hang_unary, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_msg *response;
    beamc_error err = {0};
    int64_t before = fixture_now_ms();
    cr_assert_eq(beamc_rpc_unary(channel, "/test.Echo/Hang", beamc_str("x"), 300, &response, &err),
                 BEAMC_DEADLINE_EXCEEDED, "%s", err.message);
    cr_assert_lt(fixture_now_ms() - before, 4000);
    cr_assert(strstr(err.message, "no answer within 300 ms") != NULL, "%s", err.message);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* A port on which nobody listens: bound, so that nobody else gets it, but not listening. */
static int deaf_port(int *fd) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(*fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

Test(rpc_unary, wrong_port_gives_a_clear_error_within_the_deadline, .timeout = 60) {
    int fd;
    beamc_rpc_channel *channel = fixture_channel(deaf_port(&fd), NULL);
    beamc_rpc_msg *response;
    beamc_error err = {0};
    int64_t before = fixture_now_ms();
    cr_assert_eq(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 500, &response, &err),
                 BEAMC_UNAVAILABLE);
    cr_assert_lt(fixture_now_ms() - before, 5000);
    cr_assert(strstr(err.message, "no connection to 127.0.0.1:") != NULL, "%s", err.message);
    cr_assert(strstr(err.message, "Connection refused") != NULL, "%s", err.message);
    err = (beamc_error){0};
    cr_assert_eq(beamc_rpc_channel_wait_ready(channel, 300, &err), BEAMC_UNAVAILABLE);
    cr_assert(strstr(err.message, "Connection refused") != NULL, "%s", err.message);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
    beamc_rpc_msg *msg;
    cr_assert_eq(beamc_rpc_stream_read(stream, &msg, &err), BEAMC_UNAVAILABLE);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    close(fd);
}

Test(rpc_unary, waits_for_a_listener_that_is_late, .timeout = 60) {
    int fd;
    int port = deaf_port(&fd);
    beamc_rpc_channel *channel = fixture_channel(port, NULL);
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_channel_wait_ready(channel, 50, &err), BEAMC_UNAVAILABLE);
    close(fd);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    beamc_rpc_server *server;
    ASSERT_OK(beamc_rpc_server_new(address, NULL, &server, err));
    beamc_rpc_server_unary(server, "/test.Echo/Unary", fixture_unary, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_msg *response;
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 10000, &response, err));
    beamc_rpc_msg_unref(response);
    ASSERT_OK(beamc_rpc_channel_wait_ready(channel, 1000, err));
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* The values of three keys, "key=value;" for each occurrence. */
static beamc_status list_metadata(void *user, beamc_rpc_stream *call, beamc_slice request,
                                  beamc_rpc_msg **response, beamc_error *err) {
    (void)user;
    (void)request;
    (void)err;
    static const char *const keys[] = {"worker_id", "data_stream_id", "fixed", "raw-bin"};
    beamc_buf text = {0};
    for (size_t k = 0; k < 4; k++) {
        beamc_slice value;
        for (size_t i = 0; beamc_rpc_stream_metadata(call, keys[k], i, &value); i++) {
            beamc_buf_printf(&text, "%s=%.*s;", keys[k], BEAMC_SLICE_ARG(value));
        }
    }
    *response = beamc_rpc_msg_take(&text);
    return BEAMC_OK;
}

Test(rpc_unary, metadata_arrives_exactly_once, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_unary(server, "/test.Echo/Metadata", list_metadata, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_metadata fixed = {.key = "fixed", .value = BEAMC_STR("f")};
    beamc_rpc_channel_options options = {
        .worker_id = "job-001[beam job]_env_1", .metadata = &fixed, .metadata_len = 1};
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), &options);
    beamc_rpc_msg *response;
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Metadata", beamc_str(""), 5000, &response, err));
    cr_assert(beamc_slice_eq(beamc_rpc_msg_data(response),
                             beamc_str("worker_id=job-001[beam job]_env_1;fixed=f;")));
    beamc_rpc_msg_unref(response);
    beamc_rpc_metadata more[] = {{.key = "data_stream_id", .value = BEAMC_STR("s1")},
                                 {.key = "raw-bin", .value = BEAMC_STR("\x01\xff")}};
    beamc_rpc_call_options call = {.metadata = more, .metadata_len = 2};
    ASSERT_OK(beamc_rpc_unary_with(channel, "/test.Echo/Metadata", beamc_str(""), 5000, &call,
                                   &response, err));
    cr_assert(
        beamc_slice_eq(beamc_rpc_msg_data(response),
                       beamc_str("worker_id=job-001[beam job]_env_1;data_stream_id=s1;fixed=f;"
                                 "raw-bin=\x01\xff;")));
    beamc_rpc_msg_unref(response);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_unary, bad_metadata_endpoints_and_methods_are_refused, .timeout = 60) {
    beamc_rpc_channel *channel;
    beamc_error err = {0};
    beamc_rpc_channel_options options = {.worker_id = "new\nline"};
    cr_assert_eq(beamc_rpc_channel_new("127.0.0.1:1", &options, &channel, &err),
                 BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(err.message, "worker_id") != NULL, "%s", err.message);
    cr_assert_null(channel);
    static const char *const bad[] = {"", "localhost", "http://localhost:80"};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(beamc_rpc_channel_new(bad[i], NULL, &channel, &err), BEAMC_INVALID_ARGUMENT,
                     "%s", bad[i]);
    }
    beamc_rpc_metadata upper = {.key = "Upper", .value = BEAMC_STR("v")};
    beamc_rpc_call_options call = {.metadata = &upper, .metadata_len = 1};
    channel = fixture_channel(1, NULL);
    beamc_rpc_msg *response;
    cr_assert_eq(beamc_rpc_unary_with(channel, "/a/b", beamc_str(""), 100, &call, &response, &err),
                 BEAMC_INVALID_ARGUMENT);
    static const char *const methods[] = {"", "a/b", "/a", "//b", "/a/"};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(beamc_rpc_unary(channel, methods[i], beamc_str(""), 100, &response, &err),
                     BEAMC_INVALID_ARGUMENT, "%s", methods[i]);
    }
    beamc_rpc_channel_free(channel);
}

Test(rpc_unary, a_token_without_tls_is_refused) {
    beamc_rpc_channel *channel;
    beamc_rpc_channel_options options = {.token = (beamc_rpc_token_fn)(uintptr_t)fixture_now_ms};
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_channel_new("127.0.0.1:1", &options, &channel, &err),
                 BEAMC_INVALID_ARGUMENT);
}
