/* fuse.c: the order of the fuser's steps, and its small containers.
 *
 * proto -> primitive transforms (fuse_expand.c, fuse_lift.c) -> topological order -> stages
 * (fuse_stage.c) -> nodes and descriptors (fuse_emit.c, fuse_descriptor.c). */
#include "base/mem.h"
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

struct beamc_fused {
    beamc_arena *arena;
    beamc_engine_graph graph;
    beamc_idmap steps;
    const char **step_names;
};

static uint32_t hash_text(const char *text) {
    uint32_t h = 2166136261u;
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 16777619u;
    }
    return h ^ (h >> 15);
}

uint32_t beamc__idmap_get(const beamc_idmap *map, const char *key) {
    if (map->cap == 0) {
        return BEAMC_FUSE_NONE;
    }
    for (uint32_t i = hash_text(key) & (map->cap - 1); map->keys[i] != NULL;
         i = (i + 1) & (map->cap - 1)) {
        if (strcmp(map->keys[i], key) == 0) {
            return map->values[i];
        }
    }
    return BEAMC_FUSE_NONE;
}

static void idmap_set(beamc_idmap *map, const char *key, uint32_t value) {
    uint32_t i = hash_text(key) & (map->cap - 1);
    while (map->keys[i] != NULL) {
        i = (i + 1) & (map->cap - 1);
    }
    map->keys[i] = key;
    map->values[i] = value;
    map->count++;
}

bool beamc__idmap_put(beamc_idmap *map, beamc_arena *arena, const char *key, uint32_t value) {
    if (beamc__idmap_get(map, key) != BEAMC_FUSE_NONE) {
        return false;
    }
    if (map->count * 2 >= map->cap) {
        beamc_idmap old = *map;
        map->cap = old.cap == 0 ? 64 : old.cap * 2;
        map->count = 0;
        map->keys = beamc_arena_zalloc(arena, map->cap * sizeof *map->keys);
        map->values = beamc_arena_zalloc(arena, map->cap * sizeof *map->values);
        for (uint32_t i = 0; i < old.cap; i++) {
            if (old.keys[i] != NULL) {
                idmap_set(map, old.keys[i], old.values[i]);
            }
        }
    }
    idmap_set(map, key, value);
    return true;
}

/* Room is a power of two, so a full array is one whose count is one. */
void *beamc__fuse_push(beamc_arena *arena, void *items, size_t *count, size_t size) {
    char *at;
    memcpy(&at, items, sizeof at);
    size_t n = *count;
    if ((n & (n - 1)) == 0) {
        char *more = beamc_arena_alloc(arena, size * (n == 0 ? 1 : n * 2));
        if (n > 0) {
            memcpy(more, at, n * size);
        }
        at = more;
        memcpy(items, &at, sizeof at);
    }
    *count = n + 1;
    return memset(at + n * size, 0, size);
}

/* Pipeline.requirements: URNs that the runner must understand, or else refuse the job. */
static beamc_status check_requirements(const Pipe__Pipeline *pipeline, beamc_error *err) {
    static const char *const known[] = {
        BEAMC_URN_REQUIREMENT_REQUIRES_STATEFUL_PROCESSING,
        BEAMC_URN_REQUIREMENT_REQUIRES_BUNDLE_FINALIZATION,
        BEAMC_URN_REQUIREMENT_REQUIRES_STABLE_INPUT,
        BEAMC_URN_REQUIREMENT_REQUIRES_TIME_SORTED_INPUT,
        BEAMC_URN_REQUIREMENT_REQUIRES_SPLITTABLE_DOFN,
        BEAMC_URN_REQUIREMENT_REQUIRES_ON_WINDOW_EXPIRATION,
    };
    for (size_t i = 0; i < pipeline->n_requirements; i++) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known &&
               !BEAMC_FUSE_STREQ(known[k], pipeline->requirements[i])) {
            k++;
        }
        if (k == sizeof known / sizeof *known) {
            return BEAMC_FAIL(err, UNIMPLEMENTED,
                              "the pipeline requires %s, which the local runner does not know",
                              pipeline->requirements[i]);
        }
    }
    return BEAMC_OK;
}

static beamc_status fuse(beamc_fuser *f, beamc_slice proto, beamc_engine_graph *graph,
                         beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(
        err, beamc__proto_unpack_arena(&pipe__pipeline__descriptor, proto, f->arena, &message, err),
        "pipeline proto");
    f->pipeline = (const Pipe__Pipeline *)message;
    f->components = f->pipeline->components;
    if (f->components == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the pipeline has no components");
    }
    BEAMC_TRY(check_requirements(f->pipeline, err));
    BEAMC_TRY(beamc__fuse_coders(f, err));
    BEAMC_TRY(beamc__fuse_expand(f, err));
    BEAMC_TRY(beamc__fuse_order(f, err));
    BEAMC_TRY(beamc__fuse_stages(f, err));
    return beamc__fuse_emit(f, graph, err);
}

beamc_status beamc__fuse(beamc_slice pipeline_proto, const beamc_fuse_options *options,
                         beamc_fused **out, beamc_error *err) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_fused *fused = beamc_arena_zalloc(arena, sizeof *fused);
    beamc_fuser *f = beamc_arena_zalloc(arena, sizeof *f);
    fused->arena = arena;
    f->arena = arena;
    f->options = options;
    beamc_status status = fuse(f, pipeline_proto, &fused->graph, err);
    if (status != BEAMC_OK) {
        beamc_arena_free(arena);
        return status;
    }
    fused->steps = f->steps;
    fused->step_names = f->step_names;
    *out = fused;
    return BEAMC_OK;
}

void beamc__fused_free(beamc_fused *fused) {
    if (fused != NULL) {
        beamc_arena_free(fused->arena);
    }
}

const beamc_engine_graph *beamc__fused_graph(const beamc_fused *fused) {
    return &fused->graph;
}

const char *beamc__fused_step(const beamc_fused *fused, const char *id) {
    uint32_t i = beamc__idmap_get(&fused->steps, id);
    return i == BEAMC_FUSE_NONE ? id : fused->step_names[i];
}
