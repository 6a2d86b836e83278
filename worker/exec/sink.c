/* sink.c: encodes elements into the buffer of a port. The only place that encodes them; the buffer
 * is the transport's own and is reused. Threads: the bundle's. */
#include "worker/exec/sink.h"

typedef struct sink {
    beamc_unit unit;
    uint32_t port;
    const beamc_coder *window_coder;
    const beamc_coder *value_coder;
    bool bare; /* param_windowed_value: only the value is written */
    beamc_buf *out;
    size_t flush_bytes;
} sink;

static beamc_status start_bundle(beamc_unit *unit) {
    sink *s = (sink *)unit;
    beamc_bundle_io *io = unit->plan->io;
    s->out = io->ops->out(io, s->port);
    s->flush_bytes = io->ops->flush_bytes;
    return BEAMC_OK;
}

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    sink *s = (sink *)unit;
    beamc_plan *plan = unit->plan;
    if (!s->bare) {
        BEAMC_TRY_CTX(&plan->error,
                      beamc__windowed_encode_head(s->window_coder, in, s->out, &plan->error),
                      "windowed value");
    }
    BEAMC_TRY(beamc__encode(s->value_coder, &in->value, true, s->out, &plan->error));
    if (__builtin_expect(s->out->len > s->flush_bytes, 0)) {
        return plan->io->ops->flush(plan->io, s->port, &plan->error);
    }
    return BEAMC_OK;
}

static const beamc_unit_ops sink_ops = {
    .name = "sink", .start_bundle = start_bundle, .process = process};

beamc_unit *beamc__sink_new(beamc_plan *plan, const char *id, const char *url,
                            const beamc_coder *coder) {
    sink *s = beamc_arena_zalloc(plan->arena, sizeof *s);
    s->value_coder = coder->args[0];
    s->window_coder = coder->args[1];
    s->bare = coder->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE;
    beamc__plan_add_unit(plan, &s->unit, &sink_ops, id);
    s->port = beamc__plan_add_port(
        plan, (beamc_port){.kind = BEAMC_PORT_SINK, .transform_id = id, .url = url});
    return &s->unit;
}
