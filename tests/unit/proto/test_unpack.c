/* Bytes from outside: depth is bounded, malformed bytes are refused with the place, nothing leaks. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_job_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "beam_model/schema.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "base/mem.h"
#include "base/wire.h"
#include "proto/beam_model/unpack.h"

/* Wraps @p inner in `levels` length-delimited fields whose tags repeat from @p tags. */
static beamc_buf nest(const unsigned char *tags, size_t n_tags, unsigned levels,
                      beamc_slice inner) {
    /* Written from the inside out, so each level is put in front: build backwards. */
    size_t room = inner.len + (size_t)levels * 11;
    unsigned char *bytes = beamc__malloc(room);
    unsigned char *at = bytes + room - inner.len;
    if (inner.len > 0) {
        memcpy(at, inner.ptr, inner.len);
    }
    for (unsigned i = levels; i-- > 0;) {
        unsigned char len[10];
        size_t n = (size_t)(beamc_write_varint(len, (uint64_t)(bytes + room - at)) - len);
        at -= n;
        memcpy(at, len, n);
        *--at = tags[i % n_tags];
    }
    beamc_buf buf = {0};
    beamc_buf_put(&buf, at, (size_t)(bytes + room - at));
    free(bytes);
    return buf;
}

static beamc_status try_unpack(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                               beamc_error *err) {
    ProtobufCMessage *m;
    beamc_status status = beamc__proto_unpack(type, bytes, &m, err);
    cr_assert_eq(m == NULL, status != BEAMC_OK);
    beamc__proto_free(m);
    return status;
}

/* Trigger.repeat = 11, Repeat.subtrigger = 1. */
static const unsigned char TRIGGER[] = {11 << 3 | 2, 1 << 3 | 2};
/* Value.list_value = 6, ListValue.values = 1. */
static const unsigned char VALUE[] = {6 << 3 | 2, 1 << 3 | 2};
/* FieldType.row_type = 6, RowType.schema = 1, Schema.fields = 1, Field.type = 3. */
static const unsigned char FIELD_TYPE[] = {6 << 3 | 2, 1 << 3 | 2, 1 << 3 | 2, 3 << 3 | 2};

typedef struct recursive_case {
    const ProtobufCMessageDescriptor *type;
    const unsigned char *tags;
    size_t n_tags;
} recursive_case;

static const recursive_case RECURSIVE[] = {
    {&pipe__trigger__descriptor, TRIGGER, 2},
    {&google__protobuf__value__descriptor, VALUE, 2},
    {&pipe__field_type__descriptor, FIELD_TYPE, 4},
};

Test(proto_unpack, depth_limit_is_exact) {
    for (size_t i = 0; i < sizeof RECURSIVE / sizeof RECURSIVE[0]; i++) {
        const recursive_case *c = &RECURSIVE[i];
        beamc_error err = {0};
        beamc_buf ok = nest(c->tags, c->n_tags, BEAMC_PROTO_MAX_DEPTH, beamc_str(""));
        cr_assert_eq(try_unpack(c->type, beamc_buf_slice(&ok), &err), BEAMC_OK, "%s", err.message);
        beamc_buf_free(&ok);

        beamc_buf deep = nest(c->tags, c->n_tags, BEAMC_PROTO_MAX_DEPTH + 1, beamc_str(""));
        cr_assert_eq(try_unpack(c->type, beamc_buf_slice(&deep), &err), BEAMC_INVALID_ARGUMENT);
        cr_assert_not_null(strstr(err.message, "nested more than 100 deep"), "%s", err.message);
        beamc_buf_free(&deep);
    }
}

/* This many levels overflow an 8 MB stack in protobuf-c itself. */
Test(proto_unpack, very_deep_bytes_are_refused) {
    for (size_t i = 0; i < sizeof RECURSIVE / sizeof RECURSIVE[0]; i++) {
        beamc_buf deep = nest(RECURSIVE[i].tags, RECURSIVE[i].n_tags, 200000, beamc_str(""));
        cr_assert_eq(try_unpack(RECURSIVE[i].type, beamc_buf_slice(&deep), NULL),
                     BEAMC_INVALID_ARGUMENT);
        beamc_buf_free(&deep);
    }
}

/* Pipeline options are a Struct in a job request: 3 levels above the first Value. */
Test(proto_unpack, deep_pipeline_options_in_a_job_request) {
    beamc_buf value = nest(VALUE, 2, 98, beamc_str(""));
    static const unsigned char OUTSIDE[] = {2 << 3 | 2, 1 << 3 | 2, 2 << 3 | 2};
    beamc_buf request = nest(OUTSIDE, 3, 3, beamc_buf_slice(&value));
    beamc_error err = {0};
    cr_assert_eq(try_unpack(&job__prepare_job_request__descriptor, beamc_buf_slice(&request), &err),
                 BEAMC_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(err.message, "google.protobuf."), "%s", err.message);
    beamc_buf_free(&request);
    beamc_buf_free(&value);
}

Test(proto_unpack, a_lower_limit_can_be_asked_for) {
    beamc_buf bytes = nest(TRIGGER, 2, 4, beamc_str(""));
    beamc_slice s = beamc_buf_slice(&bytes);
    cr_assert_eq(beamc__proto_check_depth(&pipe__trigger__descriptor, s, 4, NULL), BEAMC_OK);
    cr_assert_eq(beamc__proto_check_depth(&pipe__trigger__descriptor, s, 3, NULL),
                 BEAMC_INVALID_ARGUMENT);
    cr_assert_eq(beamc__proto_check_depth(&pipe__trigger__descriptor, s, UINT32_MAX, NULL),
                 BEAMC_OK);
    beamc_buf_free(&bytes);
}

/* Bytes that look like nested messages are bytes: only the schema says where to descend. */
Test(proto_unpack, opaque_bytes_are_not_entered) {
    beamc_buf deep = nest(TRIGGER, 2, 5000, beamc_str(""));
    static const unsigned char PAYLOAD[] = {3 << 3 | 2};
    beamc_buf spec = nest(PAYLOAD, 1, 1, beamc_buf_slice(&deep));
    cr_assert_eq(try_unpack(&pipe__function_spec__descriptor, beamc_buf_slice(&spec), NULL),
                 BEAMC_OK);
    beamc_buf_free(&spec);
    beamc_buf_free(&deep);
}

Test(proto_unpack, siblings_are_not_depth) {
    beamc_buf many = {0};
    for (int i = 0; i < 10000; i++) {
        beamc_slice field = BEAMC_STR("\x0a\x02\x1a\0"); /* fields { type {} } */
        beamc_buf_put_slice(&many, field);
    }
    cr_assert_eq(try_unpack(&pipe__schema__descriptor, beamc_buf_slice(&many), NULL), BEAMC_OK);
    beamc_buf_free(&many);
}

typedef struct bad_case {
    const char *why;
    beamc_slice bytes; /* as an InstructionRequest */
    const char *message;
} bad_case;

Test(proto_unpack, malformed_bytes_name_the_place) {
    static const bad_case cases[] = {
        {"a cut tag", BEAMC_STR("\x80"), "no valid tag"},
        {"field number 0", BEAMC_STR("\x02\0"), "no valid tag"},
        {"a tag beyond 32 bits", BEAMC_STR("\x8a\x80\x80\x80\x80\x01\0"), "no valid tag"},
        {"a string past the end", BEAMC_STR("\x0a\x05q"), "InstructionRequest.instruction_id: "},
        {"a length of 2^63", BEAMC_STR("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
         "InstructionRequest.instruction_id: "},
        {"a string as varint", BEAMC_STR("\x08\x01"), "has wire type 0, should have 2"},
        {"a message as varint", BEAMC_STR("\xc8\x3e\x01"), "process_bundle: has wire type 0"},
        {"a group", BEAMC_STR("\x7b\x7c"), "wire type 3 is not supported"},
        {"wire type 7", BEAMC_STR("\x7f"), "wire type 7 is not supported"},
        {"a nested string past the end of its message", BEAMC_STR("\xca\x3e\x02\x0a\x05hello"),
         "ProcessBundleRequest.process_bundle_descriptor_id: "},
        {"a cut unknown fixed64", BEAMC_STR("\x79\1\2\3"), "(unknown): "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        beamc_error err = {0};
        beamc_status status =
            try_unpack(&fn__instruction_request__descriptor, cases[i].bytes, &err);
        cr_assert_eq(status, BEAMC_INVALID_ARGUMENT, "%s", cases[i].why);
        cr_assert_not_null(strstr(err.message, cases[i].message), "%s: %s", cases[i].why,
                           err.message);
    }
}

Test(proto_unpack, unknown_fields_are_skipped) {
    /* Fields 15 as varint, 64 bit, bytes and 32 bit, then instruction_id. */
    beamc_slice bytes = BEAMC_STR("\x78\x01\x79\1\2\3\4\5\6\7\x08\x7a\x02xy\x7d\1\2\3\4\x0a\x01q");
    ProtobufCMessage *m;
    cr_assert_eq(beamc__proto_unpack(&fn__instruction_request__descriptor, bytes, &m, NULL),
                 BEAMC_OK);
    cr_assert_str_eq(((Fn__InstructionRequest *)m)->instruction_id, "q");
    beamc__proto_free(m);
}

Test(proto_unpack, into_an_arena) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_slice good = BEAMC_STR("\x0a\x01q"), bad = BEAMC_STR("\x0a\x05q");
    ProtobufCMessage *m;
    cr_assert_eq(
        beamc__proto_unpack_arena(&fn__instruction_request__descriptor, good, arena, &m, NULL),
        BEAMC_OK);
    cr_assert_str_eq(((Fn__InstructionRequest *)m)->instruction_id, "q");

    beamc_arena_mark before = beamc_arena_get_mark(arena);
    cr_assert_eq(
        beamc__proto_unpack_arena(&fn__instruction_request__descriptor, bad, arena, &m, NULL),
        BEAMC_INVALID_ARGUMENT);
    cr_assert_null(m);
    cr_assert_eq(beamc_arena_get_mark(arena).used, before.used);
    beamc_arena_free(arena);
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Garbage, and good messages with some bytes changed: any answer but a crash or a leak. What the
 * walk accepts, protobuf-c must accept or refuse without reading past the end (AddressSanitizer). */
Test(proto_unpack, garbage_never_crashes) {
    static const ProtobufCMessageDescriptor *const types[] = {
        &pipe__pipeline__descriptor,
        &pipe__trigger__descriptor,
        &pipe__schema__descriptor,
        &fn__instruction_request__descriptor,
        &fn__process_bundle_descriptor__descriptor,
        &google__protobuf__struct__descriptor,
    };
    uint64_t state = 0x9e3779b97f4a7c15u;
    size_t accepted = 0, refused = 0;
    for (int round = 0; round < 20000; round++) {
        const recursive_case *c = &RECURSIVE[next_random(&state) % 3];
        bool mutate = next_random(&state) % 2 != 0;
        beamc_buf buf = {0};
        if (mutate) {
            buf = nest(c->tags, c->n_tags, (unsigned)(next_random(&state) % 60), beamc_str(""));
            for (size_t n = next_random(&state) % 4; n > 0 && buf.len > 0; n--) {
                buf.ptr[next_random(&state) % buf.len] = (unsigned char)next_random(&state);
            }
        } else {
            for (size_t n = next_random(&state) % 64; n > 0; n--) {
                /* Small bytes make more plausible tags and lengths. */
                beamc_buf_put_u8(
                    &buf, (unsigned)(next_random(&state) % (next_random(&state) % 2 ? 256 : 40)));
            }
        }
        /* An exact copy on the heap, so that one byte too far is seen. */
        char *exact = beamc__malloc(buf.len);
        if (buf.len > 0) {
            memcpy(exact, buf.ptr, buf.len);
        }
        const ProtobufCMessageDescriptor *type =
            mutate ? c->type : types[next_random(&state) % (sizeof types / sizeof types[0])];
        if (try_unpack(type, beamc_slice_of(exact, buf.len), NULL) == BEAMC_OK) {
            accepted++;
        } else {
            refused++;
        }
        free(exact);
        beamc_buf_free(&buf);
    }
    cr_assert_gt(accepted, 100, "%zu", accepted);
    cr_assert_gt(refused, 100, "%zu", refused);
}
