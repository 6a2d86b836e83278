/* data.c: see data.h. */
#include "worker/harness/data.h"

#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "worker/harness/idmap.h"
#include "worker/harness/thread.h"

enum { SEND_GRACE_MS = 2000, CLOSE_GRACE_MS = 300 };

typedef enum stream_state { CONNECTING, OPEN, BROKEN } stream_state;

struct beamc_data_stream {
    beamc_idmap_entry entry; /* by url, a zero byte, stream id; in the table unless BROKEN */
    beamc_data_plane *plane;
    char *url;
    char *stream_id;
    atomic_uint refs; /* the table's, the reader's, those of bundles */
    stream_state state;
    beamc_error failure; /* of a BROKEN one */
    beamc_rpc_channel *channel;
    beamc_rpc_stream *rpc; /* constant once OPEN */
};

struct beamc_data_plane {
    beamc_client *client;
    beamc_inboxes *inboxes;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* a stream has left CONNECTING, or a reader has ended */
    beamc_idmap table;
    unsigned readers;
    bool closing;
};

/* ------------------------------------------------------------------------------- lifetimes */

beamc_data_plane *beamc__data_new(beamc_client *client, beamc_inboxes *inboxes) {
    beamc_data_plane *plane = beamc__calloc(1, sizeof *plane);
    plane->client = client;
    plane->inboxes = inboxes;
    pthread_mutex_init(&plane->mu, NULL);
    beamc__cond_init(&plane->changed);
    return plane;
}

static beamc_data_stream *stream_ref(beamc_data_stream *s) {
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void beamc__data_release(beamc_data_stream *s) {
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    beamc_rpc_stream_unref(s->rpc);
    beamc_rpc_channel_free(s->channel);
    free((void *)(uintptr_t)s->entry.key.ptr);
    free(s->url);
    free(s->stream_id);
    free(s);
}

size_t beamc__data_stream_count(beamc_data_plane *plane) {
    pthread_mutex_lock(&plane->mu);
    size_t count = plane->table.count;
    pthread_mutex_unlock(&plane->mu);
    return count;
}

/* Out of the table, whoever waits for it gets @p why. The plane's lock is held. */
static void set_broken(beamc_data_stream *s, const beamc_error *why) {
    if (s->state == BROKEN) {
        return;
    }
    s->state = BROKEN;
    s->failure = *why;
    beamc__idmap_remove(&s->plane->table, &s->entry);
    pthread_cond_broadcast(&s->plane->changed);
}

/* ---------------------------------------------------------------------------------- reading */

static beamc_status deliver(beamc_data_stream *s, beamc_rpc_msg *msg, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(beamc_rpc_msg_data(msg));
    for (;;) {
        beamc_elements_part part;
        bool more;
        BEAMC_TRY(beamc__elements_next(&in, &part, &more, err));
        if (!more) {
            return BEAMC_OK;
        }
        beamc__inboxes_put(s->plane->inboxes, s, msg, &part);
    }
}

/* Until the stream ends; *malformed when it was us who gave up. */
static void read_all(beamc_data_stream *s, bool *malformed, beamc_error *err) {
    beamc_status status = BEAMC_OK;
    *malformed = false;
    while (status == BEAMC_OK) {
        beamc_rpc_msg *msg;
        status = beamc_rpc_stream_read(s->rpc, &msg, err);
        if (status == BEAMC_OK && msg == NULL) {
            status = BEAMC_FAIL(err, UNAVAILABLE, "the runner has closed it");
        } else if (status == BEAMC_OK) {
            beamc_record_in(s->plane->client->recorder, BEAMC_FN_DATA, beamc_rpc_msg_data(msg));
            status = deliver(s, msg, err);
            *malformed = status != BEAMC_OK;
            beamc_rpc_msg_unref(msg);
        }
    }
    beamc_error_prepend(err, "data stream of %s", s->url);
}

static beamc_status open_stream(beamc_data_plane *plane, const char *url, const char *stream_id,
                                beamc_rpc_channel **channel, beamc_data_stream **out,
                                beamc_error *err);

/* What a malformed message held is lost, and nobody knows for whom it was: the stream is given up, which
 * tells the runner, and one in its place, on the same connection, is there before the bundles that follow
 * can ask for it. */
static void open_again(beamc_data_stream *s) {
    beamc_data_stream *next;
    beamc_rpc_stream_cancel(s->rpc);
    if (open_stream(s->plane, s->url, s->stream_id, &s->channel, &next, NULL) == BEAMC_OK) {
        beamc__data_release(next);
    }
}

static void *reader(void *arg) {
    beamc_data_stream *s = arg;
    beamc_data_plane *plane = s->plane;
    beamc_error why = {0};
    bool malformed;
    read_all(s, &malformed, &why);
    pthread_mutex_lock(&plane->mu);
    bool in_table = s->state != BROKEN;
    bool closing = plane->closing;
    set_broken(s, &why);
    pthread_mutex_unlock(&plane->mu);
    if (malformed && !closing) {
        BEAMC_LOG_ERROR(NULL, "%s", why.message);
        open_again(s);
    }
    beamc__inboxes_fail(plane->inboxes, s, &why);
    beamc_rpc_stream_cancel(s->rpc);
    if (in_table) {
        beamc__data_release(s);
    }
    beamc__data_release(s);
    pthread_mutex_lock(&plane->mu);
    plane->readers--;
    pthread_cond_broadcast(&plane->changed);
    pthread_mutex_unlock(&plane->mu);
    return NULL;
}

/* ---------------------------------------------------------------------------------- opening */

static beamc_status open_rpc(beamc_data_stream *s, beamc_error *err) {
    if (s->channel == NULL) {
        BEAMC_TRY(beamc__endpoint_connect(s->plane->client, "data", s->url, &s->channel, err));
    }
    beamc_rpc_metadata named = {"data_stream_id", beamc_str(s->stream_id)};
    beamc_rpc_call_options options = {.metadata = &named,
                                      .metadata_len = s->stream_id[0] != '\0' ? 1 : 0};
    return beamc_rpc_stream_open(s->channel, BEAMC_FN_DATA, &options, &s->rpc, err);
}

/* A stream in the state CONNECTING, in the table: its two references are the table's and the caller's. */
static beamc_data_stream *stream_new(beamc_data_plane *plane, const char *url,
                                     const char *stream_id, beamc_slice key) {
    beamc_data_stream *s = beamc__calloc(1, sizeof *s);
    s->plane = plane;
    s->url = beamc__strdup(url);
    s->stream_id = beamc__strdup(stream_id);
    atomic_init(&s->refs, 2);
    beamc__idmap_add(&plane->table, &s->entry,
                     beamc_slice_of(beamc__strndup(key.ptr, key.len), key.len));
    return s;
}

/* The caller made @p s and holds the plane's lock. */
static beamc_status connect_locked(beamc_data_stream *s, beamc_error *err) {
    beamc_data_plane *plane = s->plane;
    pthread_mutex_unlock(&plane->mu);
    beamc_error why = {0};
    beamc_status status = open_rpc(s, &why);
    pthread_mutex_lock(&plane->mu);
    if (status == BEAMC_OK && plane->closing) {
        status = BEAMC_FAIL(&why, CANCELLED, "the worker ends");
    }
    if (status == BEAMC_OK) {
        pthread_t thread;
        plane->readers++;
        s->state = OPEN;
        if (beamc__thread_start(&thread, "beamc-data", reader, stream_ref(s))) {
            pthread_detach(thread);
        } else {
            plane->readers--;
            beamc__data_release(s);
            status = BEAMC_FAIL(&why, RESOURCE_EXHAUSTED, "no thread for the data stream");
        }
    }
    if (status != BEAMC_OK) {
        set_broken(s, &why);
        beamc__data_release(s);
        return beamc_error_set(err, status, "%s", why.message);
    }
    pthread_cond_broadcast(&plane->changed);
    return BEAMC_OK;
}

/* @p channel: NULL, or a connection that a new stream takes over. */
static beamc_status open_locked(beamc_data_plane *plane, const char *url, const char *stream_id,
                                beamc_slice key, beamc_rpc_channel **channel,
                                beamc_data_stream **out, beamc_error *err) {
    if (plane->closing) {
        return BEAMC_FAIL(err, CANCELLED, "the worker ends");
    }
    beamc_data_stream *s =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&plane->table, key), beamc_data_stream, entry);
    beamc_status status = BEAMC_OK;
    if (s == NULL) {
        s = stream_new(plane, url, stream_id, key);
        if (channel != NULL) {
            s->channel = *channel;
            *channel = NULL;
        }
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
        beamc__data_release(s);
        return status;
    }
    *out = s;
    return BEAMC_OK;
}

static beamc_status open_stream(beamc_data_plane *plane, const char *url, const char *stream_id,
                                beamc_rpc_channel **channel, beamc_data_stream **out,
                                beamc_error *err) {
    *out = NULL;
    beamc_buf key = {0};
    beamc_buf_put(&key, url, strlen(url) + 1);
    beamc_buf_put_str(&key, stream_id);
    pthread_mutex_lock(&plane->mu);
    beamc_status status =
        open_locked(plane, url, stream_id, beamc_buf_slice(&key), channel, out, err);
    pthread_mutex_unlock(&plane->mu);
    beamc_buf_free(&key);
    return status;
}

beamc_status beamc__data_open(beamc_data_plane *plane, const char *url, const char *stream_id,
                              beamc_inbox *inbox, beamc_data_stream **out, beamc_error *err) {
    beamc_status status = open_stream(plane, url, stream_id, NULL, out, err);
    if (status != BEAMC_OK || inbox == NULL) {
        return status;
    }
    /* The reader first marks the stream as broken and then fails the inboxes that use it, so that a
     * break at this very moment is seen at one of the two places. */
    beamc__inbox_use(inbox, *out);
    pthread_mutex_lock(&plane->mu);
    if ((*out)->state == BROKEN) {
        status = beamc_error_set(err, (*out)->failure.code, "%s", (*out)->failure.message);
    }
    pthread_mutex_unlock(&plane->mu);
    if (status != BEAMC_OK) {
        beamc__data_release(*out);
        *out = NULL;
    }
    return status;
}

beamc_status beamc__data_send(beamc_data_stream *s, beamc_buf *message, beamc_error *err) {
    beamc_record_out(s->plane->client->recorder, BEAMC_FN_DATA, beamc_buf_slice(message));
    BEAMC_TRY_CTX(err, beamc_rpc_stream_write(s->rpc, beamc_rpc_msg_take(message), err),
                  "data stream of %s", s->url);
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- closing */

typedef struct stream_list {
    beamc_data_stream **items;
    size_t count;
} stream_list;

static void collect(void *arg, beamc_idmap_entry *entry) {
    stream_list *list = arg;
    beamc_data_stream *s = BEAMC_IDMAP_OWNER(entry, beamc_data_stream, entry);
    if (s->state == OPEN) {
        list->items[list->count++] = stream_ref(s);
    }
}

void beamc__data_free(beamc_data_plane *plane) {
    if (plane == NULL) {
        return;
    }
    stream_list list = {0};
    pthread_mutex_lock(&plane->mu);
    plane->closing = true;
    list.items = beamc__calloc(plane->table.count + 1, sizeof *list.items);
    beamc__idmap_each(&plane->table, collect, &list);
    pthread_mutex_unlock(&plane->mu);
    int64_t until = beamc__clock_ms() + SEND_GRACE_MS;
    for (size_t i = 0; i < list.count; i++) {
        int64_t left = until - beamc__clock_ms();
        (void)beamc_rpc_stream_drain(list.items[i]->rpc, left > 0 ? left : 0, NULL);
        beamc_rpc_stream_close_send(list.items[i]->rpc);
    }
    until = beamc__clock_ms() + CLOSE_GRACE_MS;
    pthread_mutex_lock(&plane->mu);
    while (plane->readers > 0 && beamc__cond_wait_until(&plane->changed, &plane->mu, until)) {
    }
    pthread_mutex_unlock(&plane->mu);
    for (size_t i = 0; i < list.count; i++) {
        beamc_rpc_stream_cancel(list.items[i]->rpc);
        beamc__data_release(list.items[i]);
    }
    free(list.items);
    pthread_mutex_lock(&plane->mu);
    while (plane->readers > 0) {
        pthread_cond_wait(&plane->changed, &plane->mu);
    }
    pthread_mutex_unlock(&plane->mu);
    beamc__idmap_deinit(&plane->table);
    pthread_cond_destroy(&plane->changed);
    pthread_mutex_destroy(&plane->mu);
    free(plane);
}
