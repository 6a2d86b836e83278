/* pardo.c: ParDo, with side inputs, several outputs, display data and resource hints. */
#include "graph/graph.h"

/* The step's options, read by the size that the caller was built with. */
static beamc_pardo_options options_of(const beamc_pardo_options *given) {
    beamc_pardo_options o = {0};
    size_t size = given->struct_size;
    memcpy(&o, given, size == 0 || size > sizeof o ? sizeof o : size);
    return o;
}

static bool add_side_inputs(beamc_pipeline *p, const char *label, const beamc_dofn *fn,
                            const beamc_pardo_options *o, beamc_node_input *inputs,
                            uint32_t *count) {
    unsigned want = beamc_dofn_side_input_count(fn);
    for (unsigned i = 0; i < BEAMC_MAX_SIDE_INPUTS; i++) {
        const beamc_side_input *side = &o->side[i];
        bool given = side->from.pipeline != NULL;
        if (given != (i < want)) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              given ? "DoFn %s takes %u side input(s), but .side[%u] is given too"
                                    : "DoFn %s takes %u side input(s), but .side[%u] is missing",
                              fn->urn, want, i);
            return false;
        }
        if (!given) {
            continue;
        }
        if (side->from.pipeline != p) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "side input \"%s\" belongs to another pipeline", fn->side_inputs[i]);
            return false;
        }
        const beamc_coll *c = beamc__graph_coll(side->from, label);
        if (c == NULL ||
            !beamc__check_side_input(p, label, fn->side_inputs[i], c, side->multimap)) {
            return false;
        }
        inputs[(*count)++] =
            (beamc_node_input){side->from.id, fn->side_inputs[i], true, side->multimap};
    }
    return true;
}

static bool output_coders(beamc_pipeline *p, const char *label, const beamc_dofn *fn,
                          const beamc_pardo_options *o, const beamc_coder **coders) {
    unsigned n = beamc_dofn_output_count(fn);
    for (unsigned i = 0; i < BEAMC_MAX_OUTPUTS; i++) {
        if (i >= n && o->output_coders[i] != NULL) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              ".output_coders[%u] is given, but DoFn %s has %u output(s)", i,
                              fn->urn, n);
            return false;
        }
        if (i >= n) {
            continue;
        }
        coders[i] = o->output_coders[i] != NULL ? o->output_coders[i] : fn->outputs[i].coder;
        if (coders[i] == NULL) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "output \"%s\" of DoFn %s has no coder: give .output_coders[%u]",
                              fn->outputs[i].name, fn->urn, i);
            return false;
        }
        coders[i] = beamc__graph_coder(p, coders[i]);
    }
    return true;
}

static bool check_input(beamc_pipeline *p, const char *label, const beamc_dofn *fn,
                        const beamc_coll *in) {
    if (fn->input != NULL && !beamc_coder_equal(fn->input, in->coder)) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "DoFn %s takes %s, but its input, made by %s, holds %s", fn->urn,
                          beamc__graph_describe(p, fn->input), p->nodes[in->node].unique_name,
                          beamc__graph_describe(p, in->coder));
        return false;
    }
    if (!beamc_dofn_is_stateful(fn)) {
        return true;
    }
    const beamc_strategy *s = &p->strategies[in->strategy];
    if (s->w.fn.kind == BEAMC_WINDOW_SESSIONS && !s->already_merged) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "DoFn %s keeps state for each window, and session windows still merge "
                          "here: put it in other windows, or behind the grouping",
                          fn->urn);
        return false;
    }
    return beamc__check_keyed(p, label, in, "a DoFn with state or timers");
}

static const char *const *copy_display(beamc_pipeline *p, const beamc_pardo_options *o) {
    size_t n = 0;
    while (n + 1 < sizeof o->display / sizeof o->display[0] && o->display[n] != NULL &&
           o->display[n + 1] != NULL) {
        n += 2;
    }
    const char **copy = beamc_arena_zalloc(p->arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i] = beamc_arena_cstr(p->arena, beamc_str(o->display[i]));
    }
    return copy;
}

/* Everything that can fail, before the node is made. */
static bool prepare(beamc_pipeline *p, const char *label, const beamc_dofn *fn,
                    const beamc_pardo_options *o, const beamc_coll *in, beamc_node_input *inputs,
                    uint32_t *input_count, const beamc_coder **coders, beamc_slice *payload) {
    if (!beamc__check_dofn(p, label, fn) || !check_input(p, label, fn, in) ||
        !add_side_inputs(p, label, fn, o, inputs, input_count) ||
        !output_coders(p, label, fn, o, coders)) {
        return false;
    }
    if (o->config != NULL && fn->config == NULL) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "a .config is given, but DoFn %s has no config table", fn->urn);
        return false;
    }
    if (o->min_ram_bytes < 0) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT, ".min_ram_bytes is negative");
        return false;
    }
    beamc_buf bytes = {0};
    beamc_error err = {0};
    beamc_status st = beamc__payload_encode_dofn(fn, o->config, in->coder, coders, &bytes, &err);
    if (st != BEAMC_OK) {
        beamc__graph_fail_with(p, label, &err);
    }
    *payload = beamc_arena_copy(p->arena, beamc_buf_slice(&bytes));
    beamc_buf_free(&bytes);
    return st == BEAMC_OK;
}

beamc_pcoll beamc_pardo_with(beamc_pcoll in, const char *label, const beamc_dofn *fn,
                             beamc_pardo_options options) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_pardo_options o = options_of(&options);
    beamc_node_input inputs[1 + BEAMC_MAX_SIDE_INPUTS] = {{in.id, BEAMC_TAG_IN, false, false}};
    uint32_t input_count = 1;
    const beamc_coder *coders[BEAMC_MAX_OUTPUTS] = {0};
    beamc_slice payload;
    if (!prepare(p, label, fn, &o, &from, inputs, &input_count, coders, &payload)) {
        return beamc_pcoll_none(p);
    }
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_PARDO, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    n->fn = fn;
    n->payload = payload;
    n->inputs = beamc_arena_alloc(p->arena, input_count * sizeof inputs[0]);
    memcpy(n->inputs, inputs, input_count * sizeof inputs[0]);
    n->input_count = input_count;
    n->display = copy_display(p, &o);
    n->min_ram_bytes = o.min_ram_bytes;
    bool bounded = from.bounded && !(fn->splittable != NULL && fn->splittable->unbounded);
    beamc_pcoll main = {p, 0, beamc_node_index(p, n)};
    for (unsigned i = 0; i < beamc_dofn_output_count(fn); i++) {
        beamc_pcoll out =
            beamc__graph_output(p, n, fn->outputs[i].name, coders[i], from.strategy, bounded);
        main = i == 0 ? out : main;
    }
    return main;
}
