/* artifacts.c: the files of the job, from the artifact service into semi_persist_dir/staged.
 *
 * ResolveArtifacts, then GetArtifact for each (ArtifactRetrievalService), or, when the runner lists no
 * dependencies but has a retrieval token, the manifest of the legacy service. A file is written beside its
 * name and renamed when its SHA-256 is right. Names come from outside: one that could leave the folder is
 * refused. Runs once, before the control stream is opened. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beam_model/beam_artifact_api.pb-c.h"
#include "proto/beam_model/urns.h"
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"

#define RETRIEVAL "/org.apache.beam.model.job_management.v1.ArtifactRetrievalService/"
#define LEGACY "/org.apache.beam.model.job_management.v1.LegacyArtifactRetrievalService/"

enum { DEADLINE_MS = 60000, TRIES = 3, SHA256_BYTES = 32 };

/* One file to fetch. */
typedef struct wanted {
    const char *name;   /* below the folder */
    const char *sha256; /* hex; "": not known */
    unsigned permissions;
    const char *method;
    beamc_slice request;
    const ProtobufCMessageDescriptor *chunk_type; /* its first field is the data */
} wanted;

/* ------------------------------------------------------------------------------------ names */

/* Relative, without "..", "." or empty parts: it stays below the folder. */
static bool is_safe_name(const char *name) {
    if (name[0] == '\0' || name[0] == '/') {
        return false;
    }
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/\\");
        bool dots = (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.');
        if (len == 0 || dots || part[len] == '\\') {
            return false;
        }
        part += len;
        if (*part == '\0') {
            return true;
        }
    }
}

static beamc_status make_folder(const char *path, beamc_error *err) {
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return BEAMC_FAIL(err, PERMISSION_DENIED, "cannot make the folder %s: %s", path,
                          strerror(errno));
    }
    return BEAMC_OK;
}

/* The folders between @p folder and the last part of @p path, which lies below it. */
static beamc_status make_parents(const char *folder, char *path, beamc_error *err) {
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        beamc_status status = make_folder(path, err);
        *slash = '/';
        BEAMC_TRY(status);
    }
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------- fetching */

static beamc_status write_all(int fd, beamc_slice data, beamc_error *err) {
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno != EINTR) {
            return BEAMC_FAIL(err, DATA_LOSS, "cannot write: %s", strerror(errno));
        }
        data.ptr += n > 0 ? n : 0;
        data.len -= n > 0 ? (size_t)n : 0;
    }
    return BEAMC_OK;
}

/* GetArtifactResponse and ArtifactChunk are the same on the wire: data 1. */
static beamc_status take_chunk(const wanted *w, beamc_rpc_msg *msg, int fd, EVP_MD_CTX *hash,
                               beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(w->chunk_type, beamc_rpc_msg_data(msg), &m, err));
    ProtobufCBinaryData data = w->chunk_type == &job__get_artifact_response__descriptor
                                   ? ((Job__GetArtifactResponse *)m)->data
                                   : ((Job__ArtifactChunk *)m)->data;
    EVP_DigestUpdate(hash, data.data, data.len);
    beamc_status status = write_all(fd, beamc_slice_of(data.data, data.len), err);
    beamc__proto_free(m);
    return status;
}

static beamc_status receive(beamc_rpc_channel *channel, const wanted *w, int fd, EVP_MD_CTX *hash,
                            beamc_error *err) {
    beamc_rpc_stream *stream;
    BEAMC_TRY(beamc_rpc_stream_open_server(channel, w->method, w->request, NULL, &stream, err));
    beamc_status status = BEAMC_OK;
    for (;;) {
        beamc_rpc_msg *msg;
        status = beamc_rpc_stream_read(stream, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            break;
        }
        status = take_chunk(w, msg, fd, hash, err);
        beamc_rpc_msg_unref(msg);
        if (status != BEAMC_OK) {
            break;
        }
    }
    beamc_rpc_stream_unref(stream);
    return status;
}

static beamc_status check_hash(const wanted *w, EVP_MD_CTX *hash, beamc_error *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char hex[2 * SHA256_BYTES + 1] = "";
    EVP_DigestFinal_ex(hash, digest, &len);
    for (unsigned i = 0; i < len && i < SHA256_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    if (w->sha256[0] != '\0' && strcasecmp(hex, w->sha256) != 0) {
        return BEAMC_FAIL(err, DATA_LOSS, "its SHA-256 is %s, %s was promised", hex, w->sha256);
    }
    return BEAMC_OK;
}

static beamc_status fetch_to(beamc_rpc_channel *channel, const wanted *w, const char *partial,
                             beamc_error *err) {
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        return BEAMC_FAIL(err, PERMISSION_DENIED, "cannot write %s: %s", partial, strerror(errno));
    }
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    beamc_status status = BEAMC_OK;
    if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        status = BEAMC_FAIL(err, INTERNAL, "OpenSSL has no SHA-256");
    }
    if (status == BEAMC_OK) {
        status = receive(channel, w, fd, hash, err);
    }
    if (status == BEAMC_OK) {
        status = check_hash(w, hash, err);
    }
    if (status == BEAMC_OK && w->permissions != 0) {
        (void)fchmod(fd, w->permissions & 0777);
    }
    if (close(fd) != 0 && status == BEAMC_OK) {
        status = BEAMC_FAIL(err, DATA_LOSS, "cannot write %s: %s", partial, strerror(errno));
    }
    EVP_MD_CTX_free(hash);
    return status;
}

static beamc_status fetch(beamc_harness *h, beamc_rpc_channel *channel, const wanted *w,
                          const char *folder, beamc_error *err) {
    if (!is_safe_name(w->name)) {
        return BEAMC_FAIL(err, PERMISSION_DENIED,
                          "artifact \"%s\": its name would leave the folder %s", w->name, folder);
    }
    char *path = beamc_arena_printf(h->arena, "%s/%s", folder, w->name);
    const char *partial = beamc_arena_printf(h->arena, "%s.partial", path);
    BEAMC_TRY(make_parents(folder, path, err));
    beamc_status status = BEAMC_UNKNOWN;
    for (int i = 0; i < TRIES && status != BEAMC_OK && status != BEAMC_PERMISSION_DENIED; i++) {
        status = fetch_to(channel, w, partial, err);
    }
    if (status == BEAMC_OK && rename(partial, path) != 0) {
        status = BEAMC_FAIL(err, DATA_LOSS, "cannot rename %s: %s", partial, strerror(errno));
    }
    if (status != BEAMC_OK) {
        (void)unlink(partial);
        beamc_error_prepend(err, "artifact %s from %s", w->name, h->artifact_url);
    }
    return status;
}

/* ------------------------------------------------------------------------------ what to fetch */

static beamc_status unpack_payload(beamc_harness *h, const ProtobufCMessageDescriptor *type,
                                   ProtobufCBinaryData payload, ProtobufCMessage **out,
                                   beamc_error *err) {
    return beamc__proto_unpack_arena(type, beamc_slice_of(payload.data, payload.len), h->arena, out,
                                     err);
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Name and hash: the role may say where it belongs, the type knows the hash. */
static beamc_status describe(beamc_harness *h, const Pipe__ArtifactInformation *a, size_t number,
                             wanted *w, beamc_error *err) {
    ProtobufCMessage *m;
    w->name = beamc_arena_printf(h->arena, "artifact-%zu", number);
    w->sha256 = "";
    if (strcmp(a->type_urn, BEAMC_URN_ARTIFACT_TYPE_FILE) == 0) {
        BEAMC_TRY(
            unpack_payload(h, &pipe__artifact_file_payload__descriptor, a->type_payload, &m, err));
        const Pipe__ArtifactFilePayload *file = (const Pipe__ArtifactFilePayload *)m;
        w->name = last_part(file->path);
        w->sha256 = file->sha256;
    } else if (strcmp(a->type_urn, BEAMC_URN_ARTIFACT_TYPE_URL) == 0) {
        BEAMC_TRY(
            unpack_payload(h, &pipe__artifact_url_payload__descriptor, a->type_payload, &m, err));
        const Pipe__ArtifactUrlPayload *url = (const Pipe__ArtifactUrlPayload *)m;
        w->name = last_part(url->url);
        w->sha256 = url->sha256;
    }
    if (strcmp(a->role_urn, BEAMC_URN_ARTIFACT_ROLE_STAGING_TO) == 0) {
        BEAMC_TRY(unpack_payload(h, &pipe__artifact_staging_to_role_payload__descriptor,
                                 a->role_payload, &m, err));
        w->name = ((const Pipe__ArtifactStagingToRolePayload *)m)->staged_name;
    }
    return BEAMC_OK;
}

static beamc_status call(beamc_harness *h, beamc_rpc_channel *channel, const char *method,
                         const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
                         ProtobufCMessage **out, beamc_error *err) {
    beamc_rpc_msg *answer;
    BEAMC_TRY(beamc_rpc_unary(channel, method, beamc__proto_pack(h->arena, request), DEADLINE_MS,
                              &answer, err));
    beamc_status status =
        beamc__proto_unpack_arena(type, beamc_rpc_msg_data(answer), h->arena, out, err);
    beamc_rpc_msg_unref(answer);
    return status;
}

static beamc_status fetch_dependencies(beamc_harness *h, beamc_rpc_channel *channel,
                                       const Fn__ProvisionInfo *info, const char *folder,
                                       beamc_error *err) {
    static const char *preferred[] = {BEAMC_URN_ARTIFACT_TYPE_FILE, BEAMC_URN_ARTIFACT_TYPE_URL,
                                      BEAMC_URN_ARTIFACT_TYPE_EMBEDDED};
    Job__ResolveArtifactsRequest resolve = JOB__RESOLVE_ARTIFACTS_REQUEST__INIT;
    resolve.n_artifacts = info->n_dependencies;
    resolve.artifacts = info->dependencies;
    resolve.n_preferred_urns = sizeof preferred / sizeof preferred[0];
    resolve.preferred_urns = (char **)(uintptr_t)preferred;
    ProtobufCMessage *m;
    BEAMC_TRY(call(h, channel, RETRIEVAL "ResolveArtifacts", &resolve.base,
                   &job__resolve_artifacts_response__descriptor, &m, err));
    const Job__ResolveArtifactsResponse *resolved = (const Job__ResolveArtifactsResponse *)m;
    for (size_t i = 0; i < resolved->n_replacements; i++) {
        Job__GetArtifactRequest get = JOB__GET_ARTIFACT_REQUEST__INIT;
        get.artifact = resolved->replacements[i];
        wanted w = {.method = RETRIEVAL "GetArtifact",
                    .request = beamc__proto_pack(h->arena, &get.base),
                    .chunk_type = &job__get_artifact_response__descriptor};
        BEAMC_TRY(describe(h, get.artifact, i, &w, err));
        BEAMC_TRY(fetch(h, channel, &w, folder, err));
    }
    return BEAMC_OK;
}

static beamc_status fetch_manifest(beamc_harness *h, beamc_rpc_channel *channel, char *token,
                                   const char *folder, beamc_error *err) {
    Job__GetManifestRequest ask = JOB__GET_MANIFEST_REQUEST__INIT;
    ask.retrieval_token = token;
    ProtobufCMessage *m;
    beamc_status status = call(h, channel, LEGACY "GetManifest", &ask.base,
                               &job__get_manifest_response__descriptor, &m, err);
    if (status == BEAMC_UNIMPLEMENTED) {
        return BEAMC_OK; /* Flink gives every job a token, and serves no manifest where nothing was staged */
    }
    BEAMC_TRY(status);
    const Job__Manifest *manifest = ((const Job__GetManifestResponse *)m)->manifest;
    for (size_t i = 0; manifest != NULL && i < manifest->n_artifact; i++) {
        const Job__ArtifactMetadata *a = manifest->artifact[i];
        Job__LegacyGetArtifactRequest get = JOB__LEGACY_GET_ARTIFACT_REQUEST__INIT;
        get.name = a->name;
        get.retrieval_token = token;
        wanted w = {.name = a->name,
                    .sha256 = a->sha256,
                    .permissions = a->permissions,
                    .method = LEGACY "GetArtifact",
                    .request = beamc__proto_pack(h->arena, &get.base),
                    .chunk_type = &job__artifact_chunk__descriptor};
        BEAMC_TRY(fetch(h, channel, &w, folder, err));
    }
    return BEAMC_OK;
}

beamc_status beamc__artifacts_fetch(beamc_harness *h, const Fn__ProvisionInfo *info,
                                    beamc_error *err) {
    bool has_token = info->retrieval_token[0] != '\0' &&
                     strcmp(info->retrieval_token, BEAMC_CONSTANT_NO_ARTIFACTS_STAGED_TOKEN) != 0;
    bool legacy = info->n_dependencies == 0 && has_token;
    if (info->n_dependencies == 0 && !legacy) {
        return BEAMC_OK;
    }
    if (h->artifact_url == NULL || h->artifact_url[0] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "the job has staged files, but no artifact endpoint is named");
    }
    const char *folder = beamc_arena_printf(h->arena, "%s/staged", h->semi_persist_dir);
    BEAMC_TRY(make_folder(folder, err));
    beamc_rpc_channel *channel;
    BEAMC_TRY(beamc__endpoint_connect(&h->client, "artifact", h->artifact_url, &channel, err));
    beamc_status status = legacy ? fetch_manifest(h, channel, info->retrieval_token, folder, err)
                                 : fetch_dependencies(h, channel, info, folder, err);
    beamc_rpc_channel_free(channel);
    return status;
}
