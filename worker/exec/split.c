/* split.c: ProcessBundleSplitRequest.DesiredSplit: where a stream of elements is cut.
 *
 * Threads: beamc_plan_split may be called by any; it holds plan->mu, so that the bundle cannot end
 * and its source cannot pass a stop that is not decided. */
#include <math.h>
#include <stdlib.h>

#include "worker/exec/sdf.h"
#include "worker/exec/source.h"

static bool is_allowed(const int64_t *allowed, size_t count, int64_t point) {
    if (count == 0) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (allowed[i] == point) {
            return true;
        }
    }
    return false;
}

/* The allowed point nearest to @p want. Of two equally near ones the later; none at or before
 * @p index, if a later one exists. */
static int64_t nearest_allowed(const int64_t *allowed, size_t count, int64_t index, int64_t want) {
    int64_t below = INT64_MIN, above = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (allowed[i] >= want) {
            above = allowed[i] < above ? allowed[i] : above;
        } else {
            below = allowed[i] > below ? allowed[i] : below;
        }
    }
    if (above == INT64_MAX) {
        return below;
    }
    if (below <= index) {
        return above;
    }
    return want - below < above - want ? below : above;
}

static double clamp(double x, double low, double high) {
    return x >= low ? (x <= high ? x : high) : low; /* NaN: low */
}

beamc_split_plan beamc__split_choose(int64_t index, int64_t stop, double progress,
                                     double fraction_of_remainder, int64_t estimated_elements,
                                     const int64_t *allowed, size_t allowed_count) {
    beamc_split_plan plan = {false, 0, -1};
    int64_t total = estimated_elements;
    if (total < index + 1) {
        total = index + 1;
    }
    if (total > stop) {
        total = stop;
    }
    double fraction = clamp(fraction_of_remainder, 0, 1);
    double done = clamp(progress, 0, 1);
    double keep = ((double)total - (double)index - done) * fraction;
    double rest = 1 - done; /* of the current element */
    if (keep < rest && is_allowed(allowed, allowed_count, index) &&
        is_allowed(allowed, allowed_count, index + 1)) {
        plan.in_element = true;
        plan.element_fraction = keep / rest;
    }
    double ahead = nearbyint(done + keep);
    int64_t elements = ahead < 1 ? 1 : ahead > 0x1p62 ? INT64_C(1) << 62 : (int64_t)ahead;
    int64_t want = index + elements;
    if (!is_allowed(allowed, allowed_count, want)) {
        want = nearest_allowed(allowed, allowed_count, index, want);
    }
    if (want > index && want < stop) {
        plan.stop = want;
    }
    return plan;
}

/* Cuts behind the element in progress or later. False: the element there has already been begun. */
static bool move_stop(beamc_source *s, int64_t stop) {
    int64_t before = atomic_load(&s->stop);
    atomic_store_explicit(&s->stop, stop, memory_order_seq_cst);
    if (atomic_load_explicit(&s->index, memory_order_seq_cst) < stop) {
        return true;
    }
    atomic_store(&s->stop, before);
    return false;
}

/* Cuts the element at @p index in two: [..., index - 1], its two parts, [index + 1, ...]. */
static beamc_status split_element(beamc_source *s, int64_t index, double fraction,
                                  beamc_arena *arena, beamc_split_result *result,
                                  beamc_error *err) {
    int64_t before = atomic_load(&s->stop);
    if (!move_stop(s, index + 1)) {
        return BEAMC_OK;
    }
    bool split = false;
    beamc_status status = BEAMC_OK;
    if (atomic_load(&s->index) == index) {
        status = beamc__sdf_split(s->sdf, index, fraction, arena, &split, &result->primary,
                                  &result->residual, err);
    }
    if (!split) {
        atomic_store(&s->stop, before);
        return status;
    }
    result->split = result->has_roots = true;
    result->last_primary = index - 1;
    result->first_residual = index + 1;
    return status;
}

static beamc_status split_source(beamc_source *s, const beamc_split_request *request,
                                 beamc_arena *arena, beamc_split_result *result, beamc_error *err) {
    int64_t index = atomic_load(&s->index);
    int64_t stop = atomic_load(&s->stop);
    double progress = 1.0;
    if (index >= 0) {
        progress = 0.5;
        if (s->sdf != NULL) {
            beamc__sdf_fraction_done(s->sdf, index, &progress);
        }
    }
    beamc_split_plan plan = beamc__split_choose(
        index, stop, progress, request->fraction_of_remainder, request->estimated_elements,
        request->allowed_points, request->allowed_count);
    if (plan.in_element && index >= 0 && s->sdf != NULL) {
        BEAMC_TRY(split_element(s, index, plan.element_fraction, arena, result, err));
        if (result->split) {
            return BEAMC_OK;
        }
    }
    if (plan.stop >= 0 && move_stop(s, plan.stop)) {
        result->split = true;
        result->last_primary = plan.stop - 1;
        result->first_residual = plan.stop;
    }
    return BEAMC_OK;
}

beamc_status beamc_plan_split(beamc_plan *plan, const beamc_split_request *request,
                              beamc_arena *arena, beamc_split_result *result, beamc_error *err) {
    *result = (beamc_split_result){0};
    if (request->port >= plan->port_count || plan->port_nodes[request->port].source == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "split of port %u, which is no data source",
                          request->port);
    }
    pthread_mutex_lock(&plan->mu);
    beamc_status status = BEAMC_OK;
    if (plan->running) {
        status = split_source(plan->port_nodes[request->port].source, request, arena, result, err);
    }
    pthread_mutex_unlock(&plan->mu);
    return status;
}
