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

/** Namespace of the counters of dead letters by fault, named "<event_type>: <fault>". */
#define BEAMC_DEAD_LETTER_NAMESPACE "beamc_dead_letters"

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

/** The rows that come out; field names are those of the tables. */
typedef struct beamc_views_summary {
    beamc_slice product_id;
    beamc_time window_start;
    beamc_time window_end;
    int64_t view_count;
} beamc_views_summary;
extern const beamc_row beamc_views_summary_row;

typedef struct beamc_sales_summary {
    beamc_slice product_id;
    beamc_slice store_id;
    beamc_time window_start;
    beamc_time window_end;
    int64_t sales_count;
} beamc_sales_summary;
extern const beamc_row beamc_sales_summary_row;

typedef struct beamc_inventory_summary {
    beamc_slice product_id;
    beamc_slice warehouse_id;
    beamc_time window_start;
    beamc_time window_end;
    int64_t stock_count;
} beamc_inventory_summary;
extern const beamc_row beamc_inventory_summary_row;

typedef struct beamc_parse_config {
    int64_t stream;         /**< beamc_stream */
    int64_t window_seconds; /**< of the fixed windows behind: they must lie in years 0001 to 9999 */
    beamc_slice metrics_namespace;
} beamc_parse_config;

/** ParseAndValidate: bytes in; events at their event time out; the rest to the dead letter. */
extern const beamc_dofn beamc_parse_and_validate;
enum { BEAMC_PARSED = 0, BEAMC_INVALID = 1 };

typedef struct beamc_long_line_config {
    beamc_slice event_type;
    beamc_slice metrics_namespace;
} beamc_long_line_config;

/** Lines that are too long to parse (BEAMC_LONG_LINES of beamc_read_lines) become dead letters. */
extern const beamc_dofn beamc_long_line;

/** Events to the keys that they count in: (product, second) and, but for clicks, (product, "ALL"). */
extern const beamc_dofn beamc_event_keys;

/** FixedWindow: windows of @p seconds, aligned to the epoch; panes discard. */
beamc_pcoll beamc_fixed_window(beamc_pcoll in, const char *label, int64_t seconds,
                               int64_t allowed_lateness_seconds);
/** CombinePerKey: (key, value) pairs to sums in 128 bits, saturated to int64 when they come out, which
 *  counts @p overflow_counter. */
beamc_pcoll beamc_sum_per_key(beamc_pcoll in, const char *label, const char *metrics_namespace,
                              const char *overflow_counter);

typedef struct beamc_to_row_config {
    beamc_slice metrics_namespace;
    bool log_aggregates;
} beamc_to_row_config;

/** Sums to rows of their table, with the window's bounds. */
extern const beamc_dofn beamc_to_views_row;
extern const beamc_dofn beamc_to_sales_row;
extern const beamc_dofn beamc_to_stock_row;

/** Where the bundled sample goes when no output is named; replaced by each run. */
#define BEAMC_ECOMMERCE_SAMPLE_SQLITE "beamc-sample.sqlite"

/** The whole job, from options (see beamc_ecommerce_options). */
void beamc_ecommerce_build(beamc_pipeline *pipeline, const beamc_options *options);
extern const beamc_option beamc_ecommerce_options[];
extern const beamc_program beamc_ecommerce_program;

#ifdef __cplusplus
}
#endif
#endif
