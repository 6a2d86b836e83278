/* fuse_descriptor.c: the ProcessBundleDescriptor of a stage (beam_fn_api.proto). The messages are
 * built on the arena around pieces of the pipeline and packed at once. */
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

typedef struct builder {
    beamc_fuser *f;
    Fn__ProcessBundleDescriptor pbd;
    bool *pcolls; /* those that are in */
} builder;

#define NEW(f, type, init)                                                                         \
    ((type *)memcpy(beamc_arena_alloc((f)->arena, sizeof(type)), &(type)init, sizeof(type)))

static beamc_status add_pcoll(builder *b, uint32_t at, beamc_error *err) {
    if (b->pcolls[at]) {
        return BEAMC_OK;
    }
    b->pcolls[at] = true;
    beamc_fuser *f = b->f;
    const beamc_fx_pcoll *p = &f->pcolls[at];
    const char *wire;
    BEAMC_TRY_CTX(err, beamc__fuse_wire_coder(f, p->coder, &wire, err), "PCollection %s", p->name);
    Pipe__PCollection *m = NEW(f, Pipe__PCollection, PIPE__PCOLLECTION__INIT);
    m->unique_name = (char *)p->name;
    m->coder_id = (char *)wire;
    m->windowing_strategy_id = (char *)p->windowing;
    m->is_bounded =
        p->unbounded ? PIPE__IS_BOUNDED__ENUM__UNBOUNDED : PIPE__IS_BOUNDED__ENUM__BOUNDED;
    Fn__ProcessBundleDescriptor__PcollectionsEntry *e =
        NEW(f, Fn__ProcessBundleDescriptor__PcollectionsEntry,
            FN__PROCESS_BUNDLE_DESCRIPTOR__PCOLLECTIONS_ENTRY__INIT);
    e->key = (char *)p->id;
    e->value = m;
    Fn__ProcessBundleDescriptor__PcollectionsEntry **to =
        beamc__fuse_push(f->arena, &b->pbd.pcollections, &b->pbd.n_pcollections, sizeof(void *));
    *to = e;
    return BEAMC_OK;
}

static Pipe__PTransform *add_transform(builder *b, const char *id, const char *name,
                                       const char *urn, ProtobufCBinaryData payload) {
    beamc_fuser *f = b->f;
    Pipe__PTransform *m = NEW(f, Pipe__PTransform, PIPE__PTRANSFORM__INIT);
    m->unique_name = (char *)name;
    m->spec = NEW(f, Pipe__FunctionSpec, PIPE__FUNCTION_SPEC__INIT);
    m->spec->urn = (char *)urn;
    m->spec->payload = payload;
    Fn__ProcessBundleDescriptor__TransformsEntry *e =
        NEW(f, Fn__ProcessBundleDescriptor__TransformsEntry,
            FN__PROCESS_BUNDLE_DESCRIPTOR__TRANSFORMS_ENTRY__INIT);
    e->key = (char *)id;
    e->value = m;
    Fn__ProcessBundleDescriptor__TransformsEntry **to =
        beamc__fuse_push(f->arena, &b->pbd.transforms, &b->pbd.n_transforms, sizeof(void *));
    *to = e;
    return m;
}

static beamc_status put_input(builder *b, Pipe__PTransform *m, const char *tag, uint32_t pcoll,
                              beamc_error *err) {
    Pipe__PTransform__InputsEntry *e =
        NEW(b->f, Pipe__PTransform__InputsEntry, PIPE__PTRANSFORM__INPUTS_ENTRY__INIT);
    e->key = (char *)tag;
    e->value = (char *)b->f->pcolls[pcoll].id;
    Pipe__PTransform__InputsEntry **to =
        beamc__fuse_push(b->f->arena, &m->inputs, &m->n_inputs, sizeof(void *));
    *to = e;
    return add_pcoll(b, pcoll, err);
}

static beamc_status put_output(builder *b, Pipe__PTransform *m, const char *tag, uint32_t pcoll,
                               beamc_error *err) {
    Pipe__PTransform__OutputsEntry *e =
        NEW(b->f, Pipe__PTransform__OutputsEntry, PIPE__PTRANSFORM__OUTPUTS_ENTRY__INIT);
    e->key = (char *)tag;
    e->value = (char *)b->f->pcolls[pcoll].id;
    Pipe__PTransform__OutputsEntry **to =
        beamc__fuse_push(b->f->arena, &m->outputs, &m->n_outputs, sizeof(void *));
    *to = e;
    return add_pcoll(b, pcoll, err);
}

static Pipe__ApiServiceDescriptor *endpoint(beamc_fuser *f, const char *url) {
    if (url == NULL) {
        return NULL;
    }
    Pipe__ApiServiceDescriptor *m =
        NEW(f, Pipe__ApiServiceDescriptor, PIPE__API_SERVICE_DESCRIPTOR__INIT);
    m->url = (char *)url;
    return m;
}

/* RemoteGrpcPort. */
static ProtobufCBinaryData port(beamc_fuser *f, const char *coder) {
    Fn__RemoteGrpcPort m = FN__REMOTE_GRPC_PORT__INIT;
    m.api_service_descriptor = endpoint(f, f->options->data_url);
    m.coder_id = (char *)coder;
    beamc_slice bytes = beamc__proto_pack(f->arena, &m.base);
    return (ProtobufCBinaryData){bytes.len, (uint8_t *)bytes.ptr};
}

static beamc_status add_member(builder *b, const beamc_fx_transform *t, beamc_error *err) {
    Pipe__PTransform *m =
        add_transform(b, t->id, t->name, t->urn,
                      (ProtobufCBinaryData){t->payload.len, (uint8_t *)t->payload.ptr});
    m->environment_id = (char *)t->environment;
    if (t->proto != NULL) {
        m->n_annotations = t->proto->n_annotations;
        m->annotations = t->proto->annotations;
    }
    for (size_t i = 0; i < t->input_count; i++) {
        BEAMC_TRY(put_input(b, m, t->inputs[i].tag, t->inputs[i].pcoll, err));
    }
    for (size_t o = 0; o < t->output_count; o++) {
        BEAMC_TRY(put_output(b, m, t->outputs[o].tag, t->outputs[o].pcoll, err));
    }
    return BEAMC_OK;
}

/* Coders and windowing strategies refer to one another; a stage gets all of them. */
static void add_components(builder *b, const char *environment) {
    beamc_fuser *f = b->f;
    for (size_t i = 0; i < f->coder_count; i++) {
        Fn__ProcessBundleDescriptor__CodersEntry *e =
            NEW(f, Fn__ProcessBundleDescriptor__CodersEntry,
                FN__PROCESS_BUNDLE_DESCRIPTOR__CODERS_ENTRY__INIT);
        e->key = (char *)f->coders[i].id;
        e->value = (Pipe__Coder *)f->coders[i].proto;
        Fn__ProcessBundleDescriptor__CodersEntry **to =
            beamc__fuse_push(f->arena, &b->pbd.coders, &b->pbd.n_coders, sizeof(void *));
        *to = e;
    }
    for (size_t i = 0; i < f->windowing_count; i++) {
        Fn__ProcessBundleDescriptor__WindowingStrategiesEntry *e =
            NEW(f, Fn__ProcessBundleDescriptor__WindowingStrategiesEntry,
                FN__PROCESS_BUNDLE_DESCRIPTOR__WINDOWING_STRATEGIES_ENTRY__INIT);
        e->key = (char *)f->windowings[i].id;
        e->value = (Pipe__WindowingStrategy *)f->windowings[i].proto;
        Fn__ProcessBundleDescriptor__WindowingStrategiesEntry **to = beamc__fuse_push(
            f->arena, &b->pbd.windowing_strategies, &b->pbd.n_windowing_strategies, sizeof(void *));
        *to = e;
    }
    for (size_t i = 0; i < f->components->n_environments; i++) {
        const Pipe__Components__EnvironmentsEntry *from = f->components->environments[i];
        if (!BEAMC_FUSE_STREQ(from->key, environment)) {
            continue;
        }
        Fn__ProcessBundleDescriptor__EnvironmentsEntry *e =
            NEW(f, Fn__ProcessBundleDescriptor__EnvironmentsEntry,
                FN__PROCESS_BUNDLE_DESCRIPTOR__ENVIRONMENTS_ENTRY__INIT);
        e->key = from->key;
        e->value = from->value;
        Fn__ProcessBundleDescriptor__EnvironmentsEntry **to = beamc__fuse_push(
            f->arena, &b->pbd.environments, &b->pbd.n_environments, sizeof(void *));
        *to = e;
    }
}

beamc_status beamc__fuse_descriptor(beamc_fuser *f, const beamc_fx_descriptor *d, beamc_slice *out,
                                    beamc_error *err) {
    builder b = {.f = f, .pbd = FN__PROCESS_BUNDLE_DESCRIPTOR__INIT};
    b.pcolls = beamc_arena_zalloc(f->arena, f->pcoll_count + 1);
    b.pbd.id = (char *)d->id;
    Pipe__PTransform *m = add_transform(&b, d->source_id, d->source_id,
                                        BEAMC_URN_RUNNER_DATA_SOURCE, port(f, d->source_coder));
    BEAMC_TRY(put_output(&b, m, "out", d->source, err));
    for (size_t i = 0; i < d->transform_count; i++) {
        BEAMC_TRY(add_member(&b, &f->transforms[d->transforms[i]], err));
    }
    for (size_t i = 0; i < d->sink_count; i++) {
        m = add_transform(&b, d->sinks[i].id, d->sinks[i].id, BEAMC_URN_RUNNER_DATA_SINK,
                          port(f, d->sinks[i].coder));
        BEAMC_TRY(put_input(&b, m, "in", d->sinks[i].pcoll, err));
    }
    add_components(&b, d->environment);
    b.pbd.state_api_service_descriptor = endpoint(f, f->options->state_url);
    b.pbd.timer_api_service_descriptor = endpoint(f, f->options->data_url);
    *out = beamc__proto_pack(f->arena, &b.pbd.base);
    return BEAMC_OK;
}
