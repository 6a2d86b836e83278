/* grouper.c: which grouper a group gets, and what all of them write. */
#include "runner/engine/grouper.h"

#include "base/wire.h"
#include "coder/coder_impl.h"

beamc_status beamc__grouper_new(const beamc_node_spec *node, bool bounded, beamc_grouper **out,
                                beamc_error *err) {
    if (beamc__grouper_simple_fits(node, bounded)) {
        *out = beamc__grouper_simple_new(node);
        return BEAMC_OK;
    }
    return beamc__grouper_general_new(node, out, err);
}

void beamc__group_put_head(beamc_buf *out, const beamc_coder *window_coder, beamc_time timestamp,
                           beamc_window window, const beamc_pane *pane) {
    beamc_buf_room(out, 64);
    beamc_put_be64(out, beamc_time_to_wire(timestamp));
    beamc_put_be32(out, 1);
    if (window_coder->kind == BEAMC_CODER_INTERVAL_WINDOW) {
        beamc_put_be64(out, beamc_time_to_wire(window.end));
        beamc_put_varint(out, (uint64_t)window.end - (uint64_t)window.start);
    }
    beamc__pane_encode(*pane, out);
}
