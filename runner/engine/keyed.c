/* keyed.c: stages with user state or timers.
 *
 * A shard is free or has one bundle in flight. A bundle holds either elements or fired timers: an
 * element may move or clear a timer, which must not be on its way by then. Of one key and window a
 * bundle fires the timers of one family and one instant, so that those that fire later see what the
 * earlier ones did.
 *
 * When the input has ended, timers of processing time do not wait for the clock any more (drain). */
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed_impl.h"

#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"

beamc_status beamc__keyed_new(beamc_engine *e, beamc_node *node, beamc_keyed **out,
                              beamc_error *err) {
    if (node->spec->input.element->kind != BEAMC_CODER_KV) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s has state or timers: it needs KV pairs",
                          node->spec->name);
    }
    beamc_keyed *k = beamc__calloc(1, sizeof *k);
    k->engine = e;
    k->node = node;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_keyed_shard *s = &k->shards[i];
        beamc__store_init(&s->store, node->spec);
        s->queue_hold = s->next_event = s->next_clock = s->hold = BEAMC_TIME_MAX;
    }
    if (e->checkpoint != NULL) {
        beamc__keyed_keep(k);
    }
    *out = k;
    return BEAMC_OK;
}

void beamc__keyed_free(beamc_keyed *k) {
    if (k == NULL) {
        return;
    }
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc__queue_free(&k->shards[i].queue);
        beamc__store_deinit(&k->shards[i].store);
    }
    free(k);
}

beamc_time beamc__keyed_pending(const beamc_keyed *k) {
    beamc_time hold = BEAMC_TIME_MAX;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        hold = beamc_earlier(hold, k->shards[i].queue_hold);
    }
    return hold;
}

beamc_time beamc__keyed_hold(const beamc_keyed *k) {
    beamc_time hold = BEAMC_TIME_MAX;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        hold = beamc_earlier(hold, k->shards[i].hold);
    }
    return hold;
}

/* ---------------------------------------------------------------------------------- input */

/* All its windows are over: the model drops it. */
static bool is_expired(const beamc_keyed *k, const beamc_head *head, beamc_time watermark) {
    beamc_cursor in = beamc_cursor_of(head->window_bytes);
    for (uint32_t i = 0; i < head->window_count; i++) {
        beamc_window w;
        if (!beamc_head_window(k->node->spec->input.window, &in, &w) ||
            beamc_window_max(w) + k->node->spec->state_lateness_ms >= watermark) {
            return false;
        }
    }
    return head->window_count > 0;
}

static beamc_status sort_piece(beamc_keyed *k, const beamc_output_spec *from,
                               const beamc_piece *piece, beamc_time watermark,
                               beamc_keyed_input *to, beamc_error *err) {
    const beamc_node_spec *spec = k->node->spec;
    beamc_slice bytes = beamc_piece_bytes(piece);
    beamc_cursor in = beamc_cursor_of(bytes);
    while (in.p < in.end) {
        const unsigned char *start = in.p;
        beamc_head head;
        if (!beamc_head_read(spec->input.window, &in, &head)) {
            return beamc__element_malformed(from->collection, &in, bytes, err);
        }
        const unsigned char *key = in.p;
        BEAMC_TRY_CTX(err, beamc__skip(spec->input.element->args[0], &in, err),
                      "PCollection %s: key", from->collection);
        uint64_t hash = beamc_hash(beamc_slice_of(key, (size_t)(in.p - key)));
        BEAMC_TRY_CTX(err, beamc__skip(spec->input.element->args[1], &in, err),
                      "PCollection %s: value", from->collection);
        if (watermark > BEAMC_TIME_MIN && is_expired(k, &head, watermark)) {
            to->late_dropped++;
            continue;
        }
        unsigned shard = (unsigned)(hash >> BEAMC_KEYED_SHIFT);
        size_t len = (size_t)(in.p - start);
        to->hold[shard] = beamc_earlier(to->hold[shard], head.timestamp);
        if (spec->time_sorted) {
            size_t at = (size_t)(start - piece->block->data);
            beamc__pieces_add(&to->each[shard],
                              (beamc_piece){.block = beamc_block_ref(piece->block),
                                            .at = at,
                                            .len = len,
                                            .hold = head.timestamp});
        } else {
            beamc_buf_put(&to->bytes[shard], start, len);
        }
    }
    return BEAMC_OK;
}

static beamc_keyed_input *new_input(void) {
    beamc_keyed_input *to = beamc__calloc(1, sizeof *to);
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        to->hold[i] = BEAMC_TIME_MAX;
    }
    return to;
}

beamc_status beamc__keyed_sort(beamc_keyed *k, const beamc_output_spec *from,
                               const beamc_pieces *pieces, beamc_keyed_input **out,
                               beamc_error *err) {
    beamc_keyed_input *to = *out = new_input();
    pthread_mutex_lock(&k->engine->mu);
    beamc_time watermark = k->node->input;
    pthread_mutex_unlock(&k->engine->mu);
    for (size_t i = 0; i < pieces->count; i++) {
        BEAMC_TRY(sort_piece(k, from, &pieces->items[i], watermark, to, err));
    }
    return BEAMC_OK;
}

void beamc__keyed_input_free(beamc_keyed_input *input) {
    if (input == NULL) {
        return;
    }
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_buf_free(&input->bytes[i]);
        beamc__pieces_free(&input->each[i]);
    }
    free(input);
}

static void push(beamc_keyed *k, beamc_keyed_shard *s, beamc_piece p) {
    k->engine->progress.queued_bytes += p.len;
    k->node->keyed_bytes += p.len;
    s->queue_hold = beamc_earlier(s->queue_hold, p.hold);
    if (k->node->spec->time_sorted) {
        p.ready_at = k->arrivals++;
        beamc__queue_sift_in(&s->queue, p);
    } else {
        beamc__queue_push(&s->queue, p);
    }
}

void beamc__keyed_push(beamc_keyed *k, beamc_keyed_input *input) {
    k->late_dropped += input->late_dropped;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_keyed_shard *s = &k->shards[i];
        for (size_t p = 0; p < input->each[i].count; p++) {
            push(k, s, input->each[i].items[p]);
        }
        input->each[i].count = 0;
        size_t len = input->bytes[i].len;
        if (len > 0) {
            push(k, s,
                 (beamc_piece){.block = beamc__block_take(&input->bytes[i]),
                               .len = len,
                               .hold = input->hold[i]});
        }
    }
    beamc__keyed_input_free(input);
}

beamc_status beamc__keyed_take_in(beamc_keyed *k, const beamc_piece *piece, beamc_error *err) {
    const beamc_output_spec from = {.collection = k->node->spec->name};
    beamc_keyed_input *to = new_input();
    beamc_status status = sort_piece(k, &from, piece, k->node->input, to, err);
    if (status != BEAMC_OK) {
        beamc__keyed_input_free(to);
        return status;
    }
    beamc__keyed_push(k, to);
    return BEAMC_OK;
}

unsigned beamc__keyed_shard_count(void) {
    return BEAMC_KEYED_SHARDS;
}

beamc_queue *beamc__keyed_queue(beamc_keyed *k, unsigned shard) {
    return &k->shards[shard].queue;
}

void beamc__keyed_restore_piece(beamc_keyed *k, unsigned shard, beamc_piece piece) {
    push(k, &k->shards[shard], piece);
}

void beamc__keyed_give_back(beamc_bundle *b, beamc_pieces *rest) {
    beamc_keyed *k = b->keyed->keyed;
    beamc_keyed_shard *s = b->keyed->shard;
    while (rest->count > 0) {
        beamc_piece p = rest->items[--rest->count];
        k->engine->progress.queued_bytes += p.len;
        k->node->keyed_bytes += p.len;
        s->queue_hold = beamc_earlier(s->queue_hold, p.hold);
        if (k->node->spec->time_sorted) {
            beamc__queue_sift_in(&s->queue, p);
        } else {
            beamc__queue_push_front(&s->queue, p);
        }
    }
}

int64_t beamc__keyed_late_dropped(const beamc_keyed *k) {
    return k->late_dropped;
}

/* ---------------------------------------------------------------------------------- taking */

/* What must be the same when it is run again has to be in the journal first. */
static bool is_settled(const beamc_keyed *k, const beamc_keyed_shard *s) {
    const beamc_checkpoint *c = k->engine->checkpoint;
    if (c == NULL || !k->node->spec->stable) {
        return true;
    }
    uint64_t saved = s->queue.items[s->queue.head].saved;
    return saved != 0 && saved <= c->lasting_piece;
}

/* Time-sorted input waits for the watermark. */
static bool is_early(const beamc_node *n, beamc_time time) {
    return n->spec->time_sorted && time >= n->upstream && n->upstream < BEAMC_TIME_MAX;
}

/* Moves what the next bundle of elements takes out of the queue. */
static void take_elements(beamc_keyed *k, beamc_keyed_shard *s, beamc_bundle *b) {
    beamc_engine *e = k->engine;
    size_t bytes = 0, limit = beamc__pace_share(e, k->node, e->config.bundle_bytes);
    bool sorted = k->node->spec->time_sorted;
    while (s->queue.count > 0 && bytes < limit && is_settled(k, s) &&
           !is_early(k->node, s->queue.items[s->queue.head].hold)) {
        beamc_piece p = sorted ? beamc__queue_sift_out(&s->queue)
                               : beamc__pace_next(e, k->node, &s->queue, limit - bytes);
        bytes += p.len;
        k->engine->progress.queued_bytes -= p.len;
        k->node->keyed_bytes -= p.len;
        b->hold = beamc_earlier(b->hold, p.hold);
        beamc__pieces_add(&b->input, p);
    }
    s->queue_hold = !sorted              ? beamc__queue_hold(&s->queue)
                    : s->queue.count > 0 ? s->queue.items[0].hold
                                         : BEAMC_TIME_MAX;
}

static bool has_ready_elements(const beamc_keyed *k, const beamc_keyed_shard *s, bool eager) {
    const beamc_node *n = k->node;
    if (s->queue.count == 0 || is_early(n, s->queue_hold)) {
        return false;
    }
    if (!is_settled(k, s)) {
        k->engine->checkpoint->waits = true;
        return false;
    }
    return eager || !k->engine->bounded || n->upstream == BEAMC_TIME_MAX ||
           s->queue.bytes >= k->engine->config.bundle_bytes / 4;
}

static beamc_bundle *begin_bundle(beamc_keyed *k, beamc_keyed_shard *s, beamc_time now, bool timers,
                                  bool drain) {
    beamc_node *n = k->node;
    beamc_bundle *b =
        beamc__bundle_new(k->engine, n, &n->pool, n->spec->outputs, n->spec->output_count);
    b->number = k->engine->next_bundle++;
    b->hold = BEAMC_TIME_MAX;
    beamc_keyed_work *w = beamc__calloc(1, sizeof *w);
    w->keyed = k;
    w->shard = s;
    w->timers = timers;
    w->drain = drain;
    w->watermark = n->input;
    w->now = now;
    w->ops.arena = beamc_arena_new(0);
    w->given = beamc__calloc(n->spec->timer_count + 1, sizeof *w->given);
    w->set = beamc__calloc(n->spec->timer_count + 1, sizeof *w->set);
    b->keyed = w;
    b->cut.allowed = !timers && !n->spec->stable;
    if (!timers) {
        take_elements(k, s, b);
    }
    s->busy = true;
    beamc__bundle_link(b);
    return b;
}

beamc_bundle *beamc__keyed_take(beamc_keyed *k, beamc_time now, bool eager,
                                beamc_time *wait_until) {
    const beamc_node *n = k->node;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_keyed_shard *s = &k->shards[(k->turn + i) % BEAMC_KEYED_SHARDS];
        if (s->busy) {
            continue;
        }
        bool drain = n->input == BEAMC_TIME_MAX;
        bool timers =
            beamc_event_due(s->next_event, n->input) || beamc_clock_due(s->next_clock, now, drain);
        if (timers || has_ready_elements(k, s, eager)) {
            k->turn = (k->turn + i + 1) % BEAMC_KEYED_SHARDS;
            return begin_bundle(k, s, now, timers, drain);
        }
        *wait_until = beamc_earlier(*wait_until, s->next_clock);
    }
    return NULL;
}
