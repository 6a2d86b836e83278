/* environment.c: where a portable runner shall run our DoFns, in the words of Beam's options. */
#include <beamc/buf.h>
#include <jansson.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "beam_model/beam_runner_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"
#include "submit/submit.h"

static const char *environment_type(const beamc_options *options) {
    const char *type = beamc_option_text(options, "environment_type");
    return type != NULL ? type : "LOOPBACK";
}

bool beamc__submit_is_loopback(const beamc_options *options) {
    return strcasecmp(environment_type(options), "LOOPBACK") == 0;
}

static beamc_status external(const char *endpoint, beamc_arena *arena, beamc_environment *out) {
    Pipe__ApiServiceDescriptor service = PIPE__API_SERVICE_DESCRIPTOR__INIT;
    Pipe__ExternalPayload payload = PIPE__EXTERNAL_PAYLOAD__INIT;
    service.url = beamc_arena_cstr(arena, beamc_str(endpoint));
    payload.endpoint = &service;
    out->urn = BEAMC_URN_ENVIRONMENT_EXTERNAL;
    out->payload = beamc__proto_pack(arena, &payload.base);
    return BEAMC_OK;
}

static beamc_status docker(const char *image, beamc_arena *arena, beamc_environment *out,
                           beamc_error *err) {
    if (image == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "--environment_type=DOCKER needs --environment_config=IMAGE");
    }
    Pipe__DockerPayload payload = PIPE__DOCKER_PAYLOAD__INIT;
    payload.container_image = beamc_arena_cstr(arena, beamc_str(image));
    out->urn = BEAMC_URN_ENVIRONMENT_DOCKER;
    out->payload = beamc__proto_pack(arena, &payload.base);
    return BEAMC_OK;
}

static char *self_path(beamc_arena *arena) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return n > 0 ? beamc_arena_cstr(arena, beamc_slice_of(path, (size_t)n)) : NULL;
}

/* Env entries of the JSON object @p env (may be NULL). */
static beamc_status process_env(json_t *env, beamc_arena *arena, Pipe__ProcessPayload *payload,
                                beamc_error *err) {
    const char *name;
    json_t *value;
    payload->env = beamc_arena_alloc(arena, (json_object_size(env) + 1) * sizeof *payload->env);
    json_object_foreach(env, name, value) {
        if (!json_is_string(value)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "--environment_config: env.%s is not a string",
                              name);
        }
        Pipe__ProcessPayload__EnvEntry *entry = beamc_arena_alloc(arena, sizeof *entry);
        pipe__process_payload__env_entry__init(entry);
        entry->key = beamc_arena_cstr(arena, beamc_str(name));
        entry->value = beamc_arena_cstr(arena, beamc_str(json_string_value(value)));
        payload->env[payload->n_env++] = entry;
    }
    return BEAMC_OK;
}

/* The config is {"command": PATH, "env": {...}}, or a path alone; without one it is this very program. */
static beamc_status process(const char *config, beamc_arena *arena, beamc_environment *out,
                            beamc_error *err) {
    Pipe__ProcessPayload payload = PIPE__PROCESS_PAYLOAD__INIT;
    payload.command =
        config != NULL ? beamc_arena_cstr(arena, beamc_str(config)) : self_path(arena);
    beamc_status status = BEAMC_OK;
    if (config != NULL && config[0] == '{') {
        json_error_t why;
        json_t *object = json_loads(config, 0, &why);
        const char *command = json_string_value(json_object_get(object, "command"));
        payload.command =
            command != NULL ? beamc_arena_cstr(arena, beamc_str(command)) : self_path(arena);
        status = object == NULL ? BEAMC_FAIL(err, INVALID_ARGUMENT,
                                             "--environment_config is not JSON: %s", why.text)
                                : process_env(json_object_get(object, "env"), arena, &payload, err);
        json_decref(object);
    }
    BEAMC_TRY(status);
    if (payload.command == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "--environment_type=PROCESS needs --environment_config=COMMAND");
    }
    out->urn = BEAMC_URN_ENVIRONMENT_PROCESS;
    out->payload = beamc__proto_pack(arena, &payload.base);
    return BEAMC_OK;
}

beamc_status beamc__submit_environment(const beamc_options *options, const char *pool_endpoint,
                                       beamc_arena *arena, beamc_environment *out,
                                       beamc_error *err) {
    const char *type = environment_type(options);
    const char *config = beamc_option_text(options, "environment_config");
    if (strcasecmp(type, "LOOPBACK") == 0) {
        return external(pool_endpoint, arena, out);
    }
    if (strcasecmp(type, "EXTERNAL") == 0) {
        if (config == NULL) {
            return BEAMC_FAIL(
                err, INVALID_ARGUMENT,
                "--environment_type=EXTERNAL needs --environment_config=HOST:PORT of a worker pool "
                "(start one with --worker_pool)");
        }
        return external(config, arena, out);
    }
    if (strcasecmp(type, "PROCESS") == 0) {
        return process(config, arena, out, err);
    }
    if (strcasecmp(type, "DOCKER") == 0) {
        const char *image = beamc_option_text(options, "sdk_container_image");
        return docker(config != NULL ? config : image, arena, out, err);
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT,
                      "--environment_type=%s: known are LOOPBACK, EXTERNAL, PROCESS, DOCKER", type);
}
