/* window_assign.c: which windows a timestamp falls into. Pure; safe from any thread.
 *
 * Windows are aligned downwards (floor), so that times before 1970 fall in the window that holds
 * them. Sums that leave 64 bits are cut to the bounds of the model. */
#include "coder/side_window.h"

/* start of the period that holds t: the largest offset + n * period that is <= t. */
static beamc_time align_down(beamc_time t, int64_t period, int64_t offset) {
    __int128 rest = ((__int128)t - offset) % period;
    __int128 start = (__int128)t - rest - (rest < 0 ? period : 0);
    return start < INT64_MIN ? INT64_MIN : (beamc_time)start;
}

static beamc_time add(beamc_time t, int64_t ms) {
    beamc_time sum;
    if (__builtin_add_overflow(t, ms, &sum)) {
        return ms < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

static size_t assign_sliding(const beamc_window_fn *fn, beamc_time t, beamc_window *out,
                             size_t cap) {
    size_t count = 0;
    beamc_time start = align_down(t, fn->period_ms, fn->offset_ms);
    /* From the newest to the oldest that still holds t, as other SDKs list them. */
    while ((__int128)start + fn->size_ms > t) {
        if (count < cap) {
            out[count] = (beamc_window){start, add(start, fn->size_ms)};
        }
        count++;
        if (start < INT64_MIN + fn->period_ms) {
            break;
        }
        start -= fn->period_ms;
    }
    return count;
}

size_t beamc_window_assign(const beamc_window_fn *fn, beamc_time timestamp, beamc_window *out,
                           size_t cap) {
    beamc_window w = BEAMC_GLOBAL_WINDOW;
    switch (fn->kind) {
    case BEAMC_WINDOW_SLIDING:
        return assign_sliding(fn, timestamp, out, cap);
    case BEAMC_WINDOW_FIXED:
        w.start = align_down(timestamp, fn->size_ms, fn->offset_ms);
        w.end = add(w.start, fn->size_ms);
        break;
    case BEAMC_WINDOW_SESSIONS:
        w.start = timestamp;
        w.end = add(timestamp, fn->gap_ms);
        break;
    case BEAMC_WINDOW_GLOBAL:
        break;
    }
    if (cap > 0) {
        out[0] = w;
    }
    return 1;
}

beamc_window beamc__side_window(const beamc_window_fn *fn, beamc_window w) {
    if (fn->kind == BEAMC_WINDOW_GLOBAL) {
        return (beamc_window)BEAMC_GLOBAL_WINDOW;
    }
    beamc_time last = beamc_window_max(w);
    if (fn->kind == BEAMC_WINDOW_SLIDING) {
        /* The first start behind last - size, without overflow at the ends of time. */
        beamc_window_fn steps = {
            .kind = BEAMC_WINDOW_FIXED, .size_ms = fn->period_ms, .offset_ms = fn->offset_ms};
        beamc_window step;
        beamc_window_assign(&steps, last - fn->size_ms, &step, 1);
        return (beamc_window){step.end, step.end + fn->size_ms};
    }
    beamc_window out = BEAMC_GLOBAL_WINDOW;
    beamc_window_assign(fn, last, &out, 1);
    return out;
}
