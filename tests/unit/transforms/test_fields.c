/* The pure rules of the event contract: times and whole numbers. */
#include "../../../transforms/parse_validate/fields.h"

#include <stdlib.h>

#include <criterion/criterion.h>

typedef struct time_case {
    const char *text;
    int64_t seconds;
    int32_t micros;
} time_case;

static const time_case good_times[] = {
    {"1970-01-01", 0, 0},
    {"2026-01-01T00:00:27.933Z", 1767225627, 933000},
    {"2026-01-01t10:00:00z", 1767261600, 0},
    {"2026-01-01 10:00", 1767261600, 0},
    {"2026-01-01T10:00:00.1234567", 1767261600, 123456},
    {"2026-01-01T10:00+02:00", 1767254400, 0},
    {"2026-01-01T10:00:00.000007-23:59", 1767347940, 7},
    {"1969-12-31T23:59:59.999", -1, 999000},
    {"2024-02-29", 1709164800, 0},
    {"0001-01-01", EVENT_FIRST_SECOND, 0},
    {"9999-12-31T23:59:59", EVENT_END_SECOND - 1, 0},
};

Test(event_fields, times_that_are_valid) {
    for (size_t i = 0; i < sizeof good_times / sizeof good_times[0]; i++) {
        event_instant t;
        const char *wrong = beamc__event_time_parse(beamc_str(good_times[i].text), &t);
        cr_assert_null(wrong, "%s: %s", good_times[i].text, wrong);
        cr_assert_eq(t.seconds, good_times[i].seconds, "%s", good_times[i].text);
        cr_assert_eq(t.micros, good_times[i].micros, "%s", good_times[i].text);
    }
}

Test(event_fields, times_that_are_not) {
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-01Z",
        "2026-01-01T",
        "2026-01-01T10",
        "2026-01-01T24:00",
        "2026-01-01T23:59:60",
        "2026-01-01T10:00:00.",
        "2026-01-01T10:00:00.1234567890",
        "2026-01-01T10:00+0200",
        "2026-01-01T10:00+24:00",
        "2026-01-01T10:00+02:60",
        "2026-01-01T10:00 Z",
        "2026-01-01_10:00",
        "2026-02-29",
        "2026-13-01",
        "2026-04-31",
        "0000-12-31T23:00-02:00",
        "0001-01-01T00:00+00:01",
        "9999-12-31T23:59-00:01",
        "2026-01-01 ",
        "2026-01-01T10:00.5",
        "2026-01-01T10:00:0",
        "-026-01-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        event_instant t;
        cr_assert_not_null(beamc__event_time_parse(beamc_str(bad[i]), &t),
                           "\"%s\" is taken for a time", bad[i]);
    }
}

Test(event_fields, every_prefix_of_a_time_is_read_within_its_bounds) {
    static const char text[] = "2026-01-01T10:00:00.123456789+02:00";
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1); /* exact size, so that a sanitizer sees a read behind it */
        memcpy(copy, text, len);
        event_instant t;
        beamc__event_time_parse(beamc_slice_of(copy, len), &t);
        free(copy);
    }
}

Test(event_fields, milliseconds_are_floored) {
    cr_assert_eq(beamc__event_instant_to_ms((event_instant){-1, 999999}), -1);
    cr_assert_eq(beamc__event_instant_to_ms((event_instant){1, 1999}), 1001);
}

Test(event_fields, windows_must_lie_in_the_years_of_a_timestamp) {
    event_instant last = {EVENT_END_SECOND - 1, 0};
    cr_assert_not(beamc__event_window_in_range(last, 60), "its end is in year 10000");
    cr_assert(beamc__event_window_in_range((event_instant){EVENT_END_SECOND - 61, 0}, 60));
    cr_assert(beamc__event_window_in_range((event_instant){EVENT_FIRST_SECOND, 0}, 60));
    cr_assert_not(beamc__event_window_in_range((event_instant){EVENT_FIRST_SECOND, 0}, 7 * 86400),
                  "starts in year 0");
}

static void check_text(const char *text, bool valid, int64_t want) {
    int64_t n = 0;
    bool got = beamc__event_int_from_text(beamc_str(text), &n);
    cr_assert_eq(got, valid, "\"%s\"", text);
    if (valid) {
        cr_assert_eq(n, want, "\"%s\" gives %lld", text, (long long)n);
    }
}

Test(event_fields, whole_numbers_in_strings) {
    check_text("3", true, 3);
    check_text(" -2 ", true, -2);
    check_text("+7", true, 7);
    check_text("007", true, 7);
    check_text("\t\n\v\f\r 8\r", true, 8);
    check_text("9223372036854775807", true, INT64_MAX);
    check_text("-9223372036854775808", true, INT64_MIN);
    check_text("0000000000000000000000000000000000000000012", true, 12);
    check_text("9223372036854775808", false, 0);
    check_text("-9223372036854775809", false, 0);
    check_text("99999999999999999999", false, 0);
    check_text("", false, 0);
    check_text("  ", false, 0);
    check_text("+", false, 0);
    check_text("- 2", false, 0);
    check_text("--2", false, 0);
    check_text("1.0", false, 0);
    check_text("1_0", false, 0);
    check_text("3 4", false, 0);
    check_text("\xD9\xA3", false, 0);
}

Test(event_fields, whole_numbers_written_as_reals) {
    int64_t n;
    cr_assert(beamc__event_int_from_double(2.0, &n) && n == 2);
    cr_assert(beamc__event_int_from_double(-0.0, &n) && n == 0);
    cr_assert(beamc__event_int_from_double(9007199254740992.0, &n) &&
              n == INT64_C(9007199254740992));
    cr_assert_not(beamc__event_int_from_double(9007199254740994.0, &n));
    cr_assert_not(beamc__event_int_from_double(2.7, &n));
    cr_assert_not(beamc__event_int_from_double(1e300, &n));
}
