/* pressure.c: back-pressure: who has to wait until others have caught up.
 *
 * A node does nothing while one that it feeds has more queued than a few bundles' worth, sources also
 * while all queues together hold too much. The graph has no circles, so the last one of such a row can
 * always run, unless it waits for a side input. Then those that the side input comes from go on, as do
 * all in a bounded job: their input ends. Elements that wait for the watermark, in groups and in front
 * of time-sorted stages, stop nobody, for only more input moves it. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/impl.h"

enum { MIN_QUEUE_BYTES = 256 << 10, FIRST_QUEUE_BYTES = 1 << 20, QUEUED_BUNDLES = 2 };

/* ---------------------------------------------------------------------------------- wiring */

static void mark(beamc_engine *e, uint32_t from, uint32_t waits, bool *seen) {
    beamc_node *n = &e->nodes[from];
    if (seen[from]) {
        return;
    }
    seen[from] = true;
    if (n->helps == NULL) {
        n->helps = beamc__calloc(e->graph->node_count, sizeof *n->helps);
    }
    n->helps[waits] = true;
    for (size_t i = 0; i < n->producer_count; i++) {
        mark(e, n->producers[i], waits, seen);
    }
    for (size_t s = 0; s < n->spec->side_count; s++) {
        const beamc_view *v = &e->views[n->spec->sides[s].view];
        for (size_t i = 0; i < v->producer_count; i++) {
            mark(e, v->producers[i], waits, seen);
        }
    }
}

void beamc__pressure_wire(beamc_engine *e) {
    for (uint32_t w = 0; w < e->graph->node_count; w++) {
        const beamc_node_spec *spec = e->nodes[w].spec;
        bool *seen = beamc__calloc(e->graph->node_count, sizeof *seen);
        for (size_t s = 0; s < spec->side_count; s++) {
            const beamc_view *v = &e->views[spec->sides[s].view];
            for (size_t i = 0; i < v->producer_count; i++) {
                mark(e, v->producers[i], w, seen);
            }
        }
        free(seen);
    }
}

/* --------------------------------------------------------------------------------- asking */

static size_t queue_limit(const beamc_engine *e, const beamc_node *n) {
    size_t most = e->config.bundle_bytes * 2;
    if (e->bounded) {
        return most;
    }
    double limit =
        n->bytes_per_ms * (double)e->config.max_bundle_ms * QUEUED_BUNDLES * e->config.parallelism;
    if (n->bytes_per_ms <= 0) {
        limit = FIRST_QUEUE_BYTES;
    }
    limit = limit > MIN_QUEUE_BYTES ? limit : MIN_QUEUE_BYTES;
    return limit < (double)most ? (size_t)limit : most;
}

static size_t queued_at(const beamc_node *n) {
    return n->queue.bytes + n->sealed_bytes + n->keyed_bytes + n->sided_bytes;
}

size_t beamc__queue_room(const beamc_engine *e, const beamc_node *n) {
    size_t limit = queue_limit(e, n), queued = queued_at(n) + n->staged_bytes;
    return queued < limit ? limit - queued : 0;
}

/* What @p to has queued does not become less by waiting for it: @p n has to go on. */
static bool is_excused(const beamc_engine *e, const beamc_node *n, const beamc_node *to) {
    return to->spec->time_sorted || (beamc__waits_for_sides(e, to) &&
                                     (e->bounded || (n->helps != NULL && n->helps[to->index])));
}

bool beamc__is_held_back(const beamc_engine *e, const beamc_node *n) {
    for (size_t i = 0; i < n->feed_count; i++) {
        const beamc_node *to = &e->nodes[n->feeds[i]];
        bool first_parts = to->spec->splittable && e->bounded; /* how a bounded input is cut up */
        if (!first_parts && queued_at(to) + to->staged_bytes > queue_limit(e, to) &&
            !is_excused(e, n, to)) {
            return true;
        }
    }
    return false;
}

bool beamc__is_full(const beamc_engine *e, const beamc_node *n) {
    size_t queued = e->progress.queued_bytes;
    for (size_t i = 0; queued >= e->config.queue_bytes && i < e->graph->node_count; i++) {
        const beamc_node *to = &e->nodes[i];
        if (is_excused(e, n, to)) {
            queued -= queued_at(to);
        }
    }
    return queued >= e->config.queue_bytes;
}
