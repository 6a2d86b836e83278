/* control.c: the control stream (BeamFnControl.Control): requests come in, responses go out.
 *
 * One thread reads, and never waits for a bundle, a DoFn or another service: bundles and callbacks run on
 * threads of their own; progress, splits and the rest are answered at once. */
#include <stdlib.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "worker/harness/crash.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"

#define ARM(name) FN__INSTRUCTION_REQUEST__REQUEST_##name

/* ------------------------------------------------------------------------------- responses */

static void send_response(beamc_harness *h, beamc_buf *response) {
    pthread_mutex_lock(&h->mu);
    beamc_rpc_stream *stream = h->control != NULL ? beamc_rpc_stream_ref(h->control) : NULL;
    pthread_mutex_unlock(&h->mu);
    beamc_rpc_msg *msg = beamc_rpc_msg_take(response);
    if (stream == NULL) {
        beamc_rpc_msg_unref(msg); /* the runner has gone; the reader knows */
        return;
    }
    beamc_record_out(h->client.recorder, BEAMC_FN_CONTROL, beamc_rpc_msg_data(msg));
    (void)beamc_rpc_stream_write(stream, msg, NULL);
    beamc_rpc_stream_unref(stream);
}

void beamc__control_respond(beamc_harness *h, const char *instruction_id, unsigned arm,
                            beamc_buf *body) {
    beamc_buf response = {0};
    beamc_buf_room(&response, body->len + strlen(instruction_id) + 32);
    beamc_pb_text(&response, 1, instruction_id);
    beamc_pb_bytes(&response, arm, beamc_buf_slice(body));
    beamc_buf_clear(body);
    send_response(h, &response);
}

void beamc__control_respond_error(beamc_harness *h, const char *instruction_id,
                                  const beamc_error *why) {
    beamc_buf response = {0};
    beamc_pb_text(&response, 1, instruction_id);
    const char *text =
        why->message[0] != '\0' ? why->message : beamc_status_name(why->code); /* never empty */
    beamc_pb_user_text(&response, 2, beamc_str(text));
    send_response(h, &response);
}

static void respond_empty(beamc_harness *h, const Fn__InstructionRequest *r) {
    beamc_buf body = {0};
    beamc__control_respond(h, r->instruction_id, r->request_case, &body);
}

/* ------------------------------------------------------------------------ requests to bundles */

/* Answers for bundles that are not running: nothing for those that do not run yet or have finished, an
 * error for those that failed or were never heard of. */
static void respond_not_running(beamc_harness *h, const Fn__InstructionRequest *r, const char *id,
                                beamc_instruction_state state) {
    beamc_error why = {0};
    if (state == BEAMC_INSTRUCTION_FAILED) {
        beamc_error_set(&why, BEAMC_FAILED_PRECONDITION, "bundle %s has failed", id);
    } else if (state == BEAMC_INSTRUCTION_UNKNOWN) {
        beamc_error_set(&why, BEAMC_NOT_FOUND, "no bundle %s is known here", id);
    } else {
        respond_empty(h, r);
        return;
    }
    beamc__control_respond_error(h, r->instruction_id, &why);
}

static void on_progress(beamc_harness *h, const Fn__InstructionRequest *r) {
    const char *id = r->process_bundle_progress->instruction_id;
    beamc_instruction *instruction;
    beamc_plan *plan;
    beamc_inbox *inbox;
    beamc_instruction_state state =
        beamc__instructions_borrow(h->instructions, id, &instruction, &plan, &inbox);
    if (instruction == NULL) {
        respond_not_running(h, r, id, state);
        return;
    }
    beamc_buf body = {0};
    beamc__monitoring_put(h->short_ids, plan, !h->has_short_ids, &body);
    beamc_pb_varint(&body, 6, beamc__inbox_is_busy(inbox)); /* consuming_received_data */
    beamc__instructions_return(instruction);
    beamc__control_respond(h, r->instruction_id, r->request_case, &body);
    beamc_buf_free(&body);
}

static bool find_source(const beamc_plan *plan, const char *transform_id, uint32_t *out) {
    size_t count;
    const beamc_port *ports = beamc_plan_ports(plan, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (ports[i].kind == BEAMC_PORT_SOURCE &&
            strcmp(ports[i].transform_id, transform_id) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void put_channel_split(beamc_buf *out, const char *transform_id,
                              const beamc_split_result *result) {
    beamc_buf body = {0};
    beamc_pb_text(&body, 1, transform_id);
    if (result->last_primary != 0) {
        beamc_pb_varint(&body, 2, (uint64_t)result->last_primary);
    }
    if (result->first_residual != 0) {
        beamc_pb_varint(&body, 3, (uint64_t)result->first_residual);
    }
    beamc_pb_bytes(out, 3, beamc_buf_slice(&body));
    beamc_buf_free(&body);
}

/* One DesiredSplit; what comes of it is appended to @p out, a ProcessBundleSplitResponse. */
static beamc_status split_one(beamc_plan *plan,
                              const Fn__ProcessBundleSplitRequest__DesiredSplitsEntry *entry,
                              beamc_arena *arena, beamc_buf *out, beamc_error *err) {
    const Fn__ProcessBundleSplitRequest__DesiredSplit *d = entry->value;
    beamc_split_request request = {.port = 0};
    if (d == NULL || !find_source(plan, entry->key, &request.port)) {
        return BEAMC_OK; /* nothing to split there */
    }
    request.fraction_of_remainder = d->fraction_of_remainder;
    request.allowed_points = d->allowed_split_points;
    request.allowed_count = d->n_allowed_split_points;
    request.estimated_elements = d->estimated_input_elements;
    beamc_split_result result;
    BEAMC_TRY_CTX(err, beamc_plan_split(plan, &request, arena, &result, err), "split of %s",
                  entry->key);
    if (!result.split) {
        return BEAMC_OK;
    }
    if (result.has_roots) {
        beamc__roots_put_application(out, 1, &result.primary);
        beamc__roots_put_delayed(out, 2, &result.residual);
    }
    put_channel_split(out, entry->key, &result);
    return BEAMC_OK;
}

static void on_split(beamc_harness *h, const Fn__InstructionRequest *r) {
    const Fn__ProcessBundleSplitRequest *s = r->process_bundle_split;
    beamc_instruction *instruction;
    beamc_plan *plan;
    beamc_instruction_state state =
        beamc__instructions_borrow(h->instructions, s->instruction_id, &instruction, &plan, NULL);
    if (instruction == NULL) {
        respond_not_running(h, r, s->instruction_id, state);
        return;
    }
    beamc_error why = {0};
    beamc_status status = BEAMC_OK;
    beamc_buf body = {0};
    beamc_arena *arena = beamc_arena_new(4096);
    beamc__logging_enter(h->logging, s->instruction_id); /* a tracker is user code */
    beamc__crash_set(h->client.worker_id, s->instruction_id, plan);
    for (size_t i = 0; i < s->n_desired_splits && status == BEAMC_OK; i++) {
        status = split_one(plan, s->desired_splits[i], arena, &body, &why);
    }
    beamc__crash_set(NULL, NULL, NULL);
    beamc__logging_enter(h->logging, NULL);
    beamc__instructions_return(instruction);
    if (status == BEAMC_OK) {
        beamc__control_respond(h, r->instruction_id, r->request_case, &body);
    } else {
        beamc_error_prepend(&why, "bundle %s", s->instruction_id);
        beamc__control_respond_error(h, r->instruction_id, &why);
    }
    beamc_buf_free(&body);
    beamc_arena_free(arena);
}

/* ----------------------------------------------------------------------------- finalization */

typedef struct finalization {
    beamc_harness *h;
    beamc_finalizers *list;
    char *request_id;
    char *instruction_id;
} finalization;

static void finalize(void *arg) {
    finalization *f = arg;
    beamc_buf body = {0};
    beamc__logging_enter(f->h->logging, f->instruction_id);
    beamc__crash_set(f->h->client.worker_id, f->instruction_id, NULL);
    beamc_finalizers_run(f->list);
    beamc__crash_set(NULL, NULL, NULL);
    beamc__logging_enter(NULL, NULL);
    beamc__control_respond(f->h, f->request_id, ARM(FINALIZE_BUNDLE), &body);
    free(f->request_id);
    free(f->instruction_id);
    free(f);
}

/* An id without callbacks, or one whose callbacks have run already, is a success: a runner that asks again
 * after a failure of its own must not be told that its commit failed. */
static void on_finalize(beamc_harness *h, const Fn__InstructionRequest *r) {
    const char *id = r->finalize_bundle->instruction_id;
    beamc_finalizers *list = beamc__finalize_take(h->finalizers, id);
    if (list == NULL) {
        respond_empty(h, r);
        return;
    }
    finalization *f = beamc__malloc(sizeof *f);
    *f = (finalization){h, list, beamc__strdup(r->instruction_id), beamc__strdup(id)};
    if (!beamc__threads_run(h->threads, finalize, f)) {
        finalize(f);
    }
}

/* ------------------------------------------------------------------------------- the others */

static void on_register(beamc_harness *h, const Fn__InstructionRequest *r) {
    beamc_buf bytes = {0};
    for (size_t i = 0; i < r->register_->n_process_bundle_descriptor; i++) {
        const Fn__ProcessBundleDescriptor *d = r->register_->process_bundle_descriptor[i];
        beamc_buf_clear(&bytes);
        beamc__proto_put(&bytes, &d->base);
        beamc__plans_register(h->plans, d->id, beamc_buf_slice(&bytes));
    }
    beamc_buf_free(&bytes);
    respond_empty(h, r);
}

/* Ids that are not known are left out. */
static void on_monitoring_infos(beamc_harness *h, const Fn__InstructionRequest *r) {
    beamc_buf body = {0}, entry = {0};
    for (size_t i = 0; i < r->monitoring_infos->n_monitoring_info_id; i++) {
        beamc_slice id = beamc_str(r->monitoring_infos->monitoring_info_id[i]);
        beamc_slice metadata;
        if (beamc__short_id_find(h->short_ids, id, &metadata)) {
            beamc_buf_clear(&entry);
            beamc_pb_bytes(&entry, 1, id);
            beamc_pb_bytes(&entry, 2, metadata);
            beamc_pb_bytes(&body, 1, beamc_buf_slice(&entry));
        }
    }
    beamc__control_respond(h, r->instruction_id, r->request_case, &body);
    beamc_buf_free(&body);
    beamc_buf_free(&entry);
}

static void on_sample_data(beamc_harness *h, const Fn__InstructionRequest *r) {
    beamc_buf body = {0};
    beamc__sampling_put(h->plans, r->sample_data, &body);
    beamc__control_respond(h, r->instruction_id, r->request_case, &body);
    beamc_buf_free(&body);
}

/* ---------------------------------------------------------------------------------- reading */

/* Whether the request was taken over. */
static bool dispatch(beamc_harness *h, Fn__InstructionRequest *r) {
    switch (r->request_case) {
    case ARM(PROCESS_BUNDLE):
        beamc__bundle_start(h, r);
        return true;
    case ARM(PROCESS_BUNDLE_PROGRESS):
        on_progress(h, r);
        return false;
    case ARM(PROCESS_BUNDLE_SPLIT):
        on_split(h, r);
        return false;
    case ARM(FINALIZE_BUNDLE):
        on_finalize(h, r);
        return false;
    case ARM(MONITORING_INFOS):
        on_monitoring_infos(h, r);
        return false;
    case ARM(HARNESS_MONITORING_INFOS):
        respond_empty(h, r); /* no metric of ours belongs to the process as a whole */
        return false;
    case ARM(SAMPLE_DATA):
        on_sample_data(h, r);
        return false;
    case ARM(REGISTER):
        on_register(h, r);
        return false;
    default: {
        beamc_error why = {0};
        beamc_error_set(&why, BEAMC_UNIMPLEMENTED,
                        "instruction %s asks for something that this worker does not know",
                        r->instruction_id);
        beamc__control_respond_error(h, r->instruction_id, &why);
        return false;
    }
    }
}

/* The instruction_id of bytes that are otherwise no InstructionRequest: the runner waits for an answer. */
static bool find_id(beamc_slice bytes, beamc_slice *id) {
    beamc_cursor in = beamc_cursor_of(bytes);
    uint64_t tag;
    return beamc_get_varint(&in, &tag) && tag == (1 << 3 | 2) && beamc_get_prefixed(&in, id) &&
           id->len > 0 && memchr(id->ptr, '\0', id->len) == NULL;
}

static beamc_status handle(beamc_harness *h, beamc_slice bytes, beamc_error *err) {
    ProtobufCMessage *m;
    beamc_status status = beamc__proto_unpack(&fn__instruction_request__descriptor, bytes, &m, err);
    beamc_slice id;
    if (status == BEAMC_OK) {
        if (!dispatch(h, (Fn__InstructionRequest *)m)) {
            beamc__proto_free(m);
        }
        return BEAMC_OK;
    }
    beamc_error_prepend(err, "a request on the control stream");
    if (!find_id(bytes, &id)) {
        return status;
    }
    char *text = beamc__strndup(id.ptr, id.len);
    beamc__control_respond_error(h, text, err);
    free(text);
    return BEAMC_OK;
}

beamc_status beamc__control_run(beamc_harness *h, beamc_error *err) {
    beamc__logging_enter(h->logging, NULL);
    beamc_status status = BEAMC_OK;
    for (;;) {
        beamc_rpc_msg *msg;
        status = beamc_rpc_stream_read(h->control, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            break;
        }
        beamc_record_in(h->client.recorder, BEAMC_FN_CONTROL, beamc_rpc_msg_data(msg));
        status = handle(h, beamc_rpc_msg_data(msg), err);
        beamc_rpc_msg_unref(msg);
        if (status != BEAMC_OK) {
            break;
        }
    }
    beamc__logging_enter(NULL, NULL);
    if (atomic_load(&h->client.stopping)) {
        return BEAMC_FAIL(err, CANCELLED, "worker %s was told to stop", h->client.worker_id);
    }
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "worker %s: control stream of %s", h->client.worker_id,
                            h->control_url);
    }
    return status;
}
