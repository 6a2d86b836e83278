/* strategy.c: windowing strategies of a pipeline, and what becomes of them behind a GroupByKey. */
#include "graph/graph.h"

#include "base/mem.h"

static bool fn_equal(const beamc_window_fn *a, const beamc_window_fn *b) {
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case BEAMC_WINDOW_FIXED:
        return a->size_ms == b->size_ms && a->offset_ms == b->offset_ms;
    case BEAMC_WINDOW_SLIDING:
        return a->size_ms == b->size_ms && a->period_ms == b->period_ms &&
               a->offset_ms == b->offset_ms;
    case BEAMC_WINDOW_SESSIONS:
        return a->gap_ms == b->gap_ms;
    default:
        return true;
    }
}

bool beamc__strategy_same_windows(const beamc_strategy *a, const beamc_strategy *b) {
    return fn_equal(&a->w.fn, &b->w.fn) && a->already_merged == b->already_merged;
}

static bool strategy_equal(const beamc_strategy *a, const beamc_strategy *b) {
    return beamc__strategy_same_windows(a, b) && beamc__trigger_equal(a->w.trigger, b->w.trigger) &&
           a->w.accumulation == b->w.accumulation && a->w.output_time == b->w.output_time &&
           a->w.closing == b->w.closing && a->w.on_time == b->w.on_time &&
           a->w.allowed_lateness_ms == b->w.allowed_lateness_ms;
}

uint32_t beamc__graph_strategy(beamc_pipeline *p, const beamc_strategy *s) {
    for (uint32_t i = 0; i < p->strategy_count; i++) {
        if (strategy_equal(&p->strategies[i], s)) {
            return i;
        }
    }
    if (p->strategy_count == p->strategy_cap) {
        p->strategy_cap = p->strategy_cap != 0 ? p->strategy_cap * 2 : 8;
        p->strategies = beamc__realloc(p->strategies, p->strategy_cap * sizeof *p->strategies);
    }
    beamc_strategy *copy = &p->strategies[p->strategy_count];
    *copy = *s;
    copy->w.trigger = beamc__trigger_copy(p->arena, s->w.trigger);
    /* Offsets are a phase: one period holds all of them. */
    int64_t phase = s->w.fn.kind == BEAMC_WINDOW_SLIDING ? s->w.fn.period_ms : s->w.fn.size_ms;
    if (phase > 0) {
        copy->w.fn.offset_ms = ((s->w.fn.offset_ms % phase) + phase) % phase;
    }
    return p->strategy_count++;
}

uint32_t beamc__graph_strategy_after_group(beamc_pipeline *p, uint32_t strategy) {
    beamc_strategy s = p->strategies[strategy];
    s.w.trigger = beamc__trigger_continuation(p->arena, s.w.trigger);
    if (s.w.fn.kind == BEAMC_WINDOW_SESSIONS) {
        s.already_merged = true;
    }
    return beamc__graph_strategy(p, &s);
}
