/* fuzz_step_payload.c: what a runner hands back as a DoFn's or combiner's payload, made up. */
#include <stdint.h>
#include <stdlib.h>

#include <beamc/combine.h>

#include "graph/builtin_fns.h"
#include "graph/payload.h"
#include "program/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static beamc_library *library;

/* A decoded payload must say everything that a worker then takes for granted. */
static void check_dofn(const beamc_dofn *fn, beamc_slice bytes) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_row_finder rows = {beamc__library_find_row, library};
    beamc_payload out;
    beamc_error err = {0};
    if (beamc__payload_decode_dofn(fn, bytes, &rows, arena, &out, &err) == BEAMC_OK) {
        if (out.output_count != beamc_dofn_output_count(fn) ||
            (fn->config != NULL) != (out.config != NULL)) {
            abort();
        }
        if (out.input != NULL) {
            beamc_buf text = {0};
            beamc_coder_describe(out.input, &text);
            beamc_buf_free(&text);
        }
    } else if (err.message[0] == '\0') {
        abort();
    }
    beamc_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (library == NULL) {
        library = beamc__library_new();
    }
    beamc_slice bytes = beamc_slice_of(data, size);
    for (size_t i = 0; beamc__builtin_fns[i] != NULL; i++) {
        check_dofn(beamc__builtin_fns[i], bytes);
    }
    beamc_arena *arena = beamc_arena_new(0);
    beamc_payload out;
    beamc_error err = {0};
    if (beamc__payload_decode_combiner(&beamc_sum_i64, bytes, NULL, arena, &out, &err) ==
            BEAMC_OK &&
        out.config == NULL) {
        abort();
    }
    beamc_arena_free(arena);
    return 0;
}
