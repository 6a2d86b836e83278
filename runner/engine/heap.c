/* heap.c: the heaps of the general grouper, see general.h. Binary, with equal times left where they
 * are: most windows end when others do. */
#include <stdlib.h>

#include "base/mem.h"
#include "runner/engine/general.h"

static beamc_time least_hold(const beamc_general *g, const beamc_gwin *w) {
    beamc_time hold = w->hold, last = beamc_gwin_last(w->window);
    hold = hold < BEAMC_TIME_MAX && hold > last ? last : hold;
    if ((w->flags & BEAMC_GWIN_HOLD_END) != 0) {
        hold = last < hold ? last : hold;
    }
    if ((w->flags & BEAMC_GWIN_HOLD_EXPIRY) != 0) {
        beamc_time expiry = beamc_gwin_expiry(g, w->window);
        hold = expiry < hold ? expiry : hold;
    }
    return hold;
}

beamc_time beamc__gwin_at(const beamc_general *g, const beamc_gwin *w, unsigned heap) {
    switch (heap) {
    case BEAMC_HEAP_WATERMARK:
        return ((w->flags & BEAMC_GWIN_ENDED) != 0 ? beamc_gwin_expiry(g, w->window)
                                                   : beamc_gwin_last(w->window)) +
               1;
    case BEAMC_HEAP_CLOCK: /* behind the trigger's own slots */
        return g->program.deadlines != 0 ? w->trigger.slots[g->program.slots] : BEAMC_TIME_MAX;
    default:
        return least_hold(g, w);
    }
}

static inline void put(beamc_gheap *h, unsigned heap, size_t i, struct beamc_gheap_item item) {
    h->items[i] = item;
    item.win->place[heap] = (uint32_t)(i + 1);
}

static void sift_up(beamc_gheap *h, unsigned heap, size_t i, struct beamc_gheap_item item) {
    for (; i > 0 && item.at < h->items[(i - 1) / 2].at; i = (i - 1) / 2) {
        put(h, heap, i, h->items[(i - 1) / 2]);
    }
    put(h, heap, i, item);
}

static void sift_down(beamc_gheap *h, unsigned heap, size_t i, struct beamc_gheap_item item) {
    for (size_t kid; (kid = i * 2 + 1) < h->count; i = kid) {
        if (kid + 1 < h->count && h->items[kid + 1].at < h->items[kid].at) {
            kid++;
        }
        if (h->items[kid].at >= item.at) {
            break;
        }
        put(h, heap, i, h->items[kid]);
    }
    put(h, heap, i, item);
}

void beamc__gheap_remove(beamc_general *g, unsigned heap, beamc_gwin *w) {
    beamc_gheap *h = &g->heaps[heap];
    if (w->place[heap] == 0) {
        return;
    }
    size_t i = w->place[heap] - 1;
    w->place[heap] = 0;
    struct beamc_gheap_item item = h->items[--h->count];
    if (item.win == w) {
        return;
    }
    if (i > 0 && item.at < h->items[(i - 1) / 2].at) {
        sift_up(h, heap, i, item);
    } else {
        sift_down(h, heap, i, item);
    }
}

void beamc__gheap_update(beamc_general *g, unsigned heap, beamc_gwin *w, beamc_time at) {
    beamc_gheap *h = &g->heaps[heap];
    if (at == BEAMC_TIME_MAX && heap != BEAMC_HEAP_WATERMARK) {
        beamc__gheap_remove(g, heap, w);
        return;
    }
    struct beamc_gheap_item item = {at, w};
    if (w->place[heap] == 0) {
        if (h->count == h->cap) {
            h->cap = h->cap == 0 ? 8 : h->cap * 2;
            h->items = beamc__realloc(h->items, h->cap * sizeof *h->items);
        }
        sift_up(h, heap, h->count++, item);
    } else if (at < h->items[w->place[heap] - 1].at) {
        sift_up(h, heap, w->place[heap] - 1, item);
    }
}

beamc_time beamc__gheap_top(beamc_general *g, unsigned heap, beamc_gwin **win) {
    beamc_gheap *h = &g->heaps[heap];
    while (h->count > 0) {
        struct beamc_gheap_item item = h->items[0];
        beamc_time at = beamc__gwin_at(g, item.win, heap);
        if (at == item.at) {
            *win = item.win;
            return at;
        }
        item.at = at;
        sift_down(h, heap, 0, item);
    }
    *win = NULL;
    return BEAMC_TIME_MAX;
}
