/* Triggers as values: what may finish, what comes behind a grouping, what is malformed. */
#include <criterion/criterion.h>

#include "graph/graph.h"

#define COUNT BEAMC_AFTER_COUNT
#define CLOCK BEAMC_AFTER_PROCESSING_TIME

static const beamc_trigger *synchronized(void) {
    static const beamc_trigger t = {.kind = BEAMC_TRIGGER_AFTER_SYNCHRONIZED_PROCESSING_TIME};
    return &t;
}

static void continues(const beamc_trigger *t, const beamc_trigger *want) {
    beamc_arena *arena = beamc_arena_new(0);
    const beamc_trigger *got = beamc__trigger_continuation(arena, t);
    cr_assert(beamc__trigger_equal(got, want));
    beamc_arena_free(arena);
}

Test(graph_trigger, continuation) {
    continues(NULL, NULL);
    continues(COUNT(7), COUNT(1));
    continues(CLOCK(7), synchronized());
    continues(synchronized(), synchronized());
    continues(BEAMC_ALWAYS(), BEAMC_ALWAYS());
    continues(BEAMC_NEVER(), BEAMC_NEVER());
    continues(BEAMC_REPEATEDLY(COUNT(7)), BEAMC_REPEATEDLY(COUNT(1)));
    continues(BEAMC_AFTER_WATERMARK(0), BEAMC_AFTER_WATERMARK(0));
    continues(BEAMC_AFTER_WATERMARK(.early = CLOCK(1), .late = COUNT(2)),
              BEAMC_AFTER_WATERMARK(.early = synchronized(), .late = COUNT(1)));
    continues(BEAMC_AFTER_EACH(COUNT(3), CLOCK(1)),
              BEAMC_REPEATEDLY(BEAMC_AFTER_ANY(COUNT(1), synchronized())));
    continues(BEAMC_AFTER_ANY(COUNT(3), CLOCK(1)), BEAMC_AFTER_ANY(COUNT(1), synchronized()));
    continues(BEAMC_AFTER_ALL(COUNT(3), COUNT(4)), BEAMC_AFTER_ALL(COUNT(1), COUNT(1)));
    continues(BEAMC_OR_FINALLY(COUNT(3), CLOCK(1)),
              BEAMC_REPEATEDLY(BEAMC_OR_FINALLY(COUNT(1), synchronized())));
}

Test(graph_trigger, equality_sees_every_part) {
    cr_assert(beamc__trigger_equal(NULL, &(const beamc_trigger){.kind = BEAMC_TRIGGER_DEFAULT}));
    cr_assert(!beamc__trigger_equal(NULL, COUNT(1)));
    cr_assert(!beamc__trigger_equal(COUNT(1), COUNT(2)));
    cr_assert(!beamc__trigger_equal(CLOCK(1), CLOCK(2)));
    cr_assert(
        !beamc__trigger_equal(BEAMC_AFTER_ANY(COUNT(1)), BEAMC_AFTER_ANY(COUNT(1), COUNT(1))));
    cr_assert(!beamc__trigger_equal(BEAMC_AFTER_WATERMARK(.early = COUNT(1)),
                                    BEAMC_AFTER_WATERMARK(.late = COUNT(1))));
    cr_assert(!beamc__trigger_equal(BEAMC_AFTER_ANY(COUNT(1)), BEAMC_AFTER_ALL(COUNT(1))));
}

Test(graph_trigger, what_may_finish) {
    cr_assert(!beamc__trigger_may_finish(NULL));
    cr_assert(!beamc__trigger_may_finish(BEAMC_REPEATEDLY(COUNT(1))));
    cr_assert(!beamc__trigger_may_finish(BEAMC_ALWAYS()));
    cr_assert(!beamc__trigger_may_finish(BEAMC_AFTER_WATERMARK(.late = COUNT(1))));
    cr_assert(!beamc__trigger_may_finish(BEAMC_AFTER_ALL(COUNT(1), BEAMC_REPEATEDLY(COUNT(1)))));
    cr_assert(beamc__trigger_may_finish(COUNT(1)));
    cr_assert(beamc__trigger_may_finish(BEAMC_AFTER_WATERMARK(.early = COUNT(1))));
    cr_assert(beamc__trigger_may_finish(BEAMC_AFTER_ANY(COUNT(1), BEAMC_REPEATEDLY(COUNT(1)))));
    cr_assert(beamc__trigger_may_finish(BEAMC_OR_FINALLY(BEAMC_REPEATEDLY(COUNT(1)), COUNT(9))));
}

Test(graph_trigger, what_fires_once) {
    cr_assert(beamc__trigger_fires_once(NULL, 5));
    cr_assert(beamc__trigger_fires_once(BEAMC_NEVER(), 5));
    cr_assert(beamc__trigger_fires_once(BEAMC_AFTER_WATERMARK(.early = BEAMC_NEVER()), 5));
    cr_assert(beamc__trigger_fires_once(BEAMC_AFTER_WATERMARK(.late = COUNT(1)), 0));
    cr_assert(!beamc__trigger_fires_once(BEAMC_AFTER_WATERMARK(.late = COUNT(1)), 5));
    cr_assert(!beamc__trigger_fires_once(BEAMC_AFTER_WATERMARK(.early = COUNT(1)), 0));
    cr_assert(!beamc__trigger_fires_once(BEAMC_REPEATEDLY(COUNT(1)), 0));
}

Test(graph_trigger, faults) {
    cr_assert_null(beamc__trigger_fault(NULL, 0));
    cr_assert_null(beamc__trigger_fault(BEAMC_OR_FINALLY(COUNT(1), COUNT(2)), 0));
    cr_assert_not_null(beamc__trigger_fault(COUNT(0), 0));
    cr_assert_not_null(beamc__trigger_fault(CLOCK(-1), 0));
    cr_assert_not_null(beamc__trigger_fault(BEAMC_REPEATEDLY(COUNT(-3)), 0));
    cr_assert_not_null(
        beamc__trigger_fault(&(const beamc_trigger){.kind = BEAMC_TRIGGER_OR_FINALLY}, 0));
    cr_assert_not_null(beamc__trigger_fault(&(const beamc_trigger){.kind = 99}, 0));
    beamc_trigger loop = {.kind = BEAMC_TRIGGER_REPEATEDLY};
    loop.children[0] = &loop;
    cr_assert_not_null(beamc__trigger_fault(&loop, 0));
}
