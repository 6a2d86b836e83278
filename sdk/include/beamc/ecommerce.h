/**
 * @file ecommerce.h
 * The e-commerce job: clicks, transactions and stock events, validated, summed in fixed windows.
 *
 * The transforms of the job and the pipeline that uses them; all written with public headers only.
 */
#ifndef BEAMC_ECOMMERCE_H
#define BEAMC_ECOMMERCE_H

#include <beamc/io.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum beamc_stream {
    BEAMC_STREAM_CLICKS = 0,
    BEAMC_STREAM_TRANSACTIONS = 1,
    BEAMC_STREAM_STOCK = 2
} beamc_stream;

/** A valid event. Clicks have no second id and the value 1. */
typedef struct beamc_event {
    beamc_slice product_id;
    beamc_slice second_id; /**< store_id or warehouse_id */
    int64_t value;         /**< 1, qty or delta */
} beamc_event;
extern const beamc_row beamc_event_row;

/** The key of a sum. */
typedef struct beamc_event_key {
    beamc_slice product_id;
    beamc_slice second_id; /**< "ALL" for the sum over all; "" for clicks */
} beamc_event_key;
extern const beamc_row beamc_event_key_row;

/** What is known of an input that is no valid event. */
typedef struct beamc_dead_letter {
    beamc_slice event_type;
    beamc_slice error;
    beamc_slice payload;
    beamc_slice payload_base64; /**< when the input is not well-formed UTF-8 */
    bool has_payload_base64;
    bool truncated;
    bool has_truncated;
    int64_t payload_size;
    bool has_payload_size;
} beamc_dead_letter;
extern const beamc_row beamc_dead_letter_row;

typedef struct beamc_parse_config {
    int64_t stream; /**< beamc_stream */
    beamc_slice metrics_namespace;
} beamc_parse_config;

/** ParseAndValidate: bytes in; events at their event time out; the rest to the dead letter. */
extern const beamc_dofn beamc_parse_and_validate;
enum { BEAMC_PARSED = 0, BEAMC_INVALID = 1 };

/** FixedWindow: windows of @p seconds, as the job uses them. */
beamc_pcoll beamc_fixed_window(beamc_pcoll in, const char *label, int64_t seconds,
                               int64_t allowed_lateness_seconds);
/** CombinePerKey: the sums of (key, value) pairs in 128 bits, saturated. */
beamc_pcoll beamc_sum_per_key(beamc_pcoll in, const char *label, const char *metrics_namespace,
                              const char *overflow_counter);

/** The whole job, from options (see beamc_ecommerce_options). */
void beamc_ecommerce_build(beamc_pipeline *pipeline, const beamc_options *options);
extern const beamc_option beamc_ecommerce_options[];
extern const beamc_program beamc_ecommerce_program;

#ifdef __cplusplus
}
#endif
#endif
