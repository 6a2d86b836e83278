/* The event generator: equal seeds give equal events, event times keep to their places. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/time_text.h"
#include "io/generator/events.h"

#include <beamc/json.h>

static uint64_t hash_of(beamc_slice s) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (unsigned char)s.ptr[i]) * UINT64_C(1099511628211);
    }
    return h;
}

Test(generator, the_shares_add_up) {
    for (int64_t n = 0; n < 1000; n++) {
        cr_assert_eq(beamc_generate_count(0, n) + beamc_generate_count(1, n) +
                         beamc_generate_count(2, n),
                     n);
    }
    cr_assert_eq(beamc_generate_count(0, 300000), 210000);
    cr_assert_eq(beamc_generate_count(1, 300000), 60000);
    cr_assert_eq(beamc_generate_count(2, 300000), 30000);
    cr_assert_gt(beamc_generate_count(0, INT64_MAX), INT64_MAX / 10 * 7 - 10);
}

/* An event depends on nothing but seed, stream and index; these are never to change, since samples and
 * benchmarks are compared over time. */
Test(generator, events_are_always_the_same) {
    static const uint64_t expected[3] = {UINT64_C(0x2e978ace365cbeab), UINT64_C(0x82a0cde7165c8a9a),
                                         UINT64_C(0xb88b531832e909ed)};
    for (int64_t stream = 0; stream < 3; stream++) {
        beamc_generate_options o = {.stream = stream, .events = 30000, .seed = 7};
        beamc_buf forward = {0};
        for (int64_t i = 0; i < 2000; i++) {
            beamc_generate_event(&o, i, &forward);
        }
        cr_expect_eq(hash_of(beamc_buf_slice(&forward)), expected[stream], "stream %lld: 0x%llx",
                     (long long)stream, (unsigned long long)hash_of(beamc_buf_slice(&forward)));
        beamc_buf one = {0};
        size_t end = forward.len;
        for (int64_t i = 1999; i >= 0; i--) { /* and in any order */
            beamc_buf_clear(&one);
            beamc_generate_event(&o, i, &one);
            cr_assert_leq(one.len, end);
            cr_assert_eq(memcmp(forward.ptr + end - one.len, one.ptr, one.len), 0);
            end -= one.len;
        }
        o.seed = 8;
        beamc_buf_clear(&one);
        beamc_generate_event(&o, 0, &one);
        cr_assert_neq(memcmp(one.ptr, forward.ptr, 100), 0);
        beamc_buf_free(&one);
        beamc_buf_free(&forward);
    }
}

/* Reads the valid events of a stream; all of them must be JSON objects whose event time lies within
 * out_of_order_ms before their place. */
static void check_stream(const beamc_generate_options *o, int64_t count) {
    static const char *const names[] = {"event_time", "product_id"};
    beamc_json_reader *reader = beamc_json_reader_new(names, 2);
    beamc_generator g;
    beamc__generator_init(&g, o, 5000);
    int64_t slack = o->out_of_order_ms == 0 ? 30000 : o->out_of_order_ms;
    slack = slack < 0 ? 0 : slack;
    beamc_time last_place = INT64_MIN;
    beamc_buf text = {0};
    int64_t moved_back = 0;
    beamc_time last = INT64_MIN;
    for (int64_t i = 0; i < count; i++) {
        beamc_buf_clear(&text);
        beamc__generator_event(&g, i, &text);
        beamc_json_field f[2];
        beamc_error err = {0};
        cr_assert_eq(beamc_json_read(reader, beamc_buf_slice(&text), f, &err), BEAMC_OK, "%.*s: %s",
                     BEAMC_SLICE_ARG(beamc_buf_slice(&text)), err.message);
        beamc_time at;
        cr_assert_eq(f[0].kind, BEAMC_JSON_STRING);
        cr_assert(beamc__time_parse_utc(f[0].text, &at), "%.*s",
                  BEAMC_SLICE_ARG(beamc_buf_slice(&text)));
        beamc_time place = beamc__generator_place(&g, i);
        cr_assert_geq(place, last_place);
        cr_assert_geq(at, place - slack, "event %lld", (long long)i);
        cr_assert_leq(at, place, "event %lld", (long long)i);
        cr_assert_geq(at, g.base_ms - (g.base_ms % 60000 != 0 ? 60000 : 0));
        last_place = place;
        moved_back += at < last;
        last = at;
    }
    if (slack > 0) {
        cr_expect_gt(moved_back, count / 20);
    } else {
        cr_expect_eq(moved_back, 0);
    }
    beamc_buf_free(&text);
    beamc_json_reader_free(reader);
}

Test(generator, event_times_keep_to_their_places) {
    for (int64_t stream = 0; stream < 3; stream++) {
        beamc_generate_options span = {
            .stream = stream, .events = 100000, .invalid_per_million = -1};
        check_stream(&span, beamc_generate_count(stream, 100000));
        beamc_generate_options steady = {.stream = stream,
                                         .unbounded = true,
                                         .rate = 1000,
                                         .out_of_order_ms = 1500,
                                         .invalid_per_million = -1};
        check_stream(&steady, 20000);
        steady.out_of_order_ms = -1;
        check_stream(&steady, 20000);
    }
}

Test(generator, as_many_invalid_ones_as_asked_for) {
    static const char *const names[] = {"event_time"};
    beamc_json_reader *reader = beamc_json_reader_new(names, 1);
    beamc_generate_options o = {.events = 100000, .invalid_per_million = 1000000};
    beamc_buf text = {0};
    int64_t not_json = 0;
    for (int64_t i = 0; i < 10000; i++) {
        beamc_buf_clear(&text);
        beamc_generate_event(&o, i, &text);
        beamc_json_field f[1];
        not_json += beamc_json_read(reader, beamc_buf_slice(&text), f, NULL) != BEAMC_OK;
    }
    cr_expect_gt(not_json, 4000);
    cr_expect_lt(not_json, 8000); /* the others have a fault in a field */
    beamc_buf_free(&text);
    beamc_json_reader_free(reader);
}

Test(generator, products_follow_zipf) {
    const struct beamc__zipf *z = beamc__zipf_of(1000);
    cr_assert_eq(z, beamc__zipf_of(1000));
    int64_t seen[1000] = {0};
    uint64_t x = 1;
    enum { DRAWS = 1000000 };
    for (int i = 0; i < DRAWS; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t mixed = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
        uint32_t p = beamc__zipf_draw(z, mixed ^ (mixed >> 33));
        cr_assert_lt(p, 1000);
        seen[p]++;
    }
    double harmonic = 0;
    for (int i = 1; i <= 1000; i++) {
        harmonic += 1.0 / i;
    }
    for (int i = 0; i < 20; i++) {
        double want = DRAWS / harmonic / (i + 1);
        double got = (double)seen[i];
        cr_expect(got > want * 0.9 && got < want * 1.1, "product %d: %lld of %.0f", i,
                  (long long)seen[i], want);
    }
    cr_assert_eq(beamc__zipf_draw(beamc__zipf_of(1), UINT64_MAX), 0);
}

Test(generator, a_rate_is_shared_by_the_streams) {
    cr_assert_eq(beamc__generator_due(0, 1000, -1), 0);
    cr_assert_eq(beamc__generator_due(0, 1000, 0), 1);
    cr_assert_eq(beamc__generator_due(0, 1000, 1000), 701);
    cr_assert_eq(beamc__generator_due(2, 10, 999), 1);
    cr_assert_eq(beamc__generator_due(2, 10, 1000), 2);
    beamc_generate_options o = {
        .stream = 1, .unbounded = true, .rate = 50000, .event_time_now = true};
    beamc_generator g;
    beamc__generator_init(&g, &o, 123456);
    for (int64_t ms = 0; ms < 5000; ms += 7) { /* what is due has its place in the past */
        int64_t due = beamc__generator_due(1, 50000, ms);
        cr_assert_leq(beamc__generator_place(&g, due - 1), 123456 + ms);
        cr_assert_gt(beamc__generator_place(&g, due + 10), 123456 + ms);
    }
}
