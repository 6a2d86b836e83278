/* fuse_test_stream.c: TestStreamPayload as the engine plays it. Its elements are encoded in the outer
 * context; the engine's blocks hold them windowed and nested. */
#include "coder/coder_impl.h"
#include "proto/beam_model/unpack.h"
#include "runner/fuse_impl.h"

static beamc_status put_element(beamc_fuser *f, const beamc_coder *from, const beamc_wire_coder *to,
                                const Pipe__TestStreamPayload__TimestampedElement *e,
                                beamc_buf *out, beamc_error *err) {
    beamc_windowed_value head = {.timestamp = e->timestamp,
                                 .windows = &beamc__global_window,
                                 .window_count = 1,
                                 .pane = BEAMC_PANE_NO_FIRING};
    BEAMC_TRY(beamc__windowed_encode_head(to->window, &head, out, err));
    beamc_slice bytes = beamc_slice_of(e->encoded_element.data, e->encoded_element.len);
    if (to->element->kind == BEAMC_CODER_LENGTH_PREFIX && from->kind != BEAMC_CODER_LENGTH_PREFIX) {
        beamc_put_prefixed(out, bytes);
        return BEAMC_OK;
    }
    beamc_value value;
    BEAMC_TRY(beamc_decode(from, &bytes, false, f->arena, &value, err));
    return beamc_encode(to->element, &value, true, out, err);
}

static const char *event_tag(const Pipe__TestStreamPayload__Event *e) {
    return e->event_case == PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_WATERMARK_EVENT
               ? e->watermark_event->tag
               : e->element_event->tag;
}

/* Which of the outputs an event is for; an empty tag means the only one. */
static bool is_for(const beamc_fuser *f, const beamc_fx_transform *t, const beamc_fx_sink *sink,
                   const char *tag) {
    for (size_t o = 0; o < t->output_count; o++) {
        if (t->outputs[o].pcoll == sink->pcoll &&
            (tag[0] == '\0' || BEAMC_FUSE_STREQ(tag, "None") ||
             BEAMC_FUSE_STREQ(tag, t->outputs[o].tag))) {
            return true;
        }
    }
    (void)f;
    return false;
}

static beamc_status put_event(beamc_fuser *f, const beamc_coder *coder, uint32_t output,
                              const Pipe__TestStreamPayload__Event *e, beamc_node_spec *node,
                              beamc_error *err) {
    beamc_stream_event *events = (beamc_stream_event *)node->events;
    beamc_stream_event *to = beamc__fuse_push(f->arena, &events, &node->event_count, sizeof *to);
    node->events = events;
    to->output = output;
    if (e->event_case == PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_WATERMARK_EVENT) {
        to->kind = BEAMC_STREAM_WATERMARK;
        to->time = e->watermark_event->new_watermark;
        return BEAMC_OK;
    }
    to->kind = BEAMC_STREAM_ELEMENTS;
    beamc_buf buf = {0};
    beamc_status status = BEAMC_OK;
    for (size_t i = 0; i < e->element_event->n_elements && status == BEAMC_OK; i++) {
        status = put_element(f, coder, &node->outputs[output].coder, e->element_event->elements[i],
                             &buf, err);
    }
    if (status == BEAMC_OK) {
        to->elements = beamc_arena_copy(f->arena, beamc_buf_slice(&buf));
    }
    beamc_buf_free(&buf);
    return status;
}

beamc_status beamc__fuse_test_stream(beamc_fuser *f, const beamc_fx_transform *t,
                                     const beamc_fx_sink *sinks, beamc_node_spec *node,
                                     beamc_error *err) {
    node->unbounded = true;
    ProtobufCMessage *m;
    BEAMC_TRY_CTX(err,
                  beamc__proto_unpack_arena(&pipe__test_stream_payload__descriptor, t->payload,
                                            f->arena, &m, err),
                  "transform %s", t->name);
    const Pipe__TestStreamPayload *p = (const Pipe__TestStreamPayload *)m;
    if (p->endpoint != NULL) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "transform %s: a test stream from a service",
                          t->name);
    }
    const char *wire;
    const beamc_coder *coder;
    BEAMC_TRY(beamc__fuse_wire_coder(f, p->coder_id, &wire, err));
    BEAMC_TRY(beamc__fuse_built_coder(f, wire, &coder, err));
    for (size_t i = 0; i < p->n_events; i++) {
        const Pipe__TestStreamPayload__Event *e = p->events[i];
        if (e->event_case == PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT_PROCESSING_TIME_EVENT) {
            beamc_stream_event *events = (beamc_stream_event *)node->events;
            beamc_stream_event *to =
                beamc__fuse_push(f->arena, &events, &node->event_count, sizeof *to);
            node->events = events;
            to->kind = BEAMC_STREAM_CLOCK;
            to->time = e->processing_time_event->advance_duration;
            continue;
        }
        if (e->event_case == PIPE__TEST_STREAM_PAYLOAD__EVENT__EVENT__NOT_SET) {
            continue;
        }
        for (uint32_t o = 0; o < node->output_count; o++) {
            if (is_for(f, t, &sinks[o], event_tag(e))) {
                BEAMC_TRY_CTX(err, put_event(f, coder, o, e, node, err), "transform %s: event %zu",
                              t->name, i);
            }
        }
    }
    return BEAMC_OK;
}
