/* logging.c: see logging.h. The sink of the process is set once, when the first harness starts; it finds
 * the harness by the thread. */
#include "worker/harness/logging.h"

#include <stdlib.h>
#include <unistd.h>

#include <beamc/log.h>

#include "base/log.h"
#include "base/mem.h"
#include "beam_model/beam_fn_api.pb-c.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

enum {
    RING_ENTRIES = 4096,
    RING_BYTES = 4 << 20,
    BATCH_MAX = 64,
    RECONNECT_MS = 5000,
    LINGER_MS = 1000,
    LEFT_LINES_MAX = 20,
    TEXT_MAX = 64 << 10 /* of one message */
};

struct beamc_logging {
    beamc_client *client;
    char *url;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    beamc_buf ring[RING_ENTRIES]; /* serialized LogEntries */
    size_t head, count, bytes;
    uint64_t dropped; /* since that was last reported */
    uint64_t dropped_total;
    bool to_stderr; /* the runner does not want them (any more) */
    bool closing;
    bool has_sender;
    bool sender_done;
    pthread_t sender;
    beamc_rpc_stream *stream; /* the sender's, for who has to cancel it */
    beamc_logging *next;      /* in the list of all */
};

static pthread_mutex_t all_mu = PTHREAD_MUTEX_INITIALIZER;
static beamc_logging *all_first;
static bool sink_is_set;
static _Thread_local beamc_logging *of_thread;
static _Thread_local const char *instruction_of_thread;

void beamc__logging_enter(beamc_logging *logging, const char *instruction_id) {
    of_thread = logging;
    instruction_of_thread = instruction_id;
}

/* ---------------------------------------------------------------------------------- entries */

static void put_time(beamc_buf *out, unsigned field, int64_t ms) {
    int64_t seconds = ms / 1000, nanos = ms % 1000 * 1000000;
    if (nanos < 0) {
        seconds--;
        nanos += 1000000000;
    }
    beamc_buf time = {0};
    beamc_pb_varint(&time, 1, (uint64_t)seconds);
    beamc_pb_varint(&time, 2, (uint64_t)nanos);
    beamc_pb_bytes(out, field, beamc_buf_slice(&time));
    beamc_buf_free(&time);
}

/* google.protobuf.Struct: fields 1 = map entry {key 1, Value 2 {number 2, string 3}}. */
static void put_fields(beamc_buf *out, unsigned field, const beamc_log_record *r) {
    beamc_buf all = {0}, one = {0}, value = {0};
    for (size_t i = 0; i < r->field_count; i++) {
        const beamc_log_field *f = &r->fields[i];
        beamc_buf_clear(&one);
        beamc_buf_clear(&value);
        if (f->is_number) {
            double number = (double)f->number;
            beamc_buf_put_u8(&value, 2 << 3 | 1);
            beamc_buf_put(&value, &number, sizeof number); /* little-endian, as this machine is */
        } else {
            beamc_pb_user_text(&value, 3, f->text);
        }
        beamc_pb_text(&one, 1, f->name);
        beamc_pb_bytes(&one, 2, beamc_buf_slice(&value));
        beamc_pb_bytes(&all, 1, beamc_buf_slice(&one));
    }
    beamc_pb_bytes(out, field, beamc_buf_slice(&all));
    beamc_buf_free(&all);
    beamc_buf_free(&one);
    beamc_buf_free(&value);
}

static void encode(const beamc_log_record *r, beamc_buf *out) {
    char thread[32];
    const char *instruction = r->instruction_id;
    if (instruction[0] == '\0' && instruction_of_thread != NULL) {
        instruction = instruction_of_thread;
    }
    beamc_pb_varint(out, 1, (uint64_t)r->severity);
    put_time(out, 2, r->time);
    beamc_pb_user_text(out, 3, beamc_slice_of(r->message, strnlen(r->message, TEXT_MAX)));
    beamc_pb_text(out, 5, instruction);
    beamc_pb_text(out, 6, r->transform_id);
    if (r->file != NULL) {
        beamc_buf where = {0};
        beamc_buf_printf(&where, "%s:%d", r->file, r->line);
        beamc_pb_bytes(out, 7, beamc_buf_slice(&where));
        beamc_buf_free(&where);
    }
    if (pthread_getname_np(pthread_self(), thread, sizeof thread) == 0) {
        beamc_pb_text(out, 8, thread);
    }
    if (r->field_count > 0) {
        put_fields(out, 9, r);
    }
}

/* Takes over @p e. The lock is held. */
static void push(beamc_logging *l, beamc_buf *e) {
    if (l->count == RING_ENTRIES || l->bytes + e->len > RING_BYTES) {
        l->dropped++;
        l->dropped_total++;
        beamc_buf_free(e);
        return;
    }
    l->bytes += e->len;
    l->ring[(l->head + l->count++) % RING_ENTRIES] = *e;
    pthread_cond_signal(&l->changed);
}

static beamc_buf pop(beamc_logging *l) {
    beamc_buf e = l->ring[l->head];
    l->head = (l->head + 1) % RING_ENTRIES;
    l->count--;
    l->bytes -= e.len;
    return e;
}

/* ------------------------------------------------------------------------------------- sink */

/* The harness of the calling thread, with its lock held; NULL: standard error. */
static beamc_logging *lock_logging(void) {
    beamc_logging *l = of_thread;
    if (l != NULL) {
        pthread_mutex_lock(&l->mu);
        return l;
    }
    pthread_mutex_lock(&all_mu);
    if (all_first != NULL && all_first->next == NULL) {
        l = all_first;
        pthread_mutex_lock(&l->mu);
    }
    pthread_mutex_unlock(&all_mu);
    return l;
}

static void sink(void *arg, const beamc_log_record *record) {
    (void)arg;
    beamc_buf e = {0};
    encode(record, &e);
    beamc_logging *l = lock_logging();
    bool taken = l != NULL && !l->to_stderr;
    if (taken) {
        push(l, &e);
    }
    if (l != NULL) {
        pthread_mutex_unlock(&l->mu);
    }
    if (!taken) {
        beamc_buf_free(&e);
        beamc__log_to_stderr(record);
    }
}

/* ---------------------------------------------------------------------------------- sending */

static void put_dropped(beamc_logging *l, beamc_buf *batch) {
    if (l->dropped == 0) {
        return;
    }
    beamc_buf text = {0}, e = {0};
    beamc_buf_printf(&text, "%llu log records were dropped: they came faster than they were sent",
                     (unsigned long long)l->dropped);
    l->dropped = 0;
    beamc_pb_varint(&e, 1, BEAMC_WARN);
    put_time(&e, 2, beamc__wall_ms());
    beamc_pb_bytes(&e, 3, beamc_buf_slice(&text));
    beamc_pb_bytes(batch, 1, beamc_buf_slice(&e));
    beamc_buf_free(&text);
    beamc_buf_free(&e);
}

/* Waits for records and puts them into @p batch, a LogEntry.List. False: there are none and will be
 * none. */
static bool take_batch(beamc_logging *l, beamc_buf *batch) {
    pthread_mutex_lock(&l->mu);
    while (l->count == 0 && !l->closing) {
        pthread_cond_wait(&l->changed, &l->mu);
    }
    for (size_t i = 0; i < BATCH_MAX && l->count > 0; i++) {
        beamc_buf e = pop(l);
        beamc_pb_bytes(batch, 1, beamc_buf_slice(&e));
        beamc_buf_free(&e);
    }
    put_dropped(l, batch);
    pthread_mutex_unlock(&l->mu);
    return batch->len > 0;
}

/* Sends batches until there are no more (true), or the stream is no more. What was not sent stays in
 * @p batch. */
static bool send_batches(beamc_logging *l, beamc_rpc_stream *stream, beamc_buf *batch) {
    while (batch->len > 0 || take_batch(l, batch)) {
        beamc_rpc_msg *msg = beamc_rpc_msg_copy(beamc_buf_slice(batch));
        beamc_record_out(l->client->recorder, BEAMC_FN_LOGGING, beamc_buf_slice(batch));
        if (beamc_rpc_stream_write(stream, msg, NULL) != BEAMC_OK) {
            return false;
        }
        beamc_buf_clear(batch);
    }
    return true;
}

/* How a stream whose writes fail has ended: in good order? */
static bool ended_well(beamc_rpc_stream *stream) {
    for (;;) {
        beamc_rpc_msg *msg;
        if (beamc_rpc_stream_read(stream, &msg, NULL) != BEAMC_OK) {
            return false;
        }
        if (msg == NULL) {
            return true;
        }
        beamc_rpc_msg_unref(msg); /* LogControl says nothing yet */
    }
}

static void set_stream(beamc_logging *l, beamc_rpc_stream *stream) {
    pthread_mutex_lock(&l->mu);
    l->stream = stream;
    pthread_mutex_unlock(&l->mu);
}

/* One connection. True when all is over: nothing more to send, or the runner wants no more. */
static bool send_once(beamc_logging *l, beamc_buf *batch) {
    beamc_rpc_channel *channel;
    beamc_rpc_stream *stream = NULL;
    if (beamc__endpoint_connect(l->client, "logging", l->url, &channel, NULL) != BEAMC_OK) {
        return false;
    }
    bool over = false;
    if (beamc_rpc_stream_open(channel, BEAMC_FN_LOGGING, NULL, &stream, NULL) == BEAMC_OK) {
        set_stream(l, stream);
        over = send_batches(l, stream, batch);
        if (over) {
            (void)beamc_rpc_stream_drain(stream, LINGER_MS, NULL);
            beamc_rpc_stream_close_send(stream);
        } else {
            over = ended_well(stream);
        }
        set_stream(l, NULL);
    }
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    return over;
}

static bool wait_to_retry(beamc_logging *l) {
    int64_t until = beamc__clock_ms() + RECONNECT_MS;
    pthread_mutex_lock(&l->mu);
    while (!l->closing && beamc__cond_wait_until(&l->changed, &l->mu, until)) {
    }
    bool closing = l->closing;
    pthread_mutex_unlock(&l->mu);
    return !closing;
}

/* A list that could not be sent, one line for each record that matters. */
static void print_left(beamc_slice list, size_t *lines) {
    ProtobufCMessage *m;
    if (beamc__proto_unpack(&fn__log_entry__list__descriptor, list, &m, NULL) != BEAMC_OK) {
        return;
    }
    const Fn__LogEntry__List *all = (const Fn__LogEntry__List *)m;
    for (size_t i = 0; i < all->n_log_entries; i++) {
        const Fn__LogEntry *e = all->log_entries[i];
        if ((int)e->severity >= BEAMC_WARN && (*lines)++ < LEFT_LINES_MAX) {
            beamc_log_record record = {.severity = (beamc_severity)e->severity,
                                       .time =
                                           e->timestamp != NULL ? e->timestamp->seconds * 1000 : 0,
                                       .transform_id = e->transform_id,
                                       .instruction_id = e->instruction_id,
                                       .message = e->message};
            beamc__log_to_stderr(&record);
        }
    }
    beamc__proto_free(m);
}

static void *send_all(void *arg) {
    beamc_logging *l = arg;
    beamc_buf batch = {0};
    while (!send_once(l, &batch) && wait_to_retry(l)) {
    }
    pthread_mutex_lock(&l->mu);
    l->to_stderr = true;
    pthread_mutex_unlock(&l->mu);
    size_t lines = 0;
    do {
        print_left(beamc_buf_slice(&batch), &lines);
        beamc_buf_clear(&batch);
        pthread_mutex_lock(&l->mu);
        while (l->count > 0) {
            beamc_buf e = pop(l);
            beamc_pb_bytes(&batch, 1, beamc_buf_slice(&e));
            beamc_buf_free(&e);
        }
        l->sender_done = batch.len == 0;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mu);
    } while (batch.len > 0);
    beamc_buf_free(&batch);
    return NULL;
}

/* --------------------------------------------------------------------------------- lifetime */

beamc_logging *beamc__logging_new(beamc_client *client, const char *url) {
    beamc_logging *l = beamc__calloc(1, sizeof *l);
    l->client = client;
    l->url = beamc__strdup(url != NULL ? url : "");
    pthread_mutex_init(&l->mu, NULL);
    beamc__cond_init(&l->changed);
    l->has_sender = l->url[0] != '\0' && beamc__thread_start(&l->sender, "beamc-log", send_all, l);
    l->to_stderr = !l->has_sender;
    pthread_mutex_lock(&all_mu);
    l->next = all_first;
    all_first = l;
    if (!sink_is_set) {
        beamc_log_set_sink(sink, NULL);
        sink_is_set = true;
    }
    pthread_mutex_unlock(&all_mu);
    return l;
}

static void leave_all(beamc_logging *l) {
    pthread_mutex_lock(&all_mu);
    beamc_logging **at = &all_first;
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    pthread_mutex_unlock(&all_mu);
}

static void stop_sender(beamc_logging *l) {
    int64_t until = beamc__clock_ms() + LINGER_MS;
    pthread_mutex_lock(&l->mu);
    l->closing = true;
    pthread_cond_broadcast(&l->changed);
    while (!l->sender_done && beamc__cond_wait_until(&l->changed, &l->mu, until)) {
    }
    if (l->stream != NULL) {
        beamc_rpc_stream_cancel(l->stream); /* its server does not read */
    }
    pthread_mutex_unlock(&l->mu);
    pthread_join(l->sender, NULL);
}

void beamc__logging_free(beamc_logging *l) {
    if (l == NULL) {
        return;
    }
    leave_all(l);
    if (l->has_sender) {
        stop_sender(l);
    }
    while (l->count > 0) {
        beamc_buf e = pop(l);
        beamc_buf_free(&e);
    }
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mu);
    free(l->url);
    free(l);
}

size_t beamc__logging_dropped(beamc_logging *l) {
    pthread_mutex_lock(&l->mu);
    size_t dropped = l->dropped_total;
    pthread_mutex_unlock(&l->mu);
    return dropped;
}
