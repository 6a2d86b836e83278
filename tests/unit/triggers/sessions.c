/* sessions.c: windows that merge, and the memory of a grouper that sees many of them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "kit.h"

enum { GAP = 100 };

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state % n);
}

static beamc_windowing sessions(const beamc_trigger *t) {
    return (beamc_windowing){.fn = beamc_sessions(.gap_ms = GAP), .trigger = t};
}

typedef struct event {
    int key;
    beamc_time t;
} event;

static int by_key_and_time(const void *a, const void *b) {
    const event *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->t > y->t) - (x->t < y->t);
}

/* The panes are those of a plain pass over the sorted events. */
static void check_against_sorted(tkit *k, event *events, size_t n) {
    qsort(events, n, sizeof *events, by_key_and_time);
    tkit_sort(k);
    size_t pane = 0;
    for (size_t i = 0; i < n; pane++) {
        size_t from = i;
        while (i < n && events[i].key == events[from].key &&
               (i == from || events[i].t < events[i - 1].t + GAP)) {
            i++;
        }
        cr_assert_lt(pane, k->count);
        const tkit_pane *p = &k->panes[pane];
        cr_assert_eq(p->key, events[from].key);
        cr_assert_eq(p->window.start, events[from].t);
        cr_assert_eq(p->window.end, events[i - 1].t + GAP);
        cr_assert_eq(p->count, i - from);
        cr_assert_eq(p->info.index, 0);
    }
    cr_assert_eq(pane, k->count);
}

Test(triggers_sessions, any_order_of_elements_gives_the_same_windows) {
    enum { EVENTS = 200 };
    for (int round = 0; round < 200; round++) {
        event events[EVENTS];
        uint32_t n = 1 + below(EVENTS), span = 1 + below(12000);
        tkit k;
        beamc_windowing w = sessions(round % 2 == 0 ? NULL : BEAMC_AFTER_WATERMARK());
        w.output_time = (beamc_output_time)(round % 3);
        tkit_init(&k, w);
        beamc_time least = INT64_MAX;
        for (uint32_t i = 0; i < n; i++) {
            events[i] = (event){(int)below(3), below(span)};
            least = events[i].t < least ? events[i].t : least;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (below(4) == 0) {
                tkit_settle(&k);
            }
            if (round % 5 == 0 && i == n / 2) {
                tkit_watermark(&k, least); /* nothing is late */
            }
            tkit_put(&k, events[i].key, i, events[i].t);
        }
        tkit_watermark(&k, BEAMC_TIME_MAX);
        check_against_sorted(&k, events, n);
        cr_assert_eq(k.g->ops->hold(k.g), BEAMC_TIME_MAX);
        tkit_deinit(&k);
    }
}

Test(triggers_sessions, windows_that_touch_do_not_merge) {
    tkit k;
    tkit_init(&k, sessions(NULL));
    tkit_add(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, GAP);
    tkit_add(&k, 1, 3, 3 * GAP - 1);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 3);
    tkit_clear(&k);
    tkit_renew(&k);
    k.time = (beamc_group_time){BEAMC_TIME_MIN, 0, BEAMC_TIME_MIN};
    tkit_add(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 2 * GAP - 2);
    tkit_add(&k, 1, 3, GAP - 1); /* bridges them */
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.panes[0].window.start, 0);
    cr_assert_eq(k.panes[0].window.end, 3 * GAP - 2);
    tkit_deinit(&k);
}

Test(triggers_sessions, a_longer_window_begins_its_panes_anew) {
    tkit k;
    beamc_windowing w = sessions(
        BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(1), .late = BEAMC_AFTER_COUNT(1)));
    w.accumulation = BEAMC_ACCUMULATING;
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 0);
    cr_assert_eq(k.panes[1].info.index, 1); /* the same window */
    tkit_add(&k, 1, 3, 10);
    cr_assert_eq(k.panes[2].info.index, 0);
    cr_assert(k.panes[2].info.is_first);
    cr_assert_eq(k.panes[2].count, 3);
    tkit_watermark(&k, 110);
    cr_assert_eq(k.panes[3].info.timing, BEAMC_PANE_ON_TIME);
    /* A late element makes the window longer: it has yet to end, so its panes are early again. */
    tkit_add(&k, 1, 4, 105);
    cr_assert_eq(k.count, 5);
    cr_assert_eq(k.panes[4].info.timing, BEAMC_PANE_EARLY);
    cr_assert_eq(k.panes[4].window.end, 205);
    cr_assert_eq(k.panes[4].count, 4);
    tkit_watermark(&k, 205);
    cr_assert_eq(k.count, 6);
    cr_assert_eq(k.panes[5].info.timing, BEAMC_PANE_ON_TIME);
    cr_assert_eq(k.panes[5].info.non_speculative_index, 0);
    tkit_deinit(&k);
}

Test(triggers_sessions, a_closed_session_takes_nothing_but_stands_in_no_ones_way) {
    tkit k;
    beamc_windowing w = sessions(BEAMC_AFTER_COUNT(1));
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 50);
    tkit_add(&k, 1, 2, 50); /* exactly the closed window */
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.g->ops->take_counts(k.g).late_dropped, 1);
    tkit_add(&k, 1, 3, 60);
    cr_assert_eq(k.count, 2);
    cr_assert_eq(k.panes[1].window.start, 60);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 2);
    tkit_deinit(&k);
}

Test(triggers_sessions, holds_merge) {
    for (int how = BEAMC_OUTPUT_END_OF_WINDOW; how <= BEAMC_OUTPUT_EARLIEST_IN_PANE; how++) {
        tkit k;
        beamc_windowing w = sessions(NULL);
        w.output_time = (beamc_output_time)how;
        tkit_init(&k, w);
        tkit_put(&k, 1, 1, 0);
        tkit_put(&k, 1, 2, 150);
        tkit_put(&k, 1, 3, 80);
        const beamc_time expected[] = {249, 150, 0};
        cr_assert_eq(k.g->ops->hold(k.g), expected[how]);
        tkit_watermark(&k, 250);
        cr_assert_eq(k.count, 1);
        cr_assert_eq(k.panes[0].timestamp, expected[how]);
        tkit_deinit(&k);
    }
}

/* Keys that come and go, a few hundred thousand of them, with a few open at any time. */
Test(triggers_sessions, memory_is_that_of_open_sessions) {
    tkit k;
    tkit_init(&k, sessions(NULL));
    size_t early = 0, most = 0;
    for (int i = 0; i < 400000; i++) {
        tkit_put(&k, i / 4, i, i);
        if (i % 100 == 0) {
            tkit_watermark(&k, i - 200);
            tkit_clear(&k);
            size_t bytes = k.g->ops->footprint(k.g);
            most = bytes > most ? bytes : most;
            early = i == 4000 ? most : early;
        }
    }
    cr_assert_leq(most, early * 2, "%zu bytes, %zu after a hundredth", most, early);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_leq(k.g->ops->footprint(k.g), early * 2);
    cr_assert_eq(k.g->ops->value_bytes(k.g), 0);
    tkit_deinit(&k);
}

/* One key whose sessions are all open: each element finds its place without a walk over all. */
Test(triggers_sessions, many_open_sessions_of_one_key, .timeout = 60) {
    enum { SESSIONS = 200000 };
    tkit k;
    tkit_init(&k, sessions(NULL));
    for (uint32_t i = 0; i < SESSIONS; i++) {
        uint32_t place = (uint32_t)((uint64_t)i * 77773 % SESSIONS);
        tkit_put(&k, 1, place, (beamc_time)place * 2 * GAP);
    }
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, SESSIONS);
    tkit_deinit(&k);
}

Test(triggers_sessions, long_values_and_keys) {
    tkit k;
    tkit_init(&k, sessions(NULL));
    size_t len = 300000;
    char *bytes = calloc(1, len);
    for (int i = 0; i < 40; i++) {
        beamc_group_item item = {.hash = 5,
                                 .key = beamc_slice_of(bytes, (size_t)(i % 3) * 20000),
                                 .value = beamc_slice_of(bytes, (size_t)i * 7000),
                                 .timestamp = i * 60 % 500};
        item.window = (beamc_window){item.timestamp, item.timestamp + GAP};
        k.g->ops->add(k.g, &item, 1, &k.time);
    }
    k.time.watermark = 300;
    beamc_buf out = {0};
    beamc_time least = BEAMC_TIME_MAX;
    uint64_t count = 0;
    while (k.g->ops->drain(k.g, &k.time, 1, &out, &least, &count)) {
    }
    beamc_buf_free(&out);
    tkit_deinit(&k); /* with the rest in it */
    free(bytes);
}
