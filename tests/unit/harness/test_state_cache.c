/* test_state_cache.c: what is kept under cache tokens, and what gives way; the state messages. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "worker/harness/state_cache.h"
#include "worker/harness/state_wire.h"

static const char *get(beamc_state_cache *cache, const char *key) {
    static char text[4096];
    beamc_arena *arena = beamc_arena_new(0);
    beamc_slice value;
    bool found = beamc__state_cache_get(cache, beamc_str(key), arena, &value);
    if (found) {
        snprintf(text, sizeof text, "%.*s", BEAMC_SLICE_ARG(value));
    }
    beamc_arena_free(arena);
    return found ? text : NULL;
}

static void put(beamc_state_cache *cache, const char *key, const char *value) {
    beamc__state_cache_put(cache, beamc_str(key), beamc_str(value));
}

Test(harness_state_cache, put_get_append_remove) {
    beamc_state_cache *cache = beamc__state_cache_new(1 << 20);
    cr_assert_null(get(cache, "k"));
    put(cache, "k", "one");
    cr_assert_str_eq(get(cache, "k"), "one");
    beamc__state_cache_append(cache, beamc_str("k"), beamc_str(" two"));
    cr_assert_str_eq(get(cache, "k"), "one two");
    beamc__state_cache_append(cache, beamc_str("other"), beamc_str("x"));
    cr_assert_null(get(cache, "other")); /* what it would be appended to is not known */
    put(cache, "k", "");
    cr_assert_str_eq(get(cache, "k"), "");
    beamc__state_cache_remove(cache, beamc_str("k"));
    beamc__state_cache_remove(cache, beamc_str("k"));
    cr_assert_null(get(cache, "k"));
    beamc_state_cache_stats stats = beamc__state_cache_stats(cache);
    cr_assert(stats.entries == 0 && stats.bytes == 0 && stats.hits == 3 && stats.misses == 3);
    beamc__state_cache_free(cache);
}

Test(harness_state_cache, the_least_recently_used_give_way) {
    char value[1001], key[16];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    beamc_state_cache *cache = beamc__state_cache_new(20000);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key %d", i);
        put(cache, key, value);
        cr_assert_not_null(get(cache, "key 0")); /* stays in use */
        cr_assert_leq(beamc__state_cache_stats(cache).bytes, 20000);
    }
    cr_assert_not_null(get(cache, "key 99"));
    cr_assert_null(get(cache, "key 50"));
    cr_assert_gt(beamc__state_cache_stats(cache).entries, 10);
    beamc__state_cache_free(cache);
}

Test(harness_state_cache, a_giant_value_is_not_kept_and_pushes_nobody_out) {
    beamc_state_cache *cache = beamc__state_cache_new(10000);
    put(cache, "small", "s");
    char *giant = calloc(1, 4000);
    beamc__state_cache_put(cache, beamc_str("giant"), beamc_slice_of(giant, 4000));
    cr_assert_null(get(cache, "giant"));
    beamc__state_cache_append(cache, beamc_str("small"), beamc_slice_of(giant, 4000));
    cr_assert_null(get(cache, "small")); /* it has become too large */
    put(cache, "small", "s");
    beamc__state_cache_put(cache, beamc_str("small"), beamc_slice_of(giant, 4000));
    cr_assert_null(get(cache, "small")); /* and must not give the old value */
    free(giant);
    beamc__state_cache_free(cache);
}

Test(harness_state_cache, a_cache_of_no_bytes_keeps_nothing) {
    beamc_state_cache *cache = beamc__state_cache_new(0);
    put(cache, "k", "v");
    put(cache, "k", "");
    cr_assert_null(get(cache, "k"));
    beamc__state_cache_free(cache);
}

/* ---------------------------------------------------------------------------- state messages */

static const Fn__StateKey *written(const beamc_state_key *key, ProtobufCMessage **m) {
    beamc_buf out = {0};
    beamc__state_put_key(&out, key);
    cr_assert_eq(beamc__proto_unpack(&fn__state_key__descriptor, beamc_buf_slice(&out), m, NULL),
                 BEAMC_OK);
    beamc_buf_free(&out);
    return (const Fn__StateKey *)*m;
}

static beamc_state_key key_of(beamc_state_key_kind kind) {
    return (beamc_state_key){.kind = kind,
                             .transform_id = BEAMC_STR("step"),
                             .id = BEAMC_STR("id"),
                             .window = BEAMC_STR("w"),
                             .key = BEAMC_STR("k"),
                             .map_key = BEAMC_STR("m"),
                             .range_start = -5,
                             .range_end = 7};
}

#define CHECK_KEY(kind, arm, member, id_member)                                                    \
    do {                                                                                           \
        beamc_state_key key = key_of(kind);                                                        \
        ProtobufCMessage *m;                                                                       \
        const Fn__StateKey *k = written(&key, &m);                                                 \
        cr_assert_eq(k->type_case, FN__STATE_KEY__TYPE_##arm);                                     \
        cr_assert_str_eq(k->member->transform_id, "step");                                         \
        cr_assert_str_eq(k->member->id_member, "id");                                              \
        cr_assert_eq(k->member->window.data[0], 'w');                                              \
        beamc__proto_free(m);                                                                      \
    } while (0)

Test(harness_state_wire, every_kind_of_key) {
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT, MULTIMAP_SIDE_INPUT, multimap_side_input,
              side_input_id);
    CHECK_KEY(BEAMC_STATE_KEY_BAG_USER, BAG_USER_STATE, bag_user_state, user_state_id);
    CHECK_KEY(BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT, ITERABLE_SIDE_INPUT, iterable_side_input,
              side_input_id);
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT, MULTIMAP_KEYS_SIDE_INPUT,
              multimap_keys_side_input, side_input_id);
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_KEYS_USER, MULTIMAP_KEYS_USER_STATE,
              multimap_keys_user_state, user_state_id);
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_USER, MULTIMAP_USER_STATE, multimap_user_state,
              user_state_id);
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT, MULTIMAP_KEYS_VALUES_SIDE_INPUT,
              multimap_keys_values_side_input, side_input_id);
    CHECK_KEY(BEAMC_STATE_KEY_ORDERED_LIST_USER, ORDERED_LIST_USER_STATE, ordered_list_user_state,
              user_state_id);
    CHECK_KEY(BEAMC_STATE_KEY_MULTIMAP_ENTRIES_USER, MULTIMAP_ENTRIES_USER_STATE,
              multimap_entries_user_state, user_state_id);
}

Test(harness_state_wire, what_only_some_kinds_have) {
    ProtobufCMessage *m;
    beamc_state_key key = key_of(BEAMC_STATE_KEY_RUNNER);
    const Fn__StateKey *k = written(&key, &m);
    cr_assert_eq(k->type_case, FN__STATE_KEY__TYPE_RUNNER);
    cr_assert_eq(memcmp(k->runner->key.data, "id", 2), 0);
    beamc__proto_free(m);
    key = key_of(BEAMC_STATE_KEY_ORDERED_LIST_USER);
    k = written(&key, &m);
    cr_assert_eq(k->ordered_list_user_state->range->start, -5);
    cr_assert_eq(k->ordered_list_user_state->range->end, 7);
    beamc__proto_free(m);
    key = key_of(BEAMC_STATE_KEY_MULTIMAP_USER);
    k = written(&key, &m);
    cr_assert_eq(k->multimap_user_state->map_key.data[0], 'm');
    cr_assert_eq(k->multimap_user_state->key.data[0], 'k');
    beamc__proto_free(m);
}

Test(harness_state_wire, requests) {
    static const struct {
        beamc_state_op op;
        const char *bytes;
        Fn__StateRequest__RequestCase arm;
    } cases[] = {{BEAMC_STATE_GET, "", FN__STATE_REQUEST__REQUEST_GET},
                 {BEAMC_STATE_GET, "token", FN__STATE_REQUEST__REQUEST_GET},
                 {BEAMC_STATE_APPEND, "data", FN__STATE_REQUEST__REQUEST_APPEND},
                 {BEAMC_STATE_CLEAR, "", FN__STATE_REQUEST__REQUEST_CLEAR}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_buf key = {0}, out = {0};
        beamc_state_key k = key_of(BEAMC_STATE_KEY_BAG_USER);
        beamc__state_put_key(&key, &k);
        beamc__state_put_request(&out, 1234567890123, "i-1", beamc_buf_slice(&key), cases[i].op,
                                 beamc_str(cases[i].bytes));
        ProtobufCMessage *m;
        cr_assert_eq(
            beamc__proto_unpack(&fn__state_request__descriptor, beamc_buf_slice(&out), &m, NULL),
            BEAMC_OK);
        const Fn__StateRequest *r = (const Fn__StateRequest *)m;
        cr_assert_str_eq(r->id, "1234567890123");
        cr_assert_str_eq(r->instruction_id, "i-1");
        cr_assert_eq(r->request_case, cases[i].arm);
        cr_assert_eq(r->state_key->type_case, FN__STATE_KEY__TYPE_BAG_USER_STATE);
        if (cases[i].op != BEAMC_STATE_CLEAR) {
            ProtobufCBinaryData got =
                cases[i].op == BEAMC_STATE_GET ? r->get->continuation_token : r->append->data;
            cr_assert(beamc_slice_eq(beamc_slice_of(got.data, got.len), beamc_str(cases[i].bytes)));
        }
        beamc__proto_free(m);
        beamc_buf_free(&key);
        beamc_buf_free(&out);
    }
}

Test(harness_state_wire, responses) {
    Fn__StateGetResponse get = FN__STATE_GET_RESPONSE__INIT;
    get.data = (ProtobufCBinaryData){4, (uint8_t *)"data"};
    get.continuation_token = (ProtobufCBinaryData){4, (uint8_t *)"more"};
    Fn__StateResponse response = FN__STATE_RESPONSE__INIT;
    response.id = "17";
    response.response_case = FN__STATE_RESPONSE__RESPONSE_GET;
    response.get = &get;
    beamc_buf bytes = {0};
    beamc__proto_put(&bytes, &response.base);
    beamc_state_response r;
    cr_assert_eq(beamc__state_read_response(beamc_buf_slice(&bytes), &r, NULL), BEAMC_OK);
    uint64_t id;
    cr_assert(beamc__state_id(r.id, &id) && id == 17);
    cr_assert(beamc_slice_eq(r.data, beamc_str("data")));
    cr_assert(beamc_slice_eq(r.continuation, beamc_str("more")));
    cr_assert(r.arm == BEAMC_STATE_GET && r.error.len == 0);
    for (size_t len = 0; len < bytes.len; len++) { /* cut: an error, or less than it was */
        char *copy = malloc(len + (len == 0));
        memcpy(copy, bytes.ptr, len);
        beamc_status status = beamc__state_read_response(beamc_slice_of(copy, len), &r, NULL);
        cr_assert(status == BEAMC_INVALID_ARGUMENT || r.arm == 0 || r.data.len == 0);
        free(copy);
    }
    beamc_buf_free(&bytes);
    cr_assert_not(beamc__state_id(beamc_str(""), &id));
    cr_assert_not(beamc__state_id(beamc_str("12a"), &id));
    cr_assert_not(beamc__state_id(beamc_str("99999999999999999999"), &id));
    static const beamc_slice bad = BEAMC_STR("\x0a\xff\xff\xff\xff\x0f");
    cr_assert_eq(beamc__state_read_response(bad, &r, NULL), BEAMC_INVALID_ARGUMENT);
}
