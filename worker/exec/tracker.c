/* tracker.c: see tracker.h. Threads: claims from the bundle's; splits and progress from any. */
#include "worker/exec/tracker.h"

#include <stddef.h>

static const beamc_field range_fields[] = {
    BEAMC_REQUIRED(beamc_offset_range, start, I64),
    BEAMC_REQUIRED(beamc_offset_range, stop, I64),
};
const beamc_row beamc_offset_range_row = BEAMC_ROW(beamc_offset_range, range_fields);

beamc_status beamc__tracker_start(beamc_tracker *t, beamc_ctx *ctx, const void *restriction) {
    t->restriction = restriction;
    t->backwards = t->failed = t->after = false;
    if (t->fn != NULL) {
        memset(t->state, 0, t->fn->state_size);
        return t->fn->start != NULL ? t->fn->start(ctx, t->state, restriction) : BEAMC_OK;
    }
    const beamc_offset_range *range = restriction;
    t->start = range->start;
    atomic_store(&t->any, false);
    atomic_store(&t->claimed, range->start);
    atomic_store(&t->stop, range->stop > range->start ? range->stop : range->start);
    return BEAMC_OK;
}

/* Whoever goes on behind a claim that failed works on what is no longer his. Lock held. */
static bool note_claim(beamc_tracker *t, bool ours, int64_t offset) {
    if (t->failed && !t->after) {
        t->after = true;
        t->after_offset = offset;
    } else if (!ours && !t->failed) {
        t->failed = true;
        t->failed_offset = offset;
    }
    return ours && !t->failed;
}

/* The first claim, and wrong ones. */
bool beamc__tracker_claim_first(beamc_tracker *t, int64_t offset) {
    if (t->fn != NULL) {
        return false; /* claims positions, not offsets */
    }
    pthread_mutex_lock(t->mu);
    bool ours = false;
    if (offset < t->start || atomic_load(&t->any)) {
        t->backwards = true;
        t->wrong_offset = offset;
    } else {
        atomic_store(&t->claimed, offset);
        atomic_store(&t->any, true);
        ours = note_claim(t, offset < atomic_load(&t->stop), offset);
    }
    pthread_mutex_unlock(t->mu);
    return ours;
}

/* A claim that met the stop: a splitter may be about to take it back. */
bool beamc__tracker_claim_again(beamc_tracker *t, int64_t offset) {
    pthread_mutex_lock(t->mu);
    bool ours = note_claim(t, offset < atomic_load(&t->stop), offset);
    pthread_mutex_unlock(t->mu);
    return ours;
}

bool beamc__tracker_claim_position(beamc_tracker *t, const void *position) {
    if (t->fn == NULL) {
        return beamc_tracker_claim(t, *(const int64_t *)position);
    }
    pthread_mutex_lock(t->mu);
    bool ours = note_claim(t, !t->failed && t->fn->try_claim(t->state, position), 0);
    pthread_mutex_unlock(t->mu);
    return ours;
}

/* Where [from, stop) is cut: at least one offset behind @p from. */
static int64_t cut(int64_t from, int64_t stop, double fraction) {
    uint64_t rest = (uint64_t)stop - (uint64_t)from;
    double f = fraction > 0 ? (fraction < 1 ? fraction : 1) : 0;
    long double ahead = (long double)rest * (long double)f;
    uint64_t step = ahead >= (long double)rest ? rest : (uint64_t)ahead;
    return (int64_t)((uint64_t)from + (step > 1 ? step : 1));
}

static bool split_range(beamc_tracker *t, double fraction, beamc_offset_range *primary,
                        beamc_offset_range *residual) {
    /* Claims go on meanwhile: a cut that one has passed is tried again behind it. */
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        int64_t stop = atomic_load(&t->stop);
        bool any = atomic_load(&t->any);
        int64_t last = atomic_load(&t->claimed);
        if (any && last >= stop - 1) {
            return false;
        }
        if (!any && t->start == INT64_MIN) {
            return false;
        }
        int64_t from = any ? last : t->start - 1;
        int64_t at = cut(from, stop, fraction);
        if (at >= stop) {
            return false;
        }
        atomic_store_explicit(&t->stop, at, memory_order_seq_cst);
        if (!atomic_load(&t->any) || atomic_load_explicit(&t->claimed, memory_order_seq_cst) < at) {
            *primary = (beamc_offset_range){t->start, at};
            *residual = (beamc_offset_range){at, stop};
            return true;
        }
        atomic_store(&t->stop, stop);
    }
    return false;
}

bool beamc__tracker_split(beamc_tracker *t, double fraction, void *primary, void *residual) {
    if (t->fn != NULL) {
        return t->fn->split != NULL && t->fn->split(t->state, fraction, primary, residual);
    }
    return split_range(t, fraction, primary, residual);
}

void beamc__tracker_progress(const beamc_tracker *t, double *done, double *remaining) {
    *done = 0;
    *remaining = 1;
    if (t->fn != NULL) {
        if (t->fn->progress != NULL) {
            t->fn->progress(t->state, done, remaining);
        }
        return;
    }
    double stop = (double)atomic_load(&t->stop);
    double start = (double)t->start;
    double at = atomic_load(&t->any) ? (double)atomic_load(&t->claimed) : start;
    *remaining = stop > at ? stop - at : 0;
    *done = stop - start - *remaining;
}

beamc_status beamc__tracker_check_done(const beamc_tracker *t, beamc_error *err) {
    if (t->after && t->fn != NULL) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "a position was claimed behind a claim that had failed: return from "
                          "process as soon as beamc_try_claim_position returns false");
    }
    if (t->fn != NULL) {
        return t->fn->check_done != NULL ? t->fn->check_done(t->state, err) : BEAMC_OK;
    }
    if (t->after) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "offset %lld was claimed although the claim of %lld had failed: return "
                          "from process as soon as beamc_try_claim returns false",
                          (long long)t->after_offset, (long long)t->failed_offset);
    }
    int64_t stop = atomic_load(&t->stop);
    int64_t last = atomic_load(&t->claimed);
    if (t->backwards) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "offset %lld was claimed, which lies before the start or an earlier "
                          "claim: claim offsets in ascending order",
                          (long long)t->wrong_offset);
    }
    if (t->start >= stop) {
        return BEAMC_OK;
    }
    if (!atomic_load(&t->any)) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "process returned without claiming anything of [%lld, %lld)",
                          (long long)t->start, (long long)stop);
    }
    if (last < stop - 1) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "process returned after claiming %lld, but its range goes to %lld: claim "
                          "on until beamc_try_claim returns false, or return beamc_defer",
                          (long long)last, (long long)stop);
    }
    return BEAMC_OK;
}
