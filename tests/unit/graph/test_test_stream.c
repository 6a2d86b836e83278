/* test_test_stream.c: what a test stream plays arrives as it was given, whatever its coder. */
#include <beamc/beamc.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

static void plays(const beamc_coder *coder, beamc_value value) {
    static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test_stream"};
    beamc_test_pipeline *test = beamc_test_pipeline_new(&program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_test_event steps[] = {beamc_test_at(7, value), beamc_test_watermark(10)};
    beamc_assert_equal(beamc_test_stream(p, "In", coder, steps, 2), "Same", &value, 1);
    beamc_error err = {0};
    cr_expect_eq(beamc_test_pipeline_run(test, &err), BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(test);
}

/* A text has a length in front when it is nested, and none when it stands alone. */
Test(test_stream, texts) {
    static const beamc_coder texts = BEAMC_KV(&beamc_string, &beamc_string);
    plays(&beamc_string, beamc_value_text("text"));
    plays(&beamc_bytes, beamc_value_text(""));
    plays(&texts, beamc_pair(beamc_value_text("key"), beamc_value_text("value")));
}

Test(test_stream, numbers_and_pairs) {
    plays(&beamc_varint, beamc_value_i64(-5));
    plays(&beamc_kv_str_i64, beamc_pair(beamc_value_text("key"), beamc_value_i64(300)));
}

Test(test_stream, a_watermark_does_not_move_back) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_test_event steps[] = {beamc_test_watermark(10), beamc_test_watermark(9)};
    beamc_test_stream(p, "In", &beamc_varint, steps, 2);
    beamc_error err = {0};
    cr_expect_eq(beamc_pipeline_status(p, &err), BEAMC_INVALID_ARGUMENT);
    cr_expect_not_null(strstr(err.message, "In: event 1 moves the watermark backwards"), "%s",
                       err.message);
    beamc_pipeline_free(p);
}
