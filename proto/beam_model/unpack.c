/* unpack.c: see unpack.h.
 *
 * The walk knows the schema, since bytes alone do not tell a nested message from a string. It
 * descends exactly where protobuf-c does (length-delimited fields of message type), with its own
 * stack, and it refuses what protobuf-c refuses (groups, wire types that do not fit the field,
 * lengths past the end), so that the error can name the place. Unknown fields are skipped. */
#include "proto/beam_model/unpack.h"

#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_LENGTH = 2, WIRE_32BIT = 5 };

/* A message that the walk is in. */
typedef struct level {
    const ProtobufCMessageDescriptor *type;
    const unsigned char *end;
} level;

/* Fields are sorted by tag number. NULL for an unknown one. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  uint64_t number) {
    unsigned low = 0, high = type->n_fields;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (type->fields[mid].id < number) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < type->n_fields && type->fields[low].id == number ? &type->fields[low] : NULL;
}

static unsigned wire_type_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    default:
        return WIRE_VARINT;
    }
}

/* Repeated numbers may be packed or not, whatever the .proto says. */
static bool wire_type_fits(const ProtobufCFieldDescriptor *field, unsigned wire) {
    return wire == wire_type_of(field->type) ||
           (wire == WIRE_LENGTH && field->label == PROTOBUF_C_LABEL_REPEATED);
}

static const char *field_name(const ProtobufCFieldDescriptor *field) {
    return field != NULL ? field->name : "(unknown)";
}

/* Reads the value of a field, except that a message is only entered: then *body is what it spans. */
static beamc_status take_value(beamc_cursor *c, unsigned wire, beamc_slice *body,
                               const ProtobufCMessageDescriptor *in,
                               const ProtobufCFieldDescriptor *field, beamc_error *err) {
    uint64_t number;
    bool ok = false;
    switch (wire) {
    case WIRE_VARINT:
        ok = beamc_get_varint(c, &number);
        break;
    case WIRE_64BIT:
        ok = beamc_get_bytes(c, 8, body);
        break;
    case WIRE_LENGTH:
        /* protobuf-c counts lengths in an int. */
        ok = beamc_get_prefixed(c, body) && body->len <= INT_MAX;
        break;
    case WIRE_32BIT:
        ok = beamc_get_bytes(c, 4, body);
        break;
    default: /* Groups (3, 4) are not in any message of ours; 6 and 7 do not exist. */
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s.%s: wire type %u is not supported", in->name,
                          field_name(field), wire);
    }
    return ok ? BEAMC_OK
              : BEAMC_FAIL(err, INVALID_ARGUMENT, "%s.%s: the value is cut short or malformed",
                           in->name, field_name(field));
}

static beamc_status take_tag(beamc_cursor *c, const ProtobufCMessageDescriptor *in,
                             const ProtobufCFieldDescriptor **field, unsigned *wire,
                             beamc_error *err) {
    uint64_t tag;
    if (!beamc_get_varint(c, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s: a field has no valid tag", in->name);
    }
    *wire = (unsigned)(tag & 7);
    *field = find_field(in, tag >> 3);
    if (*field != NULL && !wire_type_fits(*field, *wire)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s.%s: has wire type %u, should have %u",
                          in->name, (*field)->name, *wire, wire_type_of((*field)->type));
    }
    return BEAMC_OK;
}

beamc_status beamc__proto_check_depth(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                      unsigned max_depth, beamc_error *err) {
    level stack[BEAMC_PROTO_MAX_DEPTH + 1];
    unsigned depth = 0;
    beamc_cursor c = beamc_cursor_of(bytes);

    if (max_depth > BEAMC_PROTO_MAX_DEPTH) {
        max_depth = BEAMC_PROTO_MAX_DEPTH;
    }
    stack[0] = (level){type, c.end};
    for (;;) {
        if (c.p == c.end) {
            if (depth == 0) {
                return BEAMC_OK;
            }
            c.end = stack[--depth].end;
            continue;
        }
        const ProtobufCMessageDescriptor *in = stack[depth].type;
        const ProtobufCFieldDescriptor *field = NULL;
        unsigned wire = WIRE_VARINT;
        beamc_slice body = {NULL, 0};
        BEAMC_TRY(take_tag(&c, in, &field, &wire, err));
        BEAMC_TRY(take_value(&c, wire, &body, in, field, err));
        if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (depth == max_depth) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "%s.%s: messages are nested more than %u deep, which is refused",
                              in->name, field->name, max_depth);
        }
        c = beamc_cursor_of(body);
        stack[++depth] = (level){field->descriptor, c.end};
    }
}

static void *heap_alloc(void *unused, size_t size) {
    (void)unused;
    return beamc__malloc(size);
}

static void heap_free(void *unused, void *ptr) {
    (void)unused;
    free(ptr);
}

/* Unlike protobuf-c's own it never returns NULL, which would pass for malformed bytes. */
static ProtobufCAllocator heap = {heap_alloc, heap_free, NULL};

static void *arena_alloc(void *arena, size_t size) {
    return beamc_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *ptr) {
    (void)arena;
    (void)ptr;
}

ProtobufCAllocator beamc__proto_arena_allocator(beamc_arena *arena) {
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    return allocator;
}

static beamc_status check_and_unpack(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                     ProtobufCAllocator *allocator, ProtobufCMessage **out,
                                     beamc_error *err) {
    *out = NULL;
    BEAMC_TRY(beamc__proto_check_depth(type, bytes, BEAMC_PROTO_MAX_DEPTH, err));
    *out = protobuf_c_message_unpack(type, allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (*out == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%zu bytes are not a valid %s", bytes.len,
                          type->name);
    }
    return BEAMC_OK;
}

beamc_status beamc__proto_unpack(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                 ProtobufCMessage **out, beamc_error *err) {
    return check_and_unpack(type, bytes, &heap, out, err);
}

void beamc__proto_free(ProtobufCMessage *message) {
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, &heap);
    }
}

beamc_status beamc__proto_unpack_arena(const ProtobufCMessageDescriptor *type, beamc_slice bytes,
                                       beamc_arena *arena, ProtobufCMessage **out,
                                       beamc_error *err) {
    ProtobufCAllocator allocator = beamc__proto_arena_allocator(arena);
    beamc_arena_mark mark = beamc_arena_get_mark(arena);
    beamc_status status = check_and_unpack(type, bytes, &allocator, out, err);
    if (status != BEAMC_OK) {
        beamc_arena_rewind(arena, mark);
    }
    return status;
}

void beamc__proto_put(beamc_buf *buf, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    buf->len += protobuf_c_message_pack(message, beamc_buf_room(buf, size));
}

beamc_slice beamc__proto_pack(beamc_arena *arena, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    unsigned char *to = beamc_arena_alloc(arena, size);
    return beamc_slice_of(to, protobuf_c_message_pack(message, to));
}
