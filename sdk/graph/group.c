/* group.c: the primitives that runners execute: Impulse, GroupByKey, Flatten, WindowInto, TestStream. */
#include <stdio.h>

#include "graph/graph.h"

beamc_pcoll beamc_impulse(beamc_pipeline *p, const char *label) {
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_IMPULSE, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    return beamc__graph_output(p, n, BEAMC_TAG_OUT, &beamc_bytes, 0, true);
}

beamc_pcoll beamc_group_by_key(beamc_pcoll in, const char *label) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL || !beamc__check_keyed(p, label, c, "GroupByKey") ||
        !beamc__check_grouping(p, label, c)) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_GROUP_BY_KEY, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc__graph_set_input(p, n, in);
    const beamc_coder *out =
        beamc__graph_kv(p, from.coder->args[0], beamc__graph_iterable(p, from.coder->args[1]));
    return beamc__graph_output(p, n, BEAMC_TAG_OUT, out,
                               beamc__graph_strategy_after_group(p, from.strategy), from.bounded);
}

static const char *windows_text(const beamc_strategy *s, char to[64]) {
    const beamc_window_fn *fn = &s->w.fn;
    switch (fn->kind) {
    case BEAMC_WINDOW_FIXED:
        snprintf(to, 64, "fixed windows of %lld ms", (long long)fn->size_ms);
        break;
    case BEAMC_WINDOW_SLIDING:
        snprintf(to, 64, "sliding windows of %lld ms every %lld ms", (long long)fn->size_ms,
                 (long long)fn->period_ms);
        break;
    case BEAMC_WINDOW_SESSIONS:
        snprintf(to, 64, "%ssessions with a gap of %lld ms", s->already_merged ? "merged " : "",
                 (long long)fn->gap_ms);
        break;
    default:
        snprintf(to, 64, "the global window");
    }
    return to;
}

/* Why @p b cannot be flattened with @p a, or NULL. */
static const char *windowing_conflict(const beamc_strategy *a, const beamc_strategy *b,
                                      bool same_trigger) {
    if (!beamc__strategy_same_windows(a, b)) {
        return "windows";
    }
    if (same_trigger && !beamc__trigger_equal(a->w.trigger, b->w.trigger)) {
        return "triggers";
    }
    if (same_trigger && a->w.accumulation != b->w.accumulation) {
        return "accumulation modes";
    }
    return NULL;
}

static bool check_flatten(beamc_pipeline *p, const char *label, const beamc_pcoll *in, size_t count,
                          bool same_trigger) {
    if (count == 0) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                          "Flatten needs at least one input; for none at all use beamc_create with "
                          "count 0");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (in[i].pipeline != NULL && in[i].pipeline != p) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "input %zu belongs to another pipeline", i);
            return false;
        }
        beamc_pcoll here = in[i];
        here.pipeline = p;
        const beamc_coll *c = beamc__graph_coll(here, label);
        if (c == NULL) {
            return false;
        }
        const beamc_coll *first = &p->colls[in[0].id];
        if (!beamc_coder_equal(first->coder, c->coder)) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "its inputs hold different things: %s gives %s, %s gives %s; bring "
                              "them to one coder with a DoFn first",
                              p->nodes[first->node].unique_name,
                              beamc__graph_describe(p, first->coder), p->nodes[c->node].unique_name,
                              beamc__graph_describe(p, c->coder));
            return false;
        }
        const char *conflict = windowing_conflict(&p->strategies[first->strategy],
                                                  &p->strategies[c->strategy], same_trigger);
        if (conflict != NULL) {
            char a[64], b[64];
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "the outputs of %s (%s) and %s (%s) have different %s: put both "
                              "through the same beamc_window_into first",
                              p->nodes[first->node].unique_name,
                              windows_text(&p->strategies[first->strategy], a),
                              p->nodes[c->node].unique_name,
                              windows_text(&p->strategies[c->strategy], b), conflict);
            return false;
        }
    }
    return true;
}

beamc_pcoll beamc__graph_flatten(beamc_pipeline *p, const char *label, const beamc_pcoll *in,
                                 size_t count, bool same_trigger) {
    if (p->failed || !check_flatten(p, label, in, count, same_trigger)) {
        return beamc_pcoll_none(p);
    }
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_FLATTEN, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    n->inputs = beamc_arena_zalloc(p->arena, count * sizeof *n->inputs);
    n->input_count = (uint32_t)count;
    const beamc_coll *first = &p->colls[in[0].id];
    beamc_strategy s = p->strategies[first->strategy];
    bool bounded = true;
    for (size_t i = 0; i < count; i++) {
        const beamc_coll *c = &p->colls[in[i].id];
        n->inputs[i].coll = in[i].id;
        n->inputs[i].tag = beamc_arena_printf(p->arena, "in%zu", i);
        bounded = bounded && c->bounded;
        /* Nothing may be dropped here that an input allows to be late. */
        int64_t lateness = p->strategies[c->strategy].w.allowed_lateness_ms;
        if (lateness > s.w.allowed_lateness_ms) {
            s.w.allowed_lateness_ms = lateness;
        }
    }
    const beamc_coder *coder = first->coder;
    uint32_t strategy = beamc__graph_strategy(p, &s);
    return beamc__graph_output(p, n, BEAMC_TAG_OUT, coder, strategy, bounded);
}

beamc_pcoll beamc_flatten(beamc_pipeline *p, const char *label, const beamc_pcoll *in,
                          size_t count) {
    return beamc__graph_flatten(p, label, in, count, true);
}

beamc_pcoll beamc_window_into_with(beamc_pcoll in, const char *label, beamc_windowing windowing) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL || !beamc__check_windowing(p, label, &windowing)) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_WINDOW_INTO, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc__graph_set_input(p, n, in);
    beamc_strategy s = {.w = windowing};
    n->strategy = beamc__graph_strategy(p, &s);
    return beamc__graph_output(p, n, BEAMC_TAG_OUT, from.coder, n->strategy, from.bounded);
}

beamc_pcoll beamc_test_stream(beamc_pipeline *p, const char *label, const beamc_coder *coder,
                              const beamc_test_event *events, size_t count) {
    if (p->failed) {
        return beamc_pcoll_none(p);
    }
    beamc_test_event *copy = beamc_arena_alloc(p->arena, count * sizeof *copy);
    beamc_time watermark = BEAMC_TIME_MIN;
    beamc_buf bytes = {0};
    for (size_t i = 0; i < count && !p->failed; i++) {
        copy[i] = events[i];
        beamc_error err = {0};
        if (events[i].kind == BEAMC_TEST_ELEMENT) {
            beamc_buf_clear(&bytes);
            /* TimestampedElement.encoded_element is in the outer context. */
            if (beamc_encode(coder, &events[i].value, false, &bytes, &err) != BEAMC_OK) {
                beamc_error_prepend(&err, "event %zu", i);
                beamc__graph_fail_with(p, label, &err);
            }
            copy[i].value.bytes = beamc_arena_copy(p->arena, beamc_buf_slice(&bytes));
            copy[i].together =
                events[i].together && i > 0 && events[i - 1].kind == BEAMC_TEST_ELEMENT;
        } else if (events[i].kind == BEAMC_TEST_WATERMARK && events[i].timestamp < watermark) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "event %zu moves the watermark backwards", i);
        } else if (events[i].kind == BEAMC_TEST_WATERMARK) {
            watermark = events[i].timestamp;
        } else if (events[i].kind != BEAMC_TEST_CLOCK || events[i].advance_ms < 0) {
            beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT,
                              "event %zu is neither an element, a watermark nor a clock step "
                              "forward",
                              i);
        }
    }
    beamc_buf_free(&bytes);
    beamc_node *n = beamc__graph_node(p, BEAMC_NODE_TEST_STREAM, label);
    if (n == NULL) {
        return beamc_pcoll_none(p);
    }
    n->events = copy;
    n->event_count = count;
    return beamc__graph_output(p, n, BEAMC_TAG_OUT, beamc__graph_coder(p, coder), 0, false);
}
