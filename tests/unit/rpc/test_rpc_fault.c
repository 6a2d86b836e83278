/* Ends in every order: cancel, lost peers, shutdown with open streams, ports that are taken. */
#include "tests/unit/rpc/rpc_fixture.h"

typedef struct watch {
    atomic_int entered;
    atomic_int left;
    atomic_int last_status;
} watch;

/* Reads and drops messages; records how it ended. */
static beamc_status watched_sink(void *user, beamc_rpc_stream *s, beamc_error *err) {
    watch *w = user;
    atomic_fetch_add(&w->entered, 1);
    beamc_status status;
    beamc_rpc_msg *msg;
    while ((status = beamc_rpc_stream_read(s, &msg, err)) == BEAMC_OK && msg != NULL) {
        beamc_rpc_msg_unref(msg);
    }
    atomic_store(&w->last_status, (int)status);
    atomic_fetch_add(&w->left, 1);
    return status;
}

static void wait_for(atomic_int *what, int value) {
    for (int i = 0; i < 4000 && atomic_load(what) < value; i++) {
        usleep(2500);
    }
    cr_assert_geq(atomic_load(what), value);
}

static beamc_rpc_server *watched_server(watch *w) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_stream(server, "/test.Echo/Sink", watched_sink, w);
    beamc_rpc_server_start(server);
    return server;
}

static void *read_to_end(void *arg) {
    beamc_rpc_msg *msg;
    beamc_status status;
    while ((status = beamc_rpc_stream_read(arg, &msg, NULL)) == BEAMC_OK && msg != NULL) {
        beamc_rpc_msg_unref(msg);
    }
    return (void *)(uintptr_t)status;
}

static void *write_to_end(void *arg) {
    static char bytes[300000];
    beamc_status status;
    do {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_slice_of(bytes, sizeof bytes));
        status = beamc_rpc_stream_write(arg, msg, NULL);
    } while (status == BEAMC_OK);
    return (void *)(uintptr_t)status;
}

static beamc_status join(pthread_t thread) {
    void *result;
    pthread_join(thread, &result);
    return (beamc_status)(uintptr_t)result;
}

Test(rpc_fault, cancel_wakes_readers_and_writers_on_both_sides, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.write_queue_bytes = 1 << 20};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Sink", &co);
    pthread_t reader;
    pthread_t writers[3];
    pthread_create(&reader, NULL, read_to_end, stream);
    for (size_t i = 0; i < 3; i++) {
        pthread_create(&writers[i], NULL, write_to_end, stream);
    }
    wait_for(&w.entered, 1);
    usleep(20000);
    beamc_rpc_stream_cancel(stream);
    cr_assert_eq(join(reader), BEAMC_CANCELLED);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(join(writers[i]), BEAMC_CANCELLED);
    }
    cr_assert(beamc_rpc_stream_ended(stream));
    beamc_rpc_stream_unref(stream);
    wait_for(&w.left, 1);
    cr_assert_eq(atomic_load(&w.last_status), BEAMC_CANCELLED,
                 "a cancelled client must not look like one that half-closed");
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_fault, dropping_an_open_stream_cancels_it, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    for (int i = 1; i <= 20; i++) {
        beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Sink", NULL);
        ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), err));
        if (i % 2) {
            wait_for(&w.entered, i / 2 + 1);
        }
        beamc_rpc_stream_unref(stream);
    }
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
    cr_assert_eq(atomic_load(&w.entered), atomic_load(&w.left));
}

Test(rpc_fault, half_close_is_a_clean_end_for_the_server, .timeout = 60) {
    watch w = {.last_status = 99};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Sink", NULL);
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), err));
    beamc_rpc_stream_close_send(stream);
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    cr_assert_null(msg);
    cr_assert_eq(atomic_load(&w.last_status), BEAMC_OK);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_fault, channel_freed_before_its_stream, .timeout = 60) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
    beamc_rpc_channel_free(channel);
    ASSERT_OK(beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("still")), err));
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    cr_assert_not_null(msg);
    beamc_rpc_msg_unref(msg);
    beamc_rpc_server_free(server);
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_stream_read(stream, &msg, &err), BEAMC_UNAVAILABLE, "%s", err.message);
    beamc_rpc_stream_unref(stream);
}

Test(rpc_fault, server_shutdown_ends_open_streams, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *idle = fixture_stream(channel, "/test.Echo/Sink", NULL);
    beamc_rpc_stream *busy = fixture_stream(channel, "/test.Echo/Sink", NULL);
    pthread_t reader;
    pthread_t writer;
    pthread_create(&reader, NULL, read_to_end, idle);
    pthread_create(&writer, NULL, write_to_end, busy);
    wait_for(&w.entered, 2);
    int64_t before = fixture_now_ms();
    beamc_rpc_server_stop(server, 200);
    cr_assert_geq(fixture_now_ms() - before, 150, "the grace period was not given");
    cr_assert_eq(atomic_load(&w.left), 2);
    cr_assert_neq(join(reader), BEAMC_OK);
    cr_assert_neq(join(writer), BEAMC_OK);
    beamc_rpc_server_free(server);
    beamc_rpc_stream_unref(idle);
    beamc_rpc_stream_unref(busy);
    beamc_rpc_channel_free(channel);
}

Test(rpc_fault, shutdown_lets_a_call_finish_within_the_grace, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Sink", NULL);
    wait_for(&w.entered, 1);
    beamc_rpc_stream_close_send(stream);
    int64_t before = fixture_now_ms();
    beamc_rpc_server_stop(server, 30000);
    cr_assert_lt(fixture_now_ms() - before, 10000);
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    cr_assert_null(msg);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

Test(rpc_fault, two_servers_cannot_share_a_port, .timeout = 60) {
    beamc_rpc_server *first = fixture_server();
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", beamc_rpc_server_port(first));
    beamc_rpc_server *second;
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_server_new(address, NULL, &second, &err), BEAMC_UNAVAILABLE);
    cr_assert_null(second);
    cr_assert(strstr(err.message, address) != NULL, "%s", err.message);
    cr_assert_eq(beamc_rpc_server_new("no.such.host.invalid:0", NULL, &second, &err),
                 BEAMC_UNAVAILABLE);
    cr_assert_eq(beamc_rpc_server_new("", NULL, &second, &err), BEAMC_INVALID_ARGUMENT);
    beamc_rpc_server_free(first); /* never started */
}

Test(rpc_fault, more_calls_than_allowed_are_refused, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server_options so = {.max_calls = 2};
    beamc_rpc_server *server;
    ASSERT_OK(beamc_rpc_server_new("127.0.0.1:0", &so, &server, err));
    beamc_rpc_server_stream(server, "/test.Echo/Sink", watched_sink, &w);
    beamc_rpc_server_start(server);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_stream *open[2];
    for (int i = 0; i < 2; i++) {
        open[i] = fixture_stream(channel, "/test.Echo/Sink", NULL);
        wait_for(&w.entered, i + 1);
    }
    beamc_rpc_stream *third = fixture_stream(channel, "/test.Echo/Sink", NULL);
    beamc_rpc_msg *msg;
    beamc_error err = {0};
    cr_assert_eq(beamc_rpc_stream_read(third, &msg, &err), BEAMC_RESOURCE_EXHAUSTED, "%s",
                 err.message);
    beamc_rpc_stream_unref(third);
    for (int i = 0; i < 2; i++) {
        beamc_rpc_stream_unref(open[i]);
    }
    wait_for(&w.left, 2);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

/* Hands the stream to the test, which keeps it after the call has ended. */
static beamc_status give_away(void *user, beamc_rpc_stream *s, beamc_error *err) {
    _Atomic(beamc_rpc_stream *) *slot = user;
    atomic_store(slot, beamc_rpc_stream_ref(s));
    beamc_rpc_msg *msg;
    return beamc_rpc_stream_read(s, &msg, err);
}

Test(rpc_fault, a_kept_server_stream_outlives_its_call_and_server, .timeout = 60) {
    _Atomic(beamc_rpc_stream *) slot = NULL;
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_stream(server, "/test.Echo/Keep", give_away, &slot);
    beamc_rpc_server_start(server);
    beamc_rpc_channel_options options = {.worker_id = "w7"};
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), &options);
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Keep", NULL);
    for (int i = 0; i < 4000 && atomic_load(&slot) == NULL; i++) {
        usleep(2500);
    }
    beamc_rpc_stream *kept = atomic_load(&slot);
    cr_assert_not_null(kept);
    ASSERT_OK(beamc_rpc_stream_write(kept, beamc_rpc_msg_copy(beamc_str("hello")), err));
    beamc_rpc_msg *msg;
    ASSERT_OK(beamc_rpc_stream_read(stream, &msg, err));
    beamc_rpc_msg_unref(msg);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_server_free(server);
    beamc_error err = {0};
    cr_assert_neq(beamc_rpc_stream_write(kept, beamc_rpc_msg_copy(beamc_str("late")), &err),
                  BEAMC_OK);
    ASSERT_OK(beamc_rpc_stream_drain(kept, 10, err)); /* what was taken was sent */
    beamc_rpc_stream_cancel(kept);
    beamc_slice value;
    cr_assert(beamc_rpc_stream_metadata(kept, "worker_id", 0, &value));
    cr_assert(beamc_slice_eq(value, beamc_str("w7")));
    beamc_rpc_stream_unref(kept);
    beamc_rpc_channel_free(channel);
}

Test(rpc_fault, deadline_of_a_stream, .timeout = 60) {
    watch w = {0};
    beamc_rpc_server *server = watched_server(&w);
    beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
    beamc_rpc_call_options co = {.timeout_ms = 200};
    beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Sink", &co);
    beamc_rpc_msg *msg;
    cr_assert_eq(beamc_rpc_stream_read(stream, &msg, NULL), BEAMC_DEADLINE_EXCEEDED);
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    beamc_rpc_server_free(server);
}

static void *open_and_drop(void *arg) {
    const int *port = arg;
    for (int i = 0; i < 25; i++) {
        beamc_rpc_channel *channel = fixture_channel(*port, NULL);
        beamc_rpc_stream *stream = fixture_stream(channel, "/test.Echo/Stream", NULL);
        beamc_rpc_msg *msg = NULL;
        beamc_error err = {0};
        switch (i % 5) {
        case 0:
            beamc_rpc_stream_cancel(stream);
            break;
        case 1:
            beamc_rpc_stream_close_send(stream);
            break;
        case 2:
            (void)beamc_rpc_stream_write(stream, beamc_rpc_msg_copy(beamc_str("x")), &err);
            (void)beamc_rpc_stream_read(stream, &msg, &err);
            break;
        case 3:
            (void)beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 5000, &msg, &err);
            break;
        default:
            break;
        }
        beamc_rpc_msg_unref(msg);
        beamc_rpc_channel_free(channel);
        beamc_rpc_stream_unref(stream);
    }
    return NULL;
}

Test(rpc_fault, threads_open_and_close_in_every_order_while_the_server_stops, .timeout = 120) {
    beamc_rpc_server *server = fixture_server();
    beamc_rpc_server_start(server);
    int port = beamc_rpc_server_port(server);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, open_and_drop, &port);
    }
    usleep(150000);
    beamc_rpc_server_stop(server, 50);
    beamc_rpc_server_free(server);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

Test(rpc_fault, the_runtime_starts_again_after_its_last_user, .timeout = 60) {
    for (int i = 0; i < 5; i++) {
        beamc_rpc_init();
        beamc_rpc_server *server = fixture_server();
        beamc_rpc_server_start(server);
        beamc_rpc_channel *channel = fixture_channel(beamc_rpc_server_port(server), NULL);
        beamc_rpc_msg *msg;
        ASSERT_OK(beamc_rpc_unary(channel, "/test.Echo/Unary", beamc_str("x"), 5000, &msg, err));
        beamc_rpc_msg_unref(msg);
        beamc_rpc_server_free(server);
        beamc_rpc_channel_free(channel);
        beamc_rpc_shutdown();
    }
}
