/* Streams in good order: echo under back-pressure, large messages, half-close, drain, server streams. */
#include "tests/unit/rpc/rpc_fixture.h"

enum { ECHO_MESSAGES = 10000, MIB = 1 << 20 };

static void *write_numbers(void *arg) {
    beamc_rpc_stream *stream = arg;
    for (uint32_t i = 0; i < ECHO_MESSAGES; i++) {
        char bytes[200];
        memset(bytes, (int)(i & 0x7f), sizeof bytes);
        memcpy(bytes, &i, sizeof i);
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(bytes, 4 + i % 196));
        ASSERT_OK(beamc_rpc_stream_write(stream, msg, err));
    }
    beamc_rpc_stream_close_send(stream);
    return NULL;
}

Test(rpc_stream, echo_10k_messages_in_order_through_small_queues, .timeout = 120) {
    beamc_rpc_server_options so = {.write_queue_bytes = 1000, .read_ahead_bytes = 1000};
    beamc_rpc_server *server;
    ASSERT_OK(beamc_rpc_server_new("127.0.0.1:0", &so, &server, err));
    beamc_rpc_server_stream(server, "/test.Echo/Stream", fixture_echo, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.write_queue_bytes = 1000, .read_ahead_bytes = 1000};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", &co);
    pthread_t writer;
    pthread_create(&writer, NULL, write_numbers, stream);
    for (uint32_t i = 0; i < ECHO_MESSAGES; i++) {
        beamc_rpc_msg *msg;
        ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
        cr_assert_not_null(msg, "the stream ended after %u messages", i);
        beamc_slice data = beamc_rpc_msg_data(msg);
        uint32_t got;
        memcpy(&got, data.ptr, sizeof got);
        cr_assert_eq(got, i);
        cr_assert_eq(data.len, 4 + i % 196);
        beamc_rpc_msg_unref(msg);
    }
    for (int i = 0; i < 2; i++) {
        beamc_rpc_msg *msg;
        ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
        cr_assert_null(msg, "the end must repeat");
    }
    pthread_join(writer, NULL);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

static void *write_tagged(void *arg) {
    beamc_rpc_stream **stream = arg;
    static atomic_uint next_id;
    uint32_t words[2] = {atomic_fetch_add(&next_id, 1), 0};
    for (words[1] = 0; words[1] < 500; words[1]++) {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(words, sizeof words));
        ASSERT_OK(beamc_rpc_stream_write(*stream, msg, err));
    }
    return NULL;
}

Test(rpc_stream, many_writers_share_a_stream_and_each_keeps_its_order, .timeout = 120) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.write_queue_bytes = 300};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", &co);
    pthread_t writers[8];
    for (size_t i = 0; i < 8; i++) {
        pthread_create(&writers[i], NULL, write_tagged, &stream);
    }
    uint32_t next[8] = {0};
    for (int i = 0; i < 8 * 500; i++) {
        beamc_rpc_msg *msg;
        ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
        uint32_t words[2];
        memcpy(words, beamc_rpc_msg_data(msg).ptr, sizeof words);
        cr_assert_eq(words[1], next[words[0]]++);
        beamc_rpc_msg_unref(msg);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(writers[i], NULL);
    }
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

static void fill(char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(i * 31 + (i >> 13));
    }
}

Test(rpc_stream, a_message_of_64_mib_passes_through_a_queue_of_1_mib, .timeout = 120) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.write_queue_bytes = MIB};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", &co);
    size_t n = 64u * MIB;
    beamc_buf buf = {0};
    fill((char *)beamc_buf_room(&buf, n), n);
    buf.len = n;
    beamc_rpc_msg *sent = beamc_rpc_msg_take(&buf);
    cr_assert_null(buf.ptr);
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_ref(sent), err));
    beamc_rpc_msg *got;
    ASSERT_OK(beamc_rpc_stream_read(stream, &got, err));
    cr_assert(beamc_slice_eq(beamc_rpc_msg_data(got), beamc_rpc_msg_data(sent)));
    beamc_rpc_msg_unref(got);
    beamc_rpc_msg_unref(sent);
    beamc_rpc_msg *response;
    beamc_buf large = {0};
    fill((char *)beamc_buf_room(&large, 20u * MIB), 20u * MIB);
    large.len = 20u * MIB;
    ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_buf_slice(&large), 60000,
                              &response, err));
    cr_assert(beamc_slice_eq(beamc_rpc_msg_data(response), beamc_buf_slice(&large)));
    beamc_rpc_msg_unref(response);
    beamc_buf_free(&large);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* --- a server that reads only when it is told to ---------------------------------------------- */

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool open;
} gate;

static gate gate_closed(void) {
    return (gate){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
}

static void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

static beamc_status gated_echo(void *user, beamc_rpc_stream *s, beamc_error *err) {
    gate *g = user;
    pthread_mutex_lock(&g->lock);
    while (!g->open) {
        pthread_cond_wait(&g->cond, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return fixture_echo(NULL, s, err);
}

Test(rpc_stream, a_peer_that_does_not_read_stops_the_writer, .timeout = 120) {
    gate g = gate_closed();
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_stream(server, "/test.Echo/Gated", gated_echo, &g);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.write_queue_bytes = 4 * MIB};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Gated", &co);
    static char bytes[MIB];
    size_t sent = 0;
    int64_t quiet_since = fixture_now_ms();
    /* What is in flight: queue, both windows, sockets, the server's read-ahead. */
    while (fixture_now_ms() - quiet_since < 500 && sent < 200) {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(bytes, sizeof bytes));
        beamc_error err = {0};
        beamc_status status = beamc_rpc_stream_write_nowait(stream, msg, &err);
        if (status == BEAMC_OK) {
            sent++;
            quiet_since = fixture_now_ms();
        } else {
            cr_assert_eq(status, BEAMC_RESOURCE_EXHAUSTED, "%s", err.message);
            beamc_rpc_msg_unref(msg);
            usleep(2000);
        }
    }
    cr_assert_lt(sent, 60, "%zu MiB were taken though nobody reads", sent);
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_stream_drain(stream, 50, &err), BEAMC_DEADLINE_EXCEEDED);
    gate_open(&g);
    for (size_t i = 0; i < sent; i++) {
        beamc_rpc_msg *msg;
        ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
        cr_assert_eq(beamc_rpc_msg_data(msg).len, MIB);
        beamc_rpc_msg_unref(msg);
    }
    ASSERT_OK(beamc_rpc_stream_drain(stream, 0, err));
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* Counts bytes until the client half-closes, then answers with the number. */
static beamc_status count_bytes(void *user, beamc_rpc_stream *s, beamc_error *err) {
    (void)user;
    uint64_t total = 0;
    for (;;) {
        beamc_rpc_msg *msg;
        BEAMC_TRY(beamc_rpc_stream_read(s, &msg, err));
        if (msg == NULL) {
            break;
        }
        total += beamc_rpc_msg_data(msg).len;
        beamc_rpc_msg_unref(msg);
    }
    return beamc_rpc_stream_write(s, beamc_rpc_msg_copy(beamc_slice_of(&total, 8)), err);
}

Test(rpc_stream, drain_and_half_close_lose_nothing, .timeout = 120) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_stream(server, "/test.Echo/Count", count_bytes, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Count", NULL);
    static char bytes[100000];
    for (int i = 0; i < 300; i++) {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(bytes, sizeof bytes));
        ASSERT_OK(beamc_rpc_stream_write(stream, msg, err));
    }
    ASSERT_OK(beamc_rpc_stream_drain(stream, 30000, err));
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), err));
    beamc_rpc_stream_close_send(stream);
    beamc_rpc_stream_close_send(stream);
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("y")), &err),
                 BEAMC_FAILED_PRECONDITION);
    ASSERT_OK(beamc_rpc_stream_drain(stream, 30000, err));
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    uint64_t total;
    memcpy(&total, beamc_rpc_msg_data(msg).ptr, 8);
    cr_assert_eq(total, 300u * sizeof bytes + 1);
    beamc_rpc_msg_unref(msg);
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    cr_assert_null(msg);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* A server stream: the request is a number; so many messages come back, then an error for odd ones. */
static beamc_status repeat(void *user, beamc_rpc_stream *s, beamc_error *err) {
    (void)user;
    beamc_rpc_msg *request;
    BEAMC_TRY(beamc_rpc_stream_read(s, &request, err));
    int n = beamc_rpc_msg_data(request).ptr[0] - '0';
    for (int i = 0; i < n; i++) {
        BEAMC_TRY(beamc_rpc_stream_write(s, beamc_rpc_msg_ref(request), err));
    }
    beamc_rpc_msg_unref(request);
    return n % 2 ? BEAMC_FAIL(err, DATA_LOSS, "%d is odd", n) : BEAMC_OK;
}

Test(rpc_stream, a_server_stream_is_read_to_its_end_and_status, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_stream(server, "/test.Echo/Repeat", repeat, NULL);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    static const char *const requests[] = {"0", "1", "8", "9"};
    for (size_t r = 0; r < 4; r++) {
        int n = requests[r][0] - '0';
        beamc_rpc_stream *stream;
        ASSERT_OK(beamc_rpc_stream_open_server(channel, "/test.Echo/Repeat", beamc_str(requests[r]),
                                               NULL, &stream, err));
        beamc_rpc_msg *msg;
        for (int i = 0; i < n; i++) {
            ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
            cr_assert(beamc_slice_eq(beamc_rpc_msg_data(msg), beamc_str(requests[r])));
            beamc_rpc_msg_unref(msg);
        }
        beamc_error err = {0};
        cr_assert_eq(beamc_rpc_stream_read(stream, &msg, &err), n % 2 ? BEAMC_DATA_LOSS : BEAMC_OK);
        cr_assert_null(msg);
        cr_assert(n % 2 == 0 || strstr(err.message, "is odd") != NULL, "%s", err.message);
        cr_assert(beamc_rpc_stream_ended(stream));
        cr_assert_neq(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), &err),
                      BEAMC_OK);
        beamc_rpc_stream_unref(stream);
    }
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}
