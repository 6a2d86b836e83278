/* translate_combine.c: CombinePayload (beam_runner_api.proto) and the pieces of a combine. */
#include "worker/exec/translate.h"

typedef enum piece {
    PRECOMBINE,
    MERGE_ACCUMULATORS,
    EXTRACT_OUTPUTS,
    CONVERT_TO_ACCUMULATORS,
    GROUPED_VALUES
} piece;

static piece piece_of(const beamc_tr_node *node) {
    static const char *const urns[] = {
        [PRECOMBINE] = BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE,
        [MERGE_ACCUMULATORS] = BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS,
        [EXTRACT_OUTPUTS] = BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS,
        [CONVERT_TO_ACCUMULATORS] =
            BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS};
    for (unsigned i = 0; i < GROUPED_VALUES; i++) {
        if (strcmp(node->kind->urn, urns[i]) == 0) {
            return (piece)i;
        }
    }
    return GROUPED_VALUES;
}

static const beamc_coder *accumulator(beamc_tr *tr, const beamc_tr_node *node) {
    beamc_coder *row = beamc_arena_alloc(tr->arena, sizeof *row);
    *row = (beamc_coder){BEAMC_CODER_ROW, {NULL, NULL}, node->combiner->accumulator, NULL};
    return row;
}

/* The values behind the key: what comes in, and what goes out. */
static const beamc_coder *values_in(beamc_tr *tr, const beamc_tr_node *node, piece p) {
    switch (p) {
    case MERGE_ACCUMULATORS:
        return beamc__tr_wrap(tr, BEAMC_CODER_ITERABLE, accumulator(tr, node), NULL);
    case EXTRACT_OUTPUTS:
        return accumulator(tr, node);
    case GROUPED_VALUES:
        return beamc__tr_wrap(tr, BEAMC_CODER_ITERABLE, node->decoded.input, NULL);
    default:
        return node->decoded.input;
    }
}

beamc_status beamc__tr_prepare_combine(beamc_tr *tr, beamc_tr_node *node) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&pipe__combine_payload__descriptor, node->payload,
                                            tr->arena, &message, tr->err),
                  "CombinePayload");
    const Pipe__FunctionSpec *spec = ((const Pipe__CombinePayload *)message)->combine_fn;
    if (spec == NULL || tr->env->library == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "the payload names no combiner");
    }
    node->combiner = beamc__library_combiner(tr->env->library, beamc_str(spec->urn));
    if (node->combiner == NULL) {
        return beamc__library_missing(tr->env->library, beamc_str(spec->urn), tr->err);
    }
    BEAMC_TRY_CTX(tr->err,
                  beamc__payload_decode_combiner(node->combiner, beamc__tr_bytes(spec->payload),
                                                 &tr->rows, tr->arena, &node->decoded, tr->err),
                  "combiner %s", spec->urn);
    node->expected = beamc__tr_kv(tr, NULL, values_in(tr, node, piece_of(node)));
    return beamc__tr_one_input(tr, node);
}

static beamc_status build(beamc_tr *tr, beamc_tr_node *node, piece p) {
    beamc_tr_pcol *out;
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    const beamc_coder *in = beamc__tr_unwrap(node->in);
    if (in->kind != BEAMC_CODER_KV && in->kind != BEAMC_CODER_SHARDED_KEY) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "its input is %s, not a KV",
                          beamc_coder_urn(in->kind));
    }
    bool gives_output = p == EXTRACT_OUTPUTS || p == GROUPED_VALUES;
    const beamc_coder *value = gives_output ? node->combiner->output : accumulator(tr, node);
    BEAMC_TRY(beamc__tr_set_memory(tr, out, beamc__tr_kv(tr, in->args[0], value)));
    beamc_combine_spec spec = {.id = node->id,
                               .fn = node->combiner,
                               .config = node->decoded.config,
                               .out = out->pc,
                               .key_coder = in->args[0],
                               .output_time = node->inputs[0].pcol->output_time};
    beamc_unit *(*const makers[])(beamc_plan *, const beamc_combine_spec *) = {
        [PRECOMBINE] = beamc__precombine_new,
        [MERGE_ACCUMULATORS] = beamc__merge_accumulators_new,
        [EXTRACT_OUTPUTS] = beamc__extract_outputs_new,
        [CONVERT_TO_ACCUMULATORS] = beamc__convert_to_accumulators_new,
        [GROUPED_VALUES] = beamc__combine_grouped_new};
    node->unit = makers[p](tr->plan, &spec);
    return BEAMC_OK;
}

beamc_status beamc__tr_build_combine(beamc_tr *tr, beamc_tr_node *node) {
    return build(tr, node, piece_of(node));
}

beamc_status beamc__tr_build_grouped(beamc_tr *tr, beamc_tr_node *node) {
    return build(tr, node, GROUPED_VALUES);
}
