/* transcript.c: plays one trigger transcript, in the lines of transcripts.py on standard input, to a
 * grouper through its interface, and compares what comes out with what is expected.
 *
 * Exit code 0: all as expected; else a line says what is not, and in which of these runs:
 *   plain      the grouper as it is
 *   saved      saved as a whole and loaded into a new one before each step
 *   records    the same through the records that change
 *   reversed, single, pairs    default trigger, accumulating: other orders and bundles of the input */
#include <inttypes.h>

#include <beamc/coder.h>

#include "base/wire.h"
#include "coder/coder_impl.h"
#include "runner/engine/grouper.h"
#include "runner/engine/hash.h"
#include "tests/triggers/programs/script.h"

enum { MAX_PANES = 64, MAX_RECORDS = 1024 };

/* ------------------------------------------------------------------------------------- storage */

typedef struct record {
    beamc_buf name, data;
} record;

static struct {
    record items[MAX_RECORDS];
    size_t count;
} storage;

static beamc_slice slice_of(const beamc_buf *b) {
    return beamc_slice_of(b->ptr, b->len);
}

static void storage_remove(void *arg, beamc_slice name) {
    (void)arg;
    for (size_t i = 0; i < storage.count; i++) {
        if (beamc_slice_eq(slice_of(&storage.items[i].name), name)) {
            beamc_buf_free(&storage.items[i].name);
            beamc_buf_free(&storage.items[i].data);
            storage.items[i] = storage.items[--storage.count];
            return;
        }
    }
    die("a record that is not there is removed");
}

static void storage_put(void *arg, beamc_slice name, beamc_slice data) {
    for (size_t i = 0; i < storage.count; i++) {
        if (beamc_slice_eq(slice_of(&storage.items[i].name), name)) {
            storage_remove(arg, name);
            break;
        }
    }
    if (storage.count == MAX_RECORDS) {
        die("too many records");
    }
    record *r = &storage.items[storage.count++];
    *r = (record){0};
    beamc_buf_put_slice(&r->name, name);
    beamc_buf_put_slice(&r->data, data);
}

static int by_name(const void *a, const void *b) {
    return beamc_slice_cmp(slice_of(&((const record *)a)->name),
                           slice_of(&((const record *)b)->name));
}

/* ------------------------------------------------------------------------------------- playing */

typedef enum mode { PLAIN, SAVED, RECORDS, REVERSED, SINGLE, PAIRS, MODES } mode;
static const char *const mode_names[MODES] = {"plain",    "saved",  "records",
                                              "reversed", "single", "pairs"};

typedef struct play {
    mode how;
    beamc_node_spec node;
    beamc_grouper *g;
    beamc_group_time time;
    pane out[MAX_PANES];
    size_t count;
    char wrong[256];
} play;

static void must(beamc_status status, const beamc_error *err) {
    if (status != BEAMC_OK) {
        die(err->message);
    }
}

static beamc_grouper *new_grouper(const play *p) {
    beamc_grouper *g;
    beamc_error err = {0};
    must(beamc__grouper_general_new(&p->node, &g, &err), &err);
    return g;
}

static void reload(play *p) {
    beamc_error err = {0};
    if (p->how == SAVED) {
        beamc_buf bytes = {0};
        p->g->ops->save(p->g, &bytes);
        p->g->ops->free(p->g);
        p->g = new_grouper(p);
        must(p->g->ops->load(p->g, slice_of(&bytes), &err), &err);
        beamc_buf_free(&bytes);
    } else if (p->how == RECORDS) {
        beamc_group_store store = {NULL, storage_put, storage_remove};
        p->g->ops->save_changes(p->g, &store);
        p->g->ops->free(p->g);
        p->g = new_grouper(p);
        p->g->ops->track(p->g);
        qsort(storage.items, storage.count, sizeof *storage.items, by_name);
        for (size_t i = 0; i < storage.count; i++) {
            must(p->g->ops->load_record(p->g, slice_of(&storage.items[i].name),
                                        slice_of(&storage.items[i].data), &err),
                 &err);
        }
        must(p->g->ops->load_end(p->g, &err), &err);
    }
}

static int64_t seconds(int64_t ms) {
    return ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One element of what drain wrote: windowed KV<bytes, iterable<varint>>. */
static void read_output(play *p, beamc_cursor *in) {
    pane *out = &p->out[p->count++];
    *out = (pane){0};
    uint64_t t, v;
    uint32_t n;
    beamc_window w = BEAMC_GLOBAL_WINDOW;
    beamc_pane info;
    beamc_slice key;
    if (!beamc_get_be64(in, &t) || !beamc_get_be32(in, &n) || n != 1) {
        die("output without one window");
    }
    out->timestamp = seconds(beamc_time_from_wire(t));
    must(beamc__window_decode(p->node.input.window, in, &w, NULL), &(beamc_error){0});
    must(beamc__pane_decode(in, &info, NULL), &(beamc_error){0});
    if (!beamc_get_prefixed(in, &key) || !beamc_slice_eq(key, beamc_str("key")) ||
        !beamc_get_be32(in, &n) || n > MAX_VALUES) {
        die("output without its key");
    }
    for (out->count = 0; out->count < n; out->count++) {
        if (!beamc_get_varint(in, &v)) {
            die("output without its values");
        }
        out->values[out->count] = (int64_t)v;
    }
    qsort(out->values, out->count, sizeof *out->values, by_value);
    out->start = seconds(w.start);
    out->end = seconds(w.end - 1);
    out->index = info.index;
    out->nonspeculative = info.non_speculative_index;
    out->early = info.timing == BEAMC_PANE_EARLY;
    out->late = info.timing == BEAMC_PANE_LATE;
    out->final = info.is_last;
    if (info.is_first != (info.index == 0)) {
        die("is_first and index disagree");
    }
}

/* Until nothing more comes at these times; then the output watermark follows. */
static void settle(play *p) {
    for (bool more = true; more;) {
        beamc_buf out = {0};
        beamc_time least = BEAMC_TIME_MAX;
        uint64_t count = 0;
        more = p->g->ops->advance(p->g, &p->time) &&
               p->g->ops->drain(p->g, &p->time, 1, &out, &least, &count);
        beamc_cursor in = {out.ptr, out.ptr + out.len};
        while (in.p < in.end) {
            read_output(p, &in);
        }
        beamc_buf_free(&out);
    }
    if (p->g->ops->next_watermark(p->g) <= p->time.watermark ||
        p->g->ops->next_clock(p->g) <= p->time.now) {
        die("the grouper has nothing to do and says that it has");
    }
    beamc_time hold = p->g->ops->hold(p->g);
    hold = hold < p->time.watermark ? hold : p->time.watermark;
    p->time.output = hold > p->time.output ? hold : p->time.output;
}

static void add(play *p, const int64_t *values, size_t count) {
    static beamc_group_item items[MAX_VALUES * 16];
    static unsigned char bytes[MAX_VALUES][10];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        beamc_time t = values[i] * 1000;
        beamc_window windows[16];
        size_t k = beamc_window_assign(&p->node.windowing.fn, t, windows, 16);
        size_t len = (size_t)(beamc_write_varint(bytes[i], (uint64_t)values[i]) - bytes[i]);
        for (size_t w = 0; w < k && w < 16; w++) {
            items[n++] = (beamc_group_item){.key = BEAMC_STR("\3key"),
                                            .value = beamc_slice_of(bytes[i], len),
                                            .timestamp = t,
                                            .window = windows[w]};
            items[n - 1].hash = beamc_hash(items[n - 1].key);
        }
    }
    p->g->ops->add(p->g, items, n, &p->time);
    reload(p);
    settle(p);
}

static void add_input(play *p, const step *s) {
    int64_t values[MAX_VALUES];
    size_t per = p->how == SINGLE ? 1 : p->how == PAIRS ? 2 : s->count;
    for (size_t i = 0; i < s->count; i++) {
        values[i] = s->values[p->how == REVERSED ? s->count - 1 - i : i];
        per =
            values[i] * 1000 < p->time.watermark ? s->count : per; /* bundles of late ones count */
    }
    for (size_t i = 0; i < s->count; i += per) {
        add(p, values + i, per < s->count - i ? per : s->count - i);
    }
}

/* ----------------------------------------------------------------------------------- comparing */

static bool fits(const pane *e, const pane *got) {
    return (!e->has_window || (e->start == got->start && e->end == got->end)) &&
           (!e->has_values ||
            (e->count == got->count && memcmp(e->values, got->values, e->count * 8) == 0)) &&
           (!e->has_timestamp || e->timestamp == got->timestamp) &&
           (!e->has_index || e->index == got->index) &&
           (!e->has_nonspeculative || e->nonspeculative == got->nonspeculative) &&
           (!e->has_early || e->early == got->early) && (!e->has_late || e->late == got->late) &&
           (!e->has_final || e->final == got->final);
}

static void describe(beamc_buf *to, const pane *p) {
    beamc_buf_printf(to,
                     "{window: [%" PRId64 ", %" PRId64 "], timestamp: %" PRId64 ", index: %" PRId64
                     ", nonspeculative_index: %" PRId64 ", early: %d, late: %d, final: %d, values:",
                     p->start, p->end, p->timestamp, p->index, p->nonspeculative, (int)p->early,
                     (int)p->late, (int)p->final);
    for (size_t i = 0; i < p->count; i++) {
        beamc_buf_printf(to, " %" PRId64, p->values[i]);
    }
    beamc_buf_put_str(to, "}");
}

static bool fail(play *p, size_t at, const char *what, const pane *expected) {
    beamc_buf text = {0};
    beamc_buf_printf(&text, "step %zu: %s", at + 1, what);
    if (expected != NULL) {
        beamc_buf_put_str(&text, " ");
        describe(&text, expected);
    }
    beamc_buf_put_str(&text, "; output:");
    for (size_t i = 0; i < p->count; i++) {
        beamc_buf_put_str(&text, " ");
        describe(&text, &p->out[i]);
    }
    snprintf(p->wrong, sizeof p->wrong, "%.*s", (int)text.len, (const char *)text.ptr);
    beamc_buf_free(&text);
    return false;
}

static bool check_expected(play *p, size_t at) {
    const step *s = &script.steps[at];
    for (size_t i = 0; i < s->count; i++) {
        size_t k = 0;
        while (k < p->count && !fits(&s->panes[i], &p->out[k])) {
            k++;
        }
        if (k == p->count) {
            return fail(p, at, "Unmatched output", &s->panes[i]);
        }
        p->out[k] = p->out[--p->count];
    }
    return true;
}

static bool play_steps(play *p) {
    for (size_t at = 0; at < script.count; at++) {
        const step *s = &script.steps[at];
        if (s->kind == EXPECT) {
            if (!check_expected(p, at)) {
                return false;
            }
            continue;
        }
        bool again = at > 0 && p->count > 0;
        if (again) {
            return fail(p, at, "Unexpected output before", NULL);
        }
        reload(p);
        if (s->kind == INPUT) {
            add_input(p, s);
            continue;
        }
        if (s->kind == WATERMARK) {
            p->time.watermark = s->time;
        } else {
            p->time.now += s->time;
        }
        settle(p);
    }
    return p->count == 0 || fail(p, script.count, "Unexpected output", NULL);
}

/* With the default trigger all that is not late comes out in one pane, whatever its order. */
static bool fits_mode(mode how) {
    const beamc_trigger *t = script.windowing.trigger;
    return how <= RECORDS || (t->kind == BEAMC_TRIGGER_DEFAULT &&
                              script.windowing.accumulation == BEAMC_ACCUMULATING);
}

int main(void) {
    read_script(stdin);
    for (mode how = PLAIN; how < MODES; how++) {
        if (!fits_mode(how)) {
            continue;
        }
        run_name = mode_names[how];
        static play p;
        p = (play){.how = how, .time = {BEAMC_TIME_MIN, 0, BEAMC_TIME_MIN}};
        bool global = script.windowing.fn.kind == BEAMC_WINDOW_GLOBAL;
        p.node = (beamc_node_spec){
            .kind = BEAMC_NODE_GROUP,
            .name = script.name,
            .input = {.window = global ? &beamc_global_window : &beamc_interval_window},
            .windowing = script.windowing,
            .merging = script.windowing.fn.kind == BEAMC_WINDOW_SESSIONS};
        p.g = new_grouper(&p);
        p.g->ops->track(p.g);
        bool good = play_steps(&p);
        p.g->ops->free(p.g);
        while (storage.count > 0) {
            storage_remove(NULL, slice_of(&storage.items[0].name));
        }
        if (script.error[0] != 0 ? good || strstr(p.wrong, script.error) == NULL : !good) {
            printf("%s: %s\n", run_name, good ? "it ought to fail, and does not" : p.wrong);
            return 1;
        }
    }
    for (size_t i = 0; i < script.count; i++) {
        free(script.steps[i].panes);
    }
    return 0;
}
