/* Where a stream of elements is cut: vectors worked out by hand from the rules of
 * ProcessBundleSplitRequest.DesiredSplit, and cuts of running bundles. */
#include <criterion/criterion.h>

#include "kit.h"
#include "proto/beam_model/urns.h"
#include "worker/exec/source.h"

typedef struct vector {
    int64_t index, stop;
    double progress, fraction;
    int64_t estimate;
    const int64_t *allowed;
    size_t allowed_count;
    bool in_element;
    double element_fraction;
    int64_t new_stop; /* -1: none */
} vector;

#define ALLOW(...)                                                                                 \
    (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)
#define ANY NULL, 0

/* Nothing begun: index -1, progress 1. Of 16 elements, fraction f keeps 16 f. */
static const vector vectors[] = {
    {-1, 16, 1.0, 0.0, 16, ANY, false, 0, 0},
    {-1, 16, 1.0, 0.24, 16, ANY, false, 0, 4},
    {-1, 16, 1.0, 0.25, 16, ANY, false, 0, 4},
    {-1, 16, 1.0, 0.26, 16, ANY, false, 0, 4},
    {-1, 16, 1.0, 0.5, 16, ANY, false, 0, 8},
    {-1, 16, 1.0, 1.0, 16, ANY, false, 0, -1},
    /* The first element of 16 is half done: 15.5 remain. */
    {0, 16, 0.5, 0.0, 16, ANY, true, 0, 1},
    {0, 16, 0.5, 0.02, 16, ANY, true, 0.62, 1},
    {0, 16, 0.5, 0.5, 16, ANY, false, 0, 8},
    /* Index 2, 13.5 remain. */
    {2, 16, 0.5, 0.2, 16, ANY, false, 0, 5},
    /* The last one: only inside of it. */
    {15, 16, 0.5, 0.5, 16, ANY, true, 0.5, -1},
    {15, 16, 0.9, 0.5, 16, ANY, true, 0.5, -1},
    /* The estimate is too small, or beyond the stop of an earlier split. */
    {5, INT64_MAX, 0.5, 0.5, 0, ANY, true, 0.5, 6},
    {5, INT64_MAX, 0.5, 0.5, 3, ANY, true, 0.5, 6},
    {0, 4, 0.5, 0.5, 1000, ANY, false, 0, 2},
    /* Fractions outside of [0, 1]. */
    {0, 16, 0.5, -3, 16, ANY, true, 0, 1},
    {0, 16, 0.5, 7, 16, ANY, false, 0, -1},
    /* Allowed points. An element may be cut only if both of its ends are allowed. */
    {2, 16, 0.5, 0.0, 16, ALLOW(2, 3, 4), true, 0, 3},
    {2, 16, 0.5, 0.0, 16, ALLOW(3, 4), false, 0, 3},
    {2, 16, 0.5, 0.0, 16, ALLOW(2, 4), false, 0, 4},
    {0, 16, 0.0, 0.5, 16, ALLOW(4, 12), false, 0, 12},
    {0, 16, 0.0, 0.4, 16, ALLOW(4, 12), false, 0, 4},
    {0, 16, 0.0, 0.9, 16, ALLOW(4, 12), false, 0, 12},
    {0, 16, 0.0, 0.1, 16, ALLOW(12, 4), false, 0, 4},
    /* All allowed points are behind us, or beyond the stop. */
    {5, 16, 0.0, 0.5, 16, ALLOW(1, 2), false, 0, -1},
    {5, 8, 0.0, 0.5, 8, ALLOW(20), false, 0, -1},
    /* The nearer one lies behind us: take the other. */
    {5, 100, 0.5, 0.0, 100, ALLOW(5, 40), false, 0, 40},
};

Test(exec_split, vectors) {
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const vector *v = &vectors[i];
        beamc_split_plan p = beamc__split_choose(v->index, v->stop, v->progress, v->fraction,
                                                 v->estimate, v->allowed, v->allowed_count);
        cr_assert_eq(p.in_element, v->in_element, "vector %zu", i);
        cr_assert_float_eq(p.element_fraction, v->element_fraction, 1e-9, "vector %zu: %f", i,
                           p.element_fraction);
        cr_assert_eq(p.stop, v->new_stop, "vector %zu: %lld", i, (long long)p.stop);
    }
}

/* ------------------------------------------------------------------------- a running bundle */

static beamc_plan *running;
static beamc_split_request request;
static beamc_split_result result;
static int64_t split_at_element;
static int64_t seen;

static beamc_status watch(beamc_ctx *ctx, const beamc_elem *in) {
    if (seen++ == split_at_element) {
        beamc_error err;
        beamc_status status =
            beamc_plan_split(running, &request, beamc_bundle_arena(ctx), &result, &err);
        cr_assert_eq(status, BEAMC_OK, "%s", err.message);
    }
    return beamc_emit(ctx, 0, *in);
}

static const beamc_dofn watch_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:watch:v1",
    .input = &beamc_varint, .outputs = {{"out", &beamc_varint}},
    .process = watch,
};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&watch_fn)};

static kit *watched(size_t blocks, size_t per_block) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "Watch", &watch_fn, "in=in", "out=out");
    kit_sink(k, "sink", "out", &beamc_varint, &beamc_global_window);
    kit_plan(k);
    kit_element *elements = calloc(per_block, sizeof *elements);
    for (size_t b = 0; b < blocks; b++) {
        for (size_t i = 0; i < per_block; i++) {
            elements[i] = (kit_element){{.i64 = (int64_t)(b * per_block + i)}, 0, kit_global};
        }
        kit_feed(k, "src", &beamc_varint, &beamc_global_window, elements, per_block);
    }
    free(elements);
    running = k->plan;
    seen = 0;
    request = (beamc_split_request){.port = kit_port(k, "src", NULL),
                                    .fraction_of_remainder = 0.5,
                                    .estimated_elements = (int64_t)(blocks * per_block)};
    result = (beamc_split_result){0};
    return k;
}

Test(exec_split, the_rest_of_a_split_stream_is_skipped) {
    kit *k = watched(4, 5);
    split_at_element = 3;
    kit_run(k);
    /* index 3, half done: 16.5 remain, 8.25 are kept: up to 3 + round(8.75) = 12. */
    cr_assert(result.split && !result.has_roots);
    cr_assert_eq(result.last_primary, 11);
    cr_assert_eq(result.first_residual, 12);
    cr_assert_eq(seen, 12);
    cr_assert_eq(beamc_plan_read_index(k->plan, request.port), 11);
    kit_free(k);
}

Test(exec_split, splits_never_move_forward_again) {
    kit *k = watched(4, 5);
    split_at_element = 3;
    request.fraction_of_remainder = 0;
    kit_run(k);
    cr_assert_eq(result.first_residual, 4);
    cr_assert_eq(seen, 4);
    kit_free(k);
}

Test(exec_split, nothing_to_split) {
    kit *k = watched(1, 3);
    split_at_element = 1;
    request.allowed_points = (const int64_t[]){0, 1};
    request.allowed_count = 2;
    kit_run(k);
    cr_assert_not(result.split);
    cr_assert_eq(seen, 3);
    /* Between bundles there is nothing to split, which is no error. */
    beamc_arena *arena = beamc_arena_new(0);
    cr_assert_eq(beamc_plan_split(k->plan, &request, arena, &result, &k->err), BEAMC_OK);
    cr_assert_not(result.split);
    request.port = kit_port(k, "sink", NULL);
    cr_assert_eq(beamc_plan_split(k->plan, &request, arena, &result, &k->err),
                 BEAMC_INVALID_ARGUMENT);
    beamc_arena_free(arena);
    kit_free(k);
}

static void split_first(kit *k, size_t block) {
    if (block == 0) {
        beamc_error err;
        cr_assert_eq(beamc_plan_split(k->plan, &request, k->arena, &result, &err), BEAMC_OK);
    }
}

Test(exec_split, before_the_first_element) {
    kit *k = watched(2, 4);
    split_at_element = -1;
    k->before_block = split_first;
    kit_run(k);
    cr_assert(result.split);
    cr_assert_eq(result.last_primary, 3);
    cr_assert_eq(seen, 4);
    kit_free(k);
}
