/* block.c: see block.h. */
#include "runner/engine/block.h"

#include <stdlib.h>

#include "base/mem.h"

beamc_block *beamc__block_take(beamc_buf *buf) {
    beamc_block *b = beamc__malloc(sizeof *b);
    atomic_init(&b->refs, 1);
    b->len = buf->len;
    /* A buffer that grew by doubling gives back what it does not use. */
    if (buf->cap - buf->len > 4096 && buf->cap - buf->len > buf->len / 8) {
        buf->ptr = beamc__realloc(buf->ptr, buf->len > 0 ? buf->len : 1);
    }
    b->data = buf->ptr;
    *buf = (beamc_buf){0};
    return b;
}

beamc_block *beamc__block_copy(beamc_slice bytes) {
    beamc_buf buf = {0};
    beamc_buf_put_slice(&buf, bytes);
    return beamc__block_take(&buf);
}

void beamc__block_unref(beamc_block *block) {
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        free(block->data);
        free(block);
    }
}

static void grow(beamc_queue *q) {
    size_t cap = q->cap == 0 ? 16 : q->cap * 2;
    beamc_piece *items = beamc__malloc(cap * sizeof *items);
    for (size_t i = 0; i < q->count; i++) {
        items[i] = q->items[(q->head + i) & (q->cap - 1)];
    }
    free(q->items);
    q->items = items;
    q->head = 0;
    q->cap = cap;
}

void beamc__queue_push(beamc_queue *q, beamc_piece piece) {
    if (q->count == q->cap) {
        grow(q);
    }
    q->items[(q->head + q->count++) & (q->cap - 1)] = piece;
    q->bytes += piece.len;
}

void beamc__queue_push_front(beamc_queue *q, beamc_piece piece) {
    if (q->count == q->cap) {
        grow(q);
    }
    q->head = (q->head + q->cap - 1) & (q->cap - 1);
    q->items[q->head] = piece;
    q->count++;
    q->bytes += piece.len;
}

beamc_piece beamc__queue_pop(beamc_queue *q) {
    beamc_piece piece = q->items[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
    q->bytes -= piece.len;
    return piece;
}

void beamc__queue_free(beamc_queue *q) {
    while (q->count > 0) {
        beamc__block_unref(beamc__queue_pop(q).block);
    }
    free(q->items);
    *q = (beamc_queue){0};
}

beamc_time beamc__queue_hold(const beamc_queue *q) {
    beamc_time hold = BEAMC_TIME_MAX;
    for (size_t i = 0; i < q->count && hold > BEAMC_TIME_MIN; i++) {
        beamc_time t = q->items[(q->head + i) & (q->cap - 1)].hold;
        hold = t < hold ? t : hold;
    }
    return hold;
}

static bool is_before(const beamc_piece *a, const beamc_piece *b) {
    return a->hold < b->hold || (a->hold == b->hold && a->ready_at < b->ready_at);
}

void beamc__queue_sift_in(beamc_queue *q, beamc_piece piece) {
    if (q->count == q->cap || q->head != 0) {
        grow(q);
    }
    size_t i = q->count++;
    for (; i > 0 && is_before(&piece, &q->items[(i - 1) / 2]); i = (i - 1) / 2) {
        q->items[i] = q->items[(i - 1) / 2];
    }
    q->items[i] = piece;
    q->bytes += piece.len;
}

beamc_piece beamc__queue_sift_out(beamc_queue *q) {
    beamc_piece first = q->items[0], last = q->items[--q->count];
    size_t i = 0;
    for (size_t kid; (kid = i * 2 + 1) < q->count; i = kid) {
        kid += kid + 1 < q->count && is_before(&q->items[kid + 1], &q->items[kid]);
        if (!is_before(&q->items[kid], &last)) {
            break;
        }
        q->items[i] = q->items[kid];
    }
    q->items[i] = last;
    q->bytes -= first.len;
    return first;
}

void beamc__pieces_add(beamc_pieces *list, beamc_piece piece) {
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 8 : list->cap * 2;
        list->items = beamc__realloc(list->items, list->cap * sizeof *list->items);
    }
    list->items[list->count++] = piece;
}

void beamc__pieces_free(beamc_pieces *list) {
    for (size_t i = 0; i < list->count; i++) {
        beamc__block_unref(list->items[i].block);
    }
    free(list->items);
    *list = (beamc_pieces){0};
}
