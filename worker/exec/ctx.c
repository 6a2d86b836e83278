/* ctx.c: the part of dofn.h that every callback may use: config, memory, emitting, the element at
 * hand. State, timers, side inputs, restrictions and metrics have files of their own.
 * Threads: the bundle's. */
#include "worker/exec/ctx.h"

#include <stdarg.h>
#include <stdio.h>

#include "worker/exec/misuse.h"
#include "worker/exec/sdf.h"
#include "base/log.h"
#include "base/time_text.h"
#include "graph/builtin_fns.h"

/* After this many elements from one call each emit gives back the scratch that was used behind it:
 * a source that reads a whole file in one call must not gather it in memory. */
enum { EMITS_BEFORE_REWIND = 8 };

static void log_context(const beamc_ctx *ctx, const char **transform_id,
                        const char **instruction_id) {
    *transform_id = ctx->step;
    const beamc_bundle_request *request = ctx->plan->request;
    if (request != NULL && request->instruction_id != NULL) {
        *instruction_id = request->instruction_id;
    }
}

static void teach_log(void) {
    beamc__log_set_context(log_context);
}

void beamc__ctx_init(beamc_ctx *ctx, beamc_plan *plan, const char *step, const void *config,
                     size_t instance_size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, teach_log);
    ctx->plan = plan;
    ctx->step = step;
    ctx->config = config;
    ctx->instance_arena = beamc_arena_new(4096);
    ctx->instance = beamc_arena_zalloc(ctx->instance_arena, instance_size);
}

void beamc__ctx_deinit(beamc_ctx *ctx) {
    beamc_arena_free(ctx->instance_arena);
    ctx->instance_arena = NULL;
}

const void *beamc_config(const beamc_ctx *ctx) {
    return ctx->config;
}

void *beamc_instance(const beamc_ctx *ctx) {
    return ctx->instance;
}

void *beamc_alloc(beamc_ctx *ctx, size_t size) {
    return beamc_arena_alloc(ctx->plan->elements, size);
}

beamc_slice beamc_copy(beamc_ctx *ctx, beamc_slice s) {
    return beamc_arena_copy(ctx->plan->elements, s);
}

beamc_slice beamc_format(beamc_ctx *ctx, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t len = n > 0 ? (size_t)n : 0;
    char *text = beamc_alloc(ctx, len + 1);
    vsnprintf(text, len + 1, fmt, again);
    va_end(again);
    return beamc_slice_of(text, len);
}

beamc_slice beamc_format_time(beamc_ctx *ctx, beamc_time time) {
    char *text = beamc_alloc(ctx, BEAMC_TIME_TEXT_MAX);
    size_t len = beamc__time_format_utc(time, text);
    return len > 0 ? beamc_slice_of(text, len) : beamc_format(ctx, "%lld ms", (long long)time);
}

beamc_arena *beamc_scratch_arena(beamc_ctx *ctx) {
    return ctx->plan->elements;
}

beamc_arena *beamc_bundle_arena(beamc_ctx *ctx) {
    return ctx->plan->bundle;
}

beamc_arena *beamc_instance_arena(beamc_ctx *ctx) {
    return ctx->instance_arena;
}

beamc_error *beamc_ctx_error(beamc_ctx *ctx) {
    return &ctx->plan->error;
}

const char *beamc_ctx_option(const beamc_ctx *ctx, const char *name) {
    const beamc_options *options = ctx->plan->env->options;
    return options != NULL ? beamc_option_text(options, name) : NULL;
}

const char *beamc_ctx_step(const beamc_ctx *ctx) {
    return ctx->step;
}

const char *beamc_ctx_bundle_id(const beamc_ctx *ctx) {
    const beamc_bundle_request *request = ctx->plan->request;
    if (request == NULL) {
        return "";
    }
    const char *id = request->bundle_id != NULL ? request->bundle_id : request->instruction_id;
    return id != NULL ? id : "";
}

beamc_value beamc_kv_of(beamc_ctx *ctx, beamc_value key, beamc_value value) {
    beamc_kv *kv = beamc_alloc(ctx, sizeof *kv);
    kv->key = key;
    kv->value = value;
    beamc_value v;
    v.kv = kv;
    return v;
}

const beamc_coder *beamc_input_coder(const beamc_ctx *ctx) {
    return ctx->input_coder;
}

const beamc_coder *beamc_output_coder(const beamc_ctx *ctx, unsigned output) {
    return output < BEAMC_MAX_OUTPUTS ? ctx->output_coders[output] : NULL;
}

/* ------------------------------------------------------------------------------- emitting */

beamc_status beamc__ctx_emit(beamc_ctx *ctx, unsigned output, const beamc_wv *wv) {
    beamc_plan *plan = ctx->plan;
    if (__builtin_expect(plan->failed != BEAMC_OK, 0)) {
        return plan->failed; /* an earlier emit failed and its status was ignored */
    }
    beamc_pcol *pc = ctx->outputs[output];
    if (ctx->sdf != NULL) {
        beamc_time promised = BEAMC_TIME_MIN;
        if (!beamc_sdf_note(ctx->sdf, wv->timestamp, &promised)) {
            return beamc__misuse_watermark(ctx, output, wv->timestamp, promised);
        }
    }
    if (pc == NULL) {
        return BEAMC_OK;
    }
    if (ctx->emitted < EMITS_BEFORE_REWIND) {
        ctx->emitted++;
        return beamc_push(pc, wv);
    }
    beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
    beamc_status status = beamc_push(pc, wv);
    beamc__scratch_rewind(&plan->scratch, mark);
    return status;
}

beamc_status beamc_emit(beamc_ctx *ctx, unsigned output, beamc_value value) {
    if (__builtin_expect(output >= ctx->output_count, 0)) {
        return beamc__misuse_output(ctx, output);
    }
    if (__builtin_expect(ctx->at == NULL, 0)) {
        return beamc__misuse_emit(ctx);
    }
    beamc_wv wv = *ctx->at;
    wv.value = value;
    return beamc__ctx_emit(ctx, output, &wv);
}

beamc_status beamc_emit_at(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                           beamc_value value) {
    if (__builtin_expect(output >= ctx->output_count, 0)) {
        return beamc__misuse_output(ctx, output);
    }
    if (__builtin_expect(ctx->at == NULL, 0)) {
        return beamc__misuse_emit(ctx);
    }
    beamc_wv wv = *ctx->at;
    wv.value = value;
    wv.timestamp = timestamp;
    return beamc__ctx_emit(ctx, output, &wv);
}

beamc_status beamc_emit_in(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                           beamc_window window, beamc_value value) {
    if (__builtin_expect(output >= ctx->output_count, 0)) {
        return beamc__misuse_output(ctx, output);
    }
    static const beamc_pane no_firing = BEAMC_PANE_NO_FIRING;
    beamc_wv wv = {value, timestamp, &window, 1, ctx->at != NULL ? ctx->at->pane : no_firing};
    return beamc__ctx_emit(ctx, output, &wv);
}

const beamc_windowed_value *beamc__ctx_windowed(const beamc_ctx *ctx) {
    return ctx->at;
}

beamc_status beamc__emit_windowed(beamc_ctx *ctx, unsigned output,
                                  const beamc_windowed_value *value) {
    if (output >= ctx->output_count) {
        return beamc__misuse_output(ctx, output);
    }
    return beamc__ctx_emit(ctx, output, value);
}

/* --------------------------------------------------------------------- the element at hand */

beamc_time beamc_timestamp(const beamc_ctx *ctx) {
    return ctx->at != NULL ? ctx->at->timestamp : BEAMC_TIME_MIN;
}

beamc_window beamc_current_window(const beamc_ctx *ctx) {
    return ctx->at != NULL && ctx->at->window_count > 0 ? ctx->at->windows[0]
                                                        : beamc__global_window;
}

beamc_pane beamc_current_pane(const beamc_ctx *ctx) {
    static const beamc_pane no_firing = BEAMC_PANE_NO_FIRING;
    return ctx->at != NULL ? ctx->at->pane : no_firing;
}

beamc_time beamc_processing_time(const beamc_ctx *ctx) {
    return beamc__plan_now(ctx->plan);
}
