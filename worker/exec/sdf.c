/* sdf.c: beam:transform:sdf_process_sized_element_and_restrictions:v1: runs a splittable DoFn on a
 * part of an element, and splits it while it runs. Threads: see sdf.h. */
#include "worker/exec/sdf.h"

#include <stdlib.h>

#include "base/mem.h"

beamc_sdf *beamc__sdf_attach(beamc_pardo *p, beamc_pcol *out) {
    beamc_plan *plan = p->unit.plan;
    beamc_sdf *sdf = beamc__calloc(1, sizeof *sdf);
    sdf->pardo = p;
    sdf->fn = p->fn->splittable;
    sdf->row = beamc_splittable_row(sdf->fn);
    sdf->out = out;
    pthread_mutex_init(&sdf->mu, NULL);
    sdf->tracker.fn = sdf->fn->tracker;
    sdf->tracker.mu = &sdf->mu;
    if (sdf->fn->tracker != NULL) {
        sdf->tracker.state = beamc_arena_zalloc(plan->arena, sdf->fn->tracker->state_size);
    }
    sdf->index = -1;
    p->ctx.sdf = sdf;
    return sdf;
}

void beamc__sdf_free(beamc_sdf *sdf) {
    if (sdf != NULL) {
        pthread_mutex_destroy(&sdf->mu);
        free(sdf);
    }
}

double beamc__sdf_size(beamc_ctx *ctx, const beamc_sdf *sdf, const beamc_value *in,
                       const void *restriction) {
    if (sdf->fn->size != NULL) {
        double size = sdf->fn->size(ctx, in, restriction);
        return size >= 0 ? size : 0;
    }
    if (sdf->fn->restriction != NULL) {
        return 1;
    }
    const beamc_offset_range *range = restriction;
    return range->stop > range->start ? (double)range->stop - (double)range->start : 0;
}

/* ------------------------------------------------------------------ primaries and residuals */

static int64_t current_watermark(const beamc_sdf *sdf) {
    if (sdf->fn->watermark == BEAMC_WATERMARK_WALL_TIME) {
        return beamc__plan_now(sdf->pardo->unit.plan);
    }
    return atomic_load(&sdf->watermark);
}

/* The element in progress with another restriction, in the encoding of its source. */
static beamc_status encode_root(beamc_sdf *sdf, beamc_ctx *ctx, const void *restriction,
                                int64_t watermark, beamc_arena *arena, beamc_bundle_root *root,
                                beamc_error *err) {
    beamc_kv tail = {{.row = restriction}, {.i64 = watermark}};
    beamc_kv part = {sdf->at->value, {.kv = &tail}};
    double size = beamc__sdf_size(ctx, sdf, &sdf->at->value, restriction);
    beamc_kv sized = {{.kv = &part}, {.f64 = size}};
    beamc_value value = {.kv = &sized};
    beamc_buf out = {0};
    beamc_status status = BEAMC_OK;
    if (sdf->window_coder != NULL) {
        status = beamc__windowed_encode_head(sdf->window_coder, sdf->at, &out, err);
    }
    if (status == BEAMC_OK) {
        status = beamc__encode(sdf->sized_coder, &value, true, &out, err);
    }
    if (status == BEAMC_OK) {
        *root = (beamc_bundle_root){
            .transform_id = beamc_str(sdf->pardo->unit.id),
            .input_id = beamc_str(sdf->input_id),
            .element = beamc_arena_copy(arena, beamc_buf_slice(&out)),
            .unbounded = sdf->fn->unbounded,
        };
    }
    beamc_buf_free(&out);
    return status;
}

static void set_watermarks(beamc_sdf *sdf, int64_t watermark, beamc_arena *arena,
                           beamc_bundle_root *root) {
    unsigned n = sdf->pardo->ctx.output_count;
    struct beamc_root_watermark *marks = beamc_arena_alloc(arena, n * sizeof *marks);
    size_t count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (sdf->output_ids[i] != NULL) {
            marks[count++] =
                (struct beamc_root_watermark){beamc_str(sdf->output_ids[i]), watermark};
        }
    }
    root->watermarks = marks;
    root->watermark_count = count;
}

static beamc_status split_locked(beamc_sdf *sdf, beamc_ctx *ctx, double fraction,
                                 beamc_arena *arena, bool *split, beamc_bundle_root *primary,
                                 beamc_bundle_root *residual, beamc_error *err) {
    /* Before the split: what is emitted from here on belongs to the primary as well. */
    int64_t watermark = current_watermark(sdf);
    void *first = beamc_arena_zalloc(arena, sdf->row->size);
    void *second = beamc_arena_zalloc(arena, sdf->row->size);
    *split = beamc__tracker_split(&sdf->tracker, fraction, first, second);
    if (!*split) {
        return BEAMC_OK;
    }
    if (primary != NULL) {
        /* Whoever runs it again begins where this one began. */
        BEAMC_TRY(encode_root(sdf, ctx, first, sdf->began_at, arena, primary, err));
    }
    BEAMC_TRY(encode_root(sdf, ctx, second, watermark, arena, residual, err));
    set_watermarks(sdf, watermark, arena, residual);
    return BEAMC_OK;
}

/* What does not change while the bundle's thread works with its own. */
static void other_ctx(const beamc_sdf *sdf, beamc_plan *plan, beamc_ctx *out) {
    const beamc_ctx *own = &sdf->pardo->ctx;
    *out = (beamc_ctx){.plan = plan,
                       .step = own->step,
                       .fn = own->fn,
                       .config = own->config,
                       .instance = own->instance,
                       .instance_arena = own->instance_arena,
                       .at = sdf->at,
                       .output_count = own->output_count,
                       .input_coder = own->input_coder};
    memcpy(out->output_coders, own->output_coders, sizeof out->output_coders);
}

beamc_status beamc__sdf_split(beamc_sdf *sdf, int64_t index, double fraction, beamc_arena *arena,
                              bool *split, beamc_bundle_root *primary, beamc_bundle_root *residual,
                              beamc_error *err) {
    *split = false;
    pthread_mutex_lock(&sdf->mu);
    beamc_status status = BEAMC_OK;
    /* A custom tracker may be busy: its bundle thread holds the lock only for single claims. */
    if (sdf->active && sdf->index == index && sdf->can_split) {
        /* The user's size function gets a context whose memory is this call's. */
        beamc_plan *plan = beamc__calloc(1, sizeof *plan);
        plan->elements = plan->bundle = arena;
        plan->env = sdf->pardo->unit.plan->env;
        beamc_ctx ctx;
        other_ctx(sdf, plan, &ctx);
        status = split_locked(sdf, &ctx, fraction, arena, split, primary, residual, err);
        free(plan);
    }
    pthread_mutex_unlock(&sdf->mu);
    return status;
}

void beamc__sdf_fraction_done(beamc_sdf *sdf, int64_t index, double *done) {
    pthread_mutex_lock(&sdf->mu);
    if (sdf->active && sdf->index == index) {
        double finished, remaining;
        beamc__tracker_progress(&sdf->tracker, &finished, &remaining);
        if (finished + remaining > 0) {
            *done = finished / (finished + remaining);
        }
    }
    pthread_mutex_unlock(&sdf->mu);
}

bool beamc__sdf_progress(beamc_sdf *sdf, double *done, double *remaining) {
    pthread_mutex_lock(&sdf->mu);
    bool active = sdf->active;
    if (active) {
        beamc__tracker_progress(&sdf->tracker, done, remaining);
    }
    pthread_mutex_unlock(&sdf->mu);
    return active;
}

/* ----------------------------------------------------------------------------- processing */

static beamc_status add_residual(beamc_plan *plan, beamc_bundle_root root) {
    if (plan->residual_count == plan->residual_cap) {
        plan->residual_cap = plan->residual_cap != 0 ? 2 * plan->residual_cap : 8;
        plan->residuals =
            beamc__realloc(plan->residuals, plan->residual_cap * sizeof *plan->residuals);
    }
    plan->residuals[plan->residual_count++] = root;
    return BEAMC_OK;
}

/* The DoFn deferred: the rest goes back to the runner. */
static beamc_status checkpoint_locked(beamc_sdf *sdf) {
    beamc_plan *plan = sdf->pardo->unit.plan;
    bool split = false;
    beamc_bundle_root residual;
    BEAMC_TRY(split_locked(sdf, &sdf->pardo->ctx, 0, plan->bundle, &split, NULL, &residual,
                           &plan->error));
    if (split) {
        residual.delay_ms = sdf->delay_ms;
        BEAMC_TRY(add_residual(plan, residual));
    }
    return BEAMC_OK;
}

static beamc_status begin(beamc_sdf *sdf, const beamc_wv *at, const beamc_kv *tail, int64_t index) {
    /* Not locked: as long as nothing is active nobody else looks, and a tracker may take its time. */
    BEAMC_TRY(beamc__tracker_start(&sdf->tracker, &sdf->pardo->ctx, tail->key.row));
    pthread_mutex_lock(&sdf->mu);
    sdf->at = at;
    sdf->index = index;
    sdf->deferred = false;
    sdf->began_at = tail->value.i64;
    atomic_store(&sdf->watermark, tail->value.i64);
    sdf->active = true;
    pthread_mutex_unlock(&sdf->mu);
    return BEAMC_OK;
}

static beamc_status finish(beamc_sdf *sdf, beamc_status status) {
    beamc_plan *plan = sdf->pardo->unit.plan;
    pthread_mutex_lock(&sdf->mu);
    if (status == BEAMC_OK && sdf->deferred) {
        status = checkpoint_locked(sdf);
    }
    if (status == BEAMC_OK) {
        status = beamc__tracker_check_done(&sdf->tracker, &plan->error);
    }
    sdf->active = false;
    sdf->at = NULL;
    pthread_mutex_unlock(&sdf->mu);
    return status;
}

static beamc_status process_one(beamc_sdf *sdf, const beamc_wv *at, const beamc_kv *tail,
                                bool whole) {
    beamc_plan *plan = sdf->pardo->unit.plan;
    /* Only an element that is processed in one piece can be named by its index at the source. */
    int64_t index = whole && sdf->source_index != NULL
                        ? atomic_load_explicit(sdf->source_index, memory_order_relaxed)
                        : -1;
    beamc_ctx *ctx = &sdf->pardo->ctx;
    ctx->at = at;
    BEAMC_TRY(begin(sdf, at, tail, index));
    beamc_status status = beamc_pardo_call(sdf->pardo, at);
    ctx->at = at; /* for the size of a residual */
    status = finish(sdf, status);
    ctx->at = NULL;
    return status != BEAMC_OK ? status : plan->failed;
}

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    beamc_pardo *p = (beamc_pardo *)unit;
    beamc_sdf *sdf = p->ctx.sdf;
    const beamc_kv *part = in->value.kv->key.kv;
    beamc_wv at = *in;
    at.value = part->key;
    if (!p->fn->observes_window || in->window_count == 1) {
        return process_one(sdf, &at, part->value.kv, true);
    }
    at.window_count = 1;
    for (size_t i = 0; i < in->window_count; i++) {
        at.windows = &in->windows[i];
        BEAMC_TRY(process_one(sdf, &at, part->value.kv, false));
    }
    return BEAMC_OK;
}

static void abort_bundle(beamc_unit *unit) {
    beamc_sdf *sdf = ((beamc_pardo *)unit)->ctx.sdf;
    pthread_mutex_lock(&sdf->mu);
    sdf->active = false;
    pthread_mutex_unlock(&sdf->mu);
    beamc__pardo_abort_bundle(unit);
}

static const beamc_unit_ops process_ops = {.name = "sdf_process_sized_element_and_restrictions",
                                           .setup = beamc__pardo_setup,
                                           .start_bundle = beamc__pardo_start_bundle,
                                           .process = process,
                                           .finish_bundle = beamc__pardo_finish_bundle,
                                           .abort_bundle = abort_bundle,
                                           .teardown = beamc__pardo_teardown};

beamc_pardo *beamc__sdf_process_new(beamc_plan *plan, const beamc_sdf_spec *spec,
                                    beamc_pcol *const *outputs, unsigned output_count) {
    beamc_pardo *p =
        beamc__pardo_new(plan, spec->id, spec->fn, spec->config, outputs, output_count);
    p->unit.ops = &process_ops;
    beamc_sdf *sdf = beamc__sdf_attach(p, NULL);
    sdf->next = plan->sdfs;
    plan->sdfs = sdf;
    sdf->slot = plan->next_slot;
    plan->next_slot += 2;
    return p;
}

/* An iterable may have to be read from the state service, which only the bundle's thread may use. */
static bool other_thread_can_encode(const beamc_coder *c, unsigned depth) {
    if (c == NULL || depth > BEAMC_CODER_MAX_DEPTH || c->kind == BEAMC_CODER_ITERABLE ||
        c->kind == BEAMC_CODER_STATE_BACKED_ITERABLE) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (c->args[i] != NULL && !other_thread_can_encode(c->args[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

void beamc__sdf_set_coder(beamc_sdf *sdf, const beamc_coder *sized, const beamc_coder *window,
                          const char *input_id) {
    sdf->sized_coder = sized;
    sdf->window_coder = window;
    sdf->input_id = input_id;
    sdf->can_split = other_thread_can_encode(sized, 0);
}

/* ------------------------------------------------------------------------ what DoFns call */

const void *beamc_restriction(const beamc_ctx *ctx) {
    return ctx->sdf != NULL ? ctx->sdf->tracker.restriction : NULL;
}

bool beamc_try_claim(beamc_ctx *ctx, int64_t offset) {
    return ctx->sdf != NULL && beamc_tracker_claim(&ctx->sdf->tracker, offset);
}

bool beamc_try_claim_position(beamc_ctx *ctx, const void *position) {
    return ctx->sdf != NULL && beamc__tracker_claim_position(&ctx->sdf->tracker, position);
}

beamc_status beamc_defer(beamc_ctx *ctx, int64_t delay_ms) {
    if (ctx->sdf == NULL || ctx->at == NULL) {
        return BEAMC_FAIL(&ctx->plan->error, FAILED_PRECONDITION,
                          "beamc_defer is for process of a splittable DoFn");
    }
    ctx->sdf->deferred = true;
    ctx->sdf->delay_ms = delay_ms > 0 ? delay_ms : 0;
    return BEAMC_OK;
}

void beamc_watermark_set(beamc_ctx *ctx, beamc_time watermark) {
    if (ctx->sdf != NULL && watermark > atomic_load(&ctx->sdf->watermark)) {
        atomic_store(&ctx->sdf->watermark, watermark);
    }
}

beamc_time beamc_watermark(const beamc_ctx *ctx) {
    return ctx->sdf != NULL ? current_watermark(ctx->sdf) : BEAMC_TIME_MIN;
}
