/* fuse_coder.c: coder ids: those of the pipeline, those that stages need besides, and what travels.
 *
 * A runner must find the end of each element without the SDK. So coders that only an SDK knows travel
 * inside length_prefix (beam_runner_api.proto, StandardCoders.LENGTH_PREFIX); the known ones are looked
 * through. Our own SDK has no others. */
#include "runner/fuse_impl.h"

beamc_status beamc__fuse_coders(beamc_fuser *f, beamc_error *err) {
    const Pipe__Components *c = f->components;
    for (size_t i = 0; i < c->n_coders; i++) {
        beamc_fx_coder *x = beamc__fuse_push(f->arena, &f->coders, &f->coder_count, sizeof *x);
        x->id = c->coders[i]->key;
        x->proto = c->coders[i]->value;
        if (x->proto == NULL || x->proto->spec == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s has no spec", x->id);
        }
        if (!beamc__idmap_put(&f->coder_ids, f->arena, x->id, (uint32_t)i)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s is there twice", x->id);
        }
    }
    for (size_t i = 0; i < c->n_windowing_strategies; i++) {
        beamc_fx_windowing *w =
            beamc__fuse_push(f->arena, &f->windowings, &f->windowing_count, sizeof *w);
        w->id = c->windowing_strategies[i]->key;
        w->proto = c->windowing_strategies[i]->value;
        if (w->proto == NULL || w->proto->window_fn == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "windowing strategy %s has no window_fn",
                              w->id);
        }
        beamc__idmap_put(&f->windowing_ids, f->arena, w->id, (uint32_t)i);
    }
    return BEAMC_OK;
}

static beamc_fx_coder *find(const beamc_fuser *f, const char *id) {
    uint32_t i = beamc__idmap_get(&f->coder_ids, id);
    return i == BEAMC_FUSE_NONE ? NULL : &f->coders[i];
}

const Pipe__Coder *beamc__fuse_coder(const beamc_fuser *f, const char *id) {
    const beamc_fx_coder *c = find(f, id);
    return c == NULL ? NULL : c->proto;
}

static const char *add_coder(beamc_fuser *f, const char *id, const char *urn,
                             ProtobufCBinaryData payload, const char *const *args, size_t count) {
    Pipe__FunctionSpec *spec = beamc_arena_alloc(f->arena, sizeof *spec);
    *spec = (Pipe__FunctionSpec)PIPE__FUNCTION_SPEC__INIT;
    Pipe__Coder *coder = beamc_arena_alloc(f->arena, sizeof *coder);
    *coder = (Pipe__Coder)PIPE__CODER__INIT;
    char **ids = beamc_arena_alloc(f->arena, (count + 1) * sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        ids[i] = (char *)args[i];
    }
    spec->urn = (char *)urn;
    spec->payload = payload;
    coder->spec = spec;
    coder->n_component_coder_ids = count;
    coder->component_coder_ids = ids;
    beamc_fx_coder *x = beamc__fuse_push(f->arena, &f->coders, &f->coder_count, sizeof *x);
    x->id = id;
    x->proto = coder;
    beamc__idmap_put(&f->coder_ids, f->arena, id, (uint32_t)(f->coder_count - 1));
    return id;
}

const char *beamc__fuse_make_coder(beamc_fuser *f, const char *urn, const char *a, const char *b) {
    const char *id = beamc_arena_printf(f->arena, "beamc:%s(%s%s%s)", urn, a == NULL ? "" : a,
                                        b == NULL ? "" : ",", b == NULL ? "" : b);
    const char *args[2] = {a, b};
    return find(f, id) != NULL ? id
                               : add_coder(f, id, urn, (ProtobufCBinaryData){0, NULL}, args,
                                           (size_t)(a != NULL) + (size_t)(b != NULL));
}

bool beamc__fuse_knows_coder(const char *urn) {
    static const char *const known[] = {
        BEAMC_URN_CODER_BYTES,
        BEAMC_URN_CODER_STRING_UTF8,
        BEAMC_URN_CODER_KV,
        BEAMC_URN_CODER_BOOL,
        BEAMC_URN_CODER_VARINT,
        BEAMC_URN_CODER_DOUBLE,
        BEAMC_URN_CODER_ITERABLE,
        BEAMC_URN_CODER_TIMER,
        BEAMC_URN_CODER_INTERVAL_WINDOW,
        BEAMC_URN_CODER_LENGTH_PREFIX,
        BEAMC_URN_CODER_GLOBAL_WINDOW,
        BEAMC_URN_CODER_WINDOWED_VALUE,
        BEAMC_URN_CODER_ROW,
        BEAMC_URN_CODER_STATE_BACKED_ITERABLE,
        BEAMC_URN_CODER_CUSTOM_WINDOW,
        BEAMC_URN_CODER_SHARDED_KEY,
        BEAMC_URN_CODER_NULLABLE,
        BEAMC_URN_CODER_PARAM_WINDOWED_VALUE,
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (BEAMC_FUSE_STREQ(known[i], urn)) {
            return true;
        }
    }
    return false;
}

beamc_status beamc__fuse_wire_coder(beamc_fuser *f, const char *id, const char **wire,
                                    beamc_error *err) {
    uint32_t at = beamc__idmap_get(&f->coder_ids, id);
    if (at == BEAMC_FUSE_NONE) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s does not exist", id);
    }
    if (f->coders[at].wire != NULL) {
        *wire = f->coders[at].wire;
        return BEAMC_OK;
    }
    if (f->coders[at].busy) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder %s contains itself", id);
    }
    const Pipe__Coder *proto = f->coders[at].proto;
    const char *urn = proto->spec->urn;
    if (!beamc__fuse_knows_coder(urn)) {
        *wire = beamc__fuse_make_coder(f, BEAMC_URN_CODER_LENGTH_PREFIX, id, NULL);
        f->coders[at].wire = *wire; /* looked up again: making one moves the array */
        return BEAMC_OK;
    }
    *wire = id;
    if (!BEAMC_FUSE_STREQ(urn, BEAMC_URN_CODER_LENGTH_PREFIX)) {
        f->coders[at].busy = true;
        size_t n = proto->n_component_coder_ids;
        const char **args = beamc_arena_alloc(f->arena, (n + 1) * sizeof *args);
        bool changed = false;
        for (size_t i = 0; i < n; i++) {
            BEAMC_TRY_CTX(err,
                          beamc__fuse_wire_coder(f, proto->component_coder_ids[i], &args[i], err),
                          "coder %s", id);
            changed |= !BEAMC_FUSE_STREQ(args[i], proto->component_coder_ids[i]);
        }
        f->coders[at].busy = false;
        if (changed) {
            *wire = add_coder(f, beamc_arena_printf(f->arena, "beamc:wire(%s)", id), urn,
                              proto->spec->payload, args, n);
        }
    }
    f->coders[at].wire = *wire;
    return BEAMC_OK;
}

beamc_status beamc__fuse_port_coder(beamc_fuser *f, uint32_t pcoll, const char **id,
                                    beamc_error *err) {
    const beamc_fx_pcoll *p = &f->pcolls[pcoll];
    const Pipe__WindowingStrategy *w = beamc__fuse_strategy(f, p->windowing);
    if (w == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "PCollection %s: windowing strategy %s does not exist", p->name,
                          p->windowing);
    }
    const char *element, *window;
    BEAMC_TRY_CTX(err, beamc__fuse_wire_coder(f, p->coder, &element, err), "PCollection %s",
                  p->name);
    BEAMC_TRY_CTX(err, beamc__fuse_wire_coder(f, w->window_coder_id, &window, err),
                  "PCollection %s: window coder", p->name);
    *id = beamc__fuse_make_coder(f, BEAMC_URN_CODER_WINDOWED_VALUE, element, window);
    return BEAMC_OK;
}
