/* fuse_built.c: coders that the engine itself reads, built from the ids of the pipeline and our own. */
#include "coder/from_proto.h"
#include "runner/fuse_impl.h"

/* What only its SDK knows stands inside a length prefix, whose end is all that the engine looks for. */
static bool find(void *arg, const char *id, beamc_coder_spec *out) {
    const Pipe__Coder *c = beamc__fuse_coder(arg, id);
    if (c == NULL) {
        return false;
    }
    *out = (beamc_coder_spec){
        c->spec->urn, beamc_slice_of(c->spec->payload.data, c->spec->payload.len),
        (const char *const *)c->component_coder_ids, c->n_component_coder_ids};
    if (!beamc__fuse_knows_coder(c->spec->urn)) {
        *out = (beamc_coder_spec){.urn = BEAMC_URN_CODER_BYTES};
    }
    return true;
}

beamc_status beamc__fuse_built_coder(beamc_fuser *f, const char *id, const beamc_coder **out,
                                     beamc_error *err) {
    if (f->built == NULL) {
        f->built = beamc__coder_set_new(f->arena, &(beamc_coder_source){.find = find, .arg = f});
    }
    return beamc__coder_set_get(f->built, id, out, err);
}
