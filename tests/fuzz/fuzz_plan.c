/* fuzz_plan.c: arbitrary ProcessBundleDescriptors, and arbitrary input for the plans that they make.
 * An input is the descriptor's length (4 bytes, little endian), the descriptor, and data for every
 * source, timer and state. Nothing may crash, leak or hang. */
#include "plan_fns.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static beamc_library *library;
    if (library == NULL) {
        library = beamc__library_new();
        beamc_error err;
        if (beamc__library_add_program(library, &hostile_program, &err) != BEAMC_OK) {
            abort();
        }
    }
    if (size < 4) {
        return 0;
    }
    size_t len = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
    len = len < size - 4 ? len : size - 4;
    beamc_status ignored = hostile_run(library, beamc_slice_of(data + 4, len),
                                       beamc_slice_of(data + 4 + len, size - 4 - len));
    (void)ignored;
    return 0;
}
