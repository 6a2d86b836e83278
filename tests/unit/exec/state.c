/* User state and timers of a DoFn, as the runner sees them: what is read, and what is written back. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include <beamc/combine.h>

#include "coder/coder_impl.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

enum { CELL, BAG, SUM, MAP, SET, LIST };
enum { EVENT, PROCESSING };

/* A little language: each element's text is run by the DoFn, which answers in its output.
 *   r read cell   w<x> write cell   c clear cell
 *   b<x> add to bag   B read bag   n count bag   C clear bag
 *   s<n> add to sum   S read sum   Z clear sum
 *   m<k><v> put   g<k> get   d<k> remove   K keys   M clear map
 *   a<x> add to set   A read set
 *   l<t><x> add at t   L<t><u> range [t, u)   X<t><u> clear it
 *   t<n> set event timer at n*10   p<n> processing timer   u<n><tag> tagged   v<n> hold at 5
 *   T clear event timer   k key */
static beamc_status answer(beamc_ctx *ctx, const char *what, beamc_slice text) {
    return beamc_emit(ctx, 0,
                      beamc_value_bytes(beamc_format(ctx, "%s=%.*s", what, BEAMC_SLICE_ARG(text))));
}

static beamc_status answer_all(beamc_ctx *ctx, const char *what, const beamc_iterable *all,
                               bool pairs) {
    beamc_iter it;
    beamc_value v;
    beamc_slice text = {0};
    for (beamc_iterate(all, &it); beamc_iter_next(&it, &v);) {
        text =
            pairs ? beamc_format(ctx, "%.*s %lld:%.*s", BEAMC_SLICE_ARG(text),
                                 (long long)v.kv->key.i64, BEAMC_SLICE_ARG(v.kv->value.bytes))
                  : beamc_format(ctx, "%.*s %.*s", BEAMC_SLICE_ARG(text), BEAMC_SLICE_ARG(v.bytes));
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return answer(ctx, what, text);
}

static beamc_status answer_count(beamc_ctx *ctx, const beamc_iterable *all) {
    beamc_iter it;
    beamc_value v;
    int n = 0;
    for (beamc_iterate(all, &it); beamc_iter_next(&it, &v);) {
        n++;
    }
    BEAMC_TRY(beamc_iter_status(&it, beamc_ctx_error(ctx)));
    return answer(ctx, "count", beamc_format(ctx, "%d", n));
}

static beamc_status run_cells(beamc_ctx *ctx, const char *op, beamc_slice rest) {
    bool found;
    beamc_value v;
    switch (*op) {
    case 'r':
        BEAMC_TRY(beamc_state_read(ctx, CELL, &found, &v));
        return answer(ctx, "cell", found ? v.bytes : beamc_str("none"));
    case 'w':
        return beamc_state_write(ctx, CELL, beamc_value_bytes(rest));
    case 'c':
        return beamc_state_clear(ctx, CELL);
    case 's':
        return beamc_state_add(ctx, SUM, beamc_value_i64(rest.ptr[0] - '0'));
    case 'S':
        BEAMC_TRY(beamc_state_read(ctx, SUM, &found, &v));
        return answer(ctx, "sum", beamc_format(ctx, "%lld", (long long)v.i64));
    case 'Z':
        return beamc_state_clear(ctx, SUM);
    case 'k':
        return answer(ctx, "key", beamc_key(ctx).bytes);
    default:
        return beamc_fail(ctx, INVALID_ARGUMENT, "no operation %c", *op);
    }
}

static beamc_status run_many(beamc_ctx *ctx, const char *op, beamc_slice rest) {
    const beamc_iterable *all;
    bool found;
    beamc_value v;
    beamc_value first = beamc_value_bytes(beamc_slice_of(rest.ptr, rest.len > 0));
    switch (*op) {
    case 'b':
        return beamc_state_add(ctx, BAG, beamc_value_bytes(rest));
    case 'B':
        BEAMC_TRY(beamc_state_iterable(ctx, BAG, &all));
        return answer_all(ctx, "bag", all, false);
    case 'n':
        BEAMC_TRY(beamc_state_iterable(ctx, BAG, &all));
        return answer_count(ctx, all);
    case 'C':
        return beamc_state_clear(ctx, BAG);
    case 'm':
        return beamc_state_put(ctx, MAP, first,
                               beamc_value_bytes(beamc_slice_of(rest.ptr + 1, rest.len - 1)));
    case 'g':
        BEAMC_TRY(beamc_state_get(ctx, MAP, first, &found, &v));
        return answer(ctx, "map", found ? v.bytes : beamc_str("none"));
    case 'd':
        return beamc_state_remove(ctx, MAP, first);
    case 'K':
        BEAMC_TRY(beamc_state_keys(ctx, MAP, &all));
        return answer_all(ctx, "keys", all, false);
    case 'M':
        return beamc_state_clear(ctx, MAP);
    case 'a':
        return beamc_state_add(ctx, SET, first);
    case 'A':
        BEAMC_TRY(beamc_state_iterable(ctx, SET, &all));
        return answer_all(ctx, "set", all, false);
    case 'l':
        return beamc_state_add_at(ctx, LIST, rest.ptr[0] - '0',
                                  beamc_value_bytes(beamc_slice_of(rest.ptr + 1, rest.len - 1)));
    case 'L':
        BEAMC_TRY(beamc_state_range(ctx, LIST, rest.ptr[0] - '0', rest.ptr[1] - '0', &all));
        return answer_all(ctx, "list", all, true);
    case 'X':
        return beamc_state_clear_range(ctx, LIST, rest.ptr[0] - '0', rest.ptr[1] - '0');
    default:
        return run_cells(ctx, op, rest);
    }
}

static beamc_status run(beamc_ctx *ctx, const char *op, beamc_slice rest) {
    switch (*op) {
    case 't':
        return beamc_timer_set(ctx, EVENT, (rest.ptr[0] - '0') * 10);
    case 'u':
        return beamc_timer_set(ctx, EVENT, (rest.ptr[0] - '0') * 10,
                               .tag = beamc_slice_of(rest.ptr + 1, rest.len - 1));
    case 'v':
        return beamc_timer_set(ctx, EVENT, (rest.ptr[0] - '0') * 10, .has_output_time = true,
                               .output_time = 5);
    case 'p':
        return beamc_timer_set(ctx, PROCESSING,
                               beamc_processing_time(ctx) + (rest.ptr[0] - '0') * 10);
    case 'T':
        return beamc_timer_clear(ctx, EVENT, (beamc_slice){0});
    case 'W':
        return beamc_timer_set(ctx, EVENT, 10, .has_output_time = true, .output_time = 11);
    default:
        return run_many(ctx, op, rest);
    }
}

static beamc_status script(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_slice rest = in->kv->value.bytes;
    while (rest.len > 0) {
        const char *space = memchr(rest.ptr, ' ', rest.len);
        size_t n = space != NULL ? (size_t)(space - rest.ptr) : rest.len;
        BEAMC_TRY(run(ctx, rest.ptr, beamc_slice_of(rest.ptr + 1, n - 1)));
        size_t used = n + (space != NULL);
        rest = beamc_slice_of(rest.ptr + used, rest.len - used);
    }
    return BEAMC_OK;
}

static beamc_status on_timer(beamc_ctx *ctx, const beamc_timer *timer) {
    bool found;
    beamc_value v;
    BEAMC_TRY(beamc_state_read(ctx, CELL, &found, &v));
    return answer(ctx, "fired",
                  beamc_format(ctx, "%u%.*s@%lld key %.*s cell %.*s", timer->index,
                               BEAMC_SLICE_ARG(timer->tag), (long long)timer->fire_at,
                               BEAMC_SLICE_ARG(beamc_key(ctx).bytes),
                               BEAMC_SLICE_ARG(found ? v.bytes : beamc_str("none"))));
}

static beamc_status on_expiration(beamc_ctx *ctx) {
    return answer(ctx, "expired", beamc_key(ctx).bytes);
}

static const beamc_coder kv_str_str = BEAMC_KV(&beamc_string, &beamc_string);
static const beamc_dofn script_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:script:v1",
    .input = &kv_str_str,
    .outputs = {{"out", &beamc_string}},
    .states = {[CELL] = {"cell", BEAMC_STATE_VALUE, &beamc_string, NULL, NULL},
               [BAG] = {"bag", BEAMC_STATE_BAG, &beamc_string, NULL, NULL},
               [SUM] = {"sum", BEAMC_STATE_COMBINING, NULL, NULL, &beamc_sum_i64},
               [MAP] = {"map", BEAMC_STATE_MAP, &beamc_string, &beamc_string, NULL},
               [SET] = {"set", BEAMC_STATE_SET, NULL, &beamc_string, NULL},
               [LIST] = {"list", BEAMC_STATE_ORDERED_LIST, &beamc_string, NULL, NULL}},
    .timers = {[EVENT] = {"event", BEAMC_EVENT_TIME},
               [PROCESSING] = {"processing", BEAMC_PROCESSING_TIME}},
    .process = script,
    .on_timer = on_timer,
    .on_window_expiration = on_expiration,
};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&script_fn)};

static kit *stateful(void) {
    kit *k = kit_new(&program);
    const char *w = kit_windowing(k, &beamc_fixed(.size_ms = 100), BEAMC_OUTPUT_END_OF_WINDOW);
    kit_pcol(k, "in", &kv_str_str, w);
    kit_pcol(k, "out", &beamc_string, w);
    kit_source(k, "src", "in", &kv_str_str, &beamc_interval_window);
    kit_transform(k, "S", BEAMC_URN_PRIMITIVE_PAR_DO,
                  kit_pack(k, kit_pardo_payload(k, &script_fn, NULL, &kv_str_str, &beamc_string,
                                                &beamc_interval_window)),
                  "in=in", "out=out");
    kit_sink(k, "sink", "out", &beamc_string, &beamc_interval_window);
    kit_plan(k);
    return k;
}

/* Runs a bundle of scripts "key:script" in window [start, start + 100), and gives the answers, spaces
 * between them. */
static const char *bundle_in(kit *k, beamc_time start, const char *const *scripts) {
    for (; *scripts != NULL; scripts++) {
        beamc_kv kv = {{.bytes = beamc_slice_of(*scripts, 1)}, {.bytes = beamc_str(*scripts + 2)}};
        kit_element e = {{.kv = &kv}, start + 7, {start, start + 100}};
        kit_feed(k, "src", &kv_str_str, &beamc_interval_window, &e, 1);
    }
    beamc_buf_clear(&k->state_log);
    kit_run(k);
    beamc_windowed_value out[64];
    size_t n = kit_output(k, "sink", &beamc_string, &beamc_interval_window, out, 64);
    beamc_buf b = {0};
    for (size_t i = 0; i < n; i++) {
        beamc_buf_printf(&b, "%s%.*s", i > 0 ? "; " : "", BEAMC_SLICE_ARG(out[i].value.bytes));
    }
    const char *text = beamc_arena_cstr(k->arena, beamc_buf_slice(&b));
    beamc_buf_free(&b);
    return text;
}

#define BUNDLE(k, ...) bundle_in((k), 0, (const char *const[]){__VA_ARGS__, NULL})

static int logged(const kit *k, const char *what) {
    beamc_buf copy = {0};
    beamc_buf_put_slice(&copy, beamc_buf_slice(&k->state_log));
    beamc_buf_put_u8(&copy, 0);
    int n = 0;
    for (const char *at = (const char *)copy.ptr; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    beamc_buf_free(&copy);
    return n;
}

#define SAYS(text, wanted)                                                                         \
    do {                                                                                           \
        const char *said_ = (text);                                                                \
        cr_assert_str_eq(said_, (wanted), "%s", said_);                                            \
    } while (0)

/* Window [0,100) and key "a", nested. */
#define WK "800000000000006464 0161"

Test(exec_state, value) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:r wx r", "a:r", "b:r"), "cell=none; cell=x; cell=x; cell=none");
    cr_assert_eq(logged(k, "get "), 2); /* once for each key */
    cr_assert_eq(logged(k, "append "), 1);
    beamc_slice stored = kit_state_get(k, "bag S cell " WK " ");
    cr_assert(beamc_slice_eq(stored, beamc_str("\x01x")), "%zu", stored.len);
    SAYS(BUNDLE(k, "a:r c r"), "cell=x; cell=none");
    SAYS(BUNDLE(k, "a:r"), "cell=none");
    cr_assert_eq(logged(k, "append ") + logged(k, "clear "), 0);
    SAYS(BUNDLE(k, "a:wy wz"), "");
    cr_assert_eq(logged(k, "get "), 0); /* a blind write reads nothing */
    SAYS(bundle_in(k, 100, (const char *const[]){"a:r", NULL}), "cell=none"); /* another window */
    kit_free(k);
}

Test(exec_state, has_no_state_spares_reads) {
    kit *k = stateful();
    k->has_no_state = true;
    SAYS(BUNDLE(k, "a:r bx B S K A L09 g1"),
         "cell=none; bag= x; sum=0; keys=; set=; list=; map=none");
    cr_assert_eq(logged(k, "get "), 0);
    kit_free(k);
}

Test(exec_state, bag) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:bx by B", "a:B"), "bag= x y; bag= x y");
    SAYS(BUNDLE(k, "a:bz B"), "bag= x y z");
    SAYS(BUNDLE(k, "a:C B bq B"), "bag=; bag= q");
    SAYS(BUNDLE(k, "a:B"), "bag= q");
    SAYS(BUNDLE(k, "a:br"), "");
    cr_assert_eq(logged(k, "get "), 0);
    cr_assert_eq(logged(k, "clear "), 0);
    kit_free(k);
}

Test(exec_state, large_bags_are_read_by_pages_each_time) {
    kit *k = stateful();
    beamc_buf all = {0};
    for (int i = 0; i < 400000; i++) {
        beamc_buf_put(&all, "\x03xyz", 4);
    }
    beamc_buf_put(&all, "\x04last", 5);
    kit_state_set(k, "bag S bag " WK " ", beamc_buf_slice(&all));
    beamc_buf_free(&all);
    k->page_bytes = 100001; /* elements straddle pages */
    SAYS(BUNDLE(k, "a:bmine n n C B"), "count=400002; count=400002; bag=");
    cr_assert_gt(logged(k, "get "), 2 * 15);
    kit_free(k);
}

Test(exec_state, combining) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:s1 s2"), "");
    cr_assert_eq(logged(k, "get "), 0); /* accumulators pile up unread ... */
    SAYS(BUNDLE(k, "a:s3"), "");
    SAYS(BUNDLE(k, "a:S s4 S"), "sum=6; sum=10");
    cr_assert_eq(logged(k, "clear "), 1); /* ... and are merged when they are read */
    SAYS(BUNDLE(k, "a:S"), "sum=10");
    cr_assert_eq(logged(k, "append "), 0);
    SAYS(BUNDLE(k, "a:Z S s5", "b:S"), "sum=0; sum=0");
    SAYS(BUNDLE(k, "a:S Z"), "sum=5");
    SAYS(BUNDLE(k, "a:S"), "sum=0");
    kit_free(k);
}

Test(exec_state, map) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:g1 m1one m2two g1 K"), "map=none; map=one; keys= 1 2");
    SAYS(BUNDLE(k, "a:g2 d1 m3three K g1"), "map=two; keys= 2 3; map=none");
    SAYS(BUNDLE(k, "a:K g3"), "keys= 2 3; map=three");
    cr_assert_eq(logged(k, "append ") + logged(k, "clear "), 0);
    SAYS(BUNDLE(k, "a:M m4four K g2"), "keys= 4; map=none");
    cr_assert_eq(logged(k, "clear map_keys S map " WK), 1);
    SAYS(BUNDLE(k, "a:g4 g3"), "map=four; map=none");
    kit_free(k);
}

Test(exec_state, set) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:ax ay ax A"), "set= x y");
    cr_assert(beamc_slice_eq(kit_state_get(k, "map S set " WK " 0178"), beamc_str("\x01")));
    kit_free(k);
}

Test(exec_state, ordered_list) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:l5e l3c l7g L09 L46"), "list= 3:c 5:e 7:g; list= 5:e");
    cr_assert(beamc_slice_eq(kit_state_get(k, "list S list " WK " "), beamc_str("\x05\x02\x01"
                                                                                "e\x03\x02\x01"
                                                                                "c\x07\x02\x01"
                                                                                "g")) ||
              beamc_slice_eq(kit_state_get(k, "list S list " WK " "), beamc_str("\x05\x01"
                                                                                "e\x03\x01"
                                                                                "c\x07\x01"
                                                                                "g")));
    SAYS(BUNDLE(k, "a:l4d X57 L09"), "list= 3:c 4:d 7:g");
    SAYS(BUNDLE(k, "a:L09"), "list= 3:c 4:d 7:g");
    cr_assert_eq(logged(k, "clear ") + logged(k, "append "), 0);
    kit_free(k);
}

Test(exec_state, a_full_cache_writes_back) {
    kit *k = stateful();
    static char big[200001];
    memset(big, 'x', 200000);
    big[0] = 'a', big[1] = ':', big[2] = 'w';
    for (int i = 0; i < 400; i++) {
        char key = (char)('A' + i % 50);
        beamc_kv kv = {{.bytes = beamc_slice_of(&key, 1)}, {.bytes = beamc_str(big + 2)}};
        kit_element e = {{.kv = &kv}, 7, {0, 100}};
        kit_feed(k, "src", &kv_str_str, &beamc_interval_window, &e, 1);
    }
    kit_run(k);
    cr_assert_gt(logged(k, "append "), 50); /* not only at the end */
    kit_free(k);
}

Test(exec_state, damaged_state_fails_the_bundle) {
    kit *k = stateful();
    kit_state_set(k, "bag S cell " WK " ", beamc_str("\x09x"));
    beamc_kv kv = {KIT_STR("a"), KIT_STR("r")};
    kit_element e = {{.kv = &kv}, 7, {0, 100}};
    kit_feed(k, "src", &kv_str_str, &beamc_interval_window, &e, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(k->err.message, "transform S: element 1: state cell: ") != NULL, "%s",
              k->err.message);
    kit_free(k);
}

/* ------------------------------------------------------------------------------------ timers */

static const beamc_coder timer_coder = {
    BEAMC_CODER_TIMER, {&beamc_string, &beamc_interval_window}, NULL, NULL};

static const char *timers(kit *k, const char *family) {
    beamc_slice in = beamc_buf_slice(&k->out[kit_port(k, "S", family)]);
    beamc_buf b = {0};
    while (in.len > 0) {
        beamc_value v;
        cr_assert_eq(beamc_decode(&timer_coder, &in, true, k->arena, &v, &k->err), BEAMC_OK, "%s",
                     k->err.message);
        beamc_buf_printf(&b, "%.*s/%.*s[%lld]", BEAMC_SLICE_ARG(v.timer->key.bytes),
                         BEAMC_SLICE_ARG(v.timer->tag), (long long)v.timer->windows[0].start);
        if (v.timer->clear) {
            beamc_buf_put_str(&b, " clear;");
        } else {
            beamc_buf_printf(&b, " %lld hold %lld;", (long long)v.timer->fire_at,
                             (long long)v.timer->hold_at);
        }
    }
    const char *text = beamc_arena_cstr(k->arena, beamc_buf_slice(&b));
    beamc_buf_free(&b);
    return text;
}

static void feed_timer(kit *k, const char *family, const char *key, const char *tag,
                       beamc_time fire_at, beamc_time hold_at) {
    beamc_window w = {0, 100};
    beamc_timer_value t = {.key = {.bytes = beamc_str(key)},
                           .tag = beamc_str(tag),
                           .windows = &w,
                           .window_count = 1,
                           .fire_at = fire_at,
                           .hold_at = hold_at,
                           .pane = BEAMC_PANE_NO_FIRING};
    beamc_value v = {.timer = &t};
    beamc_buf b = {0};
    cr_assert_eq(beamc_encode(&timer_coder, &v, true, &b, &k->err), BEAMC_OK);
    kit_feed_bytes(k, kit_port(k, "S", family), beamc_buf_slice(&b), false);
    beamc_buf_free(&b);
}

Test(exec_timers, the_last_setting_wins) {
    kit *k = stateful();
    BUNDLE(k, "a:t3 t4 p2 u5x u6y u7x", "b:t1 T", "a:v2");
    SAYS(timers(k, "event"), "a/[0] 20 hold 5;a/x[0] 70 hold 70;a/y[0] 60 hold 60;b/[0] clear;");
    SAYS(timers(k, "processing"), "a/[0] 1000020 hold 7;");
    kit_free(k);
}

Test(exec_timers, fire_with_key_state_and_output_time) {
    kit *k = stateful();
    SAYS(BUNDLE(k, "a:wx"), "");
    feed_timer(k, "event", "a", "tag", 40, 33);
    feed_timer(k, "processing", "b", "", 1000020, 7);
    feed_timer(k, "beamc:on_window_expiration", "c", "", 99, 99);
    kit_run(k);
    SAYS(kit_text(k, "sink", &beamc_string, &beamc_interval_window),
         "fired=0tag@40 key a cell x @33 [0,100)\n"
         "fired=1@1000020 key b cell none @7 [0,100)\n"
         "expired=c @99 [0,100)\n");
    kit_free(k);
}

Test(exec_timers, a_newer_setting_keeps_the_older_from_firing) {
    kit *k = stateful();
    beamc_kv kv = {KIT_STR("a"), KIT_STR("t9")};
    kit_element e = {{.kv = &kv}, 7, {0, 100}};
    kit_feed(k, "src", &kv_str_str, &beamc_interval_window, &e, 1);
    feed_timer(k, "event", "a", "", 40, 40);
    feed_timer(k, "event", "b", "", 40, 40);
    kit_run(k);
    SAYS(kit_text(k, "sink", &beamc_string, &beamc_interval_window),
         "fired=0@40 key b cell none @40 [0,100)\n");
    kit_free(k);
}

Test(exec_timers, wrong_uses) {
    kit *k = stateful();
    beamc_kv kv = {KIT_STR("a"), KIT_STR("W")};
    kit_element e = {{.kv = &kv}, 7, {0, 100}};
    kit_feed(k, "src", &kv_str_str, &beamc_interval_window, &e, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(k->err.message, "timer \"event\" of DoFn "), "%s", k->err.message);
    kit_free(k);

    k = stateful();
    kit_feed_bytes(k, kit_port(k, "S", "event"), beamc_str("\x01"), false);
    cr_assert_eq(kit_try_run(k), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(k->err.message, "transform S: timer family event: ") != NULL, "%s",
              k->err.message);
    kit_free(k);
}
