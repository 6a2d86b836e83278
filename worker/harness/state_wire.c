/* state_wire.c: see state_wire.h. */
#include "worker/harness/state_wire.h"

#include <inttypes.h>
#include <stdio.h>

#include "worker/harness/pb_out.h"

/* StateKey.type: the number of its arm, and which fields that has. */
typedef struct key_form {
    unsigned arm;
    bool has_key;
    bool has_map_key;
    bool has_range;
} key_form;

static const key_form key_forms[] = {
    [BEAMC_STATE_KEY_RUNNER] = {1, false, false, false},
    [BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT] = {2, true, false, false},
    [BEAMC_STATE_KEY_BAG_USER] = {3, true, false, false},
    [BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT] = {4, false, false, false},
    [BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT] = {5, false, false, false},
    [BEAMC_STATE_KEY_MULTIMAP_KEYS_USER] = {6, true, false, false},
    [BEAMC_STATE_KEY_MULTIMAP_USER] = {7, true, true, false},
    [BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT] = {8, false, false, false},
    [BEAMC_STATE_KEY_ORDERED_LIST_USER] = {9, true, false, true},
    [BEAMC_STATE_KEY_MULTIMAP_ENTRIES_USER] = {10, true, false, false},
};

/* proto3 leaves out what is empty. */
static void put_if_any(beamc_buf *out, unsigned field, beamc_slice bytes) {
    if (bytes.len > 0) {
        beamc_pb_bytes(out, field, bytes);
    }
}

static void put_range(beamc_buf *out, int64_t start, int64_t end) {
    beamc_buf range = {0};
    if (start != 0) {
        beamc_pb_varint(&range, 1, (uint64_t)start);
    }
    if (end != 0) {
        beamc_pb_varint(&range, 2, (uint64_t)end);
    }
    beamc_pb_bytes(out, 5, beamc_buf_slice(&range));
    beamc_buf_free(&range);
}

void beamc__state_put_key(beamc_buf *out, const beamc_state_key *key) {
    const key_form *form = &key_forms[key->kind];
    beamc_buf body = {0};
    if (key->kind == BEAMC_STATE_KEY_RUNNER) {
        put_if_any(&body, 1, key->id);
    } else {
        put_if_any(&body, 1, key->transform_id);
        put_if_any(&body, 2, key->id);
        put_if_any(&body, 3, key->window);
        if (form->has_key) {
            put_if_any(&body, 4, key->key);
        }
        if (form->has_map_key) {
            put_if_any(&body, 5, key->map_key);
        }
        if (form->has_range) {
            put_range(&body, key->range_start, key->range_end);
        }
    }
    beamc_pb_bytes(out, form->arm, beamc_buf_slice(&body));
    beamc_buf_free(&body);
}

void beamc__state_put_request(beamc_buf *out, uint64_t id, const char *instruction_id,
                              beamc_slice key, beamc_state_op op, beamc_slice bytes) {
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, id);
    beamc_pb_bytes(out, 1, beamc_slice_of(text, (size_t)n));
    beamc_pb_text(out, 2, instruction_id);
    beamc_pb_bytes(out, 3, key);
    beamc_put_varint(out, (uint64_t)op << 3 | 2);
    if (op == BEAMC_STATE_CLEAR || bytes.len == 0) {
        beamc_put_varint(out, 0);
        return;
    }
    beamc_put_varint(out, 1 + beamc_varint_size(bytes.len) + bytes.len);
    beamc_pb_bytes(out, 1, bytes);
}

/* --------------------------------------------------------------------------------- reading */

static bool skip(beamc_cursor *in, uint64_t wire_type) {
    uint64_t v;
    beamc_slice s;
    switch (wire_type) {
    case 0:
        return beamc_get_varint(in, &v);
    case 1:
        return beamc_get_bytes(in, 8, &s);
    case 2:
        return beamc_get_prefixed(in, &s);
    case 5:
        return beamc_get_bytes(in, 4, &s);
    default:
        return false;
    }
}

/* StateGetResponse: continuation_token 1, data 2. */
static bool read_get(beamc_slice bytes, beamc_state_response *out) {
    beamc_cursor in = beamc_cursor_of(bytes);
    uint64_t tag;
    while (beamc_cursor_left(&in) > 0) {
        if (!beamc_get_varint(&in, &tag)) {
            return false;
        }
        bool ok = tag == (1 << 3 | 2)   ? beamc_get_prefixed(&in, &out->continuation)
                  : tag == (2 << 3 | 2) ? beamc_get_prefixed(&in, &out->data)
                                        : tag >> 3 != 0 && skip(&in, tag & 7);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool read_field(beamc_cursor *in, uint64_t tag, beamc_state_response *out) {
    uint64_t field = tag >> 3;
    if ((tag & 7) != 2) {
        return field != 0 && skip(in, tag & 7);
    }
    beamc_slice bytes;
    if (field == 0 || !beamc_get_prefixed(in, &bytes)) {
        return false;
    }
    if (field == 1) {
        out->id = bytes;
    } else if (field == 2) {
        out->error = bytes;
    } else if (field >= BEAMC_STATE_GET && field <= BEAMC_STATE_CLEAR) {
        out->arm = field;
        return field != BEAMC_STATE_GET || read_get(bytes, out);
    }
    return true;
}

beamc_status beamc__state_read_response(beamc_slice bytes, beamc_state_response *out,
                                        beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(bytes);
    *out = (beamc_state_response){.arm = 0};
    uint64_t tag;
    while (beamc_cursor_left(&in) > 0) {
        if (!beamc_get_varint(&in, &tag) || !read_field(&in, tag, out)) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a StateResponse of %zu bytes is malformed",
                              bytes.len);
        }
    }
    return BEAMC_OK;
}

bool beamc__state_id(beamc_slice text, uint64_t *id) {
    uint64_t n = 0;
    if (text.len == 0 || text.len > 18) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        n = n * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *id = n;
    return true;
}
