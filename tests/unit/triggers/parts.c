/* parts.c: the heaps, trees and memory that the general grouper stands on. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "runner/engine/general.h"

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state % n);
}

static bool before(beamc_window a, beamc_window b) {
    return a.end != b.end ? a.end < b.end : a.start < b.start;
}

Test(triggers_parts, tree) {
    enum { WINDOWS = 300 };
    static beamc_gwin windows[WINDOWS];
    static bool in[WINDOWS];
    beamc_gkey *k = calloc(1, sizeof *k);
    for (int i = 0; i < WINDOWS; i++) {
        windows[i].window = (beamc_window){i % 7, 10 + i / 7};
    }
    for (int round = 0; round < 20000; round++) {
        uint32_t i = below(WINDOWS);
        if (in[i]) {
            beamc__gkey_unlink(k, &windows[i]);
        } else {
            beamc__gkey_link(k, &windows[i]);
        }
        in[i] = !in[i];
        uint32_t n = below(WINDOWS);
        cr_assert_eq(beamc__gkey_window(k, windows[n].window), in[n] ? &windows[n] : NULL);
        const beamc_gwin *behind = NULL;
        for (int m = 0; round % 16 == 0 && m < WINDOWS; m++) {
            if (in[m] && before(windows[n].window, windows[m].window) &&
                (behind == NULL || before(windows[m].window, behind->window))) {
                behind = &windows[m];
            }
        }
        if (round % 16 == 0) {
            cr_assert_eq(beamc__gkey_behind(k, windows[n].window), behind);
        }
    }
    free(k);
}

/* Times that grow are seen late, but never too late. */
Test(triggers_parts, heap) {
    enum { WINDOWS = 200 };
    static beamc_gwin windows[WINDOWS];
    static beamc_time at[WINDOWS];
    static beamc_general g;
    for (int round = 0; round < 50000; round++) {
        uint32_t i = below(WINDOWS), what = below(10);
        if (what == 0) {
            beamc__gheap_remove(&g, BEAMC_HEAP_HOLD, &windows[i]);
            at[i] = BEAMC_TIME_MAX;
        } else {
            at[i] = what == 1 ? BEAMC_TIME_MAX : below(1000);
            windows[i].window = (beamc_window){0, 5000};
            windows[i].hold = at[i];
            beamc__gheap_update(&g, BEAMC_HEAP_HOLD, &windows[i], at[i]);
        }
        if (round % 8 == 0) {
            beamc_time least = BEAMC_TIME_MAX;
            for (int n = 0; n < WINDOWS; n++) {
                beamc_time t = windows[n].place[BEAMC_HEAP_HOLD] == 0 ? BEAMC_TIME_MAX : at[n];
                least = t < least ? t : least;
            }
            beamc_gwin *top;
            cr_assert_eq(beamc__gheap_top(&g, BEAMC_HEAP_HOLD, &top), least);
            cr_assert_eq(top == NULL, least == BEAMC_TIME_MAX);
        }
    }
    free(g.heaps[BEAMC_HEAP_HOLD].items);
}

Test(triggers_parts, slab) {
    for (size_t size = 1; size <= BEAMC_SLAB_LARGEST; size++) {
        size_t real = beamc__slab_size(size);
        cr_assert_geq(real, size);
        cr_assert_leq(real, size < 32 ? 32 : size + size / 2);
        cr_assert_eq(beamc__slab_size(real), real);
        cr_assert_eq(real % 16, 0);
    }
    enum { PIECES = 500 };
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    beamc_slab s = {0};
    size_t settled = 0;
    for (int round = 0; round < 200000; round++) {
        uint32_t i = below(PIECES);
        if (pieces[i] != NULL) {
            for (size_t n = 0; n < sizes[i]; n += 13) {
                cr_assert_eq(pieces[i][n], (unsigned char)i);
            }
            beamc__slab_free(&s, pieces[i], sizes[i]);
        }
        sizes[i] = 1 + below(below(50) == 0 ? 40000 : 300);
        pieces[i] = beamc__slab_alloc(&s, sizes[i]);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, sizes[i]);
        settled = round == 20000 ? s.footprint : settled;
    }
    cr_assert_leq(s.footprint, settled * 2); /* what is given back is used again */
    for (int i = 0; i < PIECES; i++) {
        if (pieces[i] != NULL) {
            beamc__slab_free(&s, pieces[i], sizes[i]);
        }
    }
    cr_assert_eq(s.live, 0);
    beamc__slab_reset(&s);
}
