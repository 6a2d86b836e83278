/* submit.c: one job on a portable job service: Prepare, staging, Run, then its messages to its end.
 *
 * With LOOPBACK (the default) this process also serves the worker pool, so that the runner's workers are
 * threads of ours. Ctrl-C cancels the job and waits for the runner to say so. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "beam_model/beam_job_api.pb-c.h"
#include "program/entry.h"
#include "program/report.h"
#include "proto/beam_model/unpack.h"
#include "submit/submit.h"
#include "worker/harness/pool.h"

enum { CONNECT_MS = 15000, PREPARE_MS = 120000 };

typedef struct submission {
    const beamc_program *program;
    const beamc_options *options;
    beamc_rpc_channel *channel;
    beamc_worker_pool *pool;
    beamc_arena *arena;
    const char *preparation_id;
    const char *staging_endpoint; /* NULL: nothing to stage at */
    const char *staging_token;
    const char *job_id;
} submission;

/* ------------------------------------------------------------------------------------ Prepare, Run */

/* PrepareJobRequest: pipeline = 1 is there as bytes already, so the message is put together by hand. */
static beamc_status prepare_request(const submission *s, beamc_slice pipeline, beamc_buf *out,
                                    beamc_error *err) {
    beamc_buf json = {0};
    beamc_buf options = {0};
    beamc_options_to_json(s->options, &json);
    beamc_status status = beamc__json_to_struct(beamc_buf_slice(&json), &options, err);
    const char *name = beamc_option_text(s->options, "job_name");
    beamc_put_varint(out, 1 << 3 | 2);
    beamc_put_prefixed(out, pipeline);
    beamc_put_varint(out, 2 << 3 | 2);
    beamc_put_prefixed(out, beamc_buf_slice(&options));
    beamc_put_varint(out, 3 << 3 | 2);
    beamc_put_prefixed(out, beamc_str(name != NULL ? name : s->program->name));
    beamc_buf_free(&json);
    beamc_buf_free(&options);
    return status;
}

static beamc_status call(const submission *s, const char *method, beamc_slice request,
                         int64_t deadline_ms, const ProtobufCMessageDescriptor *type,
                         ProtobufCMessage **out, beamc_error *err) {
    beamc_rpc_msg *reply = NULL;
    BEAMC_TRY(beamc_rpc_unary(s->channel, method, request, deadline_ms, &reply, err));
    beamc_status status =
        beamc__proto_unpack_arena(type, beamc_rpc_msg_data(reply), s->arena, out, err);
    beamc_rpc_msg_unref(reply);
    return status;
}

static beamc_status prepare(submission *s, beamc_slice pipeline, beamc_error *err) {
    beamc_buf request = {0};
    ProtobufCMessage *m = NULL;
    beamc_status status = prepare_request(s, pipeline, &request, err);
    if (status == BEAMC_OK) {
        status = call(s, BEAMC_JOB_SERVICE "Prepare", beamc_buf_slice(&request), PREPARE_MS,
                      &job__prepare_job_response__descriptor, &m, err);
    }
    beamc_buf_free(&request);
    BEAMC_TRY_CTX(err, status, "the job service refuses the pipeline");
    const Job__PrepareJobResponse *response = (const Job__PrepareJobResponse *)m;
    s->preparation_id = response->preparation_id;
    s->staging_token = response->staging_session_token;
    if (response->artifact_staging_endpoint != NULL &&
        response->artifact_staging_endpoint->url[0] != '\0') {
        s->staging_endpoint = response->artifact_staging_endpoint->url;
    }
    return BEAMC_OK;
}

static beamc_status stage(submission *s, beamc_error *err) {
    if (s->staging_endpoint == NULL) {
        return BEAMC_OK;
    }
    beamc_rpc_channel *channel;
    BEAMC_TRY(beamc_rpc_channel_new(s->staging_endpoint, NULL, &channel, err));
    beamc_status status = beamc_rpc_channel_wait_ready(channel, CONNECT_MS, err);
    if (status == BEAMC_OK) {
        status = beamc__submit_stage(channel, s->staging_token, err);
    }
    beamc_rpc_channel_free(channel);
    BEAMC_TRY_CTX(err, status, "artifact staging at %s", s->staging_endpoint);
    return BEAMC_OK;
}

static beamc_status run(submission *s, beamc_error *err) {
    Job__RunJobRequest request = JOB__RUN_JOB_REQUEST__INIT;
    request.preparation_id = (char *)(uintptr_t)s->preparation_id;
    request.retrieval_token = (char *)(uintptr_t)s->staging_token;
    ProtobufCMessage *m = NULL;
    BEAMC_TRY_CTX(err,
                  call(s, BEAMC_JOB_SERVICE "Run", beamc__proto_pack(s->arena, &request.base),
                       PREPARE_MS, &job__run_job_response__descriptor, &m, err),
                  "the job service does not start the job");
    s->job_id = ((const Job__RunJobResponse *)m)->job_id;
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------------ Ctrl-C */

typedef struct canceller {
    const submission *s;
    pthread_t thread;
    int stop_fd;
} canceller;

static void cancel_job(const submission *s) {
    Job__CancelJobRequest request = JOB__CANCEL_JOB_REQUEST__INIT;
    request.job_id = (char *)(uintptr_t)s->job_id;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &request.base);
    beamc_rpc_msg *reply = NULL;
    beamc_error err;
    fprintf(stderr, "cancelling job %s; once more to leave at once\n", s->job_id);
    if (beamc_rpc_unary(s->channel, BEAMC_JOB_SERVICE "Cancel", beamc_buf_slice(&buf), CONNECT_MS,
                        &reply, &err) != BEAMC_OK) {
        fprintf(stderr, "cannot cancel job %s: %s\n", s->job_id, err.message);
    }
    beamc_rpc_msg_unref(reply);
    beamc_buf_free(&buf);
}

static void *watch_cancel(void *arg) {
    canceller *c = arg;
    struct pollfd fds[] = {{.fd = beamc__cancel_fd(), .events = POLLIN},
                           {.fd = c->stop_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if ((fds[0].revents & POLLIN) != 0 && (fds[1].revents & POLLIN) == 0) {
        cancel_job(c->s);
    }
    return NULL;
}

static bool canceller_start(canceller *c, const submission *s) {
    c->s = s;
    c->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (c->stop_fd >= 0 && pthread_create(&c->thread, NULL, watch_cancel, c) == 0) {
        return true;
    }
    if (c->stop_fd >= 0) {
        close(c->stop_fd);
    }
    return false;
}

static void canceller_stop(canceller *c) {
    uint64_t one = 1;
    ssize_t n = write(c->stop_fd, &one, sizeof one);
    (void)n; /* an eventfd with room takes it */
    pthread_join(c->thread, NULL);
    close(c->stop_fd);
}

/* ------------------------------------------------------------------------------------------- whole */

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static beamc_status finish(const submission *s, double started, beamc_error *err) {
    beamc_run_report *report = beamc__report_new(now_seconds() - started);
    beamc_error why;
    beamc_status status = BEAMC_OK;
    if (beamc__submit_metrics(s->channel, s->job_id, report, &why) != BEAMC_OK) {
        fprintf(stderr, "the job is done, but its metrics cannot be had: %s\n", why.message);
    }
    const char *path = beamc_option_text(s->options, "metrics_json");
    if (path != NULL) {
        status = beamc__report_write(report, path, err);
    }
    if (status == BEAMC_OK && s->program->report != NULL) {
        s->program->report(report, s->options);
    }
    beamc__report_free(report);
    return status;
}

static beamc_status submit(submission *s, beamc_pipeline *pipeline, const beamc_library *library,
                           beamc_error *err) {
    double started = now_seconds();
    if (beamc__submit_is_loopback(s->options)) {
        BEAMC_TRY_CTX(err,
                      beamc__worker_pool_start("localhost:0", library, s->options, &s->pool, err),
                      "worker pool of LOOPBACK");
    }
    beamc_environment env = {0};
    BEAMC_TRY(beamc__submit_environment(
        s->options, s->pool != NULL ? beamc__worker_pool_endpoint(s->pool) : NULL, s->arena, &env,
        err));
    beamc_buf proto = {0};
    beamc_status status = beamc_pipeline_lower(pipeline, &env, &proto, err);
    if (status == BEAMC_OK) {
        status = prepare(s, beamc_buf_slice(&proto), err);
    }
    beamc_buf_free(&proto);
    BEAMC_TRY(status);
    BEAMC_TRY(stage(s, err));
    BEAMC_TRY(run(s, err));
    BEAMC_LOG_INFO(NULL, "job %s runs", s->job_id);
    canceller c;
    bool watched = canceller_start(&c, s);
    status = beamc__submit_follow(s->channel, s->job_id, err);
    if (watched) {
        canceller_stop(&c);
    }
    BEAMC_TRY(status);
    return finish(s, started, err);
}

beamc_status beamc__fnapi_submit_main(const beamc_program *program, const beamc_options *options,
                                      beamc_pipeline *pipeline, const beamc_library *library,
                                      beamc_error *err) {
    const char *endpoint = beamc_option_text(options, "job_endpoint");
    if (endpoint == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "--runner=%s needs --job_endpoint=HOST:PORT of a job service",
                          beamc_option_text(options, "runner"));
    }
    submission s = {.program = program, .options = options, .arena = beamc_arena_new(0)};
    beamc_status status = beamc_rpc_channel_new(endpoint, NULL, &s.channel, err);
    if (status == BEAMC_OK) {
        status = beamc_rpc_channel_wait_ready(s.channel, CONNECT_MS, err);
        if (status != BEAMC_OK) {
            beamc_error_prepend(err, "no job service answers at --job_endpoint=%s", endpoint);
        }
    }
    if (status == BEAMC_OK) {
        status = submit(&s, pipeline, library, err);
    }
    beamc__worker_pool_stop(s.pool);
    beamc_rpc_channel_free(s.channel);
    beamc_arena_free(s.arena);
    return status;
}
