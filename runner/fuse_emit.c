/* fuse_emit.c: stages and the runner's own transforms become the nodes of the engine's graph.
 *
 * Flattens and reshuffles vanish here: what consumes their output becomes a target of what feeds
 * them, as often as it is fed. */
#include "runner/fuse_impl.h"

/* A node before it has its place in the order. */
typedef struct draft {
    beamc_node_kind kind;
    uint32_t stage;     /* STAGE */
    uint32_t transform; /* the others */
    unsigned waits;
    uint32_t place;
} draft;

typedef struct route {
    beamc_target target; /* index: of the draft */
    uint32_t pcoll;      /* as which it arrives */
} route;

typedef struct emitter {
    beamc_fuser *f;
    draft *drafts;
    size_t draft_count;
    uint32_t *stage_draft;     /* by stage */
    uint32_t *transform_draft; /* by transform */
    route *routes;             /* of the collection at hand */
    size_t route_count;
} emitter;

static uint32_t view_of(beamc_fuser *f, const beamc_fx_transform *t, uint32_t input) {
    bool multimap = false;
    for (size_t i = 0; i < t->pardo->n_side_inputs; i++) {
        const Pipe__ParDoPayload__SideInputsEntry *e = t->pardo->side_inputs[i];
        if (BEAMC_FUSE_STREQ(e->key, t->inputs[input].tag)) {
            multimap =
                e->value != NULL && e->value->access_pattern != NULL &&
                BEAMC_FUSE_STREQ(e->value->access_pattern->urn, BEAMC_URN_SIDE_INPUT_MULTIMAP);
        }
    }
    uint32_t pcoll = t->inputs[input].pcoll;
    for (uint32_t v = 0; v < f->view_count; v++) {
        if (f->views[v].pcoll == pcoll && f->views[v].multimap == multimap) {
            return v;
        }
    }
    beamc_fx_view *v = beamc__fuse_push(f->arena, &f->views, &f->view_count, sizeof *v);
    *v = (beamc_fx_view){pcoll, multimap};
    return (uint32_t)(f->view_count - 1);
}

static void add_route(emitter *e, beamc_target_kind kind, uint32_t index, uint32_t pcoll) {
    route *r = beamc__fuse_push(e->f->arena, &e->routes, &e->route_count, sizeof *r);
    *r = (route){{kind, index}, pcoll};
}

/* Appends where the elements of @p pcoll go, outside of the stage that makes it. */
static void find_routes(emitter *e, uint32_t pcoll) {
    beamc_fuser *f = e->f;
    size_t first = e->route_count;
    for (size_t u = 0; u < f->pcolls[pcoll].use_count; u++) {
        beamc_fx_use use = f->pcolls[pcoll].uses[u];
        const beamc_fx_transform *t = &f->transforms[use.transform];
        beamc_target_kind kind;
        uint32_t index;
        if (t->kind == BEAMC_FX_FLATTEN || t->kind == BEAMC_FX_RESHUFFLE) {
            find_routes(e, t->outputs[0].pcoll);
            continue;
        }
        if (t->kind == BEAMC_FX_GROUP) {
            add_route(e, BEAMC_TO_GROUP, e->transform_draft[use.transform], pcoll);
            continue;
        }
        if (t->pardo != NULL && use.input != t->main_input) {
            kind = BEAMC_TO_VIEW;
            index = view_of(f, t, use.input);
        } else if (t->stage != BEAMC_FUSE_NONE && f->stages[t->stage].root == pcoll) {
            kind = BEAMC_TO_STAGE;
            index = e->stage_draft[t->stage];
        } else {
            continue; /* inside of the stage */
        }
        bool there = false; /* several transforms of a stage read one source */
        for (size_t i = first; i < e->route_count; i++) {
            there |= e->routes[i].pcoll == pcoll && e->routes[i].target.kind == kind &&
                     e->routes[i].target.index == index;
        }
        if (!there) {
            add_route(e, kind, index, pcoll);
        }
    }
}

static void add_draft(emitter *e, beamc_node_kind kind, uint32_t stage, uint32_t transform) {
    draft *d = beamc__fuse_push(e->f->arena, &e->drafts, &e->draft_count, sizeof *d);
    *d = (draft){kind, stage, transform, 0, 0};
    if (kind == BEAMC_NODE_STAGE) {
        e->stage_draft[stage] = (uint32_t)(e->draft_count - 1);
    } else {
        e->transform_draft[transform] = (uint32_t)(e->draft_count - 1);
    }
}

static void make_drafts(emitter *e) {
    beamc_fuser *f = e->f;
    e->stage_draft = beamc_arena_alloc(f->arena, (f->stage_count + 1) * sizeof(uint32_t));
    e->transform_draft = beamc_arena_alloc(f->arena, (f->transform_count + 1) * sizeof(uint32_t));
    bool *staged = beamc_arena_zalloc(f->arena, f->stage_count + 1);
    for (size_t i = 0; i < f->transform_count; i++) {
        uint32_t at = f->order[i];
        const beamc_fx_transform *t = &f->transforms[at];
        if (t->kind == BEAMC_FX_IMPULSE) {
            add_draft(e, BEAMC_NODE_IMPULSE, 0, at);
        } else if (t->kind == BEAMC_FX_TEST_STREAM) {
            add_draft(e, BEAMC_NODE_TEST_STREAM, 0, at);
        } else if (t->kind == BEAMC_FX_GROUP) {
            add_draft(e, BEAMC_NODE_GROUP, 0, at);
        } else if (t->kind == BEAMC_FX_WORKER && !staged[t->stage]) {
            staged[t->stage] = true;
            add_draft(e, BEAMC_NODE_STAGE, t->stage, 0);
        }
    }
}

/* Calls @p fn for each output collection of a draft. */
static beamc_status each_output(emitter *e, const draft *d,
                                beamc_status (*fn)(emitter *e, uint32_t pcoll, void *arg,
                                                   beamc_error *err),
                                void *arg, beamc_error *err) {
    beamc_fuser *f = e->f;
    if (d->kind != BEAMC_NODE_STAGE) {
        const beamc_fx_transform *t = &f->transforms[d->transform];
        for (size_t o = 0; o < t->output_count; o++) {
            BEAMC_TRY(fn(e, t->outputs[o].pcoll, arg, err));
        }
        return BEAMC_OK;
    }
    const beamc_fx_stage *s = &f->stages[d->stage];
    for (size_t i = 0; i < s->transform_count; i++) {
        const beamc_fx_transform *t = &f->transforms[s->transforms[i]];
        for (size_t o = 0; o < t->output_count; o++) {
            BEAMC_TRY(fn(e, t->outputs[o].pcoll, arg, err));
        }
    }
    return BEAMC_OK;
}

/* The drafts that have to wait for what goes to @p r: readers of a view, or the target itself. */
static void each_dependent(emitter *e, const route *r, void (*fn)(emitter *e, uint32_t at, int by),
                           int by) {
    if (r->target.kind != BEAMC_TO_VIEW) {
        fn(e, r->target.index, by);
        return;
    }
    beamc_fuser *f = e->f;
    for (uint32_t s = 0; s < f->stage_count; s++) {
        for (size_t i = 0; i < f->stages[s].transform_count; i++) {
            const beamc_fx_transform *t = &f->transforms[f->stages[s].transforms[i]];
            for (uint32_t k = 0; t->pardo != NULL && k < t->input_count; k++) {
                if (k != t->main_input && view_of(f, t, k) == r->target.index) {
                    fn(e, e->stage_draft[s], by);
                }
            }
        }
    }
}

static void wait_more(emitter *e, uint32_t at, int by) {
    e->drafts[at].waits = (unsigned)((int)e->drafts[at].waits + by);
}

static beamc_status count_waits(emitter *e, uint32_t pcoll, void *arg, beamc_error *err) {
    (void)err;
    int by = *(const int *)arg;
    e->route_count = 0;
    find_routes(e, pcoll);
    for (size_t i = 0; i < e->route_count; i++) {
        each_dependent(e, &e->routes[i], wait_more, by);
    }
    return BEAMC_OK;
}

static beamc_status order_drafts(emitter *e, beamc_error *err) {
    int up = 1, down = -1;
    for (size_t i = 0; i < e->draft_count; i++) {
        BEAMC_TRY(each_output(e, &e->drafts[i], count_waits, &up, err));
    }
    bool *placed = beamc_arena_zalloc(e->f->arena, e->draft_count + 1);
    for (uint32_t next = 0; next < e->draft_count; next++) {
        size_t i = 0;
        while (i < e->draft_count && (placed[i] || e->drafts[i].waits > 0)) {
            i++;
        }
        if (i == e->draft_count) {
            return BEAMC_FAIL(err, INTERNAL, "fusion made a circle of stages");
        }
        placed[i] = true;
        e->drafts[i].place = next;
        BEAMC_TRY(each_output(e, &e->drafts[i], count_waits, &down, err));
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------- outputs */

static beamc_status wire(beamc_fuser *f, uint32_t pcoll, beamc_wire_coder *out, beamc_error *err) {
    const beamc_fx_pcoll *p = &f->pcolls[pcoll];
    const char *element, *window;
    BEAMC_TRY(beamc__fuse_wire_coder(f, p->coder, &element, err));
    BEAMC_TRY(beamc__fuse_wire_coder(f, beamc__fuse_strategy(f, p->windowing)->window_coder_id,
                                     &window, err));
    BEAMC_TRY_CTX(err, beamc__fuse_built_coder(f, element, &out->element, err), "PCollection %s",
                  p->name);
    BEAMC_TRY_CTX(err, beamc__fuse_built_coder(f, window, &out->window, err), "PCollection %s",
                  p->name);
    return BEAMC_OK;
}

typedef struct outputs {
    const draft *of;
    beamc_output_spec *specs;
    size_t spec_count;
    beamc_fx_sink *sinks;
    size_t sink_count;
} outputs;

/* One output for each encoding in which @p pcoll leaves. */
static beamc_status add_outputs(emitter *e, uint32_t pcoll, void *arg, beamc_error *err) {
    outputs *to = arg;
    beamc_fuser *f = e->f;
    e->route_count = 0;
    e->routes = NULL;
    find_routes(e, pcoll);
    route *routes = e->routes;
    size_t count = e->route_count, first = to->spec_count;
    for (size_t i = 0; i < count; i++) {
        const char *coder;
        BEAMC_TRY(beamc__fuse_port_coder(f, routes[i].pcoll, &coder, err));
        beamc_target target = routes[i].target;
        if (target.kind != BEAMC_TO_VIEW) {
            target.index = e->drafts[target.index].place;
        }
        size_t k = first;
        while (k < to->spec_count && !BEAMC_FUSE_STREQ(to->sinks[k].coder, coder)) {
            k++;
        }
        if (k == to->spec_count) {
            beamc_output_spec *spec =
                beamc__fuse_push(f->arena, &to->specs, &to->spec_count, sizeof *spec);
            beamc_fx_sink *sink =
                beamc__fuse_push(f->arena, &to->sinks, &to->sink_count, sizeof *sink);
            sink->id = k == first
                           ? beamc_arena_printf(f->arena, "beamc:sink:%s", f->pcolls[pcoll].id)
                           : beamc_arena_printf(f->arena, "beamc:sink:%s:%zu", f->pcolls[pcoll].id,
                                                k - first);
            sink->pcoll = pcoll;
            sink->coder = coder;
            spec->sink_id = to->of->kind == BEAMC_NODE_STAGE ? sink->id : NULL;
            spec->collection = f->pcolls[pcoll].name;
            BEAMC_TRY(wire(f, routes[i].pcoll, &spec->coder, err));
        }
        beamc_target *targets = (beamc_target *)to->specs[k].targets;
        beamc_target *t =
            beamc__fuse_push(f->arena, &targets, &to->specs[k].target_count, sizeof *t);
        to->specs[k].targets = targets;
        *t = target;
    }
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------- nodes */

static uint32_t environment_index(beamc_fuser *f, const char *id) {
    for (uint32_t i = 0; i < f->environment_count; i++) {
        if (BEAMC_FUSE_STREQ(f->environments[i], id)) {
            return i;
        }
    }
    const char **e = beamc__fuse_push(f->arena, &f->environments, &f->environment_count, sizeof *e);
    *e = id;
    return (uint32_t)(f->environment_count - 1);
}

static const char *stage_name(beamc_fuser *f, const beamc_fx_stage *s) {
    const char *name = f->transforms[s->transforms[0]].name;
    if (s->transform_count == 1) {
        return name;
    }
    const char *last = f->transforms[s->transforms[s->transform_count - 1]].name;
    return beamc_arena_printf(f->arena, "%s%s%s", name, s->transform_count == 2 ? " + " : " ... ",
                              last);
}

static void stage_sides(beamc_fuser *f, const beamc_fx_stage *s, beamc_node_spec *node) {
    beamc_side_ref *sides = NULL;
    for (size_t i = 0; i < s->transform_count; i++) {
        const beamc_fx_transform *t = &f->transforms[s->transforms[i]];
        for (uint32_t k = 0; t->pardo != NULL && k < t->input_count; k++) {
            if (k != t->main_input) {
                beamc_side_ref *r =
                    beamc__fuse_push(f->arena, &sides, &node->side_count, sizeof *r);
                *r = (beamc_side_ref){t->id, t->inputs[k].tag, view_of(f, t, k)};
            }
        }
    }
    node->sides = sides;
}

static beamc_status stage_timers(beamc_fuser *f, const beamc_fx_stage *s, beamc_node_spec *node,
                                 beamc_error *err) {
    const beamc_fx_transform *t = &f->transforms[s->transforms[0]];
    const Pipe__Coder *coder = beamc__fuse_coder(f, f->pcolls[s->root].coder);
    if (coder == NULL || !BEAMC_FUSE_STREQ(coder->spec->urn, BEAMC_URN_CODER_KV)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "transform %s has state or timers: its input must be KV pairs", t->name);
    }
    node->stateful_id = t->id;
    const Pipe__WindowingStrategy *w = beamc__fuse_strategy(f, f->pcolls[s->root].windowing);
    node->state_lateness_ms = w == NULL ? 0 : w->allowed_lateness;
    beamc_timer_family_spec *timers = NULL;
    for (size_t i = 0; i < t->pardo->n_timer_family_specs; i++) {
        const Pipe__ParDoPayload__TimerFamilySpecsEntry *e = t->pardo->timer_family_specs[i];
        beamc_timer_family_spec *x =
            beamc__fuse_push(f->arena, &timers, &node->timer_count, sizeof *x);
        x->transform_id = t->id;
        x->family = e->key;
        x->processing_time =
            e->value != NULL && e->value->time_domain == PIPE__TIME_DOMAIN__ENUM__PROCESSING_TIME;
        x->expiration = BEAMC_FUSE_STREQ(e->key, t->pardo->on_window_expiration_timer_family_spec);
    }
    node->timers = timers;
    return BEAMC_OK;
}

/* Whether the job may be drained; then restrictions of its bounded inputs are truncated as well. */
static bool is_unbounded(const beamc_fuser *f) {
    for (size_t i = 0; i < f->pcoll_count; i++) {
        if (f->pcolls[i].unbounded) {
            return true;
        }
    }
    return false;
}

/* What shortens restrictions when the job is drained. */
static beamc_status stage_truncate(beamc_fuser *f, const beamc_fx_stage *s, const char *coder,
                                   beamc_node_spec *node, beamc_error *err) {
    beamc_fx_transform of = f->transforms[s->transforms[0]];
    uint32_t out = beamc__fuse_add_pcoll(f, beamc_arena_printf(f->arena, "%s/truncate.out", of.id),
                                         f->pcolls[s->root].coder, s->root);
    beamc_fx_transform *t = beamc__fuse_add_transform(
        f, beamc_arena_printf(f->arena, "%s/truncate", of.id),
        beamc_arena_printf(f->arena, "%s/truncate", of.name), of.step,
        BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION, of.payload, of.environment);
    t->pardo = of.pardo;
    t->inputs = of.inputs;
    t->input_count = of.input_count;
    t->main_input = of.main_input;
    beamc__fuse_add_output(f, t, "out", out);
    uint32_t at = (uint32_t)(f->transform_count - 1);
    node->truncate_source_id = "beamc:truncate:source";
    node->truncate_sink_id = "beamc:truncate:sink";
    beamc_fx_sink sink = {node->truncate_sink_id, out, coder};
    beamc_fx_descriptor d = {
        .id = beamc_arena_printf(f->arena, "truncate:%s", of.id),
        .environment = of.environment,
        .source_id = node->truncate_source_id,
        .source = s->root,
        .source_coder = coder,
        .transforms = &at,
        .transform_count = 1,
        .sinks = &sink,
        .sink_count = 1,
    };
    return beamc__fuse_descriptor(f, &d, &node->truncate, err);
}

static beamc_status emit_stage(emitter *e, const draft *d, beamc_node_spec *node,
                               const outputs *out, beamc_error *err) {
    beamc_fuser *f = e->f;
    const beamc_fx_stage *s = &f->stages[d->stage];
    node->name = stage_name(f, s);
    node->keyed = s->keyed;
    node->splittable = s->splittable;
    node->finalizes = s->finalizes;
    node->time_sorted = s->time_sorted;
    node->stable = s->stable;
    for (size_t i = 0; i < s->transform_count; i++) {
        const beamc_fx_transform *t = &f->transforms[s->transforms[i]];
        for (size_t o = 0; o < t->output_count; o++) {
            node->unbounded |= f->pcolls[t->outputs[o].pcoll].unbounded;
        }
    }
    BEAMC_TRY(wire(f, s->root, &node->input, err));
    stage_sides(f, s, node);
    if (s->keyed) {
        BEAMC_TRY(stage_timers(f, s, node, err));
    }
    const char *coder;
    BEAMC_TRY(beamc__fuse_port_coder(f, s->root, &coder, err));
    if (s->splittable && is_unbounded(f)) {
        BEAMC_TRY(stage_truncate(f, s, coder, node, err));
    }
    beamc_fx_descriptor desc = {
        .id = beamc_arena_printf(f->arena, "stage-%u", d->place),
        .environment = s->environment,
        .source_id = beamc_arena_printf(f->arena, "beamc:source:%s", f->pcolls[s->root].id),
        .source = s->root,
        .source_coder = coder,
        .transforms = s->transforms,
        .transform_count = s->transform_count,
        .sinks = out->sinks,
        .sink_count = out->sink_count,
    };
    node->work.source_id = desc.source_id;
    node->work.environment = environment_index(f, s->environment);
    return beamc__fuse_descriptor(f, &desc, &node->work.descriptor, err);
}

/* Merging accumulators inside of the group, so that memory follows the keys and not the events. */
static beamc_status emit_compaction(beamc_fuser *f, const beamc_fx_transform *t,
                                    beamc_node_spec *node, beamc_error *err) {
    uint32_t grouped = t->outputs[0].pcoll;
    uint32_t merge = f->pcolls[grouped].uses[0].transform;
    uint32_t merged = f->transforms[merge].outputs[0].pcoll;
    const char *in, *out;
    BEAMC_TRY(beamc__fuse_port_coder(f, grouped, &in, err));
    BEAMC_TRY(beamc__fuse_port_coder(f, t->compaction_of, &out, err));
    node->compaction.source_id = "beamc:compact:source";
    node->compaction.environment = environment_index(f, t->combine_environment);
    node->compaction_sink_id = "beamc:compact:sink";
    beamc_fx_sink sink = {node->compaction_sink_id, merged, out};
    beamc_fx_descriptor d = {
        .id = beamc_arena_printf(f->arena, "compact:%s", t->id),
        .environment = t->combine_environment,
        .source_id = node->compaction.source_id,
        .source = grouped,
        .source_coder = in,
        .transforms = &merge,
        .transform_count = 1,
        .sinks = &sink,
        .sink_count = 1,
    };
    node->has_compaction = true;
    return beamc__fuse_descriptor(f, &d, &node->compaction.descriptor, err);
}

static beamc_status emit_group(emitter *e, const draft *d, beamc_node_spec *node,
                               beamc_error *err) {
    beamc_fuser *f = e->f;
    const beamc_fx_transform *t = &f->transforms[d->transform];
    node->name = t->name;
    BEAMC_TRY_CTX(err, wire(f, t->inputs[0].pcoll, &node->input, err), "transform %s", t->name);
    if (node->input.element->kind != BEAMC_CODER_KV) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s groups: its input must be KV pairs",
                          t->name);
    }
    BEAMC_TRY_CTX(err,
                  beamc__fuse_windowing(f, f->pcolls[t->inputs[0].pcoll].windowing,
                                        &node->windowing, &node->merging, err),
                  "transform %s", t->name);
    return t->compaction_of == BEAMC_FUSE_NONE ? BEAMC_OK : emit_compaction(f, t, node, err);
}

beamc_status beamc__fuse_emit(beamc_fuser *f, beamc_engine_graph *graph, beamc_error *err) {
    emitter e = {.f = f};
    make_drafts(&e);
    BEAMC_TRY(order_drafts(&e, err));
    beamc_node_spec *nodes = beamc_arena_zalloc(f->arena, (e.draft_count + 1) * sizeof *nodes);
    for (size_t i = 0; i < e.draft_count; i++) {
        const draft *d = &e.drafts[i];
        beamc_node_spec *node = &nodes[d->place];
        outputs out = {.of = d};
        node->kind = d->kind;
        BEAMC_TRY(each_output(&e, d, add_outputs, &out, err));
        node->outputs = out.specs;
        node->output_count = out.spec_count;
        if (d->kind == BEAMC_NODE_STAGE) {
            BEAMC_TRY(emit_stage(&e, d, node, &out, err));
        } else if (d->kind == BEAMC_NODE_GROUP) {
            BEAMC_TRY(emit_group(&e, d, node, err));
        } else {
            node->name = f->transforms[d->transform].name;
            if (d->kind == BEAMC_NODE_TEST_STREAM) {
                BEAMC_TRY(
                    beamc__fuse_test_stream(f, &f->transforms[d->transform], out.sinks, node, err));
            }
        }
    }
    beamc_view_spec *views = beamc_arena_zalloc(f->arena, (f->view_count + 1) * sizeof *views);
    bool merging; /* sessions cannot be side inputs: refused when built */
    for (size_t v = 0; v < f->view_count; v++) {
        views[v].collection = f->pcolls[f->views[v].pcoll].name;
        views[v].multimap = f->views[v].multimap;
        BEAMC_TRY(wire(f, f->views[v].pcoll, &views[v].coder, err));
        BEAMC_TRY(beamc__fuse_windowing(f, f->pcolls[f->views[v].pcoll].windowing,
                                        &views[v].windowing, &merging, err));
    }
    *graph = (beamc_engine_graph){nodes, e.draft_count, views, f->view_count, f->environment_count};
    return BEAMC_OK;
}
