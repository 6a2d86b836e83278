/* fuzz_cursor.c: the wire cursor on arbitrary bytes. Each byte read picks the next reader. A reader
 * stays inside its bytes, one that says no has not moved, and what was read is written back the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static void check_varint(beamc_cursor *c) {
    uint64_t v;
    if (beamc_get_varint(c, &v)) {
        unsigned char bytes[10];
        unsigned char *end = beamc_write_varint(bytes, v);
        require((size_t)(end - bytes) == beamc_varint_size(v));
        beamc_cursor back = {bytes, end};
        uint64_t again;
        require(beamc_get_varint(&back, &again) && again == v && back.p == back.end);
    }
}

static void check_prefixed(beamc_cursor *c) {
    beamc_slice s;
    const unsigned char *before = c->p;
    if (beamc_get_prefixed(c, &s)) {
        require(s.len <= (size_t)(c->end - before) && (const unsigned char *)s.ptr + s.len == c->p);
    } else {
        require(c->p == before);
    }
}

static void check_fixed(beamc_cursor *c, unsigned which) {
    const unsigned char *before = c->p;
    size_t left = beamc_cursor_left(c);
    size_t width = which == 0 ? 4 : 8;
    uint32_t v32;
    uint64_t v64;
    bool ok = which == 0 ? beamc_get_be32(c, &v32) : beamc_get_be64(c, &v64);
    require(ok == (left >= width) && c->p == (ok ? before + width : before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_cursor c = beamc_cursor_of(beamc_slice_of(data, size));
    unsigned op;
    while (beamc_get_u8(&c, &op)) {
        beamc_slice s;
        switch (op % 5) {
        case 0:
            check_varint(&c);
            break;
        case 1:
            check_prefixed(&c);
            break;
        case 2:
            require(beamc_get_bytes(&c, op / 5, &s) ? s.len == op / 5
                                                    : beamc_cursor_left(&c) < op / 5);
            break;
        default:
            check_fixed(&c, op % 5 - 3);
        }
        require(c.p <= c.end);
    }
    return 0;
}
