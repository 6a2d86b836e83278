/* panes.c: when a window's turn comes: does its trigger fire, does it expire, and what its pane is.
 *
 *   end      the watermark has passed the end of the window: if the trigger fires, that is the
 *            on-time pane, which may be empty (WindowingStrategy.on_time_behavior)
 *   expiry   the watermark has passed end + allowed lateness: what came since the last pane, or by
 *            WindowingStrategy.closing_behavior an empty pane, comes out as the last; all is forgotten
 *
 * Without allowed lateness both are one. A trigger that finishes makes its pane the last; the window
 * then only remembers until its expiry that it has closed. */
#include "base/wire.h"
#include "runner/engine/general.h"

typedef struct draining {
    const beamc_group_time *time;
    beamc_buf *out;
    beamc_time *min_timestamp;
    uint64_t *count;
    bool by_watermark; /* it has passed the end or the expiry of the window */
} draining;

/* Before the end of the window: early. The first that comes because the watermark has passed: on
 * time, if the output watermark has not passed its timestamp, too. All others: late. */
static beamc_pane next_pane(const beamc_gwin *w, bool last, const draining *d) {
    const beamc_group_time *time = d->time;
    bool first = (w->flags & BEAMC_GWIN_FIRED) == 0;
    bool early_so_far = first || w->timing == BEAMC_PANE_EARLY;
    beamc_time end = beamc_gwin_last(w->window);
    beamc_pane pane = {.is_first = first, .is_last = last};
    pane.index = first ? 0 : (int64_t)w->index + 1;
    pane.non_speculative_index = first ? 0 : (int64_t)w->non_speculative + 1;
    if (time->watermark <= end && early_so_far) {
        pane.timing = BEAMC_PANE_EARLY;
        pane.non_speculative_index = -1;
    } else if (d->by_watermark && early_so_far && time->output <= end) {
        pane.timing = BEAMC_PANE_ON_TIME;
    } else {
        pane.timing = BEAMC_PANE_LATE;
    }
    return pane;
}

static size_t bytes_of(const beamc_gwin *w) {
    size_t n = 0;
    for (const beamc_gchunk *c = w->first; c != NULL; c = c->next) {
        n += c->len;
    }
    return n;
}

void beamc__gwin_put(const beamc_general *g, const beamc_gwin *w, beamc_time timestamp,
                     const beamc_pane *pane, beamc_buf *out) {
    const beamc_gkey *k = w->key;
    beamc__group_put_head(out, g->node->input.window, timestamp, w->window, pane);
    unsigned char *to = beamc_buf_room(out, (size_t)k->len + 4 + bytes_of(w));
    memcpy(to, k->bytes, k->len);
    to += k->len;
    uint32_t count = __builtin_bswap32(w->count);
    memcpy(to, &count, 4);
    to += 4;
    for (const beamc_gchunk *c = w->first; c != NULL; c = c->next) {
        memcpy(to, c->bytes, c->len);
        to += c->len;
    }
    out->len = (size_t)(to - out->ptr);
}

static void put_pane(beamc_general *g, beamc_gwin *w, const beamc_pane *pane, const draining *d) {
    beamc_time last = beamc_gwin_last(w->window);
    beamc_time t = w->hold < last ? w->hold : last;
    beamc__gwin_put(g, w, t, pane, d->out);
    *d->min_timestamp = t < *d->min_timestamp ? t : *d->min_timestamp;
    ++*d->count;
    g->counts.panes++;
    g->counts.elements += w->count;
    w->flags |= BEAMC_GWIN_FIRED;
    w->index = (uint32_t)pane->index;
    w->non_speculative = (int32_t)pane->non_speculative_index;
    w->timing = pane->timing;
}

/* A pane, if there is something in it or somebody wants it empty, and what follows from it. */
static void emit(beamc_general *g, beamc_gwin *w, bool last, const draining *d) {
    const beamc_windowing *how = g->windowing;
    bool on_time_always = how->on_time == BEAMC_ON_TIME_FIRE_ALWAYS && g->program.on_time;
    bool close_always = how->closing == BEAMC_CLOSING_EMIT_ALWAYS;
    beamc_pane pane = next_pane(w, last, d);
    if (w->fresh > 0 || (on_time_always && pane.timing == BEAMC_PANE_ON_TIME) ||
        (close_always && last)) {
        put_pane(g, w, &pane, d);
    }
    w->fresh = 0;
    w->hold = BEAMC_TIME_MAX;
    w->flags &= (uint8_t) ~(BEAMC_GWIN_HOLD_END | BEAMC_GWIN_HOLD_EXPIRY);
    if (last || how->accumulation == BEAMC_DISCARDING) {
        beamc__gwin_drop_values(g, w);
    }
    if (!last && on_time_always && d->time->watermark <= beamc_gwin_last(w->window)) {
        w->flags |= BEAMC_GWIN_HOLD_END;
    } else if (!last && close_always) {
        w->flags |= BEAMC_GWIN_HOLD_EXPIRY;
    }
}

/* False: it has not fired. */
static bool try_fire(beamc_general *g, beamc_gwin *w, const draining *d) {
    beamc_trigger_context c = beamc_gwin_context(w, d->time);
    if (beamc_trigger_is_closed(&w->trigger) ||
        !beamc__trigger_should_fire(&g->program, &w->trigger, &c)) {
        return false;
    }
    beamc__trigger_fire(&g->program, &w->trigger, &c);
    emit(g, w, beamc_trigger_is_closed(&w->trigger), d);
    return true;
}

static void expire(beamc_general *g, beamc_gwin *w, const draining *d) {
    beamc_gkey *k = w->key;
    if (!beamc_trigger_is_closed(&w->trigger)) {
        emit(g, w, true, d);
    }
    beamc__gwin_free(g, w);
    beamc__gkey_check(g, k);
}

static void pass_watermark(beamc_general *g, beamc_gwin *w, draining *d) {
    d->by_watermark = true;
    beamc__gwin_unready(g, w);
    if ((w->flags & BEAMC_GWIN_ENDED) == 0) {
        w->flags |= BEAMC_GWIN_ENDED;
        if (beamc_gwin_expiry(g, w->window) > beamc_gwin_last(w->window)) {
            beamc__general_changed(g, w);
            if (!try_fire(g, w, d)) {
                w->flags &= (uint8_t)~BEAMC_GWIN_HOLD_END; /* this pane will not come */
            }
            beamc__gwin_schedule(g, w, d->time->now);
            return;
        }
    }
    expire(g, w, d);
}

static void look_again(beamc_general *g, beamc_gwin *w, const draining *d) {
    beamc__gwin_unready(g, w);
    beamc__general_changed(g, w);
    try_fire(g, w, d);
    beamc__gwin_schedule(g, w, d->time->now);
}

bool beamc__general_step(beamc_general *g, const beamc_group_time *time, beamc_buf *out,
                         beamc_time *min_timestamp, uint64_t *count) {
    draining d = {time, out, min_timestamp, count, false};
    beamc_gwin *w;
    if (g->ready_first != NULL) {
        w = g->ready_first;
        if (beamc__gwin_at(g, w, BEAMC_HEAP_WATERMARK) <= time->watermark) {
            pass_watermark(g, w, &d);
        } else {
            look_again(g, w, &d);
        }
        return true;
    }
    if (beamc__gheap_top(g, BEAMC_HEAP_WATERMARK, &w) <= time->watermark && w != NULL) {
        pass_watermark(g, w, &d);
        return true;
    }
    if (beamc__gheap_top(g, BEAMC_HEAP_CLOCK, &w) <= time->now && w != NULL) {
        look_again(g, w, &d);
        return true;
    }
    return false;
}

bool beamc__general_is_due(beamc_general *g, const beamc_group_time *time) {
    beamc_gwin *w;
    return g->ready_first != NULL ||
           (beamc__gheap_top(g, BEAMC_HEAP_WATERMARK, &w) <= time->watermark && w != NULL) ||
           (beamc__gheap_top(g, BEAMC_HEAP_CLOCK, &w) <= time->now && w != NULL);
}
