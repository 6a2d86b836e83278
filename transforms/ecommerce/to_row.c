/* to_row.c: sums become rows of their table. Three DoFns that differ in the row they fill. */
#include <beamc/ecommerce.h>

typedef struct instance {
    beamc_metric *rows_emitted;
    beamc_metric *per_window;
    bool log;
} instance;

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_to_row_config, metrics_namespace, STRING, "ecommerce_pipeline",
                 "of the counters"),
    BEAMC_CONFIG(beamc_to_row_config, log_aggregates, BOOL, "false", "one log record for each row"),
};
static const beamc_row config_row = BEAMC_ROW(beamc_to_row_config, config_fields);

static beamc_status setup(beamc_ctx *ctx, const char *what) {
    const beamc_to_row_config *config = beamc_config(ctx);
    instance *me = beamc_instance(ctx);
    beamc_arena *arena = beamc_instance_arena(ctx);
    const char *space = beamc_arena_cstr(arena, config->metrics_namespace);
    me->rows_emitted =
        beamc_counter(ctx, space, beamc_arena_printf(arena, "%s_rows_emitted", what));
    me->per_window =
        beamc_distribution(ctx, space, beamc_arena_printf(arena, "%s_per_window", what));
    me->log = config->log_aggregates;
    return BEAMC_OK;
}

static beamc_status setup_views(beamc_ctx *ctx) {
    return setup(ctx, "views");
}

static beamc_status setup_sales(beamc_ctx *ctx) {
    return setup(ctx, "sales_quantity");
}

static beamc_status setup_stock(beamc_ctx *ctx) {
    return setup(ctx, "stock_delta");
}

/* What every table does with a sum: counters and, where asked for, the log record of the contract. */
static void account(beamc_ctx *ctx, const char *table, const char *second_name,
                    const beamc_event_key *key, beamc_window window, int64_t value) {
    instance *me = beamc_instance(ctx);
    beamc_counter_add(me->rows_emitted, 1);
    beamc_distribution_update(me->per_window, value);
    if (!me->log) {
        return;
    }
    beamc_slice start = beamc_format_time(ctx, window.start);
    beamc_log_field fields[] = {
        {.name = "table", .text = beamc_str(table)},
        {.name = "product_id", .text = key->product_id},
        {.name = "window_start", .text = start},
        {.name = "value", .number = value, .is_number = true},
        {.name = second_name, .text = key->second_id},
    };
    beamc_log_write_fields(ctx, BEAMC_INFO, __FILE__, __LINE__, "aggregate emitted", fields,
                           second_name != NULL ? 5 : 4);
}

static beamc_status to_views(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_event_key *key = in->kv->key.row;
    beamc_window window = beamc_current_window(ctx);
    int64_t value = in->kv->value.i64;
    account(ctx, "product_views_summary", NULL, key, window, value);
    beamc_views_summary row = {key->product_id, window.start, window.end, value};
    return beamc_emit(ctx, 0, beamc_value_row(&row));
}

static beamc_status to_sales(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_event_key *key = in->kv->key.row;
    beamc_window window = beamc_current_window(ctx);
    int64_t value = in->kv->value.i64;
    account(ctx, "sales_summary", "store_id", key, window, value);
    beamc_sales_summary row = {key->product_id, key->second_id, window.start, window.end, value};
    return beamc_emit(ctx, 0, beamc_value_row(&row));
}

static beamc_status to_stock(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_event_key *key = in->kv->key.row;
    beamc_window window = beamc_current_window(ctx);
    int64_t value = in->kv->value.i64;
    account(ctx, "inventory_summary", "warehouse_id", key, window, value);
    beamc_inventory_summary row = {key->product_id, key->second_id, window.start, window.end,
                                   value};
    return beamc_emit(ctx, 0, beamc_value_row(&row));
}

static const beamc_coder key_coder = BEAMC_ROW_CODER(&beamc_event_key_row);
static const beamc_coder sum_coder = BEAMC_KV(&key_coder, &beamc_varint);
static const beamc_coder views_coder = BEAMC_ROW_CODER(&beamc_views_summary_row);
static const beamc_coder sales_coder = BEAMC_ROW_CODER(&beamc_sales_summary_row);
static const beamc_coder stock_coder = BEAMC_ROW_CODER(&beamc_inventory_summary_row);

const beamc_dofn beamc_to_views_row = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_views_row:v1",
    .doc = "Sums of clicks to rows of product_views_summary.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &sum_coder,
    .outputs[0] = {"rows", &views_coder},
    .observes_window = true,
    .setup = setup_views,
    .process = to_views,
};

const beamc_dofn beamc_to_sales_row = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_sales_row:v1",
    .doc = "Sums of quantities to rows of sales_summary.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &sum_coder,
    .outputs[0] = {"rows", &sales_coder},
    .observes_window = true,
    .setup = setup_sales,
    .process = to_sales,
};

const beamc_dofn beamc_to_stock_row = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_stock_row:v1",
    .doc = "Sums of deltas to rows of inventory_summary.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &sum_coder,
    .outputs[0] = {"rows", &stock_coder},
    .observes_window = true,
    .setup = setup_stock,
    .process = to_stock,
};
