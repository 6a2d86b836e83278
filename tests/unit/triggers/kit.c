/* kit.c: see kit.h. */
#include "kit.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/hash.h"

void tkit_init(tkit *k, beamc_windowing windowing) {
    bool global = windowing.fn.kind == BEAMC_WINDOW_GLOBAL;
    *k = (tkit){.time = {BEAMC_TIME_MIN, 0, BEAMC_TIME_MIN}};
    k->node = (beamc_node_spec){
        .kind = BEAMC_NODE_GROUP,
        .name = "Group",
        .input = {.window = global ? &beamc_global_window : &beamc_interval_window},
        .windowing = windowing,
        .merging = windowing.fn.kind == BEAMC_WINDOW_SESSIONS};
    tkit_renew(k);
}

void tkit_renew(tkit *k) {
    beamc_error err = {0};
    if (k->g != NULL) {
        k->g->ops->free(k->g);
    }
    cr_assert_eq(beamc__grouper_general_new(&k->node, &k->g, &err), BEAMC_OK, "%s", err.message);
}

void tkit_deinit(tkit *k) {
    k->g->ops->free(k->g);
    free(k->panes);
}

void tkit_put(tkit *k, int key, int64_t value, beamc_time timestamp) {
    unsigned char bytes[2][10];
    beamc_window windows[64];
    size_t n = beamc_window_assign(&k->node.windowing.fn, timestamp, windows, 64);
    cr_assert_leq(n, 64);
    for (size_t i = 0; i < n; i++) {
        beamc_group_item item = {
            .key = beamc_slice_of(bytes[0],
                                  (size_t)(beamc_write_varint(bytes[0], (uint64_t)key) - bytes[0])),
            .value = beamc_slice_of(
                bytes[1], (size_t)(beamc_write_varint(bytes[1], (uint64_t)value) - bytes[1])),
            .timestamp = timestamp,
            .window = windows[i]};
        item.hash = beamc_hash(item.key);
        k->g->ops->add(k->g, &item, 1, &k->time);
    }
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void read_pane(tkit *k, beamc_cursor *in) {
    if (k->count == k->cap) {
        k->cap = k->cap * 2 + 16;
        k->panes = beamc__realloc(k->panes, k->cap * sizeof *k->panes);
    }
    tkit_pane *p = &k->panes[k->count++];
    *p = (tkit_pane){.window = BEAMC_GLOBAL_WINDOW};
    uint64_t t, v;
    uint32_t windows;
    cr_assert(beamc_get_be64(in, &t) && beamc_get_be32(in, &windows));
    cr_assert_eq(windows, 1);
    p->timestamp = beamc_time_from_wire(t);
    cr_assert_eq(beamc__window_decode(k->node.input.window, in, &p->window, NULL), BEAMC_OK);
    cr_assert_eq(beamc__pane_decode(in, &p->info, NULL), BEAMC_OK);
    cr_assert(beamc_get_varint(in, &v) && beamc_get_be32(in, &p->count));
    p->key = (int)v;
    for (uint32_t i = 0; i < p->count; i++) {
        cr_assert(beamc_get_varint(in, &v));
        if (i < TKIT_VALUES) {
            p->values[i] = (int64_t)v;
        }
    }
    qsort(p->values, p->count < TKIT_VALUES ? p->count : TKIT_VALUES, sizeof *p->values, by_number);
}

void tkit_settle(tkit *k) {
    beamc_buf out = {0};
    for (bool more = true; more;) {
        beamc_time least = BEAMC_TIME_MAX;
        uint64_t count = 0;
        size_t before = k->count;
        out.len = 0;
        more = k->g->ops->advance(k->g, &k->time) &&
               k->g->ops->drain(k->g, &k->time, 64, &out, &least, &count);
        for (beamc_cursor in = {out.ptr, out.ptr + out.len}; in.p < in.end;) {
            read_pane(k, &in);
            beamc_time t = k->panes[k->count - 1].timestamp;
            cr_assert_geq(t, least);
            cr_assert_leq(t, beamc_window_max(k->panes[k->count - 1].window));
        }
        cr_assert_eq(k->count - before, count);
    }
    beamc_buf_free(&out);
    beamc_time next = k->g->ops->next_watermark(k->g);
    cr_assert(next > k->time.watermark || next == BEAMC_TIME_MAX);
    cr_assert_gt(k->g->ops->next_clock(k->g), k->time.now);
    beamc_time hold = k->g->ops->hold(k->g);
    hold = hold < k->time.watermark ? hold : k->time.watermark;
    k->time.output = hold > k->time.output ? hold : k->time.output;
}

void tkit_add(tkit *k, int key, int64_t value, beamc_time timestamp) {
    tkit_put(k, key, value, timestamp);
    tkit_settle(k);
}

void tkit_watermark(tkit *k, beamc_time watermark) {
    k->time.watermark = watermark;
    tkit_settle(k);
}

void tkit_clock(tkit *k, beamc_time now) {
    k->time.now = now;
    tkit_settle(k);
}

void tkit_clear(tkit *k) {
    k->count = 0;
}

static int by_place(const void *a, const void *b) {
    const tkit_pane *x = a, *y = b;
    const int64_t keys[][2] = {{x->key, y->key},
                               {x->window.start, y->window.start},
                               {x->window.end, y->window.end},
                               {x->info.index, y->info.index}};
    for (size_t i = 0; i < 4; i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    return 0;
}

void tkit_sort(tkit *k) {
    if (k->count > 0) {
        qsort(k->panes, k->count, sizeof *k->panes, by_place);
    }
}

bool tkit_same(const tkit_pane *a, const tkit_pane *b) {
    return a->key == b->key && a->window.start == b->window.start &&
           a->window.end == b->window.end && a->timestamp == b->timestamp &&
           a->info.index == b->info.index &&
           a->info.non_speculative_index == b->info.non_speculative_index &&
           a->info.timing == b->info.timing && a->info.is_first == b->info.is_first &&
           a->info.is_last == b->info.is_last && a->count == b->count &&
           memcmp(a->values, b->values, sizeof a->values) == 0;
}
