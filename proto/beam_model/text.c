/* text.c: messages as text, by protobuf-c's descriptors. */
#include "proto/beam_model/text.h"

#include <ctype.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "beam_model/schema.pb-c.h"
#include "beam_model/standard_window_fns.pb-c.h"
#include "beamc/payload.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"

typedef struct printer {
    beamc_buf *out;
    size_t max_bytes;
    unsigned depth;
} printer;

/* What the payload of a FunctionSpec with this URN is. */
static const struct payload_type {
    const char *urn;
    const ProtobufCMessageDescriptor *type;
} payload_types[] = {
    {BEAMC_URN_PRIMITIVE_PAR_DO, &pipe__par_do_payload__descriptor},
    {BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, &pipe__par_do_payload__descriptor},
    {BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, &pipe__par_do_payload__descriptor},
    {BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION, &pipe__par_do_payload__descriptor},
    {BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
     &pipe__par_do_payload__descriptor},
    {BEAMC_URN_COMPOSITE_COMBINE_PER_KEY, &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMPOSITE_COMBINE_GLOBALLY, &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS,
     &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS,
     &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS,
     &pipe__combine_payload__descriptor},
    {BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES, &pipe__combine_payload__descriptor},
    {BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS, &pipe__window_into_payload__descriptor},
    {BEAMC_URN_PRIMITIVE_TEST_STREAM, &pipe__test_stream_payload__descriptor},
    {BEAMC_URN_FIXED_WINDOWS, &pipe__fixed_windows_payload__descriptor},
    {BEAMC_URN_SLIDING_WINDOWS, &pipe__sliding_windows_payload__descriptor},
    {BEAMC_URN_SESSION_WINDOWS, &pipe__session_windows_payload__descriptor},
    {BEAMC_URN_CODER_ROW, &pipe__schema__descriptor},
    {"beam:runner:source:v1", &fn__remote_grpc_port__descriptor},
    {"beam:runner:sink:v1", &fn__remote_grpc_port__descriptor},
    {BEAMC_URN_ENVIRONMENT_EXTERNAL, &pipe__external_payload__descriptor},
    {BEAMC_URN_ENVIRONMENT_DOCKER, &pipe__docker_payload__descriptor},
    {BEAMC_URN_ENVIRONMENT_PROCESS, &pipe__process_payload__descriptor},
};

static void print_message(printer *p, const ProtobufCMessage *message);

static void indent(printer *p) {
    for (unsigned i = 0; i < p->depth; i++) {
        beamc_buf_put(p->out, "  ", 2);
    }
}

static void print_quoted(printer *p, beamc_slice s) {
    size_t shown = p->max_bytes != 0 && s.len > p->max_bytes ? p->max_bytes : s.len;
    beamc_buf_put_u8(p->out, '"');
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            beamc_buf_printf(p->out, "\\%c", c);
        } else if (isprint(c)) {
            beamc_buf_put_u8(p->out, c);
        } else {
            beamc_buf_printf(p->out, "\\%03o", c);
        }
    }
    beamc_buf_put_u8(p->out, '"');
    if (shown < s.len) {
        beamc_buf_printf(p->out, " ... %zu bytes", s.len);
    }
}

static void print_block(printer *p, const char *name, const ProtobufCMessage *message) {
    indent(p);
    beamc_buf_printf(p->out, "%s {\n", name);
    p->depth++;
    print_message(p, message);
    p->depth--;
    indent(p);
    beamc_buf_put_str(p->out, "}\n");
}

static void print_enum(printer *p, const ProtobufCFieldDescriptor *f, const void *at) {
    int n = *(const int *)at;
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, n);
    if (v != NULL) {
        beamc_buf_put_str(p->out, v->name);
    } else {
        beamc_buf_printf(p->out, "%d", n);
    }
}

static void print_scalar(printer *p, const ProtobufCFieldDescriptor *f, const void *at) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        beamc_buf_printf(p->out, "%d", *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        beamc_buf_printf(p->out, "%lld", (long long)*(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        beamc_buf_printf(p->out, "%u", *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        beamc_buf_printf(p->out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        beamc_buf_printf(p->out, "%g", (double)*(const float *)at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        beamc_buf_printf(p->out, "%.17g", *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        beamc_buf_put_str(p->out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        print_enum(p, f, at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        print_quoted(p, beamc_str(*(const char *const *)at));
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *b = at;
        print_quoted(p, beamc_slice_of(b->data, b->len));
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
}

static void print_value(printer *p, const ProtobufCFieldDescriptor *f, const void *at) {
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        print_block(p, f->name, *(const ProtobufCMessage *const *)at);
        return;
    }
    indent(p);
    beamc_buf_printf(p->out, "%s: ", f->name);
    print_scalar(p, f, at);
    beamc_buf_put_u8(p->out, '\n');
}

static size_t size_of(const ProtobufCFieldDescriptor *f) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8;
    }
}

/* Proto3 has no presence for scalars: the zero value is not shown. */
static bool is_default(const ProtobufCFieldDescriptor *f, const void *at) {
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(void *const *)at == NULL;
    }
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        const char *s = *(const char *const *)at;
        return s == NULL || s[0] == '\0';
    }
    if (f->type == PROTOBUF_C_TYPE_BYTES) {
        return ((const ProtobufCBinaryData *)at)->len == 0;
    }
    static const char zero[8];
    return memcmp(at, zero, size_of(f)) == 0;
}

static void print_field(printer *p, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *f) {
    const char *base = (const char *)message;
    const char *at = base + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)(const void *)(base + f->quantifier_offset);
        const char *items = *(const char *const *)(const void *)at;
        for (size_t i = 0; i < count; i++) {
            print_value(p, f, items + i * size_of(f));
        }
    } else if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t chosen = *(const uint32_t *)(const void *)(base + f->quantifier_offset);
        if (chosen == f->id) {
            print_value(p, f, at);
        }
    } else if (!is_default(f, at)) {
        print_value(p, f, at);
    }
}

static const ProtobufCMessageDescriptor *payload_type(const char *urn) {
    for (size_t i = 0; i < sizeof payload_types / sizeof payload_types[0]; i++) {
        if (strcmp(payload_types[i].urn, urn) == 0) {
            return payload_types[i].type;
        }
    }
    return strstr(urn, ":dofn:") != NULL || strstr(urn, ":combiner:") != NULL
               ? &step__step_payload__descriptor
               : NULL;
}

/* True when the payload was shown as the message that it holds. */
static bool print_payload(printer *p, const char *urn, ProtobufCBinaryData payload) {
    const ProtobufCMessageDescriptor *type = payload_type(urn);
    ProtobufCMessage *inner;
    if (type == NULL || payload.len == 0 ||
        beamc__proto_unpack(type, beamc_slice_of(payload.data, payload.len), &inner, NULL) !=
            BEAMC_OK) {
        return false;
    }
    indent(p);
    beamc_buf_printf(p->out, "payload: %s {\n", type->short_name);
    p->depth++;
    print_message(p, inner);
    p->depth--;
    indent(p);
    beamc_buf_put_str(p->out, "}\n");
    beamc__proto_free(inner);
    return true;
}

static void print_message(printer *p, const ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool is_spec = type == &pipe__function_spec__descriptor;
    bool is_environment = type == &pipe__environment__descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        if (is_spec && strcmp(f->name, "payload") == 0 &&
            print_payload(p, ((const Pipe__FunctionSpec *)message)->urn,
                          ((const Pipe__FunctionSpec *)message)->payload)) {
            continue;
        }
        if (is_environment && strcmp(f->name, "payload") == 0 &&
            print_payload(p, ((const Pipe__Environment *)message)->urn,
                          ((const Pipe__Environment *)message)->payload)) {
            continue;
        }
        print_field(p, message, f);
    }
}

void beamc__proto_text(const ProtobufCMessage *message, size_t max_bytes, beamc_buf *out) {
    printer p = {.out = out, .max_bytes = max_bytes};
    print_message(&p, message);
}
