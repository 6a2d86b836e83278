/* test_print.c: values as text, and beamc_print. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <unistd.h>

static void expect_text(const beamc_coder *coder, beamc_value v, const char *want) {
    beamc_buf out = {0};
    beamc_value_describe(coder, v, &out);
    beamc_buf_put_u8(&out, 0);
    cr_expect_str_eq((const char *)out.ptr, want);
    beamc_buf_free(&out);
}

static void expect_window(beamc_window w, const char *want) {
    beamc_buf out = {0};
    beamc_window_describe(w, &out);
    beamc_buf_put_u8(&out, 0);
    cr_expect_str_eq((const char *)out.ptr, want);
    beamc_buf_free(&out);
}

Test(print, values_as_text) {
    static const beamc_coder maybe = BEAMC_NULLABLE(&beamc_varint);
    static const beamc_coder many = BEAMC_ITERABLE(&beamc_kv_str_i64);
    beamc_arena *arena = beamc_arena_new(0);
    beamc_value pairs[] = {beamc_pair(beamc_value_text("a"), beamc_value_i64(-1)),
                           beamc_pair(beamc_value_text("\xc3\xa4\""), beamc_value_i64(2))};
    beamc_value some = beamc_value_i64(7);
    expect_text(&beamc_string, beamc_value_text("a\n"), "\"a\\n\"");
    expect_text(&beamc_bytes, beamc_value_text("text"), "\"text\"");
    expect_text(&beamc_bytes, beamc_value_text("\x01\xff"), "0x01ff");
    expect_text(&beamc_bytes, beamc_value_text(""), "0x");
    expect_text(&beamc_double, beamc_value_f64(0.5), "0.5");
    expect_text(&maybe, (beamc_value){.nullable = NULL}, "null");
    expect_text(&maybe, (beamc_value){.nullable = &some}, "7");
    expect_text(&many, (beamc_value){.iterable = beamc_iterable_of(arena, pairs, 2)},
                "[(\"a\": -1), (\"\xc3\xa4\\\"\": 2)]");
    beamc_arena_free(arena);
}

Test(print, windows_as_text) {
    expect_window((beamc_window){0, 60500}, "[1970-01-01T00:00:00Z, 1970-01-01T00:01:00.500Z)");
    expect_window((beamc_window)BEAMC_GLOBAL_WINDOW, "the global window");
    expect_window((beamc_window){BEAMC_TIME_MIN, 0}, "[the start of time, 1970-01-01T00:00:00Z)");
}

Test(print, times_are_read) {
    beamc_time t;
    cr_expect(beamc_parse_time(beamc_str("1970-01-01T00:01:00.5+01:00"), &t));
    cr_expect_eq(t, 60500 - 3600000);
    cr_expect_not(beamc_parse_time(beamc_str("yesterday"), &t));
}

/* Runs one pair at a time, in minute windows, through beamc_print. */
static void print_pair(beamc_print_options options) {
    static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "print"};
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value pair = beamc_pair(beamc_value_text("k"), beamc_value_i64(3));
    beamc_test_event steps[] = {beamc_test_at(30000, pair), beamc_test_watermark(60000)};
    beamc_pcoll in = beamc_test_stream(p, "In", &beamc_kv_str_i64, steps, 2);
    in = beamc_window_into(in, "Minutes", .fn = beamc_fixed(.size_ms = 60000));
    beamc_pcoll sums = beamc_combine_per_key(in, "Sum", &beamc_sum_i64);
    beamc_pcoll same = beamc_print_with(sums, "Print", options);
    beamc_assert_equal(same, "Same", &pair, 1);
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(test, &err), BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(test);
}

Test(print, elements_go_on_and_are_printed, .init = cr_redirect_stdout) {
    print_pair((beamc_print_options){.struct_size = sizeof(beamc_print_options)});
    cr_assert_stdout_eq_str("k: 3\n");
}

Test(print, with_all_that_is_known_of_them, .init = cr_redirect_stdout) {
    print_pair((beamc_print_options){.struct_size = sizeof(beamc_print_options),
                                     .prefix = "> ",
                                     .timestamp = true,
                                     .window = true,
                                     .pane = true});
    cr_assert_stdout_eq_str(
        "> k: 3 at 1970-01-01T00:00:59.999Z in [1970-01-01T00:00:00Z, 1970-01-01T00:01:00Z)"
        " pane 0 on time, first, last\n");
}
