/* combine.c: CombinePerKey and CombineGlobally.
 *
 * CombinePerKey is the composite beam:transform:combine_per_key:v1, whose CombinePayload lets a runner
 * lift it; inside are a GroupByKey and a ParDo whose do_fn is the combiner, for runners that do not.
 * CombineGlobally puts everything under one key. For an empty bounded input it adds one empty group,
 * so that the combiner itself makes the value for "nothing". */
#include "graph/graph.h"

#include "proto/beam_model/urns.h"

#include "graph/builtin_fns.h"

static beamc_combine_options options_of(const beamc_combine_options *given) {
    beamc_combine_options o = {0};
    size_t size = given->struct_size;
    memcpy(&o, given, size == 0 || size > sizeof o ? sizeof o : size);
    return o;
}

/* Checks the combiner against its input and encodes its payload into the arena. */
static bool prepare(beamc_pipeline *p, const char *label, const beamc_combiner *fn,
                    const beamc_coder *element, const beamc_combine_options *o,
                    beamc_slice *payload) {
    if (!beamc__check_combiner(p, label, fn, true)) {
        return false;
    }
    if (fn->input != NULL && !beamc_coder_equal(fn->input, element)) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "combiner %s takes %s, but the values here are %s", fn->urn,
                          beamc__graph_describe(p, fn->input), beamc__graph_describe(p, element));
        return false;
    }
    if (o->config != NULL && fn->config == NULL) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "a .config is given, but combiner %s has no config table", fn->urn);
        return false;
    }
    beamc_buf bytes = {0};
    beamc_error err = {0};
    beamc_status st = beamc__payload_encode_combiner(fn, o->config, element, &bytes, &err);
    if (st != BEAMC_OK) {
        beamc__graph_fail_with(p, label, &err);
    }
    *payload = beamc_arena_copy(p->arena, beamc_buf_slice(&bytes));
    beamc_buf_free(&bytes);
    return st == BEAMC_OK;
}

beamc_pcoll beamc__graph_combine_leaf(beamc_pcoll grouped, const char *label,
                                      const beamc_combiner *combiner, beamc_slice payload) {
    beamc_pipeline *p = grouped.pipeline;
    const beamc_coll *c = beamc__graph_coll(grouped, label);
    if (c == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_COMBINE_LEAF, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc__graph_set_input(p, n, grouped);
    n->combiner = combiner;
    n->payload = payload;
    return beamc__graph_output(p, n, BEAMC_TAG_OUT,
                               beamc__graph_kv(p, from.coder->args[0], combiner->output),
                               from.strategy, from.bounded);
}

beamc_pcoll beamc_combine_per_key_with(beamc_pcoll in, const char *label,
                                       const beamc_combiner *combiner,
                                       beamc_combine_options options) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    beamc_combine_options o = options_of(&options);
    beamc_slice payload;
    if (c == NULL || !beamc__check_keyed(p, label, c, "CombinePerKey") ||
        !beamc__check_grouping(p, label, c) ||
        !prepare(p, label, combiner, c->coder->args[1], &o, &payload)) {
        return beamc_pcoll_none(p);
    }
    beamc_composite_begin(p, label);
    if (!p->failed) {
        p->nodes[p->scope].combiner = combiner;
        p->nodes[p->scope].payload = payload;
    }
    beamc_pcoll grouped = beamc_group_by_key(in, "GroupByKey");
    beamc_pcoll out = beamc__graph_combine_leaf(grouped, "Combine", combiner, payload);
    beamc__graph_close_known(p, BEAMC_URN_COMPOSITE_COMBINE_PER_KEY, in, out);
    return out;
}

/* KV<bytes, O>: the combiner's result for nothing, if @p results is empty. */
static beamc_pcoll default_result(beamc_pcoll results, const beamc_coder *element,
                                  const beamc_combiner *combiner, beamc_slice payload) {
    beamc_pipeline *p = results.pipeline;
    beamc_pcoll start = beamc_impulse(p, "Impulse");
    const beamc_coder *group = beamc__graph_kv(p, &beamc_bytes, beamc__graph_iterable(p, element));
    beamc_pcoll empty = beamc_pardo(start, "EmptyGroup", &beamc__empty_group_fn,
                                    .side = {{.from = results}}, .output_coders = {group});
    return beamc__graph_combine_leaf(empty, "CombineNothing", combiner, payload);
}

beamc_pcoll beamc_combine_globally_with(beamc_pcoll in, const char *label,
                                        const beamc_combiner *combiner,
                                        beamc_combine_options options) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    beamc_combine_options o = options_of(&options);
    beamc_slice payload;
    if (c == NULL || !prepare(p, label, combiner, c->coder, &o, &payload)) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_composite_begin(p, label);
    beamc_value key = beamc_value_bytes((beamc_slice){0});
    beamc_pcoll keyed = beamc_with_key(in, "WithKey", &beamc_bytes, key);
    beamc_pcoll out = beamc_combine_per_key_with(keyed, "CombinePerKey", combiner, options);
    bool global = p->strategies[from.strategy].w.fn.kind == BEAMC_WINDOW_GLOBAL;
    if (!o.without_defaults && from.bounded && global) {
        beamc_pcoll both[2] = {out, default_result(out, from.coder, combiner, payload)};
        out = beamc__graph_flatten(p, "OrDefault", both, 2, false);
    }
    out = beamc_pardo(out, "Values", &beamc__values_fn, .output_coders = {combiner->output});
    beamc_composite_end(p);
    return out;
}
