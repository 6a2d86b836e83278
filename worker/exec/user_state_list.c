/* user_state_list.c: ordered list state (StateKey.OrderedListUserState): elements with a time, read
 * and cleared by ranges of it. On the wire an element is KV<varint time, length-prefixed value>.
 * Threads: the bundle's. */
#include <stdlib.h>

#include "base/wire.h"
#include "worker/exec/user_state_cells.h"

typedef struct list_item {
    beamc_time at;
    size_t order; /* among equals: what came first */
    beamc_slice bytes;
} list_item;

typedef struct list_range {
    beamc_time start;
    beamc_time end;
} list_range;

#define KIND(k) (1u << (k))

static beamc_status cell_of(beamc_ctx *ctx, unsigned state, beamc_cell **cell,
                            const beamc_state_def **def) {
    return beamc__cell_at(ctx, state, KIND(BEAMC_STATE_ORDERED_LIST), cell, def);
}

beamc_status beamc_state_add_at(beamc_ctx *ctx, unsigned state, beamc_time at, beamc_value value) {
    beamc_cell *cell;
    const beamc_state_def *def;
    beamc_plan *plan = ctx->plan;
    BEAMC_TRY(cell_of(ctx, state, &cell, &def));
    beamc_buf_clear(&plan->measure);
    BEAMC_TRY_CTX(&plan->error,
                  beamc__encode(def->coder, &value, true, &plan->measure, &plan->error), "state %s",
                  def->id);
    list_item item = {at, cell->added.len / sizeof item,
                      beamc_arena_copy(ctx->state->memory, beamc_buf_slice(&plan->measure))};
    beamc_buf_put(&cell->added, &item, sizeof item);
    cell->dirty = true;
    ctx->state->bytes += item.bytes.len + sizeof item;
    return BEAMC_OK;
}

static bool is_cleared(const beamc_cell *cell, beamc_time at) {
    const list_range *ranges = (const list_range *)(const void *)cell->ranges.ptr;
    for (size_t i = 0; i < cell->ranges.len / sizeof *ranges; i++) {
        if (at >= ranges[i].start && at < ranges[i].end) {
            return true;
        }
    }
    return false;
}

void beamc__list_clear_range(beamc_user_state *s, beamc_cell *cell, beamc_time start,
                             beamc_time end) {
    list_item *items = (list_item *)(void *)cell->added.ptr;
    size_t kept = 0;
    for (size_t i = 0; i < cell->added.len / sizeof *items; i++) {
        if (items[i].at < start || items[i].at >= end) {
            items[kept++] = items[i];
        }
    }
    cell->added.len = kept * sizeof *items;
    list_range range = {start, end};
    beamc_buf_put(&cell->ranges, &range, sizeof range);
    cell->dirty = true;
    s->bytes += sizeof range;
}

beamc_status beamc_state_clear_range(beamc_ctx *ctx, unsigned state, beamc_time start,
                                     beamc_time end) {
    beamc_cell *cell;
    const beamc_state_def *def;
    BEAMC_TRY(cell_of(ctx, state, &cell, &def));
    if (start < end) {
        beamc__list_clear_range(ctx->state, cell, start, end);
    }
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- reading */

static int by_time(const void *a, const void *b) {
    const list_item *x = a, *y = b;
    int c = (x->at > y->at) - (x->at < y->at);
    return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

/* The runner's elements of the range into @p items, without those cleared here. */
static beamc_status read_runner(beamc_user_state *s, const beamc_cell *cell,
                                const beamc_state_def *def, list_range range, beamc_buf *items) {
    beamc_plan *plan = s->plan;
    beamc_state_key key = beamc__cell_key(s, s->scope, def);
    key.range_start = range.start;
    key.range_end = range.end;
    beamc_buf all = {0};
    bool complete;
    beamc_status status = beamc__state_read_all(plan, &key, SIZE_MAX, &all, &complete);
    beamc_cursor in = beamc_cursor_of(beamc_arena_copy(plan->elements, beamc_buf_slice(&all)));
    beamc_buf_free(&all);
    while (status == BEAMC_OK && beamc_cursor_left(&in) > 0) {
        uint64_t at;
        list_item item = {0};
        if (!beamc_get_varint(&in, &at)) {
            status = BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "a time ends early");
            break;
        }
        item.at = (beamc_time)at;
        if (def->coder->kind == BEAMC_CODER_LENGTH_PREFIX) {
            const unsigned char *from = in.p;
            status = beamc__skip(def->coder, &in, &plan->error);
            item.bytes = beamc_slice_of(from, (size_t)(in.p - from));
        } else if (!beamc_get_prefixed(&in, &item.bytes)) {
            status = BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "an element ends early");
        }
        if (status == BEAMC_OK && item.at >= range.start && item.at < range.end &&
            !is_cleared(cell, item.at)) {
            item.order = items->len / sizeof item;
            beamc_buf_put(items, &item, sizeof item);
        }
    }
    return status;
}

static beamc_status to_values(beamc_user_state *s, const beamc_state_def *def, beamc_buf *buf,
                              const beamc_iterable **out) {
    beamc_plan *plan = s->plan;
    list_item *items = (list_item *)(void *)buf->ptr;
    size_t count = buf->len / sizeof *items;
    if (count > 1) {
        qsort(items, count, sizeof *items, by_time);
    }
    beamc_value *values = beamc_plan_scratch(plan, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        beamc_kv *kv = beamc_plan_scratch(plan, sizeof *kv);
        kv->key.i64 = items[i].at;
        beamc_cursor in = beamc_cursor_of(items[i].bytes);
        BEAMC_TRY(beamc__decode(def->coder, &in, true, &plan->scratch, &kv->value, &plan->error));
        values[i].kv = kv;
    }
    *out = beamc_iterable_of(plan->elements, values, count);
    return BEAMC_OK;
}

beamc_status beamc_state_range(beamc_ctx *ctx, unsigned state, beamc_time start, beamc_time end,
                               const beamc_iterable **out) {
    beamc_cell *cell;
    const beamc_state_def *def;
    beamc_plan *plan = ctx->plan;
    BEAMC_TRY(cell_of(ctx, state, &cell, &def));
    beamc_buf items = {0};
    beamc_status status = BEAMC_OK;
    if (start < end && !cell->cleared && beamc_cell_may_read(ctx->state)) {
        status = read_runner(ctx->state, cell, def, (list_range){start, end}, &items);
    }
    size_t base = items.len / sizeof(list_item);
    const list_item *added = (const list_item *)(const void *)cell->added.ptr;
    for (size_t i = 0; i < cell->added.len / sizeof *added && status == BEAMC_OK; i++) {
        if (added[i].at >= start && added[i].at < end) {
            list_item item = {added[i].at, base + i,
                              beamc_arena_copy(plan->elements, added[i].bytes)};
            beamc_buf_put(&items, &item, sizeof item);
        }
    }
    if (status == BEAMC_OK) {
        status = to_values(ctx->state, def, &items, out);
    }
    beamc_buf_free(&items);
    if (status != BEAMC_OK) {
        beamc_error_prepend(&plan->error, "state %s", def->id);
    }
    return status;
}

/* ------------------------------------------------------------------------------- writing back */

beamc_status beamc__list_flush(beamc_user_state *s, beamc_scope *scope, beamc_cell *cell,
                               const beamc_state_def *def) {
    beamc_state_key key = beamc__cell_key(s, scope, def);
    const list_range *ranges = (const list_range *)(const void *)cell->ranges.ptr;
    if (cell->ranges.len > 0) { /* Prism goes down when it clears a list that it does not have */
        BEAMC_TRY(beamc__state_append(s->plan, &key, (beamc_slice){NULL, 0}));
    }
    for (size_t i = 0; i < cell->ranges.len / sizeof *ranges; i++) {
        key.range_start = ranges[i].start;
        key.range_end = ranges[i].end;
        BEAMC_TRY(beamc__state_clear(s->plan, &key));
    }
    key.range_start = key.range_end = 0;
    beamc_buf out = {0};
    const list_item *items = (const list_item *)(const void *)cell->added.ptr;
    for (size_t i = 0; i < cell->added.len / sizeof *items; i++) {
        beamc_put_varint(&out, (uint64_t)items[i].at);
        if (def->coder->kind == BEAMC_CODER_LENGTH_PREFIX) {
            beamc_buf_put_slice(&out, items[i].bytes); /* is already prefixed */
        } else {
            beamc_put_prefixed(&out, items[i].bytes);
        }
    }
    beamc_status status = BEAMC_OK;
    if (out.len > 0) {
        status = beamc__state_append(s->plan, &key, beamc_buf_slice(&out));
    }
    beamc_buf_free(&out);
    return status;
}
