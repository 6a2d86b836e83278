/* translate_pardo.c: ParDoPayload (beam_runner_api.proto): the DoFn, its outputs, side inputs, state
 * and timers. */
#include "worker/exec/side_input.h"
#include "worker/exec/timers.h"
#include "worker/exec/translate.h"
#include "worker/exec/user_state.h"

/* ------------------------------------------------------------------------------- the payload */

static const Pipe__SideInput *side_input(const Pipe__ParDoPayload *p, const char *tag) {
    for (size_t i = 0; i < p->n_side_inputs; i++) {
        if (strcmp(p->side_inputs[i]->key, tag) == 0) {
            return p->side_inputs[i]->value;
        }
    }
    return NULL;
}

/* Leaves the main input as the node's only one. */
static beamc_status find_main_input(beamc_tr *tr, beamc_tr_node *node) {
    size_t mains = 0;
    for (size_t i = 0; i < node->input_count; i++) {
        if (side_input(node->pardo, node->inputs[i].tag) == NULL) {
            node->inputs[mains++] = node->inputs[i];
        }
    }
    node->input_count = mains;
    if (mains != 1) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                          "has %zu main inputs; a ParDo has 1, the others are side inputs", mains);
    }
    return BEAMC_OK;
}

/* A payload may replace the coders of a generic function only: others give what their table says. */
static beamc_status check_outputs(beamc_tr *tr, const beamc_tr_node *node) {
    for (size_t i = 0; i < node->decoded.output_count; i++) {
        const beamc_coder *own = node->fn->outputs[i].coder;
        if (own != NULL && !beamc__coder_same_memory(own, node->decoded.outputs[i])) {
            return BEAMC_FAIL(
                tr->err, INVALID_ARGUMENT,
                "output %s of DoFn %s has another coder in this job than in the DoFn's "
                "table",
                node->fn->outputs[i].name, node->fn->urn);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__tr_read_pardo(beamc_tr *tr, beamc_tr_node *node) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&pipe__par_do_payload__descriptor, node->payload,
                                            tr->arena, &message, tr->err),
                  "ParDoPayload");
    node->pardo = (const Pipe__ParDoPayload *)message;
    const Pipe__FunctionSpec *spec = node->pardo->do_fn;
    if (spec == NULL || tr->env->library == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the ParDo names no function");
    }
    beamc_slice urn = beamc_str(spec->urn);
    beamc_slice payload = beamc__tr_bytes(spec->payload);
    node->fn = beamc__library_dofn(tr->env->library, urn);
    if (node->fn != NULL) {
        BEAMC_TRY_CTX(tr->err,
                      beamc__payload_decode_dofn(node->fn, payload, &tr->rows, tr->arena,
                                                 &node->decoded, tr->err),
                      "DoFn %s", spec->urn);
        BEAMC_TRY(check_outputs(tr, node));
    } else {
        node->combiner = beamc__library_combiner(tr->env->library, urn);
        if (node->combiner == NULL) {
            return beamc__library_missing(tr->env->library, urn, tr->err);
        }
        BEAMC_TRY_CTX(tr->err,
                      beamc__payload_decode_combiner(node->combiner, payload, &tr->rows, tr->arena,
                                                     &node->decoded, tr->err),
                      "combiner %s", spec->urn);
    }
    return find_main_input(tr, node);
}

beamc_status beamc__tr_prepare_pardo(beamc_tr *tr, beamc_tr_node *node) {
    BEAMC_TRY(beamc__tr_read_pardo(tr, node));
    if (node->fn == NULL) {
        const beamc_coder *values =
            beamc__tr_wrap(tr, BEAMC_CODER_ITERABLE, node->decoded.input, NULL);
        node->expected = beamc__tr_kv(tr, NULL, values);
    } else {
        node->expected = node->decoded.input;
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------- outputs */

static const beamc_coder *output_memory(beamc_tr *tr, const beamc_tr_node *node, unsigned i,
                                        const beamc_tr_pcol *pcol) {
    if (i < node->decoded.output_count && node->decoded.outputs[i] != NULL) {
        return node->decoded.outputs[i];
    }
    const beamc_coder *wire;
    return beamc__tr_coder(tr, pcol->proto->coder_id, &wire) == BEAMC_OK ? wire : NULL;
}

beamc_status beamc__tr_pardo_outputs(beamc_tr *tr, beamc_tr_node *node, beamc_pcol **outputs) {
    unsigned count = beamc_dofn_output_count(node->fn);
    for (size_t k = 0; k < node->output_count; k++) {
        const beamc_tr_edge *out = &node->outputs[k];
        unsigned i = 0;
        while (i < count && strcmp(node->fn->outputs[i].name, out->tag) != 0) {
            i++;
        }
        if (i == count) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "output %s is not one of DoFn %s's",
                              out->tag, node->fn->urn);
        }
        const beamc_coder *memory = output_memory(tr, node, i, out->pcol);
        if (memory == NULL) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the coder of output %s is not known",
                              out->tag);
        }
        BEAMC_TRY(beamc__tr_set_memory(tr, out->pcol, memory));
        outputs[i] = out->pcol->pc;
    }
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------- side inputs */

static const char *input_pcol(const beamc_tr_node *node, const char *tag) {
    for (size_t i = 0; i < node->proto->n_inputs; i++) {
        if (strcmp(node->proto->inputs[i]->key, tag) == 0) {
            return node->proto->inputs[i]->value;
        }
    }
    return NULL;
}

static beamc_status read_side(beamc_tr *tr, beamc_tr_node *node, const char *tag,
                              const Pipe__SideInput *spec, beamc_side *side) {
    const char *id = input_pcol(node, tag);
    beamc_tr_pcol *pcol = id != NULL ? beamc__tr_pcol(tr, id) : NULL;
    if (pcol == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "has no input of that tag");
    }
    const char *pattern = spec->access_pattern != NULL ? spec->access_pattern->urn : "";
    side->multimap = strcmp(pattern, BEAMC_URN_SIDE_INPUT_MULTIMAP) == 0;
    if (!side->multimap && strcmp(pattern, BEAMC_URN_SIDE_INPUT_ITERABLE) != 0) {
        return BEAMC_FAIL(tr->err, UNIMPLEMENTED, "access pattern %s is not known", pattern);
    }
    if (pcol->window_coder == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "PCollection %s has no known windows",
                          pcol->id);
    }
    const beamc_coder *element;
    BEAMC_TRY(beamc__tr_coder(tr, pcol->proto->coder_id, &element));
    if (side->multimap) {
        const beamc_coder *kv = beamc__tr_unwrap(element);
        if (kv->kind != BEAMC_CODER_KV) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "a multimap of elements that are no KVs");
        }
        side->key = kv->args[0];
        element = kv->args[1];
    }
    side->element = element;
    side->transform_id = node->id;
    side->id = tag;
    side->window_coder = pcol->window_coder;
    side->windows = pcol->windows;
    return BEAMC_OK;
}

beamc_status beamc__tr_finish_ctx(beamc_tr *tr, beamc_tr_node *node, beamc_pardo *p) {
    p->ctx.input_coder = node->decoded.input != NULL ? node->decoded.input : node->in;
    for (size_t i = 0; i < node->decoded.output_count; i++) {
        p->ctx.output_coders[i] = node->decoded.outputs[i];
    }
    unsigned count = beamc_dofn_side_input_count(node->fn);
    if (count == 0) {
        return BEAMC_OK;
    }
    p->ctx.sides = beamc_arena_zalloc(tr->arena, count * sizeof *p->ctx.sides);
    for (unsigned i = 0; i < count; i++) {
        const char *tag = node->fn->side_inputs[i];
        const Pipe__SideInput *spec = side_input(node->pardo, tag);
        if (spec == NULL) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "side input %s is not in the payload",
                              tag);
        }
        beamc__side_init(&p->ctx.sides[i], tr->plan);
        p->ctx.side_count = i + 1;
        BEAMC_TRY_CTX(tr->err, read_side(tr, node, tag, spec, &p->ctx.sides[i]), "side input %s",
                      tag);
    }
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------------- state */

static const Pipe__StateSpec *state_spec(const Pipe__ParDoPayload *p, const char *id) {
    for (size_t i = 0; i < p->n_state_specs; i++) {
        if (strcmp(p->state_specs[i]->key, id) == 0) {
            return p->state_specs[i]->value;
        }
    }
    return NULL;
}

/* Coder ids of a spec; NULL where there is none. */
static beamc_state_kind spec_coders(const Pipe__StateSpec *s, const char **coder,
                                    const char **key_coder) {
    *coder = *key_coder = NULL;
    switch (s->spec_case) {
    case PIPE__STATE_SPEC__SPEC_READ_MODIFY_WRITE_SPEC:
        *coder = s->read_modify_write_spec->coder_id;
        return BEAMC_STATE_VALUE;
    case PIPE__STATE_SPEC__SPEC_BAG_SPEC:
        *coder = s->bag_spec->element_coder_id;
        return BEAMC_STATE_BAG;
    case PIPE__STATE_SPEC__SPEC_COMBINING_SPEC:
        *coder = s->combining_spec->accumulator_coder_id;
        return BEAMC_STATE_COMBINING;
    case PIPE__STATE_SPEC__SPEC_MAP_SPEC:
        *key_coder = s->map_spec->key_coder_id;
        *coder = s->map_spec->value_coder_id;
        return BEAMC_STATE_MAP;
    case PIPE__STATE_SPEC__SPEC_SET_SPEC:
        *key_coder = s->set_spec->element_coder_id;
        return BEAMC_STATE_SET;
    case PIPE__STATE_SPEC__SPEC_ORDERED_LIST_SPEC:
        *coder = s->ordered_list_spec->element_coder_id;
        return BEAMC_STATE_ORDERED_LIST;
    default:
        return (beamc_state_kind)0;
    }
}

static beamc_status bind_id(beamc_tr *tr, const char *id, const beamc_coder *memory,
                            const beamc_coder **out) {
    const beamc_coder *wire;
    BEAMC_TRY(beamc__tr_coder(tr, id, &wire));
    return beamc__coder_bind(tr->arena, wire, memory, out, tr->err);
}

static const beamc_unit_ops state_combiner_ops = {
    .name = "combining state", .setup = beamc__combine_setup, .teardown = beamc__combine_teardown};

static beamc_status make_combining(beamc_tr *tr, const beamc_tr_node *node,
                                   const beamc_state_spec *spec, const Pipe__StateSpec *proto,
                                   beamc_state_def *def) {
    const Pipe__FunctionSpec *fn = proto->combining_spec->combine_fn;
    beamc_payload payload = {0};
    if (fn != NULL) {
        BEAMC_TRY(beamc__payload_decode_combiner(spec->combiner, beamc__tr_bytes(fn->payload),
                                                 &tr->rows, tr->arena, &payload, tr->err));
    }
    def->combine = beamc_arena_zalloc(tr->arena, sizeof *def->combine);
    beamc__combine_init(
        def->combine, tr->plan,
        &(beamc_combine_spec){.id = node->id, .fn = spec->combiner, .config = payload.config},
        &state_combiner_ops);
    return BEAMC_OK;
}

static beamc_status make_state(beamc_tr *tr, const beamc_tr_node *node,
                               const beamc_state_spec *spec, beamc_state_def *def) {
    const Pipe__StateSpec *proto = state_spec(node->pardo, spec->name);
    if (proto == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "is not in the payload");
    }
    const char *coder, *key_coder;
    if (spec_coders(proto, &coder, &key_coder) != spec->kind) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the payload has it as another kind of state");
    }
    def->id = spec->name;
    def->kind = spec->kind;
    beamc_coder row = {0};
    const beamc_coder *memory = spec->coder;
    if (spec->kind == BEAMC_STATE_COMBINING) {
        BEAMC_TRY(make_combining(tr, node, spec, proto, def));
        row = (beamc_coder){BEAMC_CODER_ROW, {NULL, NULL}, spec->combiner->accumulator, NULL};
        memory = &row;
    }
    if (coder != NULL) {
        BEAMC_TRY(bind_id(tr, coder, memory, &def->coder));
    }
    return key_coder != NULL ? bind_id(tr, key_coder, spec->key_coder, &def->key_coder) : BEAMC_OK;
}

/* The coder of the input's keys as the runner knows it: state keys must be encoded with it. */
static beamc_status key_coder_of(beamc_tr *tr, const beamc_tr_node *node, const beamc_coder **key) {
    const beamc_coder *wire, *in;
    const beamc_tr_pcol *pcol = node->inputs[0].pcol;
    BEAMC_TRY(beamc__tr_coder(tr, pcol->proto->coder_id, &wire));
    wire = beamc__tr_unwrap(wire);
    in = beamc__tr_unwrap(node->in);
    if ((wire->kind != BEAMC_CODER_KV && wire->kind != BEAMC_CODER_SHARDED_KEY) ||
        (in->kind != BEAMC_CODER_KV && in->kind != BEAMC_CODER_SHARDED_KEY)) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                          "a DoFn with state or timers needs KV elements; PCollection %s has %s",
                          pcol->id, beamc_coder_urn(wire->kind));
    }
    if (pcol->window_coder == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                          "state needs windows; PCollection %s has none that are known", pcol->id);
    }
    return beamc__coder_bind(tr->arena, wire->args[0], in->args[0], key, tr->err);
}

/* -------------------------------------------------------------------------------------- timers */

static beamc_status make_family(beamc_tr *tr, const beamc_tr_node *node,
                                const Pipe__ParDoPayload__TimerFamilySpecsEntry *entry,
                                const beamc_coder *key, beamc_timers *timers) {
    beamc_timer_family family = {.id = entry->key};
    const Pipe__TimerFamilySpec *spec = entry->value;
    if (spec == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "is empty");
    }
    family.is_expiration =
        strcmp(entry->key, node->pardo->on_window_expiration_timer_family_spec) == 0;
    unsigned count = beamc_dofn_timer_count(node->fn);
    while (!family.is_expiration && family.index < count &&
           strcmp(node->fn->timers[family.index].name, entry->key) != 0) {
        family.index++;
    }
    if (!family.is_expiration && family.index == count) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "is not one of DoFn %s's", node->fn->urn);
    }
    family.domain = spec->time_domain == PIPE__TIME_DOMAIN__ENUM__PROCESSING_TIME
                        ? BEAMC_PROCESSING_TIME
                        : BEAMC_EVENT_TIME;
    BEAMC_TRY(bind_id(tr, spec->timer_family_coder_id,
                      beamc__tr_wrap(tr, BEAMC_CODER_TIMER, key, NULL), &family.coder));
    const Pipe__ApiServiceDescriptor *service = tr->descriptor->timer_api_service_descriptor;
    beamc_status status =
        beamc__timers_add_family(timers, &family, service != NULL ? service->url : "");
    return status == BEAMC_OK ? status
                              : beamc_error_set(tr->err, status, "%s", tr->plan->error.message);
}

static beamc_status make_timers(beamc_tr *tr, const beamc_tr_node *node, const beamc_coder *key,
                                beamc_pardo *p) {
    if (node->pardo->n_timer_family_specs == 0) {
        return BEAMC_OK;
    }
    beamc_timers *timers = beamc__timers_new(p);
    timers->allowed_lateness_ms = node->inputs[0].pcol->allowed_lateness_ms;
    for (size_t i = 0; i < node->pardo->n_timer_family_specs; i++) {
        const Pipe__ParDoPayload__TimerFamilySpecsEntry *entry = node->pardo->timer_family_specs[i];
        BEAMC_TRY_CTX(tr->err, make_family(tr, node, entry, key, timers), "timer family %s",
                      entry->key);
    }
    return BEAMC_OK;
}

static beamc_status make_stateful(beamc_tr *tr, beamc_tr_node *node, beamc_pardo *p) {
    const beamc_coder *key;
    BEAMC_TRY(key_coder_of(tr, node, &key));
    beamc_user_state *state = beamc__user_state_new(p, key, node->inputs[0].pcol->window_coder);
    unsigned count = beamc_dofn_state_count(node->fn);
    for (unsigned i = 0; i < count; i++) {
        beamc_state_def def = {0};
        BEAMC_TRY_CTX(tr->err, make_state(tr, node, &node->fn->states[i], &def), "state %s",
                      node->fn->states[i].name);
        beamc__user_state_define(state, i, &def);
    }
    return make_timers(tr, node, beamc__tr_unwrap(node->in)->args[0], p);
}

beamc_status beamc__tr_build_pardo(beamc_tr *tr, beamc_tr_node *node) {
    if (node->fn == NULL) {
        return beamc__tr_build_grouped(tr, node);
    }
    if (node->fn->splittable != NULL) {
        return BEAMC_FAIL(tr->err, UNIMPLEMENTED,
                          "DoFn %s is splittable: the runner has to expand it before it is run",
                          node->fn->urn);
    }
    beamc_pcol *outputs[BEAMC_MAX_OUTPUTS] = {NULL};
    BEAMC_TRY(beamc__tr_pardo_outputs(tr, node, outputs));
    beamc_pardo *p = beamc__pardo_new(tr->plan, node->id, node->fn, node->decoded.config, outputs,
                                      beamc_dofn_output_count(node->fn));
    node->unit = &p->unit;
    BEAMC_TRY(beamc__tr_finish_ctx(tr, node, p));
    return beamc_dofn_is_stateful(node->fn) ? make_stateful(tr, node, p) : BEAMC_OK;
}
