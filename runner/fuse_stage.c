/* fuse_stage.c: greedy fusion. Transforms come in topological order; each joins the stage that makes
 * its main input, or one that already reads the same materialised collection, or opens a new one.
 *
 * A stage ends in front of
 *   - what the runner does itself (groupings, reshuffles, flattens of several stages);
 *   - stateful DoFns and the processing of restrictions: the runner must see their input;
 *   - another environment;
 *   - a transform whose side input comes, even by detours, from the stage itself. */
#include "runner/fuse_impl.h"

/* Marks what lies behind stage @p from: a transform stands for its whole stage. */
typedef struct reach {
    beamc_fuser *f;
    bool *seen;   /* transforms */
    bool *staged; /* stages whose members were marked */
    uint32_t *todo;
    size_t count;
} reach;

static void reach_transform(reach *r, uint32_t t) {
    if (!r->seen[t]) {
        r->seen[t] = true;
        r->todo[r->count++] = t;
    }
}

static void reach_stage(reach *r, uint32_t stage) {
    if (stage == BEAMC_FUSE_NONE || r->staged[stage]) {
        return;
    }
    r->staged[stage] = true;
    for (size_t i = 0; i < r->f->stages[stage].transform_count; i++) {
        reach_transform(r, r->f->stages[stage].transforms[i]);
    }
}

/* Whether collection @p pcoll depends on anything in @p stage. */
static bool depends_on(beamc_fuser *f, uint32_t pcoll, uint32_t stage) {
    size_t n = f->transform_count;
    reach r = {f, beamc_arena_zalloc(f->arena, n), beamc_arena_zalloc(f->arena, f->stage_count + 1),
               beamc_arena_alloc(f->arena, n * sizeof(uint32_t)), 0};
    reach_stage(&r, stage);
    while (r.count > 0) {
        const beamc_fx_transform *t = &f->transforms[r.todo[--r.count]];
        reach_stage(&r, t->stage);
        for (size_t o = 0; o < t->output_count; o++) {
            const beamc_fx_pcoll *p = &f->pcolls[t->outputs[o].pcoll];
            for (size_t u = 0; u < p->use_count; u++) {
                reach_transform(&r, p->uses[u].transform);
            }
        }
    }
    return f->pcolls[pcoll].producer != BEAMC_FUSE_NONE && r.seen[f->pcolls[pcoll].producer];
}

static bool may_join(beamc_fuser *f, const beamc_fx_transform *t, uint32_t stage) {
    if (stage == BEAMC_FUSE_NONE ||
        !BEAMC_FUSE_STREQ(f->stages[stage].environment, t->environment)) {
        return false;
    }
    for (uint32_t i = 0; i < t->input_count; i++) {
        if (i != t->main_input && depends_on(f, t->inputs[i].pcoll, stage)) {
            return false;
        }
    }
    return true;
}

static void join(beamc_fuser *f, uint32_t transform, uint32_t stage) {
    beamc_fx_stage *s = &f->stages[stage];
    uint32_t *member =
        beamc__fuse_push(f->arena, &s->transforms, &s->transform_count, sizeof *member);
    *member = transform;
    beamc_fx_transform *t = &f->transforms[transform];
    t->stage = stage;
    if (t->pardo != NULL) {
        s->finalizes |= t->pardo->requests_finalization != 0;
    }
}

static void open_stage(beamc_fuser *f, uint32_t transform) {
    const beamc_fx_transform *t = &f->transforms[transform];
    beamc_fx_stage *s = beamc__fuse_push(f->arena, &f->stages, &f->stage_count, sizeof *s);
    s->root = t->inputs[t->main_input].pcoll;
    s->environment = t->environment;
    s->keyed = t->stateful;
    s->splittable = t->process_sized;
    s->time_sorted = t->pardo != NULL && t->pardo->requires_time_sorted_input;
    s->stable = t->pardo != NULL && t->pardo->requires_stable_input;
    join(f, transform, (uint32_t)(f->stage_count - 1));
}

static void place(beamc_fuser *f, uint32_t transform) {
    const beamc_fx_transform *t = &f->transforms[transform];
    uint32_t in = t->inputs[t->main_input].pcoll;
    bool root_only = t->stateful || t->process_sized ||
                     (t->pardo != NULL && t->pardo->requires_time_sorted_input) ||
                     (t->pardo != NULL && t->pardo->requires_stable_input);
    if (!root_only) {
        uint32_t made_in = f->transforms[f->pcolls[in].producer].stage;
        if (may_join(f, t, made_in)) {
            join(f, transform, made_in);
            return;
        }
        for (uint32_t s = 0; s < f->stage_count; s++) {
            const beamc_fx_stage *stage = &f->stages[s];
            if (stage->root == in && !stage->keyed && !stage->splittable && !stage->time_sorted &&
                may_join(f, t, s)) {
                join(f, transform, s);
                return;
            }
        }
    }
    open_stage(f, transform);
}

/* A flatten whose inputs all come from one stage is a node of that stage. */
static void place_flatten(beamc_fuser *f, uint32_t transform) {
    beamc_fx_transform *t = &f->transforms[transform];
    uint32_t stage = BEAMC_FUSE_NONE;
    for (size_t i = 0; i < t->input_count; i++) {
        uint32_t s = f->transforms[f->pcolls[t->inputs[i].pcoll].producer].stage;
        if (s == BEAMC_FUSE_NONE || (i > 0 && s != stage)) {
            return;
        }
        /* The same collection twice needs two edges: only the runner's flatten has them. */
        for (size_t k = 0; k < i; k++) {
            if (t->inputs[k].pcoll == t->inputs[i].pcoll) {
                return;
            }
        }
        stage = s;
    }
    if (stage != BEAMC_FUSE_NONE) {
        t->kind = BEAMC_FX_WORKER;
        t->environment = f->stages[stage].environment;
        join(f, transform, stage);
    }
}

beamc_status beamc__fuse_stages(beamc_fuser *f, beamc_error *err) {
    for (size_t i = 0; i < f->transform_count; i++) {
        uint32_t at = f->order[i];
        beamc_fx_transform *t = &f->transforms[at];
        if (t->kind == BEAMC_FX_FLATTEN) {
            place_flatten(f, at);
        } else if (t->kind == BEAMC_FX_WORKER) {
            if (t->environment[0] == '\0') {
                return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s (%s) has no environment",
                                  t->name, t->urn);
            }
            place(f, at);
        }
    }
    return BEAMC_OK;
}
