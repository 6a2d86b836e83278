/* user_state.h: state for each key and window.
 *
 * A write-back cache for one bundle: what was read or written is kept, and goes to the runner when the
 * bundle ends or the cache is full. Threads: the bundle's. */
#ifndef BEAMC_EXEC_USER_STATE_H
#define BEAMC_EXEC_USER_STATE_H

#include "worker/exec/combine.h"
#include "worker/exec/pardo.h"
#include "worker/exec/records.h"

typedef struct beamc_state_def {
    const char *id;
    beamc_state_kind kind;
    const beamc_coder *coder;     /* elements, values of maps, accumulators of combiners */
    const beamc_coder *key_coder; /* MAP, SET */
    beamc_combine *combine;       /* COMBINING: runs the combiner */
} beamc_state_def;

typedef struct beamc_user_state beamc_user_state;

beamc_user_state *beamc__user_state_new(beamc_pardo *pardo, const beamc_coder *key_coder,
                                        const beamc_coder *window_coder);
void beamc__user_state_free(beamc_user_state *state);
void beamc__user_state_define(beamc_user_state *state, unsigned index, const beamc_state_def *def);
/* The key and window whose state is at hand from now on. */
beamc_status beamc__user_state_at(beamc_user_state *state, beamc_value key, beamc_window window);
/* Their encodings. */
beamc_slice beamc__user_state_key(const beamc_user_state *state);
beamc_slice beamc__user_state_window(const beamc_user_state *state);
/* Writes what has changed. */
beamc_status beamc__user_state_flush(beamc_user_state *state);
/* Drops it instead. */
void beamc__user_state_drop(beamc_user_state *state);

#endif
