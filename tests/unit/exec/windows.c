/* Window functions as services to a runner, to_string, and functions that use different structs for
 * rows of one schema. */
#include <criterion/criterion.h>

#include "graph/pb.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

static const beamc_coder kv_window = BEAMC_KV(&beamc_string, &beamc_interval_window);
static const beamc_coder windows = BEAMC_ITERABLE(&beamc_interval_window);
static const beamc_coder kv_windows = BEAMC_KV(&beamc_string, &windows);
static const beamc_coder group = BEAMC_KV(&beamc_interval_window, &windows);
static const beamc_coder groups = BEAMC_ITERABLE(&group);
static const beamc_coder merged = BEAMC_KV(&windows, &groups);
static const beamc_coder kv_merged = BEAMC_KV(&beamc_string, &merged);

/* The FunctionSpec inside of a WindowIntoPayload, which is how these transforms take it. */
static beamc_slice window_fn_payload(kit *k, const beamc_window_fn *fn) {
    beamc_slice payload = kit_window_into_payload(k, fn);
    Pipe__WindowIntoPayload *p =
        pipe__window_into_payload__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    beamc_slice spec = kit_pack(k, p->window_fn);
    pipe__window_into_payload__free_unpacked(p, NULL);
    return spec;
}

static kit *service(const char *urn, beamc_slice payload(kit *, const beamc_window_fn *),
                    const beamc_window_fn *fn, const beamc_coder *in, const beamc_coder *out) {
    kit *k = kit_new(NULL);
    kit_pcol(k, "in", in, NULL);
    kit_pcol(k, "out", out, NULL);
    kit_source(k, "src", "in", in, &beamc_global_window);
    kit_transform(k, "T", urn, fn != NULL ? payload(k, fn) : (beamc_slice){0}, "x=in", "o=out");
    kit_sink(k, "sink", "out", out, &beamc_global_window);
    kit_plan(k);
    return k;
}

static void feed_nonce(kit *k, const beamc_coder *in, beamc_value value) {
    beamc_kv kv = {{.bytes = BEAMC_STR("n")}, value};
    kit_element e = {{.kv = &kv}, 0, kit_global};
    kit_feed(k, "src", in, &beamc_global_window, &e, 1);
}

#define SAYS(text, wanted)                                                                         \
    do {                                                                                           \
        const char *said_ = (text);                                                                \
        cr_assert_str_eq(said_, (wanted), "%s", said_);                                            \
    } while (0)

Test(exec_windows, a_main_window_maps_to_the_side_window_of_its_last_instant) {
    const struct {
        beamc_window_fn fn;
        beamc_window from;
        const char *to;
    } cases[] = {
        {beamc_fixed(.size_ms = 60), {0, 10}, "n:[0,60) @0\n"},
        {beamc_fixed(.size_ms = 60), {55, 65}, "n:[60,120) @0\n"},
        {beamc_fixed(.size_ms = 5, .offset_ms = 2), {0, 10}, "n:[7,12) @0\n"},
        /* The earliest of the sliding windows that hold it. */
        {beamc_sliding(.size_ms = 30, .period_ms = 10), {0, 10}, "n:[-20,10) @0\n"},
        {beamc_sliding(.size_ms = 30, .period_ms = 10), {35, 42}, "n:[20,50) @0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kit *k = service(BEAMC_URN_PRIMITIVE_MAP_WINDOWS, window_fn_payload, &cases[i].fn,
                         &kv_window, &kv_window);
        feed_nonce(k, &kv_window, (beamc_value){.window = &cases[i].from});
        kit_run(k);
        SAYS(kit_text(k, "sink", &kv_window, &beamc_global_window), cases[i].to);
        kit_free(k);
    }
}

Test(exec_windows, overlapping_sessions_merge) {
    const beamc_window_fn sessions = beamc_sessions(.gap_ms = 10);
    kit *k = service(BEAMC_URN_PRIMITIVE_MERGE_WINDOWS, window_fn_payload, &sessions, &kv_windows,
                     &kv_merged);
    const beamc_window w[] = {{50, 60}, {0, 10}, {5, 15}, {100, 110}, {55, 70}, {12, 22}, {22, 30}};
    beamc_value values[7];
    for (size_t i = 0; i < 7; i++) {
        values[i].window = &w[i];
    }
    feed_nonce(k, &kv_windows, (beamc_value){.iterable = beamc_iterable_of(k->arena, values, 7)});
    feed_nonce(k, &kv_windows, (beamc_value){.iterable = beamc_iterable_of(k->arena, values, 0)});
    kit_run(k);
    SAYS(kit_text(k, "sink", &kv_merged, &beamc_global_window),
         "n:{ [22,30) [100,110) }:{ [0,22):{ [0,10) [5,15) [12,22) } [50,70):{ [50,60) [55,70) } } "
         "@0\n"
         "n:{ }:{ } @0\n");
    kit_free(k);
}

Test(exec_windows, other_windows_never_merge) {
    const beamc_window_fn fixed = beamc_fixed(.size_ms = 10);
    kit *k = service(BEAMC_URN_PRIMITIVE_MERGE_WINDOWS, window_fn_payload, &fixed, &kv_windows,
                     &kv_merged);
    const beamc_window w[] = {{0, 10}, {0, 10}, {10, 20}};
    beamc_value values[3] = {{.window = &w[0]}, {.window = &w[1]}, {.window = &w[2]}};
    feed_nonce(k, &kv_windows, (beamc_value){.iterable = beamc_iterable_of(k->arena, values, 3)});
    kit_run(k);
    SAYS(kit_text(k, "sink", &kv_merged, &beamc_global_window),
         "n:{ [0,10) [0,10) [10,20) }:{ } @0\n");
    kit_free(k);
}

Test(exec_windows, to_string_shows_any_value) {
    static const beamc_coder maybe = BEAMC_NULLABLE(&beamc_double);
    static const beamc_coder list = BEAMC_ITERABLE(&maybe);
    static const beamc_coder range = BEAMC_ROW_CODER(&beamc_offset_range_row);
    static const beamc_coder pair = BEAMC_KV(&list, &range);
    static const beamc_coder in = BEAMC_KV(&beamc_string, &pair);
    static const beamc_coder out = BEAMC_KV(&beamc_string, &beamc_string);
    kit *k = service(BEAMC_URN_PRIMITIVE_TO_STRING, NULL, NULL, &in, &out);
    beamc_value half = {.f64 = 0.5};
    beamc_value items[2] = {{.nullable = &half}, {.nullable = NULL}};
    beamc_offset_range r = {3, 4};
    beamc_kv kv = {{.iterable = beamc_iterable_of(k->arena, items, 2)}, {.row = &r}};
    feed_nonce(k, &in, (beamc_value){.kv = &kv});
    kit_run(k);
    SAYS(kit_text(k, "sink", &out, &beamc_global_window),
         "n:([0.5, null], {\"start\": 3, \"stop\": 4}) @0\n");
    kit_free(k);
}

Test(exec_windows, services_want_what_they_serve) {
    const beamc_window_fn fixed = beamc_fixed(.size_ms = 10);
    const char *const urns[] = {BEAMC_URN_PRIMITIVE_MAP_WINDOWS, BEAMC_URN_PRIMITIVE_MERGE_WINDOWS,
                                BEAMC_URN_PRIMITIVE_TO_STRING};
    const beamc_coder *const wrong[] = {&beamc_kv_str_i64, &kv_window, &beamc_string};
    for (size_t i = 0; i < 3; i++) {
        kit *k = kit_new(NULL);
        kit_pcol(k, "in", wrong[i], NULL);
        kit_pcol(k, "out", wrong[i], NULL);
        kit_source(k, "src", "in", wrong[i], &beamc_global_window);
        kit_transform(k, "T", urns[i], window_fn_payload(k, &fixed), "x=in", "o=out");
        cr_assert_eq(kit_try_plan(k), BEAMC_INVALID_ARGUMENT);
        cr_assert(strstr(k->err.message, "transform T: ") != NULL, "%s", k->err.message);
        kit_free(k);
    }
}

/* -------------------------------------------------------------- one schema, different structs */

typedef struct point {
    int64_t x;
    beamc_slice name;
} point;
typedef struct reversed {
    beamc_slice name;
    int64_t padding;
    int64_t x;
} reversed;
static const beamc_field point_fields[] = {BEAMC_REQUIRED(point, x, I64),
                                           BEAMC_REQUIRED(point, name, STRING)};
static const beamc_field reversed_fields[] = {BEAMC_REQUIRED(reversed, x, I64),
                                              BEAMC_REQUIRED(reversed, name, STRING)};
static const beamc_row point_row = BEAMC_ROW(point, point_fields);
static const beamc_row reversed_row = BEAMC_ROW(reversed, reversed_fields);
static const beamc_coder point_coder = BEAMC_ROW_CODER(&point_row);
static const beamc_coder reversed_coder = BEAMC_ROW_CODER(&reversed_row);

static beamc_status make_point(beamc_ctx *ctx, const beamc_elem *in) {
    point *p = beamc_new(ctx, point);
    p->x = in->i64;
    p->name = beamc_format(ctx, "p%lld", (long long)in->i64);
    return beamc_emit(ctx, 0, beamc_value_row(p));
}

static beamc_status show_reversed(beamc_ctx *ctx, const beamc_elem *in) {
    const reversed *r = in->row;
    return beamc_emit(ctx, 0,
                      beamc_value_bytes(beamc_format(ctx, "%.*s at %lld", BEAMC_SLICE_ARG(r->name),
                                                     (long long)r->x)));
}

static const beamc_dofn make_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:make_point:v1",
    .input = &beamc_varint, .outputs = {{"out", &point_coder}},
    .process = make_point,
};
static const beamc_dofn show_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:dofn:show_reversed:v1",
    .input = &reversed_coder, .outputs = {{"out", &beamc_string}},
    .process = show_reversed,
};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&make_fn, &show_fn)};

Test(exec_windows, rows_are_laid_out_anew_between_functions_that_differ) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_pcol(k, "points", &point_coder, NULL);
    kit_pcol(k, "out", &beamc_string, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "Make", &make_fn, "x=in", "out=points");
    kit_pardo(k, "Show", &show_fn, "x=points", "out=out");
    kit_sink(k, "sink", "out", &beamc_string, &beamc_global_window);
    kit_sink(k, "points_sink", "points", &point_coder, &beamc_global_window);
    kit_plan(k);
    const kit_element elements[] = {{{.i64 = 4}, 0, BEAMC_GLOBAL_WINDOW},
                                    {{.i64 = -9}, 0, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, elements, 2);
    kit_run(k);
    SAYS(kit_text(k, "sink", &beamc_string, &beamc_global_window), "p4 at 4 @0\np-9 at -9 @0\n");
    SAYS(kit_text(k, "points_sink", &point_coder, &beamc_global_window),
         "{\"x\": 4, \"name\": \"p4\"} @0\n{\"x\": -9, \"name\": \"p-9\"} @0\n");
    kit_free(k);
}

Test(exec_windows, a_source_decodes_into_the_struct_of_its_consumer) {
    kit *k = kit_new(&program);
    kit_pcol(k, "points", &point_coder, NULL);
    kit_pcol(k, "out", &beamc_string, NULL);
    kit_source(k, "src", "points", &point_coder, &beamc_global_window);
    kit_pardo(k, "Show", &show_fn, "x=points", "out=out");
    kit_sink(k, "sink", "out", &beamc_string, &beamc_global_window);
    kit_plan(k);
    point p = {7, BEAMC_STR("seven")};
    kit_element e = {{.row = &p}, 0, kit_global};
    kit_feed(k, "src", &point_coder, &beamc_global_window, &e, 1);
    kit_run(k);
    SAYS(kit_text(k, "sink", &beamc_string, &beamc_global_window), "seven at 7 @0\n");
    kit_free(k);
}
