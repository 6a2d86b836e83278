/* flatten.c: beam:transform:flatten:v1. All of its inputs have it as their consumer, and the plan
 * calls each node's start and finish once: nothing is left to do but to pass on. */
#include "worker/exec/nodes.h"

typedef struct flatten {
    beamc_unit unit;
    beamc_pcol *out;
} flatten;

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    return beamc_push(((flatten *)unit)->out, in);
}

static const beamc_unit_ops flatten_ops = {.name = "flatten", .process = process};

beamc_unit *beamc__flatten_new(beamc_plan *plan, const char *id, beamc_pcol *out) {
    flatten *f = beamc_arena_zalloc(plan->arena, sizeof *f);
    f->out = out;
    beamc__plan_add_unit(plan, &f->unit, &flatten_ops, id);
    return &f->unit;
}
