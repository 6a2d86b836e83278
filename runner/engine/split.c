/* split.c: a bundle in flight ends earlier than it was meant to; what it leaves goes back to its node.
 *
 * The worker decides where (ProcessBundleSplitRequest.DesiredSplit): inside of a restriction, then it
 * gives both parts; or between two elements, then the input is cut here. An attempt that follows has
 * only the first part as its input. The rest is in the queue before the bundle can end, so no watermark
 * passes it.
 *
 * Threads: splits come from the pacer, or the bundle's own. Lock order: a bundle's cut.mu before the engine's; with the
 * engine's held it is only tried. */
#include "base/mem.h"
#include "runner/engine/element.h"
#include "runner/engine/keyed_impl.h"

enum { PAUSE_MS = 5, QUIET_MS = 100 };

void beamc__cut_init(beamc_bundle *b) {
    pthread_mutex_init(&b->cut.mu, NULL);
    b->cut.out_limit = SIZE_MAX;
    b->cut.pause_ms = PAUSE_MS;
}

void beamc__cut_deinit(beamc_bundle *b) {
    beamc__pieces_free(&b->cut.primary);
    beamc__pieces_free(&b->cut.was);
    pthread_mutex_destroy(&b->cut.mu);
}

void beamc__cut_open(beamc_bundle *b) {
    atomic_store(&b->cut.began_ms, 0);
    b->cut.out_bytes = 0;
    pthread_mutex_lock(&b->cut.mu);
    b->cut.open = true;
    pthread_mutex_unlock(&b->cut.mu);
}

beamc_status beamc__cut_close(beamc_bundle *b, beamc_error *err) {
    pthread_mutex_lock(&b->cut.mu);
    b->cut.open = false;
    beamc_status failed = b->cut.failed;
    if (failed != BEAMC_OK && err != NULL) {
        *err = b->cut.error;
    }
    pthread_mutex_unlock(&b->cut.mu);
    return failed;
}

void beamc__cut_retry(beamc_bundle *b) {
    pthread_mutex_lock(&b->cut.mu);
    if (b->cut.any) {
        for (size_t i = 0; i < b->input.count; i++) {
            beamc__pieces_add(&b->cut.was, b->input.items[i]);
        }
        b->input.count = 0;
        beamc__pieces_free(&b->input);
        b->input = b->cut.primary;
        b->cut.primary = (beamc_pieces){0};
        b->cut.any = false;
    }
    pthread_mutex_unlock(&b->cut.mu);
}

/* ------------------------------------------------------------------------------- residuals */

beamc_piece beamc__root_piece(const beamc_bundle *b, const beamc_bundle_root *root) {
    beamc_piece p = {.block = beamc__block_copy(root->element),
                     .len = root->element.len,
                     .hold = root->watermark_count > 0 ? BEAMC_TIME_MAX : b->hold,
                     .ready_at = BEAMC_TIME_MIN,
                     .truncated = b->cut.truncated || b->cut.is_part};
    for (size_t k = 0; k < root->watermark_count; k++) {
        p.hold = beamc_earlier(p.hold, root->watermarks[k].watermark);
    }
    if (root->delay_ms > 0) {
        p.ready_at = beamc__engine_now(b->engine) + root->delay_ms;
    }
    return p;
}

void beamc__give_back(beamc_bundle *b, beamc_pieces *rest) {
    beamc_engine *e = b->engine;
    beamc_node *n = b->node;
    if (b->keyed != NULL) {
        beamc__keyed_give_back(b, rest);
        return;
    }
    for (size_t i = 0; i < rest->count; i++) {
        beamc_piece p = n->spec->splittable ? rest->items[i] : rest->items[rest->count - 1 - i];
        if (n->spec->splittable && p.ready_at > BEAMC_TIME_MIN) {
            beamc__pieces_add(&n->delayed, p);
            continue;
        }
        e->progress.queued_bytes += p.len;
        if (n->spec->splittable) {
            beamc__queue_push(&n->queue, p);
        } else {
            beamc__queue_push_front(&n->queue, p);
        }
    }
    rest->count = 0;
}

/* -------------------------------------------------------------------------------- elements */

/* Passes elements until @p count of them or @p bytes are behind. False: malformed. */
static bool walk(const beamc_wire_coder *coder, beamc_slice data, int64_t count, size_t bytes,
                 size_t *passed, int64_t *seen) {
    beamc_cursor in = beamc_cursor_of(data);
    const unsigned char *start = in.p;
    for (*seen = 0; in.p < in.end && *seen < count && (size_t)(in.p - start) < bytes; ++*seen) {
        beamc_head head;
        if (!beamc_head_read(coder->window, &in, &head) ||
            beamc__skip(coder->element, &in, NULL) != BEAMC_OK) {
            return false;
        }
    }
    *passed = (size_t)(in.p - start);
    return true;
}

static void cut_at(beamc_piece *piece, size_t at, beamc_piece *rest) {
    *rest = *piece;
    beamc_block_ref(rest->block);
    rest->saved = 0; /* the record of the whole goes with the first part */
    rest->at += at;
    rest->len -= at;
    piece->len = at;
}

bool beamc__piece_cut(const beamc_wire_coder *coder, beamc_piece *piece, size_t bytes,
                      beamc_piece *rest) {
    size_t passed;
    int64_t seen;
    if (coder->element == NULL || coder->window == NULL ||
        !walk(coder, beamc_piece_bytes(piece), INT64_MAX, bytes, &passed, &seen) ||
        passed == piece->len) {
        return false;
    }
    cut_at(piece, passed, rest);
    return true;
}

static int64_t count_elements(const beamc_wire_coder *coder, const beamc_pieces *list) {
    int64_t count = 0, seen;
    size_t passed;
    for (size_t i = 0; i < list->count; i++) {
        if (!walk(coder, beamc_piece_bytes(&list->items[i]), INT64_MAX, SIZE_MAX, &passed, &seen)) {
            return 0;
        }
        count += seen;
    }
    return count;
}

/* The first @p keep elements of @p from, and the others. */
static beamc_status cut_input(const beamc_wire_coder *coder, const beamc_pieces *from, int64_t keep,
                              beamc_pieces *primary, beamc_pieces *rest, beamc_error *err) {
    for (size_t i = 0; i < from->count; i++) {
        beamc_piece p = from->items[i];
        size_t passed = 0;
        int64_t seen = 0;
        if (keep > 0 && !walk(coder, beamc_piece_bytes(&p), keep, SIZE_MAX, &passed, &seen)) {
            return BEAMC_FAIL(err, INTERNAL, "a split bundle has malformed input");
        }
        keep -= seen;
        p.saved = 0; /* the bundle's input answers for the record */
        beamc_block_ref(p.block);
        if (passed == p.len) {
            beamc__pieces_add(primary, p);
        } else if (passed == 0) {
            beamc__pieces_add(rest, p);
        } else {
            beamc_piece second;
            cut_at(&p, passed, &second);
            beamc__pieces_add(primary, p);
            beamc__pieces_add(rest, second);
        }
    }
    return BEAMC_OK;
}

/* -------------------------------------------------------------------------------- splitting */

static void copy_pieces(const beamc_pieces *from, beamc_pieces *to) {
    for (size_t i = 0; i < from->count; i++) {
        beamc_piece p = from->items[i];
        p.saved = 0;
        beamc_block_ref(p.block);
        beamc__pieces_add(to, p);
    }
}

/* A restriction is alone in its bundle: it was split inside, or has not been begun, or stays whole. */
static void take_roots(beamc_bundle *b, const beamc_split_result *result, beamc_pieces *primary,
                       beamc_pieces *rest) {
    if (result->has_roots) {
        beamc_piece first = beamc__root_piece(b, &result->primary);
        first.hold = b->hold;
        beamc__pieces_add(primary, first);
        beamc__pieces_add(rest, beamc__root_piece(b, &result->residual));
    } else if (result->first_residual <= 0) {
        copy_pieces(b->cut.any ? &b->cut.primary : &b->input, rest);
    }
}

static beamc_status ask(beamc_bundle *b, double fraction, beamc_arena *arena, beamc_pieces *primary,
                        beamc_pieces *rest, beamc_error *err) {
    const beamc_node_spec *spec = b->node->spec;
    const beamc_pieces *input = b->cut.any ? &b->cut.primary : &b->input;
    beamc_split_request request = {.port = b->on->source_port, .fraction_of_remainder = fraction};
    if (!spec->splittable && fraction > 0) {
        request.estimated_elements = count_elements(&spec->input, input);
    }
    beamc_split_result result;
    BEAMC_TRY(b->on->instance->worker->ops->split(b->on->instance, &request, arena, &result, err));
    if (!result.split) {
        return BEAMC_OK;
    }
    if (!spec->splittable) {
        return cut_input(&spec->input, input, result.first_residual, primary, rest, err);
    }
    take_roots(b, &result, primary, rest);
    return BEAMC_OK;
}

/* With cut.mu held. */
static void split_open(beamc_bundle *b, double fraction, beamc_pieces *rest) {
    beamc_pieces primary = {0};
    beamc_arena *arena = beamc_arena_new(0);
    beamc_error err = {0};
    beamc_status status = ask(b, fraction, arena, &primary, rest, &err);
    if (status != BEAMC_OK) { /* what was split off may be lost: this attempt does not count */
        beamc_error_prepend(&err, "split");
        b->cut.failed = status;
        b->cut.error = err;
        beamc__pieces_free(rest);
    }
    if (rest->count > 0) {
        for (size_t i = 0; i < rest->count; i++) {
            b->cut.cut_bytes += rest->items[i].len;
        }
        beamc__pieces_free(&b->cut.primary);
        b->cut.primary = primary;
        b->cut.any = true;
    } else {
        beamc__pieces_free(&primary);
    }
    beamc_arena_free(arena);
}

bool beamc__bundle_split(beamc_bundle *b, double fraction) {
    beamc_engine *e = b->engine;
    if (pthread_mutex_trylock(&b->cut.mu) != 0) {
        return false; /* it begins or ends just now */
    }
    if (!b->cut.open || b->cut.failed != BEAMC_OK) { /* without the engine's mu it may be gone */
        pthread_mutex_unlock(&b->cut.mu);
        return false;
    }
    pthread_mutex_unlock(&e->mu); /* open: it cannot end before cut.mu is free */
    beamc_pieces rest = {0};
    split_open(b, fraction, &rest);
    pthread_mutex_lock(&e->mu);
    bool any = rest.count > 0;
    if (any) {
        b->cut.is_part = b->node->spec->splittable && b->node->spec->unbounded;
        beamc__give_back(b, &rest);
        b->cut.next_ms = beamc__monotonic_us() / 1000 + QUIET_MS;
        b->cut.pause_ms = PAUSE_MS;
    }
    pthread_mutex_unlock(&b->cut.mu);
    beamc__pieces_free(&rest);
    return any;
}
