/* ParseAndValidate without a runner, and the job's transforms in a pipeline: written as a user would, with <beamc/test.h>. */
#include <beamc/ecommerce.h>
#include <beamc/test.h>
#include <criterion/criterion.h>

#define SPACE "ecommerce_pipeline"

static beamc_dofn_tester *tester_of(beamc_stream stream) {
    beamc_parse_config config = {stream, 60, BEAMC_STR(SPACE)};
    beamc_error err = {0};
    beamc_dofn_tester *t = beamc_dofn_tester_new(&beamc_parse_and_validate, &config, &err);
    cr_assert_not_null(t, "%s", err.message);
    return t;
}

static void feed(beamc_dofn_tester *t, const char *text) {
    beamc_error err = {0};
    beamc_status st = beamc_dofn_tester_process(t, beamc_value_bytes(beamc_str(text)), 0, &err);
    cr_assert_eq(st, BEAMC_OK, "%s", err.message);
}

static const beamc_dead_letter *dead_letter(const beamc_dofn_tester *t, size_t index) {
    return beamc_dofn_tester_output(t, BEAMC_INVALID, index)->value.row;
}

Test(parse_and_validate, a_click_comes_out_at_its_event_time) {
    beamc_dofn_tester *t = tester_of(BEAMC_STREAM_CLICKS);
    feed(t, "{\"event_time\": \"1970-01-01T00:00:01.5Z\", \"product_id\": 42, \"page\": \"/\"}");
    cr_assert_eq(beamc_dofn_tester_count(t, BEAMC_PARSED), 1);
    cr_assert_eq(beamc_dofn_tester_count(t, BEAMC_INVALID), 0);
    const beamc_windowed_value *out = beamc_dofn_tester_output(t, BEAMC_PARSED, 0);
    const beamc_event *event = out->value.row;
    cr_assert_eq(out->timestamp, 1500);
    cr_assert(beamc_slice_eq(event->product_id, beamc_str("42")));
    cr_assert_eq(event->second_id.len, 0);
    cr_assert_eq(event->value, 1);
    beamc_dofn_tester_free(t);
}

Test(parse_and_validate, a_transaction_has_store_and_quantity) {
    beamc_dofn_tester *t = tester_of(BEAMC_STREAM_TRANSACTIONS);
    feed(t, "{\"event_time\": \"2026-01-01\", \"product_id\": \"p\", \"store_id\": \"s\", \"qty\": "
            "\" -2 \"}");
    const beamc_event *event = beamc_dofn_tester_output(t, BEAMC_PARSED, 0)->value.row;
    cr_assert(beamc_slice_eq(event->second_id, beamc_str("s")));
    cr_assert_eq(event->value, -2);
    beamc_dofn_tester_free(t);
}

Test(parse_and_validate, the_first_faulty_field_is_named) {
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"product_id\": \"\", \"event_time\": null}", "event_time"},
        {"{\"event_time\": \"2026-01-01\", \"product_id\": true, \"warehouse_id\": null}",
         "product_id"},
        {"{\"event_time\": \"2026-01-01\", \"product_id\": \"p\", \"delta\": \"x\"}",
         "warehouse_id"},
        {"{\"event_time\": \"2026-01-01\", \"product_id\": \"p\", \"warehouse_id\": 1, \"delta\": "
         "2.7}",
         "delta"},
        {"{\"event_time\": \"9999-12-31T23:59:30\", \"product_id\": \"p\", \"warehouse_id\": 1, "
         "\"delta\": 2}",
         "event_time"},
    };
    beamc_dofn_tester *t = tester_of(BEAMC_STREAM_STOCK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        feed(t, cases[i].text);
        const beamc_dead_letter *letter = dead_letter(t, i);
        cr_assert(beamc_slice_starts_with(letter->error, beamc_str(cases[i].field)), "%s: %.*s",
                  cases[i].text, BEAMC_SLICE_ARG(letter->error));
        cr_assert(beamc_slice_eq(letter->payload, beamc_str(cases[i].text)));
        cr_assert(beamc_slice_eq(letter->event_type, beamc_str("stock")));
        cr_assert_not(letter->has_payload_base64);
    }
    cr_assert_eq(beamc_dofn_tester_count(t, BEAMC_PARSED), 0);
    beamc_dofn_tester_free(t);
}

Test(parse_and_validate, ill_formed_text_is_repaired_and_kept_as_bytes) {
    beamc_dofn_tester *t = tester_of(BEAMC_STREAM_CLICKS);
    feed(t, "a\xE2\x82\xFF\xF0\x9F\x98x");
    const beamc_dead_letter *letter = dead_letter(t, 0);
    cr_assert(beamc_slice_eq(letter->payload, beamc_str("a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx")));
    cr_assert(letter->has_payload_base64);
    cr_assert(beamc_slice_eq(letter->payload_base64, beamc_str("YeKC//CfmHg=")));
    beamc_dofn_tester_free(t);
}

Test(parse_and_validate, counters_add_up_and_runs_of_faults_are_counted) {
    beamc_dofn_tester *t = tester_of(BEAMC_STREAM_CLICKS);
    for (int i = 0; i < 12; i++) {
        feed(t, "nonsense");
    }
    feed(t, "{\"event_time\": \"2026-01-01\", \"product_id\": \"p\"}");
    feed(t, "[]");
    feed(t, "");
    cr_assert_eq(beamc_dofn_tester_counter(t, SPACE, "click_received"), 15);
    cr_assert_eq(beamc_dofn_tester_counter(t, SPACE, "click_processed"), 1);
    cr_assert_eq(beamc_dofn_tester_counter(t, SPACE, "click_invalid"), 14);
    cr_assert_eq(beamc_dofn_tester_counter(t, SPACE, "click_consecutive_failures"), 12);
    cr_assert_eq(beamc_dofn_tester_counter(t, SPACE, "click_circuit_tripped"), 1);
    beamc_dofn_tester_free(t);
}

Test(parse_and_validate, a_config_that_makes_no_sense_fails_the_setup) {
    beamc_parse_config config = {7, 60, BEAMC_STR(SPACE)};
    beamc_error err = {0};
    cr_assert_null(beamc_dofn_tester_new(&beamc_parse_and_validate, &config, &err));
    cr_assert_not_null(strstr(err.message, "stream"), "%s", err.message);
}

/* ------------------------------------------------------------------------- the job's transforms */

Test(ecommerce, sums_are_kept_by_key_and_window_and_saturate) {
    static const char *const events[] = {
        "{\"event_time\": \"1970-01-01T00:00:10Z\", \"product_id\": \"a\", \"store_id\": \"s\", "
        "\"qty\": 2}",
        "{\"event_time\": \"1970-01-01T00:04:59Z\", \"product_id\": \"a\", \"store_id\": \"t\", "
        "\"qty\": 3}",
        "{\"event_time\": \"1970-01-01T00:05:00Z\", \"product_id\": \"a\", \"store_id\": \"ALL\", "
        "\"qty\": 9223372036854775807}",
        "{\"event_time\": \"1969-12-31T23:59:59Z\", \"product_id\": \"a\", \"store_id\": \"s\", "
        "\"qty\": -1}",
    };
    beamc_test_pipeline *test = beamc_test_pipeline_new(&beamc_ecommerce_program);
    beamc_pipeline *p = beamc_test_pipeline_graph(test);
    beamc_value inputs[4];
    for (size_t i = 0; i < 4; i++) {
        inputs[i].bytes = beamc_str(events[i]);
    }
    beamc_parse_config config = {BEAMC_STREAM_TRANSACTIONS, 300, BEAMC_STR(SPACE)};
    beamc_pcoll lines = beamc_create(p, "Lines", &beamc_bytes, inputs, 4);
    beamc_pcoll parsed =
        beamc_pardo(lines, "ParseAndValidate", &beamc_parse_and_validate, .config = &config);
    beamc_pcoll pairs = beamc_pardo(parsed, "Keys", &beamc_event_keys);
    beamc_pcoll windowed = beamc_fixed_window(pairs, "FixedWindow", 300, 0);
    beamc_pcoll sums =
        beamc_sum_per_key(windowed, "CombinePerKey", SPACE, "sales_quantity_overflow");
    beamc_to_row_config to_row = {BEAMC_STR(SPACE), false};
    beamc_pcoll rows = beamc_pardo(sums, "ToRow", &beamc_to_sales_row, .config = &to_row);
    beamc_sales_summary want[] = {
        {BEAMC_STR("a"), BEAMC_STR("s"), 0, 300000, 2},
        {BEAMC_STR("a"), BEAMC_STR("t"), 0, 300000, 3},
        {BEAMC_STR("a"), BEAMC_STR("ALL"), 0, 300000, 5},
        {BEAMC_STR("a"), BEAMC_STR("ALL"), 300000, 600000,
         INT64_MAX}, /* twice the largest: its own key and the sum */
        {BEAMC_STR("a"), BEAMC_STR("s"), -300000, 0, -1},
        {BEAMC_STR("a"), BEAMC_STR("ALL"), -300000, 0, -1},
    };
    beamc_value expected[sizeof want / sizeof want[0]];
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        expected[i].row = &want[i];
    }
    beamc_assert_equal(rows, "Rows", expected, sizeof want / sizeof want[0]);
    beamc_assert_empty(beamc_out(parsed, BEAMC_INVALID), "NoDeadLetters");
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(test, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc_test_pipeline_counter(test, SPACE, "sales_quantity_overflow"), 1);
    cr_assert_eq(beamc_test_pipeline_counter(test, SPACE, "sales_quantity_rows_emitted"), 6);
    beamc_test_pipeline_free(test);
}
