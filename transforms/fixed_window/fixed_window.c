/* fixed_window.c: FixedWindow, the windowing of the job. */
#include <beamc/ecommerce.h>

beamc_pcoll beamc_fixed_window(beamc_pcoll in, const char *label, int64_t seconds,
                               int64_t allowed_lateness_seconds) {
    return beamc_window_into(in, label, .fn = beamc_fixed(.size_ms = seconds * 1000),
                             .accumulation = BEAMC_DISCARDING,
                             .allowed_lateness_ms = allowed_lateness_seconds * 1000);
}
