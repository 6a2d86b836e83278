/* Peers that are no gRPC peers or vanish, seen from both sides; names of threads and of hosts. */
#include "tests/unit/rpc/rpc_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

typedef struct raw_server {
    int fd;
    int port;
    const char *answer; /* sent to each connection */
    size_t answer_len;
    size_t read_bytes; /* then so many bytes are read, and the connection is reset */
    pthread_t thread;
} raw_server;

static void reset_connection(int fd) {
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

static void *raw_main(void *arg) {
    raw_server *raw = arg;
    for (;;) {
        int fd = accept(raw->fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        if (send(fd, raw->answer, raw->answer_len, MSG_NOSIGNAL) < 0) {
            close(fd);
            continue;
        }
        static char sink[4096];
        for (size_t got = 0; got < raw->read_bytes;) {
            ssize_t n = recv(fd, sink, sizeof sink, 0);
            if (n <= 0) {
                break;
            }
            got += (size_t)n;
        }
        reset_connection(fd);
    }
}

static void raw_start(raw_server *raw) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    raw->fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(raw->fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(getsockname(raw->fd, (struct sockaddr *)&a, &len), 0);
    cr_assert_eq(listen(raw->fd, 16), 0);
    raw->port = ntohs(a.sin_port);
    pthread_create(&raw->thread, NULL, raw_main, raw);
}

static void raw_stop(raw_server *raw) {
    shutdown(raw->fd, SHUT_RDWR);
    pthread_join(raw->thread, NULL);
    close(raw->fd);
}

/* HTTP/2: an empty SETTINGS frame, and one that acknowledges ours. */
static const char http2_hello[] = "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";

Test(rpc_wire, a_connection_that_is_reset_fails_the_writer_and_raises_no_sigpipe, .timeout = 60) {
    raw_server raw = {
        .answer = http2_hello, .answer_len = sizeof http2_hello - 1, .read_bytes = 30000};
    raw_start(&raw);
    beamc_rpc_channel *channel = fixture_channel(raw.port, NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
    static char bytes[100000];
    beamc_error err = {0};
    beamc_status status;
    do {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(bytes, sizeof bytes));
        status = beamc_rpc_stream_write(stream, msg, &err);
    } while (status == BEAMC_OK);
    cr_assert_eq(status, BEAMC_UNAVAILABLE, "%s", err.message);
    beamc_rpc_msg *msg;
    cr_assert_eq(beamc_rpc_stream_read(stream, &msg, &err), BEAMC_UNAVAILABLE, "%s", err.message);
    cr_assert_gt(strlen(err.message), 10);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    raw_stop(&raw);
}

Test(rpc_wire, a_server_that_is_no_grpc_server_gives_an_error, .timeout = 60) {
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "", "SSH-2.0-x\r\n"};
    for (size_t i = 0; i < 3; i++) {
        raw_server raw = {.answer = answers[i], .answer_len = strlen(answers[i]), .read_bytes = 24};
        raw_start(&raw);
        beamc_rpc_channel *channel = fixture_channel(raw.port, NULL);
        beamc_error err = {0};
        beamc_rpc_msg *response;
        cr_assert_eq(
            beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 700, &response, &err),
            BEAMC_UNAVAILABLE, "%s", err.message);
        beamc_rpc_channel_free(channel);
        raw_stop(&raw);
    }
}

static void send_garbage(int port, const char *bytes, size_t len) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    struct timeval patience = {.tv_usec = 50000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char answer[256];
    while (recv(fd, answer, sizeof answer, 0) > 0) {
    }
    reset_connection(fd);
}

Test(rpc_wire, garbage_from_a_client_harms_nobody_else, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    int port = beamc_rpc_server_port(server);
    beamc_rpc_channel *channel = fixture_channel(port, NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                  "\0\0\5\1\4\0\0\0\1\xff\xff\xff\xff\xff\0\377\377\0\1\0\0\0\1";
    static const char zeros[5000];
    send_garbage(port, "GET / HTTP/1.1\r\n\r\n", 18);
    send_garbage(port, preface, sizeof preface - 1);
    send_garbage(port, preface, 30);
    send_garbage(port, zeros, sizeof zeros);
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), err));
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    beamc_rpc_msg_unref(msg);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

static int threads_named(const char *prefix) {
    DIR *tasks = opendir("/proc/self/task");
    cr_assert_not_null(tasks);
    int n = 0;
    for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
        char path[300];
        char name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "r");
        if (f != NULL) {
            n += fgets(name, sizeof name, f) != NULL && strncmp(name, prefix, strlen(prefix)) == 0;
            fclose(f);
        }
    }
    closedir(tasks);
    return n;
}

Test(rpc_wire, threads_have_names_and_leave_with_the_last_user, .timeout = 60) {
    cr_assert_eq(threads_named("beamc-"), 0);
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), err));
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    beamc_rpc_msg_unref(msg);
    cr_assert_geq(threads_named("beamc-rpc-"), 1);
    cr_assert_eq(threads_named("beamc-call"), 1);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
    for (int i = 0; i < 400 && threads_named("beamc-") > 0; i++) {
        usleep(5000); /* a detached thread is in /proc until it has really gone */
    }
    cr_assert_eq(threads_named("beamc-"), 0);
}

Test(rpc_wire, a_server_on_localhost_is_reached_by_name_and_by_number, .timeout = 60) {
    beamc_rpc_server *server;
    ASSERT_OK(beamc_rpc_server_new("localhost:0", NULL, &server, err));
    beamc_rpc_server_unary(server, "/test.Echo/Unary", fixture_unary, NULL);
    beamc_rpc_server_start(server);
    static const char *const hosts[] = {"localhost", "127.0.0.1"};
    for (size_t i = 0; i < 2; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "%s:%d", hosts[i], beamc_rpc_server_port(server));
        beamc_rpc_channel *channel;
        ASSERT_OK(beamc_rpc_channel_new(endpoint, NULL, &channel, err));
        cr_assert_str_eq(beamc_rpc_channel_endpoint(channel), endpoint);
        beamc_rpc_msg *response;
        ASSERT_OK(
            beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 5000, &response, err));
        beamc_rpc_msg_unref(response);
        beamc_rpc_channel_free(channel);
    }
    beamc_rpc_server_free(server);
}

Test(rpc_wire, a_unix_socket_works_and_an_http_proxy_is_not_asked, .timeout = 60) {
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("grpc_proxy", "http://127.0.0.1:1", 1);
    char address[64];
    snprintf(address, sizeof address, "unix:/tmp/beamc-rpc-test-%d", (int)getpid());
    beamc_rpc_server *server;
    ASSERT_OK(beamc_rpc_server_new(address, NULL, &server, err));
    beamc_rpc_server_unary(server, "/test.Echo/Unary", fixture_unary, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel;
    ASSERT_OK(beamc_rpc_channel_new(address, NULL, &channel, err));
    beamc_rpc_msg *response;
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 5000, &response, err));
    beamc_rpc_msg_unref(response);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
    unlink(address + 5);
    server = fixture_server();
    beamc_rpc_server_start(server);
    channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 5000, &response, err));
    beamc_rpc_msg_unref(response);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_wire, tls_options_are_checked, .timeout = 60) {
    beamc_rpc_server *server;
    beamc_error err = {0};
    beamc_rpc_server_options half = {.tls_cert_pem = "x"};
    cr_assert_eq(beamc_rpc_server_new("127.0.0.1:0", &half, &server, &err), BEAMC_INVALID_ARGUMENT);
    beamc_rpc_server_options bad = {.tls_cert_pem = "no PEM", .tls_key_pem = "no PEM"};
    cr_assert_neq(beamc_rpc_server_new("127.0.0.1:0", &bad, &server, &err), BEAMC_OK);
    beamc_rpc_channel *channel;
    beamc_rpc_channel_options roots = {.tls = true, .ca_pem = "no PEM"};
    beamc_status status = beamc_rpc_channel_new("127.0.0.1:1", &roots, &channel, &err);
    if (status == BEAMC_OK) {
        beamc_rpc_msg *response;
        status = beamc_rpc_unary(channel, "/a/b", beamc_str(""), 300, &response, &err);
        beamc_rpc_channel_free(channel);
    }
    cr_assert_neq(status, BEAMC_OK);
}
