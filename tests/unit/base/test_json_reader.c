/* The event JSON reader: what is valid, what a member holds, on both ways through it. */
#include <beamc/json.h>
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_parts.h"

static const char *const names[] = {"a", "b", "product_id"};

/* Reads by the public reader and by the strict one alone; both must agree. */
static beamc_status read_both(beamc_slice text, beamc_json_field out[3], char *copy, size_t cap,
                              beamc_error *err) {
    beamc_json_reader *r = beamc_json_reader_new(names, 3);
    beamc_json_field quick[3];
    beamc_status s1 = beamc_json_read(r, text, quick, err);
    beamc_json_name wanted[3];
    for (int i = 0; i < 3; i++) {
        wanted[i] = beamc_json_name_of(beamc_str(names[i]));
    }
    beamc_json_names n = {wanted, 3};
    beamc_buf strings = {0};
    /* An exact-size copy on the heap: AddressSanitizer sees a byte read too far. */
    char *exact = malloc(text.len + 1);
    memcpy(exact, text.len != 0 ? text.ptr : "", text.len);
    beamc_status s2 =
        beamc__json_strict_read(beamc_slice_of(exact, text.len), &n, out, &strings, NULL);
    cr_assert_eq(s1, s2, "quick %d, strict %d for %.*s", s1, s2, BEAMC_SLICE_ARG(text));
    size_t used = 0;
    for (int i = 0; i < 3 && s1 == BEAMC_OK; i++) {
        cr_assert_eq(quick[i].kind, out[i].kind, "%.*s", BEAMC_SLICE_ARG(text));
        if (out[i].kind == BEAMC_JSON_STRING) {
            cr_assert(beamc_slice_eq(quick[i].text, out[i].text), "%.*s", BEAMC_SLICE_ARG(text));
            cr_assert_lt(used + out[i].text.len, cap);
            memcpy(copy + used, out[i].text.ptr, out[i].text.len);
            out[i].text.ptr = copy + used;
            used += out[i].text.len;
        } else if (out[i].kind == BEAMC_JSON_INT || out[i].kind == BEAMC_JSON_BOOL) {
            cr_assert_eq(quick[i].i64, out[i].i64, "%.*s", BEAMC_SLICE_ARG(text));
        } else if (out[i].kind == BEAMC_JSON_REAL) {
            cr_assert_eq(memcmp(&quick[i].f64, &out[i].f64, 8), 0, "%.*s", BEAMC_SLICE_ARG(text));
        }
    }
    free(exact);
    beamc_buf_free(&strings);
    beamc_json_reader_free(r);
    return s1;
}

static beamc_json_field field_a(const char *json, char copy[4096]) {
    beamc_json_field f[3];
    beamc_error err = {0};
    cr_assert_eq(read_both(beamc_str(json), f, copy, 4096, &err), BEAMC_OK, "%s: %s", json,
                 err.message);
    return f[0];
}

Test(json_reader, kinds_of_values) {
    static const struct {
        const char *json;
        beamc_json_kind kind;
        int64_t i64;
    } cases[] = {
        {"{}", BEAMC_JSON_ABSENT, 0},
        {" \t\r\n{ \"x\" : [ ] } \n", BEAMC_JSON_ABSENT, 0},
        {"{\"a\":null}", BEAMC_JSON_NULL, 0},
        {"{\"a\":true}", BEAMC_JSON_BOOL, 1},
        {"{\"a\":false}", BEAMC_JSON_BOOL, 0},
        {"{\"a\":0}", BEAMC_JSON_INT, 0},
        {"{\"a\":-0}", BEAMC_JSON_INT, 0},
        {"{\"a\":42}", BEAMC_JSON_INT, 42},
        {"{\"a\":9223372036854775807}", BEAMC_JSON_INT, INT64_MAX},
        {"{\"a\":-9223372036854775808}", BEAMC_JSON_INT, INT64_MIN},
        {"{\"a\":9223372036854775808}", BEAMC_JSON_BIG_INT, 0},
        {"{\"a\":18446744073709551615}", BEAMC_JSON_BIG_INT, 0},
        {"{\"a\":18446744073709551616}", BEAMC_JSON_BIG_INT, 0},
        {"{\"a\":-9223372036854775809}", BEAMC_JSON_BIG_INT, 0},
        {"{\"a\":123456789012345678901234567890}", BEAMC_JSON_BIG_INT, 0},
        {"{\"a\":1,\"a\":2}", BEAMC_JSON_INT, 2},
        {"{\"a\":1,\"\\u0061\":3}", BEAMC_JSON_INT, 3},
        {"{\"\\u0061\":3,\"a\":null}", BEAMC_JSON_NULL, 0},
        {"{\"a\":1,\"b\":{\"a\":2}}", BEAMC_JSON_INT, 1},
        {"{\"b\":[{\"a\":2}]}", BEAMC_JSON_ABSENT, 0},
        {"{\"a\":7,\"z\":123456789012345678901234567890}", BEAMC_JSON_INT, 7},
        {"{\"a\":[1,[2,{}]],\"z\":0}", BEAMC_JSON_ARRAY, 0},
        {"{\"a\":{\"b\":[]}}", BEAMC_JSON_OBJECT, 0},
        {"{\"A\":1,\"a \":2}", BEAMC_JSON_ABSENT, 0},
        {"{\"a\\u0000\":1,\"z\":123456789012345678901234567890}", BEAMC_JSON_ABSENT, 0},
    };
    char copy[4096];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_json_field f = field_a(cases[i].json, copy);
        cr_assert_eq(f.kind, cases[i].kind, "%s: got %s", cases[i].json,
                     beamc_json_kind_name(f.kind));
        if (f.kind == BEAMC_JSON_INT || f.kind == BEAMC_JSON_BOOL) {
            cr_assert_eq(f.i64, cases[i].i64, "%s", cases[i].json);
        }
    }
}

Test(json_reader, reals) {
    static const struct {
        const char *json;
        double value;
    } cases[] = {
        {"{\"a\":2.0}", 2},
        {"{\"a\":1e2}", 100},
        {"{\"a\":-0.0}", -0.0},
        {"{\"a\":-0e0}", -0.0},
        {"{\"a\":1.5E+1}", 15},
        {"{\"a\":0.1}", 0.1},
        {"{\"a\":1e-999}", 0},
        {"{\"a\":1.7976931348623157e308}", 1.7976931348623157e308},
        {"{\"a\":9007199254740993.0}", 9007199254740992.0},
        {"{\"a\":0.1,\"z\":123456789012345678901234567890}", 0.1},
    };
    setlocale(LC_ALL, "de_DE.UTF-8"); /* a comma locale must not matter, where there is one */
    char copy[4096];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_json_field f = field_a(cases[i].json, copy);
        cr_assert_eq(f.kind, BEAMC_JSON_REAL, "%s", cases[i].json);
        cr_assert_eq(f.f64, cases[i].value, "%s", cases[i].json);
        cr_assert_eq(signbit(f.f64), signbit(cases[i].value), "%s", cases[i].json);
    }
}

Test(json_reader, strings) {
    static const struct {
        const char *json;
        beamc_slice text;
    } cases[] = {
        {"{\"a\":\"\"}", BEAMC_STR("")},
        {"{\"a\":\"x y\"}", BEAMC_STR("x y")},
        {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", BEAMC_STR("\"\\/\b\f\n\r\t")},
        {"{\"a\":\"\\u0000\"}", BEAMC_STR("\0")},
        {"{\"a\":\"\\u00e9\\u20AC\"}", BEAMC_STR("\xc3\xa9\xe2\x82\xac")},
        {"{\"a\":\"\\ud83d\\uDE00\"}", BEAMC_STR("\xf0\x9f\x98\x80")},
        {"{\"a\":\"\xf0\x9f\x98\x80\x7f\"}", BEAMC_STR("\xf0\x9f\x98\x80\x7f")},
        {"{\"a\":\"\\u00e9\",\"z\":123456789012345678901234567890}", BEAMC_STR("\xc3\xa9")},
    };
    char copy[4096];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_json_field f = field_a(cases[i].json, copy);
        cr_assert_eq(f.kind, BEAMC_JSON_STRING, "%s", cases[i].json);
        cr_assert(beamc_slice_eq(f.text, cases[i].text), "%s gave %.*s", cases[i].json,
                  BEAMC_SLICE_ARG(f.text));
    }
}

Test(json_reader, invalid_texts) {
    static const char *const cases[] = {
        "",
        " ",
        "1",
        "\"a\"",
        "[]",
        "null",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"z\":nul}",
        "{\"z\":nulll}",
        "{\"z\":True}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":5.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":0x10}",
        "{\"a\":1_0}",
        "{\"z\":1e999}",
        "{\"z\":[-1e309]}",
        "{\"a\":1}{}",
        "{\"a\":1} x",
        "{\"a\":1},",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":[1]]",
        "{\"a\":{]}",
        "{\"a\":1}//c",
        "{/*c*/\"a\":1}",
        "\xef\xbb\xbf{\"a\":1}",
        "{\"a\":\"\\ud800\"}",
        "{\"z\":\"\\udc00\"}",
        "{\"z\":\"\\ud800\\ud800\"}",
        "{\"z\":\"\\ud800x\"}",
        "{\"\\udfff\":1}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"x}",
        "{\"a\":\"\\",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xe2\x82\"}",
        "{\"a\":1\xff}",
        "\xff",
        "{\"a\":1\v}",
    };
    char copy[4096];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_json_field f[3];
        beamc_error err = {0};
        cr_assert_eq(read_both(beamc_str(cases[i]), f, copy, sizeof copy, &err),
                     BEAMC_INVALID_ARGUMENT, "%s", cases[i]);
        cr_assert_neq(err.message[0], '\0', "%s", cases[i]);
    }
    beamc_json_field f[3];
    cr_assert_neq(read_both(beamc_slice_of("{\"a\":1}\0", 8), f, copy, sizeof copy, NULL), 0);
    cr_assert_neq(read_both(beamc_slice_of("{\"a\":\"\0\"}", 9), f, copy, sizeof copy, NULL), 0);
}

Test(json_reader, the_message_says_where_and_what) {
    beamc_json_reader *r = beamc_json_reader_new(names, 3);
    beamc_json_field f[3];
    beamc_error err = {0};
    cr_assert_eq(beamc_json_read(r, beamc_str("{\"a\":1e999}"), f, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_str_eq(err.message, "JSON, byte 5: a number is too large for a double");
    cr_assert_eq(beamc_json_read(r, beamc_str("{\"a\":"), f, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_str_eq(err.message, "JSON ends after 5 bytes: a value is missing");
    beamc_json_reader_free(r);
}

Test(json_reader, nesting) {
    char copy[16];
    for (int object = 0; object < 2; object++) {
        for (size_t depth = 100; depth <= 3000; depth += 100) {
            beamc_buf text = {0};
            beamc_buf_put_str(&text, "{\"a\":");
            for (size_t i = 1; i < depth; i++) {
                beamc_buf_put_str(&text, object ? "{\"b\":" : "[");
            }
            beamc_buf_put_str(&text, "1");
            for (size_t i = 1; i < depth; i++) {
                beamc_buf_put_str(&text, object ? "}" : "]");
            }
            beamc_buf_put_str(&text, "}");
            beamc_json_field f[3];
            beamc_status s = read_both(beamc_buf_slice(&text), f, copy, sizeof copy, NULL);
            if (depth <= 1000) {
                cr_assert_eq(s, BEAMC_OK, "depth %zu", depth);
            } else if (depth >= 1100) {
                cr_assert_neq(s, BEAMC_OK, "depth %zu", depth);
            }
            beamc_buf_free(&text);
        }
    }
}

Test(json_reader, every_prefix_is_invalid) {
    const char *json = "{\"a\":\"x\\u00e9\\ud83d\\ude00\xc3\xa9\",\"b\":[1,-2.5e3,{\"c\":null}],"
                       "\"product_id\":true}";
    char copy[4096];
    beamc_json_field f[3];
    for (size_t n = 0; n < strlen(json); n++) {
        cr_assert_neq(read_both(beamc_slice_of(json, n), f, copy, sizeof copy, NULL), BEAMC_OK,
                      "%zu bytes", n);
    }
    cr_assert_eq(read_both(beamc_str(json), f, copy, sizeof copy, NULL), BEAMC_OK);
}

Test(json_reader, large_texts_and_reuse) {
    beamc_json_reader *r = beamc_json_reader_new(names, 3);
    beamc_json_field f[3];
    for (int round = 0; round < 3; round++) {
        beamc_buf text = {0};
        beamc_buf_put_str(&text, "{\"a\":\"\\n");
        size_t n = (size_t)3 << 20;
        memset(beamc_buf_room(&text, n), 'x', n);
        text.len += n;
        beamc_buf_put_str(&text, "\",\"b\":\"\\t\"}");
        cr_assert_eq(beamc_json_read(r, beamc_buf_slice(&text), f, NULL), BEAMC_OK);
        cr_assert_eq(f[0].text.len, n + 1);
        cr_assert_eq(f[0].text.ptr[0], '\n');
        cr_assert(beamc_slice_eq(f[1].text, beamc_str("\t")));
        beamc_buf_free(&text);
        cr_assert_eq(beamc_json_read(r, beamc_str("{\"a\":1}"), f, NULL), BEAMC_OK);
        cr_assert_eq(f[0].i64, 1);
        cr_assert_eq(f[1].kind, BEAMC_JSON_ABSENT);
    }
    beamc_json_reader_free(r);
}
