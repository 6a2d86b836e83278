/* harness.h: one Fn API worker: what it is made of.
 *
 * A harness serves one runner under one worker id, on threads of its own; several may live in one process
 * and share nothing. Lifetime: new, run (returns when the runner ends it), free. */
#ifndef BEAMC_HARNESS_HARNESS_H
#define BEAMC_HARNESS_HARNESS_H

#include <pthread.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_provision_api.pb-c.h"
#include "program/library.h"
#include "worker/exec/bundle.h"
#include "worker/harness/data.h"
#include "worker/harness/endpoint.h"
#include "worker/harness/finalize.h"
#include "worker/harness/inbox.h"
#include "worker/harness/instructions.h"
#include "worker/harness/logging.h"
#include "worker/harness/monitoring.h"
#include "worker/harness/plans.h"
#include "worker/harness/state.h"
#include "worker/harness/threads.h"

typedef struct beamc_harness beamc_harness;

/* Texts may be NULL, which means that they are not known; all is copied but the library. */
typedef struct beamc_harness_config {
    const char *worker_id;
    const char *control_url;
    const char *logging_url;
    const char *artifact_url;
    const char *provision_url;
    const char *status_url;
    const char *semi_persist_dir;
    const char
        *runner_capabilities; /* separated by spaces; adds to those of the provision service */
    const beamc_library *library;
    const beamc_options *options;
    /* Called once, when the control stream is open; may be NULL. */
    void (*ready)(void *arg, beamc_harness *h);
    void *ready_arg;
} beamc_harness_config;

beamc_harness *beamc__harness_new(const beamc_harness_config *config);
/* Serves until the runner ends the control stream (BEAMC_OK), it breaks, or beamc__harness_stop is called
 * (CANCELLED). Open bundles have ended then. */
beamc_status beamc__harness_run(beamc_harness *h, beamc_error *err) BEAMC_MUST_USE;
/* Ends it as soon as its bundles look at their input. Any thread. */
void beamc__harness_stop(beamc_harness *h);
/* Ids of further workers that the runner wants in this container; NULL behind the last. From ready on, as
 * long as the harness lives. */
const char *beamc__harness_sibling(const beamc_harness *h, size_t index);
/* Bundles that are open. Any thread. */
size_t beamc__harness_open_bundles(beamc_harness *h);
void beamc__harness_free(beamc_harness *h);

/* ------------------------------------------------------------------- for the files of the harness */

struct beamc_harness {
    beamc_arena *arena; /* of the texts */
    beamc_client client;
    const char *control_url, *logging_url, *artifact_url, *provision_url, *status_url;
    const char *semi_persist_dir;
    const char **siblings; /* ended by NULL */
    const beamc_library *library;
    beamc_options *options; /* the program's and the job's */
    void (*ready)(void *arg, beamc_harness *h);
    void *ready_arg;

    /* What the runner can do, and what the options ask for. */
    bool has_short_ids;
    bool takes_embedded_output;
    size_t flush_bytes;
    int64_t flush_ms; /* 0: by size only */

    beamc_plan_env plan_env;
    beamc_plans *plans;
    beamc_instructions *instructions;
    beamc_short_ids *short_ids;
    beamc_finalize_table *finalizers;
    beamc_inboxes *inboxes;
    beamc_data_plane *data;
    beamc_state_cache *state_cache;
    beamc_state_plane *state;
    beamc_threads *threads;
    beamc_logging *logging;
    struct beamc_status_page *status;

    beamc_rpc_channel *control_channel;
    pthread_mutex_t mu;
    beamc_rpc_stream *control; /* guarded by mu */
    atomic_uint bundles_open;
    atomic_uint bundles_done;
    atomic_uint bundles_failed;
};

/* Notes that the runner has a capability. */
void beamc__harness_note_capability(beamc_harness *h, beamc_slice urn);

/* provision.c: asks the provision service, if there is one, and fills in what is not known yet. */
beamc_status beamc__provision(beamc_harness *h, Fn__ProvisionInfo **info,
                              beamc_error *err) BEAMC_MUST_USE;
/* artifacts.c: fetches what @p info lists into semi_persist_dir/staged. */
beamc_status beamc__artifacts_fetch(beamc_harness *h, const Fn__ProvisionInfo *info,
                                    beamc_error *err) BEAMC_MUST_USE;

/* status.c: answers the runner's status service, if there is one, until it is freed. */
struct beamc_status_page *beamc__status_new(beamc_harness *h);
void beamc__status_free(struct beamc_status_page *page);
/* The text of the page. */
void beamc__status_describe(beamc_harness *h, beamc_buf *out);

/* control.c: reads and handles requests until the stream ends. */
beamc_status beamc__control_run(beamc_harness *h, beamc_error *err) BEAMC_MUST_USE;
/* Sends an InstructionResponse; @p body is the serialized arm number @p arm. The buffer is left empty.
 * Any thread. */
void beamc__control_respond(beamc_harness *h, const char *instruction_id, unsigned arm,
                            beamc_buf *body);
void beamc__control_respond_error(beamc_harness *h, const char *instruction_id,
                                  const beamc_error *why);

/* sampling.c: appends the body of a SampleDataResponse. */
void beamc__sampling_put(beamc_plans *plans, const Fn__SampleDataRequest *request, beamc_buf *out);

/* bundle.c: one bundle. Takes over @p request, whose arm is process_bundle. */
void beamc__bundle_start(beamc_harness *h, Fn__InstructionRequest *request);

/* roots.c: BundleApplication and DelayedBundleApplication. */
void beamc__roots_put_application(beamc_buf *out, unsigned field, const beamc_bundle_root *root);
void beamc__roots_put_delayed(beamc_buf *out, unsigned field, const beamc_bundle_root *root);

#endif
