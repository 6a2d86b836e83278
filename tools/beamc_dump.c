/* beamc_dump.c: beamc-dump, a pipeline, a descriptor or recorded Fn API traffic as text.
 *
 * A recording (beamc-worker --record_traffic=FILE) is a magic line and then frames: one byte '<' (to the worker)
 * or '>' (from it), the length of the method's name and the name, the length of the message and the message;
 * lengths are varints. */
#include <errno.h>
#include <stdio.h>

#include <beamc/options.h>

#include "base/wire.h"
#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_job_api.pb-c.h"
#include "beam_model/beam_provision_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "proto/beam_model/text.h"
#include "proto/beam_model/unpack.h"

enum { SHOWN_BYTES = 200 };
static const char recording_magic[] = "beamc recording 1\n";

static const struct named_type {
    const char *name;
    const ProtobufCMessageDescriptor *type;
} types[] = {
    {"pipeline", &pipe__pipeline__descriptor},
    {"descriptor", &fn__process_bundle_descriptor__descriptor},
    {"elements", &fn__elements__descriptor},
    {"request", &fn__instruction_request__descriptor},
    {"response", &fn__instruction_response__descriptor},
    {"state_request", &fn__state_request__descriptor},
    {"state_response", &fn__state_response__descriptor},
    {"prepare", &job__prepare_job_request__descriptor},
    {"provision", &fn__provision_info__descriptor},
};

/* What a method carries in each direction. */
static const struct method_types {
    const char *suffix;
    const ProtobufCMessageDescriptor *to_worker, *from_worker;
} methods[] = {
    {"BeamFnControl/Control", &fn__instruction_request__descriptor,
     &fn__instruction_response__descriptor},
    {"BeamFnControl/GetProcessBundleDescriptor", &fn__process_bundle_descriptor__descriptor,
     &fn__get_process_bundle_descriptor_request__descriptor},
    {"BeamFnData/Data", &fn__elements__descriptor, &fn__elements__descriptor},
    {"BeamFnState/State", &fn__state_response__descriptor, &fn__state_request__descriptor},
    {"BeamFnLogging/Logging", &fn__log_control__descriptor, &fn__log_entry__list__descriptor},
};

static const beamc_option options_table[] = {
    {.name = "type",
     .type = BEAMC_OPTION_CHOICE,
     .default_text = "pipeline",
     .choices = "pipeline|descriptor|elements|request|response|state_request|state_response|"
                "prepare|provision",
     .doc = "What FILE holds, when it is not a recording."},
    {.name = "full",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "false",
     .doc = "Show byte fields whole."},
    {.name = "file",
     .placeholder = "FILE|-",
     .default_text = "-",
     .doc = "Where to read; - is standard input."},
    {.name = "help", .type = BEAMC_OPTION_BOOL, .default_text = "false", .doc = "This text."},
    {0},
};

static beamc_status print_as(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                             size_t max_bytes, beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY(beamc__proto_unpack(type, bytes, &message, err));
    beamc_buf text = {0};
    beamc__proto_text(message, max_bytes, &text);
    fwrite(text.ptr, 1, text.len, stdout);
    beamc_buf_free(&text);
    beamc__proto_free(message);
    return BEAMC_OK;
}

static const ProtobufCMessageDescriptor *type_of_frame(beamc_slice method, bool to_worker) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        size_t n = strlen(methods[i].suffix);
        if (method.len >= n && memcmp(method.ptr + method.len - n, methods[i].suffix, n) == 0) {
            return to_worker ? methods[i].to_worker : methods[i].from_worker;
        }
    }
    return NULL;
}

static beamc_status print_recording(beamc_slice bytes, size_t max_bytes, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(bytes);
    in.p += sizeof recording_magic - 1;
    for (size_t frame = 0; beamc_cursor_left(&in) > 0; frame++) {
        unsigned direction;
        beamc_slice method, message;
        if (!beamc_get_u8(&in, &direction) || !beamc_get_prefixed(&in, &method) ||
            !beamc_get_prefixed(&in, &message)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "the recording is cut short in frame %zu",
                              frame);
        }
        printf("# %zu %c %.*s, %zu bytes\n", frame, (int)direction, BEAMC_SLICE_ARG(method),
               message.len);
        const ProtobufCMessageDescriptor *type = type_of_frame(method, direction == '<');
        if (type != NULL) {
            BEAMC_TRY_CTX(err, print_as(type, message, max_bytes, err), "frame %zu", frame);
        }
    }
    return BEAMC_OK;
}

static beamc_status read_whole(const char *path, beamc_buf *out, beamc_error *err) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        return BEAMC_FAIL(err, NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    size_t n;
    do {
        n = fread(beamc_buf_room(out, 65536), 1, 65536, file);
        out->len += n;
    } while (n > 0);
    bool failed = ferror(file) != 0;
    if (file != stdin) {
        fclose(file);
    }
    return failed ? BEAMC_FAIL(err, DATA_LOSS, "%s: %s", path, strerror(errno)) : BEAMC_OK;
}

static beamc_status dump(const beamc_options *options, beamc_error *err) {
    const char *path = beamc_option_text(options, "file");
    size_t max_bytes = beamc_option_bool(options, "full") ? 0 : SHOWN_BYTES;
    beamc_buf bytes = {0};
    beamc_status status = read_whole(path, &bytes, err);
    if (status != BEAMC_OK) {
        beamc_buf_free(&bytes);
        return status;
    }
    beamc_slice all = beamc_buf_slice(&bytes);
    if (beamc_slice_starts_with(all, beamc_str(recording_magic))) {
        status = print_recording(all, max_bytes, err);
    } else {
        const char *name = beamc_option_text(options, "type");
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (strcmp(types[i].name, name) == 0) {
                status = print_as(types[i].type, all, max_bytes, err);
            }
        }
    }
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "%s", path);
    }
    beamc_buf_free(&bytes);
    return status;
}

static int print_help(const beamc_options *options) {
    beamc_buf text = {0};
    beamc_options_help(options,
                       "usage: beamc-dump [--type=TYPE] [FILE]\nA pipeline, a descriptor or "
                       "recorded Fn API traffic as "
                       "text.",
                       &text);
    fwrite(text.ptr, 1, text.len, stdout);
    beamc_buf_free(&text);
    return 0;
}

int main(int argc, char **argv) {
    const beamc_option *tables[] = {options_table, NULL};
    beamc_options *options = beamc_options_new(tables);
    beamc_error err = {0};
    /* The one argument without dashes is the file. */
    int kept = argc > 0 ? 1 : 0;
    beamc_status status = BEAMC_OK;
    for (int i = 1; i < argc && status == BEAMC_OK; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            status = beamc_options_set(options, "file", argv[i], &err);
        } else {
            argv[kept++] = argv[i];
        }
    }
    if (status == BEAMC_OK) {
        status = beamc_options_parse(options, kept, argv, NULL, false, &err);
    }
    int code = 2;
    if (status == BEAMC_OK && beamc_option_bool(options, "help")) {
        code = print_help(options);
    } else if (status == BEAMC_OK) {
        status = dump(options, &err);
        code = status == BEAMC_OK ? 0 : 1;
    }
    if (status != BEAMC_OK) {
        fprintf(stderr, "beamc-dump: %s\n", err.message);
    }
    beamc_options_free(options);
    return code;
}
