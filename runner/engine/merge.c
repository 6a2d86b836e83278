/* merge.c: sessions. The open windows of a key do not overlap; an element whose window touches some
 * of them from inside makes one of them all (standard_window_fns.proto, SessionWindowsPayload).
 *
 * What merges: values, elements since the last pane, trigger state, holds. What does not: the pane.
 * A window that is longer than before is another window, whose first pane is yet to come. Windows
 * that have closed merge with nothing; they are remembered until they expire, so that an element in
 * exactly one of them is known to be late.
 *
 * All windows of a bundle are merged before its first element is added: how a bundle is ordered does
 * not matter, and windows that it opens have no say in what state their trigger is in. */
#include "runner/engine/general.h"

/* Open windows are as long as the gap or longer, so that of an element touches two at most. */
enum { MOST_AT_ONCE = 4 };

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

static inline bool is_new(const beamc_gwin *w) {
    return (w->flags & BEAMC_GWIN_NEW) != 0;
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

/* @p w becomes @p window, which takes in all of it and of @p others. Their triggers merge all at once:
 * what has been seen in one of them must not be lost to another that has seen nothing yet. */
static void grow(beamc_general *g, beamc_gwin *w, beamc_window window, beamc_gwin *const *others,
                 size_t count, const beamc_group_time *time) {
    beamc_gkey *k = w->key;
    beamc__gkey_unlink(k, w);
    w->window = window;
    renew(w);
    beamc_trigger_context c = beamc_gwin_context(w, time);
    if (!c.ended) {
        w->flags &= (uint8_t)~BEAMC_GWIN_ENDED;
    }
    const beamc_trigger_state *states[MOST_AT_ONCE];
    size_t state_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_new(others[i])) {
            states[state_count++] = &others[i]->trigger;
        }
    }
    if (!is_new(w)) {
        beamc__trigger_merge(&g->program, &w->trigger, states, state_count, &c);
    }
    for (size_t i = 0; i < count; i++) {
        absorb(g, w, others[i]);
    }
    beamc_gwin *closed = beamc__gkey_window(k, window);
    if (closed != NULL) {
        beamc__gwin_free(g, closed);
    }
    beamc__gkey_link(k, w);
    if (!is_new(w)) {
        renew_holds(g, w, time);
    }
}

/* The first open window of the key that overlaps @p window and ends behind @p behind. */
static beamc_gwin *find_open(const beamc_gkey *k, beamc_window window, beamc_time behind) {
    /* Open windows do not overlap: in the order of their ends they are in that of their starts. */
    beamc_window from = {BEAMC_TIME_MAX, behind > window.start ? behind : window.start};
    for (beamc_gwin *w = beamc__gkey_behind(k, from); w != NULL;
         w = beamc__gkey_behind(k, w->window)) {
        if (!beamc_trigger_is_closed(&w->trigger)) {
            return w->window.start < window.end ? w : NULL;
        }
    }
    return NULL;
}

/* The first that @p window overlaps: usually the one that took the last element, too. */
static beamc_gwin *usual(const beamc_gkey *k, beamc_window window) {
    beamc_gwin *w = k->last;
    if (w != NULL && !beamc_trigger_is_closed(&w->trigger) && w->window.start <= window.start &&
        window.start < w->window.end) {
        return w;
    }
    return find_open(k, window, BEAMC_TIME_MIN);
}

/* Which of two stays: one that has state, else the larger, since what is moved may have to be stored
 * again. */
static bool is_better(const beamc_gwin *a, const beamc_gwin *than) {
    return is_new(a) != is_new(than) ? is_new(than) : a->count > than->count;
}

/* A window that is not there yet; false: it has closed. */
static bool open_new(beamc_general *g, beamc_gkey *k, beamc_window window) {
    if (beamc__gkey_window(k, window) != NULL) {
        return false;
    }
    k->last = beamc__gwin_new(g, k, window);
    k->last->flags |= BEAMC_GWIN_NEW;
    return true;
}

bool beamc__general_merge(beamc_general *g, beamc_gkey *k, beamc_window window,
                          const beamc_group_time *time) {
    beamc_gwin *to = usual(k, window);
    if (to == NULL) {
        return open_new(g, k, window);
    }
    beamc_window all = window;
    beamc_gwin *others[MOST_AT_ONCE];
    size_t count = 0;
    for (beamc_gwin *w = to; w != NULL && count < MOST_AT_ONCE;
         w = find_open(k, window, w->window.end)) {
        all.start = w->window.start < all.start ? w->window.start : all.start;
        all.end = w->window.end > all.end ? w->window.end : all.end;
        if (w != to) {
            others[count++] = w;
            if (is_better(w, to)) {
                others[count - 1] = to;
                to = w;
            }
        }
    }
    if (!same(all, to->window)) {
        grow(g, to, all, others, count, time);
    }
    k->last = to;
    return true;
}

beamc_gwin *beamc__general_merged(beamc_gkey *k, beamc_window window) {
    beamc_gwin *w = usual(k, window);
    return w != NULL ? w : beamc__gkey_window(k, window);
}
