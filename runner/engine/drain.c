/* drain.c: how a run ends before its input does.
 *
 * Draining, sources stop: each restriction that is queued, delayed or left by a running bundle goes once
 * through the DoFn's truncate (beam:transform:sdf_truncate_sized_restrictions:v1), which shortens or
 * drops it; what is kept is finished. So is a part whose end was split off before: what came behind it may
 * have been processed, and there must be no hole. Test streams go to their end. Then watermarks go to the end of time
 * by themselves, and with them windows, timers and sinks. */
#include "runner/engine/impl.h"

void beamc__drain_wire(beamc_engine *e) {
    for (size_t i = 0; i < e->graph->node_count; i++) {
        beamc_node *n = &e->nodes[i];
        if (n->spec->truncate.len == 0) {
            continue;
        }
        n->truncate_target = (beamc_target){BEAMC_TO_STAGE, n->index};
        n->truncate_output = (beamc_output_spec){.sink_id = n->spec->truncate_sink_id,
                                                 .collection = n->spec->name,
                                                 .coder = n->spec->input,
                                                 .targets = &n->truncate_target,
                                                 .target_count = 1};
        n->truncate_work = (beamc_work_spec){.descriptor = n->spec->truncate,
                                             .source_id = n->spec->truncate_source_id,
                                             .environment = n->spec->work.environment};
        n->truncate = (beamc_pool){
            .work = &n->truncate_work, .outputs = &n->truncate_output, .output_count = 1};
    }
}

bool beamc__drain_wants(const beamc_engine *e, const beamc_node *n, bool truncated) {
    return !truncated && n->truncate.work != NULL && atomic_load(&e->stopping) == BEAMC_STOP_DRAIN;
}

void beamc__drain_deliveries(const beamc_bundle *b, beamc_deliveries *deliveries) {
    for (size_t i = 0; i < deliveries->count; i++) {
        beamc_pieces *pieces = &deliveries->items[i].pieces;
        for (size_t k = 0; k < pieces->count; k++) {
            pieces->items[k].truncated = true;
            pieces->items[k].hold = b->hold; /* it was there before: the watermark is known */
        }
    }
}

/* ----------------------------------------------------------------------------------- asked */

void beamc__engine_stop(beamc_engine *e, beamc_stop how) {
    pthread_mutex_lock(&e->mu);
    if (how > atomic_load(&e->stopping)) {
        atomic_store(&e->stopping, how);
        if (how == BEAMC_STOP_CANCEL) {
            atomic_store(&e->cancelled, true);
        }
        pthread_cond_broadcast(&e->wake);
        pthread_cond_signal(&e->pacer_wake);
    }
    pthread_mutex_unlock(&e->mu);
}

beamc_stop beamc__engine_stopping(const beamc_engine *e) {
    return atomic_load(&e->stopping);
}

bool beamc__engine_stopped_early(const beamc_engine *e) {
    return atomic_load(&e->stopping) == BEAMC_STOP_AT_COMMIT && !beamc__schedule_all_done(e);
}

bool beamc__engine_is_bounded(const beamc_engine *e) {
    return e->bounded;
}
