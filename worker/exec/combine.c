/* combine.c: the pieces of a combine that need no table (see combine.h; for the table precombine.c).
 *
 * Accumulators live in element scratch. One that is fed from a long iterable leaves garbage there
 * when it holds pointers: now and then it is copied aside and the scratch rewound. Threads: the
 * bundle's. */
#include "worker/exec/combine.h"

/* How much scratch a pointerful accumulator may use up before it is copied aside. */
enum { COPY_EVERY = 4096 };

void beamc__combine_init(beamc_combine *c, beamc_plan *plan, const beamc_combine_spec *spec,
                         const beamc_unit_ops *ops) {
    c->fn = spec->fn;
    c->out = spec->out;
    c->acc_coder = (beamc_coder){BEAMC_CODER_ROW, {NULL, NULL}, spec->fn->accumulator, NULL};
    beamc__ctx_init(&c->ctx, plan, spec->id, spec->config, spec->fn->instance_size);
    if (!c->fn->flat) {
        c->keep = beamc_arena_new(0);
    }
    beamc__plan_add_unit(plan, &c->unit, ops, spec->id);
    c->unit.reports_times = true;
}

beamc_status beamc__combine_setup(beamc_unit *unit) {
    beamc_combine *c = (beamc_combine *)unit;
    return c->fn->setup != NULL ? c->fn->setup(&c->ctx) : BEAMC_OK;
}

void beamc__combine_teardown(beamc_unit *unit) {
    beamc_combine *c = (beamc_combine *)unit;
    beamc_arena_free(c->keep);
    beamc__ctx_deinit(&c->ctx);
}

beamc_status beamc__combine_create(beamc_combine *c, void *acc) {
    memset(acc, 0, c->fn->accumulator->size);
    return c->fn->create != NULL ? c->fn->create(&c->ctx, acc) : BEAMC_OK;
}

static beamc_status compact(beamc_combine *c, void *acc) {
    return c->fn->compact != NULL ? c->fn->compact(&c->ctx, acc) : BEAMC_OK;
}

static beamc_status push_kv(beamc_combine *c, const beamc_wv *in, beamc_value key,
                            beamc_value value) {
    beamc_kv kv = {key, value};
    beamc_wv out = *in;
    out.value.kv = &kv;
    return beamc_push(c->out, &out);
}

/* Copies what @p acc points to out of the way of a rewind, and back. */
static beamc_status renew(beamc_combine *c, void *acc, beamc_scratch_mark mark) {
    beamc_plan *plan = c->unit.plan;
    beamc_value old = {.row = acc}, kept, back;
    BEAMC_TRY(beamc_value_copy(&c->acc_coder, &old, c->keep, &kept, &plan->error));
    beamc__scratch_rewind(&plan->scratch, mark);
    beamc_status status =
        beamc_value_copy(&c->acc_coder, &kept, plan->elements, &back, &plan->error);
    if (status == BEAMC_OK) {
        memcpy(acc, back.row, c->fn->accumulator->size);
    }
    beamc_arena_reset(c->keep);
    return status;
}

/* Feeds all of @p values, inputs or accumulators, to @p acc. */
static beamc_status feed(beamc_combine *c, void *acc, const beamc_iterable *values, bool merge) {
    beamc_plan *plan = c->unit.plan;
    beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
    beamc_iter it;
    beamc_value v;
    unsigned fed = 0;
    beamc_iterate(values, &it);
    while (beamc_iter_next(&it, &v)) {
        BEAMC_TRY(merge ? c->fn->merge(&c->ctx, acc, v.row) : c->fn->add(&c->ctx, acc, &v));
        if (c->fn->flat) {
            /* It points nowhere: what the callback allocated is garbage. The iteration keeps its
             * elements elsewhere. */
            beamc_arena_rewind(plan->elements, mark.arena);
        } else if (++fed % COPY_EVERY == 0) {
            mark.slots_taken = plan->scratch.slots_taken; /* not the iteration in progress */
            BEAMC_TRY(renew(c, acc, mark));
        }
    }
    return beamc_iter_status(&it, &plan->error);
}

static beamc_status merge_process(beamc_unit *unit, const beamc_wv *in) {
    beamc_combine *c = (beamc_combine *)unit;
    c->ctx.at = in;
    void *acc = beamc_plan_scratch(unit->plan, c->fn->accumulator->size);
    BEAMC_TRY(beamc__combine_create(c, acc));
    BEAMC_TRY(feed(c, acc, in->value.kv->value.iterable, true));
    BEAMC_TRY(compact(c, acc));
    return push_kv(c, in, in->value.kv->key, (beamc_value){.row = acc});
}

static beamc_status extract_process(beamc_unit *unit, const beamc_wv *in) {
    beamc_combine *c = (beamc_combine *)unit;
    c->ctx.at = in;
    beamc_value out = {.i64 = 0};
    BEAMC_TRY(c->fn->extract(&c->ctx, in->value.kv->value.row, &out));
    return push_kv(c, in, in->value.kv->key, out);
}

static beamc_status convert_process(beamc_unit *unit, const beamc_wv *in) {
    beamc_combine *c = (beamc_combine *)unit;
    c->ctx.at = in;
    void *acc = beamc_plan_scratch(unit->plan, c->fn->accumulator->size);
    BEAMC_TRY(beamc__combine_create(c, acc));
    BEAMC_TRY(c->fn->add(&c->ctx, acc, &in->value.kv->value));
    BEAMC_TRY(compact(c, acc));
    return push_kv(c, in, in->value.kv->key, (beamc_value){.row = acc});
}

static beamc_status grouped_process(beamc_unit *unit, const beamc_wv *in) {
    beamc_combine *c = (beamc_combine *)unit;
    c->ctx.at = in;
    void *acc = beamc_plan_scratch(unit->plan, c->fn->accumulator->size);
    BEAMC_TRY(beamc__combine_create(c, acc));
    BEAMC_TRY(feed(c, acc, in->value.kv->value.iterable, false));
    beamc_value out = {.i64 = 0};
    BEAMC_TRY(c->fn->extract(&c->ctx, acc, &out));
    return push_kv(c, in, in->value.kv->key, out);
}

#define COMBINE_OPS(ops_name, process_fn)                                                          \
    {                                                                                              \
        .name = (ops_name), .setup = beamc__combine_setup, .process = (process_fn),                \
        .teardown = beamc__combine_teardown                                                        \
    }

static const beamc_unit_ops merge_ops = COMBINE_OPS("merge_accumulators", merge_process);
static const beamc_unit_ops extract_ops = COMBINE_OPS("extract_outputs", extract_process);
static const beamc_unit_ops convert_ops = COMBINE_OPS("convert_to_accumulators", convert_process);
static const beamc_unit_ops grouped_ops = COMBINE_OPS("combine_grouped_values", grouped_process);

static beamc_unit *combine_new(beamc_plan *plan, const beamc_combine_spec *spec,
                               const beamc_unit_ops *ops) {
    beamc_combine *c = beamc_arena_zalloc(plan->arena, sizeof *c);
    beamc__combine_init(c, plan, spec, ops);
    return &c->unit;
}

beamc_unit *beamc__merge_accumulators_new(beamc_plan *plan, const beamc_combine_spec *spec) {
    return combine_new(plan, spec, &merge_ops);
}

beamc_unit *beamc__extract_outputs_new(beamc_plan *plan, const beamc_combine_spec *spec) {
    return combine_new(plan, spec, &extract_ops);
}

beamc_unit *beamc__convert_to_accumulators_new(beamc_plan *plan, const beamc_combine_spec *spec) {
    return combine_new(plan, spec, &convert_ops);
}

beamc_unit *beamc__combine_grouped_new(beamc_plan *plan, const beamc_combine_spec *spec) {
    return combine_new(plan, spec, &grouped_ops);
}
