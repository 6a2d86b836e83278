/* machines.c: each trigger by itself and in company, on processing time and counts. */
#include <criterion/criterion.h>

#include "kit.h"
#include "runner/engine/trigger.h"

static void init(tkit *k, const beamc_trigger *t) {
    tkit_init(k, (beamc_windowing){.fn = beamc_fixed(.size_ms = 10000),
                                   .trigger = t,
                                   .on_time = BEAMC_ON_TIME_FIRE_IF_NONEMPTY,
                                   .allowed_lateness_ms = 1000000});
}

/* Adds elements one by one; how many panes there are after each, as digits. */
static void play(const beamc_trigger *t, int elements, const char *panes) {
    tkit k;
    init(&k, t);
    for (int i = 0; i < elements; i++) {
        tkit_add(&k, 1, i, 0);
        cr_assert_eq(k.count, (size_t)(panes[i] - '0'), "element %d: %zu panes, not %c", i + 1,
                     k.count, panes[i]);
    }
    tkit_deinit(&k);
}

Test(triggers_machines, counts) {
    play(BEAMC_AFTER_COUNT(3), 7, "0011111");
    play(BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(3)), 7, "0011122");
    play(BEAMC_ALWAYS(), 3, "123");
    play(BEAMC_NEVER(), 3, "000");
    play(BEAMC_AFTER_WATERMARK(), 3, "000");
    play(BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_COUNT(2)), 5, "01122");
}

Test(triggers_machines, composites) {
    play(BEAMC_AFTER_EACH(BEAMC_AFTER_COUNT(1), BEAMC_AFTER_COUNT(3)), 6, "111222");
    play(BEAMC_AFTER_EACH(BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)), BEAMC_AFTER_COUNT(1)), 6,
         "011223");
    play(BEAMC_AFTER_ANY(BEAMC_AFTER_COUNT(4), BEAMC_AFTER_COUNT(2)), 6, "011111");
    play(BEAMC_AFTER_ALL(BEAMC_AFTER_COUNT(4), BEAMC_AFTER_COUNT(2)), 6, "000111");
    play(BEAMC_REPEATEDLY(BEAMC_AFTER_ANY(BEAMC_AFTER_COUNT(4), BEAMC_AFTER_COUNT(2))), 6,
         "011223");
    play(BEAMC_OR_FINALLY(BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)), BEAMC_AFTER_COUNT(5)), 8,
         "01123333");
    play(BEAMC_REPEATEDLY(BEAMC_AFTER_EACH(BEAMC_AFTER_COUNT(1), BEAMC_AFTER_COUNT(2))), 6,
         "112334");
    play(BEAMC_AFTER_WATERMARK(.early =
                                   BEAMC_AFTER_EACH(BEAMC_AFTER_COUNT(1), BEAMC_AFTER_COUNT(2))),
         6, "112334");
}

Test(triggers_machines, processing_time) {
    tkit k;
    init(&k, BEAMC_REPEATEDLY(BEAMC_AFTER_PROCESSING_TIME(100)));
    tkit_clock(&k, 1000);
    cr_assert_eq(k.g->ops->next_clock(k.g), BEAMC_TIME_MAX);
    tkit_add(&k, 1, 1, 0);
    tkit_clock(&k, 1050);
    tkit_add(&k, 1, 2, 0); /* the first element of the pane counts */
    cr_assert_eq(k.g->ops->next_clock(k.g), 1100);
    tkit_clock(&k, 1099);
    cr_assert_eq(k.count, 0);
    tkit_clock(&k, 1100);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.panes[0].count, 2);
    cr_assert_eq(k.g->ops->next_clock(k.g), BEAMC_TIME_MAX); /* an idle key costs nothing */
    tkit_add(&k, 1, 3, 0);
    cr_assert_eq(k.g->ops->next_clock(k.g), 1200);
    tkit_clock(&k, 5000);
    cr_assert_eq(k.count, 2);
    tkit_deinit(&k);
}

Test(triggers_machines, processing_time_is_aligned) {
    tkit k;
    static const beamc_trigger aligned = {.kind = BEAMC_TRIGGER_AFTER_PROCESSING_TIME,
                                          .delay_ms = 5,
                                          .period_ms = 100,
                                          .offset_ms = 30};
    const beamc_time cases[][2] = {{0, 30},    {25, 30},   {26, 130},
                                   {124, 130}, {125, 130}, {-100, -70}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        init(&k, &aligned);
        k.time.now = cases[i][0];
        tkit_add(&k, 1, 1, 0);
        cr_assert_eq(k.g->ops->next_clock(k.g), cases[i][1], "case %zu", i);
        tkit_deinit(&k);
    }
}

Test(triggers_machines, synchronized_time_has_come_when_the_element_has) {
    tkit k;
    init(&k, BEAMC_REPEATEDLY(
                 BEAMC_TRIGGER_LITERAL_(.kind = BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME)));
    tkit_put(&k, 1, 1, 0);
    tkit_add(&k, 1, 2, 0);
    tkit_add(&k, 1, 3, 0);
    cr_assert_eq(k.count, 2);
    tkit_deinit(&k);
}

Test(triggers_machines, a_deadline_that_is_not_enough_does_not_wake_for_ever) {
    tkit k;
    init(&k, BEAMC_AFTER_ALL(BEAMC_AFTER_PROCESSING_TIME(100), BEAMC_AFTER_COUNT(2)));
    tkit_add(&k, 1, 1, 0);
    tkit_clock(&k, 500);
    cr_assert_eq(k.count, 0);
    cr_assert_eq(k.g->ops->next_clock(k.g), BEAMC_TIME_MAX);
    tkit_add(&k, 1, 2, 0);
    cr_assert_eq(k.count, 1);
    tkit_deinit(&k);
}

Test(triggers_machines, early_by_clock_until_the_watermark) {
    tkit k;
    init(&k, BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_PROCESSING_TIME(10),
                                   .late = BEAMC_AFTER_COUNT(1)));
    tkit_add(&k, 1, 1, 0);
    tkit_clock(&k, 10);
    tkit_add(&k, 1, 2, 0);
    tkit_watermark(&k, 10000);
    tkit_clock(&k, 100);
    tkit_add(&k, 1, 3, 0);
    cr_assert_eq(k.count, 3);
    cr_assert_eq(k.panes[0].info.timing, BEAMC_PANE_EARLY);
    cr_assert_eq(k.panes[1].info.timing, BEAMC_PANE_ON_TIME);
    cr_assert_eq(k.panes[2].info.timing, BEAMC_PANE_LATE);
    tkit_deinit(&k);
}

Test(triggers_machines, merged_states) {
    beamc_trigger_program p;
    int64_t room[2][16] = {{0}}; /* a state and its slots */
    beamc_trigger_state *a = (beamc_trigger_state *)room[0], *b = (beamc_trigger_state *)room[1];
    const beamc_trigger *t = BEAMC_AFTER_ALL(BEAMC_AFTER_COUNT(5), BEAMC_AFTER_PROCESSING_TIME(10));
    cr_assert_eq(beamc__trigger_compile(t, true, &p, NULL), BEAMC_OK);
    beamc__trigger_init(&p, a);
    beamc__trigger_init(&p, b);
    beamc_trigger_context early = {false, 7}, later = {false, 9};
    for (int i = 0; i < 3; i++) {
        beamc__trigger_element(&p, a, &later);
        beamc__trigger_element(&p, b, &early);
    }
    const beamc_trigger_state *others[] = {b};
    beamc__trigger_merge(&p, a, others, 1, &later);
    cr_assert_not(beamc__trigger_should_fire(&p, a, &(beamc_trigger_context){false, 16}));
    cr_assert(beamc__trigger_should_fire(&p, a, &(beamc_trigger_context){false, 17}));
    cr_assert_eq(beamc__trigger_next_clock(&p, a, 9), 17);
    beamc__trigger_fire(&p, a, &(beamc_trigger_context){false, 17});
    cr_assert(beamc_trigger_is_closed(a));
}

Test(triggers_machines, what_makes_no_sense_is_refused) {
    beamc_trigger_program p;
    beamc_error err = {0};
    static const beamc_trigger empty = {.kind = BEAMC_TRIGGER_AFTER_ALL};
    cr_assert_eq(beamc__trigger_compile(&empty, false, &p, &err), BEAMC_INVALID_ARGUMENT);
    static const beamc_trigger unknown = {.kind = (beamc_trigger_kind)77};
    cr_assert_eq(beamc__trigger_compile(&unknown, false, &p, &err), BEAMC_INVALID_ARGUMENT);
    beamc_trigger deep[80] = {{.kind = BEAMC_TRIGGER_DEFAULT}};
    for (int i = 1; i < 80; i++) {
        deep[i] = (beamc_trigger){.kind = BEAMC_TRIGGER_REPEATEDLY, .children = {&deep[i - 1]}};
    }
    cr_assert_eq(beamc__trigger_compile(&deep[63], false, &p, &err), BEAMC_OK);
    cr_assert_eq(beamc__trigger_compile(&deep[79], false, &p, &err), BEAMC_UNIMPLEMENTED);
    beamc_node_spec node = {.name = "Group", .windowing = {.trigger = &deep[79]}};
    beamc_grouper *g;
    cr_assert_eq(beamc__grouper_general_new(&node, &g, &err), BEAMC_UNIMPLEMENTED);
    cr_assert_not_null(strstr(err.message, "Group"));
}
