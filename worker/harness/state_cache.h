/* state_cache.h: values of the state service that are known to be valid under a cache token.
 *
 * Bounded by bytes; the least recently used go first. Values are copied in and out. Threads: any. */
#ifndef BEAMC_HARNESS_STATE_CACHE_H
#define BEAMC_HARNESS_STATE_CACHE_H

#include <beamc/arena.h>

typedef struct beamc_state_cache beamc_state_cache;

typedef struct beamc_state_cache_stats {
    size_t entries;
    size_t bytes;
    size_t limit_bytes;
    uint64_t hits;
    uint64_t misses;
} beamc_state_cache_stats;

/* @p limit_bytes: of keys, values and what each entry costs; 0 keeps nothing. */
beamc_state_cache *beamc__state_cache_new(size_t limit_bytes);
void beamc__state_cache_free(beamc_state_cache *cache);

/* Copies the value under @p key to @p arena; false when it is not there. */
bool beamc__state_cache_get(beamc_state_cache *cache, beamc_slice key, beamc_arena *arena,
                            beamc_slice *value);
/* Keeps a value; one that is larger than a quarter of the cache is left out. */
void beamc__state_cache_put(beamc_state_cache *cache, beamc_slice key, beamc_slice value);
/* Appends to a value that is there; else does nothing. */
void beamc__state_cache_append(beamc_state_cache *cache, beamc_slice key, beamc_slice more);
void beamc__state_cache_remove(beamc_state_cache *cache, beamc_slice key);
/* The largest value that is kept. */
size_t beamc__state_cache_value_max(const beamc_state_cache *cache);
beamc_state_cache_stats beamc__state_cache_stats(beamc_state_cache *cache);

#endif
