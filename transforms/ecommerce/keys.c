/* keys.c: an event becomes one pair for its own key and, where there is a second id, one for "ALL". */
#include <beamc/ecommerce.h>

static beamc_status process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_event *event = in->row;
    beamc_event_key key = {event->product_id, event->second_id};
    beamc_kv pair = {.key.row = &key, .value.i64 = event->value};
    beamc_value out = {.kv = &pair};
    BEAMC_TRY(beamc_emit(ctx, 0, out));
    if (event->second_id.len == 0) {
        return BEAMC_OK;
    }
    key.second_id = beamc_str("ALL");
    return beamc_emit(ctx, 0, out);
}

static const beamc_coder event_coder = BEAMC_ROW_CODER(&beamc_event_row);
static const beamc_coder key_coder = BEAMC_ROW_CODER(&beamc_event_key_row);
static const beamc_coder pair_coder = BEAMC_KV(&key_coder, &beamc_varint);

const beamc_dofn beamc_event_keys = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:event_keys:v1",
    .doc = "Events to (key, value) pairs: one for the event's own key, one for ALL.",
    .input = &event_coder,
    .outputs[0] = {"pairs", &pair_coder},
    .process = process,
};
