/* fuzz_restore.c: an engine that continues from arbitrary records. Whatever they are, they are refused or
 * make an engine whose watermarks, groups and state can be looked at and saved again.
 *
 * An input is a row of records: length of the name (1 byte), name, length of the data (2), data. The record
 * of the engine itself, with the hash of the graph, is given, unless the input brings its own. */
#include <stdint.h>
#include <stdlib.h>

#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 64, NODES = 4 };

/* ---------------------------------------------------------------------------------- journal */

typedef struct record {
    beamc_slice name, data;
} record;

typedef struct memory {
    beamc_journal base;
    record records[RECORDS_MAX];
    size_t count;
    beamc_buf own; /* bytes of what was put; never moves while records point to it */
} memory;

static void ignore_remove(beamc_journal *j, beamc_slice name) {
    (void)j;
    (void)name;
}

static void keep_engine_record(beamc_journal *j, beamc_slice name, beamc_slice data) {
    memory *m = (memory *)j;
    if (name.len > 0 && name.ptr[0] == BEAMC_RECORD_ENGINE && m->count == 0) {
        beamc_buf_put_slice(&m->own, name);
        beamc_buf_put_slice(&m->own, data);
        const char *at = (const char *)m->own.ptr;
        m->records[m->count++] =
            (record){beamc_slice_of(at, name.len), beamc_slice_of(at + name.len, data.len)};
    }
}

static beamc_status no_commit(beamc_journal *j, beamc_error *err) {
    (void)j;
    (void)err;
    return BEAMC_OK;
}

static int by_name(const void *a, const void *b) {
    const record *x = a, *y = b;
    size_t least = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = least == 0 ? 0 : memcmp(x->name.ptr, y->name.ptr, least);
    return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static beamc_status scan(beamc_journal *j, beamc_slice prefix, beamc_journal_fn fn, void *arg,
                         beamc_error *err) {
    const memory *m = (const memory *)j;
    for (size_t i = 0; i < m->count; i++) {
        const record *r = &m->records[i];
        bool repeated = i > 0 && by_name(r, r - 1) == 0;
        if (!repeated && r->name.len >= prefix.len &&
            memcmp(r->name.ptr, prefix.ptr, prefix.len) == 0) {
            BEAMC_TRY(fn(arg, r->name, r->data, err));
        }
    }
    return BEAMC_OK;
}

static const beamc_journal_ops memory_ops = {keep_engine_record, ignore_remove, no_commit, scan};

static void read_records(memory *m, const uint8_t *data, size_t size) {
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(data, size));
    unsigned name_len, high, low;
    while (m->count < RECORDS_MAX && beamc_get_u8(&in, &name_len)) {
        record *r = &m->records[m->count];
        if (!beamc_get_bytes(&in, name_len, &r->name) || !beamc_get_u8(&in, &high) ||
            !beamc_get_u8(&in, &low) || !beamc_get_bytes(&in, high << 8 | low, &r->data)) {
            break;
        }
        if (r->name.len > 0 && r->name.ptr[0] == BEAMC_RECORD_ENGINE) {
            m->records[0].name.len = 0; /* the input's own counts */
        }
        m->count++;
    }
    qsort(m->records, m->count, sizeof *m->records, by_name);
}

/* ------------------------------------------------------------------------------------ graph */

static const beamc_coder kv = BEAMC_KV(&beamc_bytes, &beamc_varint);
#define WIRE                                                                                       \
    { &kv, &beamc_interval_window }
static const beamc_timer_family_spec timers[] = {{"state", "event", false, false},
                                                 {"state", "clock", true, false},
                                                 {"state", "expiry", false, true}};
static const beamc_trigger early = {.kind = BEAMC_TRIGGER_AFTER_COUNT, .count = 2};
static const beamc_trigger trigger = {.kind = BEAMC_TRIGGER_AFTER_WATERMARK, .early = &early};
static const beamc_view_spec view = {.collection = "view", .coder = WIRE, .multimap = true};

static const beamc_node_spec nodes[NODES] = {
    {.kind = BEAMC_NODE_STAGE,
     .name = "read",
     .input = WIRE,
     .splittable = true,
     .unbounded = true},
    {.kind = BEAMC_NODE_STAGE,
     .name = "state",
     .input = WIRE,
     .keyed = true,
     .stateful_id = "state",
     .timers = timers,
     .timer_count = 3},
    {.kind = BEAMC_NODE_GROUP,
     .name = "group",
     .input = WIRE,
     .windowing = {.fn = {.kind = BEAMC_WINDOW_FIXED, .size_ms = 1000}, .trigger = &trigger}},
    {.kind = BEAMC_NODE_STAGE, .name = "stable", .input = WIRE, .stable = true},
};
static const beamc_engine_graph graph = {nodes, NODES, &view, 1, 0};

static beamc_engine *new_engine(memory *m) {
    beamc_engine_config config = {.parallelism = 1, .journal = &m->base};
    beamc_engine *e;
    if (beamc__engine_new(&graph, &config, &e, NULL) != BEAMC_OK) {
        abort();
    }
    return e;
}

/* What the engine would do next with what it has. */
static void look(beamc_engine *e) {
    static const unsigned char window[] = {0x80, 0, 0, 0, 0, 0, 0x03, 0xe8, 0xe8, 0x07};
    static const char key[] = {1, 'k'};
    pthread_mutex_lock(&e->mu);
    beamc__watermarks_update(e);
    beamc_keyed_shard *shards = e->nodes[1].keyed->shards;
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_scope *scope =
            beamc__store_scope(&shards[i].store, beamc_slice_of(window, sizeof window),
                               beamc_slice_of(key, sizeof key), false);
        if (scope != NULL) {
            beamc__store_changed(&shards[i].store, scope);
        }
    }
    beamc__save_changes(e);
    pthread_mutex_unlock(&e->mu);
    for (unsigned i = 0; i < e->nodes[2].group->shard_count; i++) {
        beamc_grouper *g = e->nodes[2].group->shards[i].grouper;
        beamc_group_time end = {BEAMC_TIME_MAX, BEAMC_TIME_MAX - 1, BEAMC_TIME_MIN};
        beamc_buf out = {0};
        beamc_time least = BEAMC_TIME_MAX;
        uint64_t count = 0;
        if (g->ops->advance(g, &end)) {
            g->ops->drain(g, &end, 1 << 20, &out, &least, &count);
        }
        beamc_buf_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memory m = {.base = {&memory_ops}};
    beamc_engine *e = new_engine(&m);
    beamc__save_changes(e); /* puts the record of the engine */
    beamc__engine_free(e);
    e = new_engine(&m);
    read_records(&m, data, size);
    beamc_error err = {0};
    beamc_status status = beamc__restore(e, &err);
    if (status == BEAMC_OK && beamc__engine_was_continued(e) && !beamc__engine_was_finished(e)) {
        look(e);
    } else if (status != BEAMC_OK && err.message[0] == '\0') {
        abort(); /* refused without a word */
    }
    beamc__engine_free(e);
    beamc_buf_free(&m.own);
    return 0;
}
