/* zipf.c: the alias method: one lookup for each draw. Weights are integers, so that the table is the
 * same on every machine. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/generator/events.h"

struct beamc__zipf {
    struct beamc__zipf *next;
    uint32_t n;
    struct {
        uint32_t keep; /* of 2^32: how often the column is itself */
        uint32_t alias;
    } columns[];
};

static _Atomic(struct beamc__zipf *) tables;

/* Vose's construction. `scaled` are the weights times n; a column is full at `total`. */
static void fill(struct beamc__zipf *z, uint64_t *scaled, uint32_t *stack, uint64_t total) {
    uint32_t n = z->n;
    uint32_t small = 0; /* stack[0, small): columns below total; stack[large, n): the others */
    uint32_t large = n;
    for (uint32_t i = 0; i < n; i++) {
        if (scaled[i] < total) {
            stack[small++] = i;
        } else {
            stack[--large] = i;
        }
    }
    while (small > 0 && large < n) {
        uint32_t s = stack[--small];
        uint32_t l = stack[large];
        z->columns[s].keep = (uint32_t)(((unsigned __int128)scaled[s] << 32) / total);
        z->columns[s].alias = l;
        scaled[l] -= total - scaled[s];
        if (scaled[l] < total) {
            large++;
            stack[small++] = l;
        }
    }
    while (large < n) {
        uint32_t l = stack[large++];
        z->columns[l].keep = UINT32_MAX;
        z->columns[l].alias = l;
    }
    while (small > 0) {
        uint32_t s = stack[--small];
        z->columns[s].keep = UINT32_MAX;
        z->columns[s].alias = s;
    }
}

static struct beamc__zipf *make(uint32_t n) {
    struct beamc__zipf *z = malloc(sizeof *z + (size_t)n * sizeof z->columns[0]);
    uint64_t *scaled = malloc((size_t)n * sizeof *scaled);
    uint32_t *stack = malloc((size_t)n * sizeof *stack);
    if (z == NULL || scaled == NULL || stack == NULL) {
        fprintf(stderr, "beamc: out of memory for %u products\n", n);
        abort();
    }
    z->n = n;
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t weight = (UINT64_C(1) << 36) / (i + 1);
        total += weight;
        scaled[i] = weight * n; /* below 2^60 */
    }
    fill(z, scaled, stack, total);
    free(scaled);
    free(stack);
    return z;
}

const struct beamc__zipf *beamc__zipf_of(uint32_t n) {
    for (struct beamc__zipf *z = atomic_load(&tables); z != NULL; z = z->next) {
        if (z->n == n) {
            return z;
        }
    }
    struct beamc__zipf *z = make(n); /* two threads may make the same one; either will do */
    z->next = atomic_load(&tables);
    while (!atomic_compare_exchange_weak(&tables, &z->next, z)) {
    }
    return z;
}

uint32_t beamc__zipf_draw(const struct beamc__zipf *z, uint64_t random) {
    uint32_t column = (uint32_t)((random >> 32) * z->n >> 32);
    return (uint32_t)random < z->columns[column].keep ? column : z->columns[column].alias;
}
