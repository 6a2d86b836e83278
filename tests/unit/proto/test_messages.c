/* The generated messages: they survive a round trip, and presence is what the model says. */
#include <criterion/criterion.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "beam_model/standard_window_fns.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, beamc_slice bytes) {
    beamc_error err = {0};
    ProtobufCMessage *m;
    beamc_status status = beamc__proto_unpack(type, bytes, &m, &err);
    cr_assert_eq(status, BEAMC_OK, "%s", err.message);
    return m;
}

Test(proto_messages, pipeline_round_trip) {
    Pipe__FunctionSpec spec = PIPE__FUNCTION_SPEC__INIT;
    spec.urn = BEAMC_URN_PRIMITIVE_PAR_DO;
    spec.payload.data = (uint8_t *)"\0\1\2";
    spec.payload.len = 3;

    Pipe__PTransform__InputsEntry input = PIPE__PTRANSFORM__INPUTS_ENTRY__INIT;
    Pipe__PTransform__InputsEntry *inputs[] = {&input};
    input.key = "in";
    input.value = "pc1";

    Pipe__PTransform transform = PIPE__PTRANSFORM__INIT;
    transform.unique_name = "Parse/ParDo";
    transform.spec = &spec;
    transform.n_inputs = 1;
    transform.inputs = inputs;
    transform.environment_id = "env";

    Pipe__Components__TransformsEntry entry = PIPE__COMPONENTS__TRANSFORMS_ENTRY__INIT;
    Pipe__Components__TransformsEntry *entries[] = {&entry};
    entry.key = "t1";
    entry.value = &transform;

    Pipe__Components components = PIPE__COMPONENTS__INIT;
    components.n_transforms = 1;
    components.transforms = entries;

    char *roots[] = {"t1"};
    Pipe__Pipeline pipeline = PIPE__PIPELINE__INIT;
    pipeline.components = &components;
    pipeline.n_root_transform_ids = 1;
    pipeline.root_transform_ids = roots;

    beamc_buf buf = {0};
    beamc__proto_put(&buf, &pipeline.base);
    Pipe__Pipeline *got =
        (Pipe__Pipeline *)unpack(&pipe__pipeline__descriptor, beamc_buf_slice(&buf));
    cr_assert_eq(got->n_root_transform_ids, 1);
    cr_assert_str_eq(got->root_transform_ids[0], "t1");
    cr_assert_eq(got->components->n_transforms, 1);
    Pipe__PTransform *t = got->components->transforms[0]->value;
    cr_assert_str_eq(t->unique_name, "Parse/ParDo");
    cr_assert_str_eq(t->spec->urn, "beam:transform:pardo:v1");
    cr_assert_eq(t->spec->payload.len, 3);
    cr_assert_arr_eq(t->spec->payload.data, "\0\1\2", 3);
    cr_assert_str_eq(t->inputs[0]->value, "pc1");
    beamc__proto_free(&got->base);
    beamc_buf_free(&buf);
}

/* The bytes are written by hand from the numbers of the model: unique_name is field 5, spec 1,
 * FunctionSpec.payload 3. */
Test(proto_messages, known_bytes_of_a_transform) {
    static const char bytes[] = "\x0a\x07\x0a\x01u\x1a\x02pq\x2a\x01n";
    Pipe__PTransform *t = (Pipe__PTransform *)unpack(&pipe__ptransform__descriptor,
                                                     beamc_slice_of(bytes, sizeof bytes - 1));
    cr_assert_str_eq(t->unique_name, "n");
    cr_assert_str_eq(t->spec->urn, "u");
    cr_assert_eq(t->spec->payload.len, 2);
    cr_assert_eq(t->n_inputs, 0);
    cr_assert_str_eq(t->environment_id, "");

    beamc_arena *arena = beamc_arena_new(0);
    beamc_slice packed = beamc__proto_pack(arena, &t->base);
    cr_assert(beamc_slice_eq(packed, beamc_slice_of(bytes, sizeof bytes - 1)));
    beamc_arena_free(arena);
    beamc__proto_free(&t->base);
}

Test(proto_messages, instruction_arms_are_numbered_from_1000) {
    Fn__ProcessBundleRequest bundle = FN__PROCESS_BUNDLE_REQUEST__INIT;
    bundle.process_bundle_descriptor_id = "d";
    Fn__InstructionRequest request = FN__INSTRUCTION_REQUEST__INIT;
    request.instruction_id = "7";
    request.request_case = FN__INSTRUCTION_REQUEST__REQUEST_PROCESS_BUNDLE;
    request.process_bundle = &bundle;

    beamc_buf buf = {0};
    beamc__proto_put(&buf, &request.base);
    /* 1001 << 3 | 2 = 8010 = 0x3eca in base 128. */
    beamc_slice want = BEAMC_STR("\x0a\x01"
                                 "7\xca\x3e\x03\x0a\x01"
                                 "d");
    cr_assert(beamc_slice_eq(beamc_buf_slice(&buf), want));

    Fn__InstructionRequest *got = (Fn__InstructionRequest *)unpack(
        &fn__instruction_request__descriptor, beamc_buf_slice(&buf));
    cr_assert_eq(got->request_case, FN__INSTRUCTION_REQUEST__REQUEST_PROCESS_BUNDLE);
    cr_assert_str_eq(got->process_bundle->process_bundle_descriptor_id, "d");
    cr_assert_null(got->process_bundle->elements);
    beamc__proto_free(&got->base);
    beamc_buf_free(&buf);
}

/* ProcessBundleProgressResponse.consuming_received_data: false is not the same as absent. */
Test(proto_messages, optional_has_presence) {
    Fn__ProcessBundleProgressResponse *absent = (Fn__ProcessBundleProgressResponse *)unpack(
        &fn__process_bundle_progress_response__descriptor, beamc_str(""));
    cr_assert_eq(absent->_consuming_received_data_case,
                 FN__PROCESS_BUNDLE_PROGRESS_RESPONSE___CONSUMING_RECEIVED_DATA__NOT_SET);

    absent->_consuming_received_data_case =
        FN__PROCESS_BUNDLE_PROGRESS_RESPONSE___CONSUMING_RECEIVED_DATA_CONSUMING_RECEIVED_DATA;
    absent->consuming_received_data = 0;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &absent->base);
    beamc_slice want = BEAMC_STR("\x30\0");
    cr_assert(beamc_slice_eq(beamc_buf_slice(&buf), want), "a set false must be on the wire");
    beamc__proto_free(&absent->base);

    Fn__ProcessBundleProgressResponse *set = (Fn__ProcessBundleProgressResponse *)unpack(
        &fn__process_bundle_progress_response__descriptor, beamc_buf_slice(&buf));
    cr_assert_eq(
        set->_consuming_received_data_case,
        FN__PROCESS_BUNDLE_PROGRESS_RESPONSE___CONSUMING_RECEIVED_DATA_CONSUMING_RECEIVED_DATA);
    beamc__proto_free(&set->base);
    beamc_buf_free(&buf);
}

/* An empty message as the arm of a oneof: its presence is the information. Default is 7, Always 12. */
Test(proto_messages, empty_arms_are_kept) {
    Pipe__Trigger__Default inner = PIPE__TRIGGER__DEFAULT__INIT;
    Pipe__Trigger trigger = PIPE__TRIGGER__INIT;
    trigger.trigger_case = PIPE__TRIGGER__TRIGGER_DEFAULT;
    trigger.default_ = &inner;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &trigger.base);
    beamc_slice want = BEAMC_STR("\x3a\0");
    cr_assert(beamc_slice_eq(beamc_buf_slice(&buf), want));

    beamc_slice always = BEAMC_STR("\x62\0");
    Pipe__Trigger *got = (Pipe__Trigger *)unpack(&pipe__trigger__descriptor, always);
    cr_assert_eq(got->trigger_case, PIPE__TRIGGER__TRIGGER_ALWAYS);
    cr_assert_not_null(got->always);
    beamc__proto_free(&got->base);
    beamc_buf_free(&buf);
}

/* Repeated numbers: what we write is packed; both forms are read. */
Test(proto_messages, split_points_packed_or_not) {
    static const char packed[] = "\x1a\x02\x05\x07", loose[] = "\x18\x05\x18\x07";
    const char *both[] = {packed, loose};
    for (int i = 0; i < 2; i++) {
        Fn__ProcessBundleSplitRequest__DesiredSplit *s =
            (Fn__ProcessBundleSplitRequest__DesiredSplit *)unpack(
                &fn__process_bundle_split_request__desired_split__descriptor,
                beamc_slice_of(both[i], 4));
        cr_assert_eq(s->n_allowed_split_points, 2);
        cr_assert_eq(s->allowed_split_points[1], 7);
        beamc__proto_free(&s->base);
    }
}

Test(proto_messages, well_known_types_are_there) {
    Google__Protobuf__Duration size = GOOGLE__PROTOBUF__DURATION__INIT;
    size.seconds = 60;
    Pipe__FixedWindowsPayload windows = PIPE__FIXED_WINDOWS_PAYLOAD__INIT;
    windows.size = &size;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &windows.base);
    beamc_slice want = BEAMC_STR("\x0a\x02\x08\x3c");
    cr_assert(beamc_slice_eq(beamc_buf_slice(&buf), want));
    beamc_buf_free(&buf);
}

typedef struct named_urn {
    const char *name;
    const char *urn;
} named_urn;

Test(proto_messages, urn_table_lists_names_and_texts) {
#define ROW(name) {#name, name},
    static const named_urn all[] = {BEAMC_URNS(ROW)};
#undef ROW
    size_t found = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        found += strcmp(all[i].urn, "beam:coder:row:v1") == 0;
        cr_assert_eq(strncmp(all[i].name, "BEAMC_", 6), 0);
    }
    cr_assert_eq(found, 1);
}
