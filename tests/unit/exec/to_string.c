/* to_string.c: tests of beam:transform:to_string:v1, by which a runner shows values that it cannot decode. */
#include <criterion/criterion.h>

#include "kit.h"
#include "proto/beam_model/urns.h"

static const beamc_coder pair = BEAMC_KV(&beamc_string, &beamc_varint);
static const beamc_coder with_nonce = BEAMC_KV(&beamc_bytes, &pair);
static const beamc_coder with_text = BEAMC_KV(&beamc_bytes, &beamc_string);

static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "to_string"};

Test(exec_to_string, values_become_text_beside_their_nonce) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &with_nonce, NULL);
    kit_pcol(k, "out", &with_text, NULL);
    kit_source(k, "src", "in", &with_nonce, &beamc_global_window);
    kit_transform(k, "Show", BEAMC_URN_PRIMITIVE_TO_STRING, (beamc_slice){0}, "in=in", "out=out");
    kit_sink(k, "sink", "out", &with_text, &beamc_global_window);
    kit_plan(k);
    const beamc_kv one = {.key = KIT_STR("word"), .value = {.i64 = 7}};
    const beamc_kv two = {.key = KIT_STR(""), .value = {.i64 = -1}};
    const beamc_kv nonce_one = {.key = KIT_STR("n1"), .value = {.kv = &one}};
    const beamc_kv nonce_two = {.key = KIT_STR("n2"), .value = {.kv = &two}};
    const kit_element elements[] = {{{.kv = &nonce_one}, 10, BEAMC_GLOBAL_WINDOW},
                                    {{.kv = &nonce_two}, 20, BEAMC_GLOBAL_WINDOW}};
    kit_feed(k, "src", &with_nonce, &beamc_global_window, elements, 2);
    kit_run(k);
    const char *text = kit_text(k, "sink", &with_text, &beamc_global_window);
    cr_assert_str_eq(text, "n1:(\"word\", 7) @10\nn2:(\"\", -1) @20\n", "%s", text);
    kit_free(k);
}
