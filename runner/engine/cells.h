/* cells.h: what lies in one cell of user state. */
#ifndef BEAMC_ENGINE_CELLS_H
#define BEAMC_ENGINE_CELLS_H

#include "runner/engine/store.h"

typedef struct beamc_cell_item {
    beamc_index_node node; /* by map key, whose bytes are behind the struct */
    beamc_buf values;
} beamc_cell_item;

typedef struct beamc_list_item {
    int64_t at;
    unsigned char *bytes; /* heap */
    size_t len;
} beamc_list_item;

beamc_cell *beamc__cell_new(beamc_cell_kind kind, uint16_t id);
beamc_cell *beamc__cell_clone(const beamc_cell *cell);
void beamc__cell_free(beamc_cell *cell);
bool beamc__cell_is_empty(const beamc_cell *cell);
void beamc__cell_apply(beamc_cell *cell, const beamc_state_op *op);
/* @p data: elements KV<varint, length-prefixed>, checked before they are staged. */
bool beamc__cell_check_list(beamc_slice data);
/* All of a cell as bytes, and into one that is empty. False: damaged. */
void beamc__cell_save(const beamc_cell *cell, beamc_buf *out);
bool beamc__cell_load(beamc_cell *cell, beamc_slice bytes);
/* Appends what @p key asks for. */
void beamc__cell_read(const beamc_cell *cell, const beamc_state_key *key, beamc_buf *out);

#endif
