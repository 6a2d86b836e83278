/* save.c: a grouper that is saved and loaded at every step, as a whole or by its records, does what one
 * does that never was. And bytes that are damaged are refused. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kit.h"

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state % n);
}

static beamc_slice slice_of(const beamc_buf *b) {
    return beamc_slice_of(b->ptr, b->len);
}

/* ------------------------------------------------------------------------------------- storage */

typedef struct storage {
    struct {
        beamc_buf name, data;
    } * items;
    size_t count, cap;
    size_t written;
} storage;

static void remove_record(void *arg, beamc_slice name) {
    storage *s = arg;
    for (size_t i = 0; i < s->count; i++) {
        if (beamc_slice_eq(slice_of(&s->items[i].name), name)) {
            beamc_buf_free(&s->items[i].name);
            beamc_buf_free(&s->items[i].data);
            s->items[i] = s->items[--s->count];
            return;
        }
    }
    cr_assert_fail("a record that is not there is removed");
}

static void put_record(void *arg, beamc_slice name, beamc_slice data) {
    storage *s = arg;
    s->written += data.len;
    for (size_t i = 0; i < s->count; i++) {
        if (beamc_slice_eq(slice_of(&s->items[i].name), name)) {
            s->items[i].data.len = 0;
            beamc_buf_put_slice(&s->items[i].data, data);
            return;
        }
    }
    if (s->count == s->cap) {
        s->cap = s->cap * 2 + 16;
        s->items = beamc__realloc(s->items, s->cap * sizeof *s->items);
    }
    memset(&s->items[s->count], 0, sizeof *s->items);
    beamc_buf_put_slice(&s->items[s->count].name, name);
    beamc_buf_put_slice(&s->items[s->count++].data, data);
}

static int by_name(const void *a, const void *b) {
    return beamc_slice_cmp(slice_of(a), slice_of(b));
}

static void save_changes(tkit *k, storage *s) {
    beamc_group_store store = {s, put_record, remove_record};
    k->g->ops->save_changes(k->g, &store);
}

static void free_storage(storage *s) {
    while (s->count > 0) {
        remove_record(s, slice_of(&s->items[0].name));
    }
    free(s->items);
    *s = (storage){0};
}

static beamc_status load_records(tkit *k, storage *s, beamc_error *err) {
    if (s->count > 0) {
        qsort(s->items, s->count, sizeof *s->items, by_name);
    }
    for (size_t i = 0; i < s->count; i++) {
        BEAMC_TRY(k->g->ops->load_record(k->g, slice_of(&s->items[i].name),
                                         slice_of(&s->items[i].data), err));
    }
    return k->g->ops->load_end(k->g, err);
}

static void reload_records(tkit *k, storage *s) {
    beamc_error err = {0};
    save_changes(k, s);
    tkit_renew(k);
    k->g->ops->track(k->g);
    cr_assert_eq(load_records(k, s, &err), BEAMC_OK, "%s", err.message);
}

static void reload_whole(tkit *k) {
    beamc_error err = {0};
    beamc_buf bytes = {0};
    k->g->ops->save(k->g, &bytes);
    tkit_renew(k);
    cr_assert_eq(k->g->ops->load(k->g, slice_of(&bytes), &err), BEAMC_OK, "%s", err.message);
    beamc_buf_free(&bytes);
}

/* -------------------------------------------------------------------------------------- equality */

static const beamc_trigger *const triggers[] = {
    NULL,
    &(const beamc_trigger){
        .kind = BEAMC_TRIGGER_AFTER_WATERMARK,
        .early = &(const beamc_trigger){.kind = BEAMC_TRIGGER_AFTER_COUNT, .count = 2},
        .late = &(const beamc_trigger){.kind = BEAMC_TRIGGER_AFTER_COUNT, .count = 3}},
    &(const beamc_trigger){.kind = BEAMC_TRIGGER_REPEATEDLY,
                           .children = {&(const beamc_trigger){
                               .kind = BEAMC_TRIGGER_AFTER_PROCESSING_TIME, .delay_ms = 50}}},
    &(const beamc_trigger){.kind = BEAMC_TRIGGER_AFTER_COUNT, .count = 3}};

static void step(tkit *const k[3], int kind, int key, int64_t value, beamc_time t) {
    for (int i = 0; i < 3; i++) {
        if (kind < 8) {
            tkit_put(k[i], key, value, t);
        } else if (kind == 8) {
            k[i]->time.watermark += t % 150;
        } else {
            k[i]->time.now += t % 60;
        }
    }
}

static void compare(tkit *const k[3]) {
    for (int i = 0; i < 3; i++) {
        tkit_sort(k[i]);
        cr_assert_eq(k[i]->count, k[0]->count);
        for (size_t n = 0; n < k[0]->count; n++) {
            cr_assert(tkit_same(&k[i]->panes[n], &k[0]->panes[n]));
        }
        cr_assert_eq(k[i]->g->ops->hold(k[i]->g), k[0]->g->ops->hold(k[0]->g));
        cr_assert_eq(k[i]->g->ops->next_watermark(k[i]->g), k[0]->g->ops->next_watermark(k[0]->g));
        cr_assert_eq(k[i]->g->ops->next_clock(k[i]->g), k[0]->g->ops->next_clock(k[0]->g));
        cr_assert_eq(k[i]->time.output, k[0]->time.output);
    }
    for (int i = 0; i < 3; i++) {
        tkit_clear(k[i]);
    }
}

Test(triggers_save, at_every_step_is_as_good_as_never, .timeout = 120) {
    for (int round = 0; round < 96; round++) {
        beamc_windowing w = {.fn = round % 2 == 0 ? beamc_fixed(.size_ms = 100)
                                                  : beamc_sessions(.gap_ms = 40),
                             .trigger = triggers[round / 2 % 4],
                             .accumulation = (beamc_accumulation)(round / 8 % 2),
                             .output_time = (beamc_output_time)(round / 16 % 3),
                             .closing = (beamc_closing_behavior)(round / 48 % 2),
                             .allowed_lateness_ms = round % 3 * 100};
        tkit plain, whole, records, *const all[3] = {&plain, &whole, &records};
        for (int i = 0; i < 3; i++) {
            tkit_init(all[i], w);
            all[i]->time.watermark = 0;
        }
        storage s = {0};
        records.g->ops->track(records.g);
        for (int i = 0; i < 60; i++) {
            beamc_time low = plain.time.watermark > 100 ? plain.time.watermark - 100 : 0;
            step(all, (int)below(10), (int)below(4), i, low + below(400));
            reload_whole(&whole);
            reload_records(&records, &s);
            if (i % 2 == 0) {
                for (int n = 0; n < 3; n++) {
                    tkit_settle(all[n]);
                }
                compare(all);
            }
        }
        for (int n = 0; n < 3; n++) {
            tkit_watermark(all[n], BEAMC_TIME_MAX);
        }
        compare(all);
        save_changes(&records, &s);
        cr_assert_eq(s.count, 0, "%zu records are left behind", s.count);
        free_storage(&s);
        for (int n = 0; n < 3; n++) {
            tkit_deinit(all[n]);
        }
    }
}

Test(triggers_save, a_long_group_is_not_written_anew_for_each_commit) {
    tkit k;
    tkit_init(&k, (beamc_windowing){.trigger = BEAMC_NEVER()});
    k.g->ops->track(k.g);
    storage s = {0};
    enum { COMMITS = 2000, EACH = 20 };
    for (int i = 0; i < COMMITS; i++) {
        for (int n = 0; n < EACH; n++) {
            tkit_put(&k, 1, 1000000 + n, 5);
        }
        save_changes(&k, &s);
    }
    size_t bytes = (size_t)COMMITS * EACH * 3;
    cr_assert_leq(s.count, 32);
    cr_assert_leq(s.written, bytes * 32, "%zu bytes for %zu", s.written, bytes);
    reload_records(&k, &s);
    tkit_watermark(&k, BEAMC_TIME_MAX);
    cr_assert_eq(k.count, 1);
    cr_assert_eq(k.panes[0].count, COMMITS * EACH);
    save_changes(&k, &s);
    cr_assert_eq(s.count, 0);
    free_storage(&s);
    tkit_deinit(&k);
}

Test(triggers_save, nothing_changes_nothing_is_written) {
    tkit k;
    tkit_init(&k, (beamc_windowing){.fn = beamc_fixed(.size_ms = 100)});
    k.g->ops->track(k.g);
    storage s = {0};
    tkit_put(&k, 1, 1, 5);
    tkit_put(&k, 2, 1, 5);
    save_changes(&k, &s);
    cr_assert_eq(s.count, 2);
    size_t written = s.written;
    save_changes(&k, &s);
    cr_assert_eq(s.written, written);
    tkit_add(&k, 2, 1, 5);
    save_changes(&k, &s);
    cr_assert_leq(s.written - written, written);
    free_storage(&s);
    tkit_deinit(&k);
}

/* --------------------------------------------------------------------------------------- damage */

static void fill(tkit *k) {
    for (int i = 0; i < 40; i++) {
        tkit_put(k, i % 3, i, i * 37 % 500);
    }
    tkit_watermark(k, 150);
}

Test(triggers_save, damaged_bytes_are_refused) {
    tkit k, other;
    beamc_windowing w = {.fn = beamc_fixed(.size_ms = 100),
                         .trigger = triggers[1],
                         .accumulation = BEAMC_ACCUMULATING,
                         .allowed_lateness_ms = 1000};
    tkit_init(&k, w);
    tkit_init(&other, w);
    fill(&k);
    beamc_buf bytes = {0};
    k.g->ops->save(k.g, &bytes);
    beamc_error err = {0};
    for (size_t len = 0; len < bytes.len; len++) {
        tkit_renew(&other);
        char *copy =
            beamc__malloc(len + 1); /* its own memory: a sanitizer sees each step too far */
        memcpy(copy, bytes.ptr, len);
        cr_assert_eq(other.g->ops->load(other.g, beamc_slice_of(copy, len), &err), BEAMC_DATA_LOSS);
        free(copy);
    }
    for (int i = 0; i < 20000; i++) { /* whatever comes, no crash */
        size_t at = below((uint32_t)bytes.len);
        unsigned char was = bytes.ptr[at];
        bytes.ptr[at] = (unsigned char)below(256);
        tkit_renew(&other);
        beamc_status status = other.g->ops->load(other.g, slice_of(&bytes), &err);
        cr_assert(status == BEAMC_OK || status == BEAMC_DATA_LOSS);
        bytes.ptr[at] = was;
    }
    beamc_buf_free(&bytes);
    tkit_deinit(&k);
    tkit_deinit(&other);
}

Test(triggers_save, records_that_do_not_belong_together_are_refused) {
    tkit k, other;
    beamc_windowing w = {.trigger = BEAMC_NEVER()};
    tkit_init(&k, w);
    tkit_init(&other, w);
    k.g->ops->track(k.g);
    storage s = {0};
    for (int i = 0; i < 3000; i++) {
        tkit_put(&k, i % 2, i, 5);
        if (i % 900 == 0) {
            save_changes(&k, &s);
        }
    }
    save_changes(&k, &s);
    cr_assert_geq(s.count, 4);
    qsort(s.items, s.count, sizeof *s.items, by_name);
    beamc_error err = {0};
    for (size_t without = 0; without < s.count; without++) {
        tkit_renew(&other);
        beamc_status status = BEAMC_OK;
        for (size_t i = 0; i < s.count && status == BEAMC_OK; i++) {
            if (i != without) {
                status = other.g->ops->load_record(other.g, slice_of(&s.items[i].name),
                                                   slice_of(&s.items[i].data), &err);
            }
        }
        status = status == BEAMC_OK ? other.g->ops->load_end(other.g, &err) : status;
        cr_assert_eq(status, BEAMC_DATA_LOSS, "without record %zu", without);
    }
    tkit_renew(&other);
    cr_assert_eq(other.g->ops->load_record(other.g, beamc_str("short"), beamc_str(""), &err),
                 BEAMC_DATA_LOSS);
    free_storage(&s);
    tkit_deinit(&k);
    tkit_deinit(&other);
}
