/* translate_sdf.c: the four transforms of an expanded splittable DoFn. The pair that a restriction
 * travels in is KV<restriction, watermark> (payload.h); sized elements are
 * KV<KV<element, pair>, double>. */
#include "worker/exec/translate.h"

static beamc_status read_sdf(beamc_tr *tr, beamc_tr_node *node) {
    BEAMC_TRY(beamc__tr_read_pardo(tr, node));
    if (node->fn == NULL || node->fn->splittable == NULL) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "%s is not a splittable DoFn",
                          node->pardo->do_fn->urn);
    }
    return BEAMC_OK;
}

/* KV<element, KV<restriction, watermark>> as it lies in memory. */
static const beamc_coder *part_coder(beamc_tr *tr, const beamc_tr_node *node,
                                     const beamc_coder *element) {
    beamc_coder *row = beamc_arena_alloc(tr->arena, sizeof *row);
    *row = (beamc_coder){
        BEAMC_CODER_ROW, {NULL, NULL}, beamc_splittable_row(node->fn->splittable), NULL};
    return beamc__tr_kv(tr, element, beamc__tr_kv(tr, row, &beamc_varint));
}

static const beamc_coder *sized_coder(beamc_tr *tr, const beamc_coder *part) {
    return beamc__tr_kv(tr, part, &beamc_double);
}

beamc_status beamc__tr_prepare_pair(beamc_tr *tr, beamc_tr_node *node) {
    BEAMC_TRY(read_sdf(tr, node));
    node->expected = node->decoded.input;
    return BEAMC_OK;
}

beamc_status beamc__tr_prepare_split(beamc_tr *tr, beamc_tr_node *node) {
    BEAMC_TRY(read_sdf(tr, node));
    node->expected = part_coder(tr, node, node->decoded.input);
    return BEAMC_OK;
}

beamc_status beamc__tr_prepare_sized(beamc_tr *tr, beamc_tr_node *node) {
    BEAMC_TRY(read_sdf(tr, node));
    node->expected = sized_coder(tr, part_coder(tr, node, node->decoded.input));
    return BEAMC_OK;
}

static beamc_sdf_spec spec_of(const beamc_tr_node *node, beamc_pcol *out) {
    return (beamc_sdf_spec){
        .id = node->id, .fn = node->fn, .config = node->decoded.config, .out = out};
}

/* Side inputs can be read in all of them. */
static beamc_status finish(beamc_tr *tr, beamc_tr_node *node, beamc_unit *unit) {
    node->unit = unit;
    return beamc__tr_finish_ctx(tr, node, (beamc_pardo *)unit);
}

beamc_status beamc__tr_build_pair(beamc_tr *tr, beamc_tr_node *node) {
    beamc_tr_pcol *out;
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    beamc_sdf_spec spec = spec_of(node, out->pc);
    BEAMC_TRY(beamc__tr_set_memory(tr, out, part_coder(tr, node, node->in)));
    return finish(tr, node, beamc__sdf_pair_new(tr->plan, &spec));
}

beamc_status beamc__tr_build_split(beamc_tr *tr, beamc_tr_node *node) {
    beamc_tr_pcol *out;
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    beamc_sdf_spec spec = spec_of(node, out->pc);
    BEAMC_TRY(beamc__tr_set_memory(tr, out, sized_coder(tr, node->in)));
    return finish(tr, node, beamc__sdf_split_new(tr->plan, &spec));
}

beamc_status beamc__tr_build_truncate(beamc_tr *tr, beamc_tr_node *node) {
    beamc_tr_pcol *out;
    BEAMC_TRY(beamc__tr_one_output(tr, node, &out));
    beamc_sdf_spec spec = spec_of(node, out->pc);
    BEAMC_TRY(beamc__tr_set_memory(tr, out, node->in));
    return finish(tr, node, beamc__sdf_truncate_new(tr->plan, &spec));
}

/* The source that makes @p pcol, when this node is all that consumes it. */
static beamc_source *source_of(beamc_tr *tr, const beamc_tr_pcol *pcol) {
    beamc_source *found = NULL;
    if (pcol->consumer_count != 1) {
        return NULL;
    }
    for (size_t i = 0; i < tr->plan->port_count; i++) {
        beamc_source *s = tr->plan->port_nodes[i].source;
        if (s != NULL && s->out == pcol->pc) {
            if (found != NULL) {
                return NULL;
            }
            found = s;
        }
    }
    return found;
}

/* Roots are encoded as the source's elements are; without a source by the PCollection's coders. */
static beamc_status set_root_coder(beamc_tr *tr, beamc_tr_node *node, beamc_sdf *sdf) {
    beamc_tr_pcol *in = node->inputs[0].pcol;
    beamc_source *source = source_of(tr, in);
    if (source == NULL) {
        if (in->window_coder == NULL) {
            return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "PCollection %s has no known windows",
                              in->id);
        }
        beamc__sdf_set_coder(sdf, node->in, in->window_coder, node->inputs[0].tag);
        return BEAMC_OK;
    }
    const beamc_coder *sized;
    BEAMC_TRY(beamc__coder_bind(tr->arena, source->value_coder, node->in, &sized, tr->err));
    beamc__sdf_set_coder(sdf, sized, source->fixed == NULL ? source->window_coder : NULL,
                         node->inputs[0].tag);
    source->sdf = sdf;
    sdf->source_index = &source->index;
    return BEAMC_OK;
}

beamc_status beamc__tr_build_process(beamc_tr *tr, beamc_tr_node *node) {
    beamc_pcol *outputs[BEAMC_MAX_OUTPUTS] = {NULL};
    BEAMC_TRY(beamc__tr_pardo_outputs(tr, node, outputs));
    beamc_sdf_spec spec = spec_of(node, NULL);
    unsigned count = beamc_dofn_output_count(node->fn);
    beamc_pardo *p = beamc__sdf_process_new(tr->plan, &spec, outputs, count);
    node->unit = &p->unit;
    BEAMC_TRY(set_root_coder(tr, node, p->ctx.sdf));
    for (size_t k = 0; k < node->output_count; k++) {
        for (unsigned i = 0; i < count; i++) {
            if (strcmp(node->fn->outputs[i].name, node->outputs[k].tag) == 0) {
                p->ctx.sdf->output_ids[i] = node->outputs[k].tag;
            }
        }
    }
    return finish(tr, node, &p->unit);
}
