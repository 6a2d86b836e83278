/* transcode.c: between two functions that use different C structs for rows of the same schema, a value
 * goes through its encoding. No URN: the plan puts it where it is needed. Threads: the bundle's. */
#include "worker/exec/nodes.h"

typedef struct transcode {
    beamc_unit unit;
    const beamc_coder *from;
    const beamc_coder *to;
    beamc_pcol *out;
    beamc_buf bytes;
} transcode;

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    transcode *t = (transcode *)unit;
    beamc_plan *plan = unit->plan;
    beamc_buf_clear(&t->bytes);
    BEAMC_TRY(beamc__encode(t->from, &in->value, true, &t->bytes, &plan->error));
    beamc_cursor at = beamc_cursor_of(beamc_buf_slice(&t->bytes));
    beamc_wv out = *in;
    BEAMC_TRY(beamc__decode(t->to, &at, true, &plan->scratch, &out.value, &plan->error));
    return beamc_push(t->out, &out);
}

static void teardown(beamc_unit *unit) {
    beamc_buf_free(&((transcode *)unit)->bytes);
}

static const beamc_unit_ops transcode_ops = {
    .name = "transcode", .process = process, .teardown = teardown};

beamc_unit *beamc__transcode_new(beamc_plan *plan, const char *id, const beamc_coder *from,
                                 const beamc_coder *to, beamc_pcol *out) {
    transcode *t = beamc_arena_zalloc(plan->arena, sizeof *t);
    t->from = from;
    t->to = to;
    t->out = out;
    beamc__plan_add_unit(plan, &t->unit, &transcode_ops, id);
    return &t->unit;
}
