/* window_into.c: beam:transform:window_into:v1 (WindowIntoPayload): assigns windows by timestamp.
 *
 * Neighbours mostly fall into the same fixed window: the last one is remembered, so an element costs
 * two comparisons. Threads: the bundle's. */
#include "worker/exec/nodes.h"

/* Sliding windows of which one instant lies in more than these are refused: it would be a mistake. */
enum { ON_STACK = 32, MAX_WINDOWS = 100000 };

typedef struct window_into {
    beamc_unit unit;
    beamc_pcol *out;
    beamc_window_fn fn;
    beamc_window last; /* empty at first */
} window_into;

static beamc_status process_one(beamc_unit *unit, const beamc_wv *in) {
    window_into *w = (window_into *)unit;
    if (__builtin_expect(in->timestamp < w->last.start || in->timestamp >= w->last.end, 0)) {
        beamc_window_assign(&w->fn, in->timestamp, &w->last, 1);
    }
    beamc_wv out = *in;
    out.windows = &w->last;
    out.window_count = 1;
    return beamc_push(w->out, &out);
}

static beamc_status process_global(beamc_unit *unit, const beamc_wv *in) {
    beamc_wv out = *in;
    out.windows = &beamc__global_window;
    out.window_count = 1;
    return beamc_push(((window_into *)unit)->out, &out);
}

static beamc_status process_any(beamc_unit *unit, const beamc_wv *in) {
    window_into *w = (window_into *)unit;
    beamc_window few[ON_STACK];
    beamc_window *windows = few;
    size_t n = beamc_window_assign(&w->fn, in->timestamp, few, ON_STACK);
    if (n > MAX_WINDOWS) {
        return BEAMC_FAIL(&unit->plan->error, INVALID_ARGUMENT,
                          "one element falls into %zu windows; at most %d are allowed", n,
                          MAX_WINDOWS);
    }
    if (n > ON_STACK) {
        windows = beamc_plan_scratch(unit->plan, n * sizeof *windows);
        beamc_window_assign(&w->fn, in->timestamp, windows, n);
    }
    beamc_wv out = *in;
    out.windows = windows;
    out.window_count = n;
    return beamc_push(w->out, &out);
}

static const beamc_unit_ops fixed_ops = {.name = "window_into", .process = process_one};
static const beamc_unit_ops global_ops = {.name = "window_into", .process = process_global};
static const beamc_unit_ops any_ops = {.name = "window_into", .process = process_any};

beamc_unit *beamc__window_into_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                   beamc_pcol *out) {
    window_into *w = beamc_arena_zalloc(plan->arena, sizeof *w);
    w->fn = *fn;
    w->out = out;
    const beamc_unit_ops *ops = fn->kind == BEAMC_WINDOW_FIXED    ? &fixed_ops
                                : fn->kind == BEAMC_WINDOW_GLOBAL ? &global_ops
                                                                  : &any_ops;
    beamc__plan_add_unit(plan, &w->unit, ops, id);
    return &w->unit;
}
