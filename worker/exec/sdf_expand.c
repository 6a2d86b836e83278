/* sdf_expand.c: what comes before a splittable DoFn is run:
 * sdf_pair_with_restriction: x -> KV<x, KV<restriction, watermark>>;
 * sdf_split_and_size_restrictions: -> KV<KV<x, KV<restriction, watermark>>, size>, for each part;
 * sdf_truncate_sized_restrictions: the same, shortened or dropped, when a pipeline drains.
 * Each runs an instance of the DoFn of its own, of which only setup and teardown and the callback in
 * question are called. Threads: the bundle's. */
#include "worker/exec/sdf.h"

typedef beamc_status (*part_fn)(beamc_pardo *p, const beamc_wv *in);

/* In one piece, or window by window when the DoFn can tell. */
static beamc_status each_window(beamc_pardo *p, const beamc_wv *in, part_fn fn) {
    beamc_status status = BEAMC_OK;
    if (!p->fn->observes_window || in->window_count == 1) {
        status = fn(p, in);
    } else {
        beamc_wv one = *in;
        one.window_count = 1;
        for (size_t i = 0; i < in->window_count && status == BEAMC_OK; i++) {
            one.windows = &in->windows[i];
            status = fn(p, &one);
        }
    }
    p->ctx.at = NULL;
    return status == BEAMC_OK ? p->ctx.plan->failed : status;
}

static beamc_status push_value(beamc_sdf *sdf, const beamc_wv *at, beamc_value value) {
    beamc_wv out = *at;
    out.value = value;
    return beamc_push(sdf->out, &out);
}

/* --------------------------------------------------------------------- pair with restriction */

static beamc_status pair(beamc_pardo *p, const beamc_wv *in) {
    beamc_ctx *ctx = &p->ctx;
    beamc_sdf *sdf = ctx->sdf;
    ctx->at = in;
    void *restriction = beamc_alloc(ctx, sdf->row->size);
    memset(restriction, 0, sdf->row->size);
    BEAMC_TRY_CTX(&ctx->plan->error, sdf->fn->initial(ctx, &in->value, restriction),
                  "initial restriction");
    beamc_kv tail = {{.row = restriction}, {.i64 = BEAMC_TIME_MIN}};
    beamc_kv part = {in->value, {.kv = &tail}};
    return push_value(sdf, in, (beamc_value){.kv = &part});
}

static beamc_status pair_process(beamc_unit *unit, const beamc_wv *in) {
    return each_window((beamc_pardo *)unit, in, pair);
}

/* ---------------------------------------------------------------------------- split and size */

beamc_status beamc_emit_restriction(beamc_ctx *ctx, const void *restriction) {
    beamc_sdf *sdf = ctx->sdf;
    if (sdf == NULL || sdf->part == NULL) {
        return BEAMC_FAIL(&ctx->plan->error, FAILED_PRECONDITION,
                          "beamc_emit_restriction is for the split callback of a splittable DoFn");
    }
    beamc_kv tail = {{.row = restriction}, sdf->part->value.kv->value};
    beamc_kv part = {sdf->part->key, {.kv = &tail}};
    double size = beamc__sdf_size(ctx, sdf, &sdf->part->key, restriction);
    beamc_kv sized = {{.kv = &part}, {.f64 = size}};
    return push_value(sdf, ctx->at, (beamc_value){.kv = &sized});
}

static beamc_status split(beamc_pardo *p, const beamc_wv *in) {
    beamc_ctx *ctx = &p->ctx;
    beamc_sdf *sdf = ctx->sdf;
    const beamc_kv *part = in->value.kv;
    beamc_wv at = *in;
    at.value = part->key;
    ctx->at = &at;
    sdf->part = part;
    const void *restriction = part->value.kv->key.row;
    beamc_status status = sdf->fn->split != NULL ? sdf->fn->split(ctx, &part->key, restriction)
                                                 : beamc_emit_restriction(ctx, restriction);
    sdf->part = NULL;
    if (status != BEAMC_OK && ctx->plan->failed == BEAMC_OK) {
        beamc_error_prepend(&ctx->plan->error, "initial split");
    }
    return status;
}

static beamc_status split_process(beamc_unit *unit, const beamc_wv *in) {
    return each_window((beamc_pardo *)unit, in, split);
}

/* ---------------------------------------------------------------------------------- truncate */

static beamc_status truncate(beamc_pardo *p, const beamc_wv *in) {
    beamc_ctx *ctx = &p->ctx;
    beamc_sdf *sdf = ctx->sdf;
    const beamc_kv *part = in->value.kv->key.kv;
    if (sdf->fn->truncate == NULL) {
        /* What is bounded is finished; what is not ends here. */
        return sdf->fn->unbounded ? BEAMC_OK : push_value(sdf, in, in->value);
    }
    beamc_wv at = *in;
    at.value = part->key;
    ctx->at = &at;
    void *restriction = beamc_alloc(ctx, sdf->row->size);
    memcpy(restriction, part->value.kv->key.row, sdf->row->size);
    bool keep = true;
    BEAMC_TRY_CTX(&ctx->plan->error, sdf->fn->truncate(ctx, &part->key, restriction, &keep),
                  "truncate");
    if (!keep) {
        return BEAMC_OK;
    }
    beamc_kv tail = {{.row = restriction}, part->value.kv->value};
    beamc_kv kept = {part->key, {.kv = &tail}};
    beamc_kv sized = {{.kv = &kept}, {.f64 = beamc__sdf_size(ctx, sdf, &part->key, restriction)}};
    return push_value(sdf, in, (beamc_value){.kv = &sized});
}

static beamc_status truncate_process(beamc_unit *unit, const beamc_wv *in) {
    return each_window((beamc_pardo *)unit, in, truncate);
}

#define EXPAND_OPS(ops_name, process_fn)                                                           \
    {                                                                                              \
        .name = (ops_name), .setup = beamc__pardo_setup, .start_bundle = beamc__pardo_reset,       \
        .process = (process_fn), .teardown = beamc__pardo_teardown                                 \
    }

static const beamc_unit_ops pair_ops = EXPAND_OPS("sdf_pair_with_restriction", pair_process);
static const beamc_unit_ops split_ops = EXPAND_OPS("sdf_split_and_size", split_process);
static const beamc_unit_ops truncate_ops = EXPAND_OPS("sdf_truncate", truncate_process);

static beamc_unit *expand_new(beamc_plan *plan, const beamc_sdf_spec *spec,
                              const beamc_unit_ops *ops) {
    beamc_pardo *p = beamc__pardo_new(plan, spec->id, spec->fn, spec->config, NULL, 0);
    p->unit.ops = ops;
    beamc__sdf_attach(p, spec->out);
    return &p->unit;
}

beamc_unit *beamc__sdf_pair_new(beamc_plan *plan, const beamc_sdf_spec *spec) {
    return expand_new(plan, spec, &pair_ops);
}

beamc_unit *beamc__sdf_split_new(beamc_plan *plan, const beamc_sdf_spec *spec) {
    return expand_new(plan, spec, &split_ops);
}

beamc_unit *beamc__sdf_truncate_new(beamc_plan *plan, const beamc_sdf_spec *spec) {
    return expand_new(plan, spec, &truncate_ops);
}
