/* fuzz_coder_model.c: coder messages of any kind, referring to one another in any way. Each message
 * is: one byte for the URN, one for how many components and their numbers, a length-prefixed payload.
 * What is built can be described, compared and taken apart. */
#include "coder/from_proto.h"

#include "fuzz_coder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGES = 32 };

typedef struct model {
    size_t count;
    beamc_coder_spec specs[MAX_MESSAGES];
} model;

static bool find(void *arg, const char *id, beamc_coder_spec *out) {
    const model *m = arg;
    size_t i = strtoul(id, NULL, 10);
    if (i >= m->count) {
        return false;
    }
    *out = m->specs[i];
    return true;
}

static bool read_spec(beamc_cursor *in, beamc_arena *arena, beamc_coder_spec *out) {
    unsigned urn, components;
    if (!beamc_get_u8(in, &urn) || !beamc_get_u8(in, &components)) {
        return false;
    }
    urn %= 21;
    out->urn = urn == 19   ? "beam:coder:schema:v1"
               : urn == 20 ? "acme:coder:unknown:v1"
                           : beamc_coder_urn((beamc_coder_kind)(urn + 1));
    out->component_count = components % 4;
    const char **ids = beamc_arena_alloc(arena, out->component_count * sizeof *ids);
    for (size_t i = 0; i < out->component_count; i++) {
        unsigned id = 0;
        (void)beamc_get_u8(in, &id);
        ids[i] = beamc_arena_printf(arena, "%u", id % MAX_MESSAGES);
    }
    out->component_ids = ids;
    return beamc_get_prefixed(in, &out->payload);
}

static void take_apart(const beamc_coder *c, beamc_arena *arena, unsigned *budget) {
    beamc_coder_parts parts;
    if (*budget == 0) {
        return;
    }
    --*budget;
    if (beamc__coder_to_model(c, arena, &parts, NULL) == BEAMC_OK) {
        for (size_t i = 0; i < parts.component_count; i++) {
            take_apart(parts.components[i], arena, budget);
        }
    }
}

/* How many nodes a coder has when written out as a tree; shared ones may make that enormous. */
static size_t tree_size(const beamc_coder *c) {
    size_t sum = 1;
    for (int i = 0; i < 2; i++) {
        size_t part = c->args[i] != NULL ? tree_size(c->args[i]) : 0;
        sum += part;
        if (sum > 1000) {
            return sum;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(data, size));
    model m = {0};
    while (m.count < MAX_MESSAGES && read_spec(&in, arena, &m.specs[m.count])) {
        m.count++;
    }
    const beamc_coder_source source = {.find = find, .arg = &m};
    beamc_coder_set *set = beamc__coder_set_new(arena, &source);
    for (size_t i = 0; i < m.count; i++) {
        char id[8];
        snprintf(id, sizeof id, "%u", (unsigned)i);
        const beamc_coder *c, *again;
        beamc_error err = {0};
        if (beamc__coder_set_get(set, id, &c, &err) != BEAMC_OK) {
            require(err.message[0] != '\0');
            continue;
        }
        require(beamc__coder_set_get(set, id, &again, &err) == BEAMC_OK && again == c);
        if (tree_size(c) <= 1000) {
            beamc_buf text = {0};
            beamc_coder_describe(c, &text);
            require(text.len > 0 && beamc_coder_equal(c, again));
            (void)beamc_coder_deterministic(c);
            beamc_buf_free(&text);
            unsigned budget = 1000;
            take_apart(c, arena, &budget);
            check_coder(c, beamc_slice_of(in.p, beamc_cursor_left(&in)), true, NULL, NULL);
        }
    }
    beamc_arena_free(arena);
    return 0;
}
