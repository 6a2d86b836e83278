/* sums.c: metrics of committed bundles, added up (metrics.proto; beam-protocol: MonitoringInfo).
 *
 * Each instance remembers which sum each of its slots belongs to, so a commit looks nothing up by name.
 * Threads: everything under one lock, taken once for each bundle. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/hash.h"
#include "runner/engine/impl.h"

typedef enum metric_type { SUM, DISTRIBUTION, LATEST, OTHER } metric_type;

typedef struct beamc_metric_slot {
    beamc_engine_metric sum;
    metric_type type;
    beamc_buf payload;
    struct beamc_metric_slot *next;
} beamc_metric_slot;

typedef struct beamc_sums {
    pthread_mutex_t mu;
    beamc_arena *arena;
    beamc_metric_slot *first, **last;
} beamc_sums;

struct beamc_sums *beamc__sums_new(void) {
    beamc_sums *m = beamc__calloc(1, sizeof *m);
    pthread_mutex_init(&m->mu, NULL);
    m->arena = beamc_arena_new(4096);
    m->last = &m->first;
    return m;
}

void beamc__sums_free(struct beamc_sums *m) {
    if (m == NULL) {
        return;
    }
    for (beamc_metric_slot *s = m->first; s != NULL; s = s->next) {
        beamc_buf_free(&s->payload);
    }
    pthread_mutex_destroy(&m->mu);
    beamc_arena_free(m->arena);
    free(m);
}

static bool same(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *keep(beamc_sums *m, const char *text) {
    return text == NULL ? NULL : beamc_arena_cstr(m->arena, beamc_str(text));
}

static beamc_metric_slot *find(beamc_sums *m, const beamc_monitoring_info *info) {
    for (beamc_metric_slot *s = m->first; s != NULL; s = s->next) {
        if (same(s->sum.urn, info->urn) && same(s->sum.transform, info->transform) &&
            same(s->sum.pcollection, info->pcollection) &&
            same(s->sum.name_space, info->name_space) && same(s->sum.name, info->name)) {
            return s;
        }
    }
    beamc_metric_slot *s = beamc_arena_zalloc(m->arena, sizeof *s);
    s->sum.urn = keep(m, info->urn);
    s->sum.type = keep(m, info->type);
    s->sum.transform = keep(m, info->transform);
    s->sum.pcollection = keep(m, info->pcollection);
    s->sum.name_space = keep(m, info->name_space);
    s->sum.name = keep(m, info->name);
    s->type = same(info->type, "beam:metrics:sum_int64:v1")            ? SUM
              : same(info->type, "beam:metrics:distribution_int64:v1") ? DISTRIBUTION
              : same(info->type, "beam:metrics:latest_int64:v1")       ? LATEST
                                                                       : OTHER;
    *m->last = s;
    m->last = &s->next;
    return s;
}

static void add_distribution(beamc_engine_metric *to, const uint64_t v[4]) {
    if (v[0] == 0) {
        return;
    }
    int64_t min = (int64_t)v[2], max = (int64_t)v[3];
    to->min = to->count == 0 || min < to->min ? min : to->min;
    to->max = to->count == 0 || max > to->max ? max : to->max;
    to->count += (int64_t)v[0];
    to->sum = (int64_t)((uint64_t)to->sum + v[1]);
}

static void merge(beamc_metric_slot *s, beamc_slice payload) {
    beamc_cursor in = beamc_cursor_of(payload);
    uint64_t v[4] = {0};
    for (unsigned i = 0; i < 4 && beamc_get_varint(&in, &v[i]); i++) {
    }
    switch (s->type) {
    case SUM:
        s->sum.value = (int64_t)((uint64_t)s->sum.value + v[0]);
        break;
    case DISTRIBUTION:
        add_distribution(&s->sum, v);
        break;
    case LATEST:
        if ((int64_t)v[0] >= s->sum.at) {
            s->sum.at = (int64_t)v[0];
            s->sum.value = (int64_t)v[1];
        }
        break;
    case OTHER:
        beamc_buf_clear(&s->payload);
        beamc_buf_put_slice(&s->payload, payload);
        s->sum.payload = beamc_buf_slice(&s->payload);
        break;
    }
}

typedef struct commit {
    beamc_sums *m;
    beamc_runnable *on;
} commit;

static void commit_one(void *arg, const beamc_monitoring_info *info) {
    commit *c = arg;
    beamc_runnable *on = c->on;
    if (info->slot >= on->slot_count && info->slot < (1u << 20)) {
        size_t n = (size_t)info->slot + 16;
        on->slots = beamc__realloc(on->slots, n * sizeof *on->slots);
        memset(on->slots + on->slot_count, 0, (n - on->slot_count) * sizeof *on->slots);
        on->slot_count = n;
    }
    beamc_metric_slot *s = info->slot < on->slot_count ? on->slots[info->slot] : NULL;
    if (s == NULL) {
        s = find(c->m, info);
        if (info->slot < on->slot_count) {
            on->slots[info->slot] = s;
        }
    }
    merge(s, info->payload);
}

void beamc__sums_commit(struct beamc_sums *m, beamc_runnable *on) {
    commit c = {m, on};
    pthread_mutex_lock(&m->mu);
    on->instance->worker->ops->metrics(on->instance, commit_one, &c);
    pthread_mutex_unlock(&m->mu);
}

void beamc__sums_each(struct beamc_sums *m, beamc_engine_metric_fn fn, void *arg) {
    pthread_mutex_lock(&m->mu);
    for (const beamc_metric_slot *s = m->first; s != NULL; s = s->next) {
        fn(arg, &s->sum);
    }
    pthread_mutex_unlock(&m->mu);
}

/* --------------------------------------------------------------------------------- as bytes */

static void put_text(beamc_buf *out, const char *text) {
    beamc_buf_put_u8(out, text != NULL);
    beamc_put_prefixed(out, beamc_str(text == NULL ? "" : text));
}

static void put_number(beamc_buf *out, int64_t n) {
    beamc_put_varint(out, (uint64_t)n);
}

void beamc__sums_save(struct beamc_sums *m, beamc_buf *out) {
    pthread_mutex_lock(&m->mu);
    for (const beamc_metric_slot *s = m->first; s != NULL; s = s->next) {
        const beamc_engine_metric *x = &s->sum;
        put_text(out, x->urn);
        put_text(out, x->type);
        put_text(out, x->transform);
        put_text(out, x->pcollection);
        put_text(out, x->name_space);
        put_text(out, x->name);
        put_number(out, x->value);
        put_number(out, x->count);
        put_number(out, x->sum);
        put_number(out, x->min);
        put_number(out, x->max);
        put_number(out, x->at);
        beamc_put_prefixed(out, beamc_buf_slice(&s->payload));
    }
    pthread_mutex_unlock(&m->mu);
}

static bool get_text(beamc_sums *m, beamc_cursor *in, const char **out) {
    unsigned there;
    beamc_slice text;
    if (!beamc_get_u8(in, &there) || !beamc_get_prefixed(in, &text) ||
        (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)) {
        return false;
    }
    *out = there ? beamc_arena_cstr(m->arena, text) : NULL;
    return true;
}

static bool get_number(beamc_cursor *in, int64_t *out) {
    uint64_t n;
    if (!beamc_get_varint(in, &n)) {
        return false;
    }
    *out = (int64_t)n;
    return true;
}

static bool load_one(beamc_sums *m, beamc_cursor *in) {
    beamc_monitoring_info info = {0};
    beamc_engine_metric x = {0};
    beamc_slice payload;
    if (!get_text(m, in, &info.urn) || !get_text(m, in, &info.type) ||
        !get_text(m, in, &info.transform) || !get_text(m, in, &info.pcollection) ||
        !get_text(m, in, &info.name_space) || !get_text(m, in, &info.name) ||
        !get_number(in, &x.value) || !get_number(in, &x.count) || !get_number(in, &x.sum) ||
        !get_number(in, &x.min) || !get_number(in, &x.max) || !get_number(in, &x.at) ||
        !beamc_get_prefixed(in, &payload)) {
        return false;
    }
    beamc_metric_slot *s = find(m, &info);
    s->sum.value = x.value;
    s->sum.count = x.count;
    s->sum.sum = x.sum;
    s->sum.min = x.min;
    s->sum.max = x.max;
    s->sum.at = x.at;
    beamc_buf_put_slice(&s->payload, payload);
    s->sum.payload = beamc_buf_slice(&s->payload);
    return true;
}

bool beamc__sums_load(struct beamc_sums *m, beamc_slice bytes) {
    beamc_cursor in = beamc_cursor_of(bytes);
    bool good = true;
    pthread_mutex_lock(&m->mu);
    while (good && in.p < in.end) {
        good = load_one(m, &in);
    }
    pthread_mutex_unlock(&m->mu);
    return good;
}
