/* ids.h: a set of texts: the bundles that a sink has written and that may come again. */
#ifndef BEAMC_IO_COMMON_IDS_H
#define BEAMC_IO_COMMON_IDS_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. Threads: one at a time. */
typedef struct beamc_ids {
    char **slots; /* open addressing; NULL: free */
    size_t cap;   /* a power of two, or 0 */
    size_t count;
} beamc_ids;

bool beamc__ids_has(const beamc_ids *ids, const char *id);
/* One that is there already stays once. */
void beamc__ids_add(beamc_ids *ids, const char *id);
void beamc__ids_remove(beamc_ids *ids, const char *id);
void beamc__ids_free(beamc_ids *ids);
/* All of them: `for (size_t at = 0; (id = beamc__ids_next(ids, &at)) != NULL;)`. */
const char *beamc__ids_next(const beamc_ids *ids, size_t *at);

#endif
