/* sealed.c: bundles of stable stages, settled when the engine rests. See checkpoint.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/checkpoint.h"

static beamc_sealed *add(beamc_node *n, uint64_t number) {
    beamc_sealed *s = beamc__calloc(1, sizeof *s);
    s->number = number;
    s->hold = BEAMC_TIME_MAX;
    beamc_sealed **at = &n->sealed;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = s;
    return s;
}

static void put(beamc_node *n, beamc_sealed *s, beamc_piece piece) {
    s->bytes += piece.len;
    n->sealed_bytes += piece.len;
    s->hold = beamc_earlier(s->hold, piece.hold);
    beamc__pieces_add(&s->pieces, piece);
}

/* All that is queued; the pieces' bytes stay counted as queued. */
void beamc__sealed_make(beamc_engine *e, beamc_node *n) {
    while (n->queue.count > 0) {
        beamc_sealed *s = add(n, e->next_bundle++);
        size_t share = beamc__pace_share(e, n, n->queue.bytes);
        do {
            put(n, s, beamc__pace_next(e, n, &n->queue, share - s->bytes));
        } while (n->queue.count > 0 && s->bytes < share);
    }
}

void beamc__sealed_add(beamc_node *n, uint64_t number, const beamc_piece *piece) {
    beamc_sealed *s = n->sealed;
    while (s != NULL && s->number != number) {
        s = s->next;
    }
    s = s != NULL ? s : add(n, number);
    s->lasting = true;
    put(n, s, *piece);
}

void beamc__sealed_made_lasting(beamc_node *n) {
    for (beamc_sealed *s = n->sealed; s != NULL; s = s->next) {
        s->lasting = true;
    }
}

beamc_bundle *beamc__sealed_take(beamc_engine *e, beamc_node *n) {
    beamc_sealed *s = n->sealed;
    if (s == NULL || !s->lasting) {
        return NULL;
    }
    n->sealed = s->next;
    n->sealed_bytes -= s->bytes;
    e->progress.queued_bytes -= s->bytes;
    beamc_bundle *b = beamc__bundle_new(e, n, &n->pool, n->spec->outputs, n->spec->output_count);
    b->number = s->number;
    b->sealed = true;
    b->hold = s->hold;
    b->input = s->pieces;
    free(s);
    beamc__bundle_link(b);
    return b;
}

void beamc__sealed_free(beamc_node *n) {
    while (n->sealed != NULL) {
        beamc_sealed *next = n->sealed->next;
        beamc__pieces_free(&n->sealed->pieces);
        free(n->sealed);
        n->sealed = next;
    }
}
