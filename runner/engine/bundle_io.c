/* bundle_io.c: what a running bundle sees of the engine: its input, buffers for its output, and state.
 * Everything that it gives is staged in the bundle until it is committed. Threads: the bundle's. */
#include "runner/engine/keyed.h"

static beamc_bundle *of(beamc_bundle_io *io) {
    return (beamc_bundle *)io; /* the io is its first member */
}

static beamc_status check_cancelled(const beamc_engine *e, beamc_error *err) {
    return atomic_load_explicit(&e->cancelled, memory_order_relaxed)
               ? BEAMC_FAIL(err, CANCELLED, "the run was cancelled")
               : BEAMC_OK;
}

/* First the pieces of the source, then an end for each timer family. */
static beamc_status io_recv(beamc_bundle_io *io, beamc_input_block *block, bool *more,
                            beamc_error *err) {
    beamc_bundle *b = of(io);
    BEAMC_TRY(check_cancelled(b->engine, err));
    if (b->given == 0) {
        atomic_store(&b->cut.began_ms, beamc__monotonic_us() / 1000);
    }
    *more = true;
    size_t pieces = b->input.count > 0 ? b->input.count : 1;
    if (b->given < pieces) {
        block->port = b->on->source_port;
        block->data = b->input.count == 0 ? beamc_slice_of(NULL, 0)
                                          : beamc_piece_bytes(&b->input.items[b->given]);
        block->is_last = ++b->given == pieces;
        return BEAMC_OK;
    }
    for (size_t port = b->given - pieces; port < b->on->port_count; port++) {
        b->given = pieces + port + 1;
        if (b->on->family_of[port] != UINT32_MAX) {
            block->port = (uint32_t)port;
            block->is_last = true;
            block->data = beamc__keyed_fired(b, b->on->family_of[port]);
            return BEAMC_OK;
        }
    }
    *more = false;
    return BEAMC_OK;
}

static beamc_buf *io_out(beamc_bundle_io *io, uint32_t port) {
    beamc_bundle *b = of(io);
    uint32_t output = b->on->output_of[port];
    return output != UINT32_MAX ? &b->out[output].buf
                                : beamc__keyed_timer_buf(b, b->on->family_of[port]);
}

static beamc_status io_flush(beamc_bundle_io *io, uint32_t port, beamc_error *err) {
    beamc_bundle *b = of(io);
    BEAMC_TRY(check_cancelled(b->engine, err));
    uint32_t output = b->on->output_of[port];
    if (output == UINT32_MAX) {
        return BEAMC_OK; /* timers stay in their buffer */
    }
    beamc_bundle_output *o = &b->out[output];
    if (o->buf.len > 0) {
        size_t len = o->buf.len;
        beamc__pieces_add(
            &o->pieces,
            (beamc_piece){.block = beamc__block_take(&o->buf), .len = len, .hold = BEAMC_TIME_MIN});
        beamc_buf_room(&o->buf, len + len / 64); /* there will be another as long as this one */
        beamc__pace_output(b, len);
    }
    return BEAMC_OK;
}

/* What truncates reads the side inputs of the step whose restrictions it shortens. */
static bool is_reader(const beamc_bundle *b, const char *step, beamc_slice asks) {
    static const char truncates[] = "/truncate";
    size_t suffix = sizeof truncates - 1;
    if (b->truncates && asks.len > suffix &&
        memcmp((const char *)asks.ptr + asks.len - suffix, truncates, suffix) == 0) {
        asks.len -= suffix;
    }
    return beamc_slice_eq(beamc_str(step), asks);
}

static beamc_view *find_view(const beamc_bundle *b, const beamc_state_key *key) {
    const beamc_node_spec *spec = b->node->spec;
    for (size_t i = 0; i < spec->side_count; i++) {
        if (is_reader(b, spec->sides[i].transform_id, key->transform_id) &&
            beamc_slice_eq(beamc_str(spec->sides[i].side_input_id), key->id)) {
            return &b->engine->views[spec->sides[i].view];
        }
    }
    return NULL;
}

static beamc_status io_state_get(beamc_bundle_io *io, const beamc_state_key *key,
                                 beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                                 beamc_slice *next, beamc_error *err) {
    beamc_bundle *b = of(io);
    BEAMC_TRY(check_cancelled(b->engine, err));
    *next = (beamc_slice){NULL, 0};
    switch (key->kind) {
    case BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT: {
        beamc_view *view = find_view(b, key);
        if (view == NULL) {
            return BEAMC_FAIL(err, NOT_FOUND, "transform %.*s has no side input %.*s",
                              BEAMC_SLICE_ARG(key->transform_id), BEAMC_SLICE_ARG(key->id));
        }
        return beamc__view_get(view, key, arena, page, err);
    }
    default:
        return beamc__keyed_get(b, key, continuation, arena, page, next, err);
    }
}

static beamc_status io_state_append(beamc_bundle_io *io, const beamc_state_key *key,
                                    beamc_slice data, beamc_error *err) {
    BEAMC_TRY(check_cancelled(of(io)->engine, err));
    return beamc__keyed_append(of(io), key, data, err);
}

static beamc_status io_state_clear(beamc_bundle_io *io, const beamc_state_key *key,
                                   beamc_error *err) {
    BEAMC_TRY(check_cancelled(of(io)->engine, err));
    return beamc__keyed_clear(of(io), key, err);
}

static beamc_status io_state_sync(beamc_bundle_io *io, beamc_error *err) {
    (void)io;
    (void)err;
    return BEAMC_OK; /* writes are staged at once */
}

static beamc_time io_now_ms(beamc_bundle_io *io) {
    return beamc__engine_now(of(io)->engine);
}

const beamc_bundle_io_ops beamc__engine_io_ops = {
    .recv = io_recv,
    .out = io_out,
    .flush = io_flush,
    .flush_bytes = 256 * 1024,
    .state_get = io_state_get,
    .state_append = io_state_append,
    .state_clear = io_state_clear,
    .state_sync = io_state_sync,
    .now_ms = io_now_ms,
};
