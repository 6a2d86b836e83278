/* status.c: the WorkerStatus stream: the runner asks, we answer with a page of text for a person.
 *
 * A thread of its own, so that a worker whose bundles hang can still say what they hang in. The stream is
 * not needed for anything else: when it cannot be opened, or breaks, the worker goes on without it. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <beamc/log.h>
#include <beamc/version.h>

#include "base/mem.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

struct beamc_status_page {
    beamc_harness *h;
    pthread_t thread;
    pthread_mutex_t mu;
    beamc_rpc_stream *stream; /* guarded by mu */
    bool closing;             /* guarded as well */
};

static size_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL) {
        return 0;
    }
    int n = fscanf(f, "%*s %lu", &pages);
    (void)fclose(f);
    return n == 1 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static double mib(size_t bytes) {
    return (double)bytes / (1 << 20);
}

void beamc__status_describe(beamc_harness *h, beamc_buf *out) {
    struct mallinfo2 heap = mallinfo2();
    beamc_state_cache_stats cache = beamc__state_cache_stats(h->state_cache);
    size_t descriptors, plans, idle, early, early_bytes;
    beamc__plans_count(h->plans, &descriptors, &plans, &idle);
    beamc__inboxes_waiting(h->inboxes, &early, &early_bytes);
    uint64_t asked = cache.hits + cache.misses;
    beamc_buf_printf(out, "beamc %s, worker %s, process %ld\n\n", BEAMC_VERSION,
                     h->client.worker_id, (long)getpid());
    beamc_buf_printf(out, "Memory: %.1f MiB resident, %.1f MiB allocated\n", mib(resident_bytes()),
                     mib(heap.uordblks + heap.hblkhd));
    beamc_buf_printf(out, "State cache: %.1f of %.1f MiB, %zu entries, %llu of %llu reads hit\n",
                     mib(cache.bytes), mib(cache.limit_bytes), cache.entries,
                     (unsigned long long)cache.hits, (unsigned long long)asked);
    beamc_buf_printf(out, "Plans: %zu descriptors, %zu plans, %zu of them idle\n", descriptors,
                     plans, idle);
    beamc_buf_printf(out,
                     "Data: %zu streams; %.1f MiB wait for bundles that do not run yet (%zu "
                     "without a request)\n",
                     beamc__data_stream_count(h->data), mib(early_bytes), early);
    beamc_buf_printf(out, "Threads for bundles: %zu\nLog records dropped: %zu\n",
                     beamc__threads_count(h->threads), beamc__logging_dropped(h->logging));
    beamc_buf_printf(out, "Bundles: %u done, %u failed, %zu to be finalized\n",
                     atomic_load(&h->bundles_done), atomic_load(&h->bundles_failed),
                     beamc__finalize_count(h->finalizers));
    beamc_buf_printf(out, "\nOpen bundles: %zu\n", beamc__instructions_open_count(h->instructions));
    beamc__instructions_describe(h->instructions, out);
}

/* WorkerStatusRequest {id 1} -> WorkerStatusResponse {id 1, error 2, status_info 3}. */
static beamc_status answer(beamc_harness *h, beamc_rpc_stream *stream, beamc_slice bytes,
                           beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(&fn__worker_status_request__descriptor, bytes, &m, err));
    beamc_buf text = {0}, response = {0};
    beamc__status_describe(h, &text);
    beamc_pb_text(&response, 1, ((const Fn__WorkerStatusRequest *)m)->id);
    beamc_pb_user_text(&response, 3, beamc_buf_slice(&text));
    beamc__proto_free(m);
    beamc_buf_free(&text);
    return beamc_rpc_stream_write(stream, beamc_rpc_msg_take(&response), err);
}

static beamc_status serve(beamc_harness *h, beamc_rpc_stream *stream, beamc_error *err) {
    for (;;) {
        beamc_rpc_msg *msg;
        BEAMC_TRY(beamc_rpc_stream_read(stream, &msg, err));
        if (msg == NULL) {
            return BEAMC_OK;
        }
        beamc_status status = answer(h, stream, beamc_rpc_msg_data(msg), err);
        beamc_rpc_msg_unref(msg);
        BEAMC_TRY(status);
    }
}

/* False when it is to end at once. */
static bool set_stream(struct beamc_status_page *page, beamc_rpc_stream *stream) {
    pthread_mutex_lock(&page->mu);
    bool go_on = !page->closing;
    page->stream = go_on ? stream : NULL;
    pthread_mutex_unlock(&page->mu);
    return go_on;
}

static void *run(void *arg) {
    struct beamc_status_page *page = arg;
    beamc_harness *h = page->h;
    beamc_rpc_channel *channel;
    beamc_rpc_stream *stream = NULL;
    beamc_error why = {0};
    beamc__logging_enter(h->logging, NULL);
    if (beamc__endpoint_connect(&h->client, "status", h->status_url, &channel, &why) != BEAMC_OK) {
        BEAMC_LOG_WARN(NULL, "no worker status: %s", why.message);
        return NULL;
    }
    if (beamc_rpc_stream_open(channel, BEAMC_FN_SERVICE("BeamFnWorkerStatus/WorkerStatus"), NULL,
                              &stream, &why) == BEAMC_OK &&
        set_stream(page, stream)) {
        (void)serve(h, stream, &why);
        (void)set_stream(page, NULL);
    }
    beamc_rpc_stream_unref(stream);
    beamc_rpc_channel_free(channel);
    return NULL;
}

struct beamc_status_page *beamc__status_new(beamc_harness *h) {
    if (h->status_url == NULL || h->status_url[0] == '\0') {
        return NULL;
    }
    struct beamc_status_page *page = beamc__calloc(1, sizeof *page);
    page->h = h;
    pthread_mutex_init(&page->mu, NULL);
    if (!beamc__thread_start(&page->thread, "beamc-status", run, page)) {
        pthread_mutex_destroy(&page->mu);
        free(page);
        return NULL;
    }
    return page;
}

void beamc__status_free(struct beamc_status_page *page) {
    if (page == NULL) {
        return;
    }
    pthread_mutex_lock(&page->mu);
    page->closing = true;
    if (page->stream != NULL) {
        beamc_rpc_stream_cancel(page->stream);
    }
    pthread_mutex_unlock(&page->mu);
    pthread_join(page->thread, NULL);
    pthread_mutex_destroy(&page->mu);
    free(page);
}
