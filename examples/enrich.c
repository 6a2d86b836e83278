/* enrich.c: side inputs, several outputs, Flatten and Reshuffle: orders of two shops get their price.
 *
 *     ./enrich --rate=2
 *
 * prints "ann: {"product": "tea", "cents": 800}" for each order, and "unknown: ..." for each order of a
 * product that has no price. */
#include <beamc/beamc.h>

typedef struct order {
    beamc_slice product;
    int64_t cents;
} order;
static const beamc_field order_fields[] = {
    BEAMC_REQUIRED(order, product, STRING),
    BEAMC_REQUIRED(order, cents, I64),
};
static const beamc_row order_row = BEAMC_ROW(order, order_fields);
static const beamc_coder order_coder = BEAMC_ROW_CODER(&order_row);

static const beamc_coder ordered_coder = BEAMC_KV(&beamc_string, &beamc_string);
static const beamc_coder priced_coder = BEAMC_KV(&beamc_string, &order_coder);

enum { PRICED, UNKNOWN };
enum { PRICES, RATE, BLOCKED };

/* All of a side input: no orders of those who do not pay. */
static beamc_status is_blocked(beamc_ctx *ctx, beamc_slice customer, bool *blocked) {
    const beamc_iterable *list;
    beamc_iter it;
    beamc_value v;
    BEAMC_TRY(beamc_side_iterable(ctx, BLOCKED, &list));
    *blocked = false;
    for (beamc_iterate(list, &it); beamc_iter_next(&it, &v);) {
        *blocked = *blocked || beamc_slice_eq(v.bytes, customer);
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

/* The values of one key: the prices of a product, of which the lowest counts. -1: there is none. */
static beamc_status lowest_price(beamc_ctx *ctx, beamc_value product, int64_t *cents) {
    const beamc_iterable *prices;
    beamc_iter it;
    beamc_value v;
    BEAMC_TRY(beamc_side_lookup(ctx, PRICES, product, &prices));
    *cents = -1;
    for (beamc_iterate(prices, &it); beamc_iter_next(&it, &v);) {
        *cents = *cents < 0 || v.i64 < *cents ? v.i64 : *cents;
    }
    return beamc_iter_status(&it, beamc_ctx_error(ctx));
}

static beamc_status price(beamc_ctx *ctx, const beamc_elem *in) {
    beamc_value customer = in->kv->key, product = in->kv->value, rate;
    bool blocked;
    int64_t cents;
    BEAMC_TRY(is_blocked(ctx, customer.bytes, &blocked));
    if (blocked) {
        return BEAMC_OK;
    }
    BEAMC_TRY(lowest_price(ctx, product, &cents));
    if (cents < 0) {
        return beamc_emit(ctx, UNKNOWN, *in);
    }
    BEAMC_TRY(beamc_side_singleton(ctx, RATE, &rate)); /* the one element of it */
    order o = {product.bytes, cents * rate.i64};
    return beamc_emit(ctx, PRICED, beamc_pair(customer, beamc_value_row(&o)));
}

static const beamc_dofn pricing = {
    BEAMC_DOFN_ABI,
    .urn = "example:dofn:price:v1",
    .doc = "(customer, product) to (customer, order with its price).",
    .input = &ordered_coder,
    .outputs[PRICED] = {"priced", &priced_coder},
    .outputs[UNKNOWN] = {"unknown", &ordered_coder},
    .side_inputs = {[PRICES] = "prices", [RATE] = "rate", [BLOCKED] = "blocked"},
    .process = price,
};

static beamc_pcoll orders(beamc_pipeline *p, const char *label, const beamc_value *values,
                          size_t count) {
    return beamc_create(p, label, &ordered_coder, values, count);
}

static void build(beamc_pipeline *p, const beamc_options *o) {
    beamc_value tea = beamc_value_text("tea"), pot = beamc_value_text("pot");
    beamc_value ann = beamc_value_text("ann"), bob = beamc_value_text("bob");
    beamc_value eve = beamc_value_text("eve"), cup = beamc_value_text("cup");
    beamc_value web[] = {beamc_pair(ann, tea), beamc_pair(eve, pot), beamc_pair(bob, pot)};
    beamc_value shop[] = {beamc_pair(bob, tea), beamc_pair(ann, cup)};
    beamc_value prices[] = {beamc_pair(tea, beamc_value_i64(450)),
                            beamc_pair(tea, beamc_value_i64(400)),
                            beamc_pair(pot, beamc_value_i64(2900))};
    beamc_value rate = beamc_value_i64(beamc_option_int(o, "rate"));

    beamc_pcoll both[] = {orders(p, "Web", web, 3), orders(p, "Shop", shop, 2)};
    beamc_pcoll all = beamc_flatten(p, "Orders", both, 2);
    all = beamc_reshuffle(all, "Spread"); /* many workers, however few made the orders */
    beamc_pcoll priced =
        beamc_pardo(all, "Price", &pricing,
                    .side = {
                        [PRICES] = {.from = beamc_create(p, "Prices", &beamc_kv_str_i64, prices, 3),
                                    .multimap = true},
                        [RATE] = {.from = beamc_create(p, "Rate", &beamc_varint, &rate, 1)},
                        [BLOCKED] = {.from = beamc_create(p, "Blocked", &beamc_string, &eve, 1)},
                    });
    beamc_print(priced, "Print");
    beamc_print(beamc_out(priced, UNKNOWN), "PrintUnknown", .prefix = "unknown: ");
}

static const beamc_option options[] = {
    {.name = "rate",
     .type = BEAMC_OPTION_INT,
     .default_text = "2",
     .min = 1,
     .max = 1000,
     .placeholder = "N",
     .doc = "What a unit of the price list costs, in cents."},
    {0},
};

static const beamc_program program = {
    BEAMC_PROGRAM_ABI, .name = "enrich",   .doc = "Adds prices to orders.",
    .build = build,    .options = options, .fns = BEAMC_FNS(&pricing),
};
BEAMC_EXPORT(program);
