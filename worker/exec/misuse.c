/* misuse.c: what a DoFn is told that does what it has not declared or promised not to do: its name,
 * what it did, what there is, and what to do about it. The step's name stands in front (plan.c).
 * Threads: the bundle's. */
#include "worker/exec/misuse.h"

#include <stdio.h>

#include "base/time_text.h"
#include "graph/payload.h"

typedef struct text {
    char at[256];
    size_t len;
} text;

/* "[0] \"name\"", or the name alone, behind a comma when there is something already. */
static void add(text *to, bool numbered, unsigned i, const char *name) {
    const char *comma = to->len > 0 ? ", " : "";
    size_t room = sizeof to->at - to->len;
    int n = numbered ? snprintf(to->at + to->len, room, "%s[%u] \"%s\"", comma, i, name)
                     : snprintf(to->at + to->len, room, "%s%s", comma, name);
    to->len += n > 0 ? (size_t)n : 0;
    to->len = to->len < sizeof to->at ? to->len : sizeof to->at - 1;
}

/* Whoever does not pass the status on does not get away with it. */
static beamc_status stick(beamc_ctx *ctx, beamc_status status) {
    return beamc__plan_fail(ctx->plan, ctx->step, 0, status);
}

static const char *urn_of(const beamc_ctx *ctx) {
    return ctx->fn != NULL ? ctx->fn->urn : "here";
}

beamc_status beamc__misuse_output(beamc_ctx *ctx, unsigned output) {
    text names = {.at = ""};
    for (unsigned i = 0; ctx->fn != NULL && i < beamc_dofn_output_count(ctx->fn); i++) {
        add(&names, true, i, ctx->fn->outputs[i].name);
    }
    return stick(
        ctx,
        BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                   "DoFn %s emits to output %u, which it does not declare (it has %u: %s): add it "
                   "to .outputs",
                   urn_of(ctx), output, ctx->output_count, names.len > 0 ? names.at : "none"));
}

/* Whether there is an element may be asked this way, and is no misuse by itself. */
beamc_status beamc__misuse_emit(beamc_ctx *ctx) {
    return BEAMC_FAIL(
        &ctx->plan->error, FAILED_PRECONDITION,
        "DoFn %s emits where there is no element at hand to take timestamp and window "
        "from (start_bundle, finish_bundle): use beamc_emit_in",
        urn_of(ctx));
}

beamc_status beamc__misuse_timer(beamc_ctx *ctx, unsigned timer) {
    text names = {.at = ""};
    unsigned count = ctx->fn != NULL ? beamc_dofn_timer_count(ctx->fn) : 0;
    for (unsigned i = 0; i < count; i++) {
        add(&names, true, i, ctx->fn->timers[i].name);
    }
    if (timer < count) {
        return stick(
            ctx,
            BEAMC_FAIL(&ctx->plan->error, FAILED_PRECONDITION,
                       "DoFn %s uses timer \"%s\" where there is no key at hand: timers can be "
                       "set and cleared in process, on_timer and on_window_expiration",
                       urn_of(ctx), ctx->fn->timers[timer].name));
    }
    return stick(
        ctx,
        BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                   "DoFn %s uses timer %u, which it does not declare (it has %u: %s): add it to "
                   ".timers",
                   urn_of(ctx), timer, count, names.len > 0 ? names.at : "none"));
}

beamc_status beamc__misuse_state(beamc_ctx *ctx, unsigned state) {
    text names = {.at = ""};
    unsigned count = ctx->fn != NULL ? beamc_dofn_state_count(ctx->fn) : 0;
    for (unsigned i = 0; i < count; i++) {
        add(&names, true, i, ctx->fn->states[i].name);
    }
    if (state < count) {
        return stick(
            ctx,
            BEAMC_FAIL(&ctx->plan->error, FAILED_PRECONDITION,
                       "DoFn %s uses state \"%s\" where there is no key at hand: state belongs to "
                       "a key and can be used in process, on_timer and on_window_expiration",
                       urn_of(ctx), ctx->fn->states[state].name));
    }
    return stick(
        ctx,
        BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                   "DoFn %s uses state %u, which it does not declare (it has %u: %s): add it to "
                   ".states; a DoFn with state takes key-value pairs",
                   urn_of(ctx), state, count, names.len > 0 ? names.at : "none"));
}

static const struct {
    const char *name, *calls;
} kinds[] = {
    [BEAMC_STATE_VALUE] = {"value", "beamc_state_read, beamc_state_write"},
    [BEAMC_STATE_BAG] = {"bag", "beamc_state_add, beamc_state_iterable"},
    [BEAMC_STATE_COMBINING] = {"combining state", "beamc_state_add, beamc_state_read"},
    [BEAMC_STATE_MAP] = {"map", "beamc_state_get, beamc_state_put, beamc_state_remove, "
                                "beamc_state_keys"},
    [BEAMC_STATE_SET] = {"set", "beamc_state_add, beamc_state_get, beamc_state_remove, "
                                "beamc_state_iterable"},
    [BEAMC_STATE_ORDERED_LIST] = {"ordered list", "beamc_state_add_at, beamc_state_range, "
                                                  "beamc_state_clear_range"},
};

beamc_status beamc__misuse_state_kind(beamc_ctx *ctx, const char *name, beamc_state_kind kind,
                                      unsigned wanted) {
    text others = {.at = ""};
    for (unsigned k = BEAMC_STATE_VALUE; k <= BEAMC_STATE_ORDERED_LIST; k++) {
        if ((wanted & (1u << k)) != 0) {
            add(&others, false, 0, kinds[k].name);
        }
    }
    return stick(
        ctx,
        BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                   "state \"%s\" of DoFn %s is a %s, and the call is for another kind (%s): use "
                   "%s, or beamc_state_clear",
                   name, urn_of(ctx), kinds[kind].name, others.at, kinds[kind].calls));
}

static const char *time_text(beamc_time t, char *to, size_t size) {
    char date[BEAMC_TIME_TEXT_MAX];
    size_t len = beamc__time_format_utc(t, date);
    snprintf(to, size, len > 0 ? "%lld (%.*s)" : "%lld", (long long)t, (int)len, date);
    return to;
}

beamc_status beamc__misuse_watermark(beamc_ctx *ctx, unsigned output, beamc_time timestamp,
                                     beamc_time watermark) {
    char at[64], promised[64];
    const char *name = ctx->fn != NULL ? ctx->fn->outputs[output].name : "";
    return stick(
        ctx,
        BEAMC_FAIL(
            &ctx->plan->error, FAILED_PRECONDITION,
            "DoFn %s emits to output \"%s\" at %s, but its watermark has promised nothing before "
            "%s: keep the watermark behind what is still to come (%s), or leave the element out",
            urn_of(ctx), name, time_text(timestamp, at, sizeof at),
            time_text(watermark, promised, sizeof promised),
            ctx->fn != NULL && ctx->fn->splittable->watermark == BEAMC_WATERMARK_MONOTONIC
                ? "BEAMC_WATERMARK_MONOTONIC is for timestamps in order"
                : "beamc_watermark_set"));
}

beamc_status beamc__misuse_timer_time(beamc_ctx *ctx, const char *timer, beamc_time fire_at,
                                      beamc_time limit, const char *what) {
    char at[64], last[64];
    return stick(ctx, BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                                 "timer \"%s\" of DoFn %s is set to %s, %s %s", timer, urn_of(ctx),
                                 time_text(fire_at, at, sizeof at), what,
                                 time_text(limit, last, sizeof last)));
}
