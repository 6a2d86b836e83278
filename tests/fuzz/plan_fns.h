/* plan_fns.h: functions and a runner for plans made from hostile descriptors: used by fuzz_plan.c and
 * by the unit tests that mutate descriptors. Every DoFn does as much with its context as it can. */
#ifndef BEAMC_TESTS_PLAN_FNS_H
#define BEAMC_TESTS_PLAN_FNS_H

#include <beamc/combine.h>
#include <beamc/program.h>
#include <stdlib.h>

#include "program/library.h"
#include "worker/exec/bundle.h"
#include "worker/exec/side_input.h"

/* ------------------------------------------------------------------------------------- DoFns */

static beamc_status hostile_pass(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_counter_add(beamc_counter(ctx, "h", "elements"), 1);
    BEAMC_TRY(beamc_emit(ctx, 0, *in));
    return beamc_emit_at(ctx, 1, in->kv->value.i64, *in);
}

static const beamc_dofn hostile_pass_fn = {
    BEAMC_DOFN_ABI,
    .urn = "h:pass",
    .input = &beamc_kv_str_i64,
    .outputs = {{"a", &beamc_kv_str_i64}, {"b", &beamc_kv_str_i64}},
    .process = hostile_pass,
};

static int64_t hostile_count(const beamc_iterable *all) {
    beamc_iter it;
    beamc_value v;
    int64_t n = 0;
    for (beamc_iterate(all, &it); n < 1000 && beamc_iter_next(&it, &v); n++) {
    }
    return n;
}

static beamc_status hostile_keyed(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value v = {.i64 = 0};
    const beamc_iterable *all;
    beamc_value word = in != NULL ? in->kv->key : beamc_value_bytes(beamc_str("t"));
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &v));
    BEAMC_TRY(beamc_state_write(ctx, 0, word));
    BEAMC_TRY(beamc_state_iterable(ctx, 1, &all));
    int64_t n = hostile_count(all);
    BEAMC_TRY(beamc_state_add(ctx, 1, word));
    BEAMC_TRY(beamc_state_add(ctx, 2, beamc_value_i64(n)));
    BEAMC_TRY(beamc_state_read(ctx, 2, &found, &v));
    n += v.i64 & 0xff;
    BEAMC_TRY(beamc_state_get(ctx, 3, word, &found, &v));
    BEAMC_TRY(beamc_state_put(ctx, 3, word, word));
    BEAMC_TRY(beamc_state_keys(ctx, 3, &all));
    n += hostile_count(all);
    BEAMC_TRY(beamc_state_add(ctx, 4, word));
    BEAMC_TRY(beamc_state_add_at(ctx, 5, n, word));
    BEAMC_TRY(beamc_state_range(ctx, 5, INT64_MIN, INT64_MAX, &all));
    n += hostile_count(all);
    BEAMC_TRY(beamc_state_clear_range(ctx, 5, n, INT64_MAX));
    BEAMC_TRY(beamc_timer_set(ctx, 0, n));
    BEAMC_TRY(beamc_timer_set(ctx, 1, n, .tag = word.bytes));
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_key(ctx), beamc_value_i64(n)));
}

static beamc_status hostile_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    return timer->index == 0 ? hostile_keyed(ctx, NULL) : BEAMC_OK;
}

static beamc_status hostile_expired(beamc_ctx *ctx) {
    return beamc_state_clear(ctx, 0);
}

static const beamc_dofn hostile_keyed_fn = {
    BEAMC_DOFN_ABI,
    .urn = "h:keyed",
    .input = &beamc_kv_str_i64,
    .outputs = {{"a", &beamc_kv_str_i64}},
    .states = {{"value", BEAMC_STATE_VALUE, &beamc_string, NULL, NULL},
               {"bag", BEAMC_STATE_BAG, &beamc_string, NULL, NULL},
               {"sum", BEAMC_STATE_COMBINING, NULL, NULL, &beamc_sum_i64},
               {"map", BEAMC_STATE_MAP, &beamc_string, &beamc_string, NULL},
               {"set", BEAMC_STATE_SET, NULL, &beamc_string, NULL},
               {"list", BEAMC_STATE_ORDERED_LIST, &beamc_string, NULL, NULL}},
    .timers = {{"event", BEAMC_EVENT_TIME}, {"clock", BEAMC_PROCESSING_TIME}},
    .process = hostile_keyed,
    .on_timer = hostile_timer,
    .on_window_expiration = hostile_expired,
};

/* A DoFn's table does not say what its side inputs hold: the type of a key is between it and the
 * descriptor. A hostile one must not make this DoFn give a string for something else. */
static bool hostile_key_is_string(const beamc_ctx *ctx) {
    const beamc_coder *key = ctx->side_count > 1 ? ctx->sides[1].key : NULL;
    return key != NULL && (key->kind == BEAMC_CODER_STRING || key->kind == BEAMC_CODER_BYTES);
}

static beamc_status hostile_sided(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *all;
    beamc_value v;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &all));
    int64_t n = hostile_count(all);
    if (hostile_key_is_string(ctx)) {
        BEAMC_TRY(beamc_side_lookup(ctx, 1, in->kv->key, &all));
        n += hostile_count(all);
    }
    if (beamc_side_singleton(ctx, 0, &v) == BEAMC_OK) {
        n++;
    }
    beamc_window w = beamc_current_window(ctx);
    return beamc_emit_in(ctx, 0, w.start, w, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(n)));
}

static const beamc_dofn hostile_sided_fn = {
    BEAMC_DOFN_ABI,
    .urn = "h:sided",
    .input = &beamc_kv_str_i64,
    .outputs = {{"a", &beamc_kv_str_i64}},
    .side_inputs = {"list", "map"},
    .observes_window = true,
    .process = hostile_sided,
};

static beamc_status hostile_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    ((beamc_offset_range *)restriction)->stop = in->kv->value.i64;
    return BEAMC_OK;
}

static beamc_status hostile_ranges(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = 0; i < 20; i++) {
        if (r->start > INT64_MAX - i || !beamc_try_claim(ctx, r->start + i)) {
            return BEAMC_OK;
        }
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_kv_of(ctx, in->kv->key, beamc_value_i64(i))));
    }
    return beamc_defer(ctx, 5);
}

static const beamc_splittable hostile_splittable = {.watermark = BEAMC_WATERMARK_MONOTONIC,
                                                    .initial = hostile_initial};
static const beamc_dofn hostile_ranges_fn = {
    BEAMC_DOFN_ABI,
    .urn = "h:ranges",
    .input = &beamc_kv_str_i64,
    .outputs = {{"a", &beamc_kv_str_i64}},
    .splittable = &hostile_splittable,
    .process = hostile_ranges,
};

static const beamc_program hostile_program = {
    BEAMC_PROGRAM_ABI, .name = "hostile",
    .fns = BEAMC_FNS(&hostile_pass_fn, &hostile_keyed_fn, &hostile_sided_fn, &hostile_ranges_fn)};

/* ------------------------------------------------------------------------------------ the runner */

enum { HOSTILE_PORTS = 64 };

typedef struct hostile_io {
    beamc_bundle_io io;
    beamc_slice data; /* every port gets all of it, then its end; state holds it too */
    uint32_t port;
    size_t port_count;
    const beamc_port *ports;
    beamc_plan *plan;
    beamc_buf out;
    unsigned reads;
} hostile_io;

static void hostile_split(hostile_io *h) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_split_result result;
    for (uint32_t i = 0; i < h->port_count && i < 4; i++) {
        beamc_split_request request = {
            .port = i, .fraction_of_remainder = 0.5, .estimated_elements = 3};
        if (beamc_plan_split(h->plan, &request, arena, &result, NULL) != BEAMC_OK) {
            continue;
        }
    }
    beamc_arena_free(arena);
}

static beamc_status hostile_recv(beamc_bundle_io *io, beamc_input_block *block, bool *more,
                                 beamc_error *err) {
    hostile_io *h = (hostile_io *)io;
    (void)err;
    while (h->port < h->port_count && h->ports[h->port].kind == BEAMC_PORT_SINK) {
        h->port++;
    }
    *more = h->port < h->port_count;
    if (*more) {
        *block = (beamc_input_block){h->port++, true, h->data};
    }
    hostile_split(h);
    return BEAMC_OK;
}

static beamc_buf *hostile_out(beamc_bundle_io *io, uint32_t port) {
    (void)port;
    return &((hostile_io *)io)->out;
}

static beamc_status hostile_flush(beamc_bundle_io *io, uint32_t port, beamc_error *err) {
    (void)port;
    (void)err;
    beamc_buf_clear(&((hostile_io *)io)->out);
    return BEAMC_OK;
}

static beamc_status hostile_get(beamc_bundle_io *io, const beamc_state_key *key,
                                beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                                beamc_slice *next, beamc_error *err) {
    hostile_io *h = (hostile_io *)io;
    (void)key;
    if (h->reads++ > 200) {
        return BEAMC_FAIL(err, UNAVAILABLE, "enough");
    }
    size_t half = h->data.len / 2;
    bool first = continuation.len == 0;
    *page = beamc_arena_copy(arena, first ? beamc_slice_of(h->data.ptr, half)
                                          : beamc_slice_of(h->data.ptr + half, h->data.len - half));
    *next = first ? beamc_arena_copy(arena, beamc_str("2")) : (beamc_slice){NULL, 0};
    return BEAMC_OK;
}

static beamc_status hostile_append(beamc_bundle_io *io, const beamc_state_key *key,
                                   beamc_slice data, beamc_error *err) {
    (void)io;
    (void)key;
    (void)data;
    (void)err;
    return BEAMC_OK;
}

static beamc_status hostile_clear(beamc_bundle_io *io, const beamc_state_key *key,
                                  beamc_error *err) {
    (void)io;
    (void)key;
    (void)err;
    return BEAMC_OK;
}

static void hostile_look(void *arg, const beamc_monitoring_info *info) {
    (void)arg;
    if (info->urn == NULL || info->type == NULL) {
        abort();
    }
}

/* Makes a plan of @p descriptor and, if that succeeds, runs a bundle on @p data. */
static inline beamc_status hostile_run(const beamc_library *library, beamc_slice descriptor,
                                       beamc_slice data) {
    static const beamc_bundle_io_ops ops = {.recv = hostile_recv,
                                            .out = hostile_out,
                                            .flush = hostile_flush,
                                            .flush_bytes = 4096,
                                            .state_get = hostile_get,
                                            .state_append = hostile_append,
                                            .state_clear = hostile_clear};
    beamc_plan_env env = {.library = library, .worker_id = "w", .sample_data = true};
    beamc_plan *plan;
    beamc_error err;
    BEAMC_TRY(beamc_plan_new(descriptor, &env, &plan, &err));
    hostile_io io = {.io = {&ops}, .data = data, .plan = plan};
    io.ports = beamc_plan_ports(plan, &io.port_count);
    beamc_bundle_request request = {.instruction_id = "i"};
    beamc_bundle_result result;
    beamc_status status = beamc_plan_run(plan, &request, &io.io, &result, &err);
    beamc_finalizers_free(result.finalizers);
    beamc_plan_metrics(plan, hostile_look, NULL);
    beamc_buf_free(&io.out);
    beamc_plan_free(plan);
    return status;
}

#endif
