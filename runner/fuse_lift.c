/* fuse_lift.c: composites and ParDos that a runner replaces by their runner-known pieces
 * (beam_runner_api.proto, StandardPTransforms.CombineComponents and SplittableParDoComponents).
 *
 *   combine      KV<K,V> -precombine-> KV<K,A> -GBK-> KV<K,iter A> -merge-> KV<K,A> -extract-> KV<K,O>
 *   splittable   E -pair-> KV<E,R> -split and size-> KV<KV<E,R>,double> -process sized-> outputs */
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

/* The environment of the first part that has one, when the composite names none. */
static const char *environment_of(const beamc_fuser *f, const Pipe__PTransform *t, unsigned depth) {
    if (t->environment_id[0] != '\0' || depth > BEAMC_FUSE_MAX_NESTING) {
        return t->environment_id;
    }
    for (size_t i = 0; i < t->n_subtransforms; i++) {
        uint32_t at = beamc__idmap_get(&f->transform_ids, t->subtransforms[i]);
        if (at == BEAMC_FUSE_NONE || f->components->transforms[at]->value == NULL) {
            continue;
        }
        const char *env = environment_of(f, f->components->transforms[at]->value, depth + 1);
        if (env[0] != '\0') {
            return env;
        }
    }
    return "";
}

/* Lifting changes how many elements reach the grouping, and needs windows that are final. The earliest
 * timestamp of a pane is that of elements which are not late, and which are is known behind it only. */
static bool may_lift(const beamc_fuser *f, uint32_t input) {
    const Pipe__WindowingStrategy *w = beamc__fuse_strategy(f, f->pcolls[input].windowing);
    return !f->options->no_lifting && w != NULL &&
           !(f->pcolls[input].unbounded &&
             w->output_time == PIPE__OUTPUT_TIME__ENUM__EARLIEST_IN_PANE) &&
           w->merge_status != PIPE__MERGE_STATUS__ENUM__NEEDS_MERGE &&
           !beamc__fuse_counts_elements(w->trigger);
}

typedef struct lifted {
    beamc_fuser *f;
    const char *id, *name;
    const char *environment;
    beamc_slice payload;
} lifted;

static beamc_fx_transform *add_piece(const lifted *l, const char *part, const char *urn,
                                     uint32_t in, uint32_t out) {
    beamc_arena *a = l->f->arena;
    beamc_fx_transform *t = beamc__fuse_add_transform(
        l->f, beamc_arena_printf(a, "%s/%s", l->id, part),
        beamc_arena_printf(a, "%s/%s", l->name, part), l->name, urn, l->payload, l->environment);
    beamc__fuse_add_input(l->f, t, "in", in);
    beamc__fuse_add_output(l->f, t, "out", out);
    t->main_input = 0;
    return t;
}

static uint32_t add_middle(const lifted *l, const char *part, const char *coder, uint32_t like) {
    return beamc__fuse_add_pcoll(l->f, beamc_arena_printf(l->f->arena, "%s/%s.out", l->id, part),
                                 coder, like);
}

beamc_status beamc__fuse_combine(beamc_fuser *f, const char *id, const Pipe__PTransform *t,
                                 bool *done, beamc_error *err) {
    *done = false;
    if (t->n_inputs != 1 || t->n_outputs != 1) {
        return BEAMC_OK; /* side inputs: not lifted */
    }
    uint32_t in = beamc__idmap_get(&f->pcoll_ids, t->inputs[0]->value);
    uint32_t out = beamc__idmap_get(&f->pcoll_ids, t->outputs[0]->value);
    if (in == BEAMC_FUSE_NONE || out == BEAMC_FUSE_NONE) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s: its PCollections do not exist",
                          t->unique_name);
    }
    lifted l = {f, id, t->unique_name[0] != '\0' ? t->unique_name : id, environment_of(f, t, 0),
                beamc_slice_of(t->spec->payload.data, t->spec->payload.len)};
    if (l.environment[0] == '\0' || !may_lift(f, in)) {
        if (t->n_subtransforms > 0) {
            return BEAMC_OK;
        }
        return BEAMC_FAIL(err, UNIMPLEMENTED,
                          "transform %s: a combine that cannot be lifted needs its parts", l.name);
    }
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(err,
                  beamc__proto_unpack_arena(&pipe__combine_payload__descriptor, l.payload, f->arena,
                                            &message, err),
                  "transform %s: CombinePayload", l.name);
    const char *acc = ((const Pipe__CombinePayload *)message)->accumulator_coder_id;
    const Pipe__Coder *kv = beamc__fuse_coder(f, f->pcolls[in].coder);
    if (kv == NULL || kv->spec == NULL || !BEAMC_FUSE_STREQ(kv->spec->urn, BEAMC_URN_CODER_KV) ||
        kv->n_component_coder_ids != 2 || beamc__fuse_coder(f, acc) == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "transform %s: a combine needs a KV input and an accumulator coder",
                          l.name);
    }
    const char *key = kv->component_coder_ids[0];
    const char *pair = beamc__fuse_make_coder(f, BEAMC_URN_CODER_KV, key, acc);
    const char *many = beamc__fuse_make_coder(f, BEAMC_URN_CODER_ITERABLE, acc, NULL);
    const char *group = beamc__fuse_make_coder(f, BEAMC_URN_CODER_KV, key, many);
    uint32_t p1 = add_middle(&l, "precombine", pair, in);
    uint32_t p2 = add_middle(&l, "group", group, out);
    uint32_t p3 = add_middle(&l, "merge", pair, out);
    add_piece(&l, "precombine", BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, in, p1);
    beamc_fx_transform *g = add_piece(&l, "group", BEAMC_URN_PRIMITIVE_GROUP_BY_KEY, p1, p2);
    g->kind = BEAMC_FX_GROUP;
    g->payload = (beamc_slice){NULL, 0};
    g->environment = "";
    g->compaction_of = p1;
    g->combine_payload = l.payload;
    g->combine_environment = l.environment;
    add_piece(&l, "merge", BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS, p2, p3);
    /* Under the composite's own id: what the user's combiner counts belongs to it. */
    beamc_fx_transform *x = add_piece(
        &l, "extract", BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, p3, out);
    x->name = l.name;
    *done = true;
    return BEAMC_OK;
}

/* One of the three pieces: the same payload and side inputs, another main input. */
static beamc_fx_transform *add_sdf_piece(beamc_fuser *f, const char *id, const char *suffix,
                                         const Pipe__PTransform *t, const char *urn,
                                         const Pipe__ParDoPayload *pardo, uint32_t main) {
    const char *name = t->unique_name[0] != '\0' ? t->unique_name : id;
    beamc_fx_transform *x = beamc__fuse_add_transform(
        f, suffix == NULL ? id : beamc_arena_printf(f->arena, "%s/%s", id, suffix),
        suffix == NULL ? name : beamc_arena_printf(f->arena, "%s/%s", name, suffix), name, urn,
        beamc_slice_of(t->spec->payload.data, t->spec->payload.len), t->environment_id);
    x->pardo = pardo;
    for (size_t i = 0; i < t->n_inputs; i++) {
        uint32_t p = beamc__idmap_get(&f->pcoll_ids, t->inputs[i]->value);
        bool side = false;
        for (size_t s = 0; s < pardo->n_side_inputs; s++) {
            side |= BEAMC_FUSE_STREQ(pardo->side_inputs[s]->key, t->inputs[i]->key);
        }
        if (!side) {
            x->main_input = (uint32_t)i;
        }
        beamc__fuse_add_input(f, x, t->inputs[i]->key, side ? p : main);
    }
    return x;
}

beamc_status beamc__fuse_splittable(beamc_fuser *f, const char *id, const Pipe__PTransform *t,
                                    const Pipe__ParDoPayload *pardo, beamc_error *err) {
    const char *name = t->unique_name[0] != '\0' ? t->unique_name : id;
    if (pardo->n_state_specs > 0 || pardo->n_timer_family_specs > 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "transform %s: a splittable DoFn cannot have state or timers", name);
    }
    uint32_t in = BEAMC_FUSE_NONE;
    size_t mains = 0;
    for (size_t i = 0; i < t->n_inputs; i++) {
        uint32_t p = beamc__idmap_get(&f->pcoll_ids, t->inputs[i]->value);
        if (p == BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s: PCollection %s does not exist",
                              name, t->inputs[i]->value);
        }
        bool side = false;
        for (size_t s = 0; s < pardo->n_side_inputs; s++) {
            side |= BEAMC_FUSE_STREQ(pardo->side_inputs[s]->key, t->inputs[i]->key);
        }
        if (!side) {
            in = p;
            mains++;
        }
    }
    if (mains != 1) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s has %zu main inputs, not one", name,
                          mains);
    }
    if (beamc__fuse_coder(f, pardo->restriction_coder_id) == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "transform %s: restriction coder %s does not exist", name,
                          pardo->restriction_coder_id);
    }
    const char *paired = beamc__fuse_make_coder(f, BEAMC_URN_CODER_KV, f->pcolls[in].coder,
                                                pardo->restriction_coder_id);
    const char *size = beamc__fuse_make_coder(f, BEAMC_URN_CODER_DOUBLE, NULL, NULL);
    const char *sized = beamc__fuse_make_coder(f, BEAMC_URN_CODER_KV, paired, size);
    uint32_t p1 =
        beamc__fuse_add_pcoll(f, beamc_arena_printf(f->arena, "%s/pair.out", id), paired, in);
    uint32_t p2 =
        beamc__fuse_add_pcoll(f, beamc_arena_printf(f->arena, "%s/split.out", id), sized, in);
    beamc_fx_transform *x =
        add_sdf_piece(f, id, "pair", t, BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, pardo, in);
    beamc__fuse_add_output(f, x, "out", p1);
    x = add_sdf_piece(f, id, "split", t, BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, pardo,
                      p1);
    beamc__fuse_add_output(f, x, "out", p2);
    /* Under the user's own id: its metrics and errors are those of the DoFn. */
    x = add_sdf_piece(f, id, NULL, t,
                      BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, pardo, p2);
    x->proto = t;
    x->process_sized = true;
    for (size_t o = 0; o < t->n_outputs; o++) {
        uint32_t p = beamc__idmap_get(&f->pcoll_ids, t->outputs[o]->value);
        if (p == BEAMC_FUSE_NONE) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "transform %s: PCollection %s does not exist",
                              name, t->outputs[o]->value);
        }
        beamc__fuse_add_output(f, x, t->outputs[o]->key, p);
    }
    return BEAMC_OK;
}
