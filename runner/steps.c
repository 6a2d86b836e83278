/* steps.c: see steps.h. */
#include "runner/steps.h"

#include <stdlib.h>
#include <string.h>

#include "beam_model/beam_runner_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"
#include "runner/engine/hash.h"

enum { MAX_DEPTH = 64 };

typedef struct steps {
    beamc_arena *arena;
    const Pipe__Components *components;
    uint64_t hash; /* of the step at hand */
} steps;

static void mix(steps *s, beamc_slice bytes) {
    s->hash = beamc_hash_fold(s->hash ^ 0x9e3779b97f4a7c15u, beamc_hash(bytes) | 1);
}

static void mix_text(steps *s, const char *text) {
    mix(s, beamc_str(text));
}

static void mix_message(steps *s, const ProtobufCMessage *m) {
    mix(s, m == NULL ? beamc_str("") : beamc__proto_pack(s->arena, m));
}

/* By what it is, not by its id. */
static void mix_coder(steps *s, const char *id, unsigned depth) {
    for (size_t i = 0; i < s->components->n_coders && depth < MAX_DEPTH; i++) {
        const Pipe__Coder *c = s->components->coders[i]->value;
        if (c == NULL || strcmp(s->components->coders[i]->key, id) != 0) {
            continue;
        }
        mix_message(s, c->spec == NULL ? NULL : &c->spec->base);
        for (size_t k = 0; k < c->n_component_coder_ids; k++) {
            mix_coder(s, c->component_coder_ids[k], depth + 1);
        }
    }
}

static void mix_windowing(steps *s, const char *id) {
    for (size_t i = 0; i < s->components->n_windowing_strategies; i++) {
        const Pipe__WindowingStrategy *w = s->components->windowing_strategies[i]->value;
        if (w == NULL || strcmp(s->components->windowing_strategies[i]->key, id) != 0) {
            continue;
        }
        Pipe__WindowingStrategy plain = *w;
        plain.window_coder_id = plain.environment_id = (char *)(uintptr_t) "";
        mix_message(s, &plain.base);
    }
}

static void mix_pcoll(steps *s, const char *id) {
    for (size_t i = 0; i < s->components->n_pcollections; i++) {
        const Pipe__PCollection *p = s->components->pcollections[i]->value;
        if (p != NULL && strcmp(s->components->pcollections[i]->key, id) == 0) {
            mix_coder(s, p->coder_id, 0);
            mix_windowing(s, p->windowing_strategy_id);
        }
    }
}

static void mix_state(steps *s, const Pipe__ParDoPayload *p) {
    for (size_t i = 0; i < p->n_state_specs; i++) {
        mix_text(s, p->state_specs[i]->key);
        mix_message(s, p->state_specs[i]->value == NULL ? NULL : &p->state_specs[i]->value->base);
    }
    for (size_t i = 0; i < p->n_timer_family_specs; i++) {
        mix_text(s, p->timer_family_specs[i]->key);
    }
}

/* The functions that a payload names. */
static beamc_status mix_function(steps *s, const Pipe__FunctionSpec *spec, beamc_error *err) {
    beamc_slice payload = beamc_slice_of(spec->payload.data, spec->payload.len);
    ProtobufCMessage *m;
    if (strcmp(spec->urn, BEAMC_URN_PRIMITIVE_PAR_DO) == 0) {
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__par_do_payload__descriptor, payload, s->arena,
                                            &m, err));
        const Pipe__ParDoPayload *p = (const Pipe__ParDoPayload *)m;
        mix_text(s, p->do_fn == NULL ? "" : p->do_fn->urn);
        mix_coder(s, p->restriction_coder_id, 0);
        mix_state(s, p);
    } else if (strcmp(spec->urn, BEAMC_URN_COMPOSITE_COMBINE_PER_KEY) == 0) {
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__combine_payload__descriptor, payload, s->arena,
                                            &m, err));
        const Pipe__CombinePayload *p = (const Pipe__CombinePayload *)m;
        mix_text(s, p->combine_fn == NULL ? "" : p->combine_fn->urn);
        mix_coder(s, p->accumulator_coder_id, 0);
    }
    return BEAMC_OK;
}

static beamc_status hash_step(steps *s, const Pipe__PTransform *t, beamc_error *err) {
    s->hash = 0;
    mix_text(s, t->spec->urn);
    for (size_t o = 0; o < t->n_outputs; o++) {
        mix_pcoll(s, t->outputs[o]->value);
    }
    BEAMC_TRY_CTX(err, mix_function(s, t->spec, err), "transform %s", t->unique_name);
    return BEAMC_OK;
}

static int by_name(const void *a, const void *b) {
    const Pipe__PTransform *const *x = a, *const *y = b;
    return strcmp((*x)->unique_name, (*y)->unique_name);
}

beamc_status beamc__steps_of(beamc_slice proto, beamc_buf *out, beamc_error *err) {
    steps s = {.arena = beamc_arena_new(0)};
    ProtobufCMessage *m;
    beamc_status status =
        beamc__proto_unpack_arena(&pipe__pipeline__descriptor, proto, s.arena, &m, err);
    s.components = status == BEAMC_OK ? ((const Pipe__Pipeline *)m)->components : NULL;
    size_t count = s.components == NULL ? 0 : s.components->n_transforms, kept = 0;
    const Pipe__PTransform **all = beamc_arena_alloc(s.arena, (count + 1) * sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        const Pipe__PTransform *t = s.components->transforms[i]->value;
        if (t != NULL && t->spec != NULL && t->spec->urn[0] != '\0') {
            all[kept++] = t;
        }
    }
    qsort(all, kept, sizeof(void *), by_name);
    for (size_t i = 0; i < kept && status == BEAMC_OK; i++) {
        status = hash_step(&s, all[i], err);
        beamc_buf_printf(out, "%s\t%016llx\n", all[i]->unique_name, (unsigned long long)s.hash);
    }
    beamc_arena_free(s.arena);
    return status;
}
