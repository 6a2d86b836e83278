/* watermark.c: how far event time has come at each node.
 *
 *   upstream = the least output watermark of those who feed the node
 *   input    = min(upstream, holds of what is queued, delayed or running)
 *   output   = min(input, holds of buffered groups, timers)
 *
 * Watermarks never go back. All of it is done at once after each commit: graphs are small. */
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

static beamc_time pending_hold(const beamc_engine *e, const beamc_node *n) {
    if (e->bounded) { /* nobody asks how far: only whether all is done */
        bool any = n->queue.count + n->delayed.count + n->running_count > 0 || n->sealed != NULL;
        return any ? BEAMC_TIME_MIN : BEAMC_TIME_MAX;
    }
    beamc_time hold = beamc__queue_hold(&n->queue);
    for (size_t i = 0; i < n->delayed.count; i++) {
        hold = beamc_earlier(hold, n->delayed.items[i].hold);
    }
    for (size_t i = 0; i < n->sided.count; i++) {
        hold = beamc_earlier(hold, n->sided.items[i].hold);
    }
    for (const beamc_sealed *s = n->sealed; s != NULL; s = s->next) {
        hold = beamc_earlier(hold, s->hold);
    }
    for (const beamc_bundle *b = n->running; b != NULL; b = b->next) {
        hold = beamc_earlier(hold, b->hold);
    }
    return hold;
}

static beamc_time group_hold(const beamc_group *g) {
    beamc_time hold = BEAMC_TIME_MAX;
    for (unsigned i = 0; i < g->shard_count; i++) {
        const beamc_shard *s = &g->shards[i];
        hold = beamc_earlier(hold, atomic_load_explicit(&s->hold, memory_order_acquire));
        hold = s->busy ? beamc_earlier(hold, s->busy_hold) : hold;
    }
    return hold;
}

static beamc_time raise(beamc_time from, beamc_time to) {
    return to > from ? to : from;
}

static void update_node(beamc_engine *e, beamc_node *n) {
    if (n->spec->kind == BEAMC_NODE_IMPULSE || n->spec->kind == BEAMC_NODE_TEST_STREAM) {
        n->done = n->output == BEAMC_TIME_MAX;
        return; /* they set their own */
    }
    beamc_time upstream = BEAMC_TIME_MAX;
    for (size_t i = 0; i < n->producer_count; i++) {
        upstream = beamc_earlier(upstream, e->nodes[n->producers[i]].output);
    }
    n->upstream = raise(n->upstream, upstream);
    beamc_time pending = pending_hold(e, n);
    if (n->keyed != NULL) {
        pending = beamc_earlier(pending, beamc__keyed_pending(n->keyed));
    }
    beamc_time input = raise(n->input, beamc_earlier(n->upstream, pending));
    n->before = input > n->input ? n->output : n->before;
    n->input = input;
    beamc_time hold = BEAMC_TIME_MAX;
    if (n->group != NULL) {
        hold = group_hold(n->group);
    } else if (n->keyed != NULL) {
        hold = beamc__keyed_hold(n->keyed);
    }
    n->output = raise(n->output, beamc_earlier(n->input, hold));
    n->done = n->output == BEAMC_TIME_MAX;
}

void beamc__watermarks_update(beamc_engine *e) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        if (!e->nodes[i].done) {
            update_node(e, &e->nodes[i]);
        }
    }
    for (size_t v = 0; v < e->graph->view_count; v++) {
        beamc_view *view = &e->views[v];
        beamc_time least = BEAMC_TIME_MAX;
        for (size_t i = 0; i < view->producer_count; i++) {
            least = beamc_earlier(least, e->nodes[view->producers[i]].output);
        }
        view->watermark = least;
        beamc__view_collect(e, view);
    }
}
