/* test_inbox.c: what arrives for bundles before, while and after they run. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "worker/harness/inbox.h"
#include "worker/harness/thread.h"

static const int stream_a, stream_b; /* only their addresses count */

static const beamc_inbox_limits small = {
    .running_bytes = 100, .waiting_bytes = 1000, .waiting_count = 3, .ended_count = 2};

static void put_on(beamc_inboxes *all, const void *stream, const char *id, size_t len, bool last) {
    beamc_buf bytes = {0};
    memset(beamc_buf_room(&bytes, len + 1), 'x', len);
    bytes.len = len;
    beamc_rpc_msg *msg = beamc_rpc_msg_take(&bytes);
    beamc_elements_part part = {.instruction_id = beamc_str(id),
                                .transform_id = beamc_str("t"),
                                .data = beamc_rpc_msg_data(msg),
                                .is_last = last};
    beamc__inboxes_put(all, stream, msg, &part);
    beamc_rpc_msg_unref(msg);
}

static void put(beamc_inboxes *all, const char *id, size_t len, bool last) {
    put_on(all, &stream_a, id, len, last);
}

static size_t take(beamc_inbox *box) {
    beamc_chunk *c;
    beamc_error err = {0};
    cr_assert_eq(beamc__inbox_take(box, beamc__clock_ms() + 5000, &c, &err), BEAMC_OK, "%s",
                 err.message);
    cr_assert_not_null(c);
    size_t len = c->part.data.len;
    cr_assert(beamc_slice_eq(c->part.transform_id, beamc_str("t")));
    beamc__chunk_free(c);
    return len;
}

static beamc_status take_status(beamc_inbox *box, beamc_error *err) {
    beamc_chunk *c;
    beamc_status status = beamc__inbox_take(box, beamc__clock_ms() + 5000, &c, err);
    beamc__chunk_free(c);
    return status;
}

Test(harness_inbox, early_data_is_there_when_the_request_comes) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    put(all, "i", 10, false);
    put(all, "i", 0, true);
    size_t count, bytes;
    beamc__inboxes_waiting(all, &count, &bytes);
    cr_assert(count == 1 && bytes == 10);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    put(all, "i", 5, false);
    beamc__inbox_start(box);
    cr_assert_eq(take(box), 10);
    cr_assert_eq(take(box), 0);
    cr_assert_eq(take(box), 5);
    beamc__inboxes_waiting(all, &count, &bytes);
    cr_assert(count == 0 && bytes == 0);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, waiting_has_an_end) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    beamc__inbox_start(box);
    beamc_chunk *c;
    cr_assert_eq(beamc__inbox_take(box, beamc__clock_ms() + 5, &c, NULL), BEAMC_OK);
    cr_assert_null(c);
    beamc__inboxes_finish(all);
    cr_assert_eq(take_status(box, NULL), BEAMC_CANCELLED);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, what_is_there_is_read_before_the_end) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    beamc__inbox_start(box);
    put(all, "i", 7, false);
    beamc__inboxes_finish(all);
    cr_assert_eq(take(box), 7);
    cr_assert_eq(take_status(box, NULL), BEAMC_CANCELLED);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, data_of_an_ended_bundle_is_dropped) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    put(all, "i", 50, false);
    beamc__inbox_close(box);
    put(all, "i", 50, false);
    size_t count, bytes;
    beamc__inboxes_waiting(all, &count, &bytes);
    cr_assert(count == 0 && bytes == 0);
    /* Only the last two ids are remembered. */
    beamc__inbox_close(beamc__inbox_claim(all, "j"));
    beamc__inbox_close(beamc__inbox_claim(all, "k"));
    put(all, "k", 1, false);
    put(all, "i", 1, false);
    beamc__inboxes_waiting(all, &count, &bytes);
    cr_assert(count == 1 && bytes == 1);
    beamc__inboxes_free(all);
}

Test(harness_inbox, an_id_that_is_used_again_gets_its_data) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    beamc__inbox_close(beamc__inbox_claim(all, "i"));
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    put(all, "i", 3, false);
    beamc__inbox_start(box);
    cr_assert_eq(take(box), 3);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, too_much_early_data_fails_the_oldest_and_spares_the_others) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    put(all, "a", 600, false);
    put(all, "b", 600, false);
    beamc_inbox *a = beamc__inbox_claim(all, "a"), *b = beamc__inbox_claim(all, "b");
    beamc__inbox_start(a);
    beamc__inbox_start(b);
    beamc_error err = {0};
    cr_assert_eq(take_status(a, &err), BEAMC_RESOURCE_EXHAUSTED);
    cr_assert(strstr(err.message, "before its request") != NULL);
    cr_assert_eq(take(b), 600);
    beamc__inbox_close(a);
    beamc__inbox_close(b);
    beamc__inboxes_free(all);
}

Test(harness_inbox, too_many_early_ids_push_out_the_oldest) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    put(all, "a", 1, false);
    put(all, "b", 1, false);
    put(all, "c", 1, false);
    put(all, "d", 1, false);
    size_t count, bytes;
    beamc__inboxes_waiting(all, &count, &bytes);
    cr_assert(count == 3 && bytes == 3);
    beamc_inbox *box = beamc__inbox_claim(all, "d");
    beamc__inbox_start(box);
    cr_assert_eq(take(box), 1);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, a_broken_stream_fails_those_that_use_it) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    beamc_inbox *user = beamc__inbox_claim(all, "user"), *other = beamc__inbox_claim(all, "other");
    beamc__inbox_start(user);
    beamc__inbox_start(other);
    beamc__inbox_use(user, &stream_a);
    beamc__inbox_use(other, &stream_b);
    put_on(all, &stream_a, "early", 4, false);
    beamc_error why = {0};
    (void)BEAMC_FAIL(&why, UNAVAILABLE, "it broke");
    beamc__inboxes_fail(all, &stream_a, &why);
    beamc_error err = {0};
    cr_assert_eq(take_status(user, &err), BEAMC_UNAVAILABLE);
    cr_assert_str_eq(err.message, "it broke");
    beamc_inbox *early = beamc__inbox_claim(all, "early");
    cr_assert_eq(take_status(early, NULL), BEAMC_UNAVAILABLE);
    put_on(all, &stream_b, "other", 2, false);
    cr_assert_eq(take(other), 2);
    beamc__inbox_close(user);
    beamc__inbox_close(other);
    beamc__inbox_close(early);
    beamc__inboxes_free(all);
}

Test(harness_inbox, a_small_part_does_not_keep_a_large_message) {
    beamc_inboxes *all = beamc__inboxes_new(NULL);
    beamc_buf bytes = {0};
    memset(beamc_buf_room(&bytes, 1 << 20), 'y', 1 << 20);
    bytes.len = 1 << 20;
    memcpy(bytes.ptr, "idtfamily", 9);
    beamc_rpc_msg *msg = beamc_rpc_msg_take(&bytes);
    const char *at = beamc_rpc_msg_data(msg).ptr;
    beamc_elements_part part = {.instruction_id = beamc_slice_of(at, 2),
                                .transform_id = beamc_slice_of(at + 2, 1),
                                .family = beamc_slice_of(at + 3, 6),
                                .data = beamc_slice_of(at + 100, 10),
                                .is_timers = true};
    beamc__inboxes_put(all, &stream_a, msg, &part);
    beamc_rpc_msg_unref(msg); /* a use after this is seen by AddressSanitizer */
    beamc_inbox *box = beamc__inbox_claim(all, "id");
    beamc_chunk *c;
    cr_assert_eq(beamc__inbox_take(box, INT64_MAX, &c, NULL), BEAMC_OK);
    cr_assert(beamc_slice_eq(c->part.transform_id, beamc_str("t")));
    cr_assert(beamc_slice_eq(c->part.family, beamc_str("family")));
    cr_assert(beamc_slice_eq(c->part.data, beamc_str("yyyyyyyyyy")));
    cr_assert_lt(beamc_rpc_msg_data(c->msg).len, 100);
    beamc__chunk_free(c);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

typedef struct feeder {
    beamc_inboxes *all;
    const char *id;
    _Atomic int sent;
} feeder;

static void *feed(void *arg) {
    feeder *f = arg;
    for (int i = 0; i < 20; i++) {
        put(f->all, f->id, 40, i == 19);
        atomic_fetch_add(&f->sent, 1);
    }
    return NULL;
}

static int settled(feeder *f) {
    int before = -1;
    while (before != atomic_load(&f->sent)) {
        before = atomic_load(&f->sent);
        usleep(50000);
    }
    return before;
}

Test(harness_inbox, a_full_inbox_stops_the_reader_until_there_is_room) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    beamc__inbox_start(box);
    feeder f = {all, "i", 0};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, feed, &f), 0);
    cr_assert_eq(settled(&f), 2); /* 80 of 100 bytes, and 40 more do not fit */
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(take(box), 40);
    }
    pthread_join(thread, NULL);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, a_bundle_that_does_not_run_never_stops_the_reader) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    feeder f = {all, "i", 0};
    (void)feed(&f); /* 800 bytes, on this very thread */
    beamc__inbox_start(box);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(take(box), 40);
    }
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, one_message_of_any_size_is_taken) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    beamc__inbox_start(box);
    put(all, "i", 5000, false);
    cr_assert_eq(take(box), 5000);
    beamc__inbox_close(box);
    beamc__inboxes_free(all);
}

Test(harness_inbox, the_end_of_a_bundle_frees_the_reader_that_waits_for_it) {
    beamc_inboxes *all = beamc__inboxes_new(&small);
    beamc_inbox *box = beamc__inbox_claim(all, "i");
    beamc__inbox_start(box);
    feeder f = {all, "i", 0};
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, feed, &f), 0);
    cr_assert_eq(settled(&f), 2);
    cr_assert(beamc__inbox_is_busy(box));
    beamc__inbox_close(box);
    pthread_join(thread, NULL);
    cr_assert_eq(atomic_load(&f.sent), 20);
    beamc__inboxes_free(all);
}
