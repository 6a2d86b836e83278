/* staging.c: the reverse artifact retrieval. The job server asks, the launcher answers: it resolves every
 * artifact to itself, and sends files in chunks.
 *
 * The service must be served even when there is nothing to stage: some job servers wait for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "beam_model/beam_artifact_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"
#include "submit/submit.h"

enum { CHUNK_BYTES = 1 << 20 };

static beamc_status send(beamc_rpc_stream *stream, Job__ArtifactResponseWrapper *message,
                         beamc_error *err) {
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &message->base);
    return beamc_rpc_stream_write(stream, beamc_rpc_msg_take(&buf), err);
}

static beamc_status answer_resolve(beamc_rpc_stream *stream,
                                   const Job__ResolveArtifactsRequest *request, beamc_error *err) {
    Job__ResolveArtifactsResponse resolved = JOB__RESOLVE_ARTIFACTS_RESPONSE__INIT;
    Job__ArtifactResponseWrapper out = JOB__ARTIFACT_RESPONSE_WRAPPER__INIT;
    resolved.n_replacements = request->n_artifacts;
    resolved.replacements = request->artifacts;
    out.response_case = JOB__ARTIFACT_RESPONSE_WRAPPER__RESPONSE_RESOLVE_ARTIFACT_RESPONSE;
    out.resolve_artifact_response = &resolved;
    return send(stream, &out, err);
}

static beamc_status send_chunk(beamc_rpc_stream *stream, void *data, size_t len, bool last,
                               beamc_error *err) {
    Job__GetArtifactResponse chunk = JOB__GET_ARTIFACT_RESPONSE__INIT;
    Job__ArtifactResponseWrapper out = JOB__ARTIFACT_RESPONSE_WRAPPER__INIT;
    chunk.data.data = data;
    chunk.data.len = len;
    out.is_last = last;
    out.response_case = JOB__ARTIFACT_RESPONSE_WRAPPER__RESPONSE_GET_ARTIFACT_RESPONSE;
    out.get_artifact_response = &chunk;
    return send(stream, &out, err);
}

static beamc_status send_file(beamc_rpc_stream *stream, const char *path, beamc_error *err) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return BEAMC_FAIL(err, NOT_FOUND, "cannot stage %s: %s", path, strerror(errno));
    }
    beamc_buf buf = {0};
    beamc_status status = BEAMC_OK;
    while (status == BEAMC_OK) {
        size_t n = fread(beamc_buf_room(&buf, CHUNK_BYTES), 1, CHUNK_BYTES, file);
        if (n == 0) {
            status = ferror(file)
                         ? BEAMC_FAIL(err, DATA_LOSS, "cannot read %s: %s", path, strerror(errno))
                         : send_chunk(stream, NULL, 0, true, err);
            break;
        }
        status = send_chunk(stream, buf.ptr, n, false, err);
    }
    beamc_buf_free(&buf);
    fclose(file);
    return status;
}

static beamc_status answer_get(beamc_rpc_stream *stream, const Job__GetArtifactRequest *request,
                               beamc_error *err) {
    const Pipe__ArtifactInformation *artifact = request->artifact;
    const char *urn = artifact != NULL ? artifact->type_urn : "";
    ProtobufCMessage *message;
    beamc_slice payload =
        artifact != NULL ? beamc_slice_of(artifact->type_payload.data, artifact->type_payload.len)
                         : beamc_str("");
    if (strcmp(urn, BEAMC_URN_ARTIFACT_TYPE_FILE) == 0) {
        BEAMC_TRY(
            beamc__proto_unpack(&pipe__artifact_file_payload__descriptor, payload, &message, err));
        beamc_status status = send_file(stream, ((Pipe__ArtifactFilePayload *)message)->path, err);
        beamc__proto_free(message);
        return status;
    }
    if (strcmp(urn, BEAMC_URN_ARTIFACT_TYPE_EMBEDDED) == 0) {
        BEAMC_TRY(
            beamc__proto_unpack(&pipe__embedded_file_payload__descriptor, payload, &message, err));
        const Pipe__EmbeddedFilePayload *embedded = (const Pipe__EmbeddedFilePayload *)message;
        beamc_status status =
            send_chunk(stream, embedded->data.data, embedded->data.len, false, err);
        beamc__proto_free(message);
        return status != BEAMC_OK ? status : send_chunk(stream, NULL, 0, true, err);
    }
    return BEAMC_FAIL(err, UNIMPLEMENTED,
                      "the job server asks for an artifact of type %s, which we never list", urn);
}

static beamc_status answer(beamc_rpc_stream *stream, beamc_slice request, beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY(
        beamc__proto_unpack(&job__artifact_request_wrapper__descriptor, request, &message, err));
    const Job__ArtifactRequestWrapper *wrapper = (const Job__ArtifactRequestWrapper *)message;
    beamc_status status;
    switch (wrapper->request_case) {
    case JOB__ARTIFACT_REQUEST_WRAPPER__REQUEST_RESOLVE_ARTIFACT:
        status = answer_resolve(stream, wrapper->resolve_artifact, err);
        break;
    case JOB__ARTIFACT_REQUEST_WRAPPER__REQUEST_GET_ARTIFACT:
        status = answer_get(stream, wrapper->get_artifact, err);
        break;
    default:
        status = BEAMC_FAIL(err, UNIMPLEMENTED,
                            "the job server sent an artifact request of an unknown kind");
        break;
    }
    beamc__proto_free(message);
    return status;
}

beamc_status beamc__submit_stage(beamc_rpc_channel *channel, const char *token, beamc_error *err) {
    beamc_rpc_stream *stream;
    BEAMC_TRY(
        beamc_rpc_stream_open(channel,
                              "/org.apache.beam.model.job_management.v1.ArtifactStagingService/"
                              "ReverseArtifactRetrievalService",
                              NULL, &stream, err));
    Job__ArtifactResponseWrapper first = JOB__ARTIFACT_RESPONSE_WRAPPER__INIT;
    char *text = strdup(token);
    first.staging_token = text;
    beamc_status status = send(stream, &first, err);
    free(text);
    while (status == BEAMC_OK) {
        beamc_rpc_msg *request;
        status = beamc_rpc_stream_read(stream, &request, err);
        if (status != BEAMC_OK || request == NULL) {
            break;
        }
        status = answer(stream, beamc_rpc_msg_data(request), err);
        beamc_rpc_msg_unref(request);
    }
    beamc_rpc_stream_close_send(stream);
    beamc_rpc_stream_unref(stream);
    return status;
}
