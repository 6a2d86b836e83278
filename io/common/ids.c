/* ids.c: see the header. Linear probing; what is removed leaves no mark, since those behind it move up. */
#include "io/common/ids.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MIN = 64 };

static void *check_memory(void *p) {
    if (p == NULL) {
        fprintf(stderr, "beamc: out of memory\n");
        abort();
    }
    return p;
}

static size_t home_of(const beamc_ids *ids, const char *id) {
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = id; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32) & (ids->cap - 1);
}

/* Where it is, or where it would go. */
static size_t find(const beamc_ids *ids, const char *id) {
    size_t at = home_of(ids, id);
    while (ids->slots[at] != NULL && strcmp(ids->slots[at], id) != 0) {
        at = (at + 1) & (ids->cap - 1);
    }
    return at;
}

static void grow(beamc_ids *ids) {
    beamc_ids old = *ids;
    ids->cap = old.cap == 0 ? CAP_MIN : 2 * old.cap;
    ids->slots = check_memory(calloc(ids->cap, sizeof *ids->slots));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i] != NULL) {
            ids->slots[find(ids, old.slots[i])] = old.slots[i];
        }
    }
    free(old.slots);
}

bool beamc__ids_has(const beamc_ids *ids, const char *id) {
    return ids->count > 0 && ids->slots[find(ids, id)] != NULL;
}

void beamc__ids_add(beamc_ids *ids, const char *id) {
    if (ids->cap == 0 || 2 * (ids->count + 1) > ids->cap) {
        grow(ids);
    }
    size_t at = find(ids, id);
    if (ids->slots[at] == NULL) {
        ids->slots[at] = check_memory(strdup(id));
        ids->count++;
    }
}

void beamc__ids_remove(beamc_ids *ids, const char *id) {
    if (!beamc__ids_has(ids, id)) {
        return;
    }
    size_t mask = ids->cap - 1;
    size_t hole = find(ids, id);
    free(ids->slots[hole]);
    for (size_t at = (hole + 1) & mask; ids->slots[at] != NULL; at = (at + 1) & mask) {
        size_t home = home_of(ids, ids->slots[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) { /* its way leads past the hole */
            ids->slots[hole] = ids->slots[at];
            hole = at;
        }
    }
    ids->slots[hole] = NULL;
    ids->count--;
}

void beamc__ids_free(beamc_ids *ids) {
    for (size_t i = 0; i < ids->cap; i++) {
        free(ids->slots[i]);
    }
    free(ids->slots);
    *ids = (beamc_ids){0};
}

const char *beamc__ids_next(const beamc_ids *ids, size_t *at) {
    while (*at < ids->cap) {
        const char *id = ids->slots[(*at)++];
        if (id != NULL) {
            return id;
        }
    }
    return NULL;
}
