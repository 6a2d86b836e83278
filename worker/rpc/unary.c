/* unary.c: unary client calls. Each has a completion queue of its own which the calling thread
 * drains, so that it does its own I/O while it waits. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

enum { UNARY_DEFAULT_MS = 60 * 1000, PROBE_MS = 200 };

typedef struct unary_call {
    grpc_call *call;
    grpc_completion_queue *cq;
    beamc__rpc_headers headers;
    grpc_byte_buffer *request; /* NULL: a probe */
    grpc_byte_buffer *response;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice text;
} unary_call;

static void unary_init(unary_call *u, beamc_rpc_channel *channel, const char *method,
                       int64_t deadline_ms) {
    u->cq = grpc_completion_queue_create_for_pluck(NULL);
    grpc_slice name = grpc_slice_from_copied_string(method);
    u->call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS, u->cq, name,
                                       NULL, beamc__rpc_deadline(deadline_ms), NULL);
    grpc_slice_unref(name);
    grpc_metadata_array_init(&u->initial);
    grpc_metadata_array_init(&u->trailing);
    u->text = grpc_empty_slice();
}

static void unary_deinit(unary_call *u) {
    beamc__rpc_headers_free(&u->headers);
    grpc_byte_buffer_destroy(u->request);
    grpc_byte_buffer_destroy(u->response);
    grpc_metadata_array_destroy(&u->initial);
    grpc_metadata_array_destroy(&u->trailing);
    grpc_slice_unref(u->text);
    grpc_call_unref(u->call);
    beamc__rpc_quiesce_pluck(u->cq);
}

/* All operations in one batch, then waits for it. */
static void unary_run(unary_call *u, uint32_t flags) {
    grpc_op ops[6] = {0};
    size_t n = 0;
    ops[n].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[n].flags = flags;
    ops[n].data.send_initial_metadata.count = u->headers.len;
    ops[n++].data.send_initial_metadata.metadata = u->headers.items;
    if (u->request != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = u->request;
        ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
        ops[n].op = GRPC_OP_RECV_MESSAGE;
        ops[n++].data.recv_message.recv_message = &u->response;
    }
    ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[n++].data.recv_initial_metadata.recv_initial_metadata = &u->initial;
    ops[n].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[n].data.recv_status_on_client.trailing_metadata = &u->trailing;
    ops[n].data.recv_status_on_client.status = &u->status;
    ops[n++].data.recv_status_on_client.status_details = &u->text;
    if (grpc_call_start_batch(u->call, ops, n, u, NULL) != GRPC_CALL_OK) {
        u->status = GRPC_STATUS_INTERNAL;
        return;
    }
    grpc_completion_queue_pluck(u->cq, u, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
}

static beamc_slice slice_view(const grpc_slice *s) {
    return beamc_slice_of(GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

beamc_status beamc__rpc_probe(beamc_rpc_channel *channel, beamc_error *err) {
    unary_call u = {0};
    unary_init(&u, channel, "/beamc.Probe/Reason", PROBE_MS);
    unary_run(&u, 0);
    beamc_slice text = slice_view(&u.text);
    beamc_status status = beamc__rpc_status(u.status);
    if (status == BEAMC_UNAVAILABLE) {
        beamc_error_set(err, status, "%.*s", BEAMC_SLICE_ARG(text));
    }
    unary_deinit(&u);
    return status;
}

static beamc_status unary_result(unary_call *u, beamc_rpc_channel *channel, const char *method,
                                 int64_t deadline_ms, beamc_rpc_msg **response, beamc_error *err) {
    beamc_status status = beamc__rpc_status(u->status);
    if (status == BEAMC_OK) {
        if (u->response == NULL) {
            return beamc__rpc_call_error(err, BEAMC_INTERNAL, method, channel->endpoint,
                                         beamc_str("the server sent no response message"));
        }
        *response = beamc__rpc_msg_receive(u->response);
        u->response = NULL;
        return BEAMC_OK;
    }
    if (status == BEAMC_DEADLINE_EXCEEDED) {
        if (grpc_channel_check_connectivity_state(channel->channel, 0) != GRPC_CHANNEL_READY) {
            (void)beamc__rpc_unreachable(channel, deadline_ms, err);
            beamc_error_prepend(err, "%s", method);
            return BEAMC_UNAVAILABLE;
        }
        return BEAMC_FAIL(err, DEADLINE_EXCEEDED, "%s at %s: no answer within %lld ms", method,
                          channel->endpoint, (long long)deadline_ms);
    }
    return beamc__rpc_call_error(err, status, method, channel->endpoint, slice_view(&u->text));
}

beamc_status beamc_rpc_unary_with(beamc_rpc_channel *channel, const char *method,
                                  beamc_slice request, int64_t deadline_ms,
                                  const beamc_rpc_call_options *options, beamc_rpc_msg **response,
                                  beamc_error *err) {
    *response = NULL;
    BEAMC_TRY(beamc__rpc_method_check(method, err));
    if (request.len > UINT32_MAX) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: a request of %zu bytes exceeds 4 GiB", method,
                          request.len);
    }
    if (deadline_ms <= 0) {
        deadline_ms = UNARY_DEFAULT_MS;
    }
    unary_call u = {0};
    BEAMC_TRY_CTX(err, beamc__rpc_headers_make(channel, options, &u.headers, err), "%s", method);
    unary_init(&u, channel, method, deadline_ms);
    beamc_rpc_msg *msg = beamc_rpc_msg_copy(request);
    u.request = beamc__rpc_msg_share(msg);
    beamc_rpc_msg_unref(msg);
    unary_run(&u, GRPC_INITIAL_METADATA_WAIT_FOR_READY);
    beamc_status status = unary_result(&u, channel, method, deadline_ms, response, err);
    unary_deinit(&u);
    return status;
}

beamc_status beamc_rpc_unary(beamc_rpc_channel *channel, const char *method, beamc_slice request,
                             int64_t deadline_ms, beamc_rpc_msg **response, beamc_error *err) {
    return beamc_rpc_unary_with(channel, method, request, deadline_ms, NULL, response, err);
}
