/* state_stream.c: the streams of the state client, and who waits for which answer.
 *
 * A stream that breaks fails all that wait for its answers; the next request opens it anew. One lock for
 * the plane: it is held for moments only, never while anything is sent or connected. */
#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "worker/harness/state_impl.h"

enum { WRITES_MAX = 4096, CLOSE_GRACE_MS = 300 };

typedef enum stream_state { CONNECTING, OPEN, BROKEN } stream_state;

struct beamc_state_stream {
    beamc_idmap_entry entry; /* by url; in the table unless BROKEN */
    beamc_state_plane *plane;
    char *url;
    atomic_uint refs; /* the table's, the reader's, those of sessions */
    stream_state state;
    beamc_error failure;
    beamc_idmap pending;
    beamc_rpc_channel *channel;
    beamc_rpc_stream *rpc;
};

beamc_state_plane *beamc__state_new(beamc_client *client, beamc_state_cache *cache) {
    beamc_state_plane *plane = beamc__calloc(1, sizeof *plane);
    plane->client = client;
    plane->cache = cache;
    pthread_mutex_init(&plane->mu, NULL);
    beamc__cond_init(&plane->changed);
    return plane;
}

static beamc_state_stream *stream_ref(beamc_state_stream *s) {
    atomic_fetch_add(&s->refs, 1);
    return s;
}

static void stream_release(beamc_state_stream *s) {
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    beamc_rpc_stream_unref(s->rpc);
    beamc_rpc_channel_free(s->channel);
    beamc__idmap_deinit(&s->pending);
    free(s->url);
    free(s);
}

/* --------------------------------------------------------------------------------- answers */

/* Whoever waits for @p p has an answer now, or a reason why there is none. The lock is held. */
static void settle(beamc_idmap *pending, beamc_state_pending *p, const beamc_error *failure) {
    beamc_state_session *session = p->session;
    beamc__idmap_remove(pending, &p->entry);
    if (failure != NULL && session->failure.code == BEAMC_OK) {
        session->failure = *failure;
    }
    if (p->is_get) {
        session->got = true;
    } else {
        session->writes--;
        free(p);
    }
    pthread_cond_signal(&session->answered);
}

typedef struct settling {
    beamc_idmap *pending;
    const beamc_error *failure;
    const beamc_state_session *of; /* NULL: everybody's */
} settling;

static void settle_each(void *arg, beamc_idmap_entry *entry) {
    const settling *all = arg;
    beamc_state_pending *p = BEAMC_IDMAP_OWNER(entry, beamc_state_pending, entry);
    if (all->of == NULL || all->of == p->session) {
        settle(all->pending, p, all->failure);
    }
}

static void set_broken(beamc_state_stream *s, const beamc_error *why) {
    if (s->state == BROKEN) {
        return;
    }
    s->state = BROKEN;
    s->failure = *why;
    beamc__idmap_remove(&s->plane->streams, &s->entry);
    beamc__idmap_each(&s->pending, settle_each, &(settling){&s->pending, why, NULL});
    pthread_cond_broadcast(&s->plane->changed);
}

static void check_arm(const beamc_state_response *r, bool is_get, beamc_error *why) {
    if (r->error.len > 0) {
        beamc_error_set(why, BEAMC_UNKNOWN, "the runner's state service: %.*s",
                        BEAMC_SLICE_ARG(r->error));
    } else if (is_get && r->arm != BEAMC_STATE_GET) {
        beamc_error_set(why, BEAMC_INTERNAL,
                        "the runner's state service answered a read with something else");
    }
}

/* An answer that nobody awaits, or not any more, is dropped. */
static beamc_status deliver(beamc_state_stream *s, beamc_rpc_msg *msg, beamc_error *err) {
    beamc_state_response r;
    uint64_t id;
    BEAMC_TRY(beamc__state_read_response(beamc_rpc_msg_data(msg), &r, err));
    if (!beamc__state_id(r.id, &id)) {
        return BEAMC_OK;
    }
    pthread_mutex_lock(&s->plane->mu);
    beamc_state_pending *p = BEAMC_IDMAP_OWNER(
        beamc__idmap_find(&s->pending, beamc_slice_of(&id, sizeof id)), beamc_state_pending, entry);
    if (p != NULL) {
        beamc_error why = {0};
        check_arm(&r, p->is_get, &why);
        if (p->is_get && why.code == BEAMC_OK) {
            p->answer = beamc_rpc_msg_ref(msg);
            p->response = r;
        }
        settle(&s->pending, p, why.code != BEAMC_OK ? &why : NULL);
    }
    pthread_mutex_unlock(&s->plane->mu);
    return BEAMC_OK;
}

static void *reader(void *arg) {
    beamc_state_stream *s = arg;
    beamc_state_plane *plane = s->plane;
    beamc_error why = {0};
    beamc_status status = BEAMC_OK;
    while (status == BEAMC_OK) {
        beamc_rpc_msg *msg;
        status = beamc_rpc_stream_read(s->rpc, &msg, &why);
        if (status == BEAMC_OK && msg == NULL) {
            status = BEAMC_FAIL(&why, UNAVAILABLE, "the runner has closed it");
        } else if (status == BEAMC_OK) {
            beamc_record_in(plane->client->recorder, BEAMC_FN_STATE, beamc_rpc_msg_data(msg));
            status = deliver(s, msg, &why);
            beamc_rpc_msg_unref(msg);
        }
    }
    beamc_error_prepend(&why, "state stream of %s", s->url);
    pthread_mutex_lock(&plane->mu);
    bool in_table = s->state != BROKEN;
    set_broken(s, &why);
    pthread_mutex_unlock(&plane->mu);
    beamc_rpc_stream_cancel(s->rpc);
    if (in_table) {
        stream_release(s);
    }
    stream_release(s);
    pthread_mutex_lock(&plane->mu);
    plane->readers--;
    pthread_cond_broadcast(&plane->changed);
    pthread_mutex_unlock(&plane->mu);
    return NULL;
}

/* ---------------------------------------------------------------------------------- opening */

static beamc_status connect_locked(beamc_state_stream *s, beamc_error *err) {
    beamc_state_plane *plane = s->plane;
    beamc_error why = {0};
    pthread_mutex_unlock(&plane->mu);
    beamc_status status =
        beamc__endpoint_connect(plane->client, "state", s->url, &s->channel, &why);
    if (status == BEAMC_OK) {
        status = beamc_rpc_stream_open(s->channel, BEAMC_FN_STATE, NULL, &s->rpc, &why);
    }
    pthread_mutex_lock(&plane->mu);
    if (status == BEAMC_OK) {
        pthread_t thread;
        plane->readers++;
        s->state = OPEN;
        if (beamc__thread_start(&thread, "beamc-state", reader, stream_ref(s))) {
            pthread_detach(thread);
        } else {
            plane->readers--;
            stream_release(s);
            status = BEAMC_FAIL(&why, RESOURCE_EXHAUSTED, "no thread for the state stream");
        }
    }
    if (status != BEAMC_OK) {
        set_broken(s, &why);
        stream_release(s);
        return beamc_error_set(err, status, "%s", why.message);
    }
    pthread_cond_broadcast(&plane->changed);
    return BEAMC_OK;
}

/* The stream of @p url, opened if need be; the lock is held. */
static beamc_status open_locked(beamc_state_plane *plane, const char *url, beamc_state_stream **out,
                                beamc_error *err) {
    beamc_state_stream *s = BEAMC_IDMAP_OWNER(beamc__idmap_find(&plane->streams, beamc_str(url)),
                                              beamc_state_stream, entry);
    beamc_status status = BEAMC_OK;
    if (s == NULL) {
        s = beamc__calloc(1, sizeof *s);
        s->plane = plane;
        s->url = beamc__strdup(url);
        atomic_init(&s->refs, 2);
        beamc__idmap_add(&plane->streams, &s->entry, beamc_str(s->url));
        status = connect_locked(s, err);
    } else {
        stream_ref(s);
        while (s->state == CONNECTING) {
            pthread_cond_wait(&plane->changed, &plane->mu);
        }
        if (s->state == BROKEN) {
            status = beamc_error_set(err, s->failure.code, "%s", s->failure.message);
        }
    }
    if (status != BEAMC_OK) {
        stream_release(s);
        return status;
    }
    *out = s;
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- sending */

/* Too many writes without an answer wait for some. The lock is held. */
static beamc_status enlist(beamc_state_session *session, beamc_state_pending *p, beamc_error *err) {
    beamc_state_plane *plane = session->plane;
    if (session->stream == NULL) {
        if (session->url[0] == '\0') {
            return BEAMC_FAIL(err, FAILED_PRECONDITION,
                              "the bundle's descriptor names no state service");
        }
        BEAMC_TRY(open_locked(plane, session->url, &session->stream, err));
    }
    while (session->writes >= WRITES_MAX && session->failure.code == BEAMC_OK && !plane->finished) {
        pthread_cond_wait(&session->answered, &plane->mu);
    }
    if (session->failure.code != BEAMC_OK) {
        return beamc_error_set(err, session->failure.code, "%s", session->failure.message);
    }
    if (plane->finished) {
        return BEAMC_FAIL(err, CANCELLED, "the runner has ended the control stream");
    }
    beamc_state_stream *s = session->stream;
    if (s->state == BROKEN) {
        return beamc_error_set(err, s->failure.code, "%s", s->failure.message);
    }
    p->id = ++plane->next_id;
    beamc__idmap_add(&s->pending, &p->entry, beamc_slice_of(&p->id, sizeof p->id));
    if (p->is_get) {
        session->got = false;
    } else {
        session->writes++;
    }
    return BEAMC_OK;
}

beamc_status beamc__state_send(beamc_state_session *session, beamc_state_pending *p,
                               beamc_state_op op, beamc_slice bytes, beamc_error *err) {
    beamc_state_plane *plane = session->plane;
    pthread_mutex_lock(&plane->mu);
    beamc_status status = enlist(session, p, err);
    uint64_t id = p->id;
    pthread_mutex_unlock(&plane->mu);
    if (status != BEAMC_OK) {
        if (!p->is_get) {
            free(p);
        }
        return status;
    }
    /* From here on an answer may free a write's entry at any moment. */
    beamc_buf request = {0};
    beamc__state_put_request(&request, id, session->instruction_id, beamc_buf_slice(&session->key),
                             op, bytes);
    beamc_error why = {0};
    beamc_record_out(plane->client->recorder, BEAMC_FN_STATE, beamc_buf_slice(&request));
    status = beamc_rpc_stream_write(session->stream->rpc, beamc_rpc_msg_take(&request), &why);
    if (status == BEAMC_OK) {
        return status;
    }
    beamc_error_prepend(&why, "state stream of %s", session->url);
    pthread_mutex_lock(&plane->mu);
    if (session->failure.code == BEAMC_OK) {
        session->failure = why;
    }
    pthread_mutex_unlock(&plane->mu);
    return beamc_error_set(err, status, "%s", why.message);
}

void beamc__state_detach(beamc_state_session *session) {
    beamc_state_stream *s = session->stream;
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&session->plane->mu);
    if (session->writes > 0 || s->pending.count > 0) {
        beamc__idmap_each(&s->pending, settle_each, &(settling){&s->pending, NULL, session});
    }
    pthread_mutex_unlock(&session->plane->mu);
    stream_release(s);
    session->stream = NULL;
}

/* ---------------------------------------------------------------------------------- closing */

static void finish_stream(void *arg, beamc_idmap_entry *entry) {
    const beamc_error *why = arg;
    beamc_state_stream *s = BEAMC_IDMAP_OWNER(entry, beamc_state_stream, entry);
    beamc__idmap_each(&s->pending, settle_each, &(settling){&s->pending, why, NULL});
}

void beamc__state_finish(beamc_state_plane *plane) {
    beamc_error why = {0};
    beamc_error_set(&why, BEAMC_CANCELLED, "the runner has ended the control stream");
    pthread_mutex_lock(&plane->mu);
    plane->finished = true;
    beamc__idmap_each(&plane->streams, finish_stream, &why);
    pthread_mutex_unlock(&plane->mu);
}

typedef struct stream_list {
    beamc_state_stream **items;
    size_t count;
} stream_list;

static void collect(void *arg, beamc_idmap_entry *entry) {
    stream_list *list = arg;
    beamc_state_stream *s = BEAMC_IDMAP_OWNER(entry, beamc_state_stream, entry);
    if (s->state == OPEN) {
        list->items[list->count++] = stream_ref(s);
    }
}

void beamc__state_free(beamc_state_plane *plane) {
    if (plane == NULL) {
        return;
    }
    stream_list list = {0};
    pthread_mutex_lock(&plane->mu);
    list.items = beamc__calloc(plane->streams.count + 1, sizeof *list.items);
    beamc__idmap_each(&plane->streams, collect, &list);
    pthread_mutex_unlock(&plane->mu);
    for (size_t i = 0; i < list.count; i++) {
        beamc_rpc_stream_close_send(list.items[i]->rpc);
    }
    int64_t until = beamc__clock_ms() + CLOSE_GRACE_MS;
    pthread_mutex_lock(&plane->mu);
    while (plane->readers > 0 && beamc__cond_wait_until(&plane->changed, &plane->mu, until)) {
    }
    pthread_mutex_unlock(&plane->mu);
    for (size_t i = 0; i < list.count; i++) {
        beamc_rpc_stream_cancel(list.items[i]->rpc);
        stream_release(list.items[i]);
    }
    free(list.items);
    pthread_mutex_lock(&plane->mu);
    while (plane->readers > 0) {
        pthread_cond_wait(&plane->changed, &plane->mu);
    }
    pthread_mutex_unlock(&plane->mu);
    beamc__idmap_deinit(&plane->streams);
    pthread_cond_destroy(&plane->changed);
    pthread_mutex_destroy(&plane->mu);
    free(plane);
}
