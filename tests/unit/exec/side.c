/* Side inputs through the state service, finalizers, and state-backed iterables. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "coder/coder_impl.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

enum { ALL, BY_KEY };

static beamc_status look(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_iterable *values;
    if (beamc_slice_eq(in->bytes, beamc_str("one"))) {
        beamc_value v;
        BEAMC_TRY(beamc_side_singleton(ctx, ALL, &v));
        return beamc_emit(ctx, 0, v);
    }
    if (beamc_slice_eq(in->bytes, beamc_str("all"))) {
        BEAMC_TRY(beamc_side_iterable(ctx, ALL, &values));
    } else {
        BEAMC_TRY(beamc_side_lookup(ctx, BY_KEY, *in, &values));
    }
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0;
    for (beamc_iterate(values, &it); beamc_iter_next(&it, &v);) {
        sum += v.i64;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0, beamc_value_i64(sum));
}

static const beamc_dofn look_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:look:v1",
    .input = &beamc_string,
    .outputs = {{"out", &beamc_varint}},
    .side_inputs = {"all", "by_key"},
    .process = look,
};

static int ran;

static void finalized(void *arg) {
    ran += *(int *)arg;
}

static beamc_status finalize_process(beamc_ctx *ctx, const beamc_elem *in) {
    int n = (int)in->i64;
    return beamc_finalize(ctx, finalized, &n, sizeof n, n == 100 ? -1 : 60000);
}

static const beamc_dofn finalize_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:finalize:v1",
    .input = &beamc_varint,
    .requires_finalization = true,
    .process = finalize_process,
};

static const beamc_dofn unsaid_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:finalize_unsaid:v1",
    .input = &beamc_varint,
    .process = finalize_process,
};

static beamc_status sum_process(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0;
    for (int twice = 0; twice < 2; twice++) {
        for (beamc_iterate(in->iterable, &it); beamc_iter_next(&it, &v);) {
            sum += v.i64;
        }
        BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    }
    return beamc_emit(ctx, 0, beamc_value_i64(sum));
}

static const beamc_coder ints = BEAMC_ITERABLE(&beamc_varint);
static const beamc_dofn sum_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:sum:v1",
    .input = &ints,         .outputs = {{"out", &beamc_varint}},
    .process = sum_process,
};

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns =
                                          BEAMC_FNS(&look_fn, &finalize_fn, &unsaid_fn, &sum_fn)};

static void add_side(kit *k, Pipe__ParDoPayload *p, const char *tag, const char *pattern) {
    static Pipe__ParDoPayload__SideInputsEntry entries[2];
    static Pipe__SideInput sides[2];
    static Pipe__FunctionSpec patterns[2];
    static Pipe__ParDoPayload__SideInputsEntry *list[2];
    (void)k;
    size_t i = p->n_side_inputs++;
    patterns[i] = (Pipe__FunctionSpec)PIPE__FUNCTION_SPEC__INIT;
    patterns[i].urn = (char *)(uintptr_t)pattern;
    sides[i] = (Pipe__SideInput)PIPE__SIDE_INPUT__INIT;
    sides[i].access_pattern = &patterns[i];
    entries[i] = (Pipe__ParDoPayload__SideInputsEntry)PIPE__PAR_DO_PAYLOAD__SIDE_INPUTS_ENTRY__INIT;
    entries[i].key = (char *)(uintptr_t)tag;
    entries[i].value = &sides[i];
    list[i] = &entries[i];
    p->side_inputs = list;
}

static kit *looking(const beamc_window_fn *main_fn, const beamc_window_fn *side_fn) {
    kit *k = kit_new(&program);
    const beamc_coder *window = &beamc_interval_window;
    const char *w = kit_windowing(k, main_fn, BEAMC_OUTPUT_END_OF_WINDOW);
    const char *side_w = kit_windowing(k, side_fn, BEAMC_OUTPUT_END_OF_WINDOW);
    kit_pcol(k, "in", &beamc_string, w);
    kit_pcol(k, "ints", &beamc_varint, side_w);
    kit_pcol(k, "pairs", &beamc_kv_str_i64, side_w);
    kit_pcol(k, "out", &beamc_varint, w);
    kit_source(k, "src", "in", &beamc_string, window);
    Pipe__ParDoPayload *p = kit_pardo_payload(k, &look_fn, NULL, &beamc_string, NULL, NULL);
    add_side(k, p, "all", BEAMC_URN_SIDE_INPUT_ITERABLE);
    add_side(k, p, "by_key", BEAMC_URN_SIDE_INPUT_MULTIMAP);
    kit_transform(k, "L", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), "x=in all=ints by_key=pairs",
                  "out=out");
    kit_sink(k, "sink", "out", &beamc_varint, window);
    kit_plan(k);
    return k;
}

static void feed_at(kit *k, const char *text, beamc_window w) {
    kit_element e = {{.bytes = beamc_str(text)}, w.start, w};
    kit_feed(k, "src", &beamc_string, &beamc_interval_window, &e, 1);
}

/* Interval windows on the wire: their end, and how long they are. */
#define W10_20 "80000000000000140a"
#define W0_10 "800000000000000a0a"

Test(exec_side, windows_are_mapped) {
    const beamc_window_fn five = beamc_fixed(.size_ms = 5);
    const beamc_window_fn ten = beamc_fixed(.size_ms = 10);
    kit *k = looking(&five, &ten);
    kit_state_set(k, "side L all " W10_20 "  ", beamc_str("\x01\x02\x03"));
    kit_state_set(k, "multimap_side L by_key " W10_20 " 016b ", beamc_str("\x04\x05"));
    feed_at(k, "all", (beamc_window){10, 15});
    feed_at(k, "all", (beamc_window){15, 20});
    feed_at(k, "k", (beamc_window){15, 20});
    feed_at(k, "q", (beamc_window){15, 20});
    feed_at(k, "all", (beamc_window){5, 10});
    kit_run(k);
    const char *text = kit_text(k, "sink", &beamc_varint, &beamc_interval_window);
    cr_assert_str_eq(text,
                     "6 @10 [10,15)\n6 @15 [15,20)\n9 @15 [15,20)\n0 @15 [15,20)\n0 @5 [5,10)\n",
                     "%s", text);
    /* Small ones are read once in a bundle. */
    beamc_buf_put_u8(&k->state_log, 0);
    const char *log = (const char *)k->state_log.ptr;
    const char *first = strstr(log, "get side L all " W10_20);
    cr_assert(first != NULL && strstr(first + 1, "get side L all " W10_20) == NULL, "%s", log);
    kit_free(k);
}

Test(exec_side, large_ones_are_read_by_pages) {
    const beamc_window_fn ten = beamc_fixed(.size_ms = 10);
    kit *k = looking(&ten, &ten);
    beamc_buf all = {0};
    for (int i = 0; i < 3000000; i++) {
        beamc_put_varint(&all, 300); /* two bytes: some straddle a page */
    }
    kit_state_set(k, "side L all " W0_10 "  ", beamc_buf_slice(&all));
    beamc_buf_free(&all);
    k->page_bytes = 65537;
    feed_at(k, "all", (beamc_window){0, 10});
    feed_at(k, "all", (beamc_window){0, 10});
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_varint, &beamc_interval_window),
                     "900000000 @0 [0,10)\n900000000 @0 [0,10)\n");
    kit_free(k);
}

Test(exec_side, singletons) {
    const beamc_window_fn ten = beamc_fixed(.size_ms = 10);
    kit *k = looking(&ten, &ten);
    kit_state_set(k, "side L all " W0_10 "  ", beamc_str("\x07"));
    feed_at(k, "one", (beamc_window){0, 10});
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_varint, &beamc_interval_window), "7 @0 [0,10)\n");
    feed_at(k, "one", (beamc_window){10, 20});
    cr_assert_eq(kit_try_run(k), BEAMC_NOT_FOUND);
    cr_assert(strstr(k->err.message, "side input all is empty") != NULL, "%s", k->err.message);
    kit_free(k);
    k = looking(&ten, &ten);
    kit_state_set(k, "side L all " W0_10 "  ", beamc_str("\x07\x08"));
    feed_at(k, "one", (beamc_window){0, 10});
    cr_assert_eq(kit_try_run(k), BEAMC_FAILED_PRECONDITION);
    kit_free(k);
}

Test(exec_side, state_backed_iterables) {
    kit *k = kit_new(&program);
    static const beamc_coder backed = {
        BEAMC_CODER_STATE_BACKED_ITERABLE, {&beamc_varint, NULL}, NULL, NULL};
    kit_pcol(k, "in", &backed, NULL);
    kit_pcol(k, "out", &beamc_varint, NULL);
    kit_source(k, "src", "in", &backed, &beamc_global_window);
    kit_pardo(k, "Sum", &sum_fn, "x=in", "out=out");
    kit_sink(k, "sink", "out", &beamc_varint, &beamc_global_window);
    kit_plan(k);
    beamc_buf b = {0};
    beamc_windowed_value head = {{.i64 = 0}, 5, &kit_global, 1, BEAMC_PANE_NO_FIRING};
    cr_assert_eq(beamc__windowed_encode_head(&beamc_global_window, &head, &b, &k->err), BEAMC_OK);
    beamc_put_be32(&b, UINT32_MAX);
    beamc_buf_put(&b, "\x02\x01\x02", 3);
    beamc_put_varint(&b, UINT64_MAX);
    beamc_put_prefixed(&b, beamc_str("tok"));
    kit_feed_bytes(k, kit_port(k, "src", NULL), beamc_buf_slice(&b), false);
    beamc_buf_free(&b);
    kit_state_set(k, "runner  tok   ", beamc_str("\x0a\x14\x1e"));
    k->page_bytes = 2;
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_varint, &beamc_global_window), "126 @5\n");
    kit_free(k);
}

Test(exec_side, finalizers_outlive_the_plan) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "F", &finalize_fn, "x=in", "");
    kit_plan(k);
    kit_run(k);
    cr_assert_null(k->result.finalizers);
    const kit_element elements[] = {{{.i64 = 1}, 0, BEAMC_GLOBAL_WINDOW},
                                    {{.i64 = 100}, 0, BEAMC_GLOBAL_WINDOW},
                                    {{.i64 = 10}, 0, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, elements, 3);
    kit_run(k);
    beamc_finalizers *list = k->result.finalizers;
    kit_free(k);
    cr_assert_not_null(list);
    cr_assert_gt(beamc_finalizers_expiry(list), (beamc_time)time(NULL) * 1000);
    ran = 0;
    beamc_finalizers_run(list);
    cr_assert_eq(ran, 11); /* the one that has expired did not run */
}

Test(exec_side, a_dofn_that_finalizes_says_so) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "F", &unsaid_fn, "x=in", "");
    kit_plan(k);
    const kit_element element = {{.i64 = 1}, 0, BEAMC_GLOBAL_WINDOW};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, &element, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_FAILED_PRECONDITION);
    cr_assert_not_null(strstr(k->err.message, ".requires_finalization"), "%s", k->err.message);
    kit_free(k);
}
