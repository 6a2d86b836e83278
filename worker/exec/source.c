/* source.c: decodes the elements of a data stream and pushes them.
 *
 * The only place that decodes elements of a stage, and the root of element scratch: what an element
 * needed on its way is dropped behind it. Threads: see source.h. */
#include "worker/exec/source.h"

static const beamc_unit_ops source_ops = {.name = "source"};

beamc_source *beamc__source_new(beamc_plan *plan, const char *id, const char *url,
                                const beamc_coder *coder, beamc_pcol *out) {
    beamc_source *s = beamc_arena_zalloc(plan->arena, sizeof *s);
    s->out = out;
    s->value_coder = coder->args[0];
    s->window_coder = coder->args[1];
    s->fixed = coder->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE ? coder->extra : NULL;
    beamc__plan_add_unit(plan, &s->unit, &source_ops, id);
    s->slot = plan->next_slot++;
    uint32_t port = beamc__plan_add_port(
        plan, (beamc_port){.kind = BEAMC_PORT_SOURCE, .transform_id = id, .url = url});
    plan->port_nodes[port].source = s;
    beamc__source_reset(s);
    return s;
}

void beamc__source_reset(beamc_source *s) {
    atomic_store(&s->index, -1);
    atomic_store(&s->stop, INT64_MAX);
}

/* Whether element @p i is ours; from now on it is in progress. */
static bool claim(beamc_source *s, int64_t i) {
    atomic_store_explicit(&s->index, i, memory_order_seq_cst);
    if (__builtin_expect(i < atomic_load_explicit(&s->stop, memory_order_seq_cst), 1)) {
        return true;
    }
    beamc_plan *plan = s->unit.plan;
    pthread_mutex_lock(&plan->mu);
    bool ours = i < atomic_load(&s->stop);
    if (!ours) {
        atomic_store(&s->index, i - 1);
    }
    pthread_mutex_unlock(&plan->mu);
    return ours;
}

static beamc_status decode_element(beamc_source *s, beamc_cursor *in, beamc_wv *wv) {
    beamc_plan *plan = s->unit.plan;
    if (s->fixed != NULL) {
        *wv = *s->fixed;
    } else {
        BEAMC_TRY_CTX(
            &plan->error,
            beamc__windowed_decode_head(s->window_coder, in, &plan->scratch, wv, &plan->error),
            "windowed value");
    }
    return beamc__decode(s->value_coder, in, true, &plan->scratch, &wv->value, &plan->error);
}

/* What comes of element @p i when it cannot be decoded. OK: it belongs to somebody else, so the rest of
 * the block does not matter. */
static beamc_status refuse(beamc_source *s, int64_t i, beamc_status status) {
    beamc_error why = s->unit.plan->error;
    if (!claim(s, i)) {
        return BEAMC_OK;
    }
    s->unit.plan->error = why;
    return beamc__plan_fail(s->unit.plan, s->unit.id, i + 1, status);
}

beamc_status beamc__source_read(beamc_source *s, beamc_slice *data, bool is_last) {
    beamc_plan *plan = s->unit.plan;
    beamc_cursor in = beamc_cursor_of(*data);
    size_t size = data->len;
    int64_t i = atomic_load_explicit(&s->index, memory_order_relaxed);
    *data = (beamc_slice){NULL, 0};
    while (beamc_cursor_left(&in) > 0) {
        const unsigned char *start = in.p;
        beamc_wv wv;
        beamc_scratch_mark mark = beamc__scratch_mark(&plan->scratch);
        beamc_status status = decode_element(s, &in, &wv);
        if (__builtin_expect(status == BEAMC_OK && in.p == start, 0)) {
            status = BEAMC_FAIL(&plan->error, INVALID_ARGUMENT,
                                "an element of no bytes, in a block of %zu bytes", size);
        }
        if (__builtin_expect(status != BEAMC_OK, 0)) {
            beamc__scratch_rewind(&plan->scratch, mark);
            if (is_last) {
                return refuse(s, i + 1, status);
            }
            *data = beamc_slice_of(start, (size_t)(in.end - start));
            return BEAMC_OK;
        }
        if (!claim(s, ++i)) {
            beamc__scratch_rewind(&plan->scratch, mark);
            return BEAMC_OK; /* the rest of the stream was split off */
        }
        status = beamc_push(s->out, &wv);
        beamc__scratch_rewind(&plan->scratch, mark);
        if (__builtin_expect(status != BEAMC_OK, 0)) {
            return beamc__plan_fail(plan, s->unit.id, i + 1, status);
        }
    }
    return BEAMC_OK;
}

int64_t beamc_plan_read_index(const beamc_plan *plan, uint32_t port) {
    if (port >= plan->port_count || plan->port_nodes[port].source == NULL) {
        return -1;
    }
    return atomic_load(&plan->port_nodes[port].source->index);
}
