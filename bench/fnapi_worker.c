/* fnapi_worker.c: a worker with one identity DoFn, which bench/run-fnapi measures beside the same in Go and
 * Python. `--dump_pipeline=FILE` writes the pipeline from which the driver takes the DoFn's payload. */
#include <beamc/beamc.h>

static beamc_status identity(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, *in);
}

static const beamc_dofn identity_fn = {
    BEAMC_DOFN_ABI,        .urn = "beamc:bench:identity:v1",    .doc = "Gives out what it gets.",
    .input = &beamc_bytes, .outputs[0] = {"out", &beamc_bytes}, .process = identity,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    (void)o;
    const beamc_value nothing = {.bytes = {"", 0}};
    beamc_pcoll in = beamc_create(p, "Input", &beamc_bytes, &nothing, 1);
    beamc_pardo(in, "Identity", &identity_fn);
}

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "fnapi_worker",
    .doc = "The worker that bench/run-fnapi measures.",
    .build = build,
    .fns = BEAMC_FNS(&identity_fn),
};
BEAMC_EXPORT(program);
