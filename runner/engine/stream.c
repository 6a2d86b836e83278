/* stream.c: test streams play their script, one event at a time, whenever everything else is quiet. */
#include "runner/engine/impl.h"

void beamc__stream_step(beamc_thread *t, beamc_node *node) {
    beamc_engine *e = t->engine;
    bool over = atomic_load(&e->stopping) == BEAMC_STOP_DRAIN ||
                node->next_event >= node->spec->event_count;
    const beamc_stream_event *event = over ? NULL : &node->spec->events[node->next_event];
    beamc_deliveries deliveries = {0};
    beamc_pieces pieces = {0};
    beamc_error err = {0};
    beamc_status status = BEAMC_OK;
    if (event != NULL && event->kind == BEAMC_STREAM_ELEMENTS && event->elements.len > 0) {
        beamc__pieces_add(&pieces, (beamc_piece){.block = beamc__block_copy(event->elements),
                                                 .len = event->elements.len,
                                                 .hold = BEAMC_TIME_MIN});
        status = beamc__deliver_prepare(t, &node->spec->outputs[event->output], &pieces,
                                        &deliveries, &err);
    }
    pthread_mutex_lock(&e->mu);
    if (status == BEAMC_OK) {
        beamc__deliver_commit(e, &deliveries);
    }
    if (event == NULL) {
        node->output = BEAMC_TIME_MAX;
    } else if (event->kind == BEAMC_STREAM_WATERMARK) {
        node->output = event->time > node->output ? event->time : node->output;
    } else if (event->kind == BEAMC_STREAM_CLOCK) {
        atomic_fetch_add(&e->clock, event->time);
    }
    node->next_event++;
    beamc__watermarks_update(e);
    pthread_mutex_unlock(&e->mu);
    if (status != BEAMC_OK) {
        beamc_error_prepend(&err, "%s", node->spec->name);
        beamc__engine_fail(e, status, &err);
    }
    beamc__deliveries_free(&deliveries);
    beamc__pieces_free(&pieces);
}
