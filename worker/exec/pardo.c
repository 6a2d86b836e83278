/* pardo.c: beam:transform:pardo:v1 with a DoFn of ours.
 *
 * An element in several windows is processed once for each of them where the DoFn can tell: it
 * observes windows, has side inputs, or has state. Otherwise once. Threads: the bundle's. */
#include "worker/exec/pardo.h"

#include "worker/exec/sdf.h"
#include "worker/exec/side_input.h"
#include "worker/exec/timers.h"
#include "worker/exec/user_state.h"

beamc_status beamc__pardo_setup(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    return p->fn->setup != NULL ? p->fn->setup(&p->ctx) : BEAMC_OK;
}

beamc_status beamc__pardo_reset(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    for (unsigned i = 0; i < p->ctx.side_count; i++) {
        beamc__side_reset(&p->ctx.sides[i]);
    }
    return BEAMC_OK;
}

beamc_status beamc__pardo_start_bundle(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    BEAMC_TRY(beamc__pardo_reset(unit));
    return p->fn->start_bundle != NULL ? p->fn->start_bundle(&p->ctx) : BEAMC_OK;
}

beamc_status beamc__pardo_finish_bundle(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    if (p->fn->finish_bundle != NULL) {
        BEAMC_TRY(p->fn->finish_bundle(&p->ctx));
    }
    if (p->ctx.timers != NULL) {
        BEAMC_TRY(beamc__timers_flush(p->ctx.timers));
    }
    return p->ctx.state != NULL ? beamc__user_state_flush(p->ctx.state) : BEAMC_OK;
}

void beamc__pardo_abort_bundle(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    p->ctx.at = NULL;
    if (p->ctx.timers != NULL) {
        beamc__timers_drop(p->ctx.timers);
    }
    if (p->ctx.state != NULL) {
        beamc__user_state_drop(p->ctx.state);
    }
}

void beamc__pardo_teardown(beamc_unit *unit) {
    beamc_pardo *p = (beamc_pardo *)unit;
    if (p->fn->teardown != NULL && unit->is_set_up) {
        p->fn->teardown(&p->ctx);
    }
    for (unsigned i = 0; i < p->ctx.side_count; i++) {
        beamc__side_deinit(&p->ctx.sides[i]);
    }
    beamc__timers_free(p->ctx.timers);
    beamc__user_state_free(p->ctx.state);
    beamc__sdf_free(p->ctx.sdf);
    beamc__ctx_deinit(&p->ctx);
}

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    return beamc_pardo_call((beamc_pardo *)unit, in);
}

static beamc_status process_each_window(beamc_unit *unit, const beamc_wv *in) {
    beamc_pardo *p = (beamc_pardo *)unit;
    if (in->window_count == 1) {
        return beamc_pardo_call(p, in);
    }
    beamc_wv one = *in;
    one.window_count = 1;
    for (size_t i = 0; i < in->window_count; i++) {
        one.windows = &in->windows[i];
        BEAMC_TRY(beamc_pardo_call(p, &one));
    }
    return BEAMC_OK;
}

static beamc_status process_keyed(beamc_unit *unit, const beamc_wv *in) {
    beamc_pardo *p = (beamc_pardo *)unit;
    beamc_wv one = *in;
    one.window_count = 1;
    for (size_t i = 0; i < in->window_count; i++) {
        one.windows = &in->windows[i];
        BEAMC_TRY(beamc__user_state_at(p->ctx.state, in->value.kv->key, one.windows[0]));
        BEAMC_TRY(beamc_pardo_call(p, &one));
    }
    return BEAMC_OK;
}

#define PARDO_OPS(process_fn)                                                                      \
    {                                                                                              \
        .name = "pardo", .setup = beamc__pardo_setup, .start_bundle = beamc__pardo_start_bundle,   \
        .process = (process_fn), .finish_bundle = beamc__pardo_finish_bundle,                      \
        .abort_bundle = beamc__pardo_abort_bundle, .teardown = beamc__pardo_teardown               \
    }

static const beamc_unit_ops plain_ops = PARDO_OPS(process);
static const beamc_unit_ops windowed_ops = PARDO_OPS(process_each_window);
static const beamc_unit_ops keyed_ops = PARDO_OPS(process_keyed);

static const beamc_unit_ops *ops_of(const beamc_dofn *fn) {
    if (beamc_dofn_is_stateful(fn)) {
        return &keyed_ops;
    }
    return fn->observes_window || fn->side_inputs[0] != NULL ? &windowed_ops : &plain_ops;
}

beamc_pardo *beamc__pardo_new(beamc_plan *plan, const char *id, const beamc_dofn *fn,
                              const void *config, beamc_pcol *const *outputs,
                              unsigned output_count) {
    beamc_pardo *p = beamc_arena_zalloc(plan->arena, sizeof *p);
    p->fn = fn;
    beamc__ctx_init(&p->ctx, plan, id, config, fn->instance_size);
    p->ctx.fn = fn;
    p->ctx.output_count = output_count;
    for (unsigned i = 0; i < output_count; i++) {
        p->ctx.outputs[i] = outputs[i];
    }
    beamc__plan_add_unit(plan, &p->unit, ops_of(fn), id);
    p->unit.reports_times = true;
    return p;
}
