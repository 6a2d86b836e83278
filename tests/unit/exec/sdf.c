/* Splittable DoFns: expansion, claims, checkpoints, splits inside of elements, watermarks. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "coder/coder_impl.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

/* ---------------------------------------------------------------------- counts from 0 to n */

static beamc_plan *running;
static beamc_split_request request;
static beamc_split_result result;
static int64_t split_at, defer_at, misbehave;
static beamc_time seen_watermark;

static beamc_status count_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    *(beamc_offset_range *)restriction = (beamc_offset_range){0, in->i64};
    return BEAMC_OK;
}

static beamc_status count_split(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    const beamc_offset_range *r = restriction;
    (void)in;
    for (int64_t at = r->start; at < r->stop; at += 10) {
        beamc_offset_range part = {at, at + 10 < r->stop ? at + 10 : r->stop};
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
    }
    return BEAMC_OK;
}

static beamc_status count_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_offset_range *r = beamc_restriction(ctx);
    (void)in;
    if (misbehave == 1) {
        return BEAMC_OK;
    }
    for (int64_t i = r->start;; i++) {
        if (i == defer_at) {
            return beamc_defer(ctx, 250);
        }
        if (!beamc_try_claim(ctx, misbehave == 2 && i == 3 ? 1 : i)) {
            return BEAMC_OK;
        }
        if (i == split_at) {
            beamc_error err;
            beamc_status status =
                beamc_plan_split(running, &request, beamc_bundle_arena(ctx), &result, &err);
            cr_assert_eq(status, BEAMC_OK, "%s", err.message);
        }
        BEAMC_TRY(beamc_emit_at(ctx, 0, beamc_timestamp(ctx) + i, beamc_value_i64(i)));
        if (misbehave == 3 && i == 3) {
            return BEAMC_OK;
        }
    }
}

static beamc_status count_truncate(beamc_ctx *ctx, const beamc_elem *in, void *restriction,
                                   bool *keep) {
    beamc_offset_range *r = restriction;
    (void)ctx;
    (void)in;
    *keep = r->start < 20;
    r->stop = r->stop > 15 ? 15 : r->stop;
    return BEAMC_OK;
}

static const beamc_splittable count_splittable = {
    .watermark = BEAMC_WATERMARK_MONOTONIC,
    .initial = count_initial,
    .split = count_split,
    .truncate = count_truncate,
};
static const beamc_dofn count_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:count:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &count_splittable,
    .process = count_process,
};

static const beamc_splittable endless_splittable = {.unbounded = true, .initial = count_initial};
static const beamc_dofn endless_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:endless:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &endless_splittable,
    .process = count_process,
};

/* ------------------------------------------------------- a restriction and tracker of its own */

typedef struct letters {
    beamc_slice rest;
} letters;
static const beamc_field letters_fields[] = {BEAMC_REQUIRED(letters, rest, STRING)};
static const beamc_row letters_row = BEAMC_ROW(letters, letters_fields);

typedef struct letters_tracker {
    beamc_slice all;
    size_t claimed; /* how many */
} letters_tracker;

static beamc_status letters_start(beamc_ctx *ctx, void *tracker, const void *restriction) {
    (void)ctx;
    ((letters_tracker *)tracker)->all = ((const letters *)restriction)->rest;
    return BEAMC_OK;
}

static bool letters_claim(void *tracker, const void *position) {
    letters_tracker *t = tracker;
    size_t at = *(const size_t *)position;
    if (at >= t->all.len) {
        t->claimed = t->all.len;
        return false;
    }
    t->claimed = at + 1;
    return true;
}

static bool letters_split(void *tracker, double fraction, void *primary, void *residual) {
    letters_tracker *t = tracker;
    size_t at = t->claimed + (size_t)((double)(t->all.len - t->claimed) * fraction);
    if (at >= t->all.len) {
        return false;
    }
    ((letters *)primary)->rest = beamc_slice_of(t->all.ptr, at);
    ((letters *)residual)->rest = beamc_slice_of(t->all.ptr + at, t->all.len - at);
    t->all.len = at;
    return true;
}

static void letters_progress(const void *tracker, double *done, double *remaining) {
    const letters_tracker *t = tracker;
    *done = (double)t->claimed;
    *remaining = (double)(t->all.len - t->claimed);
}

static beamc_status letters_done(const void *tracker, beamc_error *err) {
    const letters_tracker *t = tracker;
    return t->claimed == t->all.len ? BEAMC_OK
                                    : BEAMC_FAIL(err, FAILED_PRECONDITION, "letters are left");
}

static const beamc_tracker_fn letters_tracker_fn = {.state_size = sizeof(letters_tracker),
                                                    .start = letters_start,
                                                    .try_claim = letters_claim,
                                                    .split = letters_split,
                                                    .progress = letters_progress,
                                                    .check_done = letters_done};

static beamc_status letters_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    ((letters *)restriction)->rest = in->bytes;
    return BEAMC_OK;
}

static double letters_size(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    (void)beamc_format(ctx, "%d", 1); /* has memory, also when another thread asks */
    return (double)((const letters *)restriction)->rest.len;
}

static beamc_status letters_process(beamc_ctx *ctx, const beamc_elem *in) {
    const letters *r = beamc_restriction(ctx);
    (void)in;
    for (size_t i = 0;; i++) {
        if (!beamc_try_claim_position(ctx, &i)) {
            return BEAMC_OK;
        }
        if ((int64_t)i == split_at) {
            beamc_error err;
            cr_assert_eq(
                beamc_plan_split(running, &request, beamc_bundle_arena(ctx), &result, &err),
                BEAMC_OK);
        }
        if ((int64_t)i == defer_at) {
            return beamc_defer(ctx, 0);
        }
        beamc_watermark_set(ctx, (beamc_time)i);
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_bytes(beamc_slice_of(r->rest.ptr + i, 1))));
    }
}

static const beamc_splittable letters_splittable = {.restriction = &letters_row,
                                                    .tracker = &letters_tracker_fn,
                                                    .initial = letters_initial,
                                                    .size = letters_size};
static const beamc_dofn letters_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:letters:v1",
    .input = &beamc_string,
    .outputs = {{"out", &beamc_string}},
    .splittable = &letters_splittable,
    .process = letters_process,
};

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&count_fn, &endless_fn, &letters_fn)};

/* ------------------------------------------------------------------------------------ plans */

static const beamc_coder range_coder = BEAMC_ROW_CODER(&beamc_offset_range_row);
static const beamc_coder letters_coder = BEAMC_ROW_CODER(&letters_row);
static const beamc_coder range_tail = BEAMC_KV(&range_coder, &beamc_varint);
static const beamc_coder letters_tail = BEAMC_KV(&letters_coder, &beamc_varint);
static const beamc_coder range_part = BEAMC_KV(&beamc_varint, &range_tail);
static const beamc_coder letters_part = BEAMC_KV(&beamc_string, &letters_tail);
static const beamc_coder range_sized = BEAMC_KV(&range_part, &beamc_double);
static const beamc_coder letters_sized = BEAMC_KV(&letters_part, &beamc_double);

static void sdf_transform(kit *k, const char *id, const char *urn, const beamc_dofn *fn,
                          const char *inputs, const char *outputs) {
    kit_transform(k, id, urn, kit_pack(k, kit_pardo_payload(k, fn, NULL, fn->input, NULL, NULL)),
                  inputs, outputs);
}

static kit *staged(const char *urn, const beamc_dofn *fn, const beamc_coder *in,
                   const beamc_coder *out) {
    kit *k = kit_new(&program);
    split_at = defer_at = -1;
    misbehave = 0;
    kit_pcol(k, "in", in, NULL);
    kit_pcol(k, "out", out, NULL);
    kit_source(k, "src", "in", in, &beamc_global_window);
    sdf_transform(k, "S", urn, fn, "x=in", "out=out");
    kit_sink(k, "sink", "out", out, &beamc_global_window);
    kit_plan(k);
    running = k->plan;
    request = (beamc_split_request){.port = kit_port(k, "src", NULL), .fraction_of_remainder = 0.5};
    result = (beamc_split_result){0};
    return k;
}

static kit *process_stage(void) {
    return staged(BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, &count_fn,
                  &range_sized, &beamc_varint);
}

static void feed_ranges(kit *k, const beamc_offset_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        beamc_kv tail = {{.row = &ranges[i]}, {.i64 = BEAMC_TIME_MIN}};
        beamc_kv part = {{.i64 = 99}, {.kv = &tail}};
        beamc_kv sized = {{.kv = &part}, {.f64 = 1}};
        kit_element e = {{.kv = &sized}, 1000, kit_global};
        kit_feed(k, "src", &range_sized, &beamc_global_window, &e, 1);
    }
}

static const char *numbers(kit *k) {
    static char text[1024];
    beamc_windowed_value out[200];
    size_t n = kit_output(k, "sink", &beamc_varint, &beamc_global_window, out, 200);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%lld ", (long long)out[i].value.i64);
    }
    return text;
}

static beamc_offset_range range_of(kit *k, const beamc_bundle_root *root, double *size) {
    beamc_coder windowed = {
        BEAMC_CODER_WINDOWED_VALUE, {&range_sized, &beamc_global_window}, NULL, NULL};
    beamc_slice in = root->element;
    beamc_value v;
    cr_assert_eq(beamc_decode(&windowed, &in, true, k->arena, &v, &k->err), BEAMC_OK);
    cr_assert_eq(v.windowed->timestamp, 1000);
    const beamc_kv *part = v.windowed->value.kv->key.kv;
    cr_assert_eq(part->key.i64, 99);
    *size = v.windowed->value.kv->value.f64;
    seen_watermark = part->value.kv->value.i64;
    return *(const beamc_offset_range *)part->value.kv->key.row;
}

/* ------------------------------------------------------------------------------------ tests */

Test(exec_sdf, pair_and_split) {
    kit *k = staged(BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, &count_fn, &beamc_varint,
                    &range_part);
    const kit_element e = {{.i64 = 25}, 5, BEAMC_GLOBAL_WINDOW};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &range_part, &beamc_global_window),
                     "25:{\"start\": 0, \"stop\": 25}:-9223372036854775 @5\n");
    beamc_slice paired =
        beamc_arena_copy(k->arena, beamc_buf_slice(&k->out[kit_port(k, "sink", NULL)]));

    kit *s = staged(BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, &count_fn, &range_part,
                    &range_sized);
    kit_feed_bytes(s, kit_port(s, "src", NULL), paired, false);
    kit_run(s);
    cr_assert_str_eq(kit_text(s, "sink", &range_sized, &beamc_global_window),
                     "25:{\"start\": 0, \"stop\": 10}:-9223372036854775:10 @5\n"
                     "25:{\"start\": 10, \"stop\": 20}:-9223372036854775:10 @5\n"
                     "25:{\"start\": 20, \"stop\": 25}:-9223372036854775:5 @5\n");
    beamc_slice sized =
        beamc_arena_copy(s->arena, beamc_buf_slice(&s->out[kit_port(s, "sink", NULL)]));

    kit *t = staged(BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION, &count_fn, &range_sized,
                    &range_sized);
    kit_feed_bytes(t, kit_port(t, "src", NULL), sized, false);
    kit_run(t);
    cr_assert_str_eq(kit_text(t, "sink", &range_sized, &beamc_global_window),
                     "25:{\"start\": 0, \"stop\": 10}:-9223372036854775:10 @5\n"
                     "25:{\"start\": 10, \"stop\": 15}:-9223372036854775:5 @5\n");
    kit_free(t);

    t = staged(BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION, &endless_fn, &range_sized,
               &range_sized);
    kit_feed_bytes(t, kit_port(t, "src", NULL), sized, false);
    kit_run(t);
    cr_assert_str_eq(kit_text(t, "sink", &range_sized, &beamc_global_window), "");
    kit_free(t);

    kit *p = process_stage();
    kit_feed_bytes(p, kit_port(p, "src", NULL), sized, false);
    kit_run(p);
    cr_assert_str_eq(numbers(p),
                     "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 ");
    kit_free(p);
    kit_free(s);
    kit_free(k);
}

Test(exec_sdf, all_of_it_in_one_stage) {
    kit *k = kit_new(&program);
    split_at = defer_at = -1;
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_pcol(k, "paired", &range_part, NULL);
    kit_pcol(k, "sized", &range_sized, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    sdf_transform(k, "A", BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, &count_fn, "x=in",
                  "o=paired");
    sdf_transform(k, "B", BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, &count_fn,
                  "x=paired", "o=sized");
    sdf_transform(k, "C", BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
                  &count_fn, "x=sized", "out=out");
    kit_sink(k, "sink", "out", &beamc_varint, &beamc_global_window);
    kit_plan(k);
    const kit_element e = {{.i64 = 12}, 5, BEAMC_GLOBAL_WINDOW};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, &e, 1);
    kit_run(k);
    cr_assert_str_eq(numbers(k), "0 1 2 3 4 5 6 7 8 9 10 11 ");
    kit_free(k);
}

Test(exec_sdf, a_deferred_element_comes_back_as_a_residual) {
    kit *k = process_stage();
    double size;
    feed_ranges(k, (beamc_offset_range[]){{0, 10}}, 1);
    defer_at = 4;
    kit_run(k);
    cr_assert_str_eq(numbers(k), "0 1 2 3 ");
    cr_assert_eq(k->result.residual_count, 1);
    const beamc_bundle_root *r = &k->result.residuals[0];
    cr_assert_eq(r->delay_ms, 250);
    cr_assert(beamc_slice_eq(r->transform_id, beamc_str("S")));
    cr_assert(beamc_slice_eq(r->input_id, beamc_str("x")));
    cr_assert_not(r->unbounded);
    cr_assert_eq(r->watermark_count, 1);
    cr_assert(beamc_slice_eq(r->watermarks[0].output, beamc_str("out")));
    cr_assert_eq(r->watermarks[0].watermark, 1003); /* the latest that was emitted */
    beamc_offset_range left = range_of(k, r, &size);
    cr_assert(left.start == 4 && left.stop == 10 && size == 6);
    cr_assert_eq(seen_watermark, 1003);

    /* And is taken up by the next bundle. */
    defer_at = -1;
    kit_feed_bytes(k, kit_port(k, "src", NULL), r->element, false);
    kit_run(k);
    cr_assert_str_eq(numbers(k), "4 5 6 7 8 9 ");
    cr_assert_eq(k->result.residual_count, 0);
    kit_free(k);
}

Test(exec_sdf, deferring_at_the_end_leaves_nothing) {
    kit *k = process_stage();
    feed_ranges(k, (beamc_offset_range[]){{3, 3}, {0, 2}}, 2);
    defer_at = 2;
    kit_run(k); /* [3,3) is empty; of [0,2) all was claimed */
    cr_assert_str_eq(numbers(k), "0 1 ");
    cr_assert_eq(k->result.residual_count, 0);
    kit_free(k);
}

Test(exec_sdf, split_inside_of_an_element) {
    kit *k = process_stage();
    double size;
    feed_ranges(k, (beamc_offset_range[]){{0, 10}, {10, 20}, {20, 30}}, 3);
    split_at = 12; /* in the second */
    request.estimated_elements = 2;
    kit_run(k);
    /* 2 of 10 done: 8 remain; half of that: at 12 + 4. */
    cr_assert(result.split && result.has_roots);
    cr_assert_eq(result.last_primary, 0);
    cr_assert_eq(result.first_residual, 2);
    beamc_offset_range first = range_of(k, &result.primary, &size);
    cr_assert(first.start == 10 && first.stop == 16 && size == 6, "[%lld, %lld)",
              (long long)first.start, (long long)first.stop);
    beamc_offset_range second = range_of(k, &result.residual, &size);
    cr_assert(second.start == 16 && second.stop == 20 && size == 4);
    cr_assert_eq(result.residual.watermark_count, 1);
    cr_assert_eq(result.residual.watermarks[0].watermark, 1011);
    cr_assert_str_eq(numbers(k), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 ");
    kit_free(k);
}

Test(exec_sdf, split_behind_the_element) {
    kit *k = process_stage();
    feed_ranges(k, (beamc_offset_range[]){{0, 10}, {10, 20}, {20, 30}, {30, 40}}, 4);
    split_at = 5;
    request.estimated_elements = 4;
    kit_run(k);
    /* Half of 3.5 elements are kept: all of this and one more. */
    cr_assert(result.split && !result.has_roots);
    cr_assert_eq(result.first_residual, 2);
    cr_assert_eq(strlen(numbers(k)), 2 * 10 + 3 * 10);
    kit_free(k);
}

Test(exec_sdf, an_element_at_its_end_is_not_split) {
    kit *k = process_stage();
    feed_ranges(k, (beamc_offset_range[]){{0, 10}}, 1);
    split_at = 9;
    request.estimated_elements = 1;
    kit_run(k);
    /* But what may come behind it is: nobody knows that it is the last. */
    cr_assert(result.split && !result.has_roots);
    cr_assert_eq(result.first_residual, 1);
    cr_assert_str_eq(numbers(k), "0 1 2 3 4 5 6 7 8 9 ");
    kit_free(k);
}

Test(exec_sdf, an_endless_range_is_split) {
    kit *k = process_stage();
    double size;
    feed_ranges(k, (beamc_offset_range[]){{0, INT64_MAX}}, 1);
    split_at = 3;
    request.estimated_elements = 1;
    request.fraction_of_remainder = 0;
    kit_run(k);
    cr_assert(result.split && result.has_roots);
    beamc_offset_range second = range_of(k, &result.residual, &size);
    cr_assert(second.start == 4 && second.stop == INT64_MAX);
    cr_assert_str_eq(numbers(k), "0 1 2 3 ");
    kit_free(k);
}

Test(exec_sdf, wrong_claims_fail_the_bundle) {
    const struct {
        int64_t misbehave;
        const char *text;
    } cases[] = {
        {1, "transform S: element 1: process returned without claiming anything of [0, 10)"},
        {2, "offset 1 was claimed, which lies before the start or an earlier claim"},
        {3, "process returned after claiming 3, but its range goes to 10"},
    };
    for (size_t i = 0; i < 3; i++) {
        kit *k = process_stage();
        feed_ranges(k, (beamc_offset_range[]){{0, 10}}, 1);
        misbehave = cases[i].misbehave;
        cr_assert_eq(kit_try_run(k), BEAMC_FAILED_PRECONDITION);
        cr_assert(strstr(k->err.message, cases[i].text) != NULL, "%s", k->err.message);
        kit_free(k);
    }
}

Test(exec_sdf, a_tracker_of_the_users_own) {
    kit *k = staged(BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, &letters_fn, &beamc_string,
                    &letters_part);
    const kit_element e = {KIT_STR("abcdefgh"), 5, BEAMC_GLOBAL_WINDOW};
    kit_feed(k, "src", &beamc_string, &beamc_global_window, &e, 1);
    kit_run(k);
    kit *s = staged(BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, &letters_fn, &letters_part,
                    &letters_sized);
    kit_feed_bytes(s, kit_port(s, "src", NULL), beamc_buf_slice(&k->out[kit_port(k, "sink", NULL)]),
                   false);
    kit_run(s);
    cr_assert_str_eq(kit_text(s, "sink", &letters_sized, &beamc_global_window),
                     "abcdefgh:{\"rest\": \"abcdefgh\"}:-9223372036854775:8 @5\n");
    kit *p = staged(BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS, &letters_fn,
                    &letters_sized, &beamc_string);
    kit_feed_bytes(p, kit_port(p, "src", NULL), beamc_buf_slice(&s->out[kit_port(s, "sink", NULL)]),
                   false);
    split_at = 1;
    defer_at = 3;
    request.estimated_elements = 1;
    kit_run(p);
    /* 2 of 8 claimed: cut behind 2 + 3; then deferred in front of the fifth letter... */
    cr_assert(result.split && result.has_roots);
    cr_assert_str_eq(kit_text(p, "sink", &beamc_string, &beamc_global_window),
                     "a @5\nb @5\nc @5\n");
    cr_assert_eq(p->result.residual_count, 1);
    beamc_coder windowed = {
        BEAMC_CODER_WINDOWED_VALUE, {&letters_sized, &beamc_global_window}, NULL, NULL};
    const beamc_slice elements[] = {result.primary.element, result.residual.element,
                                    p->result.residuals[0].element};
    const char *const rests[] = {"abcde", "fgh", "e"};
    for (size_t i = 0; i < 3; i++) {
        beamc_slice in = elements[i];
        beamc_value v;
        cr_assert_eq(beamc_decode(&windowed, &in, true, p->arena, &v, &p->err), BEAMC_OK);
        const letters *l = v.windowed->value.kv->key.kv->value.kv->key.row;
        cr_assert(beamc_slice_eq(l->rest, beamc_str(rests[i])), "%zu: %.*s", i,
                  BEAMC_SLICE_ARG(l->rest));
    }
    cr_assert_eq(p->result.residuals[0].watermarks[0].watermark, 2);
    kit_free(p);
    kit_free(s);
    kit_free(k);
}

Test(exec_sdf, plain_pardo_of_a_splittable_fn_is_refused) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "P", &count_fn, "in=in", "out=out");
    cr_assert_eq(kit_try_plan(k), BEAMC_UNIMPLEMENTED);
    cr_assert(strstr(k->err.message, "transform P: ") != NULL, "%s", k->err.message);
    kit_free(k);
}
