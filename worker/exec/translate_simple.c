/* translate_simple.c: sources, sinks, flatten, windows: transforms that run no user code. */
#include "worker/exec/translate.h"

beamc_status beamc__tr_build_source(beamc_tr *tr, beamc_tr_node *node) {
    const char *url;
    const beamc_coder *wire, *bound;
    beamc_tr_pcol *out;
    if (node->input_count != 0) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "a source has %zu inputs", node->input_count);
    }
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    BEAMC_TRY(beamc__tr_port(tr, node, &url, &wire));
    BEAMC_TRY(beamc__coder_bind(tr->arena, wire->args[0], out->expected, &bound, tr->err));
    beamc_coder *coder = beamc_arena_alloc(tr->arena, sizeof *coder);
    *coder = *wire;
    coder->args[0] = bound;
    beamc_source *source = beamc__source_new(tr->plan, node->id, url, coder, out->pc);
    node->unit = &source->unit;
    return beamc__tr_set_memory(tr, out, bound);
}

beamc_status beamc__tr_build_sink(beamc_tr *tr, beamc_tr_node *node) {
    const char *url;
    const beamc_coder *wire, *bound;
    BEAMC_TRY(beamc__tr_one_input(tr, node));
    if (node->output_count != 0) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "a sink has %zu outputs", node->output_count);
    }
    BEAMC_TRY(beamc__tr_port(tr, node, &url, &wire));
    BEAMC_TRY(beamc__coder_bind(tr->arena, wire->args[0], node->in, &bound, tr->err));
    beamc_coder *coder = beamc_arena_alloc(tr->arena, sizeof *coder);
    *coder = *wire;
    coder->args[0] = bound;
    node->unit = beamc__sink_new(tr->plan, node->id, url, coder);
    return BEAMC_OK;
}

beamc_status beamc__tr_build_flatten(beamc_tr *tr, beamc_tr_node *node) {
    beamc_tr_pcol *out;
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    node->unit = beamc__flatten_new(tr->plan, node->id, out->pc);
    return node->in != NULL ? beamc__tr_set_memory(tr, out, node->in) : BEAMC_OK;
}

beamc_status beamc__tr_build_window_into(beamc_tr *tr, beamc_tr_node *node) {
    beamc_tr_pcol *out;
    ProtobufCMessage *message;
    beamc_window_fn fn;
    BEAMC_TRY(beamc__tr_one_input(tr, node));
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&pipe__window_into_payload__descriptor, node->payload,
                                            tr->arena, &message, tr->err),
                  "WindowIntoPayload");
    BEAMC_TRY(beamc__tr_window_fn(tr, ((const Pipe__WindowIntoPayload *)message)->window_fn, &fn));
    node->unit = beamc__window_into_new(tr->plan, node->id, &fn, out->pc);
    return beamc__tr_set_memory(tr, out, node->in);
}

/* The payload of map_windows and merge_windows is itself a FunctionSpec. Ours for map_windows carries
 * the window function of the side input (payload.h). */
static beamc_status read_window_spec(beamc_tr *tr, beamc_slice bytes, beamc_window_fn *fn) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&pipe__function_spec__descriptor, bytes, tr->arena,
                                            &message, tr->err),
                  "FunctionSpec");
    const Pipe__FunctionSpec *spec = (const Pipe__FunctionSpec *)message;
    if (strcmp(spec->urn, BEAMC_URN_WINDOW_MAPPING) == 0) {
        BEAMC_TRY_CTX(tr->err,
                      beamc__proto_unpack_arena(&pipe__function_spec__descriptor,
                                                beamc__tr_bytes(spec->payload), tr->arena, &message,
                                                tr->err),
                      "FunctionSpec");
        spec = (const Pipe__FunctionSpec *)message;
    }
    return beamc__tr_window_fn(tr, spec, fn);
}

static bool is_pair(const beamc_coder *c) {
    return c->kind == BEAMC_CODER_KV || c->kind == BEAMC_CODER_SHARDED_KEY;
}

static beamc_status pair_input(beamc_tr *tr, const beamc_tr_node *node, const beamc_coder **in) {
    BEAMC_TRY(beamc__tr_one_input(tr, node));
    *in = beamc__tr_unwrap(node->in);
    if (!is_pair(*in)) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "its input is %s, not a KV",
                          beamc_coder_urn((*in)->kind));
    }
    return BEAMC_OK;
}

static bool is_window(const beamc_coder *c) {
    c = beamc__tr_unwrap(c);
    return c->kind == BEAMC_CODER_GLOBAL_WINDOW || c->kind == BEAMC_CODER_INTERVAL_WINDOW ||
           c->kind == BEAMC_CODER_CUSTOM_WINDOW;
}

static beamc_status no_windows(beamc_tr *tr) {
    return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the values of its input are not windows");
}

beamc_status beamc__tr_build_map_windows(beamc_tr *tr, beamc_tr_node *node) {
    const beamc_coder *in, *wire;
    beamc_tr_pcol *out;
    beamc_window_fn fn;
    BEAMC_TRY(pair_input(tr, node, &in));
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    BEAMC_TRY(read_window_spec(tr, node->payload, &fn));
    if (!is_window(in->args[1])) {
        return no_windows(tr);
    }
    BEAMC_TRY(beamc__tr_coder(tr, out->proto->coder_id, &wire));
    wire = beamc__tr_unwrap(wire);
    if (!is_pair(wire) || !is_window(wire->args[1])) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the values of its output are not windows");
    }
    node->unit = beamc__map_windows_new(tr->plan, node->id, &fn, out->pc);
    return beamc__tr_set_memory(tr, out, beamc__tr_kv(tr, in->args[0], wire->args[1]));
}

beamc_status beamc__tr_build_merge_windows(beamc_tr *tr, beamc_tr_node *node) {
    const beamc_coder *in;
    beamc_tr_pcol *out;
    beamc_window_fn fn;
    BEAMC_TRY(pair_input(tr, node, &in));
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    BEAMC_TRY(read_window_spec(tr, node->payload, &fn));
    const beamc_coder *windows = beamc__tr_unwrap(in->args[1]);
    if ((windows->kind != BEAMC_CODER_ITERABLE &&
         windows->kind != BEAMC_CODER_STATE_BACKED_ITERABLE) ||
        !is_window(windows->args[0])) {
        return no_windows(tr);
    }
    node->unit = beamc__merge_windows_new(tr->plan, node->id, &fn, out->pc);
    const beamc_coder *w = windows->args[0];
    const beamc_coder *group = beamc__tr_wrap(tr, BEAMC_CODER_ITERABLE, w, NULL);
    const beamc_coder *merged =
        beamc__tr_wrap(tr, BEAMC_CODER_ITERABLE, beamc__tr_kv(tr, w, group), NULL);
    return beamc__tr_set_memory(tr, out,
                                beamc__tr_kv(tr, in->args[0], beamc__tr_kv(tr, group, merged)));
}

beamc_status beamc__tr_build_to_string(beamc_tr *tr, beamc_tr_node *node) {
    const beamc_coder *in;
    beamc_tr_pcol *out;
    BEAMC_TRY(pair_input(tr, node, &in));
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    node->unit = beamc__to_string_new(tr->plan, node->id, in->args[1], out->pc);
    return beamc__tr_set_memory(tr, out, beamc__tr_kv(tr, in->args[0], &beamc_string));
}
