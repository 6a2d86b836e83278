/* test_engine.c: the engine over a worker of C functions: grouping, retries, residuals, side inputs,
 * compaction, cancellation. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_worker.h"
#include "runner/engine/element.h"

/* What the last stage saw, summed by key; guarded by lock. */
typedef struct seen {
    pthread_mutex_t lock;
    int64_t sums[4096];
    int64_t groups, values, side;
    beamc_buf bytes;
    char ids[64][64];
    unsigned id_count;
    int fail_first; /* attempts to fail */
    beamc_status fail_with;
    int64_t keys, values_per_key;
    beamc_engine *engine;
} seen;

enum { PARTS = 8 };

/* Impulse -> PARTS elements KV<part, 0>. */
static beamc_status run_parts(fake_bundle *b, beamc_error *err) {
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    cr_expect_eq(in.len, 14u);
    beamc_buf_free(&in);
    beamc_buf *out = b->io->ops->out(b->io, 1);
    for (int64_t i = 0; i < PARTS; i++) {
        fake_put_kv(out, BEAMC_TIME_MIN, (beamc_window){0, 0}, i, 0);
    }
    return BEAMC_OK;
}

/* KV<part, round> -> for each key KV<key, 1> in two windows, values_per_key times over all parts. */
static beamc_status run_make(fake_bundle *b, beamc_error *err) {
    seen *s = b->worker->arg;
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    pthread_mutex_lock(&s->lock);
    if (s->id_count < 64) {
        snprintf(s->ids[s->id_count++], 64, "%s", b->id);
    }
    bool fail = s->fail_first > 0 && s->fail_first-- > 0;
    pthread_mutex_unlock(&s->lock);
    beamc_cursor c = beamc_cursor_of(beamc_buf_slice(&in));
    while (c.p < c.end) {
        beamc_head head;
        uint64_t part = 0, zero = 0;
        cr_assert(beamc_head_read(&beamc_global_window, &c, &head));
        cr_assert(beamc_get_varint(&c, &part) && beamc_get_varint(&c, &zero));
        for (int64_t r = 0; r < s->values_per_key / PARTS; r++) {
            for (int64_t k = 0; k < s->keys; k++) {
                beamc_buf *out = b->io->ops->out(b->io, 1);
                beamc_time start = k % 2 * 1000;
                fake_put_kv(out, start + 5, (beamc_window){start, start + 1000}, k, 1);
                if (out->len > b->io->ops->flush_bytes) {
                    BEAMC_TRY(b->io->ops->flush(b->io, 1, err));
                }
            }
        }
        if (fail) {
            beamc_buf_free(&in);
            return beamc_error_set(err, s->fail_with, "not now");
        }
    }
    beamc_buf_free(&in);
    return BEAMC_OK;
}

static beamc_status add_groups(seen *s, beamc_slice bytes, const beamc_coder *window) {
    beamc_cursor c = beamc_cursor_of(bytes);
    while (c.p < c.end) {
        beamc_head head;
        uint64_t key = 0, value = 0;
        uint32_t count = 0;
        cr_assert(beamc_head_read(window, &c, &head));
        cr_assert(beamc_get_varint(&c, &key) && beamc_get_be32(&c, &count));
        cr_assert_lt(key, 4096u);
        s->groups++;
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(beamc_get_varint(&c, &value));
            s->values++;
            s->sums[key] += (int64_t)value;
        }
        if (window->kind == BEAMC_CODER_INTERVAL_WINDOW) {
            cr_expect_eq(head.timestamp, beamc_window_max(head.window));
            cr_expect_eq(head.window.start, (int64_t)(key % 2) * 1000);
        }
    }
    return BEAMC_OK;
}

static beamc_status run_take(fake_bundle *b, beamc_error *err) {
    seen *s = b->worker->arg;
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    pthread_mutex_lock(&s->lock);
    beamc_status status = add_groups(s, beamc_buf_slice(&in), &beamc_interval_window);
    beamc_buf_put_slice(&s->bytes, beamc_buf_slice(&in));
    pthread_mutex_unlock(&s->lock);
    beamc_buf_free(&in);
    return status;
}

/* KV<K, iter A> -> KV<K, A>: sums. */
static beamc_status run_compact(fake_bundle *b, beamc_error *err) {
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    beamc_cursor c = beamc_cursor_of(beamc_buf_slice(&in));
    beamc_buf *out = b->io->ops->out(b->io, 1);
    while (c.p < c.end) {
        beamc_head head;
        uint64_t key = 0, value = 0, sum = 0;
        uint32_t count = 0;
        cr_assert(beamc_head_read(&beamc_interval_window, &c, &head));
        cr_assert(beamc_get_varint(&c, &key) && beamc_get_be32(&c, &count));
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(beamc_get_varint(&c, &value));
            sum += value;
        }
        fake_put_kv(out, head.timestamp, head.window, (int64_t)key, (int64_t)sum);
    }
    beamc_buf_free(&in);
    return BEAMC_OK;
}

#define SOURCE                                                                                     \
    { BEAMC_PORT_SOURCE, "in", NULL, "" }
#define SINK(name)                                                                                 \
    { BEAMC_PORT_SINK, name, NULL, "" }

static const fake_stage stages[] = {
    {"parts", run_parts, {SOURCE, SINK("out")}},
    {"make", run_make, {SOURCE, SINK("out")}},
    {"take", run_take, {SOURCE}},
    {"compact", run_compact, {SOURCE, SINK("compacted")}},
    {NULL, NULL, {{0}}},
};

static const beamc_target to_parts = {BEAMC_TO_STAGE, 1}, to_make = {BEAMC_TO_STAGE, 2},
                          to_group = {BEAMC_TO_GROUP, 3}, to_take = {BEAMC_TO_STAGE, 4};
static const beamc_coder bytes_coder = {BEAMC_CODER_BYTES, {0}, 0, 0};
static const beamc_output_spec out_impulse = {
    NULL, "impulse", {&bytes_coder, &beamc_global_window}, &to_parts, 1};
static const beamc_output_spec out_parts = {
    "out", "parts", {&fake_kv, &beamc_global_window}, &to_make, 1};
static const beamc_output_spec out_make = {
    "out", "pairs", {&fake_kv, &beamc_interval_window}, &to_group, 1};
static const beamc_output_spec out_group = {
    NULL, "groups", {&fake_grouped, &beamc_interval_window}, &to_take, 1};

#define WORK(name)                                                                                 \
    { .descriptor = BEAMC_STR(name), .source_id = "in" }

/* impulse -> parts -> make (each part a bundle) -> group -> take */
static const beamc_node_spec nodes[] = {
    {.kind = BEAMC_NODE_IMPULSE, .name = "impulse", .outputs = &out_impulse, .output_count = 1},
    {.kind = BEAMC_NODE_STAGE,
     .name = "parts",
     .input = {&bytes_coder, &beamc_global_window},
     .outputs = &out_parts,
     .output_count = 1,
     .work = WORK("parts")},
    {.kind = BEAMC_NODE_STAGE,
     .name = "make",
     .input = {&fake_kv, &beamc_global_window},
     .outputs = &out_make,
     .output_count = 1,
     .work = WORK("make"),
     .splittable = true},
    {.kind = BEAMC_NODE_GROUP,
     .name = "group",
     .input = {&fake_kv, &beamc_interval_window},
     .outputs = &out_group,
     .output_count = 1,
     .windowing = {.fn = {.kind = BEAMC_WINDOW_FIXED, .size_ms = 1000}},
     .has_compaction = true,
     .compaction = WORK("compact"),
     .compaction_sink_id = "compacted"},
    {.kind = BEAMC_NODE_STAGE,
     .name = "take",
     .input = {&fake_grouped, &beamc_interval_window},
     .work = WORK("take")},
};
static const beamc_engine_graph graph = {nodes, 5, NULL, 0, 1};

typedef struct outcome {
    seen *s;
    beamc_status status;
    beamc_error err;
    beamc_engine_progress progress;
    int64_t bundle_count, fives;
} outcome;

static void note_metric(void *arg, const beamc_engine_metric *m) {
    outcome *o = arg;
    o->bundle_count += m->value;
    o->fives += m->sum;
}

static outcome run_graph(const beamc_engine_graph *g, const fake_stage *with, seen *s,
                         unsigned threads, beamc_engine_config config) {
    fake_worker worker;
    fake_worker_init(&worker, with);
    pthread_mutex_init(&s->lock, NULL);
    worker.arg = s;
    beamc_worker *workers[] = {&worker.base};
    config.parallelism = threads;
    config.workers = workers;
    config.backoff_ms = 1;
    outcome o = {.s = s};
    beamc_engine *e;
    o.status = beamc__engine_new(g, &config, &e, &o.err);
    cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
    s->engine = e;
    o.status = beamc__engine_run(e, &o.err);
    beamc__engine_get_progress(e, &o.progress);
    beamc__engine_metrics(e, note_metric, &o);
    beamc__engine_free(e);
    cr_expect_eq(atomic_load(&worker.opened), atomic_load(&worker.closed));
    return o;
}

static void check_sums(const seen *s) {
    for (int64_t k = 0; k < s->keys; k++) {
        cr_assert_eq(s->sums[k], s->values_per_key, "key %lld: %lld", (long long)k,
                     (long long)s->sums[k]);
    }
    cr_expect_eq(s->groups, s->keys);
}

static seen *new_seen(int64_t keys, int64_t values) {
    seen *s = calloc(1, sizeof *s);
    s->keys = keys;
    s->values_per_key = values;
    return s;
}

static void free_seen(seen *s) {
    beamc_buf_free(&s->bytes);
    free(s);
}

Test(engine, groups_every_value_once) {
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        seen *s = new_seen(1000, 40);
        outcome o = run_graph(&graph, stages, s, threads, (beamc_engine_config){0});
        cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
        check_sums(s);
        cr_expect_eq(s->values, 40000);
        cr_expect_eq(o.progress.watermark, BEAMC_TIME_MAX);
        cr_expect_eq(o.progress.queued_bytes, 0u);
        cr_expect_eq((uint64_t)o.bundle_count, o.progress.bundles_done);
        cr_expect_eq(o.fives, o.bundle_count * 5);
        cr_expect_eq(s->id_count, (unsigned)PARTS);
        free_seen(s);
    }
}

Test(engine, one_thread_gives_equal_bytes) {
    seen *a = new_seen(1000, 16), *b = new_seen(1000, 16);
    run_graph(&graph, stages, a, 1, (beamc_engine_config){0});
    run_graph(&graph, stages, b, 1, (beamc_engine_config){0});
    cr_assert(beamc_slice_eq(beamc_buf_slice(&a->bytes), beamc_buf_slice(&b->bytes)));
    cr_expect_gt(a->bytes.len, 1000u);
    free_seen(a);
    free_seen(b);
}

Test(engine, small_bundles_and_queues) {
    seen *s = new_seen(1000, 16);
    outcome o = run_graph(&graph, stages, s, 3,
                          (beamc_engine_config){.bundle_bytes = 100, .queue_bytes = 1});
    cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
    check_sums(s);
    free_seen(s);
}

Test(engine, unavailable_is_tried_again_and_nothing_of_it_is_seen) {
    seen *s = new_seen(100, 16);
    s->fail_first = 3;
    s->fail_with = BEAMC_UNAVAILABLE;
    outcome o = run_graph(&graph, stages, s, 2, (beamc_engine_config){0});
    cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
    check_sums(s);
    cr_expect_eq(o.progress.bundles_failed, 3u);
    for (unsigned i = 0; i < s->id_count; i++) {
        for (unsigned k = 0; k < i; k++) {
            cr_expect_str_neq(s->ids[i], s->ids[k]);
        }
    }
    free_seen(s);
}

Test(engine, after_four_attempts_it_is_over) {
    seen *s = new_seen(100, 16);
    s->fail_first = 4;
    s->fail_with = BEAMC_UNAVAILABLE;
    outcome o = run_graph(&graph, stages, s, 1, (beamc_engine_config){0});
    cr_assert_eq(o.status, BEAMC_UNAVAILABLE);
    cr_expect(strstr(o.err.message, "make: after 4 attempts: not now") != NULL, "%s",
              o.err.message);
    cr_expect_eq(s->groups, 0);
    free_seen(s);
}

Test(engine, another_error_ends_the_run_at_once) {
    for (unsigned threads = 1; threads <= 4; threads += 3) {
        seen *s = new_seen(100, 16);
        s->fail_first = 1;
        s->fail_with = BEAMC_INVALID_ARGUMENT;
        outcome o = run_graph(&graph, stages, s, threads, (beamc_engine_config){0});
        cr_expect_eq(o.status, BEAMC_INVALID_ARGUMENT);
        cr_expect(strstr(o.err.message, "not now") != NULL);
        cr_expect_eq(s->groups, 0);
        free_seen(s);
    }
}

Test(engine, accumulators_are_compacted) {
    seen *s = new_seen(50, 40000);
    outcome o = run_graph(&graph, stages, s, 2, (beamc_engine_config){.compact_bytes = 64 * 1024});
    cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
    check_sums(s);
    cr_expect_gt(o.progress.compactions, 0u);
    cr_expect_lt(s->values, 50 * 40000 / 2);
    free_seen(s);
}

static beamc_status run_cancel(fake_bundle *b, beamc_error *err) {
    seen *s = b->worker->arg;
    beamc_buf in = {0};
    beamc__engine_stop(s->engine, BEAMC_STOP_CANCEL);
    beamc_status status = fake_read_all(b, &in, err);
    beamc_buf_free(&in);
    return status;
}

Test(engine, cancel_stops_it) {
    fake_stage other[5];
    memcpy(other, stages, sizeof other);
    other[1].run = run_cancel;
    seen *s = new_seen(10, 16);
    outcome o = run_graph(&graph, other, s, 2, (beamc_engine_config){0});
    cr_expect_eq(o.status, BEAMC_CANCELLED);
    free_seen(s);
}

/* ------------------------------------------------------------------------------- residuals */

/* KV<part, round>: makes one round, and comes back until there were four. */
static beamc_status run_resume(fake_bundle *b, beamc_error *err) {
    seen *s = b->worker->arg;
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    beamc_cursor c = beamc_cursor_of(beamc_buf_slice(&in));
    beamc_head head;
    uint64_t part = 0, round = 0;
    cr_assert(beamc_head_read(&beamc_global_window, &c, &head));
    cr_assert(beamc_get_varint(&c, &part) && beamc_get_varint(&c, &round));
    cr_assert(c.p == c.end, "a restriction is a bundle of its own");
    beamc_buf *out = b->io->ops->out(b->io, 1);
    for (int64_t k = 0; k < s->keys; k++) {
        fake_put_kv(out, k % 2 * 1000 + 5, (beamc_window){k % 2 * 1000, k % 2 * 1000 + 1000}, k, 1);
    }
    if (round < 3) {
        beamc_buf rest = {0};
        fake_put_kv(&rest, head.timestamp, (beamc_window){0, 0}, (int64_t)part, (int64_t)round + 1);
        beamc_bundle_root *root = beamc_arena_zalloc(b->arena, sizeof *root);
        root->element = beamc_arena_copy(b->arena, beamc_buf_slice(&rest));
        root->delay_ms = part % 2 == 0 ? 10 : 0;
        b->result->residuals = root;
        b->result->residual_count = 1;
        beamc_buf_free(&rest);
    }
    beamc_buf_free(&in);
    return BEAMC_OK;
}

Test(engine, residuals_come_back) {
    fake_stage other[5];
    memcpy(other, stages, sizeof other);
    other[1].run = run_resume;
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        seen *s = new_seen(100, PARTS * 4);
        outcome o = run_graph(&graph, other, s, threads, (beamc_engine_config){0});
        cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
        check_sums(s);
        free_seen(s);
    }
}

/* ----------------------------------------------------------------------------- side inputs */

static beamc_status run_side(fake_bundle *b, beamc_error *err) {
    seen *s = b->worker->arg;
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    beamc_buf_free(&in);
    beamc_state_key key = {.kind = BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT,
                           .transform_id = BEAMC_STR("reader"),
                           .id = BEAMC_STR("side"),
                           .key = BEAMC_STR("\x03")};
    beamc_buf window = {0};
    BEAMC_TRY(
        beamc__window_encode(&beamc_interval_window, (beamc_window){1000, 2000}, &window, err));
    key.window = beamc_buf_slice(&window);
    beamc_slice page, next;
    BEAMC_TRY(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, err));
    pthread_mutex_lock(&s->lock);
    s->side += (int64_t)page.len; /* one byte for each value */
    pthread_mutex_unlock(&s->lock);
    key.kind = BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT;
    BEAMC_TRY(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, err));
    cr_expect_eq(page.len, 10u, "odd keys below 20, a byte each: %zu", page.len);
    key.kind = BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT;
    BEAMC_TRY(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, err));
    cr_expect_eq(page.len, 10u * (1 + 4 + 32), "%zu", page.len);
    key.key = (beamc_slice)BEAMC_STR("\x04"); /* an even key: not in this window */
    key.kind = BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT;
    BEAMC_TRY(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, err));
    cr_expect_eq(page.len, 0u);
    key.kind = BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT;
    cr_expect_eq(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, NULL),
                 BEAMC_INVALID_ARGUMENT);
    key.id = (beamc_slice)BEAMC_STR("other");
    cr_expect_eq(b->io->ops->state_get(b->io, &key, (beamc_slice){0}, b->arena, &page, &next, NULL),
                 BEAMC_NOT_FOUND);
    beamc_buf_free(&window);
    return BEAMC_OK;
}

Test(engine, side_inputs_wait_for_their_producers) {
    static const fake_stage with[] = {
        {"parts", run_parts, {SOURCE, SINK("out")}},
        {"make", run_make, {SOURCE, SINK("out")}},
        {"side", run_side, {SOURCE}},
        {NULL, NULL, {{0}}},
    };
    static const beamc_target both[] = {{BEAMC_TO_STAGE, 1}, {BEAMC_TO_STAGE, 3}};
    static const beamc_target to_view = {BEAMC_TO_VIEW, 0};
    static const beamc_output_spec impulse = {
        NULL, "impulse", {&bytes_coder, &beamc_global_window}, both, 2};
    static const beamc_output_spec pairs = {
        "out", "pairs", {&fake_kv, &beamc_interval_window}, &to_view, 1};
    static const beamc_side_ref ref = {"reader", "side", 0};
    static const beamc_view_spec view = {
        .collection = "pairs", .coder = {&fake_kv, &beamc_interval_window}, .multimap = true};
    static const beamc_node_spec list[] = {
        {.kind = BEAMC_NODE_IMPULSE, .name = "impulse", .outputs = &impulse, .output_count = 1},
        {.kind = BEAMC_NODE_STAGE,
         .name = "parts",
         .input = {&bytes_coder, &beamc_global_window},
         .outputs = &out_parts,
         .output_count = 1,
         .work = WORK("parts")},
        {.kind = BEAMC_NODE_STAGE,
         .name = "make",
         .input = {&fake_kv, &beamc_global_window},
         .outputs = &pairs,
         .output_count = 1,
         .work = WORK("make"),
         .splittable = true},
        {.kind = BEAMC_NODE_STAGE,
         .name = "side",
         .input = {&bytes_coder, &beamc_global_window},
         .work = WORK("side"),
         .sides = &ref,
         .side_count = 1},
    };
    static const beamc_engine_graph g = {list, 4, &view, 1, 1};
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        seen *s = new_seen(20, 32);
        outcome o = run_graph(&g, with, s, threads, (beamc_engine_config){0});
        cr_assert_eq(o.status, BEAMC_OK, "%s", o.err.message);
        cr_expect_eq(s->side, 32, "%lld", (long long)s->side);
        free_seen(s);
    }
}

/* ------------------------------------------------------------------------------ bad workers */

static beamc_status run_garbage(fake_bundle *b, beamc_error *err) {
    beamc_buf in = {0};
    BEAMC_TRY(fake_read_all(b, &in, err));
    beamc_buf_free(&in);
    beamc_buf_put_str(b->io->ops->out(b->io, 1), "not an element");
    return BEAMC_OK;
}

Test(engine, malformed_output_is_an_error) {
    fake_stage other[5];
    for (int which = 0; which < 2; which++) { /* into a splittable stage, into a group */
        memcpy(other, stages, sizeof other);
        other[which].run = run_garbage;
        seen *s = new_seen(10, 16);
        outcome o = run_graph(&graph, other, s, 2, (beamc_engine_config){0});
        cr_expect_eq(o.status, BEAMC_INTERNAL);
        cr_expect(strstr(o.err.message, "malformed element") != NULL, "%s", o.err.message);
        free_seen(s);
    }
}
