/* builtin_fns.c: see builtin_fns.h. Ordinary DoFns; they live in the worker, one instance a plan.
 *
 * They are generic: what they carry is typed by the coders of their step (beamc_input_coder,
 * beamc_output_coder), which the builder puts into the step's payload. */
#include "graph/builtin_fns.h"

#include <stdatomic.h>
#include <stddef.h>

/* --------------------------------------------------------------------------------- Create */

static const beamc_field bytes_item = {.name = "item", .type = BEAMC_FIELD_BYTES};
static const beamc_field create_fields[] = {
    {.name = "values",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(beamc_create_config, values),
     .element = &bytes_item},
};
static const beamc_row create_row = BEAMC_ROW(beamc_create_config, create_fields);

static beamc_status create_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_create_config *config = beamc_config(ctx);
    const beamc_coder *coder = beamc_output_coder(ctx, 0);
    for (size_t i = 0; i < config->values.count; i++) {
        beamc_slice bytes = config->values.items[i].bytes;
        beamc_value value;
        BEAMC_TRY_CTX(beamc_ctx_error(ctx),
                      beamc_decode(coder, &bytes, true, beamc_scratch_arena(ctx), &value,
                                   beamc_ctx_error(ctx)),
                      "value %zu", i);
        BEAMC_TRY(beamc_emit(ctx, 0, value));
    }
    return BEAMC_OK;
}

const beamc_dofn beamc__create_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:create:v1",
    .doc = "Emits the values of a Create.",
    .config = &create_row,
    .input = &beamc_bytes,
    .outputs = {{"out", NULL}},
    .process = create_process,
};

/* -------------------------------------------------------------------------------- WithKey */

static const beamc_field with_key_fields[] = {
    BEAMC_REQUIRED(beamc_with_key_config, key, BYTES),
};
static const beamc_row with_key_row = BEAMC_ROW(beamc_with_key_config, with_key_fields);

static beamc_status with_key_setup(beamc_ctx *ctx) {
    const beamc_with_key_config *config = beamc_config(ctx);
    beamc_slice bytes = config->key; /* lives as long as the instance, and so does the value */
    return beamc_decode(beamc_output_coder(ctx, 0)->args[0], &bytes, true,
                        beamc_instance_arena(ctx), (beamc_value *)beamc_instance(ctx),
                        beamc_ctx_error(ctx));
}

static beamc_status with_key_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_value *key = beamc_instance(ctx);
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, *key, *in));
}

const beamc_dofn beamc__with_key_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:with_key:v1",
    .doc = "Pairs every element with one key.",
    .config = &with_key_row,
    .instance_size = sizeof(beamc_value),
    .outputs = {{"out", NULL}},
    .setup = with_key_setup,
    .process = with_key_process,
};

/* --------------------------------------------------------------------------------- Values */

static beamc_status values_process(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, in->kv->value);
}

const beamc_dofn beamc__values_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:values:v1",
    .doc = "Drops the keys.",
    .outputs = {{"out", NULL}},
    .process = values_process,
};

/* ------------------------------------------------------------------------------ Reshuffle */

static const beamc_field reshuffle_fields[] = {
    BEAMC_REQUIRED(beamc_reshuffle_config, interval_windows, BOOL),
};
static const beamc_row reshuffle_row = BEAMC_ROW(beamc_reshuffle_config, reshuffle_fields);

static const beamc_coder kv_varint_bytes = BEAMC_KV(&beamc_varint, &beamc_bytes);
static const beamc_coder iterable_bytes = BEAMC_ITERABLE(&beamc_bytes);
static const beamc_coder kv_varint_iterable_bytes = BEAMC_KV(&beamc_varint, &iterable_bytes);

typedef struct reshuffle_state {
    beamc_coder windowed;
    beamc_buf bytes;
    uint64_t next;
} reshuffle_state;

enum { RESHUFFLE_SHARDS = 1 << 16 };

static void reshuffle_windowed(beamc_ctx *ctx, const beamc_coder *element) {
    reshuffle_state *state = beamc_instance(ctx);
    const beamc_reshuffle_config *config = beamc_config(ctx);
    state->windowed =
        (beamc_coder){.kind = BEAMC_CODER_WINDOWED_VALUE,
                      .args = {element, config->interval_windows ? &beamc_interval_window
                                                                 : &beamc_global_window}};
}

static beamc_status reify_setup(beamc_ctx *ctx) {
    /* Instances start at different shards, so that parallel ones do not walk in step. */
    static _Atomic uint64_t instances;
    reshuffle_state *state = beamc_instance(ctx);
    state->next = atomic_fetch_add(&instances, 1) * UINT64_C(0x9e3779b97f4a7c15);
    reshuffle_windowed(ctx, beamc_input_coder(ctx));
    return BEAMC_OK;
}

static beamc_status reify_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    reshuffle_state *state = beamc_instance(ctx);
    beamc_value windowed = {.windowed = beamc__ctx_windowed(ctx)};
    beamc_buf_clear(&state->bytes);
    BEAMC_TRY(beamc_encode(&state->windowed, &windowed, true, &state->bytes, beamc_ctx_error(ctx)));
    int64_t shard =
        (int64_t)((state->next += UINT64_C(0x9e3779b97f4a7c15)) >> 40) % RESHUFFLE_SHARDS;
    return beamc_emit(ctx, 0,
                      beamc_kv_of(ctx, beamc_value_i64(shard),
                                  beamc_value_bytes(beamc_buf_slice(&state->bytes))));
}

static void reify_teardown(beamc_ctx *ctx) {
    reshuffle_state *state = beamc_instance(ctx);
    beamc_buf_free(&state->bytes);
}

const beamc_dofn beamc__reify_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:reshuffle_reify:v1",
    .doc = "Packs elements with timestamp, windows and pane under spread keys.",
    .config = &reshuffle_row,
    .instance_size = sizeof(reshuffle_state),
    .outputs = {{"out", &kv_varint_bytes}},
    .setup = reify_setup,
    .process = reify_process,
    .teardown = reify_teardown,
};

static beamc_status unreify_setup(beamc_ctx *ctx) {
    reshuffle_windowed(ctx, beamc_output_coder(ctx, 0));
    return BEAMC_OK;
}

static beamc_status unreify_process(beamc_ctx *ctx, const beamc_elem *in) {
    const reshuffle_state *state = beamc_instance(ctx);
    beamc_iter it;
    beamc_iterate(in->kv->value.iterable, &it);
    beamc_value item;
    while (beamc_iter_next(&it, &item)) {
        beamc_slice bytes = item.bytes;
        beamc_value value;
        BEAMC_TRY(beamc_decode(&state->windowed, &bytes, true, beamc_scratch_arena(ctx), &value,
                               beamc_ctx_error(ctx)));
        BEAMC_TRY(beamc__emit_windowed(ctx, 0, value.windowed));
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

const beamc_dofn beamc__unreify_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:reshuffle_unreify:v1",
    .doc = "Unpacks what reshuffle_reify packed.",
    .config = &reshuffle_row,
    .instance_size = sizeof(reshuffle_state),
    .input = &kv_varint_iterable_bytes,
    .outputs = {{"out", NULL}},
    .setup = unreify_setup,
    .process = unreify_process,
};

/* ------------------------------------------------------------------------ CombineGlobally */

static beamc_status empty_group_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_iterable *results;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &results));
    beamc_iter it;
    beamc_iterate(results, &it);
    beamc_value any;
    if (beamc_iter_next(&it, &any)) {
        return BEAMC_OK;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    beamc_value none = {.iterable = beamc_iterable_of(beamc_scratch_arena(ctx), NULL, 0)};
    return beamc_emit(ctx, 0, beamc_kv_of(ctx, beamc_value_bytes((beamc_slice){0}), none));
}

const beamc_dofn beamc__empty_group_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:empty_group:v1",
    .doc = "One empty group if there is no result, for the combiner's default.",
    .input = &beamc_bytes,
    .outputs = {{"out", NULL}},
    .side_inputs = {"results"},
    .process = empty_group_process,
};

const beamc_dofn *const beamc__builtin_fns[] = {
    &beamc__create_fn,  &beamc__with_key_fn,    &beamc__values_fn, &beamc__reify_fn,
    &beamc__unreify_fn, &beamc__empty_group_fn, &beamc__print_fn,  NULL,
};
