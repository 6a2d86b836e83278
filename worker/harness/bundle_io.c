/* bundle_io.c: see bundle_io.h.
 *
 * Output is encoded by the plan into one buffer for each port, behind the header of an Elements message,
 * so that sending it copies nothing. Whole elements only are sent: by size, by time where the job asks for
 * it (while the plan waits for or asks for input), and at the end. */
#include "worker/harness/bundle_io.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/elements.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

enum {
    EMBED_MAX_BYTES = 1 << 20, /* output in the response */
    JOIN_MAX_BYTES = 64 << 10, /* smaller leftovers share one message */
};

typedef struct port_state {
    beamc_buf out;
    size_t header;             /* at the start of out */
    beamc_data_stream *stream; /* opened when it is first needed */
    bool ended;                /* input */
    bool sent;                 /* output: its end is on its way */
} port_state;

struct beamc_harness_io {
    beamc_bundle_io base;
    beamc_bundle_io_ops ops;
    beamc_harness *h;
    const char *instruction_id;
    const char *stream_id;
    const Fn__Elements *embedded; /* all of the input, or NULL */
    size_t embedded_next;
    beamc_inbox *inbox;
    const beamc_port *ports;
    port_state *states;
    size_t port_count;
    size_t open_inputs;
    beamc_chunk *current; /* what the plan reads */
    bool flushed;         /* something was sent */
    int64_t flush_at_ms;  /* 0: no output waits, or no limit */
    beamc_state_session *state;
};

static beamc_harness_io *self(beamc_bundle_io *base) {
    return (beamc_harness_io *)base;
}

static bool is_input(const beamc_port *port) {
    return port->kind != BEAMC_PORT_SINK;
}

static bool is_output(const beamc_port *port) {
    return port->kind != BEAMC_PORT_SOURCE;
}

static beamc_status port_stream(beamc_harness_io *io, uint32_t port, beamc_data_stream **out,
                                beamc_error *err) {
    port_state *s = &io->states[port];
    if (s->stream == NULL) {
        const beamc_port *p = &io->ports[port];
        BEAMC_TRY_CTX(
            err, beamc__data_open(io->h->data, p->url, io->stream_id, io->inbox, &s->stream, err),
            "transform %s", p->transform_id);
    }
    *out = s->stream;
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- output */

static beamc_buf *out(beamc_bundle_io *base, uint32_t port) {
    beamc_harness_io *io = self(base);
    port_state *s = &io->states[port];
    if (s->out.len == 0) {
        const beamc_port *p = &io->ports[port];
        s->header = beamc__elements_begin(&s->out, io->instruction_id, p->transform_id,
                                          p->kind == BEAMC_PORT_TIMER ? p->timer_family : NULL);
    }
    return &s->out;
}

static size_t waiting_bytes(const port_state *s) {
    return s->out.len > s->header ? s->out.len - s->header : 0;
}

/* Completes the message that waits at a port. */
static beamc_status complete(beamc_harness_io *io, uint32_t port, beamc_error *err) {
    port_state *s = &io->states[port];
    if (s->out.len > BEAMC_ELEMENTS_MAX_BYTES) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "transform %s: %zu bytes of output in one element; messages of 2 GiB and "
                          "more cannot be sent",
                          io->ports[port].transform_id, s->out.len - s->header);
    }
    beamc__elements_end(&s->out, 0, s->header);
    return BEAMC_OK;
}

static beamc_status flush(beamc_bundle_io *base, uint32_t port, beamc_error *err) {
    beamc_harness_io *io = self(base);
    port_state *s = &io->states[port];
    beamc_data_stream *stream;
    if (waiting_bytes(s) == 0) {
        return BEAMC_OK;
    }
    BEAMC_TRY(complete(io, port, err));
    BEAMC_TRY(port_stream(io, port, &stream, err));
    size_t used = s->out.len;
    io->flushed = true;
    BEAMC_TRY(beamc__data_send(stream, &s->out, err));
    /* The next message will most likely be as long; a giant one is an exception. */
    beamc_buf_room(&s->out, used < 2 * io->ops.flush_bytes ? used + used / 16 : 4096);
    (void)out(base, port); /* the plan goes on behind a new header */
    return BEAMC_OK;
}

static beamc_status flush_all(beamc_harness_io *io, beamc_error *err) {
    io->flush_at_ms = 0;
    for (uint32_t i = 0; i < io->port_count; i++) {
        BEAMC_TRY(flush(&io->base, i, err));
    }
    return BEAMC_OK;
}

static bool has_output(const beamc_harness_io *io) {
    for (size_t i = 0; i < io->port_count; i++) {
        if (waiting_bytes(&io->states[i]) > 0) {
            return true;
        }
    }
    return false;
}

/* data_buffer_time_limit_ms: output does not wait for longer than that while the plan waits for input. */
static beamc_status flush_by_time(beamc_harness_io *io, int64_t *until_ms, beamc_error *err) {
    *until_ms = INT64_MAX;
    if (io->h->flush_ms == 0 || !has_output(io)) {
        return BEAMC_OK;
    }
    int64_t now = beamc__clock_ms();
    if (io->flush_at_ms == 0) {
        io->flush_at_ms = now + io->h->flush_ms;
    }
    if (now >= io->flush_at_ms) {
        return flush_all(io, err);
    }
    *until_ms = io->flush_at_ms;
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------ input */

/* The port that a part of Elements is for. */
static beamc_status find_port(const beamc_harness_io *io, const beamc_elements_part *part,
                              uint32_t *out, beamc_error *err) {
    beamc_port_kind kind = part->is_timers ? BEAMC_PORT_TIMER : BEAMC_PORT_SOURCE;
    for (uint32_t i = 0; i < io->port_count; i++) {
        const beamc_port *p = &io->ports[i];
        if (p->kind == kind && beamc_slice_eq(beamc_str(p->transform_id), part->transform_id) &&
            (!part->is_timers || beamc_slice_eq(beamc_str(p->timer_family), part->family))) {
            *out = i;
            return BEAMC_OK;
        }
    }
    if (part->is_timers) {
        return BEAMC_FAIL(
            err, INVALID_ARGUMENT,
            "timers came for family %.*s of transform %.*s, which this bundle does not "
            "have",
            BEAMC_SLICE_ARG(part->family), BEAMC_SLICE_ARG(part->transform_id));
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT,
                      "data came for transform %.*s, which is no source of this bundle",
                      BEAMC_SLICE_ARG(part->transform_id));
}

static beamc_elements_part data_part(const Fn__Elements__Data *d) {
    return (beamc_elements_part){.transform_id = beamc_str(d->transform_id),
                                 .data = beamc_slice_of(d->data.data, d->data.len),
                                 .is_last = d->is_last};
}

static beamc_elements_part timers_part(const Fn__Elements__Timers *t) {
    return (beamc_elements_part){.transform_id = beamc_str(t->transform_id),
                                 .family = beamc_str(t->timer_family_id),
                                 .data = beamc_slice_of(t->timers.data, t->timers.len),
                                 .is_timers = true,
                                 .is_last = t->is_last};
}

static beamc_elements_part embedded_part(const beamc_harness_io *io, size_t i) {
    const Fn__Elements *e = io->embedded;
    return i < e->n_data ? data_part(e->data[i]) : timers_part(e->timers[i - e->n_data]);
}

/* The next part, waiting for it; has_part is false when output is due before. */
static beamc_status next_part(beamc_harness_io *io, beamc_elements_part *part, bool *has_part,
                              beamc_error *err) {
    beamc__chunk_free(io->current);
    io->current = NULL;
    *has_part = true;
    if (io->embedded != NULL) {
        *part = embedded_part(io, io->embedded_next++);
        return BEAMC_OK;
    }
    int64_t until_ms;
    BEAMC_TRY(flush_by_time(io, &until_ms, err));
    BEAMC_TRY(beamc__inbox_take(io->inbox, until_ms, &io->current, err));
    *has_part = io->current != NULL;
    if (*has_part) {
        *part = io->current->part;
    }
    return BEAMC_OK;
}

static beamc_status recv(beamc_bundle_io *base, beamc_input_block *block, bool *more,
                         beamc_error *err) {
    beamc_harness_io *io = self(base);
    while (io->open_inputs > 0) {
        beamc_elements_part part;
        bool has_part;
        BEAMC_TRY(next_part(io, &part, &has_part, err));
        if (!has_part) {
            continue;
        }
        uint32_t port;
        BEAMC_TRY(find_port(io, &part, &port, err));
        if (part.data.len == 0 && !part.is_last) {
            continue;
        }
        if (part.is_last && !io->states[port].ended) {
            io->states[port].ended = true;
            io->open_inputs--;
        }
        *block = (beamc_input_block){.port = port, .is_last = part.is_last, .data = part.data};
        *more = true;
        return BEAMC_OK;
    }
    *more = false;
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------ state */

static beamc_status state_get(beamc_bundle_io *base, const beamc_state_key *key,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err) {
    return beamc__state_get(self(base)->state, key, continuation, arena, page, next, err);
}

static beamc_status state_append(beamc_bundle_io *base, const beamc_state_key *key,
                                 beamc_slice data, beamc_error *err) {
    return beamc__state_write(self(base)->state, key, BEAMC_STATE_APPEND, data, err);
}

static beamc_status state_clear(beamc_bundle_io *base, const beamc_state_key *key,
                                beamc_error *err) {
    return beamc__state_write(self(base)->state, key, BEAMC_STATE_CLEAR, (beamc_slice){NULL, 0},
                              err);
}

static beamc_status state_sync(beamc_bundle_io *base, beamc_error *err) {
    return beamc__state_sync(self(base)->state, err);
}

/* ---------------------------------------------------------------------------- life of one */

beamc_harness_io *beamc__bundle_io_new(beamc_harness *h, const Fn__InstructionRequest *request,
                                       beamc_plan *plan, beamc_inbox *inbox,
                                       const beamc_cache_token *tokens, size_t token_count) {
    const Fn__ProcessBundleRequest *r = request->process_bundle;
    beamc_harness_io *io = beamc__calloc(1, sizeof *io);
    io->ops = (beamc_bundle_io_ops){.recv = recv,
                                    .out = out,
                                    .flush = flush,
                                    .flush_bytes = h->flush_bytes,
                                    .state_get = state_get,
                                    .state_append = state_append,
                                    .state_clear = state_clear,
                                    .state_sync = state_sync};
    io->base.ops = &io->ops;
    io->h = h;
    io->instruction_id = request->instruction_id;
    io->stream_id = r->data_stream_id;
    if (r->elements != NULL && r->elements->n_data + r->elements->n_timers > 0) {
        io->embedded = r->elements;
    }
    io->inbox = inbox;
    io->ports = beamc_plan_ports(plan, &io->port_count);
    io->states = beamc__calloc(io->port_count + 1, sizeof *io->states);
    for (size_t i = 0; i < io->port_count; i++) {
        io->open_inputs += is_input(&io->ports[i]);
    }
    io->state = beamc__state_session_new(h->state, beamc_plan_state_url(plan), io->instruction_id,
                                         tokens, token_count);
    return io;
}

beamc_bundle_io *beamc__bundle_io_base(beamc_harness_io *io) {
    return &io->base;
}

void beamc__bundle_io_free(beamc_harness_io *io, bool success) {
    beamc__chunk_free(io->current);
    beamc__state_session_free(io->state, success);
    for (size_t i = 0; i < io->port_count; i++) {
        beamc_buf_free(&io->states[i].out);
        beamc__data_release(io->states[i].stream);
    }
    free(io->states);
    free(io);
}

/* ProcessBundleRequest.elements holds all of the input or nothing: every input must end in it. */
static beamc_status check_embedded(beamc_harness_io *io, beamc_error *err) {
    size_t parts = io->embedded->n_data + io->embedded->n_timers;
    for (uint32_t i = 0; i < io->port_count; i++) {
        bool ends = !is_input(&io->ports[i]);
        for (size_t k = 0; k < parts && !ends; k++) {
            beamc_elements_part part = embedded_part(io, k);
            uint32_t port;
            ends = part.is_last && find_port(io, &part, &port, NULL) == BEAMC_OK && port == i;
        }
        if (!ends) {
            const char *family = io->ports[i].timer_family;
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "bundle %s: its request holds elements, but no end of the input of "
                              "transform %s%s%s",
                              io->instruction_id, io->ports[i].transform_id,
                              family != NULL ? ", timer family " : "",
                              family != NULL ? family : "");
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__bundle_io_open(beamc_harness_io *io, beamc_error *err) {
    if (io->embedded != NULL) {
        return check_embedded(io, err);
    }
    for (uint32_t i = 0; i < io->port_count; i++) {
        beamc_data_stream *stream;
        if (is_input(&io->ports[i])) {
            BEAMC_TRY_CTX(err, port_stream(io, i, &stream, err), "bundle %s", io->instruction_id);
        }
    }
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- the end */

/* Moves what waits at @p port, and the port's end, behind @p message. */
static beamc_status put_rest(beamc_harness_io *io, uint32_t port, beamc_buf *message,
                             beamc_error *err) {
    port_state *s = &io->states[port];
    const beamc_port *p = &io->ports[port];
    if (waiting_bytes(s) > 0) {
        BEAMC_TRY(complete(io, port, err));
        beamc_buf_put_slice(message, beamc_buf_slice(&s->out));
        beamc_buf_clear(&s->out);
    }
    beamc__elements_put_last(message, io->instruction_id, p->transform_id,
                             p->kind == BEAMC_PORT_TIMER ? p->timer_family : NULL);
    s->sent = true;
    return BEAMC_OK;
}

static bool can_embed(const beamc_harness_io *io) {
    size_t total = 0;
    for (size_t i = 0; i < io->port_count; i++) {
        total += waiting_bytes(&io->states[i]);
    }
    return io->h->takes_embedded_output && !io->flushed && total <= EMBED_MAX_BYTES;
}

/* The rest of all ports that share the stream of @p first, in one message. */
static beamc_status send_rest(beamc_harness_io *io, uint32_t first, beamc_buf *message,
                              beamc_error *err) {
    beamc_data_stream *stream;
    BEAMC_TRY(port_stream(io, first, &stream, err));
    for (uint32_t i = first; i < io->port_count; i++) {
        port_state *s = &io->states[i];
        if (!is_output(&io->ports[i]) || s->sent ||
            strcmp(io->ports[i].url, io->ports[first].url) != 0) {
            continue;
        }
        if (waiting_bytes(s) > JOIN_MAX_BYTES) {
            BEAMC_TRY(flush(&io->base, i, err));
        }
        BEAMC_TRY(put_rest(io, i, message, err));
    }
    return beamc__data_send(stream, message, err);
}

static beamc_status put_all(beamc_harness_io *io, bool embed, beamc_buf *message,
                            beamc_error *err) {
    for (uint32_t i = 0; i < io->port_count; i++) {
        if (is_output(&io->ports[i]) && !io->states[i].sent) {
            BEAMC_TRY(embed ? put_rest(io, i, message, err) : send_rest(io, i, message, err));
        }
    }
    return BEAMC_OK;
}

beamc_status beamc__bundle_io_finish(beamc_harness_io *io, beamc_buf *response, beamc_error *err) {
    beamc_buf message = {0};
    bool embed = can_embed(io);
    beamc_status status = put_all(io, embed, &message, err);
    if (status == BEAMC_OK && message.len > 0) {
        beamc_pb_bytes(response, 6, beamc_buf_slice(&message));
    }
    beamc_buf_free(&message);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "bundle %s: sending the rest of its output", io->instruction_id);
    }
    return status;
}
