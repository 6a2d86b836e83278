/* panes.c: what panes say of themselves, what holds the watermark, and what is late. */
#include <criterion/criterion.h>

#include "kit.h"

static void expect(const tkit_pane *p, int64_t index, int64_t non_speculative, unsigned timing,
                   bool last, uint32_t count) {
    cr_assert_eq(p->info.index, index);
    cr_assert_eq(p->info.non_speculative_index, non_speculative);
    cr_assert_eq(p->info.timing, timing);
    cr_assert_eq(p->info.is_first, index == 0);
    cr_assert_eq(p->info.is_last, last);
    cr_assert_eq(p->count, count);
}

static const beamc_windowing ten_seconds = {.fn = {.kind = BEAMC_WINDOW_FIXED, .size_ms = 10000},
                                            .closing = BEAMC_CLOSING_EMIT_IF_NONEMPTY};

static beamc_time hold(tkit *k) {
    return k->g->ops->hold(k->g);
}

Test(triggers_panes, default_trigger_with_lateness) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.allowed_lateness_ms = 5000;
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 9999);
    cr_assert_eq(hold(&k), 9999);
    tkit_watermark(&k, 9999); /* an element at 9999 may still come */
    cr_assert_eq(k.count, 0);
    tkit_watermark(&k, 10000);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, 0, BEAMC_PANE_ON_TIME, false, 2);
    cr_assert_eq(k.panes[0].timestamp, 9999);
    cr_assert_eq(hold(&k), BEAMC_TIME_MAX);
    tkit_add(&k, 1, 3, 500);
    cr_assert_eq(k.count, 2);
    expect(&k.panes[1], 1, 1, BEAMC_PANE_LATE, false, 1);
    cr_assert_eq(k.panes[1].timestamp, 9999);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 2); /* nothing is left: no last pane */
    cr_assert_eq(k.g->ops->next_watermark(k.g), BEAMC_TIME_MAX);
    tkit_deinit(&k);
}

Test(triggers_panes, without_lateness_the_pane_on_time_is_the_last) {
    tkit k;
    tkit_init(&k, ten_seconds);
    tkit_add(&k, 1, 1, 0);
    tkit_watermark(&k, 10000);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, 0, BEAMC_PANE_ON_TIME, true, 1);
    tkit_add(&k, 1, 2, 1);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.g->ops->take_counts(k.g).late_dropped, 1);
    tkit_deinit(&k);
}

Test(triggers_panes, early_on_time_late_last) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(2), .late = BEAMC_AFTER_COUNT(2));
    w.accumulation = BEAMC_ACCUMULATING;
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_put(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 0);
    cr_assert_eq(hold(&k), 9999); /* for the pane on time */
    tkit_watermark(&k, 5000);
    tkit_watermark(&k, 10000);
    tkit_put(&k, 1, 3, 0);
    tkit_add(&k, 1, 4, 0);
    tkit_add(&k, 1, 5, 0);
    tkit_watermark(&k, 10999);
    cr_assert_eq(k.count, 3);
    cr_assert_eq(hold(&k), 10999); /* the late element comes out before its window expires */
    tkit_watermark(&k, 11000);
    cr_assert_eq(k.count, 4);
    expect(&k.panes[0], 0, -1, BEAMC_PANE_EARLY, false, 2);
    expect(&k.panes[1], 1, 0, BEAMC_PANE_ON_TIME, false, 2);
    expect(&k.panes[2], 2, 1, BEAMC_PANE_LATE, false, 4);
    expect(&k.panes[3], 3, 2, BEAMC_PANE_LATE, true, 5);
    cr_assert_eq(hold(&k), BEAMC_TIME_MAX);
    tkit_deinit(&k);
}

Test(triggers_panes, empty_panes_only_when_asked_for) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(1), .late = BEAMC_AFTER_COUNT(1));
    w.on_time = BEAMC_ON_TIME_FIRE_IF_NONEMPTY;
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 0);
    cr_assert_eq(hold(&k), BEAMC_TIME_MAX);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 1);
    tkit_deinit(&k);

    w.on_time = BEAMC_ON_TIME_FIRE_ALWAYS;
    w.closing = BEAMC_CLOSING_EMIT_ALWAYS;
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 0);
    tkit_watermark(&k, 10000);
    cr_assert_eq(hold(&k), 10999); /* the last pane will come */
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 3);
    expect(&k.panes[0], 0, -1, BEAMC_PANE_EARLY, false, 1);
    expect(&k.panes[1], 1, 0, BEAMC_PANE_ON_TIME, false, 0);
    expect(&k.panes[2], 2, 1, BEAMC_PANE_LATE, true, 0);
    tkit_deinit(&k);
}

Test(triggers_panes, a_trigger_that_finishes_closes_its_window) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.trigger = BEAMC_AFTER_COUNT(2);
    w.closing = BEAMC_CLOSING_EMIT_ALWAYS;
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_put(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 0);
    tkit_add(&k, 1, 3, 0);
    tkit_add(&k, 2, 1, 0);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, -1, BEAMC_PANE_EARLY, true, 2);
    cr_assert_eq(k.g->ops->take_counts(k.g).late_dropped, 1);
    tkit_watermark(&k, BEAMC_TIME_MAX); /* what never fired comes out with the window's end */
    cr_assert_eq(k.count, 2);
    cr_assert_eq(k.panes[1].key, 2);
    expect(&k.panes[1], 0, 0, BEAMC_PANE_ON_TIME, true, 1);
    tkit_deinit(&k);
}

Test(triggers_panes, never_fires_but_loses_nothing) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.trigger = BEAMC_NEVER();
    tkit_init(&k, w);
    tkit_add(&k, 1, 1, 0);
    tkit_watermark(&k, 9999);
    cr_assert_eq(k.count, 0);
    tkit_watermark(&k, 10000);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, 0, BEAMC_PANE_ON_TIME, true, 1);
    tkit_deinit(&k);
}

Test(triggers_panes, output_times_are_of_elements_since_the_last_pane) {
    const struct {
        beamc_output_time how;
        beamc_time first, second;
    } cases[] = {{BEAMC_OUTPUT_EARLIEST_IN_PANE, 2000, 4000},
                 {BEAMC_OUTPUT_LATEST_IN_PANE, 3000, 7000},
                 {BEAMC_OUTPUT_END_OF_WINDOW, 9999, 9999}};
    for (size_t i = 0; i < 3; i++) {
        tkit k;
        beamc_windowing w = ten_seconds;
        w.trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2));
        w.output_time = cases[i].how;
        w.accumulation = BEAMC_ACCUMULATING;
        tkit_init(&k, w);
        tkit_put(&k, 1, 1, 3000);
        cr_assert_eq(hold(&k), w.output_time == BEAMC_OUTPUT_END_OF_WINDOW ? 9999 : 3000);
        tkit_add(&k, 1, 2, 2000);
        tkit_put(&k, 1, 3, 7000);
        tkit_add(&k, 1, 4, 4000);
        cr_assert_eq(k.count, 2);
        cr_assert_eq(k.panes[0].timestamp, cases[i].first);
        cr_assert_eq(k.panes[1].timestamp, cases[i].second);
        tkit_deinit(&k);
    }
}

Test(triggers_panes, late_elements_do_not_hold_the_watermark_back) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.output_time = BEAMC_OUTPUT_EARLIEST_IN_PANE;
    tkit_init(&k, w);
    tkit_watermark(&k, 5000);
    tkit_add(&k, 1, 1, 4999);
    cr_assert_eq(hold(&k), 9999);
    tkit_add(&k, 1, 2, 7000);
    cr_assert_eq(hold(&k), 7000);
    tkit_add(&k, 1, 3, 5000); /* at the watermark: not late */
    cr_assert_eq(hold(&k), 5000);
    tkit_watermark(&k, 10000);
    cr_assert_eq(k.panes[0].timestamp, 5000);
    tkit_deinit(&k);
}

Test(triggers_panes, lateness_ends_where_it_says) {
    tkit k;
    beamc_windowing w = ten_seconds;
    w.allowed_lateness_ms = 1000;
    tkit_init(&k, w);
    tkit_watermark(&k, 10999); /* the end of the window, 9999, and 1000 */
    tkit_add(&k, 1, 1, 0);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, 0, BEAMC_PANE_LATE, false, 1);
    tkit_watermark(&k, 11000);
    tkit_add(&k, 1, 2, 0);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.g->ops->take_counts(k.g).late_dropped, 1);
    tkit_deinit(&k);
}

Test(triggers_panes, the_global_window_ends_before_time_does) {
    tkit k;
    tkit_init(&k, (beamc_windowing){.trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)),
                                    .allowed_lateness_ms = INT64_MAX});
    tkit_put(&k, 1, 1, 5);
    tkit_put(&k, 1, 2, 6);
    tkit_add(&k, 1, 3, 7);
    tkit_add(&k, 1, 4, 8);
    cr_assert_eq(k.count, 1);
    expect(&k.panes[0], 0, -1, BEAMC_PANE_EARLY, false, 3);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 2);
    expect(&k.panes[1], 1, 0, BEAMC_PANE_ON_TIME, true, 1);
    tkit_deinit(&k);
}

Test(triggers_panes, windows_outside_of_time_do_no_harm) {
    tkit k;
    tkit_init(&k, ten_seconds);
    const beamc_window strange[] = {{INT64_MIN, INT64_MIN},
                                    {INT64_MAX, INT64_MIN},
                                    {INT64_MIN, INT64_MAX},
                                    {INT64_MAX, INT64_MAX},
                                    {5, 5},
                                    {9, 2}};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        beamc_group_item item = {.key = BEAMC_STR("\7"),
                                 .value = BEAMC_STR("\1"),
                                 .timestamp = i % 2 == 0 ? INT64_MIN : INT64_MAX,
                                 .window = strange[i]};
        k.g->ops->add(k.g, &item, 1, &k.time);
        beamc_buf out = {0};
        beamc_time least = BEAMC_TIME_MAX;
        uint64_t count = 0;
        k.time.watermark = BEAMC_TIME_MAX;
        while (k.g->ops->drain(k.g, &k.time, 1, &out, &least, &count)) {
        }
        cr_assert_eq(count, 1, "window %zu", i);
        cr_assert_lt(least, BEAMC_TIME_MAX);
        beamc_buf_free(&out);
        k.time.watermark = BEAMC_TIME_MIN;
        cr_assert_eq(k.g->ops->hold(k.g), BEAMC_TIME_MAX);
    }
    tkit_deinit(&k);
}
