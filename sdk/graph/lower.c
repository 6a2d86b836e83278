/* lower.c: from the graph to org.apache.beam.model.pipeline.v1.Pipeline.
 *
 * Ids are derived from names and order of construction alone, so the same program gives the same
 * bytes: a transform's id is its unique name, a PCollection's the id of its maker and the tag. All
 * messages live in one arena that is dropped at the end. */
#include "graph/lower.h"

#include "proto/beam_model/urns.h"

/* ------------------------------------------------------------------------------------- ids */

static bool id_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '/';
}

/* The unique name in characters that no runner stumbles over. Names that differ in others alone get a
 * number behind a '~', which no other id holds. "ft_" in front means something to Prism. */
static const char *node_id(beamc_lowering *l, uint32_t node) {
    const char *name = l->p->nodes[node].unique_name;
    char *id = beamc_arena_printf(l->arena, "%s%s", strncmp(name, "ft_", 3) == 0 ? "t_" : "", name);
    bool changed = id[0] != name[0];
    for (char *c = id; *c != '\0'; c++) {
        if (!id_char(*c)) {
            *c = '_';
            changed = true;
        }
    }
    if (!changed) {
        return id;
    }
    return beamc_arena_printf(l->arena, "%s~%u", id, node);
}

static const char *env_id_of(beamc_lowering *l, int64_t ram) {
    return ram == 0 ? l->env_id
                    : beamc_arena_printf(l->arena, "%s_ram_%lld", l->env_id, (long long)ram);
}

static void assign_ids(beamc_lowering *l) {
    const beamc_pipeline *p = l->p;
    l->env_id = "env";
    l->node_ids = beamc_arena_zalloc(l->arena, p->node_count * sizeof *l->node_ids);
    l->coll_ids = beamc_arena_zalloc(l->arena, p->coll_count * sizeof *l->coll_ids);
    l->strategy_ids = beamc_arena_zalloc(l->arena, p->strategy_count * sizeof *l->strategy_ids);
    for (uint32_t i = 1; i < p->node_count; i++) {
        l->node_ids[i] = node_id(l, i);
    }
    for (uint32_t i = 1; i < p->coll_count; i++) {
        l->coll_ids[i] =
            beamc_arena_printf(l->arena, "%s.%s", l->node_ids[p->colls[i].node], p->colls[i].tag);
        uint32_t s = p->colls[i].strategy;
        if (l->strategy_ids[s] == NULL) {
            l->strategy_ids[s] = beamc_arena_printf(l->arena, "w%u", s + 1);
        }
    }
}

/* Runners execute these themselves and want no environment on them. */
static bool runner_executes(beamc_node_kind kind) {
    return kind == BEAMC_NODE_IMPULSE || kind == BEAMC_NODE_GROUP_BY_KEY ||
           kind == BEAMC_NODE_TEST_STREAM;
}

/* ---------------------------------------------------------------------- composites' borders */

typedef struct border {
    uint32_t *ids;
    size_t count, cap;
} border;

static void border_add(beamc_arena *arena, border *b, uint32_t coll) {
    for (size_t i = 0; i < b->count; i++) {
        if (b->ids[i] == coll) {
            return;
        }
    }
    if (b->count == b->cap) {
        size_t cap = b->cap != 0 ? b->cap * 2 : 4;
        uint32_t *ids = beamc_arena_alloc(arena, cap * sizeof *ids);
        if (b->count > 0) {
            memcpy(ids, b->ids, b->count * sizeof *ids);
        }
        b->ids = ids;
        b->cap = cap;
    }
    b->ids[b->count++] = coll;
}

static bool is_inside(const beamc_pipeline *p, uint32_t node, uint32_t composite) {
    while (node != 0 && node != composite) {
        node = p->nodes[node].parent;
    }
    return node == composite;
}

/* What crosses the border of a composite is an input of it, or an output. */
static void find_borders(beamc_lowering *l, border *ins, border *outs) {
    const beamc_pipeline *p = l->p;
    for (uint32_t i = 1; i < p->node_count; i++) {
        const beamc_node *n = &p->nodes[i];
        for (uint32_t k = 0; k < n->input_count; k++) {
            uint32_t coll = n->inputs[k].coll;
            uint32_t maker = p->colls[coll].node;
            for (uint32_t a = n->parent; a != 0 && !is_inside(p, maker, a);
                 a = p->nodes[a].parent) {
                border_add(l->arena, &ins[a], coll);
            }
            for (uint32_t a = p->nodes[maker].parent; a != 0 && !is_inside(p, i, a);
                 a = p->nodes[a].parent) {
                border_add(l->arena, &outs[a], coll);
            }
        }
    }
}

/* ------------------------------------------------------------------------------- transforms */

static void put_input(beamc_lowering *l, Pipe__PTransform *t, const char *tag, uint32_t coll) {
    Pipe__PTransform__InputsEntry *e =
        beamc_pb_new(l->arena, &pipe__ptransform__inputs_entry__descriptor);
    e->key = beamc_pb_text(tag);
    e->value = beamc_pb_text(l->coll_ids[coll]);
    t->inputs[t->n_inputs++] = e;
}

static void put_output(beamc_lowering *l, Pipe__PTransform *t, const char *tag, uint32_t coll) {
    Pipe__PTransform__OutputsEntry *e =
        beamc_pb_new(l->arena, &pipe__ptransform__outputs_entry__descriptor);
    e->key = beamc_pb_text(tag);
    e->value = beamc_pb_text(l->coll_ids[coll]);
    t->outputs[t->n_outputs++] = e;
}

static void lower_edges(beamc_lowering *l, const beamc_node *n, Pipe__PTransform *t) {
    t->inputs = beamc_arena_alloc(l->arena, n->input_count * sizeof *t->inputs);
    t->outputs = beamc_arena_alloc(l->arena, n->output_count * sizeof *t->outputs);
    for (uint32_t i = 0; i < n->input_count; i++) {
        put_input(l, t, n->inputs[i].tag, n->inputs[i].coll);
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        put_output(l, t, l->p->colls[n->first_output + i].tag, n->first_output + i);
    }
}

static void lower_border(beamc_lowering *l, const beamc_node *n, const border *in,
                         const border *out, Pipe__PTransform *t) {
    if (n->composite_urn != NULL) {
        t->inputs = beamc_arena_alloc(l->arena, sizeof *t->inputs);
        t->outputs = beamc_arena_alloc(l->arena, sizeof *t->outputs);
        put_input(l, t, BEAMC_TAG_IN, n->composite_in);
        put_output(l, t, BEAMC_TAG_OUT, n->composite_out);
        return;
    }
    t->inputs = beamc_arena_alloc(l->arena, in->count * sizeof *t->inputs);
    t->outputs = beamc_arena_alloc(l->arena, out->count * sizeof *t->outputs);
    for (size_t i = 0; i < in->count; i++) {
        put_input(l, t, beamc_arena_printf(l->arena, "in%zu", i), in->ids[i]);
    }
    for (size_t i = 0; i < out->count; i++) {
        put_output(l, t, beamc_arena_printf(l->arena, "out%zu", i), out->ids[i]);
    }
}

static void lower_children(beamc_lowering *l, uint32_t node, Pipe__PTransform *t) {
    const beamc_pipeline *p = l->p;
    size_t count = 0;
    for (uint32_t i = node + 1; i < p->node_count; i++) {
        count += p->nodes[i].parent == node;
    }
    t->subtransforms = beamc_arena_alloc(l->arena, count * sizeof *t->subtransforms);
    for (uint32_t i = node + 1; i < p->node_count; i++) {
        if (p->nodes[i].parent == node) {
            t->subtransforms[t->n_subtransforms++] = beamc_pb_text(l->node_ids[i]);
        }
    }
}

/* Elements that come together are one event. */
static Pipe__TestStreamPayload__Event__AddElements *
lower_test_elements(beamc_lowering *l, const beamc_test_event *first, size_t count) {
    Pipe__TestStreamPayload__Event__AddElements *to =
        beamc_pb_new(l->arena, &pipe__test_stream_payload__event__add_elements__descriptor);
    to->elements = beamc_arena_alloc(l->arena, count * sizeof *to->elements);
    for (size_t i = 0; i < count; i++) {
        Pipe__TestStreamPayload__TimestampedElement *item =
            beamc_pb_new(l->arena, &pipe__test_stream_payload__timestamped_element__descriptor);
        item->encoded_element = beamc_pb_bytes(first[i].value.bytes);
        item->timestamp = first[i].timestamp;
        to->elements[to->n_elements++] = item;
    }
    return to;
}

static void lower_test_event(beamc_lowering *l, const beamc_test_event *from, size_t count,
                             Pipe__TestStreamPayload__Event *to) {
    if (from->kind == BEAMC_TEST_ELEMENT) {
        to->event_case = PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_ELEMENT_EVENT;
        to->element_event = lower_test_elements(l, from, count);
    } else if (from->kind == BEAMC_TEST_WATERMARK) {
        to->event_case = PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_WATERMARK_EVENT;
        to->watermark_event = beamc_pb_new(
            l->arena, &pipe__test_stream_payload__event__advance_watermark__descriptor);
        to->watermark_event->new_watermark = from->timestamp;
    } else {
        to->event_case = PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_PROCESSING_TIME_EVENT;
        to->processing_time_event = beamc_pb_new(
            l->arena, &pipe__test_stream_payload__event__advance_processing_time__descriptor);
        to->processing_time_event->advance_duration = from->advance_ms;
    }
}

static beamc_status lower_test_stream(beamc_lowering *l, const beamc_node *n,
                                      ProtobufCBinaryData *out, beamc_error *err) {
    Pipe__TestStreamPayload *m = beamc_pb_new(l->arena, &pipe__test_stream_payload__descriptor);
    const char *coder_id;
    BEAMC_TRY(
        beamc__coder_table_id(&l->coders, l->p->colls[n->first_output].coder, &coder_id, err));
    m->coder_id = beamc_pb_text(coder_id);
    m->events = beamc_arena_alloc(l->arena, n->event_count * sizeof *m->events);
    for (size_t i = 0, count; i < n->event_count; i += count) {
        for (count = 1; i + count < n->event_count && n->events[i + count].together; count++) {
        }
        Pipe__TestStreamPayload__Event *e =
            beamc_pb_new(l->arena, &pipe__test_stream_payload__event__descriptor);
        lower_test_event(l, &n->events[i], count, e);
        m->events[m->n_events++] = e;
    }
    *out = beamc_pb_pack(l->arena, m);
    return BEAMC_OK;
}

static beamc_status lower_spec(beamc_lowering *l, const beamc_node *n, Pipe__PTransform *t,
                               beamc_error *err) {
    ProtobufCBinaryData payload = {0};
    const char *urn = NULL;
    switch (n->kind) {
    case BEAMC_NODE_COMPOSITE:
        urn = n->composite_urn;
        if (n->combiner != NULL) {
            BEAMC_TRY(beamc__lower_combine(l, n->combiner, n->payload, &payload, err));
        }
        break;
    case BEAMC_NODE_IMPULSE:
        urn = BEAMC_URN_PRIMITIVE_IMPULSE;
        break;
    case BEAMC_NODE_PARDO:
    case BEAMC_NODE_COMBINE_LEAF:
        urn = BEAMC_URN_PRIMITIVE_PAR_DO;
        BEAMC_TRY(beamc__lower_pardo(l, n, &payload, err));
        break;
    case BEAMC_NODE_GROUP_BY_KEY:
        urn = BEAMC_URN_PRIMITIVE_GROUP_BY_KEY;
        break;
    case BEAMC_NODE_FLATTEN:
        urn = BEAMC_URN_PRIMITIVE_FLATTEN;
        break;
    case BEAMC_NODE_WINDOW_INTO: {
        Pipe__WindowIntoPayload *m = beamc_pb_new(l->arena, &pipe__window_into_payload__descriptor);
        m->window_fn = beamc__lower_window_fn(l->arena, &l->p->strategies[n->strategy].w.fn);
        payload = beamc_pb_pack(l->arena, m);
        urn = BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS;
        break;
    }
    case BEAMC_NODE_TEST_STREAM:
        urn = BEAMC_URN_PRIMITIVE_TEST_STREAM;
        BEAMC_TRY(lower_test_stream(l, n, &payload, err));
        break;
    }
    if (urn != NULL) {
        t->spec = beamc__lower_spec(l->arena, urn, beamc_slice_of(payload.data, payload.len));
    }
    return BEAMC_OK;
}

static void lower_display(beamc_lowering *l, const beamc_node *n, Pipe__PTransform *t) {
    size_t count = 0;
    while (n->display != NULL && n->display[2 * count] != NULL) {
        count++;
    }
    t->display_data = beamc_arena_alloc(l->arena, count * sizeof *t->display_data);
    for (size_t i = 0; i < count; i++) {
        Pipe__LabelledPayload *m = beamc_pb_new(l->arena, &pipe__labelled_payload__descriptor);
        m->label = beamc_pb_text(n->display[2 * i]);
        m->key = m->label;
        m->namespace_ = beamc_pb_text(n->fn != NULL ? n->fn->urn : "beamc");
        m->value_case = PIPE__LABELLED_PAYLOAD__VALUE_STRING_VALUE;
        m->string_value = beamc_pb_text(n->display[2 * i + 1]);
        Pipe__DisplayData *d = beamc_pb_new(l->arena, &pipe__display_data__descriptor);
        d->urn = beamc_pb_text(BEAMC_URN_DISPLAY_DATA_LABELLED);
        d->payload = beamc_pb_pack(l->arena, m);
        t->display_data[t->n_display_data++] = d;
    }
}

static beamc_status lower_transforms(beamc_lowering *l, Pipe__Components *out, beamc_error *err) {
    const beamc_pipeline *p = l->p;
    border *ins = beamc_arena_zalloc(l->arena, p->node_count * sizeof *ins);
    border *outs = beamc_arena_zalloc(l->arena, p->node_count * sizeof *outs);
    find_borders(l, ins, outs);
    out->transforms = beamc_arena_alloc(l->arena, p->node_count * sizeof *out->transforms);
    for (uint32_t i = 1; i < p->node_count; i++) {
        const beamc_node *n = &p->nodes[i];
        Pipe__PTransform *t = beamc_pb_new(l->arena, &pipe__ptransform__descriptor);
        t->unique_name = beamc_pb_text(n->unique_name);
        BEAMC_TRY_CTX(err, lower_spec(l, n, t, err), "%s", n->unique_name);
        if (n->kind == BEAMC_NODE_COMPOSITE) {
            lower_border(l, n, &ins[i], &outs[i], t);
            lower_children(l, i, t);
        } else {
            lower_edges(l, n, t);
        }
        lower_display(l, n, t);
        if (!runner_executes(n->kind)) {
            t->environment_id = beamc_pb_text(env_id_of(l, n->min_ram_bytes));
        }
        Pipe__Components__TransformsEntry *e =
            beamc_pb_new(l->arena, &pipe__components__transforms_entry__descriptor);
        e->key = beamc_pb_text(l->node_ids[i]);
        e->value = t;
        out->transforms[out->n_transforms++] = e;
    }
    return BEAMC_OK;
}

/* --------------------------------------------------------------- PCollections and strategies */

static beamc_status lower_colls(beamc_lowering *l, Pipe__Components *out, beamc_error *err) {
    const beamc_pipeline *p = l->p;
    out->pcollections = beamc_arena_alloc(l->arena, p->coll_count * sizeof *out->pcollections);
    for (uint32_t i = 1; i < p->coll_count; i++) {
        const beamc_coll *c = &p->colls[i];
        Pipe__PCollection *m = beamc_pb_new(l->arena, &pipe__pcollection__descriptor);
        const char *coder_id;
        BEAMC_TRY_CTX(err, beamc__coder_table_id(&l->coders, c->coder, &coder_id, err),
                      "%s: output \"%s\"", p->nodes[c->node].unique_name, c->tag);
        m->unique_name = beamc_pb_text(l->coll_ids[i]);
        m->coder_id = beamc_pb_text(coder_id);
        m->is_bounded =
            c->bounded ? PIPE__IS_BOUNDED__ENUM__BOUNDED : PIPE__IS_BOUNDED__ENUM__UNBOUNDED;
        m->windowing_strategy_id = beamc_pb_text(l->strategy_ids[c->strategy]);
        Pipe__Components__PcollectionsEntry *e =
            beamc_pb_new(l->arena, &pipe__components__pcollections_entry__descriptor);
        e->key = beamc_pb_text(l->coll_ids[i]);
        e->value = m;
        out->pcollections[out->n_pcollections++] = e;
    }
    return BEAMC_OK;
}

static beamc_status lower_strategies(beamc_lowering *l, Pipe__Components *out, beamc_error *err) {
    const beamc_pipeline *p = l->p;
    out->windowing_strategies =
        beamc_arena_alloc(l->arena, p->strategy_count * sizeof *out->windowing_strategies);
    for (uint32_t i = 0; i < p->strategy_count; i++) {
        if (l->strategy_ids[i] == NULL) {
            continue; /* no PCollection is in it */
        }
        Pipe__Components__WindowingStrategiesEntry *e =
            beamc_pb_new(l->arena, &pipe__components__windowing_strategies_entry__descriptor);
        e->key = beamc_pb_text(l->strategy_ids[i]);
        BEAMC_TRY(beamc__lower_strategy(l, &p->strategies[i], &e->value, err));
        out->windowing_strategies[out->n_windowing_strategies++] = e;
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------ environments */

static Pipe__Environment *lower_environment(beamc_lowering *l, const beamc_environment *env,
                                            int64_t ram) {
    Pipe__Environment *m = beamc_pb_new(l->arena, &pipe__environment__descriptor);
    bool given = env != NULL && env->urn != NULL;
    m->urn = beamc_pb_text(given ? env->urn : BEAMC_URN_ENVIRONMENT_DEFAULT);
    m->payload = beamc_pb_bytes(env != NULL ? env->payload : (beamc_slice){0});
    while (beamc__capabilities[m->n_capabilities] != NULL) {
        m->n_capabilities++;
    }
    m->capabilities = (char **)(uintptr_t)beamc__capabilities;
    if (ram > 0) {
        Pipe__Environment__ResourceHintsEntry *e =
            beamc_pb_new(l->arena, &pipe__environment__resource_hints_entry__descriptor);
        const char *text = beamc_arena_printf(l->arena, "%lld", (long long)ram);
        e->key = beamc_pb_text(BEAMC_URN_RESOURCE_HINT_MIN_RAM_BYTES);
        e->value = beamc_pb_bytes(beamc_str(text));
        m->resource_hints = beamc_arena_alloc(l->arena, sizeof *m->resource_hints);
        m->resource_hints[m->n_resource_hints++] = e;
    }
    return m;
}

/* One environment, and one more for each amount of memory that a step asks for. */
static void lower_environments(beamc_lowering *l, const beamc_environment *env,
                               Pipe__Components *out) {
    const beamc_pipeline *p = l->p;
    out->environments = beamc_arena_alloc(l->arena, p->node_count * sizeof *out->environments);
    for (uint32_t i = 0; i < p->node_count; i++) { /* node 0 stands for those without a hint */
        int64_t ram = p->nodes[i].min_ram_bytes;
        const char *id = env_id_of(l, ram);
        bool known = i > 0 && ram == 0;
        for (size_t k = 0; k < out->n_environments && !known; k++) {
            known = strcmp(out->environments[k]->key, id) == 0;
        }
        if (known) {
            continue;
        }
        Pipe__Components__EnvironmentsEntry *e =
            beamc_pb_new(l->arena, &pipe__components__environments_entry__descriptor);
        e->key = beamc_pb_text(id);
        e->value = lower_environment(l, env, ram);
        out->environments[out->n_environments++] = e;
    }
}

/* ------------------------------------------------------------------------------ requirements */

enum { MAX_REQUIREMENTS = 6 };

static void require(Pipe__Pipeline *out, const char *urn) {
    for (size_t i = 0; i < out->n_requirements; i++) {
        if (strcmp(out->requirements[i], urn) == 0) {
            return;
        }
    }
    out->requirements[out->n_requirements++] = beamc_pb_text(urn);
}

static void lower_requirements(beamc_lowering *l, Pipe__Pipeline *out) {
    out->requirements = beamc_arena_alloc(l->arena, MAX_REQUIREMENTS * sizeof *out->requirements);
    for (uint32_t i = 1; i < l->p->node_count; i++) {
        const beamc_dofn *fn = l->p->nodes[i].fn;
        if (fn == NULL) {
            continue;
        }
        if (beamc_dofn_is_stateful(fn)) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_STATEFUL_PROCESSING);
        }
        if (fn->on_window_expiration != NULL) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_ON_WINDOW_EXPIRATION);
        }
        if (fn->requires_finalization) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_BUNDLE_FINALIZATION);
        }
        if (fn->requires_stable_input) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_STABLE_INPUT);
        }
        if (fn->requires_time_sorted_input) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_TIME_SORTED_INPUT);
        }
        if (fn->splittable != NULL) {
            require(out, BEAMC_URN_REQUIREMENT_REQUIRES_SPLITTABLE_DOFN);
        }
    }
}

/* -------------------------------------------------------------------------------- the whole */

static beamc_status check_whole(const beamc_pipeline *p, beamc_error *err) {
    BEAMC_TRY(beamc_pipeline_status(p, err));
    if (p->scope != 0) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "%s: this composite is still open: call beamc_composite_end",
                          p->nodes[p->scope].unique_name);
    }
    for (uint32_t i = 1; i < p->node_count; i++) {
        if (p->nodes[i].kind != BEAMC_NODE_COMPOSITE) {
            return BEAMC_OK;
        }
    }
    return BEAMC_FAIL(err, FAILED_PRECONDITION,
                      "the pipeline is empty: begin with beamc_create, beamc_impulse or a source");
}

static beamc_status lower_all(beamc_lowering *l, const beamc_environment *env, beamc_buf *out,
                              beamc_error *err) {
    assign_ids(l);
    Pipe__Pipeline *m = beamc_pb_new(l->arena, &pipe__pipeline__descriptor);
    m->components = beamc_pb_new(l->arena, &pipe__components__descriptor);
    BEAMC_TRY(lower_colls(l, m->components, err));
    BEAMC_TRY(lower_transforms(l, m->components, err));
    BEAMC_TRY(lower_strategies(l, m->components, err));
    beamc__coder_table_components(&l->coders, m->components);
    lower_environments(l, env, m->components);
    lower_requirements(l, m);
    m->root_transform_ids =
        beamc_arena_alloc(l->arena, l->p->node_count * sizeof *m->root_transform_ids);
    for (uint32_t i = 1; i < l->p->node_count; i++) {
        if (l->p->nodes[i].parent == 0) {
            m->root_transform_ids[m->n_root_transform_ids++] = beamc_pb_text(l->node_ids[i]);
        }
    }
    beamc__proto_put(out, &m->base);
    return BEAMC_OK;
}

beamc_status beamc_pipeline_lower(beamc_pipeline *p, const beamc_environment *env, beamc_buf *out,
                                  beamc_error *err) {
    BEAMC_TRY(check_whole(p, err));
    beamc_lowering l = {.p = p, .arena = beamc_arena_new(0)};
    beamc__coder_table_init(&l.coders, l.arena);
    beamc_status st = lower_all(&l, env, out, err);
    beamc__coder_table_deinit(&l.coders);
    beamc_arena_free(l.arena);
    return st;
}
