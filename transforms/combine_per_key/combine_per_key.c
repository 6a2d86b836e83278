/* combine_per_key.c: CombinePerKey, the sum that the job's three branches share. */
#include <beamc/ecommerce.h>

beamc_pcoll beamc_sum_per_key(beamc_pcoll in, const char *label, const char *metrics_namespace,
                              const char *overflow_counter) {
    beamc_sum_config config = {beamc_str(metrics_namespace), beamc_str(overflow_counter)};
    return beamc_combine_per_key(in, label, &beamc_sum_i64, .config = &config);
}
