/* block.h: runs of encoded elements, and queues of them.
 *
 * A block is immutable once it is shared; it lives as long as somebody refers to it. A piece is a part
 * of a block that holds whole elements. Threads: references are counted atomically; a queue belongs
 * to whoever holds the lock of its owner. */
#ifndef BEAMC_ENGINE_BLOCK_H
#define BEAMC_ENGINE_BLOCK_H

#include <beamc/buf.h>
#include <beamc/value.h>
#include <stdatomic.h>

typedef struct beamc_block {
    atomic_uint refs;
    unsigned char *data;
    size_t len;
} beamc_block;

/* Takes the bytes of @p buf, which is empty afterwards. One reference. */
beamc_block *beamc__block_take(beamc_buf *buf);
beamc_block *beamc__block_copy(beamc_slice bytes);
static inline beamc_block *beamc_block_ref(beamc_block *block) {
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    return block;
}
void beamc__block_unref(beamc_block *block);

typedef struct beamc_piece {
    beamc_block *block; /* a reference */
    size_t at, len;
    beamc_time hold;     /* no output of it will be earlier: watermarks stay below it */
    beamc_time ready_at; /* processing time; delayed residuals */
    uint64_t saved;      /* the number of its record in the journal; 0: it has none */
    bool sided;          /* it waits for side inputs, as far as they go with: */
    beamc_time last;     /* the last instant of its latest window */
    bool truncated;      /* a restriction that the drain has shortened */
} beamc_piece;

static inline beamc_slice beamc_piece_bytes(const beamc_piece *p) {
    return beamc_slice_of(p->block->data + p->at, p->len);
}

/* First in, first out. Zero-initialise. */
typedef struct beamc_queue {
    beamc_piece *items;
    size_t head, count, cap;
    size_t bytes;
} beamc_queue;

/* Takes over the piece's reference. */
void beamc__queue_push(beamc_queue *q, beamc_piece piece);
beamc_piece beamc__queue_pop(beamc_queue *q);
static inline const beamc_piece *beamc_queue_first(const beamc_queue *q) {
    return q->count > 0 ? &q->items[q->head] : NULL;
}
/* Puts a piece back in front. */
void beamc__queue_push_front(beamc_queue *q, beamc_piece piece);
void beamc__queue_free(beamc_queue *q);
beamc_time beamc__queue_hold(const beamc_queue *q);

/* Another use of a queue: a heap, the earliest hold in front, of equals the least ready_at. */
void beamc__queue_sift_in(beamc_queue *q, beamc_piece piece);
beamc_piece beamc__queue_sift_out(beamc_queue *q);

/* A list of pieces with an owner. Zero-initialise. */
typedef struct beamc_pieces {
    beamc_piece *items;
    size_t count, cap;
} beamc_pieces;

void beamc__pieces_add(beamc_pieces *list, beamc_piece piece);
/* Drops the references and the list. */
void beamc__pieces_free(beamc_pieces *list);

#endif
