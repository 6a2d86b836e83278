/* metrics.c: user metrics (metrics.h) and what the engine measures itself, as MonitoringInfos
 * (metrics.proto; payloads by MonitoringInfoTypeUrns).
 *
 * Values count from the start of the bundle. The bundle's thread is their only writer; progress
 * requests read them at any time, so they are relaxed atomics. The list of user metrics only grows.
 * String sets have a lock of their own. */
#include <beamc/metrics.h>

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "proto/beam_model/urns.h"
#include "worker/exec/ctx.h"
#include "worker/exec/sdf.h"
#include "worker/exec/source.h"

/* A string set over this many bytes takes no more: it travels with every progress report. */
enum { STRING_SET_MAX_BYTES = 1 << 20 };

typedef struct string_node {
    struct string_node *next;
    size_t len;
    char text[];
} string_node;

struct beamc_metric {
    struct beamc_metric *next;
    beamc_metric_kind kind;
    const char *step;
    char *space;
    char *name;
    uint32_t slot;
    beamc_plan *plan;
    beamc_tally touched; /* updates in this bundle: untouched ones are not reported */
    beamc_tally sum;     /* counter; gauge: its value */
    beamc_tally min;
    beamc_tally max;
    beamc_tally at_ms; /* gauge: when it was set */
    pthread_mutex_t mu;
    string_node *strings; /* guarded by mu */
    size_t string_bytes;
};

static beamc_metric *metric_of(beamc_ctx *ctx, beamc_metric_kind kind, const char *space,
                               const char *name) {
    beamc_plan *plan = ctx->plan;
    beamc_metric *head = atomic_load_explicit(&plan->metrics, memory_order_acquire);
    for (beamc_metric *m = head; m != NULL; m = m->next) {
        if (m->kind == kind && m->step == ctx->step && strcmp(m->space, space) == 0 &&
            strcmp(m->name, name) == 0) {
            return m;
        }
    }
    beamc_metric *m = beamc__calloc(1, sizeof *m);
    m->next = head;
    m->kind = kind;
    m->step = ctx->step;
    m->space = beamc__strdup(space);
    m->name = beamc__strdup(name);
    m->slot = plan->next_slot++;
    m->plan = plan;
    pthread_mutex_init(&m->mu, NULL);
    atomic_store_explicit(&plan->metrics, m, memory_order_release);
    return m;
}

beamc_metric *beamc_counter(beamc_ctx *ctx, const char *space, const char *name) {
    return metric_of(ctx, BEAMC_METRIC_COUNTER, space, name);
}

beamc_metric *beamc_distribution(beamc_ctx *ctx, const char *space, const char *name) {
    return metric_of(ctx, BEAMC_METRIC_DISTRIBUTION, space, name);
}

beamc_metric *beamc_gauge(beamc_ctx *ctx, const char *space, const char *name) {
    return metric_of(ctx, BEAMC_METRIC_GAUGE, space, name);
}

beamc_metric *beamc_string_set(beamc_ctx *ctx, const char *space, const char *name) {
    return metric_of(ctx, BEAMC_METRIC_STRING_SET, space, name);
}

void beamc_counter_add(beamc_metric *counter, int64_t n) {
    beamc_tally_add(&counter->sum, n);
    beamc_tally_set(&counter->touched, 1);
}

void beamc_distribution_update(beamc_metric *d, int64_t value) {
    int64_t count = beamc_tally_get(&d->touched);
    beamc_tally_add(&d->sum, value);
    if (count == 0 || value < beamc_tally_get(&d->min)) {
        beamc_tally_set(&d->min, value);
    }
    if (count == 0 || value > beamc_tally_get(&d->max)) {
        beamc_tally_set(&d->max, value);
    }
    beamc_tally_set(&d->touched, count + 1);
}

void beamc_gauge_set(beamc_metric *gauge, int64_t value) {
    beamc_tally_set(&gauge->sum, value);
    beamc_tally_set(&gauge->at_ms, beamc__plan_now(gauge->plan));
    beamc_tally_set(&gauge->touched, 1);
}

void beamc_string_set_add(beamc_metric *set, beamc_slice value) {
    pthread_mutex_lock(&set->mu);
    string_node **link = &set->strings;
    while (*link != NULL && !beamc_slice_eq(beamc_slice_of((*link)->text, (*link)->len), value)) {
        link = &(*link)->next;
    }
    if (*link == NULL && set->string_bytes + value.len <= STRING_SET_MAX_BYTES) {
        string_node *node = beamc__malloc(sizeof *node + value.len);
        node->next = NULL;
        node->len = value.len;
        if (value.len > 0) {
            memcpy(node->text, value.ptr, value.len);
        }
        *link = node;
        set->string_bytes += value.len + 16;
    }
    pthread_mutex_unlock(&set->mu);
    beamc_tally_set(&set->touched, 1);
}

static void strings_clear(beamc_metric *set) {
    pthread_mutex_lock(&set->mu);
    for (string_node *n = set->strings; n != NULL;) {
        string_node *next = n->next;
        free(n);
        n = next;
    }
    set->strings = NULL;
    set->string_bytes = 0;
    pthread_mutex_unlock(&set->mu);
}

void beamc__plan_metrics_free(beamc_plan *plan) {
    for (beamc_metric *m = atomic_load(&plan->metrics); m != NULL;) {
        beamc_metric *next = m->next;
        strings_clear(m);
        pthread_mutex_destroy(&m->mu);
        free(m->space);
        free(m->name);
        free(m);
        m = next;
    }
}

void beamc__plan_metrics_reset(beamc_plan *plan) {
    for (beamc_metric *m = atomic_load(&plan->metrics); m != NULL; m = m->next) {
        beamc_tally_set(&m->touched, 0);
        beamc_tally_set(&m->sum, 0);
        if (m->kind == BEAMC_METRIC_STRING_SET) {
            strings_clear(m);
        }
    }
    for (size_t i = 0; i < plan->pcol_count; i++) {
        beamc_pcol *pc = plan->pcols[i];
        beamc_tally_set(&pc->count, 0);
        beamc_tally_set(&pc->sizes.count, 0);
        beamc_tally_set(&pc->sizes.sum, 0);
        pc->next_sample = pc->sizable ? 1 : INT64_MAX;
    }
    for (size_t i = 0; i < plan->unit_count; i++) {
        atomic_store(&plan->units[i]->in_start.msecs, 0);
        atomic_store(&plan->units[i]->in_process.msecs, 0);
        atomic_store(&plan->units[i]->in_finish.msecs, 0);
    }
}

/* Sizes are taken of the first ten elements and then ever more rarely: about ten for each tenfold. */
void beamc__pcol_sample(beamc_pcol *pc, const beamc_wv *wv) {
    beamc_plan *plan = pc->plan;
    int64_t n = beamc_tally_get(&pc->count);
    pc->next_sample = n + 1 + (n >= 10 ? n / 4 : 0);
    beamc_buf_clear(&plan->measure);
    if (beamc__encode(pc->coder, &wv->value, true, &plan->measure, NULL) != BEAMC_OK) {
        pc->next_sample = INT64_MAX; /* whoever has to encode it will report it */
        return;
    }
    int64_t size = (int64_t)plan->measure.len;
    beamc_size_samples *s = &pc->sizes;
    int64_t count = beamc_tally_get(&s->count);
    beamc_tally_add(&s->sum, size);
    if (count == 0 || size < beamc_tally_get(&s->min)) {
        beamc_tally_set(&s->min, size);
    }
    if (count == 0 || size > beamc_tally_get(&s->max)) {
        beamc_tally_set(&s->max, size);
    }
    beamc_tally_set(&s->count, count + 1);
    if (pc->samples != NULL) {
        beamc__samples_put(pc->samples, beamc_buf_slice(&plan->measure));
    }
}

/* ------------------------------------------------------------------------------ reporting */

typedef struct report {
    beamc_monitoring_fn fn;
    void *arg;
    beamc_buf payload;
} report;

static void put(report *r, beamc_monitoring_info info) {
    info.payload = beamc_buf_slice(&r->payload);
    r->fn(r->arg, &info);
    beamc_buf_clear(&r->payload);
}

static void put_distribution(report *r, beamc_monitoring_info info, int64_t count, int64_t sum,
                             int64_t min, int64_t max) {
    info.type = BEAMC_URN_METRIC_TYPE_DISTRIBUTION_INT64;
    beamc_put_varint(&r->payload, (uint64_t)count);
    beamc_put_varint(&r->payload, (uint64_t)sum);
    beamc_put_varint(&r->payload, (uint64_t)min);
    beamc_put_varint(&r->payload, (uint64_t)max);
    put(r, info);
}

static void put_sum(report *r, beamc_monitoring_info info, int64_t value) {
    info.type = BEAMC_URN_METRIC_TYPE_SUM_INT64;
    beamc_put_varint(&r->payload, (uint64_t)value);
    put(r, info);
}

static void put_string_set(report *r, beamc_monitoring_info info, beamc_metric *m) {
    info.type = BEAMC_URN_METRIC_TYPE_SET_STRING;
    pthread_mutex_lock(&m->mu);
    uint32_t count = 0;
    for (const string_node *n = m->strings; n != NULL; n = n->next) {
        count++;
    }
    beamc_put_be32(&r->payload, count);
    for (const string_node *n = m->strings; n != NULL; n = n->next) {
        beamc_put_prefixed(&r->payload, beamc_slice_of(n->text, n->len));
    }
    pthread_mutex_unlock(&m->mu);
    put(r, info);
}

static void put_user_metric(report *r, beamc_metric *m) {
    int64_t touched = beamc_tally_get(&m->touched);
    if (touched == 0) {
        return;
    }
    beamc_monitoring_info info = {
        .transform = m->step, .name_space = m->space, .name = m->name, .slot = m->slot};
    switch (m->kind) {
    case BEAMC_METRIC_COUNTER:
        info.urn = BEAMC_URN_METRIC_USER_SUM_INT64;
        put_sum(r, info, beamc_tally_get(&m->sum));
        break;
    case BEAMC_METRIC_DISTRIBUTION:
        info.urn = BEAMC_URN_METRIC_USER_DISTRIBUTION_INT64;
        put_distribution(r, info, touched, beamc_tally_get(&m->sum), beamc_tally_get(&m->min),
                         beamc_tally_get(&m->max));
        break;
    case BEAMC_METRIC_GAUGE:
        info.urn = BEAMC_URN_METRIC_USER_LATEST_INT64;
        info.type = BEAMC_URN_METRIC_TYPE_LATEST_INT64;
        beamc_put_varint(&r->payload, (uint64_t)beamc_tally_get(&m->at_ms));
        beamc_put_varint(&r->payload, (uint64_t)beamc_tally_get(&m->sum));
        put(r, info);
        break;
    case BEAMC_METRIC_STRING_SET:
        info.urn = BEAMC_URN_METRIC_USER_SET_STRING;
        put_string_set(r, info, m);
        break;
    }
}

static void put_times(report *r, beamc_unit *unit) {
    const struct {
        const char *urn;
        beamc_exec_state *state;
    } times[] = {{BEAMC_URN_METRIC_START_BUNDLE_MSECS, &unit->in_start},
                 {BEAMC_URN_METRIC_PROCESS_BUNDLE_MSECS, &unit->in_process},
                 {BEAMC_URN_METRIC_FINISH_BUNDLE_MSECS, &unit->in_finish}};
    int64_t total = 0;
    for (uint32_t i = 0; i < 3; i++) {
        int64_t msecs = (int64_t)atomic_load_explicit(&times[i].state->msecs, memory_order_relaxed);
        total += msecs;
        put_sum(r,
                (beamc_monitoring_info){
                    .urn = times[i].urn, .transform = unit->id, .slot = unit->slot + i},
                msecs);
    }
    put_sum(r,
            (beamc_monitoring_info){
                .urn = BEAMC_URN_METRIC_TOTAL_MSECS, .transform = unit->id, .slot = unit->slot + 3},
            total);
}

static void put_pcol(report *r, beamc_pcol *pc) {
    put_sum(r,
            (beamc_monitoring_info){
                .urn = BEAMC_URN_METRIC_ELEMENT_COUNT, .pcollection = pc->id, .slot = pc->slot},
            beamc_tally_get(&pc->count));
    int64_t count = beamc_tally_get(&pc->sizes.count);
    if (count > 0) {
        put_distribution(r,
                         (beamc_monitoring_info){.urn = BEAMC_URN_METRIC_SAMPLED_BYTE_SIZE,
                                                 .pcollection = pc->id,
                                                 .slot = pc->slot + 1},
                         count, beamc_tally_get(&pc->sizes.sum), beamc_tally_get(&pc->sizes.min),
                         beamc_tally_get(&pc->sizes.max));
    }
}

/* PROGRESS: an iterable of doubles. */
static void put_progress(report *r, const char *urn, const char *transform, uint32_t slot,
                         double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    beamc_put_be32(&r->payload, 1);
    beamc_put_be64(&r->payload, bits);
    put(r, (beamc_monitoring_info){.urn = urn,
                                   .type = BEAMC_URN_METRIC_TYPE_PROGRESS,
                                   .transform = transform,
                                   .slot = slot});
}

void beamc_plan_metrics(beamc_plan *plan, beamc_monitoring_fn fn, void *arg) {
    report r = {.fn = fn, .arg = arg};
    for (size_t i = 0; i < plan->pcol_count; i++) {
        put_pcol(&r, plan->pcols[i]);
    }
    for (size_t i = 0; i < plan->unit_count; i++) {
        if (plan->units[i]->reports_times) {
            put_times(&r, plan->units[i]);
        }
    }
    for (size_t i = 0; i < plan->port_count; i++) {
        beamc_source *s = plan->port_nodes[i].source;
        if (s != NULL) {
            put_sum(&r,
                    (beamc_monitoring_info){.urn = BEAMC_URN_METRIC_DATA_CHANNEL_READ_INDEX,
                                            .transform = s->unit.id,
                                            .slot = s->slot},
                    atomic_load(&s->index));
        }
    }
    for (beamc_sdf *sdf = plan->sdfs; sdf != NULL; sdf = sdf->next) {
        double done, remaining;
        if (beamc__sdf_progress(sdf, &done, &remaining)) {
            put_progress(&r, BEAMC_URN_METRIC_WORK_COMPLETED, sdf->pardo->unit.id, sdf->slot, done);
            put_progress(&r, BEAMC_URN_METRIC_WORK_REMAINING, sdf->pardo->unit.id, sdf->slot + 1,
                         remaining);
        }
    }
    for (beamc_metric *m = atomic_load_explicit(&plan->metrics, memory_order_acquire); m != NULL;
         m = m->next) {
        put_user_metric(&r, m);
    }
    beamc_buf_free(&r.payload);
}
