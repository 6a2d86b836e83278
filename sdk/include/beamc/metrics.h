/**
 * @file metrics.h
 * User metrics. Get a handle once, in setup; updating it is an addition, with no lock or clock.
 * Values are committed with the bundle: those of a failed bundle do not count.
 * Wire: beam:metric:user:* (metrics.proto). Threads: a handle belongs to its DoFn instance.
 */
#ifndef BEAMC_METRICS_H
#define BEAMC_METRICS_H

#include <beamc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct beamc_ctx;

typedef enum beamc_metric_kind {
    BEAMC_METRIC_COUNTER = 1,  /**< beam:metric:user:sum_int64:v1 */
    BEAMC_METRIC_DISTRIBUTION, /**< beam:metric:user:distribution_int64:v1 */
    BEAMC_METRIC_GAUGE,        /**< beam:metric:user:latest_int64:v1 */
    BEAMC_METRIC_STRING_SET    /**< beam:metric:user:set_string:v1 */
} beamc_metric_kind;

typedef struct beamc_metric beamc_metric;

/** The metric @p space / @p name of this step; the same pair gives the same handle. Texts are copied. */
beamc_metric *beamc_counter(struct beamc_ctx *ctx, const char *space, const char *name);
beamc_metric *beamc_distribution(struct beamc_ctx *ctx, const char *space, const char *name);
beamc_metric *beamc_gauge(struct beamc_ctx *ctx, const char *space, const char *name);
beamc_metric *beamc_string_set(struct beamc_ctx *ctx, const char *space, const char *name);

void beamc_counter_add(beamc_metric *counter, int64_t n);
void beamc_distribution_update(beamc_metric *distribution, int64_t value);
/** The clock is read for each call: not for every element. */
void beamc_gauge_set(beamc_metric *gauge, int64_t value);
void beamc_string_set_add(beamc_metric *set, beamc_slice value);

#ifdef __cplusplus
}
#endif
#endif
