/* msg.c: messages and the FIFO they wait in.
 *
 * A message is immutable and counted. Its bytes lie behind the struct (small or copied), in a
 * buffer taken over from a beamc_buf, or in the slice that gRPC received. gRPC hands a large message
 * over in pieces of a socket read each; these are joined once, on the reader's thread. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

/* A short message is copied out, because its slice would keep a whole socket read alive. */
enum { COPY_MAX_BYTES = 4096 };

struct beamc_rpc_msg {
    atomic_uint refs;
    bool is_slice;
    beamc_slice data;
    void *heap;       /* taken over from a buffer, or NULL */
    grpc_slice slice; /* if is_slice */
    char inlined[];
};

static beamc_rpc_msg *msg_new(size_t inlined_bytes) {
    if (inlined_bytes > SIZE_MAX / 2) {
        beamc__oom(inlined_bytes);
    }
    beamc_rpc_msg *msg = beamc__malloc(sizeof *msg + inlined_bytes);
    atomic_init(&msg->refs, 1);
    msg->is_slice = false;
    msg->heap = NULL;
    msg->data = beamc_slice_of(msg->inlined, inlined_bytes);
    return msg;
}

beamc_rpc_msg *beamc_rpc_msg_copy(beamc_slice bytes) {
    beamc_rpc_msg *msg = msg_new(bytes.len);
    if (bytes.len > 0) {
        memcpy(msg->inlined, bytes.ptr, bytes.len);
    }
    return msg;
}

beamc_rpc_msg *beamc_rpc_msg_take(beamc_buf *buf) {
    beamc_rpc_msg *msg = msg_new(0);
    msg->heap = buf->ptr;
    msg->data = beamc_buf_slice(buf);
    *buf = (beamc_buf){0};
    return msg;
}

beamc_slice beamc_rpc_msg_data(const beamc_rpc_msg *msg) {
    return msg->data;
}

beamc_rpc_msg *beamc_rpc_msg_ref(beamc_rpc_msg *msg) {
    atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    return msg;
}

void beamc_rpc_msg_unref(beamc_rpc_msg *msg) {
    if (msg == NULL || atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (msg->is_slice) {
        grpc_slice_unref(msg->slice);
    }
    free(msg->heap);
    free(msg);
}

static void release_shared(void *msg) {
    BEAMC__RPC_TAKE_OVER(msg);
    beamc_rpc_msg_unref(msg);
}

grpc_byte_buffer *beamc__rpc_msg_share(beamc_rpc_msg *msg) {
    if (msg->data.len == 0) {
        return grpc_raw_byte_buffer_create(NULL, 0);
    }
    BEAMC__RPC_HAND_OVER(msg);
    grpc_slice slice = grpc_slice_new_with_user_data(
        (void *)(uintptr_t)msg->data.ptr, msg->data.len, release_shared, beamc_rpc_msg_ref(msg));
    grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return bytes;
}

static beamc_rpc_msg *msg_of_slice(grpc_slice slice) {
    beamc_rpc_msg *msg = msg_new(0);
    msg->is_slice = true;
    msg->slice = slice;
    msg->data = beamc_slice_of(GRPC_SLICE_START_PTR(msg->slice), GRPC_SLICE_LENGTH(msg->slice));
    return msg;
}

/* Joins the pieces behind @p first into one message. */
static beamc_rpc_msg *join(grpc_byte_buffer_reader *reader, grpc_slice *first, size_t total) {
    beamc_rpc_msg *msg = msg_new(total);
    size_t at = 0;
    grpc_slice *piece = first;
    do {
        size_t n = GRPC_SLICE_LENGTH(*piece);
        n = n < total - at ? n : total - at;
        memcpy(msg->inlined + at, GRPC_SLICE_START_PTR(*piece), n);
        at += n;
    } while (grpc_byte_buffer_reader_peek(reader, &piece));
    msg->data.len = at;
    return msg;
}

beamc_rpc_msg *beamc__rpc_msg_receive(grpc_byte_buffer *bytes) {
    size_t total = grpc_byte_buffer_length(bytes);
    beamc_rpc_msg *msg;
    grpc_byte_buffer_reader reader;
    grpc_slice *first;
    if (total == 0 || !grpc_byte_buffer_reader_init(&reader, bytes)) {
        msg = msg_new(0);
    } else {
        if (!grpc_byte_buffer_reader_peek(&reader, &first)) {
            msg = msg_new(0);
        } else if (total > COPY_MAX_BYTES && GRPC_SLICE_LENGTH(*first) == total) {
            msg = msg_of_slice(grpc_slice_ref(*first));
        } else {
            msg = join(&reader, first, total);
        }
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(bytes);
    return msg;
}

void beamc__rpc_ring_push(beamc__rpc_ring *ring, void *item) {
    if (ring->len == ring->cap) {
        size_t cap = ring->cap ? ring->cap * 2 : 8;
        void **items = beamc__calloc(cap, sizeof *items);
        for (size_t i = 0; i < ring->len; i++) {
            items[i] = ring->items[(ring->head + i) & (ring->cap - 1)];
        }
        free(ring->items);
        ring->items = items;
        ring->cap = cap;
        ring->head = 0;
    }
    ring->items[(ring->head + ring->len++) & (ring->cap - 1)] = item;
}

void *beamc__rpc_ring_pop(beamc__rpc_ring *ring) {
    if (ring->len == 0) {
        return NULL;
    }
    void *item = ring->items[ring->head];
    ring->head = (ring->head + 1) & (ring->cap - 1);
    ring->len--;
    return item;
}

void beamc__rpc_ring_free(beamc__rpc_ring *ring) {
    free(ring->items);
    *ring = (beamc__rpc_ring){0};
}
