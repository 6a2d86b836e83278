/* dofn_tester.c: beamc_dofn_tester of <beamc/test.h>: one DoFn in a plan of its own, made without a
 * descriptor, with capturing nodes behind its outputs and state in memory. Timers can be set; nobody
 * fires them. A splittable DoFn gets all of its initial restriction. Threads: one for each tester. */
#include <beamc/test.h>

#include <stdlib.h>

#include "base/mem.h"
#include "worker/exec/sdf.h"
#include "worker/exec/timers.h"
#include "worker/exec/user_state.h"

typedef struct capture {
    beamc_unit unit;
    const beamc_coder *coder;
    beamc_arena *arena;
    beamc_windowed_value *items;
    size_t count, cap;
} capture;

/* What the state service would hold under one key. */
typedef struct cell {
    struct cell *next;
    beamc_buf key;
    beamc_buf bytes;
} cell;

struct beamc_dofn_tester {
    beamc_bundle_io io; /* first: the ops cast back */
    beamc_bundle_request request;
    beamc_plan_env env;
    beamc_plan *plan;
    beamc_pardo *pardo;
    beamc_pcol *in;
    const void *config;
    capture *captures[BEAMC_MAX_OUTPUTS];
    unsigned output_count;
    cell *cells;
    beamc_buf timer_out; /* thrown away */
    bool started;
};

/* ---------------------------------------------------------------------------------- capturing */

static beamc_status capture_process(beamc_unit *unit, const beamc_wv *in) {
    capture *c = (capture *)unit;
    beamc_wv kept = *in;
    BEAMC_TRY(beamc_value_copy(c->coder, &in->value, c->arena, &kept.value, &unit->plan->error));
    beamc_window *windows = beamc_arena_alloc(c->arena, in->window_count * sizeof *windows);
    memcpy(windows, in->windows, in->window_count * sizeof *windows);
    kept.windows = windows;
    if (c->count == c->cap) {
        c->cap = c->cap != 0 ? 2 * c->cap : 16;
        c->items = beamc__realloc(c->items, c->cap * sizeof *c->items);
    }
    c->items[c->count++] = kept;
    return BEAMC_OK;
}

static void capture_teardown(beamc_unit *unit) {
    capture *c = (capture *)unit;
    beamc_arena_free(c->arena);
    free(c->items);
}

static const beamc_unit_ops capture_ops = {
    .name = "capture", .process = capture_process, .teardown = capture_teardown};

/* -------------------------------------------------------------------------------------- state */

static cell *cell_of(beamc_bundle_io *io, const beamc_state_key *key) {
    beamc_dofn_tester *t = (beamc_dofn_tester *)io;
    beamc_buf name = {0};
    const beamc_slice parts[] = {key->id, key->window, key->key, key->map_key};
    beamc_buf_put_u8(&name, (unsigned)key->kind);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        beamc_put_prefixed(&name, parts[i]);
    }
    for (cell *c = t->cells; c != NULL; c = c->next) {
        if (beamc_slice_eq(beamc_buf_slice(&c->key), beamc_buf_slice(&name))) {
            beamc_buf_free(&name);
            return c;
        }
    }
    cell *c = beamc__calloc(1, sizeof *c);
    c->key = name;
    c->next = t->cells;
    t->cells = c;
    return c;
}

static beamc_status state_get(beamc_bundle_io *io, const beamc_state_key *key,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err) {
    (void)continuation;
    (void)err;
    *page = beamc_arena_copy(arena, beamc_buf_slice(&cell_of(io, key)->bytes));
    *next = (beamc_slice){NULL, 0};
    return BEAMC_OK;
}

static beamc_status state_append(beamc_bundle_io *io, const beamc_state_key *key, beamc_slice data,
                                 beamc_error *err) {
    (void)err;
    beamc_buf_put_slice(&cell_of(io, key)->bytes, data);
    return BEAMC_OK;
}

static beamc_status state_clear(beamc_bundle_io *io, const beamc_state_key *key, beamc_error *err) {
    (void)err;
    beamc_buf_clear(&cell_of(io, key)->bytes);
    return BEAMC_OK;
}

static beamc_buf *timers_out(beamc_bundle_io *io, uint32_t port) {
    (void)port;
    return &((beamc_dofn_tester *)io)->timer_out;
}

static beamc_status timers_flush(beamc_bundle_io *io, uint32_t port, beamc_error *err) {
    (void)port;
    (void)err;
    beamc_buf_clear(&((beamc_dofn_tester *)io)->timer_out);
    return BEAMC_OK;
}

static const beamc_bundle_io_ops tester_ops = {.out = timers_out,
                                               .flush = timers_flush,
                                               .flush_bytes = 1 << 16,
                                               .state_get = state_get,
                                               .state_append = state_append,
                                               .state_clear = state_clear};

/* ------------------------------------------------------------------------------------- making */

static const beamc_unit_ops state_combiner_ops = {
    .name = "combining state", .setup = beamc__combine_setup, .teardown = beamc__combine_teardown};

static beamc_status combiner_config(beamc_plan *plan, const beamc_combiner *fn, const void **out,
                                    beamc_error *err) {
    if (fn->config == NULL) {
        return BEAMC_OK;
    }
    void *config = beamc_arena_zalloc(plan->arena, fn->config->size);
    *out = config;
    return beamc_row_defaults(fn->config, plan->arena, config, err);
}

static beamc_status make_state(beamc_dofn_tester *t, const beamc_dofn *fn, beamc_error *err) {
    beamc_plan *plan = t->plan;
    if (fn->input == NULL || fn->input->kind != BEAMC_CODER_KV) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "DoFn %s has state or timers: its table must say that its input is a KV",
                          fn->urn);
    }
    beamc_user_state *state =
        beamc__user_state_new(t->pardo, fn->input->args[0], &beamc_global_window);
    for (unsigned i = 0; i < beamc_dofn_state_count(fn); i++) {
        const beamc_state_spec *spec = &fn->states[i];
        beamc_state_def def = {spec->name, spec->kind, spec->coder, spec->key_coder, NULL};
        if (spec->kind == BEAMC_STATE_COMBINING) {
            beamc_combine_spec combine = {.id = t->pardo->unit.id, .fn = spec->combiner};
            BEAMC_TRY(combiner_config(plan, spec->combiner, &combine.config, err));
            def.combine = beamc_arena_zalloc(plan->arena, sizeof *def.combine);
            beamc__combine_init(def.combine, plan, &combine, &state_combiner_ops);
            def.coder = &def.combine->acc_coder;
        }
        beamc__user_state_define(state, i, &def);
    }
    if (beamc_dofn_timer_count(fn) == 0) {
        return BEAMC_OK;
    }
    beamc_coder *timer = beamc_arena_alloc(plan->arena, sizeof *timer);
    *timer =
        (beamc_coder){BEAMC_CODER_TIMER, {fn->input->args[0], &beamc_global_window}, NULL, NULL};
    beamc_timers *timers = beamc__timers_new(t->pardo);
    for (unsigned i = 0; i < beamc_dofn_timer_count(fn); i++) {
        beamc_timer_family family = {
            .id = fn->timers[i].name, .domain = fn->timers[i].domain, .coder = timer, .index = i};
        BEAMC_TRY(beamc__timers_add_family(timers, &family, ""));
    }
    return BEAMC_OK;
}

static void make_outputs(beamc_dofn_tester *t, const beamc_dofn *fn, beamc_pcol **outputs) {
    t->output_count = beamc_dofn_output_count(fn);
    for (unsigned i = 0; i < t->output_count; i++) {
        outputs[i] = beamc__plan_add_pcol(t->plan, fn->outputs[i].name);
        outputs[i]->coder = fn->outputs[i].coder;
        capture *c = beamc_arena_zalloc(t->plan->arena, sizeof *c);
        c->coder = fn->outputs[i].coder;
        c->arena = beamc_arena_new(0);
        t->captures[i] = c;
    }
}

static beamc_status make_config(beamc_dofn_tester *t, const beamc_dofn *fn, const void *config,
                                beamc_error *err) {
    t->config = config;
    if (config != NULL || fn->config == NULL) {
        return BEAMC_OK;
    }
    void *defaults = beamc_arena_zalloc(t->plan->arena, fn->config->size);
    t->config = defaults;
    return beamc_row_defaults(fn->config, t->plan->arena, defaults, err);
}

static beamc_status make(beamc_dofn_tester *t, const beamc_dofn *fn, const void *config,
                         beamc_error *err) {
    beamc_plan *plan = t->plan;
    beamc_pcol *outputs[BEAMC_MAX_OUTPUTS] = {NULL};
    for (unsigned i = 0; i < beamc_dofn_output_count(fn); i++) {
        if (fn->outputs[i].coder == NULL) {
            return BEAMC_FAIL(
                err, INVALID_ARGUMENT,
                "output %s of DoFn %s has no coder in its table: a tester cannot keep "
                "its elements",
                fn->outputs[i].name, fn->urn);
        }
    }
    BEAMC_TRY(make_config(t, fn, config, err));
    t->in = beamc__plan_add_pcol(plan, "in");
    t->in->coder = fn->input;
    make_outputs(t, fn, outputs);
    if (fn->splittable != NULL) {
        beamc_sdf_spec spec = {.id = fn->urn, .fn = fn, .config = t->config};
        t->pardo = beamc__sdf_process_new(plan, &spec, outputs, t->output_count);
        t->in->coder = NULL;
        t->pardo->ctx.sdf->input_id = "in";
    } else {
        t->pardo = beamc__pardo_new(plan, fn->urn, fn, t->config, outputs, t->output_count);
    }
    t->pardo->ctx.input_coder = fn->input;
    for (unsigned i = 0; i < t->output_count; i++) {
        t->pardo->ctx.output_coders[i] = fn->outputs[i].coder;
        beamc__plan_add_unit(plan, &t->captures[i]->unit, &capture_ops, fn->outputs[i].name);
        beamc__pcol_add_consumer(outputs[i], &t->captures[i]->unit);
    }
    if (beamc_dofn_is_stateful(fn)) {
        BEAMC_TRY(make_state(t, fn, err));
    }
    beamc__pcol_add_consumer(t->in, &t->pardo->unit);
    return beamc__plan_setup(plan, err);
}

static beamc_status report(beamc_dofn_tester *t, beamc_status status, beamc_error *err) {
    if (status != BEAMC_OK && err != NULL) {
        *err = t->plan->failed != BEAMC_OK ? t->plan->failure : t->plan->error;
    }
    /* The next element is a case of its own. */
    t->plan->failed = BEAMC_OK;
    t->plan->error.code = BEAMC_OK;
    t->plan->error.message[0] = '\0';
    return status;
}

static beamc_status start(beamc_dofn_tester *t, beamc_error *err) {
    if (t->started) {
        return BEAMC_OK;
    }
    t->started = true;
    beamc_unit *unit = &t->pardo->unit;
    beamc_status status = unit->ops->start_bundle(unit);
    return report(t, status, err);
}

beamc_dofn_tester *beamc_dofn_tester_new(const beamc_dofn *fn, const void *config,
                                         beamc_error *err) {
    beamc_dofn_tester *t = beamc__calloc(1, sizeof *t);
    t->io.ops = &tester_ops;
    t->env.worker_id = "tester";
    t->request.instruction_id = "test-bundle";
    t->plan = beamc__plan_alloc(&t->env);
    beamc_status status = make(t, fn, config, err);
    t->plan->io = &t->io;
    t->plan->request = &t->request;
    if (status == BEAMC_OK) {
        status = start(t, err);
    }
    if (status != BEAMC_OK) {
        beamc_dofn_tester_free(t);
        return NULL;
    }
    return t;
}

void beamc_dofn_tester_free(beamc_dofn_tester *t) {
    if (t == NULL) {
        return;
    }
    if (t->pardo == NULL) {
        for (unsigned i = 0; i < t->output_count; i++) {
            beamc_arena_free(t->captures[i]->arena);
        }
    }
    beamc_plan_free(t->plan);
    for (cell *c = t->cells; c != NULL;) {
        cell *next = c->next;
        beamc_buf_free(&c->key);
        beamc_buf_free(&c->bytes);
        free(c);
        c = next;
    }
    beamc_buf_free(&t->timer_out);
    free(t);
}

/* -------------------------------------------------------------------------------------- using */

static beamc_status process_whole(beamc_dofn_tester *t, const beamc_wv *in) {
    beamc_ctx *ctx = &t->pardo->ctx;
    beamc_sdf *sdf = ctx->sdf;
    ctx->at = in;
    void *restriction = beamc_alloc(ctx, sdf->row->size);
    memset(restriction, 0, sdf->row->size);
    beamc_status status = sdf->fn->initial(ctx, &in->value, restriction);
    ctx->at = NULL;
    BEAMC_TRY(status);
    beamc_kv tail = {{.row = restriction}, {.i64 = BEAMC_TIME_MIN}};
    beamc_kv part = {in->value, {.kv = &tail}};
    beamc_kv sized = {{.kv = &part}, {.f64 = 0}};
    beamc_wv wv = *in;
    wv.value.kv = &sized;
    return beamc_push(t->in, &wv);
}

beamc_status beamc_dofn_tester_process(beamc_dofn_tester *t, beamc_value in, beamc_time timestamp,
                                       beamc_error *err) {
    BEAMC_TRY(start(t, err));
    beamc_plan *plan = t->plan;
    beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
    beamc_wv wv = {in, timestamp, &beamc__global_window, 1, BEAMC_PANE_NO_FIRING};
    beamc_status status =
        t->pardo->ctx.sdf != NULL ? process_whole(t, &wv) : beamc_push(t->in, &wv);
    beamc__scratch_rewind(&plan->scratch, mark);
    return report(t, status, err);
}

beamc_status beamc_dofn_tester_finish_bundle(beamc_dofn_tester *t, beamc_error *err) {
    BEAMC_TRY(start(t, err));
    t->started = false;
    beamc_plan *plan = t->plan;
    beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
    beamc_status status = beamc__pardo_finish_bundle(&t->pardo->unit);
    beamc__scratch_rewind(&plan->scratch, mark);
    return report(t, status, err);
}

size_t beamc_dofn_tester_count(const beamc_dofn_tester *t, unsigned output) {
    return output < t->output_count ? t->captures[output]->count : 0;
}

const beamc_windowed_value *beamc_dofn_tester_output(const beamc_dofn_tester *t, unsigned output,
                                                     size_t index) {
    return index < beamc_dofn_tester_count(t, output) ? &t->captures[output]->items[index] : NULL;
}

typedef struct wanted {
    const char *space;
    const char *name;
    int64_t value;
} wanted;

static void look(void *arg, const beamc_monitoring_info *info) {
    wanted *w = arg;
    if (info->name == NULL || strcmp(info->name, w->name) != 0 ||
        strcmp(info->name_space, w->space) != 0) {
        return;
    }
    beamc_cursor in = beamc_cursor_of(info->payload);
    uint64_t value;
    if (beamc_get_varint(&in, &value)) {
        w->value = (int64_t)value;
    }
}

int64_t beamc_dofn_tester_counter(const beamc_dofn_tester *t, const char *space, const char *name) {
    wanted w = {space, name, 0};
    beamc_plan_metrics(t->plan, look, &w);
    return w.value;
}
