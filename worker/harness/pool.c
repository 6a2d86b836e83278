/* pool.c: BeamFnExternalWorkerPool: starts and stops harnesses in this process.
 *
 * Each worker has a thread that runs its harness; a keeper thread frees those that have ended, and stops
 * those whose StopWorker is some seconds old: runners ask for the end of a worker first and end its
 * streams then. Threads: see pool.h. */
#include "worker/harness/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"
#include "worker/harness/thread.h"

enum { STOP_GRACE_MS = 5000, SERVER_GRACE_MS = 500 };

#define POOL_SERVICE BEAMC_FN_SERVICE("BeamFnExternalWorkerPool/")

typedef struct pool_worker {
    struct pool_worker *next;
    beamc_worker_pool *pool;
    char *id;
    beamc_harness *harness;
    pthread_t thread;
    int64_t stop_at_ms; /* INT64_MAX: not asked for */
    bool stopped;
    bool ended;
} pool_worker;

struct beamc_worker_pool {
    const beamc_library *library;
    const beamc_options *options;
    beamc_rpc_server *server;
    char endpoint[32];
    pthread_mutex_t mu;
    pthread_cond_t changed;
    pool_worker *workers;
    pthread_t keeper;
    bool closing;
};

/* ---------------------------------------------------------------------------------- workers */

static void *run_worker(void *arg) {
    pool_worker *w = arg;
    beamc_error why = {0};
    beamc_status status = beamc__harness_run(w->harness, &why);
    pthread_mutex_lock(&w->pool->mu);
    bool wanted = w->stopped || w->stop_at_ms != INT64_MAX || w->pool->closing;
    w->ended = true;
    pthread_cond_broadcast(&w->pool->changed);
    pthread_mutex_unlock(&w->pool->mu);
    if (status != BEAMC_OK && !wanted) {
        BEAMC_LOG_ERROR(NULL, "%s", why.message);
    }
    return NULL;
}

static void free_worker(pool_worker *w) {
    pthread_join(w->thread, NULL);
    beamc__harness_free(w->harness);
    free(w->id);
    free(w);
}

/* Takes out workers that have ended; the lock is held. */
static pool_worker *take_ended(beamc_worker_pool *pool) {
    pool_worker *list = NULL;
    for (pool_worker **at = &pool->workers; *at != NULL;) {
        pool_worker *w = *at;
        if (w->ended) {
            *at = w->next;
            w->next = list;
            list = w;
        } else {
            at = &w->next;
        }
    }
    return list;
}

/* Stops those whose time has come; the time of the next one. The lock is held. */
static int64_t stop_due(beamc_worker_pool *pool) {
    int64_t next = INT64_MAX, now = beamc__clock_ms();
    for (pool_worker *w = pool->workers; w != NULL; w = w->next) {
        if (w->stopped) {
            continue;
        }
        if (pool->closing || w->stop_at_ms <= now) {
            w->stopped = true;
            beamc__harness_stop(w->harness);
        } else if (w->stop_at_ms < next) {
            next = w->stop_at_ms;
        }
    }
    return next;
}

static void *keep(void *arg) {
    beamc_worker_pool *pool = arg;
    pthread_mutex_lock(&pool->mu);
    while (!pool->closing || pool->workers != NULL) {
        int64_t next = stop_due(pool);
        pool_worker *ended = take_ended(pool);
        if (ended == NULL) {
            if (next == INT64_MAX) {
                pthread_cond_wait(&pool->changed, &pool->mu);
            } else {
                (void)beamc__cond_wait_until(&pool->changed, &pool->mu, next);
            }
            continue;
        }
        pthread_mutex_unlock(&pool->mu);
        while (ended != NULL) {
            pool_worker *next_ended = ended->next;
            free_worker(ended);
            ended = next_ended;
        }
        pthread_mutex_lock(&pool->mu);
    }
    pthread_mutex_unlock(&pool->mu);
    return NULL;
}

/* ---------------------------------------------------------------------------------- service */

static const char *url_of(const Pipe__ApiServiceDescriptor *endpoint) {
    return endpoint != NULL ? endpoint->url : NULL;
}

static pool_worker *find_running(beamc_worker_pool *pool, const char *id) {
    pool_worker *w = pool->workers;
    while (w != NULL && (w->ended || strcmp(w->id, id) != 0)) {
        w = w->next;
    }
    return w;
}

static beamc_status start(beamc_worker_pool *pool, const Fn__StartWorkerRequest *r,
                          beamc_error *err) {
    beamc_harness_config config = {
        .worker_id = r->worker_id,
        .control_url = url_of(r->control_endpoint),
        .logging_url = url_of(r->logging_endpoint),
        .artifact_url = url_of(r->artifact_endpoint),
        .provision_url = url_of(r->provision_endpoint),
        .semi_persist_dir = beamc_option_text(pool->options, "semi_persist_dir"),
        .library = pool->library,
        .options = pool->options,
    };
    pthread_mutex_lock(&pool->mu);
    beamc_status status = BEAMC_OK;
    if (r->worker_id[0] == '\0') {
        status = BEAMC_FAIL(err, INVALID_ARGUMENT, "StartWorker names no worker_id");
    } else if (pool->closing) {
        status = BEAMC_FAIL(err, UNAVAILABLE, "the worker pool ends");
    } else if (find_running(pool, r->worker_id) != NULL) {
        status = BEAMC_FAIL(err, ALREADY_EXISTS, "worker %s is running already", r->worker_id);
    } else {
        pool_worker *w = beamc__calloc(1, sizeof *w);
        w->pool = pool;
        w->id = beamc__strdup(r->worker_id);
        w->stop_at_ms = INT64_MAX;
        w->harness = beamc__harness_new(&config);
        if (beamc__thread_start(&w->thread, "beamc-worker", run_worker, w)) {
            w->next = pool->workers;
            pool->workers = w;
        } else {
            status = BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "the system has no more threads");
            beamc__harness_free(w->harness);
            free(w->id);
            free(w);
        }
    }
    pthread_mutex_unlock(&pool->mu);
    return status;
}

/* StartWorkerResponse and StopWorkerResponse: error 1. */
static beamc_rpc_msg *response_of(beamc_status status, const beamc_error *why) {
    beamc_buf out = {0};
    if (status != BEAMC_OK) {
        beamc_pb_user_text(&out, 1, beamc_str(why->message));
    }
    return beamc_rpc_msg_take(&out);
}

static beamc_status on_start(void *user, beamc_rpc_stream *call, beamc_slice request,
                             beamc_rpc_msg **response, beamc_error *err) {
    (void)call;
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(&fn__start_worker_request__descriptor, request, &m, err));
    beamc_error why = {0};
    beamc_status status = start(user, (const Fn__StartWorkerRequest *)m, &why);
    beamc__proto_free(m);
    *response = response_of(status, &why);
    return BEAMC_OK;
}

/* A worker that is not there any more has stopped: that is what was asked for. */
static beamc_status on_stop(void *user, beamc_rpc_stream *call, beamc_slice request,
                            beamc_rpc_msg **response, beamc_error *err) {
    (void)call;
    beamc_worker_pool *pool = user;
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(&fn__stop_worker_request__descriptor, request, &m, err));
    pthread_mutex_lock(&pool->mu);
    pool_worker *w = find_running(pool, ((const Fn__StopWorkerRequest *)m)->worker_id);
    if (w != NULL && w->stop_at_ms == INT64_MAX) {
        w->stop_at_ms = beamc__clock_ms() + STOP_GRACE_MS;
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mu);
    beamc__proto_free(m);
    *response = response_of(BEAMC_OK, NULL);
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------- lifetime */

beamc_status beamc__worker_pool_start(const char *address, const beamc_library *library,
                                      const beamc_options *options, beamc_worker_pool **out,
                                      beamc_error *err) {
    *out = NULL;
    beamc_worker_pool *pool = beamc__calloc(1, sizeof *pool);
    pool->library = library;
    pool->options = options;
    pthread_mutex_init(&pool->mu, NULL);
    beamc__cond_init(&pool->changed);
    beamc_status status = beamc_rpc_server_new(address, NULL, &pool->server, err);
    if (status == BEAMC_OK && !beamc__thread_start(&pool->keeper, "beamc-pool", keep, pool)) {
        beamc_rpc_server_free(pool->server);
        status = BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "no thread for the worker pool");
    }
    if (status != BEAMC_OK) {
        pthread_cond_destroy(&pool->changed);
        pthread_mutex_destroy(&pool->mu);
        free(pool);
        return status;
    }
    beamc_rpc_server_unary(pool->server, POOL_SERVICE "StartWorker", on_start, pool);
    beamc_rpc_server_unary(pool->server, POOL_SERVICE "StopWorker", on_stop, pool);
    beamc_rpc_server_start(pool->server);
    snprintf(pool->endpoint, sizeof pool->endpoint, "localhost:%d",
             beamc_rpc_server_port(pool->server));
    *out = pool;
    return BEAMC_OK;
}

const char *beamc__worker_pool_endpoint(const beamc_worker_pool *pool) {
    return pool->endpoint;
}

void beamc__worker_pool_stop(beamc_worker_pool *pool) {
    if (pool == NULL) {
        return;
    }
    beamc_rpc_server_stop(pool->server, SERVER_GRACE_MS);
    pthread_mutex_lock(&pool->mu);
    pool->closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mu);
    pthread_join(pool->keeper, NULL);
    beamc_rpc_server_free(pool->server);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mu);
    free(pool);
}
