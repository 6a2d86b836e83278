/* wire.c: the long varint of wire.h. */
#include "base/wire.h"

bool beamc__get_varint_slow(beamc_cursor *c, uint64_t *out) {
    uint64_t v = 0;
    const unsigned char *p = c->p;
    for (unsigned shift = 0; shift < 70 && p < c->end; shift += 7) {
        unsigned char b = *p++;
        if (shift == 63 && b > 1) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            c->p = p;
            return true;
        }
    }
    return false;
}
