/* keyed.h: stages with user state or timers. Their input is sharded by key; a shard has one bundle in
 * flight, its own state and its own timers. */
#ifndef BEAMC_ENGINE_KEYED_H
#define BEAMC_ENGINE_KEYED_H

#include "runner/engine/impl.h"

typedef struct beamc_keyed beamc_keyed;

beamc_status beamc__keyed_new(beamc_engine *e, beamc_node *node, beamc_keyed **out,
                              beamc_error *err);
void beamc__keyed_free(beamc_keyed *k);

/* With the engine's mu held. */
/* The least hold of queued and running input, and of what is to come out (timers' output times). */
beamc_time beamc__keyed_pending(const beamc_keyed *k);
beamc_time beamc__keyed_hold(const beamc_keyed *k);
/* A bundle of a shard that is free and has input or due timers, or NULL. */
beamc_bundle *beamc__keyed_take(beamc_keyed *k, beamc_time now, bool eager, beamc_time *wait_until);
int64_t beamc__keyed_late_dropped(const beamc_keyed *k);
unsigned beamc__keyed_shard_count(void);
beamc_queue *beamc__keyed_queue(beamc_keyed *k, unsigned shard);

/* keyed_save.c, with mu held: state and timers that have changed, into the journal; and back. */
void beamc__keyed_save(beamc_keyed *k);
void beamc__keyed_restore_piece(beamc_keyed *k, unsigned shard, beamc_piece piece);
beamc_status beamc__keyed_restore(beamc_keyed *k, beamc_error *err) BEAMC_MUST_USE;
/* Elements that were split off a running bundle, in front of what its shard has queued. Takes them. */
void beamc__keyed_give_back(beamc_bundle *b, beamc_pieces *rest);

/* deliver.c: elements sorted by the shard of their key, and their commit (with mu held). */
typedef struct beamc_keyed_input beamc_keyed_input;
beamc_status beamc__keyed_sort(beamc_keyed *k, const beamc_output_spec *from,
                               const beamc_pieces *pieces, beamc_keyed_input **out,
                               beamc_error *err);
void beamc__keyed_push(beamc_keyed *k, beamc_keyed_input *input);
/* The same for one piece. */
beamc_status beamc__keyed_take_in(beamc_keyed *k, const beamc_piece *piece,
                                  beamc_error *err) BEAMC_MUST_USE;
void beamc__keyed_input_free(beamc_keyed_input *input);

/* Without mu, before the first attempt: collects the timers that are due. False: there is nothing to
 * run after all, only to commit. */
bool beamc__keyed_begin(beamc_bundle *b);

/* For a running bundle. */
beamc_slice beamc__keyed_fired(beamc_bundle *b, uint32_t family);
beamc_buf *beamc__keyed_timer_buf(beamc_bundle *b, uint32_t family);
beamc_status beamc__keyed_get(beamc_bundle *b, const beamc_state_key *key, beamc_slice continuation,
                              beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                              beamc_error *err);
beamc_status beamc__keyed_append(beamc_bundle *b, const beamc_state_key *key, beamc_slice data,
                                 beamc_error *err);
beamc_status beamc__keyed_clear(beamc_bundle *b, const beamc_state_key *key, beamc_error *err);
/* Before another attempt: drops what the last one staged. */
void beamc__keyed_reset(beamc_bundle *b);
/* Reads the timers that the bundle set, then, with mu held, makes state and timers visible. */
beamc_status beamc__keyed_prepare(beamc_bundle *b, beamc_error *err);
void beamc__keyed_commit(beamc_bundle *b);
void beamc__keyed_work_free(struct beamc_keyed_work *work);

#endif
