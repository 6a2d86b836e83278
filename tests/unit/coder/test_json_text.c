/* JSON strings: escapes and ill-formed UTF-8. Times as text. */
#include <beamc/row.h>
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/time_text.h"

static void check(beamc_slice in, const char *want) {
    for (size_t lead = 0; lead < 20; lead++) { /* at every place in a word */
        beamc_buf text = {0}, out = {0}, expect = {0};
        beamc_buf_put_u8(&expect, '"');
        for (size_t i = 0; i < lead; i++) {
            beamc_buf_put_u8(&text, 'x');
            beamc_buf_put_u8(&expect, 'x');
        }
        beamc_buf_put_slice(&text, in);
        beamc_buf_put_str(&expect, want);
        beamc_buf_put_str(&text, "0123456789");
        beamc_buf_put_str(&expect, "0123456789\"");
        char *exact = malloc(text.len);
        memcpy(exact, text.ptr, text.len);
        beamc_json_put_string(&out, beamc_slice_of(exact, text.len));
        cr_assert(beamc_slice_eq(beamc_buf_slice(&out), beamc_buf_slice(&expect)), "%.*s",
                  BEAMC_SLICE_ARG(beamc_buf_slice(&out)));
        free(exact);
        beamc_buf_free(&text);
        beamc_buf_free(&out);
        beamc_buf_free(&expect);
    }
}

Test(json_text, escapes) {
    check((beamc_slice)BEAMC_STR(""), "");
    check((beamc_slice)BEAMC_STR("plain \x7f"), "plain \x7f");
    check((beamc_slice)BEAMC_STR("a\"b\\c/"), "a\\\"b\\\\c/");
    check((beamc_slice)BEAMC_STR("\b\t\n\f\r\1\x1f"), "\\b\\t\\n\\f\\r\\u0001\\u001f");
    check((beamc_slice)BEAMC_STR("\0"), "\\u0000");
    check((beamc_slice)BEAMC_STR("\xc3\xa9\xf0\x9f\x98\x80"), "\xc3\xa9\xf0\x9f\x98\x80");
}

#define FFFD "\xEF\xBF\xBD"

/* One replacement for each maximal subpart, as Unicode 3.9 recommends. */
Test(json_text, ill_formed_utf8) {
    check((beamc_slice)BEAMC_STR("\xff"), FFFD);
    check((beamc_slice)BEAMC_STR("\x80\x80"), FFFD FFFD);
    check((beamc_slice)BEAMC_STR("\xc0\x80"), FFFD FFFD);
    check((beamc_slice)BEAMC_STR("\xe2\x82"), FFFD);
    check((beamc_slice)BEAMC_STR("\xf0\x9f\x98"), FFFD);
    check((beamc_slice)BEAMC_STR("\xf0\x9f\x98\xf0\x9f"), FFFD FFFD);
    check((beamc_slice)BEAMC_STR("\xed\xa0\x80"), FFFD FFFD FFFD);
    check((beamc_slice)BEAMC_STR("\xf4\x90\x80\x80"), FFFD FFFD FFFD FFFD);
    check((beamc_slice)BEAMC_STR("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"), FFFD FFFD FFFD FFFD);
}

static const char *format(beamc_time t) {
    static char out[BEAMC_TIME_TEXT_MAX + 1];
    out[beamc__time_format_utc(t, out)] = '\0';
    return out;
}

Test(time_text, formats) {
    cr_assert_str_eq(format(0), "1970-01-01T00:00:00Z");
    cr_assert_str_eq(format(-1), "1969-12-31T23:59:59.999Z");
    cr_assert_str_eq(format(951782400000), "2000-02-29T00:00:00Z");
    cr_assert_str_eq(format(951868799123), "2000-02-29T23:59:59.123Z");
    cr_assert_str_eq(format(BEAMC_TIME_TEXT_FIRST), "0001-01-01T00:00:00Z");
    cr_assert_str_eq(format(BEAMC_TIME_TEXT_LAST), "9999-12-31T23:59:59.999Z");
    cr_assert_str_eq(format(BEAMC_TIME_TEXT_FIRST - 1), "");
    cr_assert_str_eq(format(BEAMC_TIME_TEXT_LAST + 1), "");
    cr_assert_str_eq(format(INT64_MIN), "");
    cr_assert_str_eq(format(INT64_MAX), "");
}

Test(time_text, every_day_there_is) {
    int64_t checked = 0;
    for (beamc_time t = BEAMC_TIME_TEXT_FIRST; t <= BEAMC_TIME_TEXT_LAST; t += 86400000) {
        char out[BEAMC_TIME_TEXT_MAX];
        size_t len = beamc__time_format_utc(t, out);
        beamc_time back;
        cr_assert(len == 20 && beamc__time_parse_utc(beamc_slice_of(out, len), &back) && back == t);
        checked++;
    }
    cr_assert_eq(checked, 3652059);
}

Test(time_text, parses) {
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01", 0},
        {"1970-01-02T03:04", 97440000},
        {"1970-01-01T00:00:01Z", 1000},
        {"1970-01-01t00:00:01.5z", 1500},
        {"1970-01-01 00:00:01.123456789", 1123},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T23:30:00-00:30", 0},
        {"1969-12-31T23:59:59.9999Z", -1},
        {"2000-02-29T00:00:00Z", 951782400000},
    };
    beamc_time t;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(beamc__time_parse_utc(beamc_str(good[i].text), &t), "%s", good[i].text);
        cr_assert_eq(t, good[i].ms, "%s", good[i].text);
    }
    static const char *const bad[] = {
        "",
        "1970",
        "1970-1-01",
        "1970-01-01Z",
        "1970-01-01T",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01",
        "1970-02-29",
        "1900-02-29",
        "1970-13-01",
        "0000-01-01",
        "10000-01-01",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01  00:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert(!beamc__time_parse_utc(beamc_str(bad[i]), &t), "%s", bad[i]);
    }
}
