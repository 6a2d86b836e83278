/* deliver.c: what a bundle, a group or a test stream has made, to where it goes.
 *
 * The part that costs time runs without the engine's lock: groups and views take the elements in,
 * which nobody sees before watermarks move; pieces for stages are cut. The commit pushes pieces. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/element.h"
#include "runner/engine/keyed.h"

static beamc_delivery *add_delivery(beamc_deliveries *list, beamc_node *to) {
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 4 : list->cap * 2;
        list->items = beamc__realloc(list->items, list->cap * sizeof *list->items);
    }
    beamc_delivery *d = &list->items[list->count++];
    *d = (beamc_delivery){.to = to};
    return d;
}

beamc_status beamc__element_malformed(const char *collection, const beamc_cursor *at,
                                      beamc_slice all, beamc_error *err) {
    return BEAMC_FAIL(err, INTERNAL, "PCollection %s: malformed element at byte %zu of %zu",
                      collection, (size_t)(at->p - (const unsigned char *)all.ptr), all.len);
}

/* Calls for each element: cuts pieces of one element, or only looks for the least timestamp. */
static beamc_status cut(const beamc_output_spec *from, const beamc_piece *piece, bool each,
                        beamc_pieces *out, beamc_error *err) {
    beamc_slice bytes = beamc_piece_bytes(piece);
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_time least = BEAMC_TIME_MAX;
    while (in.p < in.end) {
        beamc_head head;
        const unsigned char *start = in.p;
        if (!beamc_head_read(from->coder.window, &in, &head)) {
            return beamc__element_malformed(from->collection, &in, bytes, err);
        }
        BEAMC_TRY_CTX(err, beamc__skip(from->coder.element, &in, err), "PCollection %s",
                      from->collection);
        least = beamc_earlier(least, head.timestamp);
        if (each) {
            size_t at = (size_t)(start - piece->block->data), len = (size_t)(in.p - start);
            beamc__pieces_add(out, (beamc_piece){.block = beamc_block_ref(piece->block),
                                                 .at = at,
                                                 .len = len,
                                                 .hold = head.timestamp});
        }
    }
    if (!each) {
        beamc_piece p = *piece;
        beamc_block_ref(p.block);
        p.hold = least;
        beamc__pieces_add(out, p);
    }
    return BEAMC_OK;
}

/* The last instant of the element's latest window. */
static beamc_time last_of(const beamc_coder *window, const beamc_head *head) {
    beamc_time last = BEAMC_TIME_MIN;
    beamc_cursor in = beamc_cursor_of(head->window_bytes);
    beamc_window w;
    for (uint32_t i = 0; i < head->window_count && beamc_head_window(window, &in, &w); i++) {
        last = beamc_window_max(w) > last ? beamc_window_max(w) : last;
    }
    return last;
}

/* A run of elements that wait for the same side windows; each one alone where it is a restriction. */
static beamc_status cut_for_sides(const beamc_node *to, const beamc_output_spec *from,
                                  const beamc_piece *piece, beamc_pieces *out, beamc_error *err) {
    beamc_slice bytes = beamc_piece_bytes(piece);
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_piece *run = NULL;
    while (in.p < in.end) {
        beamc_head head;
        const unsigned char *start = in.p;
        if (!beamc_head_read(from->coder.window, &in, &head)) {
            return beamc__element_malformed(from->collection, &in, bytes, err);
        }
        BEAMC_TRY_CTX(err, beamc__skip(from->coder.element, &in, err), "PCollection %s",
                      from->collection);
        beamc_time last = last_of(from->coder.window, &head);
        size_t len = (size_t)(in.p - start);
        if (run != NULL && run->last == last && !to->spec->splittable) {
            run->len += len;
            run->hold = beamc_earlier(run->hold, head.timestamp);
            continue;
        }
        beamc__pieces_add(out, (beamc_piece){.block = beamc_block_ref(piece->block),
                                             .at = (size_t)(start - piece->block->data),
                                             .len = len,
                                             .hold = head.timestamp,
                                             .sided = true,
                                             .last = last});
        run = &out->items[out->count - 1];
    }
    return BEAMC_OK;
}

static beamc_status to_stage(beamc_engine *e, beamc_node *to, const beamc_output_spec *from,
                             const beamc_pieces *pieces, beamc_deliveries *out, beamc_error *err) {
    beamc_delivery *d = add_delivery(out, to);
    if (!e->bounded && to->spec->side_count > 0) {
        for (size_t i = 0; i < pieces->count; i++) {
            BEAMC_TRY(cut_for_sides(to, from, &pieces->items[i], &d->pieces, err));
        }
        return BEAMC_OK;
    }
    if (to->keyed != NULL) {
        return beamc__keyed_sort(to->keyed, from, pieces, &d->keyed, err);
    }
    for (size_t i = 0; i < pieces->count; i++) {
        const beamc_piece *p = &pieces->items[i];
        bool known = p->hold > BEAMC_TIME_MIN;
        if (to->spec->splittable || (!e->bounded && !known)) {
            BEAMC_TRY(cut(from, p, to->spec->splittable, &d->pieces, err));
        } else {
            beamc_piece copy = *p;
            beamc_block_ref(copy.block);
            beamc__pieces_add(&d->pieces, copy);
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__deliver_prepare(beamc_thread *t, const beamc_output_spec *output,
                                    const beamc_pieces *pieces, beamc_deliveries *out,
                                    beamc_error *err) {
    beamc_engine *e = t->engine;
    for (size_t i = 0; i < output->target_count; i++) {
        const beamc_target *to = &output->targets[i];
        switch (to->kind) {
        case BEAMC_TO_STAGE:
            BEAMC_TRY(to_stage(e, &e->nodes[to->index], output, pieces, out, err));
            break;
        case BEAMC_TO_GROUP:
            BEAMC_TRY(beamc__ingest_group(t, &e->nodes[to->index], output, pieces, err));
            break;
        case BEAMC_TO_VIEW:
            BEAMC_TRY(beamc__view_add(&e->views[to->index], output, pieces, err));
            break;
        }
    }
    return BEAMC_OK;
}

void beamc__deliver_commit(beamc_engine *e, beamc_deliveries *deliveries) {
    for (size_t i = 0; i < deliveries->count; i++) {
        beamc_delivery *d = &deliveries->items[i];
        if (d->keyed != NULL) {
            beamc__keyed_push(d->to->keyed, d->keyed);
            d->keyed = NULL;
        }
        for (size_t k = 0; k < d->pieces.count; k++) {
            beamc__sides_take(e, d->to, d->pieces.items[k]);
        }
        d->pieces.count = 0;
    }
}

void beamc__deliveries_free(beamc_deliveries *deliveries) {
    for (size_t i = 0; i < deliveries->count; i++) {
        beamc__pieces_free(&deliveries->items[i].pieces);
        beamc__keyed_input_free(deliveries->items[i].keyed);
    }
    free(deliveries->items);
    *deliveries = (beamc_deliveries){0};
}
