/* primes.c: a splittable DoFn: one element, N, is a lot of work, so the runner may cut it in parts.
 *
 *     ./primes --below=1000000
 *
 * prints "primes below 1000000: 78498". The parts run on all cores; one that takes long is cut again
 * while it runs. */
#include <stdio.h>

#include <beamc/beamc.h>

/* Where the work begins and ends: the numbers [0, N). */
static beamc_status whole(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    beamc_offset_range *range = restriction;
    *range = (beamc_offset_range){0, in->i64};
    return BEAMC_OK;
}

/* The parts to begin with. */
static beamc_status split(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)in;
    beamc_offset_range part = *(const beamc_offset_range *)restriction;
    int64_t end = part.stop, step = end / 16 + 1;
    for (; part.start < end; part.start = part.stop) {
        part.stop = part.start + step < end ? part.start + step : end;
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
    }
    return BEAMC_OK;
}

/* How long a part takes, in any unit: large numbers take longer. */
static double size(beamc_ctx *ctx, const beamc_elem *in, const void *restriction) {
    (void)ctx;
    (void)in;
    const beamc_offset_range *range = restriction;
    return (double)(range->stop - range->start) * (double)range->stop;
}

static bool is_prime(int64_t n) {
    for (int64_t d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return n > 1;
}

/* Each number is claimed before it is looked at. A claim fails when the end is reached, and when the
 * runner has given the rest away: then that is somebody else's work. */
static beamc_status emit_primes(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_offset_range *range = beamc_restriction(ctx);
    for (int64_t n = range->start; beamc_try_claim(ctx, n); n++) {
        if (is_prime(n)) {
            BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_i64(n)));
        }
    }
    return BEAMC_OK;
}

static const beamc_dofn primes = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:primes:v1",
    .doc = "N to the primes below N.",
    .input = &beamc_varint,
    .outputs[0] = {"primes", &beamc_varint},
    .splittable = &(const beamc_splittable){.initial = whole, .split = split, .size = size},
    .process = emit_primes,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_value below = beamc_value_i64(beamc_option_int(o, "below"));
    beamc_pcoll n = beamc_create(p, "N", &beamc_varint, &below, 1);
    beamc_pcoll found = beamc_pardo(n, "Primes", &primes);
    beamc_pcoll count = beamc_combine_globally(found, "Count", &beamc_count);
    char prefix[64];
    snprintf(prefix, sizeof prefix, "primes below %lld: ", (long long)below.i64);
    beamc_print(count, "Print", .prefix = prefix);
}

static const beamc_option options[] = {
    {.name = "below",
     .type = BEAMC_OPTION_INT,
     .default_text = "200000",
     .min = 0,
     .max = 100000000,
     .placeholder = "N",
     .doc = "Where to stop."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "primes",   .doc = "Counts the primes below N.",
    .build = build,    .options = options, .fns = BEAMC_FNS(&primes),
};
BEAMC_EXPORT(program);
