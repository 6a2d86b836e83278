/* translate_coder.c: coders, windowing strategies and ports of a descriptor. */
#include <limits.h>

#include "beam_model/standard_window_fns.pb-c.h"
#include "worker/exec/translate.h"

static bool find_coder(void *arg, const char *id, beamc_coder_spec *out) {
    const beamc_tr *tr = arg;
    const Pipe__Coder *coder = beamc__tr_find(&tr->coder_index, id);
    if (coder == NULL) {
        return false;
    }
    *out = (beamc_coder_spec){.urn = coder->spec != NULL ? coder->spec->urn : "",
                              .payload = coder->spec != NULL ? beamc__tr_bytes(coder->spec->payload)
                                                             : (beamc_slice){0},
                              .component_ids = (const char *const *)coder->component_coder_ids,
                              .component_count = coder->n_component_coder_ids};
    return true;
}

/* The program's own struct for a schema, so that functions of any kind agree on it. */
static const beamc_row *find_row(void *arg, uint64_t fingerprint) {
    const beamc_library *library = arg;
    if (library == NULL) {
        return NULL;
    }
    size_t count;
    const beamc_row *const *rows = beamc__library_rows(library, &count);
    for (size_t i = 0; i < count; i++) {
        if (beamc_row_fingerprint(rows[i]) == fingerprint) {
            return rows[i];
        }
    }
    return NULL;
}

beamc_status beamc__tr_coders_init(beamc_tr *tr) {
    tr->rows = (beamc_row_finder){find_row, (void *)(uintptr_t)tr->env->library};
    beamc_coder_source source = {
        .find = find_coder, .arg = tr, .find_row = tr->rows.find, .row_arg = tr->rows.arg};
    tr->coders = beamc__coder_set_new(tr->arena, &source);
    return BEAMC_OK;
}

beamc_status beamc__tr_coder(beamc_tr *tr, const char *id, const beamc_coder **out) {
    return beamc__coder_set_get(tr->coders, id, out, tr->err);
}

beamc_status beamc__tr_pcol_coder(beamc_tr *tr, const beamc_tr_pcol *pcol,
                                  const beamc_coder *memory, const beamc_coder **out) {
    const beamc_coder *wire;
    BEAMC_TRY_CTX(tr->err, beamc__tr_coder(tr, pcol->proto->coder_id, &wire), "PCollection %s",
                  pcol->id);
    BEAMC_TRY_CTX(tr->err, beamc__coder_bind(tr->arena, wire, memory, out, tr->err),
                  "PCollection %s", pcol->id);
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------- windowing strategies */

static beamc_status to_ms(beamc_tr *tr, int64_t seconds, int32_t nanos, int64_t *out) {
    if (seconds > BEAMC_TIME_MAX / 1000 || seconds < BEAMC_TIME_MIN / 1000) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "a duration of %lld s is out of range",
                          (long long)seconds);
    }
    *out = seconds * 1000 + nanos / 1000000;
    return BEAMC_OK;
}

static beamc_status positive_ms(beamc_tr *tr, const Google__Protobuf__Duration *d, const char *what,
                                int64_t *out) {
    *out = 0;
    if (d != NULL) {
        BEAMC_TRY(to_ms(tr, d->seconds, d->nanos, out));
    }
    if (*out <= 0) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT, "%s of %lld ms; it must be positive", what,
                          (long long)*out);
    }
    return BEAMC_OK;
}

static beamc_status offset_ms(beamc_tr *tr, const Google__Protobuf__Timestamp *t, int64_t *out) {
    *out = 0;
    return t != NULL ? to_ms(tr, t->seconds, t->nanos, out) : BEAMC_OK;
}

static beamc_status unpack(beamc_tr *tr, const ProtobufCMessageDescriptor *type,
                           ProtobufCBinaryData bytes, ProtobufCMessage **out) {
    *out = NULL;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(type, beamc__tr_bytes(bytes), tr->arena, out, tr->err),
                  "window function");
    return BEAMC_OK;
}

beamc_status beamc__tr_window_fn(beamc_tr *tr, const Pipe__FunctionSpec *spec,
                                 beamc_window_fn *out) {
    ProtobufCMessage *message;
    *out = (beamc_window_fn){0};
    const char *urn = spec != NULL ? spec->urn : "";
    if (strcmp(urn, BEAMC_URN_GLOBAL_WINDOWS) == 0) {
        out->kind = BEAMC_WINDOW_GLOBAL;
        return BEAMC_OK;
    }
    if (strcmp(urn, BEAMC_URN_FIXED_WINDOWS) == 0) {
        BEAMC_TRY(unpack(tr, &pipe__fixed_windows_payload__descriptor, spec->payload, &message));
        const Pipe__FixedWindowsPayload *p = (const Pipe__FixedWindowsPayload *)message;
        out->kind = BEAMC_WINDOW_FIXED;
        BEAMC_TRY(positive_ms(tr, p->size, "fixed windows", &out->size_ms));
        return offset_ms(tr, p->offset, &out->offset_ms);
    }
    if (strcmp(urn, BEAMC_URN_SLIDING_WINDOWS) == 0) {
        BEAMC_TRY(unpack(tr, &pipe__sliding_windows_payload__descriptor, spec->payload, &message));
        const Pipe__SlidingWindowsPayload *p = (const Pipe__SlidingWindowsPayload *)message;
        out->kind = BEAMC_WINDOW_SLIDING;
        BEAMC_TRY(positive_ms(tr, p->size, "sliding windows", &out->size_ms));
        BEAMC_TRY(positive_ms(tr, p->period, "period of sliding windows", &out->period_ms));
        return offset_ms(tr, p->offset, &out->offset_ms);
    }
    if (strcmp(urn, BEAMC_URN_SESSION_WINDOWS) == 0) {
        BEAMC_TRY(unpack(tr, &pipe__session_windows_payload__descriptor, spec->payload, &message));
        const Pipe__SessionWindowsPayload *p = (const Pipe__SessionWindowsPayload *)message;
        out->kind = BEAMC_WINDOW_SESSIONS;
        return positive_ms(tr, p->gap_size, "gap of session windows", &out->gap_ms);
    }
    return BEAMC_FAIL(tr->err, UNIMPLEMENTED, "window function %s is not known", urn);
}

/* What a PCollection's strategy says. Windows of other SDKs' own kinds pass through a stage unread. */
beamc_status beamc__tr_windowing(beamc_tr *tr, beamc_tr_pcol *pcol) {
    const Pipe__WindowingStrategy *s =
        beamc__tr_find(&tr->strategy_index, pcol->proto->windowing_strategy_id);
    pcol->allowed_lateness_ms = s == NULL ? INT64_MAX : s->allowed_lateness;
    if (s == NULL) {
        return BEAMC_OK;
    }
    if (s->output_time == PIPE__OUTPUT_TIME__ENUM__LATEST_IN_PANE) {
        pcol->output_time = BEAMC_OUTPUT_LATEST_IN_PANE;
    } else if (s->output_time == PIPE__OUTPUT_TIME__ENUM__EARLIEST_IN_PANE) {
        pcol->output_time = BEAMC_OUTPUT_EARLIEST_IN_PANE;
    }
    beamc_error ignored;
    beamc_error *err = tr->err;
    tr->err = &ignored;
    if (beamc__tr_window_fn(tr, s->window_fn, &pcol->windows) != BEAMC_OK) {
        pcol->windows = (beamc_window_fn){0};
    }
    if (beamc__tr_coder(tr, s->window_coder_id, &pcol->window_coder) != BEAMC_OK) {
        pcol->window_coder = NULL;
    }
    tr->err = err;
    return BEAMC_OK;
}

/* ---------------------------------------------------------------------------------------- ports */

beamc_status beamc__tr_port(beamc_tr *tr, const beamc_tr_node *node, const char **url,
                            const beamc_coder **coder) {
    ProtobufCMessage *message;
    BEAMC_TRY_CTX(tr->err,
                  beamc__proto_unpack_arena(&fn__remote_grpc_port__descriptor, node->payload,
                                            tr->arena, &message, tr->err),
                  "RemoteGrpcPort");
    const Fn__RemoteGrpcPort *port = (const Fn__RemoteGrpcPort *)message;
    *url = port->api_service_descriptor != NULL ? port->api_service_descriptor->url : "";
    BEAMC_TRY(beamc__tr_coder(tr, port->coder_id, coder));
    if ((*coder)->kind != BEAMC_CODER_WINDOWED_VALUE &&
        (*coder)->kind != BEAMC_CODER_PARAM_WINDOWED_VALUE) {
        return BEAMC_FAIL(tr->err, INVALID_ARGUMENT,
                          "coder %s of a port is %s, which carries no windows", port->coder_id,
                          beamc_coder_urn((*coder)->kind));
    }
    return BEAMC_OK;
}
