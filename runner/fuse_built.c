/* fuse_built.c: coders that the engine itself reads. */
#include "beam_model/schema.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

static const struct {
    const char *urn;
    beamc_coder_kind kind;
    unsigned args;
} kinds[] = {
    {BEAMC_URN_CODER_BYTES, BEAMC_CODER_BYTES, 0},
    {BEAMC_URN_CODER_STRING_UTF8, BEAMC_CODER_STRING, 0},
    {BEAMC_URN_CODER_BOOL, BEAMC_CODER_BOOL, 0},
    {BEAMC_URN_CODER_VARINT, BEAMC_CODER_VARINT, 0},
    {BEAMC_URN_CODER_DOUBLE, BEAMC_CODER_DOUBLE, 0},
    {BEAMC_URN_CODER_KV, BEAMC_CODER_KV, 2},
    {BEAMC_URN_CODER_ITERABLE, BEAMC_CODER_ITERABLE, 1},
    {BEAMC_URN_CODER_STATE_BACKED_ITERABLE, BEAMC_CODER_STATE_BACKED_ITERABLE, 1},
    {BEAMC_URN_CODER_LENGTH_PREFIX, BEAMC_CODER_LENGTH_PREFIX, 1},
    {BEAMC_URN_CODER_GLOBAL_WINDOW, BEAMC_CODER_GLOBAL_WINDOW, 0},
    {BEAMC_URN_CODER_INTERVAL_WINDOW, BEAMC_CODER_INTERVAL_WINDOW, 0},
    {BEAMC_URN_CODER_CUSTOM_WINDOW, BEAMC_CODER_CUSTOM_WINDOW, 1},
    {BEAMC_URN_CODER_WINDOWED_VALUE, BEAMC_CODER_WINDOWED_VALUE, 2},
    {BEAMC_URN_CODER_TIMER, BEAMC_CODER_TIMER, 2},
    {BEAMC_URN_CODER_SHARDED_KEY, BEAMC_CODER_SHARDED_KEY, 1},
    {BEAMC_URN_CODER_NULLABLE, BEAMC_CODER_NULLABLE, 1},
};

beamc_status beamc__fuse_built_coder(beamc_fuser *f, const char *id, const beamc_coder **out,
                                     beamc_error *err) {
    uint32_t at = beamc__idmap_get(&f->coder_ids, id);
    if (at == BEAMC_FUSE_NONE) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s does not exist", id);
    }
    if (f->coders[at].built != NULL) {
        *out = f->coders[at].built;
        return BEAMC_OK;
    }
    const Pipe__Coder *proto = f->coders[at].proto;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!BEAMC_FUSE_STREQ(kinds[i].urn, proto->spec->urn)) {
            continue;
        }
        if (proto->n_component_coder_ids != kinds[i].args) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s (%s) has %zu components, not %u", id,
                              proto->spec->urn, proto->n_component_coder_ids, kinds[i].args);
        }
        beamc_coder *c = beamc_arena_zalloc(f->arena, sizeof *c);
        c->kind = kinds[i].kind;
        for (unsigned k = 0; k < kinds[i].args; k++) {
            if (kinds[i].kind == BEAMC_CODER_LENGTH_PREFIX) {
                c->args[k] = &beamc_bytes; /* its end is all that the engine asks for */
                continue;
            }
            BEAMC_TRY(beamc__fuse_built_coder(f, proto->component_coder_ids[k], &c->args[k], err));
        }
        f->coders[at].built = c;
        *out = c;
        return BEAMC_OK;
    }
    return BEAMC_FAIL(err, UNIMPLEMENTED, "coder %s: %s", id, proto->spec->urn);
}
