/* The pieces of a combine, each as a stage of its own, and what they hand to one another. */
#include <criterion/criterion.h>
#include <stdio.h>

#include <beamc/combine.h>

#include "kit.h"
#include "proto/beam_model/urns.h"

/* A combiner with pointers in its accumulator: all texts in a row. */
typedef struct join_acc {
    beamc_slice text;
    int64_t count;
} join_acc;
static const beamc_field join_fields[] = {
    BEAMC_REQUIRED(join_acc, text, STRING),
    BEAMC_REQUIRED(join_acc, count, I64),
};
static const beamc_row join_row = BEAMC_ROW(join_acc, join_fields);

static beamc_status join_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    join_acc *a = acc;
    a->text = beamc_format(ctx, "%.*s%.*s", BEAMC_SLICE_ARG(a->text), BEAMC_SLICE_ARG(in->bytes));
    a->count++;
    return BEAMC_OK;
}

static beamc_status join_merge(beamc_ctx *ctx, void *acc, const void *other) {
    join_acc *a = acc;
    const join_acc *b = other;
    a->text = beamc_format(ctx, "%.*s%.*s", BEAMC_SLICE_ARG(a->text), BEAMC_SLICE_ARG(b->text));
    a->count += b->count;
    return BEAMC_OK;
}

static beamc_status join_compact(beamc_ctx *ctx, void *acc) {
    join_acc *a = acc;
    a->text = beamc_format(ctx, "<%.*s>", BEAMC_SLICE_ARG(a->text));
    return BEAMC_OK;
}

static beamc_status join_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    const join_acc *a = acc;
    out->bytes = beamc_format(ctx, "%.*s/%lld", BEAMC_SLICE_ARG(a->text), (long long)a->count);
    return BEAMC_OK;
}

static const beamc_combiner join = {
    BEAMC_COMBINER_ABI,       .urn = "test:combiner:join:v1", .input = &beamc_string,
    .accumulator = &join_row, .output = &beamc_string,        .add = join_add,
    .merge = join_merge,      .compact = join_compact,        .extract = join_extract,
};

/* Flat, with create, and fails on demand. */
typedef struct max_acc {
    int64_t max;
} max_acc;
static const beamc_field max_fields[] = {BEAMC_REQUIRED(max_acc, max, I64)};
static const beamc_row max_row = BEAMC_ROW(max_acc, max_fields);

static beamc_status max_create(beamc_ctx *ctx, void *acc) {
    (void)ctx;
    ((max_acc *)acc)->max = INT64_MIN;
    return BEAMC_OK;
}

static beamc_status max_add(beamc_ctx *ctx, void *acc, const beamc_elem *in) {
    max_acc *a = acc;
    if (in->i64 == 666) {
        return beamc_fail(ctx, INTERNAL, "the number of the beast");
    }
    (void)beamc_alloc(ctx, 1000); /* must not pile up */
    a->max = in->i64 > a->max ? in->i64 : a->max;
    return BEAMC_OK;
}

static beamc_status max_merge(beamc_ctx *ctx, void *acc, const void *other) {
    const max_acc *b = other;
    return max_add(ctx, acc, &(beamc_elem){.i64 = b->max});
}

static beamc_status max_extract(beamc_ctx *ctx, const void *acc, beamc_value *out) {
    (void)ctx;
    out->i64 = ((const max_acc *)acc)->max;
    return BEAMC_OK;
}

static const beamc_combiner max_of = {
    BEAMC_COMBINER_ABI,      .urn = "test:combiner:max:v1",
    .input = &beamc_varint,  .accumulator = &max_row,
    .output = &beamc_varint, .flat = true,
    .create = max_create,    .add = max_add,
    .merge = max_merge,      .extract = max_extract,
};

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .combiners = BEAMC_COMBINERS(&join, &max_of)};

static const beamc_coder max_acc_coder = BEAMC_ROW_CODER(&max_row);
static const beamc_coder join_acc_coder = BEAMC_ROW_CODER(&join_row);
static const beamc_coder kv_max_acc = BEAMC_KV(&beamc_string, &max_acc_coder);
static const beamc_coder kv_str_str = BEAMC_KV(&beamc_string, &beamc_string);
static const beamc_coder kv_join_acc = BEAMC_KV(&beamc_string, &join_acc_coder);

static kit *one_piece(const char *urn, const beamc_combiner *fn, const beamc_coder *in,
                      const beamc_coder *out, const char *windowing_of(kit *)) {
    kit *k = kit_new(&program);
    const char *windowing = windowing_of != NULL ? windowing_of(k) : NULL;
    const beamc_coder *w = windowing != NULL ? &beamc_interval_window : &beamc_global_window;
    kit_pcol(k, "in", in, windowing);
    kit_pcol(k, "out", out, windowing);
    kit_source(k, "src", "in", in, w);
    kit_transform(k, "C", urn, kit_combine_payload(k, fn, fn->input), "in=in", "out=out");
    kit_sink(k, "sink", "out", out, w);
    kit_plan(k);
    return k;
}

static beamc_value kv(beamc_kv *pair, const char *key, beamc_value value) {
    pair->key.bytes = beamc_str(key);
    pair->value = value;
    return (beamc_value){.kv = pair};
}

static const char *windows_end(kit *k) {
    return kit_windowing(k, &beamc_fixed(.size_ms = 10), BEAMC_OUTPUT_END_OF_WINDOW);
}
static const char *windows_latest(kit *k) {
    return kit_windowing(k, &beamc_fixed(.size_ms = 10), BEAMC_OUTPUT_LATEST_IN_PANE);
}
static const char *windows_earliest(kit *k) {
    return kit_windowing(k, &beamc_fixed(.size_ms = 10), BEAMC_OUTPUT_EARLIEST_IN_PANE);
}

static void feed_windowed(kit *k) {
    static beamc_kv p[5];
    const beamc_window first = {0, 10}, second = {10, 20};
    const kit_element elements[] = {
        {kv(&p[0], "a", beamc_value_i64(5)), 3, first},
        {kv(&p[1], "b", beamc_value_i64(6)), 4, first},
        {kv(&p[2], "a", beamc_value_i64(7)), 12, second},
        {kv(&p[3], "a", beamc_value_i64(4)), 8, first},
        {kv(&p[4], "a", beamc_value_i64(3)), 2, first},
    };
    kit_feed(k, "src", &beamc_kv_str_i64, &beamc_interval_window, elements, 5);
}

Test(exec_combine, precombine_keys_by_window_and_key) {
    const struct {
        const char *(*windowing)(kit *);
        const char *text;
    } cases[] = {
        {windows_end, "a:{\"max\": 5} @9 [0,10)\nb:{\"max\": 6} @9 [0,10)\n"
                      "a:{\"max\": 7} @19 [10,20)\n"},
        {windows_latest, "a:{\"max\": 5} @8 [0,10)\nb:{\"max\": 6} @4 [0,10)\n"
                         "a:{\"max\": 7} @12 [10,20)\n"},
        {windows_earliest, "a:{\"max\": 5} @2 [0,10)\nb:{\"max\": 6} @4 [0,10)\n"
                           "a:{\"max\": 7} @12 [10,20)\n"},
    };
    for (size_t i = 0; i < 3; i++) {
        kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &max_of,
                           &beamc_kv_str_i64, &kv_max_acc, cases[i].windowing);
        for (int bundle = 0; bundle < 2; bundle++) {
            feed_windowed(k);
            kit_run(k);
            const char *text = kit_text(k, "sink", &kv_max_acc, &beamc_interval_window);
            cr_assert_str_eq(text, cases[i].text, "%s", text);
        }
        kit_free(k);
    }
}

Test(exec_combine, precombine_copies_what_accumulators_point_to) {
    kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &join, &kv_str_str,
                       &kv_join_acc, NULL);
    beamc_kv p[4];
    const kit_element elements[] = {
        {kv(&p[0], "a", (beamc_value)KIT_STR("one ")), 3, kit_global},
        {kv(&p[1], "", (beamc_value)KIT_STR("none")), 4, kit_global},
        {kv(&p[2], "a", (beamc_value)KIT_STR("two ")), 12, kit_global},
        {kv(&p[3], "a", (beamc_value)KIT_STR("three")), 8, kit_global},
    };
    kit_feed(k, "src", &kv_str_str, &beamc_global_window, elements, 4);
    kit_run(k);
    const char *text = kit_text(k, "sink", &kv_join_acc, &beamc_global_window);
    cr_assert(strstr(text, "a:{\"text\": \"<one two three>\", \"count\": 3}") != NULL, "%s", text);
    cr_assert(strstr(text, ":{\"text\": \"<none>\", \"count\": 1}") != NULL, "%s", text);
    kit_free(k);
}

Test(exec_combine, precombine_with_many_keys_gives_up_its_table) {
    kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &max_of,
                       &beamc_kv_str_i64, &kv_max_acc, NULL);
    enum { KEYS = 300000 };
    k->ops.flush_bytes = SIZE_MAX;
    for (int round = 0; round < 3; round++) {
        kit_element *elements = calloc(KEYS / 3, sizeof *elements);
        beamc_kv *pairs = calloc(KEYS / 3, sizeof *pairs);
        char(*names)[16] = calloc(KEYS / 3, sizeof *names);
        for (int i = 0; i < KEYS / 3; i++) {
            snprintf(names[i], sizeof names[i], "k%d", round * (KEYS / 3) + i);
            elements[i] =
                (kit_element){kv(&pairs[i], names[i], beamc_value_i64(2 * i + 1)), 1, kit_global};
        }
        kit_feed(k, "src", &beamc_kv_str_i64, &beamc_global_window, elements, KEYS / 3);
        free(elements);
        free(pairs);
        free(names);
    }
    kit_run(k);
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_ELEMENT_COUNT, "out", NULL), KEYS);
    kit_free(k);
}

Test(exec_combine, precombine_with_structured_keys) {
    static const beamc_coder key = BEAMC_KV(&beamc_string, &beamc_varint);
    static const beamc_coder in = BEAMC_KV(&key, &beamc_varint);
    static const beamc_coder out = BEAMC_KV(&key, &max_acc_coder);
    kit *k =
        one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &max_of, &in, &out, NULL);
    kit_element elements[4];
    beamc_kv keys[4], pairs[4];
    for (int i = 0; i < 4; i++) {
        keys[i] = (beamc_kv){{.bytes = BEAMC_STR("x")}, {.i64 = i % 2}};
        pairs[i] = (beamc_kv){{.kv = &keys[i]}, {.i64 = 10 + i}};
        elements[i] = (kit_element){{.kv = &pairs[i]}, 1, kit_global};
    }
    kit_feed(k, "src", &in, &beamc_global_window, elements, 4);
    kit_run(k);
    const char *text = kit_text(k, "sink", &out, &beamc_global_window);
    cr_assert(strstr(text, "x:0:{\"max\": 12} @") != NULL, "%s", text);
    cr_assert(strstr(text, "x:1:{\"max\": 13} @") != NULL, "%s", text);
    kit_free(k);
}

Test(exec_combine, merge_extract_convert_grouped) {
    static const beamc_coder accs = BEAMC_ITERABLE(&max_acc_coder);
    static const beamc_coder kv_accs = BEAMC_KV(&beamc_string, &accs);
    static const beamc_coder ints = BEAMC_ITERABLE(&beamc_varint);
    static const beamc_coder kv_ints = BEAMC_KV(&beamc_string, &ints);
    beamc_kv p;
    max_acc a[3] = {{4}, {9}, {2}};
    beamc_value rows[3] = {{.row = &a[0]}, {.row = &a[1]}, {.row = &a[2]}};

    kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS, &max_of,
                       &kv_accs, &kv_max_acc, NULL);
    kit_element e = {kv(&p, "k", (beamc_value){.iterable = beamc_iterable_of(k->arena, rows, 3)}),
                     5, kit_global};
    kit_feed(k, "src", &kv_accs, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &kv_max_acc, &beamc_global_window), "k:{\"max\": 9} @5\n");
    kit_free(k);

    k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS, &max_of, &kv_max_acc,
                  &beamc_kv_str_i64, NULL);
    e = (kit_element){kv(&p, "k", rows[1]), 5, kit_global};
    kit_feed(k, "src", &kv_max_acc, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_kv_str_i64, &beamc_global_window), "k:9 @5\n");
    kit_free(k);

    k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, &max_of,
                  &beamc_kv_str_i64, &kv_max_acc, NULL);
    e = (kit_element){kv(&p, "k", beamc_value_i64(-3)), 5, kit_global};
    kit_feed(k, "src", &beamc_kv_str_i64, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &kv_max_acc, &beamc_global_window),
                     "k:{\"max\": -3} @5\n");
    kit_free(k);

    enum { MANY = 20000 };
    beamc_value *many = calloc(MANY, sizeof *many);
    for (int i = 0; i < MANY; i++) {
        many[i].i64 = i == 665 ? 0 : i + 1;
    }
    k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES, &max_of, &kv_ints,
                  &beamc_kv_str_i64, NULL);
    e = (kit_element){
        kv(&p, "k", (beamc_value){.iterable = beamc_iterable_of(k->arena, many, MANY)}), 5,
        kit_global};
    kit_feed(k, "src", &kv_ints, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_kv_str_i64, &beamc_global_window), "k:20000 @5\n");
    kit_free(k);
    free(many);
}

Test(exec_combine, pointerful_accumulators_survive_long_groups) {
    static const beamc_coder strings = BEAMC_ITERABLE(&beamc_string);
    static const beamc_coder in = BEAMC_KV(&beamc_string, &strings);
    enum { MANY = 9000 };
    beamc_value *many = calloc(MANY, sizeof *many);
    for (int i = 0; i < MANY; i++) {
        many[i].bytes = beamc_str(i == MANY - 1 ? "z" : i % 1000 == 0 ? "x" : "");
    }
    kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES, &join, &in, &kv_str_str,
                       NULL);
    beamc_kv p;
    kit_element e = {
        kv(&p, "k", (beamc_value){.iterable = beamc_iterable_of(k->arena, many, MANY)}), 5,
        kit_global};
    kit_feed(k, "src", &in, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &kv_str_str, &beamc_global_window),
                     "k:xxxxxxxxxz/9000 @5\n");
    kit_free(k);
    free(many);
}

Test(exec_combine, a_pardo_whose_function_is_a_combiner) {
    static const beamc_coder ints = BEAMC_ITERABLE(&beamc_varint);
    static const beamc_coder kv_ints = BEAMC_KV(&beamc_string, &ints);
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &kv_ints, NULL);
    kit_pcol(k, "out", &beamc_kv_str_i64, NULL);
    kit_source(k, "src", "in", &kv_ints, &beamc_global_window);
    Pipe__CombinePayload *as_combine;
    beamc_slice payload = kit_combine_payload(k, &max_of, &beamc_varint);
    as_combine = pipe__combine_payload__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    Pipe__ParDoPayload pardo = PIPE__PAR_DO_PAYLOAD__INIT;
    pardo.do_fn = as_combine->combine_fn;
    kit_transform(k, "C", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, &pardo), "in=in", "out=out");
    pipe__combine_payload__free_unpacked(as_combine, NULL);
    kit_sink(k, "sink", "out", &beamc_kv_str_i64, &beamc_global_window);
    kit_plan(k);
    beamc_value v[2] = {{.i64 = 3}, {.i64 = 8}};
    beamc_kv p;
    kit_element e = {kv(&p, "k", (beamc_value){.iterable = beamc_iterable_of(k->arena, v, 2)}), 5,
                     kit_global};
    kit_feed(k, "src", &kv_ints, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_kv_str_i64, &beamc_global_window), "k:8 @5\n");
    kit_free(k);
}

Test(exec_combine, failures) {
    kit *k = one_piece(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &max_of,
                       &beamc_kv_str_i64, &kv_max_acc, NULL);
    beamc_kv p;
    kit_element e = {kv(&p, "k", beamc_value_i64(666)), 5, kit_global};
    kit_feed(k, "src", &beamc_kv_str_i64, &beamc_global_window, &e, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_INTERNAL);
    cr_assert_str_eq(k->err.message, "bundle i1: transform C: element 1: the number of the beast");
    kit_free(k);
}
