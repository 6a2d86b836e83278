/* Coders: round trips, every truncation, garbage, huge counts, depth. The vectors of the model are
 * in tests/coders/. */
#include <beamc/window.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "coder/coder_impl.h"

static beamc_arena *arena;
static beamc_scratch scratch;

static void set_up(void) {
    arena = beamc_arena_new(0);
    beamc__scratch_init(&scratch, arena);
}

static void tear_down(void) {
    beamc__scratch_deinit(&scratch);
    beamc_arena_free(arena);
}

TestSuite(coder, .init = set_up, .fini = tear_down);

static const beamc_coder kv_nested = BEAMC_KV(&beamc_kv_str_i64, &beamc_double);
static const beamc_coder strings = BEAMC_ITERABLE(&beamc_string);
static const beamc_coder pairs = BEAMC_ITERABLE(&beamc_kv_str_i64);
static const beamc_coder grouped = BEAMC_KV(&beamc_string, &pairs);
static const beamc_coder maybe = BEAMC_NULLABLE(&beamc_string);
static const beamc_coder backed = {BEAMC_CODER_STATE_BACKED_ITERABLE, {&beamc_kv_str_i64, 0}, 0, 0};
static const beamc_coder backed_ints = {
    BEAMC_CODER_STATE_BACKED_ITERABLE, {&beamc_varint, 0}, 0, 0};
static const beamc_coder globals = BEAMC_ITERABLE(&beamc_global_window);
static const beamc_coder nothing_pair = BEAMC_KV(&beamc_global_window, &beamc_global_window);
static const beamc_coder nothings = BEAMC_ITERABLE(&nothing_pair);
static const beamc_coder prefixed = {BEAMC_CODER_LENGTH_PREFIX, {&grouped, 0}, 0, 0};
static const beamc_coder windowed = {
    BEAMC_CODER_WINDOWED_VALUE, {&grouped, &beamc_interval_window}, 0, 0};
static const beamc_coder timer = {BEAMC_CODER_TIMER, {&beamc_string, &beamc_interval_window}, 0, 0};
static const beamc_coder sharded = {BEAMC_CODER_SHARDED_KEY, {&beamc_string, 0}, 0, 0};
static const beamc_coder custom = {BEAMC_CODER_CUSTOM_WINDOW, {&beamc_interval_window, 0}, 0, 0};

static beamc_value text(const char *s) {
    return (beamc_value){.bytes = beamc_str(s)};
}

static beamc_value pair(const char *key, int64_t value) {
    beamc_kv *kv = beamc_arena_alloc(arena, sizeof *kv);
    kv->key = text(key);
    kv->value.i64 = value;
    return (beamc_value){.kv = kv};
}

static beamc_value group(void) {
    static beamc_value items[3];
    items[0] = pair("one", 1);
    items[1] = pair("", -1);
    items[2] = pair("many", INT64_MAX);
    beamc_kv *kv = beamc_arena_alloc(arena, sizeof *kv);
    kv->key = text("key");
    kv->value.iterable = beamc_iterable_of(arena, items, 3);
    return (beamc_value){.kv = kv};
}

static beamc_slice encoded(const beamc_coder *c, beamc_value v, bool nested) {
    beamc_buf buf = {0};
    beamc_error err = {0};
    cr_assert_eq(beamc__encode(c, &v, nested, &buf, &err), BEAMC_OK, "%s", err.message);
    beamc_slice copy = beamc_arena_copy(arena, beamc_buf_slice(&buf));
    beamc_buf_free(&buf);
    return copy;
}

/* Decodes an exact-size heap copy, so that AddressSanitizer sees a byte read too far; encodes what
 * came out again. */
static beamc_status decode_copy(const beamc_coder *c, beamc_slice bytes, bool nested, bool eager,
                                beamc_buf *again) {
    char *exact = malloc(bytes.len + 1);
    memcpy(exact, bytes.len != 0 ? bytes.ptr : "", bytes.len);
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(exact, bytes.len));
    beamc_scratch_mark mark = beamc__scratch_mark(&scratch);
    scratch.eager = eager;
    beamc_value v;
    beamc_error err = {0};
    beamc_status status = beamc__decode(c, &in, nested, &scratch, &v, &err);
    if (status == BEAMC_OK && again != NULL) {
        cr_assert_eq(in.p, in.end);
        beamc_value copy;
        cr_assert_eq(beamc_value_copy(c, &v, arena, &copy, &err), BEAMC_OK, "%s", err.message);
        cr_assert_eq(beamc__encode(c, &v, nested, again, &err), BEAMC_OK, "%s", err.message);
        size_t first = again->len;
        cr_assert_eq(beamc__encode(c, &copy, nested, again, &err), BEAMC_OK, "%s", err.message);
        cr_assert_eq(again->len, 2 * first);
        cr_assert(first == 0 || memcmp(again->ptr, again->ptr + first, first) == 0);
        again->len = first;
    }
    if (status != BEAMC_OK) {
        cr_assert_neq(err.message[0], '\0');
    }
    scratch.eager = false;
    beamc__scratch_rewind(&scratch, mark);
    free(exact);
    return status;
}

static void check(const beamc_coder *c, beamc_value v) {
    for (int nested = 0; nested < 2; nested++) {
        beamc_slice bytes = encoded(c, v, nested != 0);
        for (int eager = 0; eager < 2; eager++) {
            beamc_buf again = {0};
            cr_assert_eq(decode_copy(c, bytes, nested != 0, eager != 0, &again), BEAMC_OK);
            cr_assert(beamc_slice_eq(bytes, beamc_buf_slice(&again)));
            beamc_buf_free(&again);
        }
        if (nested == 0) {
            continue;
        }
        beamc_cursor in = beamc_cursor_of(bytes);
        beamc_error err = {0};
        cr_assert_eq(beamc__skip(c, &in, &err), BEAMC_OK, "%s", err.message);
        cr_assert_eq(in.p, in.end);
        for (size_t n = 0; n < bytes.len; n++) {
            beamc_slice cut = {bytes.ptr, n};
            cr_assert_neq(decode_copy(c, cut, true, false, NULL), BEAMC_OK, "%zu bytes", n);
            cr_assert_neq(decode_copy(c, cut, true, true, NULL), BEAMC_OK, "%zu bytes", n);
            in = beamc_cursor_of(cut);
            cr_assert_neq(beamc__skip(c, &in, NULL), BEAMC_OK, "%zu bytes", n);
        }
    }
}

Test(coder, leaves) {
    check(&beamc_bytes, text(""));
    check(&beamc_string, text("\xc3\xa9t\xc3\xa9"));
    check(&beamc_bool, (beamc_value){.i64 = 1});
    check(&beamc_varint, (beamc_value){.i64 = INT64_MIN});
    check(&beamc_varint, (beamc_value){.i64 = 300});
    check(&beamc_double, (beamc_value){.f64 = -0.1});
    static const beamc_window w = {-86400000, 5};
    check(&beamc_interval_window, (beamc_value){.window = &w});
    check(&custom, (beamc_value){.window = &w});
}

Test(coder, structures) {
    check(&beamc_kv_str_i64, pair("a key", 7));
    beamc_kv outer = {pair("x", 1), {.f64 = 2.5}};
    check(&kv_nested, (beamc_value){.kv = &outer});
    check(&grouped, group());
    check(&prefixed, group());
    beamc_value present = text("here");
    check(&maybe, (beamc_value){.nullable = &present});
    check(&maybe, (beamc_value){.nullable = NULL});
    beamc_kv shard = {text("shard"), text("key")};
    check(&sharded, (beamc_value){.kv = &shard});
}

Test(coder, length_prefix_above_127_bytes) {
    char big[1000];
    memset(big, 'x', sizeof big);
    static const beamc_coder c = {BEAMC_CODER_LENGTH_PREFIX, {&beamc_kv_str_i64, 0}, 0, 0};
    beamc_kv kv = {{.bytes = beamc_slice_of(big, sizeof big)}, {.i64 = 1}};
    check(&c, (beamc_value){.kv = &kv});
    beamc_error err = {0};
    cr_assert_eq(decode_copy(&c, beamc_slice_of("\4\1x\1\1", 5), true, true, NULL),
                 BEAMC_INVALID_ARGUMENT);
    (void)err;
}

Test(coder, windowed_values_and_panes) {
    static const beamc_window windows[3] = {{0, 60000}, {-60000, 0}, {5, 5}};
    static const beamc_pane panes[] = {
        BEAMC_PANE_NO_FIRING,
        {0, 0, BEAMC_PANE_ON_TIME, true, false},
        {0, -1, BEAMC_PANE_EARLY, true, false},
        {7, -1, BEAMC_PANE_EARLY, false, false},
        {9, 9, BEAMC_PANE_LATE, false, true},
        {300, 2, BEAMC_PANE_LATE, false, false},
    };
    for (size_t i = 0; i < sizeof panes / sizeof panes[0]; i++) {
        for (size_t n = 0; n <= 3; n++) {
            beamc_windowed_value w = {group(), -12345, windows, n, panes[i]};
            check(&windowed, (beamc_value){.windowed = &w});
            beamc_slice bytes = encoded(&windowed, (beamc_value){.windowed = &w}, true);
            beamc_cursor in = beamc_cursor_of(bytes);
            beamc_windowed_value head = {0};
            cr_assert_eq(
                beamc__windowed_decode_head(&beamc_interval_window, &in, &scratch, &head, NULL),
                BEAMC_OK);
            cr_assert_eq(head.pane.index, panes[i].index);
            cr_assert_eq(head.pane.non_speculative_index, panes[i].non_speculative_index);
            cr_assert_eq(head.pane.timing, panes[i].timing);
            cr_assert_eq(head.pane.is_first, panes[i].is_first);
            cr_assert_eq(head.pane.is_last, panes[i].is_last);
            cr_assert_eq(head.window_count, n);
        }
    }
}

Test(coder, element_metadata_behind_a_pane_is_passed_over) {
    beamc_cursor in = beamc_cursor_of(beamc_slice_of("\x8f\3abc\7", 6));
    beamc_pane pane;
    cr_assert_eq(beamc__pane_decode(&in, &pane, NULL), BEAMC_OK);
    cr_assert_eq(beamc_cursor_left(&in), 1);
    cr_assert(pane.is_first && pane.is_last);
    cr_assert_eq(pane.timing, BEAMC_PANE_UNKNOWN);
    in = beamc_cursor_of(beamc_slice_of("\x94\5\1m\7", 5));
    cr_assert_eq(beamc__pane_decode(&in, &pane, NULL), BEAMC_OK);
    cr_assert_eq(pane.index, 5);
    cr_assert_eq(pane.non_speculative_index, 5);
    cr_assert_eq(beamc_cursor_left(&in), 1);
    in = beamc_cursor_of(beamc_slice_of("\x8f\3ab", 4));
    cr_assert_neq(beamc__pane_decode(&in, &pane, NULL), BEAMC_OK);
    in = beamc_cursor_of(beamc_slice_of("\x3f\0\0\0\0", 5));
    cr_assert_neq(beamc__pane_decode(&in, &pane, NULL), BEAMC_OK);
}

Test(coder, timers) {
    static const beamc_window w = {0, 1000};
    beamc_timer_value set = {text("k"), beamc_str("tag"), &w, 1, false, 5, 4, BEAMC_PANE_NO_FIRING};
    beamc_timer_value clear = {.key = text("k"), .windows = &w, .window_count = 1, .clear = true};
    check(&timer, (beamc_value){.timer = &set});
    check(&timer, (beamc_value){.timer = &clear});
}

/* ------------------------------------------------------------------------------ iterables */

static int64_t sum_of(const beamc_iterable *of, uint64_t *count, beamc_error *err) {
    beamc_iter it;
    beamc_value v;
    int64_t sum = 0;
    *count = 0;
    beamc_iterate(of, &it);
    while (beamc_iter_next(&it, &v)) {
        sum += v.kv->value.i64;
        (*count)++;
    }
    cr_assert(!beamc_iter_next(&it, &v), "an ended iteration stays ended");
    return beamc_iter_status(&it, err) == BEAMC_OK ? sum : -1;
}

static const beamc_iterable *million(beamc_buf *buf, uint32_t n) {
    beamc_put_be32(buf, n);
    for (uint32_t i = 0; i < n; i++) {
        beamc_put_prefixed(buf, beamc_str("some key"));
        beamc_put_varint(buf, 1);
    }
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(buf));
    beamc_value v;
    cr_assert_eq(beamc__decode(&pairs, &in, true, &scratch, &v, NULL), BEAMC_OK);
    return v.iterable;
}

Test(coder, iterating_a_million_pairs_takes_constant_memory) {
    beamc_buf buf = {0};
    const beamc_iterable *all = million(&buf, 1000000);
    size_t before = beamc_arena_footprint(arena);
    uint64_t count;
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(sum_of(all, &count, NULL), 1000000);
        cr_assert_eq(count, 1000000);
    }
    cr_assert_eq(beamc_arena_footprint(arena), before);
    beamc_buf_free(&buf);
}

Test(coder, nested_and_abandoned_iterations) {
    beamc_buf buf = {0};
    const beamc_iterable *all = million(&buf, 300);
    beamc_scratch_mark mark = beamc__scratch_mark(&scratch);
    uint64_t steps = 0;
    beamc_iter outer, inner;
    beamc_value a, b;
    beamc_iterate(all, &outer);
    while (beamc_iter_next(&outer, &a)) {
        uint64_t taken = 0;
        beamc_iterate(all, &inner);
        while (taken < 3 && beamc_iter_next(&inner, &b)) {
            cr_assert(beamc_slice_eq(a.kv->key.bytes, b.kv->key.bytes));
            taken++; /* left early, 300 times */
        }
        steps += taken;
    }
    cr_assert_eq(steps, 900);
    cr_assert_eq(scratch.slots_taken, 301);
    beamc__scratch_rewind(&scratch, mark);
    cr_assert_null(scratch.used);
    beamc_buf_free(&buf);
}

Test(coder, a_mark_keeps_the_iterations_begun_before_it) {
    beamc_buf buf = {0};
    const beamc_iterable *all = million(&buf, 10);
    beamc_iter it, other;
    beamc_value v;
    beamc_iterate(all, &it);
    cr_assert(beamc_iter_next(&it, &v));
    beamc_scratch_mark mark = beamc__scratch_mark(&scratch);
    beamc_iterate(all, &other);
    cr_assert(beamc_iter_next(&other, &v));
    beamc__scratch_rewind(&scratch, mark);
    uint64_t rest = 0;
    while (beamc_iter_next(&it, &v)) {
        cr_assert(beamc_slice_eq(v.kv->key.bytes, beamc_str("some key")));
        rest++;
    }
    cr_assert_eq(rest, 9);
    beamc_buf_free(&buf);
}

Test(coder, elements_of_no_bytes_cost_nothing) {
    static const char huge[] = "\x7f\xff\xff\xff";
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(huge, 4));
    beamc_value v, e;
    size_t before = beamc_arena_footprint(arena);
    cr_assert_eq(beamc__decode(&nothings, &in, true, &scratch, &v, NULL), BEAMC_OK);
    beamc_value copy;
    cr_assert_eq(beamc_value_copy(&nothings, &v, arena, &copy, NULL), BEAMC_OK);
    cr_assert_eq(beamc_arena_footprint(arena), before);
    beamc_iter it;
    beamc_iterate(copy.iterable, &it);
    cr_assert(beamc_iter_next(&it, &e));
    cr_assert_eq(e.kv->key.window->end, BEAMC_TIME_GLOBAL_WINDOW_MAX + 1);
    beamc_slice again = encoded(&nothings, v, true);
    cr_assert(beamc_slice_eq(again, beamc_slice_of(huge, 4)));
    /* Groups, to more than 32 bits. */
    static const char groups[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\2\0";
    in = beamc_cursor_of(beamc_slice_of(groups, sizeof groups - 1));
    cr_assert_eq(beamc__decode(&globals, &in, true, &scratch, &v, NULL), BEAMC_OK);
    cr_assert_eq(in.p, in.end);
}

Test(coder, impossible_counts_are_errors) {
    static const beamc_slice cases[] = {
        BEAMC_STR("\x7f\xff\xff\xff\1a\1b"),
        BEAMC_STR("\xff\xff\xff\xfe"),
        BEAMC_STR("\x80\0\0\0"),
        BEAMC_STR("\0\0\0\4\1a\1b\1c"),
        BEAMC_STR("\xff\xff\xff\xff\3\1a\0"),
        BEAMC_STR("\xff\xff\xff\xff"),
        BEAMC_STR("\xff\xff\xff\xff\1\1a"),
        /* groups of -1 are for state-backed iterables only, of -2 for none */
        BEAMC_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1t"),
        BEAMC_STR("\xff\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1\1t"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(decode_copy(&strings, cases[i], true, false, NULL), BEAMC_INVALID_ARGUMENT,
                     "case %zu", i);
        cr_assert_eq(decode_copy(&strings, cases[i], true, true, NULL), BEAMC_INVALID_ARGUMENT,
                     "case %zu", i);
    }
}

Test(coder, values_that_no_coder_writes_are_errors) {
    cr_assert_neq(decode_copy(&beamc_bool, (beamc_slice)BEAMC_STR("\2"), true, true, NULL), 0);
    cr_assert_neq(decode_copy(&maybe, (beamc_slice)BEAMC_STR("\2\1a"), true, true, NULL), 0);
    cr_assert_neq(decode_copy(&beamc_varint,
                              (beamc_slice)BEAMC_STR("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),
                              true, true, NULL),
                  0);
    /* a window longer than time */
    cr_assert_neq(
        decode_copy(&beamc_interval_window,
                    (beamc_slice)BEAMC_STR("\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                    true, true, NULL),
        0);
}

/* ------------------------------------------------------------------- state-backed iterables */

typedef struct pages {
    beamc_slice all;
    size_t page_bytes;
    unsigned reads;
    bool broken;
} pages;

static beamc_status fetch(void *arg, beamc_slice token, beamc_slice continuation, beamc_arena *a,
                          beamc_slice *page, beamc_slice *next, beamc_error *err) {
    pages *p = arg;
    cr_assert(beamc_slice_eq(token, beamc_str("token")));
    p->reads++;
    if (p->broken) {
        return BEAMC_FAIL(err, UNAVAILABLE, "the runner is gone");
    }
    size_t from = continuation.len > 0 ? (size_t)strtoull(continuation.ptr, NULL, 10) : 0;
    size_t len = p->all.len - from < p->page_bytes ? p->all.len - from : p->page_bytes;
    *page = beamc_arena_copy(a, beamc_slice_of(p->all.ptr + from, len));
    *next = (beamc_slice){NULL, 0};
    if (from + len < p->all.len) {
        const char *text_of = beamc_arena_printf(a, "%zu", from + len);
        *next = beamc_str(text_of);
    }
    return BEAMC_OK;
}

static void put_state_backed(beamc_buf *out, unsigned at_hand) {
    beamc_put_be32(out, UINT32_MAX);
    if (at_hand > 0) {
        beamc_put_varint(out, at_hand);
    }
    for (unsigned i = 0; i < at_hand; i++) {
        beamc_put_prefixed(out, beamc_str("some key"));
        beamc_put_varint(out, 1);
    }
    beamc_put_varint(out, UINT64_MAX);
    beamc_put_prefixed(out, beamc_str("token"));
}

Test(coder, state_backed_pages_of_every_size) {
    beamc_buf state = {0};
    for (int i = 0; i < 20; i++) {
        beamc_put_prefixed(&state, beamc_str("some key"));
        beamc_put_varint(&state, 1000);
    }
    for (size_t size = 1; size <= state.len + 1; size++) {
        pages p = {beamc_buf_slice(&state), size, 0, false};
        scratch.fetch = fetch;
        scratch.fetch_arg = &p;
        beamc_buf buf = {0};
        put_state_backed(&buf, 2);
        beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&buf));
        beamc_value v, copy;
        cr_assert_eq(beamc__decode(&backed, &in, true, &scratch, &v, NULL), BEAMC_OK);
        cr_assert_eq(p.reads, 0, "pages are read while iterating");
        uint64_t count;
        beamc_error err = {0};
        cr_assert_eq(sum_of(v.iterable, &count, &err), 20002, "page size %zu: %s", size,
                     err.message);
        cr_assert_eq(count, 22);
        cr_assert_null(scratch.used);
        cr_assert_eq(beamc_value_copy(&backed, &v, arena, &copy, &err), BEAMC_OK);
        cr_assert_eq(sum_of(copy.iterable, &count, &err), 20002);
        beamc_slice whole = encoded(&backed, v, true);
        cr_assert_eq((unsigned char)whole.ptr[4], 22, "a token is never passed on");
        beamc_buf_free(&buf);
    }
    beamc_buf_free(&state);
}

Test(coder, state_that_cannot_be_read_is_an_error) {
    beamc_buf buf = {0};
    put_state_backed(&buf, 1);
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&buf));
    beamc_value v;
    uint64_t count;
    beamc_error err = {0};
    cr_assert_eq(beamc__decode(&backed, &in, true, &scratch, &v, NULL), BEAMC_OK);
    cr_assert_eq(sum_of(v.iterable, &count, &err), -1);
    cr_assert_eq(err.code, BEAMC_FAILED_PRECONDITION);
    cr_assert_eq(count, 1);
    pages p = {BEAMC_STR("\4ab"), 100, 0, false};
    scratch.fetch = fetch;
    scratch.fetch_arg = &p;
    cr_assert_eq(sum_of(v.iterable, &count, &err), -1, "a page that ends inside an element");
    cr_assert_eq(err.code, BEAMC_INVALID_ARGUMENT);
    p.broken = true;
    cr_assert_eq(sum_of(v.iterable, &count, &err), -1);
    cr_assert_eq(err.code, BEAMC_UNAVAILABLE);
    beamc_slice bytes = beamc_buf_slice(&buf);
    cr_assert_eq(beamc_decode(&backed, &bytes, true, arena, &v, NULL), BEAMC_FAILED_PRECONDITION);
    beamc_buf_free(&buf);
}

Test(coder, state_backed_leaves) {
    pages p = {BEAMC_STR("\1\n\x80\1"), 3, 0, false};
    scratch.fetch = fetch;
    scratch.fetch_arg = &p;
    static const char bytes[] = "\xff\xff\xff\xff\1\7\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\5token";
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(bytes, sizeof bytes - 1));
    beamc_value v, e;
    cr_assert_eq(beamc__decode(&backed_ints, &in, true, &scratch, &v, NULL), BEAMC_OK);
    static const int64_t want[] = {7, 1, 10, 128};
    beamc_iter it;
    beamc_iterate(v.iterable, &it);
    for (size_t i = 0; i < 4; i++) {
        cr_assert(beamc_iter_next(&it, &e));
        cr_assert_eq(e.i64, want[i]);
    }
    cr_assert(!beamc_iter_next(&it, &e));
    cr_assert_eq(beamc_iter_status(&it, NULL), BEAMC_OK);
}

/* ---------------------------------------------------------------------------- descriptions */

Test(coder, descriptions_and_equality) {
    beamc_buf buf = {0};
    beamc_coder_describe(&windowed, &buf);
    beamc_buf_put_u8(&buf, 0);
    cr_assert_str_eq((const char *)buf.ptr,
                     "windowed_value<kv<string, iterable<kv<string, varint>>>, "
                     "interval_window>");
    beamc_buf_free(&buf);
    static const beamc_coder same = BEAMC_KV(&beamc_string, &pairs);
    cr_assert(beamc_coder_equal(&grouped, &same));
    cr_assert(!beamc_coder_equal(&grouped, &beamc_kv_str_i64));
    cr_assert(beamc_coder_deterministic(&beamc_kv_str_i64));
    cr_assert(!beamc_coder_deterministic(&kv_nested));
    cr_assert_str_eq(beamc_coder_urn(BEAMC_CODER_KV), "beam:coder:kv:v1");
}

/* --------------------------------------------------------------------------------- windows */

Test(window_assign, fixed_windows_floor) {
    beamc_window_fn fn = beamc_fixed(.size_ms = 60000);
    static const int64_t cases[][2] = {{0, 0},       {59999, 0},       {60000, 60000},
                                       {-1, -60000}, {-60000, -60000}, {-60001, -120000}};
    beamc_window w;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(beamc_window_assign(&fn, cases[i][0], &w, 1), 1);
        cr_assert_eq(w.start, cases[i][1]);
        cr_assert_eq(w.end, cases[i][1] + 60000);
    }
    fn = beamc_fixed(.size_ms = 60000, .offset_ms = 7);
    beamc_window_assign(&fn, 6, &w, 1);
    cr_assert_eq(w.start, 7 - 60000);
    for (int i = 0; i < 4; i++) {
        static const int64_t extremes[] = {INT64_MIN, INT64_MAX, BEAMC_TIME_MIN, BEAMC_TIME_MAX};
        cr_assert_eq(beamc_window_assign(&fn, extremes[i], &w, 1), 1);
        cr_assert_leq(w.start, extremes[i]);
        cr_assert_leq(w.start, w.end);
    }
}

Test(window_assign, sliding_sessions_global) {
    beamc_window out[4];
    beamc_window_fn fn = beamc_sliding(.size_ms = 10, .period_ms = 4);
    cr_assert_eq(beamc_window_assign(&fn, 9, out, 4), 3);
    static const int64_t starts[] = {8, 4, 0};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(out[i].start, starts[i]);
        cr_assert_eq(out[i].end, starts[i] + 10);
    }
    cr_assert_eq(beamc_window_assign(&fn, -1, out, 1), 2, "more windows than room are counted");
    cr_assert_eq(out[0].start, -4);
    fn = beamc_sliding(.size_ms = 2, .period_ms = 4);
    cr_assert_eq(beamc_window_assign(&fn, 3, out, 4), 0, "gaps between the windows hold nothing");
    cr_assert_geq(beamc_window_assign(&fn, INT64_MIN, out, 4), 0);
    fn = beamc_sessions(.gap_ms = 100);
    cr_assert_eq(beamc_window_assign(&fn, 5, out, 4), 1);
    cr_assert_eq(out[0].start, 5);
    cr_assert_eq(out[0].end, 105);
    beamc_window_assign(&fn, INT64_MAX, out, 4);
    cr_assert_eq(out[0].end, INT64_MAX);
    fn = beamc_global();
    cr_assert_eq(beamc_window_assign(&fn, 5, out, 4), 1);
    cr_assert_eq(out[0].end, BEAMC_TIME_GLOBAL_WINDOW_MAX + 1);
}
