/* state_cache.c: see state_cache.h. A map and a list in the order of use, under one lock. */
#include "worker/harness/state_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"

typedef struct cached {
    beamc_idmap_entry entry; /* the key lies behind the struct */
    struct cached *newer, *older;
    beamc_slice value; /* owned */
    char key[];
} cached;

struct beamc_state_cache {
    pthread_mutex_t mu;
    size_t limit_bytes;
    size_t bytes;
    beamc_idmap map;
    cached *newest, *oldest;
    uint64_t hits, misses;
};

beamc_state_cache *beamc__state_cache_new(size_t limit_bytes) {
    beamc_state_cache *cache = beamc__calloc(1, sizeof *cache);
    cache->limit_bytes = limit_bytes;
    pthread_mutex_init(&cache->mu, NULL);
    return cache;
}

static size_t cost(const cached *c) {
    return sizeof *c + c->entry.key.len + c->value.len + 64;
}

static void unlink_entry(beamc_state_cache *cache, cached *c) {
    *(c->newer != NULL ? &c->newer->older : &cache->newest) = c->older;
    *(c->older != NULL ? &c->older->newer : &cache->oldest) = c->newer;
}

static void link_newest(beamc_state_cache *cache, cached *c) {
    c->newer = NULL;
    c->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = c;
    cache->newest = c;
}

static void drop(beamc_state_cache *cache, cached *c) {
    cache->bytes -= cost(c);
    unlink_entry(cache, c);
    beamc__idmap_remove(&cache->map, &c->entry);
    free((void *)(uintptr_t)c->value.ptr);
    free(c);
}

void beamc__state_cache_free(beamc_state_cache *cache) {
    if (cache == NULL) {
        return;
    }
    while (cache->oldest != NULL) {
        drop(cache, cache->oldest);
    }
    beamc__idmap_deinit(&cache->map);
    pthread_mutex_destroy(&cache->mu);
    free(cache);
}

static cached *find(beamc_state_cache *cache, beamc_slice key) {
    cached *c = BEAMC_IDMAP_OWNER(beamc__idmap_find(&cache->map, key), cached, entry);
    if (c != NULL && cache->newest != c) {
        unlink_entry(cache, c);
        link_newest(cache, c);
    }
    return c;
}

static void shrink(beamc_state_cache *cache) {
    while (cache->bytes > cache->limit_bytes) {
        drop(cache, cache->oldest);
    }
}

bool beamc__state_cache_get(beamc_state_cache *cache, beamc_slice key, beamc_arena *arena,
                            beamc_slice *value) {
    pthread_mutex_lock(&cache->mu);
    const cached *c = find(cache, key);
    if (c != NULL) {
        *value = beamc_arena_copy(arena, c->value);
        cache->hits++;
    } else {
        cache->misses++;
    }
    pthread_mutex_unlock(&cache->mu);
    return c != NULL;
}

size_t beamc__state_cache_value_max(const beamc_state_cache *cache) {
    return cache->limit_bytes / 4;
}

static void set_value(beamc_state_cache *cache, cached *c, beamc_slice head, beamc_slice tail) {
    char *copy = beamc__malloc(head.len + tail.len + 1);
    if (head.len > 0) {
        memcpy(copy, head.ptr, head.len);
    }
    if (tail.len > 0) {
        memcpy(copy + head.len, tail.ptr, tail.len);
    }
    cache->bytes -= c->value.len;
    free((void *)(uintptr_t)c->value.ptr);
    c->value = beamc_slice_of(copy, head.len + tail.len);
    cache->bytes += c->value.len;
}

void beamc__state_cache_put(beamc_state_cache *cache, beamc_slice key, beamc_slice value) {
    pthread_mutex_lock(&cache->mu);
    cached *c = find(cache, key);
    if (value.len > beamc__state_cache_value_max(cache)) {
        if (c != NULL) {
            drop(cache, c);
        }
        pthread_mutex_unlock(&cache->mu);
        return;
    }
    if (c == NULL) {
        c = beamc__calloc(1, sizeof *c + key.len);
        memcpy(c->key, key.ptr, key.len);
        beamc__idmap_add(&cache->map, &c->entry, beamc_slice_of(c->key, key.len));
        link_newest(cache, c);
        cache->bytes += cost(c);
    }
    set_value(cache, c, value, (beamc_slice){NULL, 0});
    shrink(cache);
    pthread_mutex_unlock(&cache->mu);
}

void beamc__state_cache_append(beamc_state_cache *cache, beamc_slice key, beamc_slice more) {
    pthread_mutex_lock(&cache->mu);
    cached *c = find(cache, key);
    if (c != NULL && c->value.len + more.len > beamc__state_cache_value_max(cache)) {
        drop(cache, c);
    } else if (c != NULL) {
        set_value(cache, c, c->value, more);
        shrink(cache);
    }
    pthread_mutex_unlock(&cache->mu);
}

void beamc__state_cache_remove(beamc_state_cache *cache, beamc_slice key) {
    pthread_mutex_lock(&cache->mu);
    cached *c = find(cache, key);
    if (c != NULL) {
        drop(cache, c);
    }
    pthread_mutex_unlock(&cache->mu);
}

beamc_state_cache_stats beamc__state_cache_stats(beamc_state_cache *cache) {
    pthread_mutex_lock(&cache->mu);
    beamc_state_cache_stats stats = {.entries = cache->map.count,
                                     .bytes = cache->bytes,
                                     .limit_bytes = cache->limit_bytes,
                                     .hits = cache->hits,
                                     .misses = cache->misses};
    pthread_mutex_unlock(&cache->mu);
    return stats;
}
