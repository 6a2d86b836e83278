/* roots.c: work that a bundle leaves behind, as protobuf. */
#include "worker/harness/harness.h"
#include "worker/harness/pb_out.h"

/* google.protobuf.Timestamp and Duration have the same fields. */
static void put_ms(beamc_buf *out, unsigned field, int64_t ms) {
    int64_t seconds = ms / 1000, millis = ms % 1000;
    if (millis < 0) {
        seconds--;
        millis += 1000;
    }
    beamc_buf body = {0};
    if (seconds != 0) {
        beamc_pb_varint(&body, 1, (uint64_t)seconds);
    }
    if (millis != 0) {
        beamc_pb_varint(&body, 2, (uint64_t)millis * 1000000);
    }
    beamc_pb_bytes(out, field, beamc_buf_slice(&body));
    beamc_buf_free(&body);
}

void beamc__roots_put_application(beamc_buf *out, unsigned field, const beamc_bundle_root *root) {
    beamc_buf body = {0}, entry = {0};
    beamc_pb_bytes(&body, 1, root->transform_id);
    beamc_pb_bytes(&body, 2, root->input_id);
    beamc_pb_bytes(&body, 3, root->element);
    for (size_t i = 0; i < root->watermark_count; i++) {
        beamc_buf_clear(&entry);
        beamc_pb_bytes(&entry, 1, root->watermarks[i].output);
        put_ms(&entry, 2, root->watermarks[i].watermark);
        beamc_pb_bytes(&body, 4, beamc_buf_slice(&entry));
    }
    beamc_pb_varint(&body, 5,
                    root->unbounded ? PIPE__IS_BOUNDED__ENUM__UNBOUNDED
                                    : PIPE__IS_BOUNDED__ENUM__BOUNDED);
    beamc_pb_bytes(out, field, beamc_buf_slice(&body));
    beamc_buf_free(&body);
    beamc_buf_free(&entry);
}

void beamc__roots_put_delayed(beamc_buf *out, unsigned field, const beamc_bundle_root *root) {
    beamc_buf body = {0};
    beamc__roots_put_application(&body, 1, root);
    put_ms(&body, 2, root->delay_ms);
    beamc_pb_bytes(out, field, beamc_buf_slice(&body));
    beamc_buf_free(&body);
}
