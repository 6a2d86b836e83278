/* payload.c: see payload.h. */
#include "graph/payload.h"

#include "beamc/payload.pb-c.h"

#include "graph/coder_table.h"
#include "graph/pb.h"

#include <inttypes.h>

static uint64_t fingerprint_of(const beamc_row *table) {
    return table != NULL ? beamc_row_fingerprint(table) : 0;
}

/* --------------------------------------------------------------------------------- writing */

static beamc_status encode_config(const beamc_row *table, const void *config, beamc_arena *arena,
                                  beamc_slice *out, beamc_error *err) {
    if (table == NULL) {
        *out = (beamc_slice){0};
        return BEAMC_OK;
    }
    if (config == NULL) {
        void *defaults = beamc_arena_zalloc(arena, table->size);
        BEAMC_TRY_CTX(err, beamc_row_defaults(table, arena, defaults, err), "config");
        config = defaults;
    }
    beamc_coder coder = BEAMC_ROW_CODER(table);
    beamc_value value = {.row = config};
    beamc_buf bytes = {0};
    beamc_status st = beamc_encode(&coder, &value, true, &bytes, err);
    if (st != BEAMC_OK) {
        beamc_error_prepend(err, "config");
    }
    *out = beamc_arena_copy(arena, beamc_buf_slice(&bytes));
    beamc_buf_free(&bytes);
    return st;
}

static beamc_status put_coder(const beamc_coder *coder, beamc_arena *arena,
                              ProtobufCBinaryData *out, beamc_error *err) {
    if (coder != NULL) {
        beamc_slice bytes;
        BEAMC_TRY(beamc__coder_pack(coder, arena, &bytes, err));
        *out = beamc_pb_bytes(bytes);
    }
    return BEAMC_OK;
}

static beamc_status put_outputs(const beamc_dofn *fn, const beamc_coder *const *coders,
                                beamc_arena *arena, Step__StepPayload *m, beamc_error *err) {
    unsigned n = beamc_dofn_output_count(fn);
    m->outputs = beamc_arena_alloc(arena, n * sizeof *m->outputs);
    for (unsigned i = 0; i < n; i++) {
        Step__StepOutput *o = beamc_pb_new(arena, &step__step_output__descriptor);
        o->tag = beamc_pb_text(fn->outputs[i].name);
        bool own = fn->outputs[i].coder != NULL &&
                   (coders[i] == NULL || beamc_coder_equal(coders[i], fn->outputs[i].coder));
        BEAMC_TRY_CTX(err, put_coder(own ? NULL : coders[i], arena, &o->coder, err),
                      "output \"%s\"", fn->outputs[i].name);
        m->outputs[m->n_outputs++] = o;
    }
    return BEAMC_OK;
}

static beamc_status put_common(const beamc_row *table, const void *config, const beamc_coder *own,
                               const beamc_coder *input, beamc_arena *arena, Step__StepPayload *m,
                               beamc_error *err) {
    beamc_slice bytes;
    BEAMC_TRY(encode_config(table, config, arena, &bytes, err));
    m->config = beamc_pb_bytes(bytes);
    m->config_fingerprint = fingerprint_of(table);
    if (own == NULL) {
        BEAMC_TRY_CTX(err, put_coder(input, arena, &m->input_coder, err), "input");
    }
    return BEAMC_OK;
}

beamc_status beamc__payload_encode_dofn(const beamc_dofn *fn, const void *config,
                                        const beamc_coder *input, const beamc_coder *const *outputs,
                                        beamc_buf *out, beamc_error *err) {
    beamc_arena *arena = beamc_arena_new(4096);
    Step__StepPayload m;
    step__step_payload__init(&m);
    beamc_status st = put_common(fn->config, config, fn->input, input, arena, &m, err);
    if (st == BEAMC_OK) {
        st = put_outputs(fn, outputs, arena, &m, err);
    }
    if (st == BEAMC_OK) {
        beamc__proto_put(out, &m.base);
    }
    beamc_arena_free(arena);
    return st;
}

beamc_status beamc__payload_encode_combiner(const beamc_combiner *fn, const void *config,
                                            const beamc_coder *input, beamc_buf *out,
                                            beamc_error *err) {
    beamc_arena *arena = beamc_arena_new(4096);
    Step__StepPayload m;
    step__step_payload__init(&m);
    beamc_status st = put_common(fn->config, config, fn->input, input, arena, &m, err);
    if (st == BEAMC_OK) {
        beamc__proto_put(out, &m.base);
    }
    beamc_arena_free(arena);
    return st;
}

/* --------------------------------------------------------------------------------- reading */

static beamc_status decode_config(const char *what, const char *urn, const beamc_row *table,
                                  const Step__StepPayload *m, beamc_arena *arena, const void **out,
                                  beamc_error *err) {
    uint64_t here = fingerprint_of(table);
    if (m->config_fingerprint != here) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "%s %s: the job was built with config table %016" PRIx64
                          ", this worker has %016" PRIx64
                          ": run the job with the program version that built it",
                          what, urn, m->config_fingerprint, here);
    }
    *out = NULL;
    if (table == NULL) {
        return BEAMC_OK;
    }
    /* Slices in the struct point into the bytes, so these go into the arena too. */
    beamc_slice bytes = beamc_arena_copy(arena, beamc_slice_of(m->config.data, m->config.len));
    beamc_coder coder = BEAMC_ROW_CODER(table);
    beamc_value value;
    BEAMC_TRY_CTX(err, beamc_decode(&coder, &bytes, true, arena, &value, err), "%s %s: config",
                  what, urn);
    *out = value.row;
    return BEAMC_OK;
}

static beamc_status take_coder(ProtobufCBinaryData bytes, const beamc_coder *own,
                               const beamc_row_finder *rows, beamc_arena *arena,
                               const beamc_coder **out, beamc_error *err) {
    *out = own;
    if (bytes.len == 0) {
        return BEAMC_OK;
    }
    return beamc__coder_unpack(beamc_slice_of(bytes.data, bytes.len), rows, arena, out, err);
}

static beamc_status take_outputs(const beamc_dofn *fn, const Step__StepPayload *m,
                                 const beamc_row_finder *rows, beamc_arena *arena,
                                 beamc_payload *out, beamc_error *err) {
    unsigned n = beamc_dofn_output_count(fn);
    bool same = m->n_outputs == n;
    for (unsigned i = 0; same && i < n; i++) {
        same = strcmp(m->outputs[i]->tag, fn->outputs[i].name) == 0;
    }
    if (!same) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "DoFn %s: the job was built with %zu output(s), this worker's version "
                          "has %u or names them otherwise: run the job with the program version "
                          "that built it",
                          fn->urn, m->n_outputs, n);
    }
    out->output_count = n;
    for (unsigned i = 0; i < n; i++) {
        BEAMC_TRY_CTX(err,
                      take_coder(m->outputs[i]->coder, fn->outputs[i].coder, rows, arena,
                                 &out->outputs[i], err),
                      "DoFn %s: output \"%s\"", fn->urn, fn->outputs[i].name);
    }
    return BEAMC_OK;
}

static beamc_status unpack(const char *what, const char *urn, beamc_slice payload,
                           Step__StepPayload **out, beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY_CTX(err, beamc__proto_unpack(&step__step_payload__descriptor, payload, &m, err),
                  "%s %s: payload", what, urn);
    *out = (Step__StepPayload *)m;
    return BEAMC_OK;
}

beamc_status beamc__payload_decode_dofn(const beamc_dofn *fn, beamc_slice payload,
                                        const beamc_row_finder *rows, beamc_arena *arena,
                                        beamc_payload *out, beamc_error *err) {
    *out = (beamc_payload){0};
    Step__StepPayload *m;
    BEAMC_TRY(unpack("DoFn", fn->urn, payload, &m, err));
    beamc_status st = decode_config("DoFn", fn->urn, fn->config, m, arena, &out->config, err);
    if (st == BEAMC_OK) {
        st = take_coder(m->input_coder, fn->input, rows, arena, &out->input, err);
    }
    if (st == BEAMC_OK) {
        st = take_outputs(fn, m, rows, arena, out, err);
    }
    beamc__proto_free(&m->base);
    return st;
}

beamc_status beamc__payload_decode_combiner(const beamc_combiner *fn, beamc_slice payload,
                                            const beamc_row_finder *rows, beamc_arena *arena,
                                            beamc_payload *out, beamc_error *err) {
    *out = (beamc_payload){0};
    Step__StepPayload *m;
    BEAMC_TRY(unpack("combiner", fn->urn, payload, &m, err));
    beamc_status st = decode_config("combiner", fn->urn, fn->config, m, arena, &out->config, err);
    if (st == BEAMC_OK) {
        st = take_coder(m->input_coder, fn->input, rows, arena, &out->input, err);
    }
    beamc__proto_free(&m->base);
    return st;
}
