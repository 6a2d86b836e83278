/* fuzz_elements.c: the Elements reader on arbitrary bytes. Every slice lies inside of the message, the end
 * is reached, and what protobuf-c accepts as Elements without unknown fields is read the same way. */
#include <stdint.h>
#include <stdlib.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "worker/harness/elements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void check_inside(beamc_slice s, const uint8_t *data, size_t size) {
    const uint8_t *p = (const uint8_t *)s.ptr;
    require(s.len == 0 || (p >= data && s.len <= size && p <= data + size - s.len));
}

/* protobuf-c cuts strings at a zero byte. */
static void check_text(beamc_slice s, const char *text) {
    beamc_slice other = beamc_str(text);
    require(other.len <= s.len && memcmp(other.ptr, s.len > 0 ? s.ptr : "", other.len) == 0);
}

static void compare(const Fn__Elements *e, beamc_slice bytes) {
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_elements_part part;
    bool more = true;
    size_t data_parts = 0, timer_parts = 0;
    for (;;) {
        require(beamc__elements_next(&in, &part, &more, NULL) == BEAMC_OK);
        if (!more) {
            break;
        }
        if (part.is_timers) {
            const Fn__Elements__Timers *t = e->timers[timer_parts++];
            check_text(part.family, t->timer_family_id);
            check_text(part.instruction_id, t->instruction_id);
            require(part.data.len == t->timers.len && part.is_last == (t->is_last != 0));
        } else {
            const Fn__Elements__Data *d = e->data[data_parts++];
            check_text(part.transform_id, d->transform_id);
            check_text(part.instruction_id, d->instruction_id);
            require(part.data.len == d->data.len && part.is_last == (d->is_last != 0));
        }
    }
    require(data_parts == e->n_data && timer_parts == e->n_timers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_slice bytes = beamc_slice_of(data, size);
    beamc_cursor in = beamc_cursor_of(bytes);
    beamc_elements_part part;
    bool more = true;
    beamc_status status = BEAMC_OK;
    while (status == BEAMC_OK && more) {
        size_t left = beamc_cursor_left(&in);
        status = beamc__elements_next(&in, &part, &more, NULL);
        if (status == BEAMC_OK && more) {
            require(beamc_cursor_left(&in) < left);
            check_inside(part.instruction_id, data, size);
            check_inside(part.transform_id, data, size);
            check_inside(part.family, data, size);
            check_inside(part.data, data, size);
        }
    }
    ProtobufCMessage *m;
    if (status == BEAMC_OK &&
        beamc__proto_unpack(&fn__elements__descriptor, bytes, &m, NULL) == BEAMC_OK) {
        compare((const Fn__Elements *)m, bytes);
        beamc__proto_free(m);
    }
    return 0;
}
