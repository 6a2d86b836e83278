/* engine.h: runs a graph of stages and groups to its end.
 *
 * Threads: beamc__engine_run blocks its caller and starts `parallelism` threads of its own (one: the
 * caller's alone). The other functions may be called from any thread while it runs. */
#ifndef BEAMC_ENGINE_ENGINE_H
#define BEAMC_ENGINE_ENGINE_H

#include "runner/engine/graph.h"
#include "runner/engine/worker.h"

typedef struct beamc_engine beamc_engine;

typedef struct beamc_engine_config {
    unsigned parallelism;         /* threads; 0: one for each core */
    beamc_worker *const *workers; /* one for each environment of the graph */
    const char *job_id;           /* prefix of bundle ids; NULL: "local" */
    size_t bundle_bytes;          /* input of a bundle, about; 0: default */
    int64_t max_bundle_ms;        /* unbounded jobs: how long a bundle is open; 0: default (100) */
    size_t queue_bytes;           /* queued input above which sources pause; 0: default */
    size_t compact_bytes;  /* growth of a group's values before they are compacted; 0: default */
    unsigned max_attempts; /* of a bundle that fails with UNAVAILABLE; 0: default (4) */
    int64_t backoff_ms;    /* before its second attempt, then doubled; 0: default */
    beamc_time (*now_ms)(void *arg); /* processing time; NULL: the wall clock */
    void *now_arg;
    struct beamc_journal *journal; /* what outlives the process; NULL: nothing */
    int64_t checkpoint_ms;         /* between two commits to it; 0: default */
} beamc_engine_config;

/* How a run ends before all its input is done. What was asked for is only ever made stronger. */
typedef enum beamc_stop {
    BEAMC_STOP_NONE = 0,
    BEAMC_STOP_DRAIN,     /* sources stop, restrictions are truncated, windows and timers fire */
    BEAMC_STOP_AT_COMMIT, /* running bundles are cut short and committed, nothing new starts */
    BEAMC_STOP_CANCEL     /* running bundles fail at their next call, what they did is dropped */
} beamc_stop;

beamc_status beamc__engine_new(const beamc_engine_graph *graph, const beamc_engine_config *config,
                               beamc_engine **out, beamc_error *err) BEAMC_MUST_USE;
void beamc__engine_free(beamc_engine *engine);
/* Until all is done (drained or not), it has stopped at a commit, a bundle failed for good, or it was
 * cancelled (CANCELLED). */
beamc_status beamc__engine_run(beamc_engine *engine, beamc_error *err) BEAMC_MUST_USE;
void beamc__engine_stop(beamc_engine *engine, beamc_stop how);
/* What was asked for. */
beamc_stop beamc__engine_stopping(const beamc_engine *engine);
/* The last run has stopped at a commit, before all was done. */
bool beamc__engine_stopped_early(const beamc_engine *engine);
/* No input is endless. */
bool beamc__engine_is_bounded(const beamc_engine *engine);

typedef struct beamc_engine_progress {
    uint64_t elements; /* that left sources: outputs of splittable stages and impulses */
    uint64_t bundles_done;
    uint64_t bundles_running;
    uint64_t bundles_failed; /* attempts */
    uint64_t queued_bytes;
    uint64_t compactions;
    int64_t late_dropped;
    beamc_time watermark; /* the least output watermark of a node that is not done */
} beamc_engine_progress;

void beamc__engine_get_progress(beamc_engine *engine, beamc_engine_progress *out);

/* Metrics of committed bundles, summed over the bundles of each stage. */
typedef struct beamc_engine_metric {
    const char *urn;
    const char *type;
    const char *transform; /* transform id, NULL without that label */
    const char *pcollection;
    const char *name_space;
    const char *name;
    int64_t value;                /* sums, and the last of latest */
    int64_t count, sum, min, max; /* distributions */
    beamc_time at;                /* latest */
    beamc_slice payload;          /* other types: of the last bundle */
} beamc_engine_metric;

typedef void (*beamc_engine_metric_fn)(void *arg, const beamc_engine_metric *metric);
void beamc__engine_metrics(beamc_engine *engine, beamc_engine_metric_fn fn, void *arg);
/* It was continued from its journal; and it was done already, so that there was nothing to run. */
bool beamc__engine_was_continued(const beamc_engine *engine);
bool beamc__engine_was_finished(const beamc_engine *engine);
/* Dropped as late by group node @p node so far. */
int64_t beamc__engine_late_dropped(beamc_engine *engine, size_t node);

#endif
