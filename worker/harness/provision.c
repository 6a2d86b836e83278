/* provision.c: ProvisionService.GetProvisionInfo: the options of the job, what the runner can do, and the
 * endpoints that the command line did not name. Runs once, before anything else is connected. */
#include <stdlib.h>

#include <beamc/row.h>

#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"

enum { DEADLINE_MS = 60000 };

/* ------------------------------------------------------ google.protobuf.Struct as JSON text */

static void put_value(beamc_buf *out, const Google__Protobuf__Value *v);

static void put_struct(beamc_buf *out, const Google__Protobuf__Struct *s) {
    beamc_buf_put_u8(out, '{');
    for (size_t i = 0; i < s->n_fields; i++) {
        beamc_buf_put_str(out, i > 0 ? "," : "");
        beamc_json_put_string(out, beamc_str(s->fields[i]->key));
        beamc_buf_put_u8(out, ':');
        put_value(out, s->fields[i]->value);
    }
    beamc_buf_put_u8(out, '}');
}

/* Depth is bounded: beamc__proto_unpack has checked it. */
static void put_value(beamc_buf *out, const Google__Protobuf__Value *v) {
    switch (v != NULL ? v->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        if (__builtin_isfinite(v->number_value)) {
            beamc_buf_printf(out, "%.17g", v->number_value);
        } else {
            beamc_buf_put_str(out, "null");
        }
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        beamc_json_put_string(out, beamc_str(v->string_value));
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        beamc_buf_put_str(out, v->bool_value ? "true" : "false");
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        put_struct(out, v->struct_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        beamc_buf_put_u8(out, '[');
        for (size_t i = 0; i < v->list_value->n_values; i++) {
            beamc_buf_put_str(out, i > 0 ? "," : "");
            put_value(out, v->list_value->values[i]);
        }
        beamc_buf_put_u8(out, ']');
        break;
    default:
        beamc_buf_put_str(out, "null");
        break;
    }
}

static beamc_status take_options(beamc_harness *h, const Google__Protobuf__Struct *options,
                                 beamc_error *err) {
    beamc_buf json = {0};
    put_struct(&json, options);
    beamc_status status = beamc_options_from_json(h->options, beamc_buf_slice(&json), err);
    beamc_buf_free(&json);
    return status;
}

/* ------------------------------------------------------------------------------ the service */

static beamc_status ask(beamc_harness *h, Fn__GetProvisionInfoResponse **out, beamc_error *err) {
    beamc_rpc_channel *channel;
    BEAMC_TRY(beamc__endpoint_connect(&h->client, "provision", h->provision_url, &channel, err));
    beamc_rpc_msg *answer = NULL;
    beamc_status status =
        beamc_rpc_unary(channel, BEAMC_FN_SERVICE("ProvisionService/GetProvisionInfo"),
                        (beamc_slice){NULL, 0}, DEADLINE_MS, &answer, err);
    if (status == BEAMC_OK) {
        status = beamc__proto_unpack(&fn__get_provision_info_response__descriptor,
                                     beamc_rpc_msg_data(answer), (ProtobufCMessage **)out, err);
    }
    beamc_rpc_msg_unref(answer);
    beamc_rpc_channel_free(channel);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "provision service at %s", h->provision_url);
    }
    return status;
}

/* What the command line says wins. */
static void take_url(beamc_harness *h, const char **url, const Pipe__ApiServiceDescriptor *named) {
    if ((*url == NULL || (*url)[0] == '\0') && named != NULL && named->url[0] != '\0') {
        *url = beamc_arena_cstr(h->arena, beamc_str(named->url));
    }
}

static void take_siblings(beamc_harness *h, const Fn__ProvisionInfo *info) {
    h->siblings =
        beamc_arena_zalloc(h->arena, (info->n_sibling_worker_ids + 1) * sizeof *h->siblings);
    for (size_t i = 0; i < info->n_sibling_worker_ids; i++) {
        h->siblings[i] = beamc_arena_cstr(h->arena, beamc_str(info->sibling_worker_ids[i]));
    }
}

beamc_status beamc__provision(beamc_harness *h, Fn__ProvisionInfo **out, beamc_error *err) {
    *out = NULL;
    if (h->provision_url == NULL || h->provision_url[0] == '\0') {
        return BEAMC_OK;
    }
    Fn__GetProvisionInfoResponse *answer = NULL;
    BEAMC_TRY(ask(h, &answer, err));
    Fn__ProvisionInfo *info = answer->info;
    answer->info = NULL;
    beamc__proto_free(&answer->base);
    if (info == NULL) {
        return BEAMC_OK;
    }
    take_url(h, &h->control_url, info->control_endpoint);
    take_url(h, &h->logging_url, info->logging_endpoint);
    take_url(h, &h->artifact_url, info->artifact_endpoint);
    take_url(h, &h->status_url, info->status_endpoint);
    take_siblings(h, info);
    for (size_t i = 0; i < info->n_runner_capabilities; i++) {
        beamc__harness_note_capability(h, beamc_str(info->runner_capabilities[i]));
    }
    *out = info;
    if (info->pipeline_options != NULL) {
        return take_options(h, info->pipeline_options, err);
    }
    return BEAMC_OK;
}
