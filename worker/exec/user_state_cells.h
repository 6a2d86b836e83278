/* user_state_cells.h: what the files of user state share. A scope is one key in one window; a cell is
 * one state of it. */
#ifndef BEAMC_EXEC_USER_STATE_CELLS_H
#define BEAMC_EXEC_USER_STATE_CELLS_H

#include "worker/exec/state_io.h"
#include "worker/exec/user_state.h"

typedef struct beamc_cell {
    bool known;   /* what the runner has is in `prior` (or there is none any more) */
    bool cleared; /* the runner's is to be cleared before anything is appended */
    bool dirty;
    bool has;            /* VALUE: there is one. COMBINING: acc was begun */
    beamc_buf prior;     /* VALUE: the value. BAG: the runner's, if small */
    beamc_buf added;     /* BAG: appended. ORDERED_LIST: beamc_list_item */
    beamc_buf ranges;    /* ORDERED_LIST: beamc_list_range that were cleared */
    void *acc;           /* COMBINING */
    beamc_records items; /* MAP, SET */
} beamc_cell;

typedef struct beamc_scope {
    beamc_record entry; /* key: prefixed window, key */
    beamc_slice window;
    beamc_slice key;
    beamc_cell cells[]; /* one for each state of the DoFn */
} beamc_scope;

struct beamc_user_state {
    beamc_pardo *pardo;
    beamc_plan *plan;
    const beamc_coder *key_coder;
    const beamc_coder *window_coder;
    beamc_state_def defs[BEAMC_MAX_STATES];
    unsigned def_count;
    beamc_arena *memory; /* of scopes, items, accumulators */
    beamc_records scopes;
    size_t bytes; /* roughly what is held */
    bool wrote;   /* has_no_state does not hold any more */
    beamc_value key;
    beamc_buf name;     /* of the scope at hand */
    size_t key_at;      /* where the key starts in it */
    beamc_scope *scope; /* at hand; NULL: not looked up yet */
};

/* The cell of state @p index for the key at hand, which must be of one of the kinds (a mask of
 * 1 << kind). */
beamc_status beamc__cell_at(beamc_ctx *ctx, unsigned index, unsigned kinds, beamc_cell **cell,
                            const beamc_state_def **def);
beamc_state_key beamc__cell_key(const beamc_user_state *state, const beamc_scope *scope,
                                const beamc_state_def *def);
/* Whether the runner may hold anything. */
static inline bool beamc_cell_may_read(const beamc_user_state *state) {
    return !(state->plan->request != NULL && state->plan->request->has_no_state && !state->wrote);
}

/* user_state_map.c */
beamc_status beamc__map_flush(beamc_user_state *state, beamc_scope *scope, beamc_cell *cell,
                              const beamc_state_def *def);
void beamc__map_clear(beamc_user_state *state, beamc_cell *cell);
beamc_status beamc__map_keys(beamc_user_state *state, beamc_cell *cell, const beamc_state_def *def,
                             const beamc_iterable **out);
beamc_status beamc__set_add(beamc_user_state *state, beamc_cell *cell, const beamc_state_def *def,
                            const beamc_value *value);
/* user_state_list.c */
beamc_status beamc__list_flush(beamc_user_state *state, beamc_scope *scope, beamc_cell *cell,
                               const beamc_state_def *def);
void beamc__list_clear_range(beamc_user_state *state, beamc_cell *cell, beamc_time start,
                             beamc_time end);

#endif
