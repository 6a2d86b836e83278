/* lower_pardo.c: ParDoPayload and CombinePayload (beam_runner_api.proto). */
#include "graph/lower.h"

#include "proto/beam_model/urns.h"

beamc_status beamc__lower_combine(beamc_lowering *l, const beamc_combiner *fn, beamc_slice payload,
                                  ProtobufCBinaryData *out, beamc_error *err) {
    beamc_coder acc = BEAMC_ROW_CODER(fn->accumulator);
    const char *acc_id;
    BEAMC_TRY(beamc__coder_table_id(&l->coders, &acc, &acc_id, err));
    Pipe__CombinePayload *m = beamc_pb_new(l->arena, &pipe__combine_payload__descriptor);
    m->combine_fn = beamc__lower_spec(l->arena, fn->urn, payload);
    m->accumulator_coder_id = beamc_pb_text(acc_id);
    *out = beamc_pb_pack(l->arena, m);
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------- side inputs */

static void lower_side_inputs(beamc_lowering *l, const beamc_node *n, Pipe__ParDoPayload *m) {
    m->side_inputs = beamc_arena_alloc(l->arena, n->input_count * sizeof *m->side_inputs);
    for (uint32_t i = 0; i < n->input_count; i++) {
        const beamc_node_input *in = &n->inputs[i];
        if (!in->is_side) {
            continue;
        }
        const beamc_strategy *s = &l->p->strategies[l->p->colls[in->coll].strategy];
        Pipe__SideInput *side = beamc_pb_new(l->arena, &pipe__side_input__descriptor);
        side->access_pattern = beamc__lower_spec(
            l->arena, in->multimap ? BEAMC_URN_SIDE_INPUT_MULTIMAP : BEAMC_URN_SIDE_INPUT_ITERABLE,
            (beamc_slice){0});
        side->view_fn = beamc__lower_spec(l->arena, BEAMC_URN_VIEW_FN, (beamc_slice){0});
        ProtobufCBinaryData fn =
            beamc_pb_pack(l->arena, beamc__lower_window_fn(l->arena, &s->w.fn));
        side->window_mapping_fn =
            beamc__lower_spec(l->arena, BEAMC_URN_WINDOW_MAPPING, beamc_slice_of(fn.data, fn.len));
        Pipe__ParDoPayload__SideInputsEntry *entry =
            beamc_pb_new(l->arena, &pipe__par_do_payload__side_inputs_entry__descriptor);
        entry->key = beamc_pb_text(in->tag);
        entry->value = side;
        m->side_inputs[m->n_side_inputs++] = entry;
    }
}

/* ------------------------------------------------------------------------------- user state */

/* StateSpec.protocol: which state API the runner must offer. Single values and accumulators live in
 * bags; maps and sets in multimaps. */
static const char *state_protocol(beamc_state_kind kind) {
    switch (kind) {
    case BEAMC_STATE_MAP:
    case BEAMC_STATE_SET:
        return BEAMC_URN_USER_STATE_MULTIMAP;
    case BEAMC_STATE_ORDERED_LIST:
        return BEAMC_URN_USER_STATE_ORDERED_LIST;
    default:
        return BEAMC_URN_USER_STATE_BAG;
    }
}

static beamc_status lower_combining(beamc_lowering *l, const beamc_state_spec *spec,
                                    Pipe__StateSpec *m, beamc_error *err) {
    beamc_buf payload = {0};
    beamc_status st =
        beamc__payload_encode_combiner(spec->combiner, NULL, spec->combiner->input, &payload, err);
    beamc_slice copy = beamc_arena_copy(l->arena, beamc_buf_slice(&payload));
    beamc_buf_free(&payload);
    BEAMC_TRY(st);
    beamc_coder acc = BEAMC_ROW_CODER(spec->combiner->accumulator);
    const char *id;
    BEAMC_TRY(beamc__coder_table_id(&l->coders, &acc, &id, err));
    m->spec_case = PIPE__STATE_SPEC__SPEC_COMBINING_SPEC;
    m->combining_spec = beamc_pb_new(l->arena, &pipe__combining_state_spec__descriptor);
    m->combining_spec->accumulator_coder_id = beamc_pb_text(id);
    m->combining_spec->combine_fn = beamc__lower_spec(l->arena, spec->combiner->urn, copy);
    return BEAMC_OK;
}

static beamc_status lower_state(beamc_lowering *l, const beamc_state_spec *spec, Pipe__StateSpec *m,
                                beamc_error *err) {
    const beamc_coder prefixed = {BEAMC_CODER_LENGTH_PREFIX, {spec->coder, NULL}, NULL, NULL};
    const char *coder = NULL;
    const char *key = NULL;
    if (spec->kind != BEAMC_STATE_COMBINING && spec->kind != BEAMC_STATE_SET) {
        BEAMC_TRY(beamc__coder_table_id(&l->coders, spec->coder, &coder, err));
    }
    if (spec->kind == BEAMC_STATE_MAP || spec->kind == BEAMC_STATE_SET) {
        BEAMC_TRY(beamc__coder_table_id(&l->coders, spec->key_coder, &key, err));
    }
    m->protocol = beamc__lower_spec(l->arena, state_protocol(spec->kind), (beamc_slice){0});
    switch (spec->kind) {
    case BEAMC_STATE_VALUE:
        m->spec_case = PIPE__STATE_SPEC__SPEC_READ_MODIFY_WRITE_SPEC;
        m->read_modify_write_spec =
            beamc_pb_new(l->arena, &pipe__read_modify_write_state_spec__descriptor);
        m->read_modify_write_spec->coder_id = beamc_pb_text(coder);
        return BEAMC_OK;
    case BEAMC_STATE_BAG:
        m->spec_case = PIPE__STATE_SPEC__SPEC_BAG_SPEC;
        m->bag_spec = beamc_pb_new(l->arena, &pipe__bag_state_spec__descriptor);
        m->bag_spec->element_coder_id = beamc_pb_text(coder);
        return BEAMC_OK;
    case BEAMC_STATE_COMBINING:
        return lower_combining(l, spec, m, err);
    case BEAMC_STATE_MAP:
        m->spec_case = PIPE__STATE_SPEC__SPEC_MAP_SPEC;
        m->map_spec = beamc_pb_new(l->arena, &pipe__map_state_spec__descriptor);
        m->map_spec->key_coder_id = beamc_pb_text(key);
        m->map_spec->value_coder_id = beamc_pb_text(coder);
        return BEAMC_OK;
    case BEAMC_STATE_SET:
        m->spec_case = PIPE__STATE_SPEC__SPEC_SET_SPEC;
        m->set_spec = beamc_pb_new(l->arena, &pipe__set_state_spec__descriptor);
        m->set_spec->element_coder_id = beamc_pb_text(key);
        return BEAMC_OK;
    case BEAMC_STATE_ORDERED_LIST:
        m->spec_case = PIPE__STATE_SPEC__SPEC_ORDERED_LIST_SPEC;
        m->ordered_list_spec = beamc_pb_new(l->arena, &pipe__ordered_list_state_spec__descriptor);
        /* Its values travel with their length, whatever they are, and Prism goes by the coder. */
        BEAMC_TRY(beamc__coder_table_id(&l->coders, &prefixed, &coder, err));
        m->ordered_list_spec->element_coder_id = beamc_pb_text(coder);
        return BEAMC_OK;
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "state \"%s\" has an unknown kind", spec->name);
}

static beamc_status lower_states(beamc_lowering *l, const beamc_dofn *fn, Pipe__ParDoPayload *m,
                                 beamc_error *err) {
    unsigned count = beamc_dofn_state_count(fn);
    m->state_specs = beamc_arena_alloc(l->arena, count * sizeof *m->state_specs);
    for (unsigned i = 0; i < count; i++) {
        Pipe__ParDoPayload__StateSpecsEntry *entry =
            beamc_pb_new(l->arena, &pipe__par_do_payload__state_specs_entry__descriptor);
        entry->key = beamc_pb_text(fn->states[i].name);
        entry->value = beamc_pb_new(l->arena, &pipe__state_spec__descriptor);
        BEAMC_TRY(lower_state(l, &fn->states[i], entry->value, err));
        m->state_specs[m->n_state_specs++] = entry;
    }
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- timers */

static void add_timer_family(beamc_lowering *l, Pipe__ParDoPayload *m, const char *name,
                             beamc_time_domain domain, const char *coder_id) {
    Pipe__ParDoPayload__TimerFamilySpecsEntry *entry =
        beamc_pb_new(l->arena, &pipe__par_do_payload__timer_family_specs_entry__descriptor);
    entry->key = beamc_pb_text(name);
    entry->value = beamc_pb_new(l->arena, &pipe__timer_family_spec__descriptor);
    entry->value->time_domain = domain == BEAMC_EVENT_TIME
                                    ? PIPE__TIME_DOMAIN__ENUM__EVENT_TIME
                                    : PIPE__TIME_DOMAIN__ENUM__PROCESSING_TIME;
    entry->value->timer_family_coder_id = beamc_pb_text(coder_id);
    m->timer_family_specs[m->n_timer_family_specs++] = entry;
}

static beamc_status lower_timers(beamc_lowering *l, const beamc_node *n, Pipe__ParDoPayload *m,
                                 beamc_error *err) {
    const beamc_dofn *fn = n->fn;
    unsigned count = beamc_dofn_timer_count(fn);
    if (count == 0 && fn->on_window_expiration == NULL) {
        return BEAMC_OK;
    }
    const beamc_coll *in = &l->p->colls[n->inputs[0].coll];
    beamc_coder timer = {
        .kind = BEAMC_CODER_TIMER,
        .args = {in->coder->args[0], beamc__lower_window_coder(&l->p->strategies[in->strategy])}};
    const char *coder_id;
    BEAMC_TRY(beamc__coder_table_id(&l->coders, &timer, &coder_id, err));
    m->timer_family_specs = beamc_arena_alloc(l->arena, (count + 1) * sizeof(void *));
    for (unsigned i = 0; i < count; i++) {
        add_timer_family(l, m, fn->timers[i].name, fn->timers[i].domain, coder_id);
    }
    if (fn->on_window_expiration != NULL) {
        add_timer_family(l, m, BEAMC_TIMER_FAMILY_EXPIRATION, BEAMC_EVENT_TIME, coder_id);
        m->on_window_expiration_timer_family_spec = beamc_pb_text(BEAMC_TIMER_FAMILY_EXPIRATION);
    }
    return BEAMC_OK;
}

/* -------------------------------------------------------------------------------- the payload */

beamc_status beamc__lower_pardo(beamc_lowering *l, const beamc_node *n, ProtobufCBinaryData *out,
                                beamc_error *err) {
    Pipe__ParDoPayload *m = beamc_pb_new(l->arena, &pipe__par_do_payload__descriptor);
    if (n->kind == BEAMC_NODE_COMBINE_LEAF) {
        m->do_fn = beamc__lower_spec(l->arena, n->combiner->urn, n->payload);
        *out = beamc_pb_pack(l->arena, m);
        return BEAMC_OK;
    }
    const beamc_dofn *fn = n->fn;
    m->do_fn = beamc__lower_spec(l->arena, fn->urn, n->payload);
    lower_side_inputs(l, n, m);
    BEAMC_TRY(lower_states(l, fn, m, err));
    BEAMC_TRY(lower_timers(l, n, m, err));
    if (fn->splittable != NULL) {
        beamc_coder row = BEAMC_ROW_CODER(beamc_splittable_row(fn->splittable));
        beamc_coder pair = BEAMC_KV(&row, &beamc_varint);
        const char *id;
        BEAMC_TRY(beamc__coder_table_id(&l->coders, &pair, &id, err));
        m->restriction_coder_id = beamc_pb_text(id);
    }
    m->requests_finalization = fn->requires_finalization;
    m->requires_time_sorted_input = fn->requires_time_sorted_input;
    m->requires_stable_input = fn->requires_stable_input;
    *out = beamc_pb_pack(l->arena, m);
    return BEAMC_OK;
}
