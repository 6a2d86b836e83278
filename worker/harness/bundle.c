/* bundle.c: one process_bundle request, from its arrival to its response.
 *
 * The request is recorded on the control thread; everything else happens on the bundle's own thread:
 * fetching the descriptor, taking a plan, running it between its inbox and its data streams, answering.
 * The order at the end matters: the instruction ends first (nobody uses the plan any more), then the inbox
 * is closed (late data is dropped), then the plan goes back, then the runner hears of it. */
#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "worker/harness/bundle_io.h"
#include "worker/harness/crash.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"

typedef struct job {
    beamc_harness *h;
    Fn__InstructionRequest *request;
    beamc_instruction *instruction;
    beamc_inbox *inbox;
    beamc_cache_token *tokens;
    size_t token_count;
} job;

static beamc_slice bytes_of(ProtobufCBinaryData data) {
    return beamc_slice_of(data.data, data.len);
}

static void read_tokens(job *j) {
    const Fn__ProcessBundleRequest *r = j->request->process_bundle;
    j->tokens = beamc__calloc(r->n_cache_tokens + 1, sizeof *j->tokens);
    for (size_t i = 0; i < r->n_cache_tokens; i++) {
        const Fn__ProcessBundleRequest__CacheToken *t = r->cache_tokens[i];
        beamc_cache_token token = {.token = bytes_of(t->token)};
        if (t->type_case == FN__PROCESS_BUNDLE_REQUEST__CACHE_TOKEN__TYPE_SIDE_INPUT) {
            token.transform_id = beamc_str(t->side_input->transform_id);
            token.side_input_id = beamc_str(t->side_input->side_input_id);
        } else if (t->type_case != FN__PROCESS_BUNDLE_REQUEST__CACHE_TOKEN__TYPE_USER_STATE) {
            continue;
        }
        j->tokens[j->token_count++] = token;
    }
}

/* ProcessBundleResponse without the embedded output. */
static void put_response(beamc_harness *h, beamc_plan *plan, const beamc_bundle_result *result,
                         beamc_buf *out) {
    for (size_t i = 0; i < result->residual_count; i++) {
        beamc__roots_put_delayed(out, 2, &result->residuals[i]);
    }
    if (result->finalizers != NULL) {
        beamc_pb_varint(out, 4, 1);
    }
    beamc__monitoring_put(h->short_ids, plan, !h->has_short_ids, out);
}

/* Runs the bundle on @p plan; on success the body of the response is in @p body and all output is on its
 * way. */
static beamc_status run(job *j, beamc_plan *plan, beamc_buf *body, beamc_finalizers **finalizers,
                        beamc_error *err) {
    const Fn__ProcessBundleRequest *r = j->request->process_bundle;
    beamc_bundle_request request = {.instruction_id = j->request->instruction_id,
                                    .has_no_state = r->has_no_state};
    beamc_harness_io *io =
        beamc__bundle_io_new(j->h, j->request, plan, j->inbox, j->tokens, j->token_count);
    beamc_bundle_result result = {0};
    beamc_status status = beamc__bundle_io_open(io, err);
    if (status == BEAMC_OK) {
        beamc__inbox_start(j->inbox);
        status = beamc_plan_run(plan, &request, beamc__bundle_io_base(io), &result, err);
    }
    if (status == BEAMC_OK) {
        put_response(j->h, plan, &result, body);
        status = beamc__bundle_io_finish(io, body, err);
    }
    beamc__bundle_io_free(io, status == BEAMC_OK);
    if (status != BEAMC_OK) {
        beamc_finalizers_free(result.finalizers);
        return status;
    }
    *finalizers = result.finalizers;
    return BEAMC_OK;
}

static beamc_status take_and_run(job *j, beamc_pooled_plan **pooled, beamc_buf *body,
                                 beamc_finalizers **finalizers, beamc_error *err) {
    beamc_harness *h = j->h;
    const char *id = j->request->instruction_id;
    BEAMC_TRY_CTX(err,
                  beamc__plans_take(h->plans,
                                    j->request->process_bundle->process_bundle_descriptor_id,
                                    pooled, err),
                  "bundle %s", id);
    beamc_plan *plan = (*pooled)->plan;
    beamc__crash_set(h->client.worker_id, id, plan);
    beamc__instruction_run(j->instruction, plan, j->inbox);
    return run(j, plan, body, finalizers, err);
}

static void run_job(void *arg) {
    job *j = arg;
    beamc_harness *h = j->h;
    const char *id = j->request->instruction_id;
    beamc__logging_enter(h->logging, id);
    beamc__crash_set(h->client.worker_id, id, NULL);
    beamc_error why = {0};
    beamc_buf body = {0};
    beamc_pooled_plan *pooled = NULL;
    beamc_finalizers *finalizers = NULL;
    read_tokens(j);
    bool ok = take_and_run(j, &pooled, &body, &finalizers, &why) == BEAMC_OK;
    beamc__crash_set(NULL, NULL, NULL);
    beamc__logging_enter(NULL, NULL);
    if (finalizers != NULL) {
        beamc__finalize_add(h->finalizers, id, finalizers);
    }
    atomic_fetch_add(ok ? &h->bundles_done : &h->bundles_failed, 1);
    atomic_fetch_sub(&h->bundles_open, 1);
    char *own_id = beamc__strdup(id); /* ends of the instruction and the request come first */
    beamc__instruction_end(j->instruction, !ok);
    beamc__inbox_close(j->inbox);
    if (pooled != NULL) {
        beamc__plans_give_back(h->plans, pooled, ok);
    }
    if (ok) {
        beamc__control_respond(h, own_id, FN__INSTRUCTION_RESPONSE__RESPONSE_PROCESS_BUNDLE, &body);
    } else {
        beamc__control_respond_error(h, own_id, &why);
    }
    beamc_buf_free(&body);
    free(own_id);
    free(j->tokens);
    beamc__proto_free(&j->request->base);
    free(j);
}

void beamc__bundle_start(beamc_harness *h, Fn__InstructionRequest *request) {
    beamc_error why = {0};
    beamc_instruction *instruction =
        beamc__instruction_open(h->instructions, request->instruction_id);
    if (instruction == NULL) {
        beamc_error_set(&why, BEAMC_ALREADY_EXISTS, "bundle %s is already being processed",
                        request->instruction_id);
        beamc__control_respond_error(h, request->instruction_id, &why);
        beamc__proto_free(&request->base);
        return;
    }
    atomic_fetch_add(&h->bundles_open, 1);
    job *j = beamc__calloc(1, sizeof *j);
    j->h = h;
    j->request = request;
    j->instruction = instruction;
    j->inbox = beamc__inbox_claim(h->inboxes, request->instruction_id);
    if (!beamc__threads_run(h->threads, run_job, j)) {
        beamc_error_set(&why, BEAMC_RESOURCE_EXHAUSTED,
                        "bundle %s: the system has no more threads (%zu are in use)",
                        request->instruction_id, beamc__threads_count(h->threads));
        atomic_fetch_sub(&h->bundles_open, 1);
        beamc__instruction_end(instruction, true);
        beamc__inbox_close(j->inbox);
        beamc__control_respond_error(h, request->instruction_id, &why);
        beamc__proto_free(&request->base);
        free(j);
    }
}
