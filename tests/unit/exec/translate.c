/* Descriptors that are wrong: each is refused with a message that names what is wrong and where. And
 * descriptors that were damaged at random, which must be refused or run, but never crash. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "graph/payload.h"
#include "graph/pb.h"
#include "kit.h"
#include "proto/beam_model/urns.h"
#include "tests/fuzz/plan_fns.h"

#define REFUSED(k, code, text)                                                                     \
    do {                                                                                           \
        cr_assert_eq(kit_try_plan(k), (code), "%s", (k)->err.message);                             \
        cr_assert(strstr((k)->err.message, (text)) != NULL, "%s", (k)->err.message);               \
        kit_free(k);                                                                               \
    } while (0)

static const beamc_coder *const kv = &beamc_kv_str_i64;

static kit *start(void) {
    kit *k = kit_new(&hostile_program);
    kit_pcol(k, "in", kv, NULL);
    kit_pcol(k, "out", kv, NULL);
    kit_source(k, "src", "in", kv, &beamc_global_window);
    return k;
}

Test(exec_translate, no_proto_at_all) {
    kit *k = start();
    beamc_error err;
    beamc_plan *plan;
    cr_assert_eq(beamc_plan_new(beamc_str("\xff\xff"), &k->env, &plan, &err),
                 BEAMC_INVALID_ARGUMENT);
    cr_assert_null(plan);
    cr_assert_eq(beamc_plan_new((beamc_slice){0}, &k->env, &plan, &err), BEAMC_OK);
    beamc_plan_free(plan); /* an empty one is a plan that does nothing */
    cr_assert_eq(beamc_plan_new(beamc_str("\xff"), &k->env, &plan, NULL), BEAMC_INVALID_ARGUMENT);
    kit_free(k);
}

Test(exec_translate, unknown_urns) {
    kit *k = start();
    kit_transform(k, "Odd", "acme:transform:odd:v1", (beamc_slice){0}, "x=in", "o=out");
    REFUSED(k, BEAMC_UNIMPLEMENTED,
            "transform Odd (Odd) is acme:transform:odd:v1, which this worker cannot run");
    k = start();
    static const beamc_dofn stranger = {BEAMC_DOFN_ABI, .urn = "acme:dofn:stranger:v1"};
    kit_pardo(k, "P", &stranger, "x=in", "");
    REFUSED(k, BEAMC_NOT_FOUND, "acme:dofn:stranger:v1");
    k = start();
    kit_transform(k, "C", BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE, (beamc_slice){0},
                  "x=in", "o=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform C: the payload names no combiner");
    k = start();
    kit_transform(k, "W", BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS, (beamc_slice){0}, "x=in", "o=out");
    REFUSED(k, BEAMC_UNIMPLEMENTED, "transform W: window function  is not known");
}

Test(exec_translate, missing_and_wrong_edges) {
    kit *k = start();
    kit_transform(k, "F", BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0}, "a=in b=nowhere", "o=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "input b is PCollection nowhere, which is not in the");
    k = start();
    kit_transform(k, "F", BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0}, "a=in", "");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform F: has 0 outputs");
    k = start();
    kit_pardo(k, "P", &hostile_pass_fn, "x=in y=in", "a=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform P: has 2 main inputs");
    k = start();
    kit_pardo(k, "P", &hostile_pass_fn, "x=in", "nonesuch=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform P: output nonesuch is not one of DoFn h:pass's");
    k = start();
    kit_pardo(k, "P", &hostile_sided_fn, "x=in", "a=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform P: side input list is not in the payload");
    k = start();
    kit_pcol(k, "alone", kv, NULL);
    kit_pardo(k, "P", &hostile_pass_fn, "x=alone", "a=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform P: no transform makes its input alone");
}

Test(exec_translate, cycles) {
    kit *k = start();
    kit_pcol(k, "back", kv, NULL);
    kit_transform(k, "F", BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0}, "a=in b=back", "o=out");
    kit_pardo(k, "P", &hostile_pass_fn, "x=out", "a=back");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "takes part in a cycle");
    k = start();
    kit_pardo(k, "P", &hostile_pass_fn, "x=out", "a=out");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform P takes part in a cycle");
}

Test(exec_translate, long_chains) {
    kit *k = start();
    static char names[1200][8];
    const char *before = "in";
    for (int i = 0; i < 600; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        snprintf(names[600 + i], sizeof names[i], "t%d", i);
        kit_pcol(k, names[i], kv, NULL);
        kit_transform(k, names[600 + i], BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0},
                      beamc_arena_printf(k->arena, "x=%s", before),
                      beamc_arena_printf(k->arena, "o=%s", names[i]));
        before = names[i];
    }
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "is the end of a chain of more than 500");
}

Test(exec_translate, coders_that_do_not_fit) {
    kit *k = kit_new(&hostile_program);
    kit_pcol(k, "in", &beamc_string, NULL);
    kit_source(k, "src", "in", &beamc_string, &beamc_global_window);
    kit_pardo(k, "P", &hostile_pass_fn, "x=in", "");
    REFUSED(
        k, BEAMC_INVALID_ARGUMENT,
        "transform src: elements are encoded as string, but the function uses kv<string, varint>");
    k = start();
    kit_sink(k, "sink", "in", &beamc_double, &beamc_global_window);
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform sink: ");
    k = start();
    Fn__RemoteGrpcPort p = FN__REMOTE_GRPC_PORT__INIT;
    p.coder_id = beamc_pb_text("nonesuch");
    kit_transform(k, "sink", BEAMC_URN_RUNNER_DATA_SINK, kit_pack(k, &p), "x=in", "");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "nonesuch");
    k = start();
    p.coder_id = beamc_pb_text(kit_coder(k, kv));
    kit_transform(k, "sink", BEAMC_URN_RUNNER_DATA_SINK, kit_pack(k, &p), "x=in", "");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "which carries no windows");
    /* A payload may not retype a function that has a type. */
    k = start();
    static const beamc_dofn liar = {
        BEAMC_DOFN_ABI,
        .urn = "h:pass",
        .outputs = {{.name = "a"}, {.name = "b"}},
    };
    const beamc_coder *const lies[] = {&beamc_double, &beamc_double};
    Pipe__ParDoPayload *lie = kit_pardo_payload(k, &hostile_pass_fn, NULL, kv, NULL, NULL);
    beamc_buf payload = {0};
    cr_assert_eq(beamc__payload_encode_dofn(&liar, NULL, kv, lies, &payload, &k->err), BEAMC_OK);
    lie->do_fn->payload = beamc_pb_bytes(beamc_buf_slice(&payload));
    kit_transform(k, "P", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, lie), "x=in", "a=out");
    beamc_buf_free(&payload);
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "output a of DoFn h:pass has another coder");
}

Test(exec_translate, state_that_does_not_fit) {
    kit *k = kit_new(&hostile_program);
    kit_pcol(k, "in", kv, NULL);
    kit_source(k, "src", "in", kv, &beamc_global_window);
    Pipe__ParDoPayload *p =
        kit_pardo_payload(k, &hostile_keyed_fn, NULL, kv, &beamc_string, &beamc_global_window);
    p->state_specs[0]->value->spec_case = PIPE__STATE_SPEC__SPEC_BAG_SPEC;
    kit_transform(k, "K", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), "x=in", "");
    REFUSED(k, BEAMC_INVALID_ARGUMENT,
            "transform K: state value: the payload has it as another kind of state");
    k = kit_new(&hostile_program);
    kit_pcol(k, "in", kv, NULL);
    kit_source(k, "src", "in", kv, &beamc_global_window);
    p = kit_pardo_payload(k, &hostile_keyed_fn, NULL, kv, &beamc_varint, &beamc_global_window);
    kit_transform(k, "K", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), "x=in", "");
    REFUSED(k, BEAMC_INVALID_ARGUMENT, "transform K: timer family event: ");
}

/* --------------------------------------------------------------------------------- random damage */

static const beamc_coder range_coder = BEAMC_ROW_CODER(&beamc_offset_range_row);
static const beamc_coder tail_coder = BEAMC_KV(&range_coder, &beamc_varint);
static const beamc_coder part_coder = BEAMC_KV(&beamc_kv_str_i64, &tail_coder);
static const beamc_coder sized_coder = BEAMC_KV(&part_coder, &beamc_double);

static void add_side(kit *k, Pipe__ParDoPayload *p, const char *tag, const char *pattern) {
    Pipe__ParDoPayload__SideInputsEntry *e =
        beamc_pb_new(k->arena, &pipe__par_do_payload__side_inputs_entry__descriptor);
    e->key = beamc_pb_text(tag);
    e->value = beamc_pb_new(k->arena, &pipe__side_input__descriptor);
    e->value->access_pattern = beamc_pb_new(k->arena, &pipe__function_spec__descriptor);
    e->value->access_pattern->urn = beamc_pb_text(pattern);
    Pipe__ParDoPayload__SideInputsEntry **more = beamc_arena_alloc(k->arena, 8 * sizeof *more);
    for (size_t i = 0; i < p->n_side_inputs; i++) {
        more[i] = p->side_inputs[i];
    }
    more[p->n_side_inputs++] = e;
    p->side_inputs = more;
}

/* Stages that between them use every transform. */
static kit *sample(unsigned which) {
    kit *k = kit_new(&hostile_program);
    const beamc_coder *w = &beamc_interval_window;
    const beamc_window_fn fixed = beamc_fixed(.size_ms = 10);
    const char *ws = kit_windowing(k, &fixed, BEAMC_OUTPUT_END_OF_WINDOW);
    static beamc_coder acc, kv_acc;
    acc = (beamc_coder){BEAMC_CODER_ROW, {NULL, NULL}, beamc_sum_i64.accumulator, NULL};
    kv_acc = (beamc_coder)BEAMC_KV(&beamc_string, &acc);
    kit_pcol(k, "in", which == 3 ? &sized_coder : kv, ws);
    kit_pcol(k, "a", kv, ws);
    kit_pcol(k, "b", kv, ws);
    kit_source(k, "src", "in", which == 3 ? &sized_coder : kv, w);
    Pipe__ParDoPayload *p;
    switch (which) {
    case 0:
        kit_pcol(k, "acc", &kv_acc, ws);
        kit_pardo(k, "P", &hostile_pass_fn, "x=in", "a=a");
        kit_transform(k, "F", BEAMC_URN_PRIMITIVE_FLATTEN, (beamc_slice){0}, "x=a y=in", "o=b");
        kit_transform(k, "C", BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE,
                      kit_combine_payload(k, &beamc_sum_i64, &beamc_varint), "x=b", "o=acc");
        kit_sink(k, "sink", "acc", &kv_acc, w);
        return k;
    case 1:
        p = kit_pardo_payload(k, &hostile_keyed_fn, NULL, kv, &beamc_string, w);
        kit_transform(k, "K", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), "x=in", "a=a");
        break;
    case 2:
        p = kit_pardo_payload(k, &hostile_sided_fn, NULL, kv, NULL, NULL);
        add_side(k, p, "list", BEAMC_URN_SIDE_INPUT_ITERABLE);
        add_side(k, p, "map", BEAMC_URN_SIDE_INPUT_MULTIMAP);
        kit_transform(k, "S", BEAMC_URN_PRIMITIVE_PAR_DO, kit_pack(k, p), "x=in list=b map=b",
                      "a=a");
        break;
    case 3:
        p = kit_pardo_payload(k, &hostile_ranges_fn, NULL, kv, NULL, NULL);
        kit_transform(k, "R", BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
                      kit_pack(k, p), "x=in", "a=a");
        break;
    default:
        kit_pcol(k, "paired", &part_coder, ws);
        kit_pcol(k, "sized", &sized_coder, ws);
        p = kit_pardo_payload(k, &hostile_ranges_fn, NULL, kv, NULL, NULL);
        kit_transform(k, "A", BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION, kit_pack(k, p), "x=in",
                      "o=paired");
        kit_transform(k, "B", BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS, kit_pack(k, p),
                      "x=paired", "o=sized");
        kit_transform(k, "D", BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
                      kit_pack(k, p), "x=sized", "a=b");
        kit_transform(k, "W", BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS,
                      kit_window_into_payload(k, &fixed), "x=b", "o=a");
        break;
    }
    kit_sink(k, "sink", "a", kv, w);
    return k;
}

enum { SAMPLES = 5 };

/* Input that fits the samples' sources. */
static beamc_slice sample_input(kit *k, unsigned which) {
    cr_assert_eq(kit_try_plan(k), BEAMC_OK, "sample %u: %s", which, k->err.message);
    beamc_kv pairs[3];
    beamc_offset_range range = {5, 60};
    beamc_kv tail = {{.row = &range}, {.i64 = 0}};
    for (int i = 0; i < 3; i++) {
        pairs[i] = (beamc_kv){{.bytes = beamc_str(i == 1 ? "bb" : "a")}, {.i64 = 7 * i}};
        beamc_kv part = {{.kv = &pairs[i]}, {.kv = &tail}};
        beamc_kv sized = {{.kv = &part}, {.f64 = 1}};
        kit_element e = {{.kv = &pairs[i]}, 10 * i, {10 * i, 10 * i + 10}};
        if (which == 3) {
            e.value.kv = &sized;
        }
        kit_feed(k, "src", which == 3 ? &sized_coder : kv, &beamc_interval_window, &e, 1);
    }
    beamc_buf all = {0};
    for (size_t i = 0; i < k->block_count; i++) {
        beamc_buf_put_slice(&all, k->blocks[i].data);
    }
    beamc_slice data = beamc_arena_copy(k->arena, beamc_buf_slice(&all));
    beamc_buf_free(&all);
    return data;
}

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static char *damaged(beamc_slice from, uint64_t *random) {
    char *bytes = malloc(from.len + 1);
    memcpy(bytes, from.ptr, from.len);
    for (uint64_t n = 1 + next_random(random) % 4; n > 0 && from.len > 0; n--) {
        size_t at = next_random(random) % from.len;
        switch (next_random(random) % 3) {
        case 0:
            bytes[at] = (char)next_random(random);
            break;
        case 1:
            bytes[at] = (char)(bytes[at] ^ (1 << next_random(random) % 8));
            break;
        default:
            bytes[at] = bytes[next_random(random) % from.len];
        }
    }
    return bytes;
}

/* With BEAMC_DUMP_SEEDS=DIR the samples are written as a corpus for tests/fuzz/fuzz_plan.c. */
static void dump_seed(unsigned which, beamc_slice descriptor, beamc_slice data) {
    const char *dir = getenv("BEAMC_DUMP_SEEDS");
    if (dir == NULL) {
        return;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/sample-%u", dir, which);
    FILE *f = fopen(path, "wb");
    const unsigned char len[4] = {(unsigned char)descriptor.len,
                                  (unsigned char)(descriptor.len >> 8),
                                  (unsigned char)(descriptor.len >> 16), 0};
    fwrite(len, 1, 4, f);
    fwrite(descriptor.ptr, 1, descriptor.len, f);
    fwrite(data.ptr, 1, data.len, f);
    fclose(f);
}

Test(exec_translate, damaged_descriptors_and_input_never_crash, .timeout = 120) {
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned which = 0; which < SAMPLES; which++) {
        kit *k = sample(which);
        beamc_slice data = sample_input(k, which);
        beamc_slice descriptor = kit_descriptor(k);
        dump_seed(which, descriptor, data);
        beamc_status sound = hostile_run(k->library, descriptor, data);
        cr_assert(sound == BEAMC_OK || which == 1 || which == 2, "sample %u: %d", which, sound);
        for (int i = 0; i < 1500; i++) {
            char *d = damaged(descriptor, &random);
            char *in = damaged(data, &random);
            bool both = i % 2 == 0;
            beamc_status status =
                hostile_run(k->library, beamc_slice_of(both ? d : descriptor.ptr, descriptor.len),
                            beamc_slice_of(in, data.len - (size_t)i % data.len));
            (void)status;
            free(d);
            free(in);
        }
        for (size_t len = 0; len < descriptor.len; len += 1 + len % 3) {
            beamc_status status =
                hostile_run(k->library, beamc_slice_of(descriptor.ptr, len), data);
            (void)status;
        }
        kit_free(k);
    }
}
