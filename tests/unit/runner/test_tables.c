/* test_tables.c: the containers of the engine: tables, queues, the simple grouper, the store of user
 * state and its timers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_worker.h"
#include "runner/engine/block.h"
#include "runner/engine/element.h"
#include "runner/engine/grouper.h"
#include "runner/engine/hash.h"
#include "runner/engine/store.h"
#include "runner/engine/table.h"

static beamc_slice text(const char *s) {
    return beamc_str(s);
}

static size_t values_of(const beamc_entry *e, char *out) {
    size_t n = 0;
    for (const beamc_chunk *c = e->first; c != NULL; c = c->next) {
        memcpy(out + n, c->bytes, c->len);
        n += c->len;
    }
    return n;
}

Test(tables, keys_keep_their_values_in_order) {
    enum { KEYS = 5000, ROUNDS = 7 };
    static char want[KEYS][ROUNDS * 40];
    static size_t lens[KEYS];
    beamc_table t = {0};
    srand(1);
    for (int r = 0; r < ROUNDS; r++) {
        for (int k = 0; k < KEYS; k++) {
            char key[32], value[40];
            snprintf(key, sizeof key, "key-%d", k);
            size_t len = (size_t)(rand() % 40);
            memset(value, 'a' + r, sizeof value);
            beamc_entry *e = beamc__table_put(&t, beamc_hash(text(key)), text(key), len);
            beamc__table_append(&t, e, beamc_slice_of(value, len));
            memcpy(want[k] + lens[k], value, len);
            lens[k] += len;
        }
    }
    cr_assert_eq(t.count, (size_t)KEYS);
    int k = 0;
    for (const beamc_entry *e = t.first; e != NULL; e = e->next, k++) {
        char got[ROUNDS * 40], key[32];
        snprintf(key, sizeof key, "key-%d", k);
        cr_assert(beamc_slice_eq(beamc_slice_of(e->key, e->key_len), text(key)));
        cr_assert_eq(e->count, (uint32_t)ROUNDS);
        cr_assert_eq(values_of(e, got), lens[k]);
        cr_assert_eq(beamc_entry_bytes(e), lens[k]);
        cr_assert_eq(memcmp(got, want[k], lens[k]), 0);
    }
    cr_expect_null(beamc__table_find(&t, beamc_hash(text("other")), text("other")));
    beamc__table_free(&t);
}

Test(tables, clearing_gives_memory_back_and_packing_joins) {
    beamc_table t = {0};
    char value[100];
    memset(value, 'x', sizeof value);
    size_t first_footprint = 0;
    for (int round = 0; round < 50; round++) {
        for (int k = 0; k < 100; k++) {
            char key[16];
            snprintf(key, sizeof key, "%d", k);
            beamc_entry *e = beamc__table_put(&t, beamc_hash(text(key)), text(key), 8);
            for (size_t i = 0; i < 20; i++) {
                beamc__table_append(&t, e, beamc_slice_of(value, i * 5));
            }
        }
        cr_assert_gt(t.extra_bytes, 0u);
        for (beamc_entry *e = t.first; e != NULL; e = e->next) {
            beamc__table_clear(&t, e);
            cr_assert_eq(e->count, 0u);
            cr_assert_eq(beamc_entry_bytes(e), 0u);
        }
        cr_assert_eq(t.extra_bytes, 0u);
        first_footprint = round == 0 ? t.footprint : first_footprint;
    }
    cr_expect_eq(t.footprint, first_footprint, "chunks are used again");
    beamc_entry *e = t.first;
    for (int i = 0; i < 30; i++) {
        beamc__table_append(&t, e, beamc_slice_of(&value[0], 50));
    }
    beamc__table_pack(&t, e);
    cr_expect_eq(e->first, e->last);
    cr_expect_eq(e->first->len, 1500u);
    cr_expect_eq(e->count, 30u);
    beamc_slice none = {NULL, 0};
    beamc_entry *empty = beamc__table_put(&t, beamc_hash(none), none, 0);
    cr_expect_eq(empty, beamc__table_find(&t, beamc_hash(none), none));
    beamc__table_free(&t);
}

Test(tables, hashes_spread) {
    unsigned shards[16] = {0}, low[16] = {0};
    for (int i = 0; i < 16000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        uint64_t h = beamc_hash(text(key));
        shards[h >> 60]++;
        low[h & 15]++;
    }
    for (int i = 0; i < 16; i++) {
        cr_expect(shards[i] > 700 && shards[i] < 1300, "%u", shards[i]);
        cr_expect(low[i] > 700 && low[i] < 1300, "%u", low[i]);
    }
    for (size_t n = 0; n < 70; n++) { /* each byte counts, and none behind the end */
        unsigned char bytes[72] = {0}, other[72] = {0};
        other[n] = 9;
        uint64_t h = beamc_hash(beamc_slice_of(bytes, n));
        cr_expect_eq(h, beamc_hash(beamc_slice_of(other, n)));
        for (size_t i = 0; i < n; i++) {
            bytes[i] = 1;
            cr_expect_neq(h, beamc_hash(beamc_slice_of(bytes, n)));
            bytes[i] = 0;
        }
    }
}

Test(tables, queues_are_first_in_first_out) {
    beamc_queue q = {0};
    cr_expect_eq(beamc__queue_hold(&q), BEAMC_TIME_MAX);
    beamc_block *b = beamc__block_copy(text("0123456789"));
    size_t next = 0, pushed = 0;
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < round % 7; i++) {
            beamc__queue_push(&q, (beamc_piece){.block = beamc_block_ref(b),
                                                .len = 1,
                                                .at = pushed % 10,
                                                .hold = (beamc_time)pushed});
            pushed++;
        }
        if (q.count > 3) {
            beamc_piece p = beamc__queue_pop(&q);
            cr_assert_eq(p.hold, (beamc_time)next);
            next++;
            beamc__queue_push_front(&q, p);
            p = beamc__queue_pop(&q);
            cr_assert_eq(p.hold, (beamc_time)next - 1);
            beamc__block_unref(p.block);
            cr_assert_eq(beamc__queue_hold(&q), (beamc_time)next);
        }
        cr_assert_eq(q.bytes, q.count);
    }
    beamc__queue_free(&q);
    cr_expect_eq(atomic_load(&b->refs), 1u);
    beamc__block_unref(b);
}

/* --------------------------------------------------------------------------- simple grouper */

static const beamc_window first = {0, 1000}, second = {1000, 2000};

static void add(beamc_grouper *g, const char *key, const char *value, beamc_time at, beamc_window w,
                beamc_time watermark) {
    beamc_group_item item = {beamc_hash(text(key)), text(key), text(value), at, w};
    beamc_group_time time = {.watermark = watermark};
    g->ops->add(g, &item, 1, &time);
}

static beamc_grouper *new_simple(beamc_node_spec *spec, beamc_output_time output_time) {
    *spec = (beamc_node_spec){.kind = BEAMC_NODE_GROUP,
                              .name = "group",
                              .input = fake_interval_kv,
                              .windowing = {.output_time = output_time}};
    cr_assert(beamc__grouper_simple_fits(spec, true));
    return beamc__grouper_simple_new(spec);
}

Test(tables, simple_groups_fire_when_the_watermark_has_passed) {
    beamc_node_spec spec;
    beamc_grouper *g = new_simple(&spec, BEAMC_OUTPUT_END_OF_WINDOW);
    cr_expect_eq(g->ops->hold(g), BEAMC_TIME_MAX);
    cr_expect_eq(g->ops->next_watermark(g), BEAMC_TIME_MAX);
    add(g, "b", "2", 1500, second, BEAMC_TIME_MIN);
    add(g, "a", "1", 10, first, BEAMC_TIME_MIN);
    add(g, "b", "3", 20, first, BEAMC_TIME_MIN);
    add(g, "a", "4", 5, first, BEAMC_TIME_MIN);
    cr_expect_eq(g->ops->hold(g), 999);
    cr_expect_eq(g->ops->next_watermark(g), 1000);
    beamc_group_time at = {.watermark = 999};
    cr_expect_not(g->ops->advance(g, &at), "999 may still come");
    at.watermark = 1000;
    cr_assert(g->ops->advance(g, &at));
    beamc_buf out = {0};
    beamc_time least = BEAMC_TIME_MAX;
    uint64_t count = 0;
    cr_assert(g->ops->drain(g, &at, 1, &out, &least, &count), "one element reaches the limit");
    cr_expect_eq(count, 1u);
    cr_expect_eq(g->ops->hold(g), 999, "the rest of the window is still to come");
    cr_expect_not(g->ops->drain(g, &at, 1000, &out, &least, &count));
    cr_expect_eq(count, 2u);
    cr_expect_eq(least, 999);
    cr_expect_eq(g->ops->hold(g), 1999);
    static const unsigned char want[] = {0x80,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         3,
                                         0xe7,
                                         0,
                                         0,
                                         0,
                                         1,
                                         0x80,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         3,
                                         0xe8,
                                         0xe8,
                                         7,
                                         /* on time, first and last: */ 0x07,
                                         'a',
                                         0,
                                         0,
                                         0,
                                         2,
                                         '1',
                                         '4'};
    cr_assert_gt(out.len, sizeof want);
    cr_expect_eq(memcmp(out.ptr, want, sizeof want), 0);
    cr_expect_eq(memcmp(out.ptr + out.len - 6,
                        "b\0\0\0\1"
                        "3",
                        6),
                 0);
    add(g, "a", "9", 30, first, 1000);
    cr_expect_eq(g->ops->take_counts(g).late_dropped, 1);
    add(g, "a", "9", 1030, second, 1000);
    cr_expect_eq(g->ops->take_counts(g).late_dropped, 0);
    beamc_buf_free(&out);
    g->ops->free(g);
}

static beamc_time drained_time(beamc_output_time output_time, beamc_time *hold) {
    beamc_node_spec spec;
    beamc_grouper *g = new_simple(&spec, output_time);
    add(g, "a", "1", 30, first, BEAMC_TIME_MIN);
    add(g, "a", "1", 10, first, BEAMC_TIME_MIN);
    add(g, "a", "1", 20, first, BEAMC_TIME_MIN);
    beamc_buf out = {0};
    uint64_t count = 0;
    g->ops->collect(g, &out, &count); /* a compaction in between changes nothing */
    cr_expect_eq(count, 1u);
    add(g, "a", "1", 15, first, BEAMC_TIME_MIN);
    beamc_group_item merged = {beamc_hash(text("a")), text("a"), text("3"), 999, first};
    g->ops->replace(g, &merged, 1);
    *hold = g->ops->hold(g);
    beamc_time least = BEAMC_TIME_MAX;
    beamc_group_time at = {.watermark = BEAMC_TIME_MAX};
    beamc_buf_clear(&out);
    cr_assert(g->ops->advance(g, &at));
    g->ops->drain(g, &at, 1000, &out, &least, &count);
    cr_expect_eq(memcmp(out.ptr + out.len - 7,
                        "a\0\0\0\2"
                        "13",
                        7),
                 0);
    beamc_buf_free(&out);
    g->ops->free(g);
    return least;
}

Test(tables, simple_groups_know_all_output_times) {
    beamc_time hold;
    cr_expect_eq(drained_time(BEAMC_OUTPUT_END_OF_WINDOW, &hold), 999);
    cr_expect_eq(hold, 999);
    cr_expect_eq(drained_time(BEAMC_OUTPUT_EARLIEST_IN_PANE, &hold), 10);
    cr_expect_eq(hold, 10);
    cr_expect_eq(drained_time(BEAMC_OUTPUT_LATEST_IN_PANE, &hold), 30);
    cr_expect_leq(hold, 30);
}

Test(tables, simple_groups_take_many_windows) {
    beamc_node_spec spec;
    beamc_grouper *g = new_simple(&spec, BEAMC_OUTPUT_END_OF_WINDOW);
    for (int64_t i = 0; i < 5000; i++) {
        int64_t w = i * 7919 % 5000;
        add(g, "k", "v", w * 10, (beamc_window){w * 10, w * 10 + 10}, BEAMC_TIME_MIN);
    }
    beamc_buf out = {0};
    beamc_time least = BEAMC_TIME_MAX;
    uint64_t count = 0;
    for (int64_t w = 0; w < 5000; w += 1000) { /* in the order of their ends */
        beamc_group_time at = {.watermark = w * 10 + 10};
        cr_expect_eq(g->ops->next_watermark(g), w == 0 ? 10 : (w - 999) * 10 + 10);
        while (g->ops->advance(g, &at)) {
            g->ops->drain(g, &at, 100, &out, &least, &count);
        }
        cr_expect_eq(count, (uint64_t)w + 1);
    }
    beamc_buf_free(&out);
    g->ops->free(g);
}

/* ---------------------------------------------------------------------- user state, timers */

static beamc_node_spec keyed_spec(const beamc_timer_family_spec *timers, size_t count) {
    return (beamc_node_spec){.kind = BEAMC_NODE_STAGE,
                             .input = fake_interval_kv,
                             .timers = timers,
                             .timer_count = count,
                             .state_lateness_ms = 5};
}

static beamc_slice window_bytes(beamc_window w, beamc_buf *buf) {
    beamc_buf_clear(buf);
    cr_assert_eq(beamc__window_encode(&beamc_interval_window, w, buf, NULL), BEAMC_OK);
    return beamc_buf_slice(buf);
}

static void expect_state(beamc_store *s, const beamc_state_ops *ops, const beamc_state_key *key,
                         const char *want, size_t len) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_slice page;
    beamc_error err = {0};
    cr_assert_eq(beamc__store_get(s, ops, key, arena, &page, &err), BEAMC_OK, "%s", err.message);
    cr_expect(beamc_slice_eq(page, beamc_slice_of(want, len)), "%.*s", BEAMC_SLICE_ARG(page));
    beamc_arena_free(arena);
}

/* Two keys, written in turns: each sees its own changes, in their order. */
Test(tables, changes_of_several_keys_do_not_mix) {
    beamc_node_spec spec = keyed_spec(NULL, 0);
    beamc_store s;
    beamc__store_init(&s, &spec);
    beamc_state_ops ops = {.arena = beamc_arena_new(0)};
    beamc_buf w = {0};
    beamc_state_key a = {.kind = BEAMC_STATE_KEY_BAG_USER,
                         .id = text("bag"),
                         .key = text("a"),
                         .window = window_bytes(first, &w)};
    beamc_state_key b = a, other = a;
    b.key = text("b");
    other.id = text("other");
    const beamc_state_key *keys[] = {&a, &b, &other};
    for (int i = 0; i < 9; i++) {
        char c = (char)('0' + i);
        cr_assert_eq(
            beamc__store_write(&s, &ops, keys[i % 3], i == 4, beamc_slice_of(&c, i != 4), NULL),
            BEAMC_OK);
    }
    expect_state(&s, &ops, &a, "036", 3);
    expect_state(&s, &ops, &b, "7", 1); /* cleared by the fourth */
    expect_state(&s, &ops, &other, "258", 3);
    beamc__store_ops_apply(&s, &ops);
    expect_state(&s, &ops, &a, "036", 3);
    expect_state(&s, &ops, &b, "7", 1);
    expect_state(&s, &ops, &other, "258", 3);
    beamc__store_ops_free(&ops);
    beamc__store_deinit(&s);
    beamc_buf_free(&w);
}

Test(tables, a_queue_can_give_the_earliest_piece_first) {
    enum { PIECES = 500 };
    beamc_queue q = {0};
    uint64_t random = 7;
    size_t in = 0, out = 0;
    beamc_piece last = {.hold = INT64_MIN};
    while (out < PIECES) {
        random = random * UINT64_C(6364136223846793005) + 1;
        if (in < PIECES && (q.count == 0 || (random >> 60) < 9)) {
            /* Nothing comes in before what has come out, as behind a watermark. */
            beamc_time hold = (last.hold < 0 ? 0 : last.hold + 1) + (beamc_time)(random >> 40) % 20;
            beamc__queue_sift_in(
                &q, (beamc_piece){.hold = hold, .ready_at = (beamc_time)in++, .len = 3});
            continue;
        }
        beamc_piece p = beamc__queue_sift_out(&q);
        cr_assert(p.hold > last.hold || (p.hold == last.hold && p.ready_at > last.ready_at));
        last = p;
        out++;
        cr_assert_eq(q.bytes, 3 * (in - out));
    }
    cr_expect_eq(q.count, 0);
    beamc__queue_free(&q);
}

enum { NODES = 2000 };

/* Nodes come and go; hashes collide, and some keys have the hash of another. */
Test(tables, index_finds_what_is_there_and_nothing_else) {
    static beamc_index_node nodes[NODES];
    static uint16_t keys[NODES];
    static bool there[NODES];
    beamc_index x = {0};
    uint64_t random = 1;
    for (int step = 0; step < 20 * NODES; step++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        size_t i = (size_t)(random >> 33) % NODES;
        if (there[i]) {
            beamc__index_remove(&x, &nodes[i]);
        } else {
            keys[i] = (uint16_t)i;
            nodes[i].hash = (i / 2 % 97) * UINT64_C(0x9e3779b97f4a7c15);
            nodes[i].key = beamc_slice_of(&keys[i], sizeof keys[i]);
            beamc__index_add(&x, &nodes[i]);
        }
        there[i] = !there[i];
        size_t other = (size_t)(random >> 13) % NODES;
        uint64_t hash = (other / 2 % 97) * UINT64_C(0x9e3779b97f4a7c15);
        uint16_t key = (uint16_t)other;
        const beamc_index_node *found =
            beamc__index_find(&x, hash, beamc_slice_of(&key, sizeof key));
        cr_assert_eq(found, there[other] ? &nodes[other] : NULL, "step %d", step);
    }
    size_t count = 0;
    for (const beamc_index_node *n = x.first; n != NULL; n = n->next) {
        cr_assert(there[n - nodes]);
        count++;
    }
    cr_expect_eq(count, x.count);
    beamc__index_free(&x);
}

Test(tables, state_is_seen_by_its_bundle_and_stays_when_applied) {
    beamc_node_spec spec = keyed_spec(NULL, 0);
    beamc_store s;
    beamc__store_init(&s, &spec);
    beamc_state_ops ops = {.arena = beamc_arena_new(0)};
    beamc_buf w = {0};
    beamc_state_key bag = {.kind = BEAMC_STATE_KEY_BAG_USER,
                           .id = text("bag"),
                           .key = text("k"),
                           .window = window_bytes(first, &w)};
    cr_assert_eq(beamc__store_write(&s, &ops, &bag, false, text("one"), NULL), BEAMC_OK);
    expect_state(&s, &ops, &bag, "one", 3);
    beamc__store_ops_drop(&ops);
    expect_state(&s, &ops, &bag, "", 0);
    cr_assert_eq(beamc__store_write(&s, &ops, &bag, false, text("two"), NULL), BEAMC_OK);
    beamc__store_ops_apply(&s, &ops);
    expect_state(&s, &ops, &bag, "two", 3);
    cr_assert_eq(beamc__store_write(&s, &ops, &bag, true, text(""), NULL), BEAMC_OK);
    cr_assert_eq(beamc__store_write(&s, &ops, &bag, false, text("3"), NULL), BEAMC_OK);
    expect_state(&s, &ops, &bag, "3", 1);
    beamc__store_ops_drop(&ops);
    expect_state(&s, &ops, &bag, "two", 3);

    beamc_state_key map = bag, keys = bag, list = bag;
    map.kind = BEAMC_STATE_KEY_MULTIMAP_USER;
    map.id = keys.id = text("map");
    keys.kind = BEAMC_STATE_KEY_MULTIMAP_KEYS_USER;
    for (size_t i = 0; i < 3; i++) {
        map.map_key = beamc_slice_of(&"abc"[i], 1);
        cr_assert_eq(beamc__store_write(&s, &ops, &map, false, beamc_slice_of(&"abc"[i], 1), NULL),
                     BEAMC_OK);
    }
    expect_state(&s, &ops, &keys, "abc", 3);
    beamc__store_ops_apply(&s, &ops);
    map.map_key = text("b");
    cr_assert_eq(beamc__store_write(&s, &ops, &map, true, text(""), NULL), BEAMC_OK);
    expect_state(&s, &ops, &keys, "ac", 2);
    expect_state(&s, &ops, &map, "", 0);
    cr_assert_eq(beamc__store_write(&s, &ops, &keys, true, text(""), NULL), BEAMC_OK);
    expect_state(&s, &ops, &keys, "", 0);
    beamc__store_ops_apply(&s, &ops);
    expect_state(&s, &ops, &keys, "", 0);

    list.kind = BEAMC_STATE_KEY_ORDERED_LIST_USER;
    list.id = text("list");
    static const char items[] = "\x09\x01z\x03\x01x\x09\x01y"; /* 9: z, 3: x, 9: y */
    cr_assert_eq(beamc__store_write(&s, &ops, &list, false, beamc_slice_of(items, 9), NULL),
                 BEAMC_OK);
    beamc__store_ops_apply(&s, &ops);
    list.range_start = 0;
    list.range_end = 10;
    expect_state(&s, &ops, &list, "\x03\x01x\x09\x01z\x09\x01y", 9);
    list.range_end = 9;
    expect_state(&s, &ops, &list, "\x03\x01x", 3);
    cr_assert_eq(beamc__store_write(&s, &ops, &list, true, text(""), NULL), BEAMC_OK);
    list.range_end = 10;
    expect_state(&s, &ops, &list, "\x09\x01z\x09\x01y", 6);
    beamc__store_ops_apply(&s, &ops);

    cr_expect_eq(beamc__store_write(&s, &ops, &list, false, text("\x05\x09z"), NULL),
                 BEAMC_INVALID_ARGUMENT, "a length that lies");
    map.id = text("list");
    cr_expect_eq(beamc__store_write(&s, &ops, &map, false, text("x"), NULL), BEAMC_INVALID_ARGUMENT,
                 "one state, two kinds");
    bag.window = text("short");
    cr_expect_eq(beamc__store_write(&s, &ops, &bag, false, text("x"), NULL),
                 BEAMC_INVALID_ARGUMENT);
    beamc__store_ops_free(&ops);
    beamc__store_deinit(&s);
    beamc_buf_free(&w);
}

Test(tables, timers_fire_by_time_and_hold_by_output_time) {
    static const beamc_timer_family_spec families[] = {{"t", "event", false, false},
                                                       {"t", "clock", true, false}};
    beamc_node_spec spec = keyed_spec(families, 2);
    beamc_store s;
    beamc__store_init(&s, &spec);
    beamc_buf w = {0};
    srand(7);
    for (int i = 0; i < 2000; i++) {
        char key[8], tag[8];
        snprintf(key, sizeof key, "%d", i % 50);
        snprintf(tag, sizeof tag, "%d", i % 7);
        beamc_scope *scope = beamc__store_scope(&s, window_bytes(first, &w), text(key), true);
        cr_assert_not_null(scope);
        if (i % 5 == 4) {
            beamc__timer_clear(&s, scope, 0, text(tag));
        } else {
            int64_t at = rand() % 900;
            beamc__timer_set(&s, scope, (uint32_t)(i % 2), text(tag), at, at - rand() % 100,
                             text("\x0f"));
        }
        beamc__timer_ensure_collection(&s, scope, BEAMC_FAMILY_COLLECT);
    }
    cr_expect_eq(s.scopes.count, 50u);
    size_t holds = s.holds.count;
    cr_expect_eq(holds + 50, s.event.count + s.clock.count);
    beamc_time before = BEAMC_TIME_MIN;
    while (s.event.count > 0) {
        beamc_set_timer *t = beamc_timer_first(&s.event);
        cr_assert_geq(t->fire_at, before);
        before = t->fire_at;
        if (t->family == BEAMC_FAMILY_COLLECT) {
            cr_expect_eq(t->fire_at, 999 + 5);
        }
        beamc__timer_take(&s, t);
        free(t);
    }
    before = BEAMC_TIME_MIN;
    while (s.holds.count > 0) {
        beamc_set_timer *t = beamc_timer_first(&s.holds);
        cr_assert_geq(t->hold_at, before);
        before = t->hold_at;
        beamc__timer_take(&s, t);
        free(t);
    }
    cr_expect_eq(s.clock.count, 0u);
    beamc__store_deinit(&s);
    beamc_buf_free(&w);
}

Test(tables, heads_are_read_with_their_bounds) {
    beamc_buf b = {0};
    fake_put_kv(&b, 5, (beamc_window){0, 10}, 1, 2);
    for (size_t n = 0; n < b.len - 2; n++) {
        beamc_cursor in = beamc_cursor_of(beamc_slice_of(b.ptr, n));
        beamc_head head;
        cr_expect_not(beamc_head_read(&beamc_interval_window, &in, &head), "%zu", n);
    }
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&b));
    beamc_head head;
    cr_assert(beamc_head_read(&beamc_interval_window, &in, &head));
    cr_expect_eq(head.timestamp, 5);
    cr_expect_eq(head.window.start, 0);
    cr_expect_eq(head.window.end, 10);
    cr_expect_eq(beamc_cursor_left(&in), 2u);
    b.ptr[8] = b.ptr[9] = b.ptr[10] = b.ptr[11] = 0xff; /* four milliards of windows */
    in = beamc_cursor_of(beamc_buf_slice(&b));
    cr_expect_not(beamc_head_read(&beamc_interval_window, &in, &head));
    in = beamc_cursor_of(beamc_buf_slice(&b));
    cr_expect_not(beamc_head_read(&beamc_global_window, &in, &head));
    beamc_buf_free(&b);
}
