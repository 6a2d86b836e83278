/* ingest.c: elements on their way into a group.
 *
 * The thread that ran the bundle reads timestamp, windows, key and value straight from the blocks and
 * collects items by shard; a full bucket goes into its shard under the shard's lock. Items point into
 * the blocks: nothing is copied before the shard's own tables do. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/element.h"
#include "runner/engine/hash.h"
#include "runner/engine/impl.h"

enum { BUCKET_ITEMS = 64 };

typedef struct beamc_ingest {
    beamc_group_item *items; /* BUCKET_ITEMS for each shard */
    uint8_t *counts;
    bool *touched;
    unsigned shard_count;
} beamc_ingest;

struct beamc_ingest *beamc__ingest_new(void) {
    return beamc__calloc(1, sizeof(beamc_ingest));
}

void beamc__ingest_free(struct beamc_ingest *in) {
    if (in != NULL) {
        free(in->items);
        free(in->counts);
        free(in->touched);
        free(in);
    }
}

static void reserve(beamc_ingest *in, unsigned shards) {
    if (in->shard_count < shards) {
        in->items = beamc__realloc(in->items, (size_t)shards * BUCKET_ITEMS * sizeof *in->items);
        in->counts = beamc__realloc(in->counts, shards * sizeof *in->counts);
        in->touched = beamc__realloc(in->touched, shards * sizeof *in->touched);
        in->shard_count = shards;
    }
    memset(in->counts, 0, shards * sizeof *in->counts);
    memset(in->touched, 0, shards * sizeof *in->touched);
}

/* The state of one ingestion. */
typedef struct run {
    beamc_ingest *in;
    beamc_group *group;
    beamc_shard *replace; /* compaction: all goes here, and replaces */
    const beamc_output_spec *from;
    const beamc_coder *window, *key, *value;
    beamc_group_time time;
} run;

static void flush_bucket(run *r, unsigned shard) {
    beamc_shard *s = r->replace != NULL ? r->replace : &r->group->shards[shard];
    const beamc_group_item *items = r->in->items + (size_t)shard * BUCKET_ITEMS;
    pthread_mutex_lock(&s->mu);
    if (r->replace != NULL) {
        s->grouper->ops->replace(s->grouper, items, r->in->counts[shard]);
    } else {
        s->grouper->ops->add(s->grouper, items, r->in->counts[shard], &r->time);
    }
    pthread_mutex_unlock(&s->mu);
    r->in->counts[shard] = 0;
    r->in->touched[shard] = true;
}

static inline void put_item(run *r, const beamc_group_item *item) {
    unsigned shard = r->replace != NULL ? 0 : (unsigned)(item->hash >> r->group->shard_shift);
    if (__builtin_expect(r->in->counts[shard] == BUCKET_ITEMS, 0)) {
        flush_bucket(r, shard);
    }
    r->in->items[(size_t)shard * BUCKET_ITEMS + r->in->counts[shard]++] = *item;
}

static beamc_status read_piece(run *r, beamc_slice bytes, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(bytes);
    while (in.p < in.end) {
        beamc_head head;
        if (!beamc_head_read(r->window, &in, &head)) {
            return beamc__element_malformed(r->from->collection, &in, bytes, err);
        }
        const unsigned char *key = in.p;
        BEAMC_TRY_CTX(err, beamc__skip(r->key, &in, err), "PCollection %s: key",
                      r->from->collection);
        const unsigned char *value = in.p;
        BEAMC_TRY_CTX(err, beamc__skip(r->value, &in, err), "PCollection %s: value",
                      r->from->collection);
        beamc_group_item item = {.key = beamc_slice_of(key, (size_t)(value - key)),
                                 .value = beamc_slice_of(value, (size_t)(in.p - value)),
                                 .timestamp = head.timestamp,
                                 .window = head.window};
        if (item.key.len > UINT32_MAX - 64 || item.value.len > UINT32_MAX - 64) {
            return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                              "PCollection %s: a key or value of 4 GiB or more cannot be grouped",
                              r->from->collection);
        }
        item.hash = beamc_hash(item.key);
        if (__builtin_expect(head.window_count == 1, 1)) {
            put_item(r, &item);
            continue;
        }
        beamc_cursor windows = beamc_cursor_of(head.window_bytes);
        for (uint32_t i = 0; i < head.window_count; i++) {
            if (!beamc_head_window(r->window, &windows, &item.window)) {
                return beamc__element_malformed(r->from->collection, &in, bytes, err);
            }
            put_item(r, &item);
        }
    }
    return BEAMC_OK;
}

/* Threads begin at different shards, so that they do not queue for the same locks. */
static void flush_all(run *r, unsigned shards) {
    for (unsigned i = 0; i < shards; i++) {
        if (r->in->counts[i] > 0) {
            flush_bucket(r, i);
        }
    }
    for (unsigned i = 0; i < shards; i++) {
        if (r->in->touched[i]) {
            beamc_shard *s = r->replace != NULL ? r->replace : &r->group->shards[i];
            pthread_mutex_lock(&s->mu);
            beamc__shard_refresh(s);
            pthread_mutex_unlock(&s->mu);
        }
    }
}

static beamc_status ingest(beamc_thread *t, beamc_node *node, beamc_shard *replace,
                           const beamc_output_spec *from, const beamc_pieces *pieces,
                           beamc_error *err) {
    beamc_engine *e = t->engine;
    if (t->ingest == NULL) {
        t->ingest = beamc__ingest_new();
    }
    run r = {.in = t->ingest,
             .group = node->group,
             .replace = replace,
             .from = from,
             .window = node->spec->input.window,
             .key = node->spec->input.element->args[0],
             .value = node->spec->input.element->args[1]};
    pthread_mutex_lock(&e->mu);
    r.time = (beamc_group_time){node->input, beamc__engine_now(e), node->output};
    pthread_mutex_unlock(&e->mu);
    unsigned shards = replace != NULL ? 1 : node->group->shard_count;
    reserve(r.in, shards);
    beamc_status status = BEAMC_OK;
    for (size_t i = 0; i < pieces->count && status == BEAMC_OK; i++) {
        status = read_piece(&r, beamc_piece_bytes(&pieces->items[i]), err);
    }
    flush_all(&r, shards);
    return status;
}

beamc_status beamc__ingest_group(beamc_thread *t, beamc_node *node, const beamc_output_spec *from,
                                 const beamc_pieces *pieces, beamc_error *err) {
    return ingest(t, node, NULL, from, pieces, err);
}

beamc_status beamc__ingest_replace(beamc_thread *t, beamc_node *node, beamc_shard *shard,
                                   const beamc_pieces *pieces, beamc_error *err) {
    return ingest(t, node, shard, &node->group->compaction_output, pieces, err);
}
