/* inbox.c: see inbox.h. */
#include "worker/harness/inbox.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/thread.h"

/* A small part of a large message is copied out: it must not keep the whole of it. */
enum { COPY_MAX_BYTES = 64 << 10, MAX_STREAMS = 16 };

static const beamc_inbox_limits usual_limits = {
    .running_bytes = 16u << 20,
    .waiting_bytes = 512u << 20,
    .waiting_count = 10000,
    .ended_count = 10000,
};

typedef enum inbox_state {
    EARLY,   /* no request yet */
    CLAIMED, /* requested, does not run yet */
    RUNNING,
} inbox_state;

struct beamc_inbox {
    beamc_idmap_entry entry;
    beamc_inboxes *all;
    inbox_state state;
    beamc_chunk *first, **last;
    size_t bytes;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    unsigned blocked_readers;
    bool taking; /* the bundle waits in take */
    bool closed; /* out of the table; the last blocked reader frees it */
    beamc_error failure;
    const void *streams[MAX_STREAMS];
    size_t stream_count;
    beamc_inbox *older, *newer; /* among EARLY ones */
};

/* An id whose data is dropped. */
typedef struct ended {
    beamc_idmap_entry entry;
    struct ended *newer;
} ended;

struct beamc_inboxes {
    beamc_inbox_limits limits;
    pthread_mutex_t mu;
    beamc_idmap table;
    beamc_inbox *oldest, *newest; /* EARLY ones */
    size_t early_count;
    size_t waiting_bytes; /* of EARLY and CLAIMED ones */
    bool finished;
    beamc_idmap ended_ids;
    ended *ended_first, **ended_last;
};

void beamc__chunk_free(beamc_chunk *chunk) {
    if (chunk != NULL) {
        beamc_rpc_msg_unref(chunk->msg);
        free(chunk);
    }
}

static char *copy_text(beamc_slice s) {
    return beamc__strndup(s.ptr != NULL ? s.ptr : "", s.len);
}

/* ------------------------------------------------------------------------------- ended ids */

static void remember_ended(beamc_inboxes *all, beamc_slice id) {
    if (beamc__idmap_find(&all->ended_ids, id) != NULL) {
        return;
    }
    ended *e = beamc__calloc(1, sizeof *e);
    beamc__idmap_add(&all->ended_ids, &e->entry, beamc_slice_of(copy_text(id), id.len));
    *all->ended_last = e;
    all->ended_last = &e->newer;
    if (all->ended_ids.count > all->limits.ended_count) {
        ended *oldest = all->ended_first;
        all->ended_first = oldest->newer;
        beamc__idmap_remove(&all->ended_ids, &oldest->entry);
        free((void *)(uintptr_t)oldest->entry.key.ptr);
        free(oldest);
    }
}

/* An id that is used anew is not an ended one. */
static void forget_ended(beamc_inboxes *all, beamc_slice id) {
    ended *found = BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->ended_ids, id), ended, entry);
    if (found == NULL) {
        return;
    }
    ended **at = &all->ended_first;
    while (*at != found) {
        at = &(*at)->newer;
    }
    *at = found->newer;
    if (all->ended_last == &found->newer) {
        all->ended_last = at;
    }
    beamc__idmap_remove(&all->ended_ids, &found->entry);
    free((void *)(uintptr_t)found->entry.key.ptr);
    free(found);
}

/* ----------------------------------------------------------------------------- life of one */

static beamc_inbox *inbox_new(beamc_inboxes *all, beamc_slice id) {
    beamc_inbox *box = beamc__calloc(1, sizeof *box);
    box->all = all;
    box->last = &box->first;
    beamc__cond_init(&box->filled);
    beamc__cond_init(&box->emptied);
    beamc__idmap_add(&all->table, &box->entry, beamc_slice_of(copy_text(id), id.len));
    return box;
}

static void inbox_free(beamc_inbox *box) {
    pthread_cond_destroy(&box->filled);
    pthread_cond_destroy(&box->emptied);
    free((void *)(uintptr_t)box->entry.key.ptr);
    free(box);
}

static void join_early(beamc_inbox *box) {
    beamc_inboxes *all = box->all;
    box->older = all->newest;
    box->newer = NULL;
    *(all->newest != NULL ? &all->newest->newer : &all->oldest) = box;
    all->newest = box;
    all->early_count++;
}

static void leave_early(beamc_inbox *box) {
    beamc_inboxes *all = box->all;
    *(box->older != NULL ? &box->older->newer : &all->oldest) = box->newer;
    *(box->newer != NULL ? &box->newer->older : &all->newest) = box->older;
    all->early_count--;
}

static void drop_chunks(beamc_inbox *box) {
    for (beamc_chunk *c = box->first; c != NULL;) {
        beamc_chunk *next = c->next;
        beamc__chunk_free(c);
        c = next;
    }
    box->first = NULL;
    box->last = &box->first;
    if (box->state != RUNNING) {
        box->all->waiting_bytes -= box->bytes;
    }
    box->bytes = 0;
}

/* Keeps the id, so that its bundle fails when its request comes, instead of waiting for ever. */
static void fail_inbox(beamc_inbox *box, const beamc_error *why) {
    if (box->failure.code == BEAMC_OK) {
        box->failure = *why;
    }
    drop_chunks(box);
    pthread_cond_broadcast(&box->filled);
    pthread_cond_broadcast(&box->emptied);
}

static void remove_early(beamc_inbox *box) {
    leave_early(box);
    drop_chunks(box);
    beamc__idmap_remove(&box->all->table, &box->entry);
    inbox_free(box);
}

/* Keeps the bounds of what waits for a request: the oldest give way. */
static void bound_early(beamc_inboxes *all, const beamc_inbox *spared) {
    while (all->early_count > all->limits.waiting_count) {
        remove_early(all->oldest == spared ? all->oldest->newer : all->oldest);
    }
    beamc_error why = {.code = BEAMC_RESOURCE_EXHAUSTED};
    beamc_error_set(&why, BEAMC_RESOURCE_EXHAUSTED,
                    "data for this bundle came before its request and was dropped: more than %zu "
                    "MiB waited for requests",
                    all->limits.waiting_bytes >> 20);
    for (beamc_inbox *box = all->oldest;
         box != NULL && all->waiting_bytes > all->limits.waiting_bytes; box = box->newer) {
        if (box->bytes > 0) {
            fail_inbox(box, &why);
        }
    }
}

/* -------------------------------------------------------------------------------- all of them */

beamc_inboxes *beamc__inboxes_new(const beamc_inbox_limits *limits) {
    beamc_inboxes *all = beamc__calloc(1, sizeof *all);
    all->limits = limits != NULL ? *limits : usual_limits;
    all->ended_last = &all->ended_first;
    pthread_mutex_init(&all->mu, NULL);
    return all;
}

void beamc__inboxes_free(beamc_inboxes *all) {
    if (all == NULL) {
        return;
    }
    while (all->oldest != NULL) {
        remove_early(all->oldest);
    }
    while (all->ended_first != NULL) {
        forget_ended(all, all->ended_first->entry.key);
    }
    beamc__idmap_deinit(&all->table);
    beamc__idmap_deinit(&all->ended_ids);
    pthread_mutex_destroy(&all->mu);
    free(all);
}

static void add_stream(beamc_inbox *box, const void *stream) {
    for (size_t i = 0; i < box->stream_count; i++) {
        if (box->streams[i] == stream) {
            return;
        }
    }
    if (box->stream_count < MAX_STREAMS) {
        box->streams[box->stream_count++] = stream;
    }
}

static beamc_slice moved(beamc_slice s, const char *from, const char *to) {
    return s.len > 0 ? beamc_slice_of(to + (s.ptr - from), s.len) : s;
}

static beamc_chunk *make_chunk(beamc_rpc_msg *msg, const beamc_elements_part *part) {
    beamc_chunk *c = beamc__calloc(1, sizeof *c);
    c->part = *part;
    beamc_slice whole = beamc_rpc_msg_data(msg);
    if (part->data.len > COPY_MAX_BYTES || part->data.len >= whole.len / 4) {
        c->msg = beamc_rpc_msg_ref(msg);
        return c;
    }
    beamc_buf copy = {0};
    beamc_buf_put_slice(&copy, part->transform_id);
    beamc_buf_put_slice(&copy, part->family);
    beamc_buf_put_slice(&copy, part->data);
    c->msg = beamc_rpc_msg_take(&copy);
    const char *at = beamc_rpc_msg_data(c->msg).ptr;
    c->part.transform_id = moved(part->transform_id, part->transform_id.ptr, at);
    at += part->transform_id.len;
    c->part.family = moved(part->family, part->family.ptr, at);
    c->part.data = moved(part->data, part->data.ptr, at + part->family.len);
    c->part.instruction_id = (beamc_slice){NULL, 0};
    return c;
}

/* Waits while a running bundle has more than it may. True when it is still there. */
static bool wait_for_room(beamc_inbox *box, size_t more) {
    beamc_inboxes *all = box->all;
    box->blocked_readers++;
    while (!box->closed && !all->finished && box->failure.code == BEAMC_OK &&
           box->state == RUNNING && box->bytes > 0 &&
           box->bytes + more > all->limits.running_bytes) {
        pthread_cond_wait(&box->emptied, &all->mu);
    }
    box->blocked_readers--;
    if (box->closed && box->blocked_readers == 0) {
        inbox_free(box);
        return false;
    }
    return !box->closed;
}

static void put_locked(beamc_inboxes *all, const void *stream, beamc_rpc_msg *msg,
                       const beamc_elements_part *part) {
    beamc_slice id = part->instruction_id;
    beamc_inbox *box = BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->table, id), beamc_inbox, entry);
    if (box == NULL) {
        if (all->finished || beamc__idmap_find(&all->ended_ids, id) != NULL) {
            return;
        }
        box = inbox_new(all, id);
        join_early(box);
    }
    if (!wait_for_room(box, part->data.len) || box->failure.code != BEAMC_OK) {
        return;
    }
    add_stream(box, stream);
    beamc_chunk *c = make_chunk(msg, part);
    *box->last = c;
    box->last = &c->next;
    box->bytes += part->data.len;
    if (box->state == RUNNING) {
        pthread_cond_signal(&box->filled);
        return;
    }
    all->waiting_bytes += part->data.len;
    bound_early(all, box);
}

void beamc__inboxes_put(beamc_inboxes *all, const void *stream, beamc_rpc_msg *msg,
                        const beamc_elements_part *part) {
    pthread_mutex_lock(&all->mu);
    put_locked(all, stream, msg, part);
    pthread_mutex_unlock(&all->mu);
}

typedef struct failing {
    const void *stream;
    const beamc_error *why;
} failing;

static void fail_if_used(void *arg, beamc_idmap_entry *entry) {
    const failing *f = arg;
    beamc_inbox *box = BEAMC_IDMAP_OWNER(entry, beamc_inbox, entry);
    for (size_t i = 0; i < box->stream_count; i++) {
        if (box->streams[i] == f->stream) {
            fail_inbox(box, f->why);
            return;
        }
    }
}

void beamc__inboxes_fail(beamc_inboxes *all, const void *stream, const beamc_error *why) {
    failing f = {stream, why};
    pthread_mutex_lock(&all->mu);
    beamc__idmap_each(&all->table, fail_if_used, &f);
    pthread_mutex_unlock(&all->mu);
}

static void wake_all(void *arg, beamc_idmap_entry *entry) {
    (void)arg;
    beamc_inbox *box = BEAMC_IDMAP_OWNER(entry, beamc_inbox, entry);
    pthread_cond_broadcast(&box->filled);
    pthread_cond_broadcast(&box->emptied);
}

void beamc__inboxes_finish(beamc_inboxes *all) {
    pthread_mutex_lock(&all->mu);
    all->finished = true;
    beamc__idmap_each(&all->table, wake_all, NULL);
    pthread_mutex_unlock(&all->mu);
}

void beamc__inboxes_waiting(beamc_inboxes *all, size_t *count, size_t *bytes) {
    pthread_mutex_lock(&all->mu);
    *count = all->early_count;
    *bytes = all->waiting_bytes;
    pthread_mutex_unlock(&all->mu);
}

/* -------------------------------------------------------------------------- of one bundle */

beamc_inbox *beamc__inbox_claim(beamc_inboxes *all, const char *instruction_id) {
    beamc_slice id = beamc_str(instruction_id);
    pthread_mutex_lock(&all->mu);
    forget_ended(all, id);
    beamc_inbox *box = BEAMC_IDMAP_OWNER(beamc__idmap_find(&all->table, id), beamc_inbox, entry);
    if (box == NULL) {
        box = inbox_new(all, id);
    } else if (box->state == EARLY) {
        leave_early(box);
    }
    box->state = CLAIMED;
    pthread_mutex_unlock(&all->mu);
    return box;
}

void beamc__inbox_start(beamc_inbox *box) {
    beamc_inboxes *all = box->all;
    pthread_mutex_lock(&all->mu);
    box->state = RUNNING;
    all->waiting_bytes -= box->bytes;
    pthread_mutex_unlock(&all->mu);
}

void beamc__inbox_use(beamc_inbox *box, const void *stream) {
    pthread_mutex_lock(&box->all->mu);
    add_stream(box, stream);
    pthread_mutex_unlock(&box->all->mu);
}

static beamc_chunk *pop(beamc_inbox *box) {
    beamc_chunk *c = box->first;
    box->first = c->next;
    if (box->first == NULL) {
        box->last = &box->first;
    }
    box->bytes -= c->part.data.len;
    if (box->state != RUNNING) {
        box->all->waiting_bytes -= c->part.data.len;
    }
    c->next = NULL;
    if (box->blocked_readers > 0) {
        pthread_cond_broadcast(&box->emptied);
    }
    return c;
}

beamc_status beamc__inbox_take(beamc_inbox *box, int64_t until_ms, beamc_chunk **out,
                               beamc_error *err) {
    beamc_inboxes *all = box->all;
    beamc_status status = BEAMC_OK;
    *out = NULL;
    pthread_mutex_lock(&all->mu);
    box->taking = true;
    bool in_time = true;
    while (box->first == NULL && box->failure.code == BEAMC_OK && !all->finished && in_time) {
        if (until_ms == INT64_MAX) {
            pthread_cond_wait(&box->filled, &all->mu);
        } else {
            in_time = beamc__cond_wait_until(&box->filled, &all->mu, until_ms);
        }
    }
    box->taking = false;
    if (box->failure.code != BEAMC_OK) {
        status = beamc_error_set(err, box->failure.code, "%s", box->failure.message);
    } else if (box->first != NULL) {
        *out = pop(box);
    } else if (all->finished) {
        status = BEAMC_FAIL(err, CANCELLED, "the runner has ended the control stream");
    }
    pthread_mutex_unlock(&all->mu);
    return status;
}

bool beamc__inbox_is_busy(beamc_inbox *box) {
    pthread_mutex_lock(&box->all->mu);
    bool busy = !box->taking || box->first != NULL;
    pthread_mutex_unlock(&box->all->mu);
    return busy;
}

void beamc__inbox_close(beamc_inbox *box) {
    beamc_inboxes *all = box->all;
    pthread_mutex_lock(&all->mu);
    drop_chunks(box);
    remember_ended(all, box->entry.key);
    beamc__idmap_remove(&all->table, &box->entry);
    box->closed = true;
    if (box->blocked_readers > 0) {
        pthread_cond_broadcast(&box->emptied);
        box = NULL;
    }
    pthread_mutex_unlock(&all->mu);
    if (box != NULL) {
        inbox_free(box);
    }
}
