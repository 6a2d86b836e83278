/* pb.h: building protobuf-c messages in an arena. Nothing of them is freed one by one. */
#ifndef BEAMC_GRAPH_PB_H
#define BEAMC_GRAPH_PB_H

#include <beamc/arena.h>
#include <beamc/buf.h>

#include <protobuf-c/protobuf-c.h>

#include "proto/beam_model/unpack.h"

/* A message of @p descriptor's type with its defaults. */
static inline void *beamc_pb_new(beamc_arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    void *message = beamc_arena_alloc(arena, descriptor->sizeof_message);
    descriptor->message_init(message);
    return message;
}

static inline ProtobufCBinaryData beamc_pb_bytes(beamc_slice s) {
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

/* protobuf-c wants char * where it only reads. */
static inline char *beamc_pb_text(const char *text) {
    return (char *)(uintptr_t)text;
}

/* The serialized message, in the arena. */
static inline ProtobufCBinaryData beamc_pb_pack(beamc_arena *arena, const void *message) {
    return beamc_pb_bytes(beamc__proto_pack(arena, (const ProtobufCMessage *)message));
}

#endif
