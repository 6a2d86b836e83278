/* nearest.c: see nearest.h. Three rows of the table at a time, on the stack. */
#include "base/nearest.h"

enum { MAX_NAME = 63 };

static unsigned fold(char c) {
    unsigned u = (unsigned char)c;
    if (u >= 'A' && u <= 'Z') {
        return u + 32;
    }
    return u == '-' ? '_' : u;
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned beamc__edit_distance(beamc_slice a, beamc_slice b) {
    size_t na = a.len < MAX_NAME ? a.len : MAX_NAME;
    size_t nb = b.len < MAX_NAME ? b.len : MAX_NAME;
    unsigned rows[3][MAX_NAME + 1] = {{0}};
    unsigned *two_up = rows[0];
    unsigned *up = rows[1];
    unsigned *row = rows[2];
    for (size_t j = 0; j <= nb; j++) {
        up[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= na; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned differ = fold(a.ptr[i - 1]) != fold(b.ptr[j - 1]);
            row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + differ);
            if (i > 1 && j > 1 && fold(a.ptr[i - 1]) == fold(b.ptr[j - 2]) &&
                fold(a.ptr[i - 2]) == fold(b.ptr[j - 1]) && two_up[j - 2] + 1 < row[j]) {
                row[j] = two_up[j - 2] + 1;
            }
        }
        unsigned *spare = two_up;
        two_up = up;
        up = row;
        row = spare;
    }
    return up[nb];
}
