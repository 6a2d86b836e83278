/* precombine.c: beam:transform:combine_per_key_precombine:v1: combines what one bundle holds of a key
 * before it is shuffled.
 *
 * An open-addressed table by (window, encoded key). An entry is one piece of memory: header,
 * accumulator, key bytes. Accumulators without pointers are updated in place; others are copied into
 * the table after each addition, which leaves the old copy as garbage. When the table has used up its
 * bytes, or the bundle ends, all entries are pushed on, in the order of their first element, and the
 * memory starts afresh. Threads: the bundle's. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/exec/combine.h"
#include "worker/exec/hash.h"

typedef struct entry {
    struct entry *next; /* in the order of creation */
    uint64_t hash;
    beamc_window window;
    beamc_time timestamp; /* latest or earliest, where that is asked for */
    void *acc;
    const char *key;
    size_t key_len;
} entry;

enum { FIRST_SLOTS = 256, ENTRY_BYTES = (sizeof(entry) + 15) & ~(size_t)15 };

typedef struct precombine {
    beamc_combine base;
    const beamc_coder *key_coder;
    bool key_is_bytes; /* the value is its own encoding */
    beamc_output_time output_time;
    beamc_buf key;       /* encoding of the key at hand */
    beamc_arena *memory; /* entries */
    size_t used;         /* bytes of it */
    entry **slots;
    size_t mask; /* slots - 1 */
    size_t count;
    entry *first;
    entry **last;
} precombine;

static void forget(precombine *p) {
    beamc_arena_reset(p->memory);
    memset(p->slots, 0, (p->mask + 1) * sizeof *p->slots);
    p->used = p->count = 0;
    p->first = NULL;
    p->last = &p->first;
}

static void grow(precombine *p) {
    size_t slots = 2 * (p->mask + 1);
    free(p->slots);
    p->slots = beamc__calloc(slots, sizeof *p->slots);
    p->mask = slots - 1;
    for (entry *e = p->first; e != NULL; e = e->next) {
        size_t i = e->hash & p->mask;
        while (p->slots[i] != NULL) {
            i = (i + 1) & p->mask;
        }
        p->slots[i] = e;
    }
}

static beamc_status push_entry(precombine *p, const entry *e) {
    beamc_combine *c = &p->base;
    beamc_plan *plan = c->unit.plan;
    if (c->fn->compact != NULL) {
        BEAMC_TRY(c->fn->compact(&c->ctx, e->acc));
    }
    beamc_kv kv = {{.bytes = beamc_slice_of(e->key, e->key_len)}, {.row = e->acc}};
    if (!p->key_is_bytes) {
        beamc_cursor in = beamc_cursor_of(kv.key.bytes);
        BEAMC_TRY(beamc__decode(p->key_coder, &in, true, &plan->scratch, &kv.key, &plan->error));
    }
    beamc_wv out = {{.kv = &kv},
                    p->output_time == BEAMC_OUTPUT_END_OF_WINDOW ? beamc_window_max(e->window)
                                                                 : e->timestamp,
                    &e->window,
                    1,
                    BEAMC_PANE_NO_FIRING};
    return beamc_push(c->out, &out);
}

static beamc_status flush(precombine *p) {
    beamc_plan *plan = p->base.unit.plan;
    for (const entry *e = p->first; e != NULL; e = e->next) {
        beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
        BEAMC_TRY(push_entry(p, e));
        beamc__scratch_rewind(&plan->scratch, mark);
    }
    forget(p);
    return BEAMC_OK;
}

static entry *find(precombine *p, uint64_t hash, beamc_window w, beamc_slice key, size_t *slot) {
    size_t i = hash & p->mask;
    for (entry *e; (e = p->slots[i]) != NULL; i = (i + 1) & p->mask) {
        if (e->hash == hash && e->key_len == key.len && e->window.start == w.start &&
            e->window.end == w.end && memcmp(e->key, key.ptr, key.len) == 0) {
            return e;
        }
    }
    *slot = i;
    return NULL;
}

static entry *add_entry(precombine *p, uint64_t hash, beamc_window w, beamc_slice key,
                        beamc_time timestamp, size_t slot) {
    size_t acc_bytes = (p->base.fn->accumulator->size + (size_t)15) & ~(size_t)15;
    size_t bytes = ENTRY_BYTES + acc_bytes + key.len;
    entry *e = beamc_arena_alloc(p->memory, bytes);
    char *key_copy = (char *)e + ENTRY_BYTES + acc_bytes;
    memcpy(key_copy, key.ptr, key.len);
    *e = (entry){NULL, hash, w, timestamp, (char *)e + ENTRY_BYTES, key_copy, key.len};
    p->used += bytes + 2 * sizeof *p->slots;
    *p->last = e;
    p->last = &e->next;
    p->slots[slot] = e;
    if (++p->count > p->mask - p->mask / 4) {
        grow(p);
    }
    return e;
}

/* Moves what a new accumulator points to from scratch into the table. */
static beamc_status keep(precombine *p, entry *e) {
    beamc_combine *c = &p->base;
    beamc_value acc = {.row = e->acc}, copy;
    size_t before = beamc_arena_footprint(p->memory);
    BEAMC_TRY(beamc_value_copy(&c->acc_coder, &acc, p->memory, &copy, &c->unit.plan->error));
    memcpy(e->acc, copy.row, c->fn->accumulator->size);
    p->used += beamc_arena_footprint(p->memory) - before + c->fn->accumulator->size;
    return BEAMC_OK;
}

static beamc_status add(precombine *p, beamc_slice key, beamc_window w, beamc_time timestamp,
                        const beamc_value *value) {
    beamc_combine *c = &p->base;
    uint64_t hash = beamc_hash_bytes(key.ptr, key.len, (uint64_t)w.end ^ ((uint64_t)w.start << 21));
    size_t slot = 0;
    entry *e = find(p, hash, w, key, &slot);
    if (e == NULL) {
        e = add_entry(p, hash, w, key, timestamp, slot);
        BEAMC_TRY(beamc__combine_create(c, e->acc));
    }
    BEAMC_TRY(c->fn->add(&c->ctx, e->acc, value));
    if (__builtin_expect(p->output_time != BEAMC_OUTPUT_END_OF_WINDOW, 0)) {
        bool later = timestamp > e->timestamp;
        if (later == (p->output_time == BEAMC_OUTPUT_LATEST_IN_PANE)) {
            e->timestamp = timestamp;
        }
    }
    if (!c->fn->flat) {
        BEAMC_TRY(keep(p, e));
    }
    return __builtin_expect(p->used > BEAMC_PRECOMBINE_BYTES, 0) ? flush(p) : BEAMC_OK;
}

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    precombine *p = (precombine *)unit;
    beamc_plan *plan = unit->plan;
    const beamc_kv *kv = in->value.kv;
    p->base.ctx.at = in;
    beamc_slice key = kv->key.bytes;
    if (!p->key_is_bytes) {
        beamc_buf_clear(&p->key);
        BEAMC_TRY_CTX(&plan->error,
                      beamc__encode(p->key_coder, &kv->key, true, &p->key, &plan->error), "key");
        key = beamc_buf_slice(&p->key);
    }
    if (key.len == 0) {
        key.ptr = ""; /* memcpy and memcmp want a pointer */
    }
    for (size_t i = 0; i < in->window_count; i++) {
        BEAMC_TRY(add(p, key, in->windows[i], in->timestamp, &kv->value));
    }
    return BEAMC_OK;
}

static beamc_status finish_bundle(beamc_unit *unit) {
    precombine *p = (precombine *)unit;
    p->base.ctx.at = NULL;
    return flush(p);
}

static void abort_bundle(beamc_unit *unit) {
    forget((precombine *)unit);
}

static void teardown(beamc_unit *unit) {
    precombine *p = (precombine *)unit;
    free(p->slots);
    beamc_buf_free(&p->key);
    beamc_arena_free(p->memory);
    beamc__combine_teardown(unit);
}

static const beamc_unit_ops precombine_ops = {.name = "precombine",
                                              .setup = beamc__combine_setup,
                                              .process = process,
                                              .finish_bundle = finish_bundle,
                                              .abort_bundle = abort_bundle,
                                              .teardown = teardown};

beamc_unit *beamc__precombine_new(beamc_plan *plan, const beamc_combine_spec *spec) {
    precombine *p = beamc_arena_zalloc(plan->arena, sizeof *p);
    beamc__combine_init(&p->base, plan, spec, &precombine_ops);
    p->key_coder = spec->key_coder;
    p->key_is_bytes =
        spec->key_coder->kind == BEAMC_CODER_STRING || spec->key_coder->kind == BEAMC_CODER_BYTES;
    p->output_time = spec->output_time;
    p->memory = beamc_arena_new(256 * 1024);
    p->slots = beamc__calloc(FIRST_SLOTS, sizeof *p->slots);
    p->mask = FIRST_SLOTS - 1;
    p->last = &p->first;
    return &p->base.unit;
}
