/* fuzz_options_json.c: the options of a job, as a runner hands them to a worker. */
#include <stdint.h>
#include <stdlib.h>

#include <beamc/log.h>
#include <beamc/options.h>

#include "program/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_log(void *arg, const beamc_log_record *record) {
    (void)arg;
    (void)record;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const beamc_option *const tables[] = {beamc__standard_options, NULL};
    beamc_log_set_sink(no_log, NULL);
    beamc_options *o = beamc_options_new(tables);
    beamc_error err = {0};
    if (beamc_options_from_json(o, beamc_slice_of(data, size), &err) == BEAMC_OK) {
        /* What was read can be written and read again. */
        beamc_buf out = {0};
        beamc_options_to_json(o, &out);
        beamc_options *again = beamc_options_new(tables);
        if (beamc_options_from_json(again, beamc_buf_slice(&out), &err) != BEAMC_OK) {
            abort();
        }
        beamc_options_free(again);
        beamc_buf_free(&out);
    } else if (err.message[0] == '\0') {
        abort();
    }
    beamc_options_free(o);
    return 0;
}
