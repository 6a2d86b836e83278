/* composites.c: Create, WithKey and Reshuffle, expanded into primitives and built-in DoFns. */
#include "graph/graph.h"

#include "proto/beam_model/urns.h"

#include "graph/builtin_fns.h"

/* --------------------------------------------------------------------------------- Create */

beamc_pcoll beamc_create(beamc_pipeline *p, const char *label, const beamc_coder *coder,
                         const beamc_value *values, size_t count) {
    if (p->failed) {
        return beamc_pcoll_none(p);
    }
    if (coder == NULL || (values == NULL && count > 0)) {
        beamc__graph_fail(p, label, BEAMC_INVALID_ARGUMENT, "Create needs a coder and its values");
        return beamc_pcoll_none(p);
    }
    beamc_value *items = beamc_arena_alloc(p->arena, count * sizeof *items);
    beamc_buf bytes = {0};
    for (size_t i = 0; i < count; i++) {
        beamc_error err = {0};
        beamc_buf_clear(&bytes);
        if (beamc_encode(coder, &values[i], true, &bytes, &err) != BEAMC_OK) {
            beamc_buf_free(&bytes);
            beamc_error_prepend(&err, "value %zu", i);
            beamc__graph_fail_with(p, label, &err);
            return beamc_pcoll_none(p);
        }
        items[i].bytes = beamc_arena_copy(p->arena, beamc_buf_slice(&bytes));
    }
    beamc_buf_free(&bytes);
    beamc_create_config config = {{items, count}};
    beamc_composite_begin(p, label);
    beamc_pcoll start = beamc_impulse(p, "Impulse");
    beamc_pcoll out = beamc_pardo(start, "Values", &beamc__create_fn, .config = &config,
                                  .output_coders = {coder});
    beamc_composite_end(p);
    return out;
}

beamc_pcoll beamc_create_strings(beamc_pipeline *p, const char *label, const char *const *texts,
                                 size_t count) {
    if (p->failed) {
        return beamc_pcoll_none(p);
    }
    beamc_value *values = beamc_arena_alloc(p->arena, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i].bytes = beamc_str(texts[i]);
    }
    return beamc_create(p, label, &beamc_string, values, count);
}

/* -------------------------------------------------------------------------------- WithKey */

beamc_pcoll beamc_with_key(beamc_pcoll in, const char *label, const beamc_coder *key_coder,
                           beamc_value key) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc_buf bytes = {0};
    beamc_error err = {0};
    if (beamc_encode(key_coder, &key, true, &bytes, &err) != BEAMC_OK) {
        beamc_error_prepend(&err, "key");
        beamc__graph_fail_with(p, label, &err);
        beamc_buf_free(&bytes);
        return beamc_pcoll_none(p);
    }
    beamc_with_key_config config = {beamc_buf_slice(&bytes)};
    beamc_pcoll out = beamc_pardo(in, label, &beamc__with_key_fn, .config = &config,
                                  .output_coders = {beamc__graph_kv(p, key_coder, c->coder)});
    beamc_buf_free(&bytes);
    return out;
}

/* ------------------------------------------------------------------------------ Reshuffle */

/* Each element travels as bytes, with all that a window tells of it, through a grouping in the global
 * window that fires for every element. The earliest timestamp of a group holds the watermark back, so
 * that no element comes out late. Runners that know the composite do without. */
beamc_pcoll beamc_reshuffle(beamc_pcoll in, const char *label) {
    beamc_pipeline *p = in.pipeline;
    const beamc_coll *c = beamc__graph_coll(in, label);
    if (c == NULL) {
        return beamc_pcoll_none(p);
    }
    beamc_coll from = *c;
    beamc_reshuffle_config config = {.interval_windows = p->strategies[from.strategy].w.fn.kind !=
                                                         BEAMC_WINDOW_GLOBAL};
    beamc_composite_begin(p, label);
    beamc_pcoll reified = beamc_pardo(in, "Reify", &beamc__reify_fn, .config = &config);
    beamc_pcoll fired =
        beamc_window_into(reified, "Window", .fn = beamc_global(), .trigger = BEAMC_ALWAYS(),
                          .output_time = BEAMC_OUTPUT_EARLIEST_IN_PANE);
    beamc_pcoll grouped = beamc_group_by_key(fired, "GroupByKey");
    beamc_pcoll out = beamc_pardo(grouped, "Unreify", &beamc__unreify_fn, .config = &config,
                                  .output_coders = {from.coder});
    if (!p->failed) {
        p->colls[out.id].strategy =
            from.strategy; /* the DoFn gives back the windows it was given */
    }
    beamc__graph_close_known(p, BEAMC_URN_COMPOSITE_RESHUFFLE, in, out);
    return out;
}
