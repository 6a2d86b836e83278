/* rows.c: the structs of the job, each described once. */
#include <beamc/ecommerce.h>

static const beamc_field event_fields[] = {
    BEAMC_REQUIRED(beamc_event, product_id, STRING),
    BEAMC_REQUIRED(beamc_event, second_id, STRING),
    BEAMC_REQUIRED(beamc_event, value, I64),
};
const beamc_row beamc_event_row = BEAMC_ROW(beamc_event, event_fields);

static const beamc_field event_key_fields[] = {
    BEAMC_REQUIRED(beamc_event_key, product_id, STRING),
    BEAMC_REQUIRED(beamc_event_key, second_id, STRING),
};
const beamc_row beamc_event_key_row = BEAMC_ROW(beamc_event_key, event_key_fields);

static const beamc_field dead_letter_fields[] = {
    BEAMC_REQUIRED(beamc_dead_letter, event_type, STRING),
    BEAMC_REQUIRED(beamc_dead_letter, error, STRING),
    BEAMC_REQUIRED(beamc_dead_letter, payload, STRING),
    BEAMC_OPTIONAL(beamc_dead_letter, payload_base64, STRING),
    BEAMC_OPTIONAL(beamc_dead_letter, truncated, BOOL),
    BEAMC_OPTIONAL(beamc_dead_letter, payload_size, I64),
};
const beamc_row beamc_dead_letter_row = BEAMC_ROW(beamc_dead_letter, dead_letter_fields);

static const beamc_field views_fields[] = {
    BEAMC_REQUIRED(beamc_views_summary, product_id, STRING),
    BEAMC_REQUIRED(beamc_views_summary, window_start, TIME),
    BEAMC_REQUIRED(beamc_views_summary, window_end, TIME),
    BEAMC_REQUIRED(beamc_views_summary, view_count, I64),
};
const beamc_row beamc_views_summary_row = BEAMC_ROW(beamc_views_summary, views_fields);

static const beamc_field sales_fields[] = {
    BEAMC_REQUIRED(beamc_sales_summary, product_id, STRING),
    BEAMC_REQUIRED(beamc_sales_summary, store_id, STRING),
    BEAMC_REQUIRED(beamc_sales_summary, window_start, TIME),
    BEAMC_REQUIRED(beamc_sales_summary, window_end, TIME),
    BEAMC_REQUIRED(beamc_sales_summary, sales_count, I64),
};
const beamc_row beamc_sales_summary_row = BEAMC_ROW(beamc_sales_summary, sales_fields);

static const beamc_field inventory_fields[] = {
    BEAMC_REQUIRED(beamc_inventory_summary, product_id, STRING),
    BEAMC_REQUIRED(beamc_inventory_summary, warehouse_id, STRING),
    BEAMC_REQUIRED(beamc_inventory_summary, window_start, TIME),
    BEAMC_REQUIRED(beamc_inventory_summary, window_end, TIME),
    BEAMC_REQUIRED(beamc_inventory_summary, stock_count, I64),
};
const beamc_row beamc_inventory_summary_row = BEAMC_ROW(beamc_inventory_summary, inventory_fields);
