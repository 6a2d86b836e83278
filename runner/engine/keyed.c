/* keyed.c: stages with user state or timers. */
#include "runner/engine/keyed.h"

beamc_status beamc__keyed_new(beamc_engine *e, beamc_node *node, beamc_keyed **out,
                              beamc_error *err) {
    (void)e;
    (void)out;
    return BEAMC_FAIL(err, UNIMPLEMENTED, "%s: user state and timers on the local runner",
                      node->spec->name);
}
void beamc__keyed_free(beamc_keyed *k) {
    (void)k;
}
beamc_time beamc__keyed_pending(const beamc_keyed *k) {
    (void)k;
    return BEAMC_TIME_MAX;
}
beamc_time beamc__keyed_hold(const beamc_keyed *k) {
    (void)k;
    return BEAMC_TIME_MAX;
}
beamc_bundle *beamc__keyed_take(beamc_keyed *k, beamc_time now, bool desperate,
                                beamc_time *wait_until) {
    (void)k, (void)now, (void)desperate, (void)wait_until;
    return NULL;
}
beamc_status beamc__keyed_sort(beamc_keyed *k, const beamc_output_spec *from,
                               const beamc_pieces *pieces, beamc_keyed_input **out,
                               beamc_error *err) {
    (void)k, (void)from, (void)pieces, (void)out, (void)err;
    return BEAMC_OK;
}
void beamc__keyed_push(beamc_keyed *k, beamc_keyed_input *input) {
    (void)k, (void)input;
}
void beamc__keyed_input_free(beamc_keyed_input *input) {
    (void)input;
}
beamc_slice beamc__keyed_fired(beamc_bundle *b, uint32_t family) {
    (void)b, (void)family;
    return (beamc_slice){NULL, 0};
}
beamc_buf *beamc__keyed_timer_buf(beamc_bundle *b, uint32_t family) {
    (void)b, (void)family;
    return NULL;
}
beamc_status beamc__keyed_get(beamc_bundle *b, const beamc_state_key *key, beamc_slice continuation,
                              beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                              beamc_error *err) {
    (void)b, (void)key, (void)continuation, (void)arena, (void)page, (void)next;
    return BEAMC_FAIL(err, UNIMPLEMENTED, "state");
}
beamc_status beamc__keyed_append(beamc_bundle *b, const beamc_state_key *key, beamc_slice data,
                                 beamc_error *err) {
    (void)b, (void)key, (void)data;
    return BEAMC_FAIL(err, UNIMPLEMENTED, "state");
}
beamc_status beamc__keyed_clear(beamc_bundle *b, const beamc_state_key *key, beamc_error *err) {
    (void)b, (void)key;
    return BEAMC_FAIL(err, UNIMPLEMENTED, "state");
}
void beamc__keyed_reset(beamc_bundle *b) {
    (void)b;
}
beamc_status beamc__keyed_prepare(beamc_bundle *b, beamc_error *err) {
    (void)b, (void)err;
    return BEAMC_OK;
}
void beamc__keyed_commit(beamc_bundle *b) {
    (void)b;
}
void beamc__keyed_work_free(struct beamc_keyed_work *work) {
    (void)work;
}
