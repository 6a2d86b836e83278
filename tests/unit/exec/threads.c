/* Splits, progress and metrics from other threads while a bundle runs. Whatever the threads do, every
 * offset comes out exactly once: from the bundle, or from a residual that a split gave back. Made for
 * ThreadSanitizer as well. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "coder/coder_impl.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    ((beamc_offset_range *)restriction)->stop = in->i64;
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_offset_range *r = beamc_restriction(ctx);
    (void)in;
    beamc_metric *n = beamc_counter(ctx, "t", "claimed");
    beamc_metric *d = beamc_distribution(ctx, "t", "offsets");
    beamc_metric *s = beamc_string_set(ctx, "t", "names");
    for (int64_t i = r->start; beamc_try_claim(ctx, i); i++) {
        beamc_counter_add(n, 1);
        beamc_distribution_update(d, i);
        if (i % 512 == 0) {
            beamc_string_set_add(s, beamc_format(ctx, "%lld", (long long)i % 7));
        }
        BEAMC_TRY(beamc_emit_at(ctx, 0, i, beamc_value_i64(i)));
    }
    return BEAMC_OK;
}

static double size(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    const beamc_offset_range *r = restriction;
    (void)in;
    (void)beamc_alloc(ctx, 10);
    return (double)(r->stop - r->start);
}

static const beamc_splittable splittable = {
    .watermark = BEAMC_WATERMARK_MONOTONIC, .initial = initial, .size = size};
static const beamc_dofn fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:threads:v1",
    .input = &beamc_varint,
    .outputs = {{"out", &beamc_varint}},
    .splittable = &splittable,
    .process = process,
};

static beamc_status count_process(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    char *seen = *(char **)beamc_instance(ctx);
    cr_assert_eq(seen[in->i64], 0, "%lld came twice", (long long)in->i64);
    seen[in->i64] = 1;
    return BEAMC_OK;
}

static char *seen_offsets;

static beamc_status count_setup(beamc_ctx *ctx) {
    *(char **)beamc_instance(ctx) = seen_offsets;
    return BEAMC_OK;
}

static const beamc_dofn count_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:threads_count:v1",
    .instance_size = sizeof(char *),
    .input = &beamc_varint,
    .setup = count_setup,
    .process = count_process,
};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&fn, &count_fn)};

static const beamc_coder range_coder = BEAMC_ROW_CODER(&beamc_offset_range_row);
static const beamc_coder tail_coder = BEAMC_KV(&range_coder, &beamc_varint);
static const beamc_coder part_coder = BEAMC_KV(&beamc_varint, &tail_coder);
static const beamc_coder sized_coder = BEAMC_KV(&part_coder, &beamc_double);

enum { RANGES = 24, PER_RANGE = 4000, TOTAL = RANGES * PER_RANGE, ROUNDS = 60 };

typedef struct splitter {
    kit *k;
    uint32_t port;
    _Atomic bool stop;
    unsigned seed;
    beamc_arena *arena;
    char *given_back; /* offsets in residual roots */
    int64_t first_residual;
    unsigned splits, roots;
} splitter;

static void look(void *arg, const beamc_monitoring_info *info) {
    *(size_t *)arg += info->payload.len + info->slot;
}

static beamc_offset_range range_of(splitter *s, const beamc_bundle_root *root) {
    static const beamc_coder windowed = {
        BEAMC_CODER_WINDOWED_VALUE, {&sized_coder, &beamc_global_window}, NULL, NULL};
    beamc_slice in = root->element;
    beamc_value v;
    beamc_error err;
    cr_assert_eq(beamc_decode(&windowed, &in, true, s->arena, &v, &err), BEAMC_OK, "%s",
                 err.message);
    return *(const beamc_offset_range *)v.windowed->value.kv->key.kv->value.kv->key.row;
}

static void note_split(splitter *s, const beamc_split_result *result) {
    s->splits++;
    cr_assert_leq(result->first_residual, s->first_residual);
    s->first_residual = result->first_residual;
    if (!result->has_roots) {
        cr_assert_eq(result->last_primary + 1, result->first_residual);
        return;
    }
    s->roots++;
    cr_assert_eq(result->last_primary + 2, result->first_residual);
    beamc_offset_range primary = range_of(s, &result->primary);
    beamc_offset_range residual = range_of(s, &result->residual);
    cr_assert_eq(primary.stop, residual.start);
    for (int64_t i = residual.start; i < residual.stop; i++) {
        cr_assert_eq(s->given_back[i], 0, "%lld was given back twice", (long long)i);
        s->given_back[i] = 1;
    }
}

static void *split_on(void *arg) {
    splitter *s = arg;
    while (!s->stop) {
        beamc_split_request request = {.port = s->port};
        request.fraction_of_remainder = (double)(rand_r(&s->seed) % 100) / 100;
        request.estimated_elements = rand_r(&s->seed) % (RANGES + 2);
        beamc_split_result result;
        beamc_error err;
        cr_assert_eq(beamc_plan_split(s->k->plan, &request, s->arena, &result, &err), BEAMC_OK,
                     "%s", err.message);
        if (result.split) {
            note_split(s, &result);
        }
    }
    return NULL;
}

static void *watch(void *arg) {
    splitter *s = arg;
    size_t sum = 0;
    while (!s->stop) {
        beamc_plan_metrics(s->k->plan, look, &sum);
        sum += (size_t)beamc_plan_read_index(s->k->plan, s->port);
    }
    return NULL;
}

static void feed_range(kit *k, beamc_offset_range range) {
    beamc_kv tail = {{.row = &range}, {.i64 = 0}};
    beamc_kv part = {{.i64 = 0}, {.kv = &tail}};
    beamc_kv sized = {{.kv = &part}, {.f64 = 1}};
    kit_element e = {{.kv = &sized}, 0, kit_global};
    kit_feed(k, "src", &sized_coder, &beamc_global_window, &e, 1);
}

/* One bundle with both threads at it. */
static void run_round(kit *k, splitter *s) {
    pthread_t threads[2];
    memset(seen_offsets, 0, TOTAL);
    memset(s->given_back, 0, TOTAL);
    s->first_residual = INT64_MAX;
    s->stop = false;
    for (int64_t i = 0; i < RANGES; i++) {
        feed_range(k, (beamc_offset_range){i * PER_RANGE, (i + 1) * PER_RANGE});
    }
    cr_assert_eq(pthread_create(&threads[0], NULL, split_on, s), 0);
    cr_assert_eq(pthread_create(&threads[1], NULL, watch, s), 0);
    kit_run(k);
    s->stop = true;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (int64_t i = 0; i < TOTAL; i++) {
        bool ours = i / PER_RANGE < s->first_residual && !s->given_back[i];
        cr_assert_eq(seen_offsets[i], ours, "offset %lld, first residual %lld, given back %d",
                     (long long)i, (long long)s->first_residual, s->given_back[i]);
    }
    beamc_arena_reset(s->arena);
}

Test(exec_threads, every_offset_comes_out_once, .timeout = 300) {
    seen_offsets = calloc(TOTAL, 1);
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &sized_coder, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &sized_coder, &beamc_global_window);
    kit_transform(k, "S", BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
                  kit_pack(k, kit_pardo_payload(k, &fn, NULL, &beamc_varint, NULL, NULL)), "x=in",
                  "out=out");
    kit_pardo(k, "Count", &count_fn, "x=out", "");
    kit_plan(k);
    splitter s = {.k = k, .port = kit_port(k, "src", NULL), .arena = beamc_arena_new(0)};
    s.given_back = calloc(TOTAL, 1);
    s.seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        run_round(k, &s);
    }
    cr_assert_gt(s.splits, 0);
    cr_assert_gt(s.roots, 0);
    free(s.given_back);
    beamc_arena_free(s.arena);
    kit_free(k);
    free(seen_offsets);
}
