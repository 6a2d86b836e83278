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

void beamc__table_free(beamc_table *t) {
    while (t->blocks != NULL) {
        beamc_table_block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
    free(t->entries);
    free(t->slots);
    *t = (beamc_table){0};
}

static void *alloc(beamc_table *t, size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (size <= (size_t)(t->end - t->at)) {
        void *p = t->at;
        t->at += size;
        return p;
    }
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
    if (alone) {
        t->at = t->end = NULL;
        return b->data;
    }
    t->at = (unsigned char *)b->data + size;
    t->end = (unsigned char *)b->data + bytes;
    return b->data;
}

static inline uint64_t slot_of(uint64_t hash, size_t index) {
    return (hash & 0xffffffff00000000u) | (uint64_t)(index + 1);
}

static inline size_t slot_index(uint64_t slot) {
    return (size_t)(slot & 0xffffffffu) - 1;
}

beamc_entry *beamc__table_find(const beamc_table *t, uint64_t hash, beamc_slice key) {
    if (t->slots == NULL) {
        return NULL;
    }
    for (size_t i = hash & t->mask; t->slots[i] != 0; i = (i + 1) & t->mask) {
        if ((t->slots[i] ^ hash) >> 32 != 0) {
            continue;
        }
        beamc_entry *e = &t->entries[slot_index(t->slots[i])];
        if (e->hash == hash && e->key_len == key.len &&
            (key.len == 0 || memcmp(e->key, key.ptr, key.len) == 0)) {
            return e;
        }
    }
    return NULL;
}

static void set_slot(beamc_table *t, uint64_t hash, size_t index) {
    size_t i = hash & t->mask;
    while (t->slots[i] != 0) {
        i = (i + 1) & t->mask;
    }
    t->slots[i] = slot_of(hash, index);
}

static void grow_slots(beamc_table *t) {
    size_t slots = t->slots == NULL ? 16 : (t->mask + 1) * 2;
    t->footprint += (slots - (t->slots == NULL ? 0 : t->mask + 1)) * sizeof *t->slots;
    free(t->slots);
    t->slots = beamc__calloc(slots, sizeof *t->slots);
    t->mask = slots - 1;
    for (size_t i = 0; i < t->count; i++) {
        set_slot(t, t->entries[i].hash, i);
    }
}

static void grow_entries(beamc_table *t) {
    size_t cap = t->cap == 0 ? 8 : t->cap + t->cap / 2;
    t->footprint += (cap - t->cap) * sizeof *t->entries;
    t->entries = beamc__realloc(t->entries, cap * sizeof *t->entries);
    t->cap = cap;
}

beamc_entry *beamc__table_put(beamc_table *t, uint64_t hash, beamc_slice key) {
    beamc_entry *found = beamc__table_find(t, hash, key);
    if (found != NULL) {
        return found;
    }
    if (t->count == t->cap) {
        grow_entries(t);
    }
    if (t->slots == NULL || (t->count + 1) * 4 > (t->mask + 1) * 3) {
        grow_slots(t);
    }
    unsigned char *copy = alloc(t, key.len);
    if (key.len > 0) {
        memcpy(copy, key.ptr, key.len);
    }
    set_slot(t, hash, t->count);
    beamc_entry *e = &t->entries[t->count++];
    *e = (beamc_entry){.hash = hash, .key = copy, .key_len = (uint32_t)key.len};
    return e;
}

/* Sizes of chunks behind the first are powers of two, header included. */
static beamc_chunk *new_chunk(beamc_table *t, size_t size) {
    unsigned class = (unsigned)(63 - __builtin_clzll(size));
    if (class < BEAMC_TABLE_CLASSES && t->free[class] != NULL) {
        beamc_chunk *c = t->free[class];
        t->free[class] = c->next;
        c->next = NULL;
        c->len = 0;
        return c;
    }
    beamc_chunk *c = alloc(t, size);
    c->next = NULL;
    c->len = 0;
    c->cap = (uint32_t)(size - sizeof *c);
    return c;
}

static beamc_chunk *chunk_for(beamc_table *t, beamc_entry *e, size_t len) {
    if (e->first == NULL) { /* just behind the key, in the same cache line if all is small */
        size_t size = (sizeof(beamc_chunk) + (len < 16 ? 16 : len) + 7) & ~(size_t)7;
        beamc_chunk *c = alloc(t, size);
        c->next = NULL;
        c->len = 0;
        c->cap = (uint32_t)(size - sizeof *c);
        e->first = e->last = c;
        return c;
    }
    size_t size = 64;
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
    if (c == NULL || c->cap - c->len < value.len) {
        c = chunk_for(t, e, value.len);
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
    if (e->first == NULL) {
        return;
    }
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
