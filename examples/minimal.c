/* minimal.c: the smallest useful pipeline of one's own: the sum of the squares of the even numbers up to N.
 *
 *     ./minimal --upto=10 */
#include <stdio.h>

#include <beamc/beamc.h>

static beamc_status square_if_even(beamc_ctx *ctx, const beamc_elem *in) {
    int64_t n = in->i64;
    return n % 2 == 0 ? beamc_emit(ctx, 0, beamc_value_i64(n * n)) : BEAMC_OK;
}

static const beamc_dofn square = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:square_if_even:v1",
    .doc = "Squares of even numbers.",
    .input = &beamc_varint,
    .outputs[0] = {"squares", &beamc_varint},
    .process = square_if_even,
};

static beamc_status print_number(beamc_ctx *ctx, const beamc_elem *in) {
    (void)ctx;
    printf("%lld\n", (long long)in->i64);
    return BEAMC_OK;
}

static const beamc_dofn print = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:print_number:v1",
    .doc = "Prints each number.",
    .input = &beamc_varint,
    .process = print_number,
};

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_value numbers[1000];
    int64_t upto = beamc_option_int(o, "upto");
    for (int64_t i = 0; i < upto; i++) {
        numbers[i].i64 = i + 1;
    }
    beamc_pcoll all = beamc_create(p, "Numbers", &beamc_varint, numbers, (size_t)upto);
    beamc_pcoll squares = beamc_pardo(all, "Square", &square);
    beamc_pcoll sum = beamc_combine_globally(squares, "Sum", &beamc_sum_i64);
    beamc_pardo(sum, "Print", &print);
}

static const beamc_option options[] = {
    {.name = "upto",
     .type = BEAMC_OPTION_INT,
     .default_text = "10",
     .min = 1,
     .max = 1000,
     .placeholder = "N",
     .doc = "How many numbers."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "minimal",
    .doc = "Prints the sum of the squares of the even numbers up to N.",
    .build = build,
    .options = options,
    .fns = BEAMC_FNS(&square, &print),
};
BEAMC_EXPORT(program);
