/* table.c: see table.h. */
#include "runner/engine/table.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct beamc_table_block {
    struct beamc_table_block *next;
    size_t size;
    max_align_t data[];
} beamc_table_block;

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 64 * 1024, LARGEST_CHUNK = 1 << 20 };

#define ADDRESS_MASK ((1ull << BEAMC_TABLE_TAG_SHIFT) - 1)

void beamc__table_free(beamc_table *t) {
    while (t->blocks != NULL) {
        beamc_table_block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
    free(t->slots);
    *t = (beamc_table){0};
}

static inline size_t align8(size_t n) {
    return (n + 7) & ~(size_t)7;
}

static void *alloc_block(beamc_table *t, size_t size) {
    size_t block = t->blocks == NULL ? FIRST_BLOCK : t->blocks->size * 2;
    block = block > LARGEST_BLOCK ? LARGEST_BLOCK : block;
    bool alone = size > block / 4; /* large ones do not end the block in use */
    size_t bytes = alone ? size : block;
    beamc_table_block *b = beamc__malloc(sizeof *b + bytes);
    t->footprint += sizeof *b + bytes;
    if (alone && t->blocks != NULL) {
        b->size = t->blocks->size;
        b->next = t->blocks->next;
        t->blocks->next = b;
        return b->data;
    }
    b->size = block;
    b->next = t->blocks;
    t->blocks = b;
    t->at = (unsigned char *)b->data + size;
    t->end = (unsigned char *)b->data + bytes;
    return b->data;
}

static inline void *alloc(beamc_table *t, size_t size) {
    size = align8(size);
    if (__builtin_expect(size <= (size_t)(t->end - t->at), 1)) {
        void *p = t->at;
        t->at += size;
        return p;
    }
    return alloc_block(t, size);
}

static inline uint64_t slot_of(const beamc_entry *e) {
    return (e->hash & ~ADDRESS_MASK) | (uint64_t)(uintptr_t)e;
}

static inline beamc_entry *entry_of(uint64_t slot) {
    return (beamc_entry *)(uintptr_t)(slot & ADDRESS_MASK);
}

beamc_entry *beamc__table_find(const beamc_table *t, uint64_t hash, beamc_slice key) {
    if (t->slots == NULL) {
        return NULL;
    }
    for (size_t i = hash & t->mask; t->slots[i] != 0; i = (i + 1) & t->mask) {
        if ((t->slots[i] ^ hash) >> BEAMC_TABLE_TAG_SHIFT != 0) {
            continue;
        }
        beamc_entry *e = entry_of(t->slots[i]);
        if (e->hash == hash && e->key_len == key.len &&
            (key.len == 0 || memcmp(e->key, key.ptr, key.len) == 0)) {
            return e;
        }
    }
    return NULL;
}

static void set_slot(beamc_table *t, const beamc_entry *e) {
    size_t i = e->hash & t->mask;
    while (t->slots[i] != 0) {
        i = (i + 1) & t->mask;
    }
    t->slots[i] = slot_of(e);
}

static void grow_slots(beamc_table *t) {
    uint64_t *old = t->slots;
    size_t old_count = old == NULL ? 0 : t->mask + 1;
    size_t count = old == NULL ? 16 : old_count * 2;
    t->footprint += (count - old_count) * sizeof *old;
    t->slots = beamc__calloc(count, sizeof *t->slots);
    t->mask = count - 1;
    for (beamc_entry *e = t->first; e != NULL; e = e->next) {
        set_slot(t, e);
    }
    free(old);
}

beamc_entry *beamc__table_put(beamc_table *t, uint64_t hash, beamc_slice key, size_t value_len) {
    beamc_entry *e = beamc__table_find(t, hash, key);
    if (e != NULL) {
        return e;
    }
    if (t->slots == NULL || (t->count + 1) * 4 > (t->mask + 1) * 3) {
        grow_slots(t);
    }
    size_t head = align8(sizeof *e + key.len);
    size_t room = align8(value_len < 16 ? 16 : value_len);
    e = alloc(t, head + sizeof(beamc_chunk) + room);
    beamc_chunk *chunk = (beamc_chunk *)(void *)((unsigned char *)e + head);
    chunk->next = NULL;
    chunk->len = 0;
    chunk->cap = (uint32_t)room;
    e->next = NULL;
    e->hash = hash;
    e->timestamp = INT64_MIN;
    e->first = e->last = chunk;
    e->key_len = (uint32_t)key.len;
    e->count = 0;
    if (key.len > 0) {
        memcpy(e->key, key.ptr, key.len);
    }
    set_slot(t, e);
    if (t->last != NULL) {
        t->last->next = e;
    } else {
        t->first = e;
    }
    t->last = e;
    t->count++;
    return e;
}

/* Sizes of chunks behind the first are powers of two, header included. */
static beamc_chunk *new_chunk(beamc_table *t, size_t size) {
    unsigned class = (unsigned)(63 - __builtin_clzll(size));
    beamc_chunk *c;
    if (class < BEAMC_TABLE_CLASSES && t->free[class] != NULL) {
        c = t->free[class];
        t->free[class] = c->next;
    } else {
        c = alloc(t, size);
        c->cap = (uint32_t)(size - sizeof *c);
    }
    c->next = NULL;
    c->len = 0;
    return c;
}

static beamc_chunk *add_chunk(beamc_table *t, beamc_entry *e, size_t len) {
    size_t size = 32;
    size_t want = ((size_t)e->last->cap + sizeof(beamc_chunk)) * 2;
    want = want > LARGEST_CHUNK ? LARGEST_CHUNK : want;
    want = want < len + sizeof(beamc_chunk) ? len + sizeof(beamc_chunk) : want;
    while (size < want) {
        size *= 2;
    }
    beamc_chunk *c = new_chunk(t, size);
    t->extra_bytes += size;
    e->last->next = c;
    e->last = c;
    return c;
}

void beamc__table_append(beamc_table *t, beamc_entry *e, beamc_slice value) {
    beamc_chunk *c = e->last;
    if (__builtin_expect(c->cap - c->len < value.len, 0)) {
        c = add_chunk(t, e, value.len);
    }
    if (value.len > 0) {
        memcpy(c->bytes + c->len, value.ptr, value.len);
        c->len += (uint32_t)value.len;
    }
    e->count++;
}

void beamc__table_pack(beamc_table *t, beamc_entry *e) {
    if (e->first == e->last) {
        return;
    }
    size_t len = beamc_entry_bytes(e);
    beamc_chunk *c = alloc(t, sizeof *c + len);
    c->next = NULL;
    c->cap = c->len = (uint32_t)len;
    unsigned char *to = c->bytes;
    uint32_t count = e->count;
    for (const beamc_chunk *from = e->first; from != NULL; from = from->next) {
        memcpy(to, from->bytes, from->len);
        to += from->len;
    }
    beamc__table_clear(t, e);
    e->first = e->last = c;
    e->count = count;
}

void beamc__table_clear(beamc_table *t, beamc_entry *e) {
    for (beamc_chunk *c = e->first->next, *next; c != NULL; c = next) {
        next = c->next;
        size_t size = (size_t)c->cap + sizeof *c;
        unsigned class = (unsigned)(63 - __builtin_clzll(size));
        t->extra_bytes -= size;
        if (class < BEAMC_TABLE_CLASSES) {
            c->next = t->free[class];
            t->free[class] = c;
        }
    }
    e->first->next = NULL;
    e->first->len = 0;
    e->last = e->first;
    e->count = 0;
}
