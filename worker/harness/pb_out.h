/* pb_out.h: protobuf fields written by hand, where building a message first would only cost. */
#ifndef BEAMC_HARNESS_PB_OUT_H
#define BEAMC_HARNESS_PB_OUT_H

#include <beamc/buf.h>
#include <protobuf-c/protobuf-c.h>

#include "base/utf8.h"
#include "base/wire.h"
#include "proto/beam_model/unpack.h"

static inline void beamc_pb_varint(beamc_buf *out, unsigned field, uint64_t value) {
    beamc_put_varint(out, (uint64_t)field << 3);
    beamc_put_varint(out, value);
}

/* Strings, bytes and serialized messages. */
static inline void beamc_pb_bytes(beamc_buf *out, unsigned field, beamc_slice bytes) {
    beamc_put_varint(out, (uint64_t)field << 3 | 2);
    beamc_put_prefixed(out, bytes);
}

/* Fields of the default value are left out, as proto3 does. */
static inline void beamc_pb_text(beamc_buf *out, unsigned field, const char *text) {
    if (text != NULL && text[0] != '\0') {
        beamc_pb_bytes(out, field, beamc_str(text));
    }
}

/* A string that users made: other protobuf libraries refuse a whole message for one byte that is not
 * UTF-8, so such bytes become '?'. */
static inline void beamc_pb_user_text(beamc_buf *out, unsigned field, beamc_slice text) {
    beamc_pb_bytes(out, field, text);
    unsigned char *end = out->ptr + out->len;
    for (unsigned char *p = end - text.len; p < end;) {
        bool ok;
        size_t n = beamc_utf8_step(p, end, &ok);
        if (!ok) {
            memset(p, '?', n);
        }
        p += n;
    }
}

static inline void beamc_pb_message(beamc_buf *out, unsigned field,
                                    const ProtobufCMessage *message) {
    beamc_put_varint(out, (uint64_t)field << 3 | 2);
    beamc_put_varint(out, protobuf_c_message_get_packed_size(message));
    beamc__proto_put(out, message);
}

#endif
