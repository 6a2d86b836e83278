/* finalize.c: see finalize.h. In the order of arrival, so that looking for expired ones is cheap. */
#include "worker/harness/finalize.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/thread.h"

enum { WAITING_MAX = 100000, SWEEP_EVERY = 64 };

typedef struct waiting {
    beamc_idmap_entry entry;
    struct waiting *newer, *older;
    beamc_finalizers *list;
    char id[];
} waiting;

struct beamc_finalize_table {
    pthread_mutex_t mu;
    beamc_idmap map;
    waiting *oldest, *newest;
    unsigned adds;
};

beamc_finalize_table *beamc__finalize_table_new(void) {
    beamc_finalize_table *table = beamc__calloc(1, sizeof *table);
    pthread_mutex_init(&table->mu, NULL);
    return table;
}

/* Out of the table; the caller owns the callbacks. */
static beamc_finalizers *take(beamc_finalize_table *table, waiting *w) {
    *(w->older != NULL ? &w->older->newer : &table->oldest) = w->newer;
    *(w->newer != NULL ? &w->newer->older : &table->newest) = w->older;
    beamc__idmap_remove(&table->map, &w->entry);
    beamc_finalizers *list = w->list;
    free(w);
    return list;
}

void beamc__finalize_table_free(beamc_finalize_table *table) {
    if (table == NULL) {
        return;
    }
    while (table->oldest != NULL) {
        beamc_finalizers_free(take(table, table->oldest));
    }
    beamc__idmap_deinit(&table->map);
    pthread_mutex_destroy(&table->mu);
    free(table);
}

static void sweep(beamc_finalize_table *table) {
    int64_t now = beamc__wall_ms();
    for (waiting *w = table->oldest; w != NULL;) {
        waiting *newer = w->newer;
        if (beamc_finalizers_expiry(w->list) < now) {
            beamc_finalizers_free(take(table, w));
        }
        w = newer;
    }
}

void beamc__finalize_add(beamc_finalize_table *table, const char *instruction_id,
                         beamc_finalizers *list) {
    size_t len = strlen(instruction_id);
    pthread_mutex_lock(&table->mu);
    waiting *w = BEAMC_IDMAP_OWNER(
        beamc__idmap_find(&table->map, beamc_slice_of(instruction_id, len)), waiting, entry);
    if (w != NULL) {
        beamc_finalizers_free(take(table, w));
    }
    if (++table->adds % SWEEP_EVERY == 0) {
        sweep(table);
    }
    if (table->map.count >= WAITING_MAX) {
        beamc_finalizers_free(take(table, table->oldest));
    }
    w = beamc__calloc(1, sizeof *w + len + 1);
    memcpy(w->id, instruction_id, len);
    w->list = list;
    w->older = table->newest;
    *(table->newest != NULL ? &table->newest->newer : &table->oldest) = w;
    table->newest = w;
    beamc__idmap_add(&table->map, &w->entry, beamc_slice_of(w->id, len));
    pthread_mutex_unlock(&table->mu);
}

beamc_finalizers *beamc__finalize_take(beamc_finalize_table *table, const char *instruction_id) {
    pthread_mutex_lock(&table->mu);
    waiting *w = BEAMC_IDMAP_OWNER(beamc__idmap_find(&table->map, beamc_str(instruction_id)),
                                   waiting, entry);
    beamc_finalizers *list = w != NULL ? take(table, w) : NULL;
    pthread_mutex_unlock(&table->mu);
    return list;
}

size_t beamc__finalize_count(beamc_finalize_table *table) {
    pthread_mutex_lock(&table->mu);
    size_t count = table->map.count;
    pthread_mutex_unlock(&table->mu);
    return count;
}
