/* test_sides.c: side inputs of jobs that go on: an element sees the whole window of the side input that belongs
 * to its own, be it made before or after the element came. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Words with a capital letter are names for the side input; the others are looked up. */
static beamc_status split_words(beamc_ctx *ctx, const beamc_elem *in) {
    bool name = in->bytes.len > 0 && in->bytes.ptr[0] >= 'A' && in->bytes.ptr[0] <= 'Z';
    return beamc_emit(ctx, name ? 1 : 0, beamc_value_bytes(in->bytes));
}
static const beamc_dofn split_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:sides:split:v1",
    .input = &beamc_string, .outputs = {{"words", &beamc_string}, {"names", &beamc_string}},
    .process = split_words,
};

/* The element and how many names its window has: "a3". */
static beamc_status count_names(beamc_ctx *ctx, beamc_slice word) {
    const beamc_iterable *names;
    BEAMC_TRY(beamc_side_iterable(ctx, 0, &names));
    beamc_iter it;
    int n = 0;
    beamc_iterate(names, &it);
    for (beamc_value v; beamc_iter_next(&it, &v);) {
        n++;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return beamc_emit(ctx, 0,
                      beamc_value_bytes(beamc_format(ctx, "%.*s%d", BEAMC_SLICE_ARG(word), n)));
}
static beamc_status look(beamc_ctx *ctx, const beamc_elem *in) {
    return count_names(ctx, in->bytes);
}
static const beamc_dofn look_fn = {
    BEAMC_DOFN_ABI,           .urn = "test:sides:look:v1",
    .input = &beamc_string,   .outputs = {{"out", &beamc_string}},
    .side_inputs = {"names"}, .observes_window = true,
    .process = look,
};

/* The same with state: "a3" for the first of a key and window only. */
static beamc_status look_once(beamc_ctx *ctx, const beamc_elem *in) {
    bool found;
    beamc_value seen;
    BEAMC_TRY(beamc_state_read(ctx, 0, &found, &seen));
    BEAMC_TRY(beamc_state_write(ctx, 0, beamc_value_i64(1)));
    return found ? BEAMC_OK : count_names(ctx, in->kv->key.bytes);
}
static const beamc_dofn once_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:sides:once:v1",
    .input = &beamc_kv_str_i64,
    .outputs = {{"out", &beamc_string}},
    .states = {{.name = "seen", .kind = BEAMC_STATE_VALUE, .coder = &beamc_varint}},
    .side_inputs = {"names"},
    .observes_window = true,
    .process = look_once,
};
static beamc_status to_pair(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_kv kv = {beamc_value_bytes(in->bytes), beamc_value_i64(1)};
    return beamc_emit(ctx, 0, (beamc_value){.kv = &kv});
}
static const beamc_dofn pair_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:sides:pair:v1",
    .input = &beamc_string, .outputs = {{"out", &beamc_kv_str_i64}},
    .process = to_pair,
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "sides",
    .fns = BEAMC_FNS(&split_fn, &look_fn, &once_fn, &pair_fn),
};

static beamc_value text(const char *s) {
    return beamc_value_bytes(beamc_str(s));
}

/* What comes out when the names come behind the words, window by window. */
static beamc_status run(beamc_window_fn main_fn, beamc_window_fn side_fn, bool stateful,
                        const char *const *wanted, size_t count, beamc_error *err) {
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_test_event steps[] = {
        beamc_test_at(1000, text("a")),  beamc_test_at(61000, text("b")),
        beamc_test_at(2000, text("A1")), beamc_test_at(3000, text("A2")),
        beamc_test_watermark(60000),     beamc_test_at(62000, text("B1")),
        beamc_test_at(63000, text("b")), beamc_test_at(125000, text("c")),
        beamc_test_watermark(130000),
    };
    beamc_pcoll in =
        beamc_test_stream(beamc_test_pipeline_graph(test), "In", &beamc_string, steps, LEN(steps));
    beamc_pcoll words = beamc_pardo(in, "Split", &split_fn);
    beamc_pcoll names = beamc_window_into(beamc_out(words, 1), "Names", .fn = side_fn);
    words = beamc_window_into(words, "Words", .fn = main_fn);
    beamc_pcoll out = stateful ? beamc_pardo(beamc_pardo(words, "Pair", &pair_fn), "Once", &once_fn,
                                             .side[0] = {names, false})
                               : beamc_pardo(words, "Look", &look_fn, .side[0] = {names, false});
    beamc_value values[8];
    for (size_t i = 0; i < count; i++) {
        values[i] = text(wanted[i]);
    }
    beamc_assert_equal(out, "Out", values, count);
    beamc_status status = beamc_test_pipeline_run(test, err);
    beamc_test_pipeline_free(test);
    return status;
}

static void expect(beamc_window_fn main_fn, beamc_window_fn side_fn, bool stateful,
                   const char *const *wanted, size_t count) {
    beamc_error err = {0};
    cr_expect_eq(run(main_fn, side_fn, stateful, wanted, count, &err), BEAMC_OK, "%s", err.message);
}

Test(sides, an_element_waits_for_its_window) {
    static const char *const wanted[] = {"a2", "b1", "b1", "c0"};
    expect(beamc_fixed(.size_ms = 60000), beamc_fixed(.size_ms = 60000), false, wanted, 4);
}

Test(sides, so_does_one_with_state) {
    static const char *const wanted[] = {"a2", "b1", "c0"};
    expect(beamc_fixed(.size_ms = 60000), beamc_fixed(.size_ms = 60000), true, wanted, 3);
}

Test(sides, windows_of_other_sizes_are_mapped) {
    static const char *const wanted[] = {"a3", "b3", "b3", "c0"};
    expect(beamc_fixed(.size_ms = 60000), beamc_fixed(.size_ms = 120000), false, wanted, 4);
}

Test(sides, the_earliest_sliding_window_is_seen) {
    /* Of [60 s, 120 s) the last instant is in [30 s, 120 s) and later ones. */
    static const char *const wanted[] = {"a2", "b1", "b1", "c0"};
    expect(beamc_fixed(.size_ms = 60000), beamc_sliding(.size_ms = 90000, .period_ms = 30000),
           false, wanted, 4);
}
