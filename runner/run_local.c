/* run_local.c: the local runner from outside: fuse, run, report.
 *
 * Threads: the caller's and those of the engine; with a progress line one more, which only looks. */
#include "runner/run_local.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "program/entry.h"
#include "proto/beam_model/urns.h"
#include "runner/fuse.h"
#include "runner/engine/engine.h"
#include "runner/local_worker.h"
#include "runner/state_dir.h"
#include "runner/stop_watch.h"

/* ------------------------------------------------------------------------------- progress */

enum { PROGRESS_MS = 250 };

typedef struct progress {
    beamc_engine *engine;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t done;
    bool stop;
    bool printed;
} progress;

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print_progress(progress *p, double started) {
    beamc_engine_progress at;
    beamc__engine_get_progress(p->engine, &at);
    fprintf(stderr, "\r%.1f s  %llu bundles done, %llu running, %.1f MiB queued\033[K",
            now_seconds() - started, (unsigned long long)at.bundles_done,
            (unsigned long long)at.bundles_running, (double)at.queued_bytes / (1 << 20));
    fflush(stderr);
    p->printed = true;
}

static void *show_progress(void *arg) {
    progress *p = arg;
    double started = now_seconds();
    pthread_mutex_lock(&p->mu);
    while (!p->stop) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PROGRESS_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&p->done, &p->mu, &until) == ETIMEDOUT) {
            print_progress(p, started);
        }
    }
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

static bool progress_start(progress *p, beamc_engine *engine) {
    *p = (progress){
        .engine = engine, .mu = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    return pthread_create(&p->thread, NULL, show_progress, p) == 0;
}

static void progress_end(progress *p) {
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->mu);
    pthread_join(p->thread, NULL);
    if (p->printed) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
}

/* --------------------------------------------------------------------------------- report */

typedef struct collector {
    beamc_run_report *report;
    const beamc_fused *fused;
} collector;

static void collect(void *arg, const beamc_engine_metric *m) {
    const collector *c = arg;
    bool counter = strcmp(m->urn, BEAMC_URN_METRIC_USER_SUM_INT64) == 0;
    bool distribution = strcmp(m->urn, BEAMC_URN_METRIC_USER_DISTRIBUTION_INT64) == 0;
    bool gauge = strcmp(m->urn, BEAMC_URN_METRIC_USER_LATEST_INT64) == 0;
    if ((!counter && !distribution && !gauge) || m->name == NULL || m->transform == NULL) {
        return;
    }
    beamc_report_metric to = {
        .space = m->name_space == NULL ? "" : m->name_space,
        .name = m->name,
        .step = beamc__fused_step(c->fused, m->transform),
        .is_distribution = distribution,
        .value = m->value,
        .count = m->count,
        .sum = m->sum,
        .min = m->min,
        .max = m->max,
    };
    beamc__report_add(c->report, &to);
}

/* What groupings dropped because it came behind watermark and allowed lateness. */
static void collect_late(beamc_run_report *report, beamc_engine *engine,
                         const beamc_engine_graph *graph) {
    for (size_t i = 0; i < graph->node_count; i++) {
        int64_t late = beamc__engine_late_dropped(engine, i);
        if (late > 0) {
            beamc__report_add(report, &(beamc_report_metric){.space = "beamc",
                                                             .name = "late_dropped",
                                                             .step = graph->nodes[i].name,
                                                             .value = late});
        }
    }
}

/* ------------------------------------------------------------------------------------ run */

enum { MAX_ENVIRONMENTS = 16 };

static beamc_stop stop_of(const beamc_local_run *run, const beamc_engine *engine) {
    if (run->stop > BEAMC_STOP_DRAIN) {
        return run->stop;
    }
    return beamc__engine_is_bounded(engine) ? BEAMC_STOP_CANCEL : BEAMC_STOP_DRAIN;
}

/* Who waits for the job's end must not take this for it. */
static beamc_status judge(const beamc_engine *engine, beamc_error *err) {
    if (beamc__engine_stopped_early(engine)) {
        return BEAMC_FAIL(
            err, CANCELLED,
            "stopped at a commit; started again with the same --state_dir, it goes on "
            "there");
    }
    return BEAMC_OK;
}

static beamc_status run_graph(const beamc_local_run *run, const beamc_fused *fused,
                              beamc_run_report **report, beamc_error *err) {
    const beamc_engine_graph *graph = beamc__fused_graph(fused);
    beamc_plan_env env = {.library = run->library, .options = run->options, .worker_id = "local"};
    beamc_local_worker worker;
    beamc__local_worker_init(&worker, &env);
    beamc_worker *workers[MAX_ENVIRONMENTS];
    if (graph->environment_count > MAX_ENVIRONMENTS) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "the pipeline has %zu environments; %d are possible",
                          graph->environment_count, MAX_ENVIRONMENTS);
    }
    for (size_t i = 0; i < graph->environment_count; i++) {
        workers[i] = &worker.base; /* whatever they say: all functions are in our library */
    }
    beamc_engine_config config = {
        .parallelism = run->parallelism,
        .workers = workers,
        .bundle_bytes = run->bundle_bytes,
        .journal = run->state == NULL ? NULL : beamc__state_dir_journal(run->state),
        .checkpoint_ms = run->checkpoint_ms,
        .max_bundle_ms = run->max_bundle_ms};
    beamc_engine *engine;
    BEAMC_TRY(beamc__engine_new(graph, &config, &engine, err));
    double started = now_seconds();
    progress line;
    bool shown = run->progress && progress_start(&line, engine);
    beamc_stop_watch watch = {
        .engine = engine, .fd = run->stop_fd, .how = stop_of(run, engine), .name = run->name};
    bool watched = run->stop_fd > 0 && beamc__stop_watch_begin(&watch);
    beamc_status status = beamc__engine_run(engine, err);
    if (watched) {
        beamc__stop_watch_end(&watch);
    }
    status = status == BEAMC_OK ? judge(engine, err) : status;
    if (shown) {
        progress_end(&line);
    }
    *report = beamc__report_new(now_seconds() - started);
    collector c = {*report, fused};
    beamc__engine_metrics(engine, collect, &c);
    collect_late(*report, engine, graph);
    if (status == BEAMC_OK && beamc__engine_was_finished(engine)) {
        fprintf(stderr,
                "the job in --state_dir was done before: nothing was run; --state_dir_reset "
                "starts it anew\n");
    }
    beamc__engine_free(engine);
    return status;
}

beamc_status beamc__local_run(const beamc_local_run *run, beamc_slice pipeline_proto,
                              beamc_run_report **report, beamc_error *err) {
    *report = NULL;
    beamc_fuse_options options = {.library = run->library, .no_lifting = run->no_lifting};
    beamc_fused *fused;
    BEAMC_TRY(beamc__fuse(pipeline_proto, &options, &fused, err));
    beamc_status status = run_graph(run, fused, report, err);
    beamc__fused_free(fused);
    return status;
}

beamc_status beamc__run_local(const beamc_program *program, const beamc_options *options,
                              beamc_slice pipeline_proto, const beamc_library *library,
                              struct beamc_state_dir *state, beamc_error *err) {
    beamc_local_run run = {
        .library = library,
        .options = options,
        .parallelism = (unsigned)beamc_option_int(options, "parallelism"),
        .state = state,
        .progress = isatty(STDERR_FILENO) != 0,
        .max_bundle_ms = beamc_option_int(options, "max_bundle_ms"),
        .stop_fd = beamc__cancel_fd(),
        .stop = state != NULL && !beamc_option_bool(options, "drain") ? BEAMC_STOP_AT_COMMIT
                                                                      : BEAMC_STOP_DRAIN,
        .name = program->name != NULL ? program->name : "beamc",
    };
    beamc_run_report *report;
    beamc_status status = beamc__local_run(&run, pipeline_proto, &report, err);
    const char *path = beamc_option_text(options, "metrics_json");
    if (status == BEAMC_OK && path != NULL) {
        status = beamc__report_write(report, path, err);
    }
    if (status == BEAMC_OK && program->report != NULL) {
        program->report(report, options);
    }
    beamc__report_free(report);
    return status;
}
