/* fuse_expand.c: takes composites apart until only primitives are left, indexes the collections, and
 * puts the transforms in topological order. Nothing of the proto is trusted. */
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

beamc_fx_transform *beamc__fuse_add_transform(beamc_fuser *f, const char *id, const char *name,
                                              const char *step, const char *urn,
                                              beamc_slice payload, const char *environment) {
    beamc_fx_transform *t =
        beamc__fuse_push(f->arena, &f->transforms, &f->transform_count, sizeof *t);
    t->id = id;
    t->name = name;
    t->step = step;
    t->urn = urn;
    t->payload = payload;
    t->environment = environment;
    t->kind = BEAMC_FX_WORKER;
    t->main_input = BEAMC_FUSE_NONE;
    t->stage = BEAMC_FUSE_NONE;
    t->compaction_of = BEAMC_FUSE_NONE;
    const char **known = beamc__fuse_push(f->arena, &f->step_names, &f->step_count, sizeof *known);
    *known = step;
    beamc__idmap_put(&f->steps, f->arena, id, (uint32_t)(f->step_count - 1));
    return t;
}

uint32_t beamc__fuse_add_pcoll(beamc_fuser *f, const char *id, const char *coder, uint32_t like) {
    const char *windowing = f->pcolls[like].windowing;
    bool unbounded = f->pcolls[like].unbounded;
    beamc_fx_pcoll *p = beamc__fuse_push(f->arena, &f->pcolls, &f->pcoll_count, sizeof *p);
    p->id = id;
    p->name = id;
    p->coder = coder;
    p->windowing = windowing;
    p->unbounded = unbounded;
    p->producer = BEAMC_FUSE_NONE;
    beamc__idmap_put(&f->pcoll_ids, f->arena, id, (uint32_t)(f->pcoll_count - 1));
    return (uint32_t)(f->pcoll_count - 1);
}

void beamc__fuse_add_input(beamc_fuser *f, beamc_fx_transform *t, const char *tag, uint32_t pcoll) {
    beamc_fx_edge *e = beamc__fuse_push(f->arena, &t->inputs, &t->input_count, sizeof *e);
    *e = (beamc_fx_edge){tag, pcoll};
}

void beamc__fuse_add_output(beamc_fuser *f, beamc_fx_transform *t, const char *tag,
                            uint32_t pcoll) {
    beamc_fx_edge *e = beamc__fuse_push(f->arena, &t->outputs, &t->output_count, sizeof *e);
    *e = (beamc_fx_edge){tag, pcoll};
}

static beamc_status index_pcolls(beamc_fuser *f, beamc_error *err) {
    for (size_t i = 0; i < f->components->n_pcollections; i++) {
        const Pipe__Components__PcollectionsEntry *e = f->components->pcollections[i];
        if (e->value == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "PCollection %s is empty", e->key);
        }
        beamc_fx_pcoll *p = beamc__fuse_push(f->arena, &f->pcolls, &f->pcoll_count, sizeof *p);
        p->id = e->key;
        p->name = e->value->unique_name[0] != '\0' ? e->value->unique_name : e->key;
        p->coder = e->value->coder_id;
        p->windowing = e->value->windowing_strategy_id;
        p->unbounded = e->value->is_bounded == PIPE__IS_BOUNDED__ENUM__UNBOUNDED;
        p->producer = BEAMC_FUSE_NONE;
        if (!beamc__idmap_put(&f->pcoll_ids, f->arena, e->key, (uint32_t)i)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "PCollection %s is there twice", e->key);
        }
    }
    return BEAMC_OK;
}

/* Copies the edges of the proto. */
static beamc_status add_edges(beamc_fuser *f, beamc_fx_transform *to, const Pipe__PTransform *t,
                              beamc_error *err) {
    for (size_t i = 0; i < t->n_inputs; i++) {
        uint32_t p = beamc__idmap_get(&f->pcoll_ids, t->inputs[i]->value);
        if (p == BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "transform %s: input %s names PCollection %s, which does not exist",
                              to->name, t->inputs[i]->key, t->inputs[i]->value);
        }
        beamc__fuse_add_input(f, to, t->inputs[i]->key, p);
    }
    for (size_t i = 0; i < t->n_outputs; i++) {
        uint32_t p = beamc__idmap_get(&f->pcoll_ids, t->outputs[i]->value);
        if (p == BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "transform %s: output %s names PCollection %s, which does not exist",
                              to->name, t->outputs[i]->key, t->outputs[i]->value);
        }
        beamc__fuse_add_output(f, to, t->outputs[i]->key, p);
    }
    return BEAMC_OK;
}

static beamc_status set_main_input(beamc_fx_transform *t, beamc_error *err) {
    for (size_t i = 0; i < t->input_count; i++) {
        bool side = false;
        for (size_t s = 0; t->pardo != NULL && s < t->pardo->n_side_inputs; s++) {
            side |= BEAMC_FUSE_STREQ(t->pardo->side_inputs[s]->key, t->inputs[i].tag);
        }
        if (side) {
            continue;
        }
        if (t->main_input != BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s has two main inputs: %s and %s",
                              t->name, t->inputs[t->main_input].tag, t->inputs[i].tag);
        }
        t->main_input = (uint32_t)i;
    }
    if (t->main_input == BEAMC_FUSE_NONE) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s has no main input", t->name);
    }
    return BEAMC_OK;
}

static beamc_status parse_pardo(beamc_fuser *f, const Pipe__PTransform *t,
                                const Pipe__ParDoPayload **out, beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(
        err,
        beamc__proto_unpack_arena(&pipe__par_do_payload__descriptor,
                                  beamc_slice_of(t->spec->payload.data, t->spec->payload.len),
                                  f->arena, &message, err),
        "transform %s: ParDoPayload", t->unique_name);
    *out = (const Pipe__ParDoPayload *)message;
    return BEAMC_OK;
}

typedef struct leaf_kind {
    const char *urn;
    beamc_fx_kind kind;
    size_t inputs; /* exactly; SIZE_MAX: any */
} leaf_kind;

static const leaf_kind leaves[] = {
    {BEAMC_URN_PRIMITIVE_PAR_DO, BEAMC_FX_WORKER, SIZE_MAX},
    {BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_PRIMITIVE_MAP_WINDOWS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_PRIMITIVE_MERGE_WINDOWS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_PRIMITIVE_TO_STRING, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES, BEAMC_FX_WORKER, 1},
    {BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, BEAMC_FX_WORKER, SIZE_MAX},
    {BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, BEAMC_FX_WORKER, SIZE_MAX},
    {BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, BEAMC_FX_WORKER, SIZE_MAX},
    {BEAMC_URN_PRIMITIVE_GROUP_BY_KEY, BEAMC_FX_GROUP, 1},
    {BEAMC_URN_PRIMITIVE_FLATTEN, BEAMC_FX_FLATTEN, SIZE_MAX},
    {BEAMC_URN_PRIMITIVE_IMPULSE, BEAMC_FX_IMPULSE, 0},
    {BEAMC_URN_PRIMITIVE_TEST_STREAM, BEAMC_FX_TEST_STREAM, 0},
    {BEAMC_URN_COMPOSITE_RESHUFFLE, BEAMC_FX_RESHUFFLE, 1},
    {BEAMC_URN_COMPOSITE_REDISTRIBUTE_BY_KEY, BEAMC_FX_RESHUFFLE, 1},
    {BEAMC_URN_COMPOSITE_REDISTRIBUTE_ARBITRARILY, BEAMC_FX_RESHUFFLE, 1},
};

static const leaf_kind *find_leaf(const char *urn) {
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        if (BEAMC_FUSE_STREQ(leaves[i].urn, urn)) {
            return &leaves[i];
        }
    }
    return NULL;
}

static beamc_status add_leaf(beamc_fuser *f, const char *id, const Pipe__PTransform *t,
                             const leaf_kind *kind, beamc_error *err) {
    const char *name = t->unique_name[0] != '\0' ? t->unique_name : id;
    const Pipe__ParDoPayload *pardo = NULL;
    if (kind->inputs == SIZE_MAX && kind->kind == BEAMC_FX_WORKER) {
        BEAMC_TRY(parse_pardo(f, t, &pardo, err));
        if (pardo->restriction_coder_id[0] != '\0' &&
            BEAMC_FUSE_STREQ(t->spec->urn, BEAMC_URN_PRIMITIVE_PAR_DO)) {
            return beamc__fuse_splittable(f, id, t, pardo, err);
        }
    }
    if (kind->inputs != SIZE_MAX && t->n_inputs != kind->inputs) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s (%s) has %zu inputs, not %zu", name,
                          t->spec->urn, t->n_inputs, kind->inputs);
    }
    if (kind->kind != BEAMC_FX_WORKER && kind->kind != BEAMC_FX_TEST_STREAM && t->n_outputs != 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s (%s) has %zu outputs, not one", name,
                          t->spec->urn, t->n_outputs);
    }
    beamc_fx_transform *x = beamc__fuse_add_transform(
        f, id, name, name, t->spec->urn,
        beamc_slice_of(t->spec->payload.data, t->spec->payload.len), t->environment_id);
    x->kind = kind->kind;
    x->proto = t;
    x->pardo = pardo;
    x->process_sized =
        BEAMC_FUSE_STREQ(x->urn, BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS);
    x->stateful = pardo != NULL && (pardo->n_state_specs > 0 || pardo->n_timer_family_specs > 0 ||
                                    pardo->on_window_expiration_timer_family_spec[0] != '\0');
    BEAMC_TRY(add_edges(f, x, t, err));
    return kind->kind == BEAMC_FX_WORKER ? set_main_input(x, err) : BEAMC_OK;
}

/* A composite without parts stands for nothing where all that it gives, it got. */
static bool is_identity(const Pipe__PTransform *t) {
    for (size_t o = 0; o < t->n_outputs; o++) {
        size_t i = 0;
        while (i < t->n_inputs && !BEAMC_FUSE_STREQ(t->inputs[i]->value, t->outputs[o]->value)) {
            i++;
        }
        if (i == t->n_inputs) {
            return false;
        }
    }
    return true;
}

static beamc_status visit(beamc_fuser *f, const char *id, unsigned depth, beamc_error *err) {
    uint32_t at = beamc__idmap_get(&f->transform_ids, id);
    const Pipe__PTransform *t = at == BEAMC_FUSE_NONE ? NULL : f->components->transforms[at]->value;
    if (t == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s does not exist", id);
    }
    if (depth > BEAMC_FUSE_MAX_NESTING) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "transform %s: composites are nested more than %d deep, or in a circle",
                          t->unique_name, BEAMC_FUSE_MAX_NESTING);
    }
    const char *urn = t->spec == NULL ? "" : t->spec->urn;
    if (BEAMC_FUSE_STREQ(urn, BEAMC_URN_COMPOSITE_COMBINE_PER_KEY)) {
        bool done;
        BEAMC_TRY(beamc__fuse_combine(f, id, t, &done, err));
        if (done) {
            return BEAMC_OK;
        }
    }
    const leaf_kind *kind = find_leaf(urn);
    bool replace =
        kind != NULL && kind->kind == BEAMC_FX_RESHUFFLE && t->n_inputs == 1 && t->n_outputs == 1;
    if (t->n_subtransforms > 0 && !replace) {
        for (size_t i = 0; i < t->n_subtransforms; i++) {
            BEAMC_TRY(visit(f, t->subtransforms[i], depth + 1, err));
        }
        return BEAMC_OK;
    }
    if (kind != NULL) {
        if (beamc__idmap_get(&f->steps, id) != BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s is in two composites",
                              t->unique_name);
        }
        return add_leaf(f, id, t, kind, err);
    }
    if (is_identity(t)) {
        return BEAMC_OK;
    }
    return BEAMC_FAIL(err, UNIMPLEMENTED,
                      "transform %s: the local runner does not know %s and it has no parts",
                      t->unique_name, urn[0] != '\0' ? urn : "a transform without a URN");
}

beamc_status beamc__fuse_expand(beamc_fuser *f, beamc_error *err) {
    BEAMC_TRY(index_pcolls(f, err));
    for (size_t i = 0; i < f->components->n_transforms; i++) {
        if (!beamc__idmap_put(&f->transform_ids, f->arena, f->components->transforms[i]->key,
                              (uint32_t)i)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s is there twice",
                              f->components->transforms[i]->key);
        }
    }
    for (size_t i = 0; i < f->pipeline->n_root_transform_ids; i++) {
        BEAMC_TRY(visit(f, f->pipeline->root_transform_ids[i], 0, err));
    }
    return BEAMC_OK;
}

/* Who makes and who takes each collection. */
static beamc_status connect(beamc_fuser *f, beamc_error *err) {
    for (uint32_t i = 0; i < f->transform_count; i++) {
        beamc_fx_transform *t = &f->transforms[i];
        for (size_t o = 0; o < t->output_count; o++) {
            beamc_fx_pcoll *p = &f->pcolls[t->outputs[o].pcoll];
            if (p->producer != BEAMC_FUSE_NONE) {
                return BEAMC_FAIL(err, INVALID_ARGUMENT, "PCollection %s comes from both %s and %s",
                                  p->name, f->transforms[p->producer].name, t->name);
            }
            p->producer = i;
        }
        for (uint32_t k = 0; k < t->input_count; k++) {
            beamc_fx_pcoll *p = &f->pcolls[t->inputs[k].pcoll];
            beamc_fx_use *use = beamc__fuse_push(f->arena, &p->uses, &p->use_count, sizeof *use);
            *use = (beamc_fx_use){i, k};
        }
    }
    for (size_t i = 0; i < f->pcoll_count; i++) {
        const beamc_fx_pcoll *p = &f->pcolls[i];
        if (p->producer == BEAMC_FUSE_NONE && p->use_count > 0) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "PCollection %s, an input of %s, comes from no transform", p->name,
                              f->transforms[p->uses[0].transform].name);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__fuse_order(beamc_fuser *f, beamc_error *err) {
    BEAMC_TRY(connect(f, err));
    f->order = beamc_arena_alloc(f->arena, (f->transform_count + 1) * sizeof *f->order);
    size_t done = 0;
    for (uint32_t i = 0; i < f->transform_count; i++) {
        f->transforms[i].waits = (unsigned)f->transforms[i].input_count;
        if (f->transforms[i].waits == 0) {
            f->order[done++] = i;
        }
    }
    for (size_t next = 0; next < done; next++) {
        const beamc_fx_transform *t = &f->transforms[f->order[next]];
        for (size_t o = 0; o < t->output_count; o++) {
            const beamc_fx_pcoll *p = &f->pcolls[t->outputs[o].pcoll];
            for (size_t u = 0; u < p->use_count; u++) {
                if (--f->transforms[p->uses[u].transform].waits == 0) {
                    f->order[done++] = p->uses[u].transform;
                }
            }
        }
    }
    for (size_t i = 0; i < f->transform_count; i++) {
        if (f->transforms[i].waits > 0) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s depends on its own output",
                              f->transforms[i].name);
        }
    }
    return BEAMC_OK;
}
