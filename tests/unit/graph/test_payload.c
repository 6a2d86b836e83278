/* Step payloads: what the builder writes, a worker reads; what does not fit is refused by name. */
#include <criterion/criterion.h>

#include <stdio.h>

#include <beamc/pipeline.h>

#include "graph/builtin_fns.h"
#include "graph/payload.h"

typedef struct config {
    beamc_slice text;
    int64_t number;
} config;

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(config, text, STRING, "abc", "A text."),
    BEAMC_CONFIG(config, number, I64, "42", "A number."),
};
static const beamc_row config_row = BEAMC_ROW(config, config_fields);
static const beamc_row shorter_row = {"config", sizeof(config), 1, config_fields, 0, 0};

static beamc_status nothing(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    (void)in;
    return BEAMC_OK;
}

static const beamc_dofn fn = {
    BEAMC_DOFN_ABI,        .urn = "test:dofn:payload:v1",
    .config = &config_row, .outputs = {{"good", &beamc_string}, {"any", NULL}},
    .process = nothing,
};

static beamc_slice encode(const void *c, beamc_buf *out) {
    const beamc_coder *outputs[] = {&beamc_string, &beamc_kv_str_i64};
    beamc_error err = {0};
    cr_assert_eq(beamc__payload_encode_dofn(&fn, c, &beamc_varint, outputs, out, &err), BEAMC_OK,
                 "%s", err.message);
    return beamc_buf_slice(out);
}

Test(graph_payload, there_and_back) {
    beamc_buf bytes = {0};
    config given = {BEAMC_STR("xyz"), -7};
    beamc_slice payload = encode(&given, &bytes);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    beamc_error err = {0};
    cr_assert_eq(beamc__payload_decode_dofn(&fn, payload, NULL, arena, &got, &err), BEAMC_OK, "%s",
                 err.message);
    memset(bytes.ptr, 0xee, bytes.len); /* nothing may point into it */
    const config *c = got.config;
    cr_assert(beamc_slice_eq(c->text, given.text));
    cr_assert_eq(c->number, -7);
    cr_assert(beamc_coder_equal(got.input, &beamc_varint));
    cr_assert_eq(got.output_count, 2);
    cr_assert_eq(got.outputs[0], &beamc_string);
    cr_assert(beamc_coder_equal(got.outputs[1], &beamc_kv_str_i64));
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

Test(graph_payload, no_config_means_defaults) {
    beamc_buf bytes = {0};
    beamc_slice payload = encode(NULL, &bytes);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    cr_assert_eq(beamc__payload_decode_dofn(&fn, payload, NULL, arena, &got, NULL), BEAMC_OK);
    const config *c = got.config;
    cr_assert(beamc_slice_eq(c->text, beamc_str("abc")));
    cr_assert_eq(c->number, 42);
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

Test(graph_payload, another_table_is_refused) {
    beamc_buf bytes = {0};
    beamc_slice payload = encode(NULL, &bytes);
    beamc_dofn other = fn;
    other.config = &shorter_row;
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    beamc_error err = {0};
    cr_assert_eq(beamc__payload_decode_dofn(&other, payload, NULL, arena, &got, &err),
                 BEAMC_FAILED_PRECONDITION);
    char want[64];
    snprintf(want, sizeof want, "%016llx", (unsigned long long)beamc_row_fingerprint(&config_row));
    cr_assert(strstr(err.message, want), "%s", err.message);
    snprintf(want, sizeof want, "%016llx", (unsigned long long)beamc_row_fingerprint(&shorter_row));
    cr_assert(strstr(err.message, want), "%s", err.message);
    cr_assert(strstr(err.message, "test:dofn:payload:v1"), "%s", err.message);
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

Test(graph_payload, other_outputs_are_refused) {
    beamc_buf bytes = {0};
    beamc_slice payload = encode(NULL, &bytes);
    beamc_dofn other = fn;
    other.outputs[1].name = "renamed";
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    beamc_error err = {0};
    cr_assert_eq(beamc__payload_decode_dofn(&other, payload, NULL, arena, &got, &err),
                 BEAMC_FAILED_PRECONDITION);
    cr_assert(strstr(err.message, "output"), "%s", err.message);
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

Test(graph_payload, damaged_bytes_are_refused) {
    beamc_buf bytes = {0};
    beamc_slice payload = encode(NULL, &bytes);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    size_t accepted =
        0; /* a cut may leave a whole message that says less, never a shorter config */
    for (size_t i = 0; i < payload.len; i++) {
        beamc_status st = beamc__payload_decode_dofn(&fn, beamc_slice_of(payload.ptr, i), NULL,
                                                     arena, &got, NULL);
        accepted += st == BEAMC_OK;
    }
    cr_assert_leq(accepted, 1);
    for (size_t i = 0; i < payload.len; i++) {
        bytes.ptr[i] ^= 0x55; /* anything but a crash */
        beamc_status st = beamc__payload_decode_dofn(&fn, payload, NULL, arena, &got, NULL);
        cr_assert_leq((int)st, BEAMC_UNAUTHENTICATED);
        bytes.ptr[i] ^= 0x55;
    }
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

Test(graph_payload, combiners) {
    beamc_buf bytes = {0};
    beamc_sum_config given = {BEAMC_STR("space"), BEAMC_STR("over")};
    cr_assert_eq(
        beamc__payload_encode_combiner(&beamc_sum_i64, &given, &beamc_varint, &bytes, NULL),
        BEAMC_OK);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    cr_assert_eq(beamc__payload_decode_combiner(&beamc_sum_i64, beamc_buf_slice(&bytes), NULL,
                                                arena, &got, NULL),
                 BEAMC_OK);
    const beamc_sum_config *c = got.config;
    cr_assert(beamc_slice_eq(c->metric_namespace, given.metric_namespace));
    cr_assert(beamc_slice_eq(c->overflow_counter, given.overflow_counter));
    beamc_buf_clear(&bytes);
    cr_assert_eq(beamc__payload_encode_combiner(&beamc_count, NULL, &beamc_bytes, &bytes, NULL),
                 BEAMC_OK);
    cr_assert_eq(beamc__payload_decode_combiner(&beamc_count, beamc_buf_slice(&bytes), NULL, arena,
                                                &got, NULL),
                 BEAMC_OK);
    cr_assert(beamc_coder_equal(got.input, &beamc_bytes));
    cr_assert_null(got.config);
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}

static const beamc_row *find_row(void *arg, uint64_t fingerprint) {
    const beamc_row *row = arg;
    return beamc_row_fingerprint(row) == fingerprint ? row : NULL;
}

Test(graph_payload, rows_find_the_program_s_struct) {
    beamc_coder row = BEAMC_ROW_CODER(&config_row);
    const beamc_coder *outputs[] = {&row};
    beamc_buf bytes = {0};
    cr_assert_eq(
        beamc__payload_encode_dofn(&beamc__create_fn, NULL, &beamc_bytes, outputs, &bytes, NULL),
        BEAMC_OK);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload got;
    beamc_row_finder rows = {find_row, (void *)(uintptr_t)&config_row};
    cr_assert_eq(beamc__payload_decode_dofn(&beamc__create_fn, beamc_buf_slice(&bytes), &rows,
                                            arena, &got, NULL),
                 BEAMC_OK);
    cr_assert_eq(got.outputs[0]->row->fields, config_fields);
    cr_assert_eq(got.outputs[0]->row->size, sizeof(config));
    beamc_arena_free(arena);
    beamc_buf_free(&bytes);
}
