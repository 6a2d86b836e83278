/* timers.c: timers of a DoFn (beam:coder:timer:v1 elements on the stream of their family).
 *
 * What is set is kept until the bundle ends, by (family, tag, window, key): the last setting wins and
 * is the only one sent. A fired timer that was set anew, or cleared, earlier in the same bundle does
 * not fire: the newer setting has replaced it. Threads: the bundle's. */
#include "worker/exec/timers.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "worker/exec/misuse.h"
#include "worker/exec/user_state.h"

/* More than that and the settings are sent before the bundle ends. */
enum { KEEP_BYTES = 8 << 20 };

typedef struct setting {
    beamc_record entry;
    unsigned family;
    beamc_slice timer; /* encoded */
} setting;

beamc_timers *beamc__timers_new(beamc_pardo *pardo) {
    beamc_timers *t = beamc__calloc(1, sizeof *t);
    t->pardo = pardo;
    t->memory = beamc_arena_new(0);
    beamc__records_init(&t->set, t->memory);
    pardo->ctx.timers = t;
    return t;
}

void beamc__timers_free(beamc_timers *t) {
    if (t == NULL) {
        return;
    }
    beamc__records_deinit(&t->set);
    beamc_arena_free(t->memory);
    beamc_buf_free(&t->name);
    beamc_buf_free(&t->encoded);
    free(t);
}

beamc_status beamc__timers_add_family(beamc_timers *t, const beamc_timer_family *family,
                                      const char *url) {
    beamc_plan *plan = t->pardo->unit.plan;
    if (t->family_count == BEAMC_MAX_TIMER_FAMILIES) {
        return BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "more than %d timer families",
                          BEAMC_MAX_TIMER_FAMILIES);
    }
    beamc_timer_family *f = &t->families[t->family_count];
    *f = *family;
    f->port = beamc__plan_add_port(plan, (beamc_port){.kind = BEAMC_PORT_TIMER,
                                                      .transform_id = t->pardo->unit.id,
                                                      .timer_family = f->id,
                                                      .url = url});
    plan->port_nodes[f->port].timers = t;
    plan->port_nodes[f->port].family = t->family_count++;
    return BEAMC_OK;
}

void beamc__timers_drop(beamc_timers *t) {
    beamc__records_clear(&t->set);
    beamc_arena_reset(t->memory);
    t->bytes = 0;
}

beamc_status beamc__timers_flush(beamc_timers *t) {
    beamc_plan *plan = t->pardo->unit.plan;
    const beamc_bundle_io_ops *ops = plan->io->ops;
    for (const beamc_record *e = t->set.first; e != NULL; e = e->next) {
        const setting *s = (const setting *)e;
        uint32_t port = t->families[s->family].port;
        beamc_buf *out = ops->out(plan->io, port);
        beamc_buf_put_slice(out, s->timer);
        if (out->len > ops->flush_bytes) {
            BEAMC_TRY(ops->flush(plan->io, port, &plan->error));
        }
    }
    beamc__timers_drop(t);
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- firing */

/* Names one timer, in t->name. */
static beamc_status name_timer(beamc_timers *t, unsigned family, beamc_slice tag) {
    const beamc_user_state *state = t->pardo->ctx.state;
    beamc_buf_clear(&t->name);
    beamc_put_varint(&t->name, family);
    beamc_put_prefixed(&t->name, tag);
    beamc_put_prefixed(&t->name, beamc__user_state_window(state));
    beamc_buf_put_slice(&t->name, beamc__user_state_key(state));
    return BEAMC_OK;
}

static beamc_status call(beamc_timers *t, const beamc_timer_family *family,
                         const beamc_timer_value *fired) {
    const beamc_dofn *fn = t->pardo->fn;
    beamc_ctx *ctx = &t->pardo->ctx;
    if (family->is_expiration) {
        return fn->on_window_expiration != NULL ? fn->on_window_expiration(ctx) : BEAMC_OK;
    }
    if (fn->on_timer == NULL) {
        return BEAMC_FAIL(&ctx->plan->error, FAILED_PRECONDITION,
                          "a timer fired, but the DoFn has no on_timer");
    }
    beamc_timer timer = {family->index, fired->tag, fired->fire_at};
    return fn->on_timer(ctx, &timer);
}

static beamc_status fire_in(beamc_timers *t, unsigned family, const beamc_timer_value *fired,
                            const beamc_window *window) {
    beamc_ctx *ctx = &t->pardo->ctx;
    BEAMC_TRY(beamc__user_state_at(ctx->state, fired->key, *window));
    BEAMC_TRY(name_timer(t, family, fired->tag));
    if (beamc__records_find(&t->set, beamc_buf_slice(&t->name)) != NULL) {
        return BEAMC_OK;
    }
    beamc_wv at = {{.kv = NULL}, fired->hold_at, window, 1, fired->pane};
    ctx->at = &at;
    ctx->emitted = 0;
    beamc_status status = call(t, &t->families[family], fired);
    ctx->at = NULL;
    return status == BEAMC_OK ? ctx->plan->failed : status;
}

static beamc_status fire(beamc_timers *t, unsigned family, const beamc_timer_value *fired) {
    for (size_t i = 0; i < fired->window_count && !fired->clear; i++) {
        BEAMC_TRY(fire_in(t, family, fired, &fired->windows[i]));
    }
    return BEAMC_OK;
}

static beamc_status fail_family(beamc_timers *t, unsigned family, beamc_status status) {
    beamc_plan *plan = t->pardo->unit.plan;
    if (plan->failed == BEAMC_OK) {
        beamc_error_prepend(&plan->error, "timer family %s", t->families[family].id);
    }
    return beamc__plan_fail(plan, t->pardo->unit.id, 0, status);
}

static beamc_status read_timers(beamc_timers *t, unsigned family, beamc_slice *data, bool is_last) {
    beamc_plan *plan = t->pardo->unit.plan;
    beamc_cursor in = beamc_cursor_of(*data);
    *data = (beamc_slice){NULL, 0};
    while (beamc_cursor_left(&in) > 0) {
        const unsigned char *start = in.p;
        beamc_value v;
        beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
        beamc_status status =
            beamc__decode(t->families[family].coder, &in, true, &plan->scratch, &v, &plan->error);
        bool is_cut = status != BEAMC_OK && !is_last;
        if (status == BEAMC_OK && in.p == start) {
            status = BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "a timer of no bytes");
        }
        if (status == BEAMC_OK) {
            status = fire(t, family, v.timer);
        }
        beamc__scratch_rewind(&plan->scratch, mark);
        if (is_cut) {
            *data = beamc_slice_of(start, (size_t)(in.end - start));
            return BEAMC_OK;
        }
        if (status != BEAMC_OK) {
            return fail_family(t, family, status);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__timers_read(beamc_timers *t, unsigned family, beamc_slice *data, bool is_last) {
    beamc_unit *unit = &t->pardo->unit;
    atomic_store_explicit(&unit->plan->at, &unit->in_process, memory_order_relaxed);
    BEAMC_TRY(read_timers(t, family, data, is_last));
    atomic_store_explicit(&unit->plan->at, NULL, memory_order_relaxed);
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- setting */

static beamc_status family_of(beamc_ctx *ctx, unsigned timer, unsigned *family) {
    beamc_timers *t = ctx->timers;
    for (unsigned i = 0; t != NULL && ctx->at != NULL && i < t->family_count; i++) {
        if (!t->families[i].is_expiration && t->families[i].index == timer) {
            *family = i;
            return BEAMC_OK;
        }
    }
    return beamc__misuse_timer(ctx, timer);
}

static beamc_status put_setting(beamc_ctx *ctx, unsigned family, beamc_timer_value *timer) {
    beamc_timers *t = ctx->timers;
    beamc_plan *plan = ctx->plan;
    beamc_window window = beamc_current_window(ctx);
    timer->key = beamc_key(ctx);
    timer->windows = &window;
    timer->window_count = 1;
    timer->pane = beamc_current_pane(ctx);
    BEAMC_TRY(name_timer(t, family, timer->tag));
    beamc_buf_clear(&t->encoded);
    beamc_value v = {.timer = timer};
    BEAMC_TRY_CTX(&plan->error,
                  beamc__encode(t->families[family].coder, &v, true, &t->encoded, &plan->error),
                  "timer %s", t->families[family].id);
    setting *s = beamc__records_get(&t->set, beamc_buf_slice(&t->name), sizeof *s);
    s->family = family;
    s->timer = beamc_arena_copy(t->memory, beamc_buf_slice(&t->encoded));
    t->bytes += t->name.len + t->encoded.len + sizeof *s;
    return t->bytes > KEEP_BYTES ? beamc__timers_flush(t) : BEAMC_OK;
}

/* The last instant at which an event-time timer of the window can fire. */
static beamc_time expiry_of(const beamc_ctx *ctx) {
    beamc_time last = beamc_window_max(beamc_current_window(ctx)), t;
    if (__builtin_add_overflow(last, ctx->timers->allowed_lateness_ms, &t) ||
        t > BEAMC_TIME_GLOBAL_WINDOW_MAX) {
        t = BEAMC_TIME_GLOBAL_WINDOW_MAX;
    }
    return t < last ? last : t;
}

beamc_status beamc_timer_set_with(beamc_ctx *ctx, unsigned timer, beamc_time fire_at,
                                  beamc_timer_options options) {
    unsigned family = 0;
    BEAMC_TRY(family_of(ctx, timer, &family));
    bool event_time = ctx->timers->families[family].domain == BEAMC_EVENT_TIME;
    if (event_time && fire_at > expiry_of(ctx)) {
        return beamc__misuse_timer_time(ctx, ctx->timers->families[family].id, fire_at,
                                        expiry_of(ctx),
                                        "but its window, with the allowed lateness, ends at");
    }
    beamc_time hold = event_time ? fire_at : beamc_timestamp(ctx);
    if (options.has_output_time) {
        hold = options.output_time;
        if (event_time && hold > fire_at) {
            return beamc__misuse_timer_time(ctx, ctx->timers->families[family].id, fire_at, hold,
                                            "which is before its output time");
        }
    }
    beamc_timer_value v = {.tag = options.tag, .fire_at = fire_at, .hold_at = hold};
    return put_setting(ctx, family, &v);
}

beamc_status beamc_timer_clear(beamc_ctx *ctx, unsigned timer, beamc_slice tag) {
    unsigned family = 0;
    BEAMC_TRY(family_of(ctx, timer, &family));
    beamc_timer_value v = {.tag = tag, .clear = true};
    return put_setting(ctx, family, &v);
}
