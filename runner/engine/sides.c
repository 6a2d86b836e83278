/* sides.c: who waits for side inputs, and until when.
 *
 * In a bounded job a stage waits until its side inputs are complete. In one that goes on, each element
 * waits for the window of the side input that belongs to its own (coder/side_window.h): until the
 * watermark has passed it. Such elements lie apart, so that others go on. With mu held. */
#include "coder/side_window.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed.h"

/* The last instant of what an element sees whose latest window ends with @p last. */
static beamc_time side_last(const beamc_view_spec *spec, beamc_time last) {
    const beamc_window_fn *fn = &spec->windowing.fn;
    bool known = fn->kind == BEAMC_WINDOW_FIXED     ? fn->size_ms > 0
                 : fn->kind == BEAMC_WINDOW_SLIDING ? fn->size_ms > 0 && fn->period_ms > 0
                                                    : false;
    if (!known) { /* the global window, or one that only its SDK knows: when all is there */
        return BEAMC_TIME_GLOBAL_WINDOW_MAX;
    }
    beamc_time side = beamc_window_max(beamc__side_window(fn, (beamc_window){last, last + 1}));
    return beamc_earlier(side, BEAMC_TIME_GLOBAL_WINDOW_MAX);
}

static bool have_passed(const beamc_engine *e, const beamc_node *n, beamc_time last) {
    for (size_t i = 0; i < n->spec->side_count; i++) {
        const beamc_view *v = &e->views[n->spec->sides[i].view];
        if (v->watermark <= side_last(v->spec, last)) {
            return false;
        }
    }
    return true;
}

bool beamc__sides_ready(const beamc_engine *e, const beamc_node *n) {
    for (size_t i = 0; e->bounded && i < n->spec->side_count; i++) {
        if (e->views[n->spec->sides[i].view].watermark < BEAMC_TIME_MAX) {
            return false;
        }
    }
    return true;
}

bool beamc__waits_for_sides(const beamc_engine *e, const beamc_node *n) {
    return e->bounded ? !beamc__sides_ready(e, n) : n->sided.count > 0;
}

/* To where the stage takes its input from; takes the reference. */
static void enqueue(beamc_engine *e, beamc_node *n, beamc_piece p) {
    p.sided = false;
    if (n->keyed == NULL) {
        e->progress.queued_bytes += p.len;
        beamc__queue_push(&n->queue, p);
        return;
    }
    if (p.saved != 0) { /* it is cut up by key now */
        beamc_checkpoint *c = e->checkpoint;
        beamc__checkpoint_gone(
            e, beamc__record_piece_name(&c->name, BEAMC_RECORD_QUEUE, n->index, p.saved));
        p.saved = 0;
    }
    beamc_error err = {0};
    beamc_status status = beamc__keyed_take_in(n->keyed, &p, &err);
    beamc__block_unref(p.block);
    if (status != BEAMC_OK && e->status == BEAMC_OK) { /* from a journal: else it was read before */
        e->status = status;
        e->error = err;
        e->stop = true;
        atomic_store(&e->cancelled, true);
    }
}

void beamc__sides_take(beamc_engine *e, beamc_node *n, beamc_piece p) {
    if (!p.sided || have_passed(e, n, p.last)) {
        enqueue(e, n, p);
        return;
    }
    n->sided_last = n->sided.count == 0 ? p.last : beamc_earlier(n->sided_last, p.last);
    n->sided_bytes += p.len;
    e->progress.queued_bytes += p.len;
    beamc__pieces_add(&n->sided, p);
}

/* Side windows are in the order of main ones: if the earliest has not passed, none has. */
void beamc__sides_release(beamc_engine *e, beamc_node *n) {
    if (n->sided.count == 0 || !have_passed(e, n, n->sided_last)) {
        return;
    }
    size_t kept = 0;
    n->sided_last = BEAMC_TIME_MAX;
    for (size_t i = 0; i < n->sided.count; i++) {
        beamc_piece p = n->sided.items[i];
        if (have_passed(e, n, p.last)) {
            n->sided_bytes -= p.len;
            e->progress.queued_bytes -= p.len;
            enqueue(e, n, p);
        } else {
            n->sided_last = beamc_earlier(n->sided_last, p.last);
            n->sided.items[kept++] = p;
        }
    }
    n->sided.count = kept;
}
