/* unpack.h: protobuf-c messages from and to bytes, safely.
 *
 * protobuf-c recurses for each nested message without a limit, and so do its pack and free: a few
 * kilobytes of nested Struct, Trigger or Schema would overflow the stack. Bytes from outside go
 * through beamc__proto_unpack, never directly through a generated ..._unpack.
 *
 *   ProtobufCMessage *m;
 *   BEAMC_TRY(beamc__proto_unpack(&pipe__par_do_payload__descriptor, spec, &m, err));
 *   const Pipe__ParDoPayload *payload = (const Pipe__ParDoPayload *)m;
 *   ...
 *   beamc__proto_free(m);
 *
 * Threads: none of this keeps state. */
#ifndef BEAMC_BEAM_MODEL_UNPACK_H
#define BEAMC_BEAM_MODEL_UNPACK_H

#include <beamc/arena.h>
#include <beamc/buf.h>
#include <beamc/error.h>
#include <beamc/slice.h>
#include <protobuf-c/protobuf-c.h>

/* Nested messages allowed below the outermost one; the limit of other protobuf libraries. */
enum { BEAMC_PROTO_MAX_DEPTH = 100 };

/* Walks @p bytes as a message of @p type, allocating nothing. INVALID_ARGUMENT when a message lies
 * deeper than @p max_depth (at most BEAMC_PROTO_MAX_DEPTH) or the bytes are malformed. */
beamc_status beamc__proto_check_depth(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                      unsigned max_depth, beamc_error *err);

/* Checks, then unpacks to the heap. *out is the caller's, freed with beamc__proto_free; it is NULL
 * after an error. */
beamc_status beamc__proto_unpack(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                 ProtobufCMessage **out, beamc_error *err);
void beamc__proto_free(ProtobufCMessage *message);

/* The same into @p arena, which owns the message: do not free it. Nothing stays there on error. */
beamc_status beamc__proto_unpack_arena(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                       beamc_arena *arena, ProtobufCMessage **out,
                                       beamc_error *err);

/* An allocator for generated ..._unpack functions whose free does nothing. */
ProtobufCAllocator beamc__proto_arena_allocator(beamc_arena *arena);

/* The serialized message behind what @p buf holds. */
void beamc__proto_put(beamc_buf *buf, const ProtobufCMessage *message);
/* The serialized message in @p arena. */
beamc_slice beamc__proto_pack(beamc_arena *arena, const ProtobufCMessage *message);

#endif
