/* long_line.c: a line over 64 MiB is one dead letter, made from its first part and its size. */
#include <beamc/ecommerce.h>

#include "dead_letter.h"

typedef struct instance {
    beamc_slice event_type;
    beamc_metric *received, *invalid, *kind;
} instance;

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_long_line_config, event_type, STRING, "", "click, transaction or stock"),
    BEAMC_CONFIG(beamc_long_line_config, metrics_namespace, STRING, "ecommerce_pipeline",
                 "of the counters"),
};
static const beamc_row config_row = BEAMC_ROW(beamc_long_line_config, config_fields);

static beamc_status setup(beamc_ctx *ctx) {
    const beamc_long_line_config *config = beamc_config(ctx);
    instance *me = beamc_instance(ctx);
    beamc_arena *arena = beamc_instance_arena(ctx);
    const char *type = beamc_arena_cstr(arena, config->event_type);
    const char *space = beamc_arena_cstr(arena, config->metrics_namespace);
    me->event_type = beamc_str(type);
    me->received = beamc_counter(ctx, space, beamc_arena_printf(arena, "%s_received", type));
    me->invalid = beamc_counter(ctx, space, beamc_arena_printf(arena, "%s_invalid", type));
    me->kind = beamc_counter(ctx, BEAMC_DEAD_LETTER_NAMESPACE,
                             beamc_arena_printf(arena, "%s: line is over 64 MiB", type));
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    instance *me = beamc_instance(ctx);
    beamc_counter_add(me->received, 1);
    beamc_counter_add(me->invalid, 1);
    beamc_counter_add(me->kind, 1);
    uint64_t size = (uint64_t)in->kv->value.i64;
    beamc_slice error =
        beamc_format(ctx, "line is over 64 MiB (%llu bytes)", (unsigned long long)size);
    beamc_dead_letter *letter = beamc_new(ctx, beamc_dead_letter);
    beamc__dead_letter_fill(ctx, me->event_type, error, in->kv->key.bytes, size, letter);
    return beamc_emit(ctx, 0, beamc_value_row(letter));
}

static const beamc_coder long_line_coder = BEAMC_KV(&beamc_bytes, &beamc_varint);
static const beamc_coder dead_letter_coder = BEAMC_ROW_CODER(&beamc_dead_letter_row);

const beamc_dofn beamc_long_line = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:long_line:v1",
    .doc = "A line over 64 MiB becomes a dead letter with its first part.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &long_line_coder,
    .outputs[0] = {"invalid", &dead_letter_coder},
    .setup = setup,
    .process = process,
};
