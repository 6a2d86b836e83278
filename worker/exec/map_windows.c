/* map_windows.c: window functions as services to a runner: beam:transform:map_windows:v1 and
 * beam:transform:merge_windows:v1. Threads: the bundle's. */
#include <stdlib.h>

#include "base/mem.h"
#include "coder/side_window.h"
#include "worker/exec/nodes.h"

typedef struct window_node {
    beamc_unit unit;
    beamc_window_fn fn;
    beamc_pcol *out;
} window_node;

static beamc_status push_kv(beamc_unit *unit, const beamc_wv *in, beamc_value value) {
    beamc_kv kv = {in->value.kv->key, value};
    beamc_wv out = *in;
    out.value.kv = &kv;
    return beamc_push(((window_node *)unit)->out, &out);
}

static beamc_status map_process(beamc_unit *unit, const beamc_wv *in) {
    const window_node *n = (const window_node *)unit;
    beamc_window side = beamc__side_window(&n->fn, *in->value.kv->value.window);
    return push_kv(unit, in, (beamc_value){.window = &side});
}

static const beamc_unit_ops map_ops = {.name = "map_windows", .process = map_process};

/* ----------------------------------------------------------------------------------- merging */

static int by_start(const void *a, const void *b) {
    const beamc_window *x = a, *y = b;
    int c = (x->start > y->start) - (x->start < y->start);
    return c != 0 ? c : (x->end > y->end) - (x->end < y->end);
}

static beamc_status gather(beamc_unit *unit, const beamc_iterable *from, beamc_window **out,
                           size_t *count) {
    beamc_buf buf = {0};
    beamc_iter it;
    beamc_value v;
    beamc_iterate(from, &it);
    while (beamc_iter_next(&it, &v)) {
        beamc_buf_put(&buf, v.window, sizeof *v.window);
    }
    beamc_status status = beamc_iter_status(&it, &unit->plan->error);
    *count = buf.len / sizeof **out;
    *out = beamc_plan_scratch(unit->plan, buf.len);
    if (buf.len > 0) {
        memcpy(*out, buf.ptr, buf.len);
    }
    beamc_buf_free(&buf);
    return status;
}

/* Overlapping sessions become one; a window that meets no other is left unmerged. */
static beamc_status merge_process(beamc_unit *unit, const beamc_wv *in) {
    const window_node *n = (const window_node *)unit;
    beamc_plan *plan = unit->plan;
    beamc_window *w;
    size_t count;
    BEAMC_TRY(gather(unit, in->value.kv->value.iterable, &w, &count));
    if (count > 1) {
        qsort(w, count, sizeof *w, by_start);
    }
    bool merges = n->fn.kind == BEAMC_WINDOW_SESSIONS;
    beamc_value *windows = beamc_plan_scratch(plan, count * sizeof *windows);
    beamc_value *unmerged = beamc_plan_scratch(plan, count * sizeof *unmerged);
    beamc_value *merged = beamc_plan_scratch(plan, count * sizeof *merged);
    size_t unmerged_count = 0, merged_count = 0;
    for (size_t i = 0; i < count;) {
        beamc_window all = w[i];
        size_t from = i;
        for (; i < count && (i == from || (merges && w[i].start < all.end)); i++) {
            windows[i].window = &w[i];
            all.end = w[i].end > all.end ? w[i].end : all.end;
        }
        if (i - from == 1) {
            unmerged[unmerged_count++] = windows[from];
            continue;
        }
        beamc_window *result = beamc_plan_scratch(plan, sizeof *result);
        *result = all;
        beamc_kv *pair = beamc_plan_scratch(plan, sizeof *pair);
        pair->key.window = result;
        pair->value.iterable = beamc_iterable_of(plan->elements, &windows[from], i - from);
        merged[merged_count++].kv = pair;
    }
    beamc_kv answer = {{.iterable = beamc_iterable_of(plan->elements, unmerged, unmerged_count)},
                       {.iterable = beamc_iterable_of(plan->elements, merged, merged_count)}};
    return push_kv(unit, in, (beamc_value){.kv = &answer});
}

static const beamc_unit_ops merge_ops = {.name = "merge_windows", .process = merge_process};

static beamc_unit *window_node_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                   beamc_pcol *out, const beamc_unit_ops *ops) {
    window_node *n = beamc_arena_zalloc(plan->arena, sizeof *n);
    n->fn = *fn;
    n->out = out;
    beamc__plan_add_unit(plan, &n->unit, ops, id);
    return &n->unit;
}

beamc_unit *beamc__map_windows_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                   beamc_pcol *out) {
    return window_node_new(plan, id, fn, out, &map_ops);
}

beamc_unit *beamc__merge_windows_new(beamc_plan *plan, const char *id, const beamc_window_fn *fn,
                                     beamc_pcol *out) {
    return window_node_new(plan, id, fn, out, &merge_ops);
}
