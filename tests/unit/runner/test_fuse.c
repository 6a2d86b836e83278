/* test_fuse.c: pipelines of the public builder, fused: which stages there are and what connects them;
 * and protos that break the model. */
#include <beamc/beamc.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"
#include "runner/fuse.h"

static beamc_status nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx, (void)in;
    return BEAMC_OK;
}
#define KV_FN(name, tag, ...)                                                                      \
    static const beamc_dofn name = {                                                               \
        BEAMC_DOFN_ABI,                                                                            \
        .urn = "test:fuse:" tag ":v1",                                                             \
        .input = &beamc_kv_str_i64,                                                                \
        .outputs = {{"out", &beamc_kv_str_i64}, {"other", &beamc_kv_str_i64}},                     \
        .process = nothing,                                                                        \
        __VA_ARGS__}
KV_FN(map_fn, "map", .doc = "");
KV_FN(side_fn, "side", .side_inputs = {"side"});
KV_FN(state_fn, "state",
      .states = {{.name = "s", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
      .timers = {{"t", BEAMC_PROCESSING_TIME}}, .on_timer = NULL);
KV_FN(finalize_fn, "finalize", .requires_finalization = true);

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in, (void)restriction;
    return BEAMC_OK;
}
static const beamc_splittable bounded_part = {.initial = initial};
static const beamc_splittable unbounded_part = {.initial = initial, .unbounded = true};
KV_FN(split_fn, "split", .splittable = &bounded_part);
KV_FN(endless_fn, "endless", .splittable = &unbounded_part);
static beamc_status on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    (void)ctx, (void)timer;
    return BEAMC_OK;
}

typedef struct fused {
    beamc_pipeline *p;
    beamc_fused *fused;
    const beamc_engine_graph *graph;
} fused;

static beamc_pcoll start(fused *f, const char *label) {
    static const beamc_kv one = {.key = {.bytes = BEAMC_STR("k")}};
    beamc_value v = {.kv = &one};
    return beamc_create(f->p, label, &beamc_kv_str_i64, &v, 1);
}

static void run_fuse(fused *f, bool no_lifting) {
    beamc_buf proto = {0};
    beamc_error err = {0};
    cr_assert_eq(beamc_pipeline_lower(f->p, NULL, &proto, &err), BEAMC_OK, "%s", err.message);
    beamc_fuse_options options = {.no_lifting = no_lifting};
    cr_assert_eq(beamc__fuse(beamc_buf_slice(&proto), &options, &f->fused, &err), BEAMC_OK, "%s",
                 err.message);
    f->graph = beamc__fused_graph(f->fused);
    beamc_buf_free(&proto);
    /* producers before consumers, always */
    for (size_t i = 0; i < f->graph->node_count; i++) {
        const beamc_node_spec *n = &f->graph->nodes[i];
        for (size_t o = 0; o < n->output_count; o++) {
            for (size_t t = 0; t < n->outputs[o].target_count; t++) {
                const beamc_target *to = &n->outputs[o].targets[t];
                cr_expect(to->kind == BEAMC_TO_VIEW || to->index > i);
            }
        }
    }
}

static void free_fused(fused *f) {
    beamc__fused_free(f->fused);
    beamc_pipeline_free(f->p);
}

static size_t count_of(const fused *f, beamc_node_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < f->graph->node_count; i++) {
        n += f->graph->nodes[i].kind == kind;
    }
    return n;
}

/* The only stage whose descriptor has a transform of this URN and, when given, unique name. */
static const beamc_node_spec *stage_with(const fused *f, const char *urn, const char *name) {
    const beamc_node_spec *found = NULL;
    for (size_t i = 0; i < f->graph->node_count; i++) {
        const beamc_node_spec *n = &f->graph->nodes[i];
        if (n->kind != BEAMC_NODE_STAGE) {
            continue;
        }
        ProtobufCMessage *m;
        cr_assert_eq(beamc__proto_unpack(&fn__process_bundle_descriptor__descriptor,
                                         n->work.descriptor, &m, NULL),
                     BEAMC_OK);
        const Fn__ProcessBundleDescriptor *d = (const Fn__ProcessBundleDescriptor *)m;
        for (size_t t = 0; t < d->n_transforms; t++) {
            const Pipe__PTransform *x = d->transforms[t]->value;
            if (strcmp(x->spec->urn, urn) == 0 &&
                (name == NULL || strcmp(x->unique_name, name) == 0)) {
                cr_assert(found == NULL || found == n, "%s is in two stages", urn);
                found = n;
            }
        }
        beamc__proto_free(m);
    }
    cr_assert_not_null(found, "no stage has %s", urn);
    return found;
}

#define PARDO BEAMC_URN_PRIMITIVE_PAR_DO

Test(fuse, a_chain_is_one_stage) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll a = beamc_pardo(start(&f, "In"), "A", &map_fn);
    beamc_pcoll b = beamc_pardo(a, "B", &map_fn);
    beamc_pardo(b, "C", &map_fn);
    beamc_pardo(beamc_out(a, 1), "D", &map_fn);
    beamc_window_into(b, "W", .fn = beamc_fixed(.size_ms = 1000));
    run_fuse(&f, false);
    cr_expect_eq(f.graph->node_count, 2u, "impulse and a stage");
    cr_expect_eq(f.graph->nodes[1].output_count, 0u);
    cr_expect_eq(f.graph->environment_count, 1u);
    free_fused(&f);
}

Test(fuse, combines_are_lifted_where_the_trigger_allows) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_combine_per_key(beamc_pardo(start(&f, "In"), "A", &map_fn), "Sum", &beamc_sum_i64);
    run_fuse(&f, false);
    cr_expect_eq(f.graph->node_count, 4u, "impulse, stage, group, stage");
    cr_expect_eq(stage_with(&f, BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, NULL),
                 stage_with(&f, PARDO, "A"));
    cr_expect_eq(
        stage_with(&f, BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS, NULL),
        stage_with(&f, BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, NULL));
    cr_assert_eq(f.graph->nodes[2].kind, BEAMC_NODE_GROUP);
    cr_expect(f.graph->nodes[2].has_compaction);
    cr_expect_gt(f.graph->nodes[2].compaction.descriptor.len, 0u);
    cr_expect_eq(f.graph->nodes[2].input.element->kind, BEAMC_CODER_KV);
    free_fused(&f);

    f.p = beamc_pipeline_new();
    beamc_combine_per_key(beamc_pardo(start(&f, "In"), "A", &map_fn), "Sum", &beamc_sum_i64);
    run_fuse(&f, true);
    cr_expect_eq(f.graph->node_count, 4u);
    cr_expect_not(f.graph->nodes[2].has_compaction);
    free_fused(&f);

    f.p = beamc_pipeline_new(); /* a trigger that counts elements */
    beamc_pcoll counted = beamc_window_into(start(&f, "In"), "W", .fn = beamc_global(),
                                            .trigger = BEAMC_REPEATEDLY(BEAMC_AFTER_COUNT(2)));
    beamc_combine_per_key(counted, "Sum", &beamc_sum_i64);
    run_fuse(&f, false);
    cr_expect_not(f.graph->nodes[2].has_compaction);
    cr_assert_not_null(f.graph->nodes[2].windowing.trigger);
    cr_expect_eq(f.graph->nodes[2].windowing.trigger->kind, BEAMC_TRIGGER_REPEATEDLY);
    cr_expect_eq(f.graph->nodes[2].windowing.trigger->children[0]->count, 2);
    free_fused(&f);

    f.p = beamc_pipeline_new(); /* windows that merge */
    beamc_pcoll sessions =
        beamc_window_into(start(&f, "In"), "W", .fn = beamc_sessions(.gap_ms = 5000));
    beamc_combine_per_key(sessions, "Sum", &beamc_sum_i64);
    run_fuse(&f, false);
    cr_expect(f.graph->nodes[2].merging);
    cr_expect_not(f.graph->nodes[2].has_compaction);
    cr_expect_eq(f.graph->nodes[2].windowing.fn.gap_ms, 5000);
    free_fused(&f);
}

Test(fuse, windowing_comes_through) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll w = beamc_window_into(
        start(&f, "In"), "W",
        .fn = beamc_sliding(.size_ms = 60000, .period_ms = 15000, .offset_ms = 500),
        .trigger = BEAMC_AFTER_WATERMARK(.early = BEAMC_AFTER_PROCESSING_TIME(250)),
        .accumulation = BEAMC_ACCUMULATING, .output_time = BEAMC_OUTPUT_LATEST_IN_PANE,
        .allowed_lateness_ms = 7000, .closing = BEAMC_CLOSING_EMIT_ALWAYS,
        .on_time = BEAMC_ON_TIME_FIRE_IF_NONEMPTY);
    beamc_group_by_key(w, "G");
    run_fuse(&f, false);
    const beamc_windowing *got = &f.graph->nodes[2].windowing;
    cr_assert_eq(f.graph->nodes[2].kind, BEAMC_NODE_GROUP);
    cr_expect_eq(got->fn.kind, BEAMC_WINDOW_SLIDING);
    cr_expect_eq(got->fn.size_ms, 60000);
    cr_expect_eq(got->fn.period_ms, 15000);
    cr_expect_eq(got->fn.offset_ms, 500);
    cr_expect_eq(got->trigger->kind, BEAMC_TRIGGER_AFTER_WATERMARK);
    cr_expect_eq(got->trigger->early->delay_ms, 250);
    cr_expect_null(got->trigger->late);
    cr_expect_eq(got->accumulation, BEAMC_ACCUMULATING);
    cr_expect_eq(got->output_time, BEAMC_OUTPUT_LATEST_IN_PANE);
    cr_expect_eq(got->allowed_lateness_ms, 7000);
    cr_expect_eq(got->closing, BEAMC_CLOSING_EMIT_ALWAYS);
    cr_expect_eq(got->on_time, BEAMC_ON_TIME_FIRE_IF_NONEMPTY);
    free_fused(&f);
}

Test(fuse, splittable_dofns_are_expanded) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pardo(beamc_pardo(start(&f, "In"), "Read", &split_fn), "Behind", &map_fn);
    run_fuse(&f, false);
    cr_expect_eq(f.graph->node_count, 3u);
    const beamc_node_spec *process =
        stage_with(&f, BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, "Read");
    cr_expect(process->splittable);
    cr_expect_not(process->unbounded);
    cr_expect_eq(process, stage_with(&f, PARDO, "Behind"));
    const beamc_node_spec *split =
        stage_with(&f, BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, NULL);
    cr_expect_eq(split, stage_with(&f, BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, NULL));
    cr_expect_neq(split, process);
    cr_expect_eq(process->truncate.len, 0u, "bounded input is never drained");
    free_fused(&f);

    f.p = beamc_pipeline_new();
    beamc_pardo(start(&f, "In"), "Endless", &endless_fn);
    run_fuse(&f, false);
    process = stage_with(&f, BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, NULL);
    cr_expect(process->unbounded);
    cr_expect_gt(process->truncate.len, 0u);
    free_fused(&f);
}

Test(fuse, stateful_dofns_begin_a_stage) {
    static beamc_dofn with_timer;
    with_timer = state_fn;
    with_timer.on_timer = on_timer;
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll keyed =
        beamc_pardo(beamc_pardo(start(&f, "In"), "A", &map_fn), "State", &with_timer);
    beamc_pardo(keyed, "Behind", &finalize_fn);
    run_fuse(&f, false);
    const beamc_node_spec *state = stage_with(&f, PARDO, "State");
    cr_expect_neq(state, stage_with(&f, PARDO, "A"));
    cr_expect_eq(state, stage_with(&f, PARDO, "Behind"));
    cr_expect(state->keyed);
    cr_expect(state->finalizes);
    cr_assert_eq(state->timer_count, 1u);
    cr_expect_str_eq(state->timers[0].family, "t");
    cr_expect(state->timers[0].processing_time);
    cr_expect_str_eq(beamc__fused_step(f.fused, state->stateful_id), "State");
    free_fused(&f);
}

Test(fuse, side_inputs_end_a_stage_only_when_they_must) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll other = beamc_pardo(start(&f, "Other"), "Side", &map_fn);
    beamc_pcoll a = beamc_pardo(start(&f, "In"), "A", &map_fn);
    beamc_pardo(a, "Free", &side_fn, .side = {{other, false}});
    beamc_pcoll totals = beamc_group_by_key(a, "G");
    beamc_pcoll summed = beamc_combine_per_key(a, "Sum", &beamc_sum_i64);
    beamc_pardo(a, "Bound", &side_fn, .side = {{summed, true}});
    beamc_pardo(a, "Bound2", &side_fn, .side = {{totals, true}});
    run_fuse(&f, false);
    const beamc_node_spec *made = stage_with(&f, PARDO, "A");
    cr_expect_eq(made, stage_with(&f, PARDO, "Free"));
    cr_expect_neq(made, stage_with(&f, PARDO, "Bound"));
    cr_expect_neq(made, stage_with(&f, PARDO, "Bound2"));
    cr_expect_eq(f.graph->view_count, 3u);
    const beamc_node_spec *bound = stage_with(&f, PARDO, "Bound");
    bool multimap = false;
    for (size_t i = 0; i < bound->side_count; i++) {
        multimap |= f.graph->views[bound->sides[i].view].multimap;
        cr_expect_str_eq(bound->sides[i].side_input_id, "side");
    }
    cr_expect(multimap);
    free_fused(&f);
}

Test(fuse, flattens_inside_and_between_stages) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll a = beamc_pardo(start(&f, "In"), "A", &map_fn);
    beamc_pcoll inside[] = {a, beamc_out(a, 1)};
    beamc_pardo(beamc_flatten(f.p, "Inside", inside, 2), "AfterInside", &map_fn);
    beamc_pcoll between[] = {a, start(&f, "Second"), a};
    beamc_pardo(beamc_flatten(f.p, "Between", between, 3), "AfterBetween", &map_fn);
    run_fuse(&f, false);
    cr_expect_eq(stage_with(&f, BEAMC_URN_PRIMITIVE_FLATTEN, "Inside"), stage_with(&f, PARDO, "A"));
    cr_expect_eq(stage_with(&f, PARDO, "AfterInside"), stage_with(&f, PARDO, "A"));
    const beamc_node_spec *after = stage_with(&f, PARDO, "AfterBetween");
    cr_expect_neq(after, stage_with(&f, PARDO, "A"));
    size_t targets = 0;
    for (size_t i = 0; i < f.graph->node_count; i++) {
        for (size_t o = 0; o < f.graph->nodes[i].output_count; o++) {
            const beamc_output_spec *out = &f.graph->nodes[i].outputs[o];
            for (size_t t = 0; t < out->target_count; t++) {
                targets += &f.graph->nodes[out->targets[t].index] == after;
            }
        }
    }
    cr_expect_eq(targets, 3u, "what is flattened twice comes twice: %zu", targets);
    free_fused(&f);
}

Test(fuse, reshuffle_breaks_fusion_without_a_group) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pardo(beamc_reshuffle(beamc_pardo(start(&f, "In"), "A", &map_fn), "R"), "B", &map_fn);
    run_fuse(&f, false);
    cr_expect_eq(count_of(&f, BEAMC_NODE_GROUP), 0u);
    cr_expect_neq(stage_with(&f, PARDO, "A"), stage_with(&f, PARDO, "B"));
    cr_expect_eq(f.graph->node_count, 3u);
    free_fused(&f);
}

Test(fuse, steps_have_the_users_names) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_composite_begin(f.p, "Outer");
    beamc_combine_per_key(start(&f, "In"), "Sum", &beamc_sum_i64);
    beamc_composite_end(f.p);
    run_fuse(&f, false);
    const beamc_node_spec *n =
        stage_with(&f, BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, NULL);
    ProtobufCMessage *m;
    cr_assert_eq(beamc__proto_unpack(&fn__process_bundle_descriptor__descriptor, n->work.descriptor,
                                     &m, NULL),
                 BEAMC_OK);
    const Fn__ProcessBundleDescriptor *d = (const Fn__ProcessBundleDescriptor *)m;
    unsigned named = 0;
    for (size_t t = 0; t < d->n_transforms; t++) {
        named += strcmp(beamc__fused_step(f.fused, d->transforms[t]->key), "Outer/Sum") == 0;
    }
    cr_expect_eq(named, 2u, "merge and extract");
    cr_expect_str_eq(beamc__fused_step(f.fused, "no such transform"), "no such transform");
    beamc__proto_free(m);
    free_fused(&f);
}

/* -------------------------------------------------------------------------- broken pipelines */

/* Fuses a pipeline after @p spoil has changed its proto, and expects a refusal that says @p text. */
static void expect_refused(void (*spoil)(Pipe__Pipeline *p), beamc_status code, const char *text) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_group_by_key(beamc_pardo(start(&f, "In"), "A", &map_fn), "G");
    beamc_buf proto = {0};
    beamc_error err = {0};
    cr_assert_eq(beamc_pipeline_lower(f.p, NULL, &proto, &err), BEAMC_OK);
    ProtobufCMessage *m;
    cr_assert_eq(
        beamc__proto_unpack(&pipe__pipeline__descriptor, beamc_buf_slice(&proto), &m, &err),
        BEAMC_OK);
    spoil((Pipe__Pipeline *)m);
    beamc_buf_clear(&proto);
    beamc__proto_put(&proto, m);
    beamc__proto_free(m);
    beamc_fuse_options options = {0};
    beamc_fused *out = NULL;
    cr_expect_eq(beamc__fuse(beamc_buf_slice(&proto), &options, &out, &err), code, "%s",
                 err.message);
    cr_expect(strstr(err.message, text) != NULL, "%s", err.message);
    beamc_buf_free(&proto);
    beamc_pipeline_free(f.p);
}

static Pipe__PTransform *find(Pipe__Pipeline *p, const char *name) {
    for (size_t i = 0; i < p->components->n_transforms; i++) {
        if (strcmp(p->components->transforms[i]->value->unique_name, name) == 0) {
            return p->components->transforms[i]->value;
        }
    }
    cr_assert(false, "no transform %s", name);
    return NULL;
}

static void set(char **text, const char *to) {
    free(*text);
    *text = strdup(to);
}
static void unknown_urn(Pipe__Pipeline *p) {
    set(&find(p, "G")->spec->urn, "acme:transform:magic:v1");
}
static void missing_input(Pipe__Pipeline *p) {
    set(&find(p, "A")->inputs[0]->value, "nowhere");
}
static void own_output(Pipe__Pipeline *p) {
    Pipe__PTransform *a = find(p, "A");
    set(&a->inputs[0]->value, a->outputs[0]->value);
}
static void missing_part(Pipe__Pipeline *p) {
    set(&p->root_transform_ids[0], "nothing");
}
static void in_a_circle(Pipe__Pipeline *p) {
    Pipe__PTransform *in = find(p, "In");
    cr_assert_gt(in->n_subtransforms, 0u);
    set(&in->subtransforms[0], p->root_transform_ids[0]);
    cr_assert_eq(find(p, "In"), in);
}
static void missing_coder(Pipe__Pipeline *p) {
    for (size_t i = 0; i < p->components->n_pcollections; i++) {
        set(&p->components->pcollections[i]->value->coder_id, "c-none");
    }
}
static void missing_windowing(Pipe__Pipeline *p) {
    for (size_t i = 0; i < p->components->n_pcollections; i++) {
        set(&p->components->pcollections[i]->value->windowing_strategy_id, "w-none");
    }
}
static void no_environment(Pipe__Pipeline *p) {
    set(&find(p, "A")->environment_id, "");
}
static void no_components(Pipe__Pipeline *p) {
    protobuf_c_message_free_unpacked(&p->components->base, NULL);
    p->components = NULL;
}
static void not_pairs(Pipe__Pipeline *p) {
    for (size_t i = 0; i < p->components->n_coders; i++) {
        if (strcmp(p->components->coders[i]->value->spec->urn, BEAMC_URN_CODER_KV) == 0) {
            set(&p->components->coders[i]->value->spec->urn, "acme:coder:pair:v1");
        }
    }
}
static void coder_in_itself(Pipe__Pipeline *p) {
    for (size_t i = 0; i < p->components->n_coders; i++) {
        Pipe__Components__CodersEntry *e = p->components->coders[i];
        for (size_t k = 0; k < e->value->n_component_coder_ids; k++) {
            set(&e->value->component_coder_ids[k], e->key);
        }
    }
}
static void unknown_requirement(Pipe__Pipeline *p) {
    p->requirements = realloc(p->requirements, sizeof(char *) * (p->n_requirements + 1));
    p->requirements[p->n_requirements++] = strdup("beam:requirement:time_travel:v1");
}

Test(fuse, refuses_what_breaks_the_model) {
    expect_refused(unknown_urn, BEAMC_UNIMPLEMENTED, "does not know acme:transform:magic:v1");
    expect_refused(missing_input, BEAMC_INVALID_ARGUMENT, "PCollection nowhere");
    expect_refused(own_output, BEAMC_INVALID_ARGUMENT, "depends on its own output");
    expect_refused(missing_part, BEAMC_INVALID_ARGUMENT, "transform nothing does not exist");
    expect_refused(in_a_circle, BEAMC_INVALID_ARGUMENT, "in a circle");
    expect_refused(missing_coder, BEAMC_INVALID_ARGUMENT, "c-none");
    expect_refused(missing_windowing, BEAMC_INVALID_ARGUMENT, "w-none");
    expect_refused(no_environment, BEAMC_INVALID_ARGUMENT, "has no environment");
    expect_refused(no_components, BEAMC_INVALID_ARGUMENT, "no components");
    expect_refused(not_pairs, BEAMC_INVALID_ARGUMENT, "must be KV pairs");
    expect_refused(coder_in_itself, BEAMC_INVALID_ARGUMENT, "contains itself");
    expect_refused(unknown_requirement, BEAMC_UNIMPLEMENTED, "time_travel");
}

/* Any bytes are safe: every prefix, and every byte of a pipeline changed. */
Test(fuse, damaged_protos_are_refused_or_fused_but_never_more, .timeout = 60) {
    fused f = {.p = beamc_pipeline_new()};
    beamc_pcoll a = beamc_pardo(start(&f, "In"), "A", &map_fn);
    beamc_combine_per_key(beamc_pardo(a, "S", &split_fn), "Sum", &beamc_sum_i64);
    beamc_pardo(a, "B", &side_fn, .side = {{a, true}});
    beamc_buf proto = {0};
    cr_assert_eq(beamc_pipeline_lower(f.p, NULL, &proto, NULL), BEAMC_OK);
    beamc_fuse_options options = {0};
    size_t step = proto.len / 400 + 1;
    for (size_t i = 0; i < proto.len; i += step) {
        beamc_fused *out = NULL;
        beamc_error err;
        if (beamc__fuse(beamc_slice_of(proto.ptr, i), &options, &out, &err) == BEAMC_OK) {
            beamc__fused_free(out);
        }
        unsigned char before = proto.ptr[i];
        for (unsigned k = 0; k < 3; k++) {
            proto.ptr[i] = (unsigned char)(k == 0 ? before + 1 : k == 1 ? 0xff : before ^ 0x20);
            if (beamc__fuse(beamc_buf_slice(&proto), &options, &out, &err) == BEAMC_OK) {
                beamc__fused_free(out);
            }
        }
        proto.ptr[i] = before;
    }
    beamc_buf_free(&proto);
    beamc_pipeline_free(f.p);
}
