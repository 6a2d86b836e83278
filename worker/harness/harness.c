/* harness.c: the life of one worker: what is connected in which order, and taken down in which.
 *
 * Up: provision, logging, artifacts, the parts, status, and last the control stream, from which everything
 * else follows. Down: no more input, so that open bundles end; then streams, plans, logging. */
#include "worker/harness/harness.h"

#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "options/options_impl.h"
#include "proto/beam_model/urns.h"
#include "worker/harness/crash.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

enum {
    FLUSH_BYTES = 1 << 20,
    ENDED_INSTRUCTIONS = 1000,
    CACHE_MIB = 100,
    DRAIN_NOTICE_MS = 10000,
};

static const char *own(beamc_harness *h, const char *text) {
    return text != NULL ? beamc_arena_cstr(h->arena, beamc_str(text)) : NULL;
}

beamc_harness *beamc__harness_new(const beamc_harness_config *c) {
    beamc_harness *h = beamc__calloc(1, sizeof *h);
    h->arena = beamc_arena_new(4096);
    pthread_mutex_init(&h->mu, NULL);
    h->client.worker_id = own(h, c->worker_id != NULL ? c->worker_id : "");
    h->control_url = own(h, c->control_url);
    h->logging_url = own(h, c->logging_url);
    h->artifact_url = own(h, c->artifact_url);
    h->provision_url = own(h, c->provision_url);
    h->status_url = own(h, c->status_url);
    h->semi_persist_dir = own(h, c->semi_persist_dir != NULL ? c->semi_persist_dir : "/tmp");
    h->library = c->library;
    h->ready = c->ready;
    h->ready_arg = c->ready_arg;
    h->options = beamc__options_copy(c->options);
    for (const char *at = c->runner_capabilities; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, " ");
        beamc__harness_note_capability(h, beamc_slice_of(at, len));
        at += len + (at[len] == ' ');
    }
    return h;
}

void beamc__harness_note_capability(beamc_harness *h, beamc_slice urn) {
    if (beamc_slice_eq(urn, beamc_str(BEAMC_URN_RUNNER_PROTOCOL_MONITORING_INFO_SHORT_IDS))) {
        h->has_short_ids = true;
    } else if (beamc_slice_eq(
                   urn, beamc_str(BEAMC_URN_RUNNER_PROTOCOL_CONTROL_RESPONSE_ELEMENTS_EMBEDDING))) {
        h->takes_embedded_output = true;
    }
}

const char *beamc__harness_sibling(const beamc_harness *h, size_t index) {
    for (size_t i = 0; h->siblings != NULL && h->siblings[i] != NULL; i++) {
        if (i == index) {
            return h->siblings[i];
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------------ experiments */

/* The text behind "name=", "" for the name alone, NULL when the experiment is not asked for. */
static const char *experiment(const beamc_harness *h, const char *name) {
    size_t len = strlen(name);
    const char *item;
    for (size_t i = 0; (item = beamc_option_item(h->options, "experiments", i)) != NULL; i++) {
        if (strncmp(item, name, len) == 0 && (item[len] == '\0' || item[len] == '=')) {
            return item[len] == '=' ? item + len + 1 : "";
        }
    }
    return NULL;
}

static int64_t experiment_number(const beamc_harness *h, const char *name, int64_t fallback,
                                 int64_t most) {
    const char *text = experiment(h, name);
    if (text == NULL) {
        return fallback;
    }
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || n <= 0 || n > most) {
        BEAMC_LOG_WARN(NULL, "experiment %s=%s is ignored: it is no number from 1 to %lld", name,
                       text, (long long)most);
        return fallback;
    }
    return n;
}

static size_t cache_bytes(const beamc_harness *h) {
    const char *text = beamc_option_text(h->options, "max_cache_memory_usage_mb");
    int64_t mib = text != NULL ? strtoll(text, NULL, 10) : CACHE_MIB;
    return (size_t)(mib < 0 ? 0 : mib > (1 << 20) ? 1 << 20 : mib) << 20;
}

static void make_parts(beamc_harness *h) {
    h->flush_bytes = (size_t)experiment_number(h, "data_buffer_size_limit", FLUSH_BYTES, 1 << 30);
    h->flush_ms = experiment_number(h, "data_buffer_time_limit_ms", 0, 3600000);
    h->plan_env = (beamc_plan_env){.library = h->library,
                                   .options = h->options,
                                   .worker_id = h->client.worker_id,
                                   .sample_data = experiment(h, "enable_data_sampling") != NULL};
    h->plans = beamc__plans_new(&h->plan_env);
    h->instructions = beamc__instructions_new(ENDED_INSTRUCTIONS);
    h->short_ids = beamc__short_ids_new();
    h->finalizers = beamc__finalize_table_new();
    h->inboxes = beamc__inboxes_new(NULL);
    h->data = beamc__data_new(&h->client, h->inboxes);
    h->state_cache = beamc__state_cache_new(cache_bytes(h));
    h->state = beamc__state_new(&h->client, h->state_cache);
}

/* -------------------------------------------------------------------------------- connecting */

static void begin_thread(void *arg) {
    (void)arg;
    beamc__crash_thread_begin();
}

static void end_thread(void *arg) {
    (void)arg;
    beamc__crash_thread_end();
}

static beamc_status fetch_artifacts(beamc_harness *h, const Fn__ProvisionInfo *info,
                                    beamc_error *err) {
    if (info == NULL) {
        return BEAMC_OK;
    }
    return beamc__artifacts_fetch(h, info, err);
}

static beamc_status prepare(beamc_harness *h, beamc_error *err) {
    const char *recording = beamc_option_text(h->options, "record_traffic");
    if (recording != NULL && recording[0] != '\0') {
        BEAMC_TRY(beamc__recorder_new(recording, &h->client.recorder, err));
    }
    Fn__ProvisionInfo *info;
    BEAMC_TRY(beamc__provision(h, &info, err));
    h->logging = beamc__logging_new(&h->client, h->logging_url);
    beamc__logging_enter(h->logging, NULL);
    beamc_status status = fetch_artifacts(h, info, err);
    if (info != NULL) {
        beamc__proto_free(&info->base);
    }
    BEAMC_TRY(status);
    if (h->control_url == NULL || h->control_url[0] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "no control endpoint: give --control_endpoint=HOST:PORT, or "
                          "--provision_endpoint=HOST:PORT of a service that names it");
    }
    make_parts(h);
    h->threads = beamc__threads_new(begin_thread, end_thread, NULL);
    return BEAMC_OK;
}

static beamc_status open_control(beamc_harness *h, beamc_error *err) {
    BEAMC_TRY(
        beamc__endpoint_connect(&h->client, "control", h->control_url, &h->control_channel, err));
    beamc__plans_set_channel(h->plans, h->control_channel, h->client.recorder);
    beamc_rpc_stream *stream;
    BEAMC_TRY_CTX(err,
                  beamc_rpc_stream_open(h->control_channel, BEAMC_FN_CONTROL, NULL, &stream, err),
                  "control stream of %s", h->control_url);
    pthread_mutex_lock(&h->mu);
    h->control = stream;
    pthread_mutex_unlock(&h->mu);
    if (atomic_load(&h->client.stopping)) {
        beamc_rpc_stream_cancel(stream);
    }
    h->status = beamc__status_new(h);
    if (h->ready != NULL) {
        h->ready(h->ready_arg, h);
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------ ending */

static void close_control(beamc_harness *h) {
    pthread_mutex_lock(&h->mu);
    beamc_rpc_stream *stream = h->control;
    h->control = NULL;
    pthread_mutex_unlock(&h->mu);
    if (stream != NULL) {
        beamc_rpc_stream_cancel(stream);
    }
    beamc_rpc_stream_unref(stream);
}

/* Open bundles use up the input that is there and then fail; those inside of user code are waited for. */
static void drain(beamc_harness *h) {
    beamc__inboxes_finish(h->inboxes);
    beamc__state_finish(h->state);
    if (!beamc__instructions_wait(h->instructions, beamc__clock_ms() + DRAIN_NOTICE_MS)) {
        beamc_buf text = {0};
        beamc__instructions_describe(h->instructions, &text);
        beamc_buf_put_u8(&text, 0);
        BEAMC_LOG_WARN(NULL, "the runner has ended worker %s, which waits for bundles:\n%s",
                       h->client.worker_id, (const char *)text.ptr);
        beamc_buf_free(&text);
        (void)beamc__instructions_wait(h->instructions, INT64_MAX);
    }
}

static void take_down(beamc_harness *h) {
    close_control(h); /* what bundles still have to say does not matter any more */
    if (h->instructions != NULL) {
        drain(h);
    }
    beamc__threads_free(h->threads);
    beamc__status_free(h->status);
    beamc__data_free(h->data);
    beamc__state_free(h->state);
    beamc__plans_free(h->plans);
    beamc__instructions_free(h->instructions);
    beamc__finalize_table_free(h->finalizers);
    beamc__inboxes_free(h->inboxes);
    beamc__state_cache_free(h->state_cache);
    beamc__short_ids_free(h->short_ids);
    beamc_rpc_channel_free(h->control_channel);
    beamc__logging_enter(NULL, NULL);
    atomic_store(&h->client.stopping, true); /* do not begin to connect for the last log lines */
    beamc__logging_free(h->logging);
    beamc__recorder_free(h->client.recorder);
    h->client.recorder = NULL;
}

beamc_status beamc__harness_run(beamc_harness *h, beamc_error *err) {
    beamc_rpc_init();
    beamc__crash_install();
    beamc_status status = prepare(h, err);
    if (status == BEAMC_OK) {
        status = open_control(h, err);
    }
    if (status == BEAMC_OK) {
        status = beamc__control_run(h, err);
    }
    take_down(h);
    beamc_rpc_shutdown();
    return status;
}

void beamc__harness_stop(beamc_harness *h) {
    atomic_store(&h->client.stopping, true);
    pthread_mutex_lock(&h->mu);
    if (h->control != NULL) {
        beamc_rpc_stream_cancel(h->control);
    }
    pthread_mutex_unlock(&h->mu);
}

size_t beamc__harness_open_bundles(beamc_harness *h) {
    return atomic_load(&h->bundles_open);
}

void beamc__harness_free(beamc_harness *h) {
    if (h == NULL) {
        return;
    }
    beamc_options_free(h->options);
    pthread_mutex_destroy(&h->mu);
    beamc_arena_free(h->arena);
    free(h);
}
