/* merge.c: sessions. The open windows of a key do not overlap; an element whose window touches some
 * of them from inside makes one of them all (standard_window_fns.proto, SessionWindowsPayload).
 *
 * What merges: values, elements since the last pane, trigger state, holds. What does not: the pane.
 * A window that is longer than before is another window, whose first pane is yet to come. Windows
 * that have closed merge with nothing; they are remembered until they expire, so that an element in
 * exactly one of them is known to be late. */
#include "runner/engine/general.h"

static inline bool overlap(beamc_window a, beamc_window b) {
    return a.start < b.end && b.start < a.end;
}

static inline bool same(beamc_window a, beamc_window b) {
    return a.start == b.start && a.end == b.end;
}

static beamc_time merge_holds(const beamc_general *g, beamc_time a, beamc_time b) {
    if (a == BEAMC_TIME_MAX || b == BEAMC_TIME_MAX) {
        return a == BEAMC_TIME_MAX ? b : a;
    }
    bool earliest = g->windowing->output_time == BEAMC_OUTPUT_EARLIEST_IN_PANE;
    return (a < b) == earliest ? a : b;
}

/* The window is one that has fired nothing: its length has changed. */
static void renew(beamc_gwin *w) {
    w->flags &= (uint8_t) ~(BEAMC_GWIN_FIRED | BEAMC_GWIN_HOLD_END | BEAMC_GWIN_HOLD_EXPIRY);
    w->index = 0;
    w->non_speculative = 0;
    w->timing = 0;
}

static void append_values(beamc_general *g, beamc_gwin *to, beamc_gwin *from) {
    if (from->first == NULL) {
        return;
    }
    if (to->first == NULL) {
        to->first = from->first;
    } else {
        to->last->next = from->first; /* it was a first one: now it counts */
        g->value_bytes += sizeof *from->first + from->first->cap;
    }
    to->last = from->last;
    to->count += from->count;
    from->first = from->last = NULL;
    from->count = 0;
}

/* What is left of @p from is freed. */
static void absorb(beamc_general *g, beamc_gwin *to, beamc_gwin *from) {
    append_values(g, to, from);
    to->fresh += from->fresh;
    to->hold = merge_holds(g, to->hold, from->hold);
    beamc__gwin_free(g, from);
}

/* Where windows end decides what their hold is, and it may now be possible to have one. */
static void renew_holds(const beamc_general *g, beamc_gwin *w, const beamc_group_time *time) {
    beamc_time last = beamc_gwin_last(w->window);
    if (g->windowing->output_time == BEAMC_OUTPUT_END_OF_WINDOW) {
        w->hold = last >= time->output && last >= time->watermark ? last : BEAMC_TIME_MAX;
    }
    if (beamc_gwin_expiry(g, w->window) >= time->watermark) {
        w->flags |= BEAMC_GWIN_HOLD_EXPIRY;
    }
}

/* @p w becomes @p window, which takes in all of it and of @p other, unless that is NULL. */
static void grow(beamc_general *g, beamc_gwin *w, beamc_window window, beamc_gwin *other,
                 const beamc_group_time *time) {
    beamc_gkey *k = w->key;
    beamc__gkey_unlink(k, w);
    w->window = window;
    renew(w);
    beamc_trigger_context c = beamc_gwin_context(w, time);
    if (!c.ended) {
        w->flags &= (uint8_t)~BEAMC_GWIN_ENDED;
    }
    beamc__trigger_merge(&g->program, &w->trigger, other != NULL ? &other->trigger : NULL, &c);
    if (other != NULL) {
        absorb(g, w, other);
    }
    beamc_gwin *closed = beamc__gkey_window(k, window);
    if (closed != NULL) {
        beamc__gwin_free(g, closed);
    }
    beamc__gkey_link(k, w);
    renew_holds(g, w, time);
}

/* An open window of the key that overlaps @p window, other than @p than. */
static beamc_gwin *find_open(const beamc_gkey *k, beamc_window window, const beamc_gwin *than) {
    /* Open windows do not overlap: in the order of their ends they are in that of their starts. */
    beamc_window from = {BEAMC_TIME_MAX, window.start};
    for (beamc_gwin *w = beamc__gkey_behind(k, from); w != NULL;
         w = beamc__gkey_behind(k, w->window)) {
        if (beamc_trigger_is_closed(&w->trigger) || w == than) {
            continue;
        }
        return w->window.start < window.end ? w : NULL;
    }
    return NULL;
}

beamc_gwin *beamc__general_merge(beamc_general *g, beamc_gkey *k, beamc_window window,
                                 const beamc_group_time *time) {
    beamc_gwin *to = k->last;
    if (to == NULL || beamc_trigger_is_closed(&to->trigger) || !overlap(to->window, window)) {
        to = find_open(k, window, NULL);
    }
    if (to == NULL) {
        beamc_gwin *closed = beamc__gkey_window(k, window);
        return closed != NULL ? NULL : beamc__gwin_new(g, k, window);
    }
    beamc_window all = window;
    for (beamc_gwin *other = to; other != NULL; other = find_open(k, all, to)) {
        beamc_window w = other->window;
        all.start = w.start < all.start ? w.start : all.start;
        all.end = w.end > all.end ? w.end : all.end;
        if (other != to) {
            if (other->count > to->count) { /* what is moved may have to be stored again */
                beamc_gwin *smaller = to;
                to = other;
                other = smaller;
            }
            grow(g, to, all, other, time);
        } else if (!same(all, w)) {
            grow(g, to, all, NULL, time);
        }
    }
    return to;
}
