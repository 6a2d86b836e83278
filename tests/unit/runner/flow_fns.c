/* flow_fns.c: sources and others that several tests of running use. */
#include <criterion/criterion.h>

#include "flow.h"

static const beamc_value one_number[] = {{.i64 = 0}};

beamc_pcoll flow_start(beamc_pipeline *p, const char *label) {
    return beamc_create(p, label, &beamc_varint, one_number, 1);
}

/* --------------------------------------------------------------------------------- sources */

beamc_status flow_endless_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, INT64_MAX};
    return BEAMC_OK;
}

/* Numbers, one each ms, at the times 0, 1, ...; never returns by itself. */
static beamc_status endless_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_watermark_set(ctx, i);
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_value_i64(i)));
        flow_sleep(1);
        atomic_fetch_add(&flow.emitted, 1);
    }
    return BEAMC_OK;
}
/* By then the restriction has been split. */
static beamc_status endless_finish(beamc_ctx *ctx) {
    if (atomic_load(&flow.emitted) > 100 && atomic_fetch_sub(&flow.fail, 1) > 0) {
        return beamc_fail(ctx, UNAVAILABLE, "at the end of a bundle");
    }
    return BEAMC_OK;
}
const beamc_splittable flow_endless = {.initial = flow_endless_initial, .unbounded = true};
const beamc_dofn flow_endless_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:endless:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &flow_endless,
    .process = endless_process,
    .finish_bundle = endless_finish,
};

/* One number, then it waits for an hour. */
static beamc_status waiting_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    if (beamc_try_claim(ctx, r->start)) {
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(r->start)));
        return beamc_defer(ctx, 3600 * 1000);
    }
    return BEAMC_OK;
}
const beamc_dofn flow_waiting_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:waiting:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &flow_endless,
    .process = waiting_process,
};

/* Bounded: 0 .. 399, each 2 ms. */
static beamc_status range_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx, (void)in;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, 400};
    return BEAMC_OK;
}
static beamc_status range_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *r = beamc_restriction(ctx);
    atomic_fetch_add(&flow.bundles, 1);
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        flow_sleep(2);
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(i)));
    }
    return BEAMC_OK;
}
static const beamc_splittable range = {.initial = range_initial};
const beamc_dofn flow_range_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:range:v1",
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
    .splittable = &range,   .process = range_process,
};

/* ---------------------------------------------------------------------------------- others */

/* Counts and sums numbers; stops the run behind the number in its config. */
static const beamc_field take_fields[] = {
    BEAMC_CONFIG(flow_take_config, stop_behind, I64, "0", "That many elements."),
};
static const beamc_row take_row = BEAMC_ROW(flow_take_config, take_fields);

static beamc_status take_process(beamc_ctx *ctx, const beamc_elem *in) {
    const flow_take_config *c = beamc_config(ctx);
    atomic_fetch_add(&flow.sum, in->i64);
    if (atomic_fetch_add(&flow.taken, 1) + 1 == c->stop_behind) {
        flow_stop();
    }
    return BEAMC_OK;
}
const beamc_dofn flow_take_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:take:v1", .config = &take_row,
    .input = &beamc_varint, .process = take_process,
};

beamc_pcoll flow_take(beamc_pcoll in, int64_t stop_behind) {
    beamc_pcoll apart = beamc_reshuffle(in, "Apart"); /* a stage of its own */
    flow_take_config c = {stop_behind};
    return beamc_pardo(apart, "Take", &flow_take_fn, .config = &c);
}

/* n -> KV<n % 4, n> */
static beamc_status key_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_value_i64(in->i64 % 4), *in));
}
const beamc_coder flow_pair = BEAMC_KV(&beamc_varint, &beamc_varint);
const beamc_dofn flow_key_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:flow:key:v1",
    .input = &beamc_varint, .outputs = {{"out", &flow_pair}},
    .process = key_process,
};
/* KV<k, n> -> n */
static beamc_status value_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->value);
}
const beamc_dofn flow_value_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:flow:value:v1",
    .input = &flow_pair,      .outputs = {{"out", &beamc_varint}},
    .process = value_process,
};

/* Asks somebody far away, 20 ms for each element. Notes the most elements of a bundle. */
beamc_status flow_slow_start(beamc_ctx *ctx) {
    ((flow_slow_instance *)beamc_instance(ctx))->elements = 0;
    return BEAMC_OK;
}
beamc_status flow_slow_process(beamc_ctx *ctx, const beamc_elem *in) {
    flow_slow_instance *s = beamc_instance(ctx);
    s->elements++;
    flow_sleep(20);
    return beamc_emit(ctx, 0, *in);
}
beamc_status flow_slow_finish(beamc_ctx *ctx) {
    const flow_slow_instance *s = beamc_instance(ctx);
    flow_raise(s->elements);
    atomic_fetch_add(&flow.bundles, s->elements > 0);
    return BEAMC_OK;
}
const beamc_dofn flow_slow_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:flow:slow:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .instance_size = sizeof(flow_slow_instance),
    .start_bundle = flow_slow_start,
    .process = flow_slow_process,
    .finish_bundle = flow_slow_finish,
};
void flow_expect_all_up_to(int64_t least) {
    int64_t n = atomic_load(&flow.taken);
    cr_expect_geq(n, least);
    cr_expect_eq(atomic_load(&flow.sum), n * (n - 1) / 2, "%lld elements are not 0 .. n-1",
                 (long long)n);
}

/* Something that makes the job an unbounded one. */
void flow_never_ending(beamc_pipeline *p) {
    beamc_pardo(flow_start(p, "Never"), "Waiting", &flow_waiting_fn);
}

const beamc_program flow_program = {
    BEAMC_PROGRAM_ABI,
    .name = "flow_fns",
    .fns = BEAMC_FNS(&flow_endless_fn, &flow_waiting_fn, &flow_range_fn, &flow_take_fn,
                     &flow_key_fn, &flow_value_fn, &flow_slow_fn),
    .combiners = BEAMC_COMBINERS(&beamc_sum_i64),
};
