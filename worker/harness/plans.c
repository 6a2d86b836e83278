/* plans.c: see plans.h. */
#include "worker/harness/plans.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/pb_out.h"

enum { IDLE_MAX = 64, DESCRIPTORS_MAX = 1000, FETCH_MS = 60000 };

typedef struct beamc_descriptor {
    beamc_idmap_entry entry;
    char *id;
    beamc_rpc_msg *bytes; /* NULL until it is there */
    unsigned version;     /* grows when another descriptor is registered under the id */
    bool fetching;
    bool registered;     /* cannot be fetched again */
    beamc_error failure; /* of the last fetch */
    uint64_t used;       /* when, in takes */
    unsigned users;      /* takes under way and plans that are out */
    beamc_pooled_plan *idle;
    size_t idle_count;
} descriptor;

struct beamc_plans {
    const beamc_plan_env *env;
    beamc_rpc_channel *control;
    beamc_recorder *recorder;
    pthread_mutex_t mu;
    pthread_cond_t fetched;
    beamc_idmap descriptors;
    beamc_pooled_plan *all;
    size_t all_count, idle_count;
    uint64_t takes;
};

beamc_plans *beamc__plans_new(const beamc_plan_env *env) {
    beamc_plans *plans = beamc__calloc(1, sizeof *plans);
    plans->env = env;
    pthread_mutex_init(&plans->mu, NULL);
    pthread_cond_init(&plans->fetched, NULL);
    return plans;
}

void beamc__plans_set_channel(beamc_plans *plans, beamc_rpc_channel *control,
                              beamc_recorder *recorder) {
    plans->recorder = recorder;
    plans->control = control;
}

/* Out of the list of all; the lock is held. The plan itself is freed without it. */
static void forget_plan(beamc_plans *plans, beamc_pooled_plan *p) {
    *(p->before != NULL ? &p->before->next : &plans->all) = p->next;
    if (p->next != NULL) {
        p->next->before = p->before;
    }
    plans->all_count--;
}

static void free_plans(beamc_pooled_plan *list) {
    while (list != NULL) {
        beamc_pooled_plan *next = list->next_idle;
        beamc_plan_free(list->plan);
        free(list);
        list = next;
    }
}

/* Takes the idle plans out; the lock is held. */
static beamc_pooled_plan *strip(beamc_plans *plans, descriptor *d) {
    beamc_pooled_plan *list = d->idle;
    for (beamc_pooled_plan *p = list; p != NULL; p = p->next_idle) {
        forget_plan(plans, p);
    }
    plans->idle_count -= d->idle_count;
    d->idle = NULL;
    d->idle_count = 0;
    return list;
}

static void free_descriptor(void *arg, beamc_idmap_entry *entry) {
    descriptor *d = BEAMC_IDMAP_OWNER(entry, descriptor, entry);
    free_plans(strip(arg, d));
    beamc_rpc_msg_unref(d->bytes);
    free(d->id);
    free(d);
}

void beamc__plans_free(beamc_plans *plans) {
    if (plans == NULL) {
        return;
    }
    beamc__idmap_each(&plans->descriptors, free_descriptor, plans);
    beamc__idmap_deinit(&plans->descriptors);
    pthread_cond_destroy(&plans->fetched);
    pthread_mutex_destroy(&plans->mu);
    free(plans);
}

/* ------------------------------------------------------------------------------ descriptors */

typedef struct candidate {
    descriptor *oldest;
} candidate;

static void consider(void *arg, beamc_idmap_entry *entry) {
    candidate *c = arg;
    descriptor *d = BEAMC_IDMAP_OWNER(entry, descriptor, entry);
    if (d->users == 0 && !d->registered && (c->oldest == NULL || d->used < c->oldest->used)) {
        c->oldest = d;
    }
}

/* Of those that can be fetched again and are not in use, the one that was used least lately. */
static beamc_pooled_plan *evict(beamc_plans *plans) {
    candidate c = {NULL};
    if (plans->descriptors.count <= DESCRIPTORS_MAX) {
        return NULL;
    }
    beamc__idmap_each(&plans->descriptors, consider, &c);
    if (c.oldest == NULL) {
        return NULL;
    }
    beamc_pooled_plan *list = strip(plans, c.oldest);
    beamc__idmap_remove(&plans->descriptors, &c.oldest->entry);
    beamc_rpc_msg_unref(c.oldest->bytes);
    free(c.oldest->id);
    free(c.oldest);
    return list;
}

/* The lock is held. */
static descriptor *find_or_add(beamc_plans *plans, const char *id) {
    descriptor *d =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&plans->descriptors, beamc_str(id)), descriptor, entry);
    if (d == NULL) {
        d = beamc__calloc(1, sizeof *d);
        d->id = beamc__strdup(id);
        beamc__idmap_add(&plans->descriptors, &d->entry, beamc_str(d->id));
    }
    d->used = ++plans->takes;
    return d;
}

void beamc__plans_register(beamc_plans *plans, const char *id, beamc_slice bytes) {
    pthread_mutex_lock(&plans->mu);
    descriptor *d = find_or_add(plans, id);
    beamc_pooled_plan *outdated = NULL;
    if (d->bytes == NULL || !beamc_slice_eq(beamc_rpc_msg_data(d->bytes), bytes)) {
        outdated = strip(plans, d);
        beamc_rpc_msg_unref(d->bytes);
        d->bytes = beamc_rpc_msg_copy(bytes);
        d->version++;
    }
    d->registered = true;
    pthread_mutex_unlock(&plans->mu);
    free_plans(outdated);
}

static beamc_status fetch(beamc_plans *plans, const char *id, beamc_rpc_msg **out,
                          beamc_error *err) {
    beamc_buf request = {0};
    beamc_pb_text(&request, 1, id);
    beamc_record_out(plans->recorder, BEAMC_FN_DESCRIPTOR, beamc_buf_slice(&request));
    beamc_status status = beamc_rpc_unary(plans->control, BEAMC_FN_DESCRIPTOR,
                                          beamc_buf_slice(&request), FETCH_MS, out, err);
    if (status == BEAMC_OK) {
        beamc_record_in(plans->recorder, BEAMC_FN_DESCRIPTOR, beamc_rpc_msg_data(*out));
    }
    beamc_buf_free(&request);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "descriptor %s", id);
    }
    return status;
}

/* Makes sure that @p d has its bytes; the lock is held, but not while they are fetched. */
static beamc_status need_bytes(beamc_plans *plans, descriptor *d, beamc_error *err) {
    bool waited = false;
    while (d->bytes == NULL && d->fetching) {
        waited = true;
        pthread_cond_wait(&plans->fetched, &plans->mu);
    }
    if (d->bytes != NULL) {
        return BEAMC_OK;
    }
    if (waited) {
        return beamc_error_set(err, d->failure.code, "%s", d->failure.message);
    }
    d->fetching = true;
    pthread_mutex_unlock(&plans->mu);
    beamc_error why = {0};
    beamc_rpc_msg *bytes;
    beamc_status status = fetch(plans, d->id, &bytes, &why);
    pthread_mutex_lock(&plans->mu);
    d->fetching = false;
    d->failure = why;
    if (d->bytes == NULL) {
        d->bytes = bytes;
    } else {
        beamc_rpc_msg_unref(bytes); /* it was registered meanwhile */
        status = BEAMC_OK;
    }
    pthread_cond_broadcast(&plans->fetched);
    return status == BEAMC_OK ? status : beamc_error_set(err, status, "%s", why.message);
}

/* ------------------------------------------------------------------------------------ plans */

static beamc_pooled_plan *add_plan(beamc_plans *plans, descriptor *d, beamc_plan *plan) {
    beamc_pooled_plan *p = beamc__calloc(1, sizeof *p);
    p->plan = plan;
    p->of = d;
    p->next = plans->all;
    if (p->next != NULL) {
        p->next->before = p;
    }
    plans->all = p;
    plans->all_count++;
    return p;
}

static beamc_status make_plan(beamc_plans *plans, descriptor *d, beamc_pooled_plan **out,
                              beamc_error *err) {
    beamc_rpc_msg *bytes = beamc_rpc_msg_ref(d->bytes);
    unsigned version = d->version;
    pthread_mutex_unlock(&plans->mu);
    beamc_plan *plan = NULL;
    beamc_status status = beamc_plan_new(beamc_rpc_msg_data(bytes), plans->env, &plan, err);
    beamc_rpc_msg_unref(bytes);
    size_t ports;
    if (status == BEAMC_OK && (beamc_plan_ports(plan, &ports), ports == 0)) {
        beamc_plan_free(plan);
        status = BEAMC_FAIL(err, INVALID_ARGUMENT,
                            "it has no sources, so no bundle of it can have input");
    }
    pthread_mutex_lock(&plans->mu);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "descriptor %s", d->id);
        return status;
    }
    *out = add_plan(plans, d, plan);
    (*out)->version = version;
    return BEAMC_OK;
}

beamc_status beamc__plans_take(beamc_plans *plans, const char *id, beamc_pooled_plan **out,
                               beamc_error *err) {
    *out = NULL;
    pthread_mutex_lock(&plans->mu);
    descriptor *d = find_or_add(plans, id);
    d->users++;
    beamc_status status = BEAMC_OK;
    if (d->idle != NULL) {
        *out = d->idle;
        d->idle = d->idle->next_idle;
        d->idle_count--;
        plans->idle_count--;
    } else {
        status = need_bytes(plans, d, err);
        if (status == BEAMC_OK) {
            status = make_plan(plans, d, out, err);
        }
    }
    if (status != BEAMC_OK) {
        d->users--;
    }
    beamc_pooled_plan *evicted = evict(plans);
    pthread_mutex_unlock(&plans->mu);
    free_plans(evicted);
    return status;
}

void beamc__plans_give_back(beamc_plans *plans, beamc_pooled_plan *p, bool good) {
    pthread_mutex_lock(&plans->mu);
    descriptor *d = p->of;
    d->users--;
    p->next_idle = NULL;
    bool keep = good && p->version == d->version && d->idle_count < IDLE_MAX;
    if (keep) {
        p->next_idle = d->idle;
        d->idle = p;
        d->idle_count++;
        plans->idle_count++;
    } else {
        forget_plan(plans, p);
    }
    pthread_mutex_unlock(&plans->mu);
    if (!keep) {
        free_plans(p);
    }
}

void beamc__plans_samples(beamc_plans *plans, const char *pcollection,
                          void (*fn)(void *arg, const char *pcollection, beamc_slice element),
                          void *arg) {
    pthread_mutex_lock(&plans->mu);
    for (const beamc_pooled_plan *p = plans->all; p != NULL; p = p->next) {
        beamc_plan_samples(p->plan, pcollection, fn, arg);
    }
    pthread_mutex_unlock(&plans->mu);
}

void beamc__plans_count(beamc_plans *plans, size_t *descriptors, size_t *all, size_t *idle) {
    pthread_mutex_lock(&plans->mu);
    *descriptors = plans->descriptors.count;
    *all = plans->all_count;
    *idle = plans->idle_count;
    pthread_mutex_unlock(&plans->mu);
}
