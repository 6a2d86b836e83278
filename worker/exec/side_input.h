/* side_input.h: what a DoFn sees of another PCollection, window by window. */
#ifndef BEAMC_EXEC_SIDE_INPUT_H
#define BEAMC_EXEC_SIDE_INPUT_H

#include <beamc/window.h>

#include "worker/exec/ctx.h"
#include "worker/exec/records.h"

typedef struct beamc_side {
    beamc_plan *plan;
    const char *transform_id;
    const char *id; /* the local name of the input */
    bool multimap;
    const beamc_coder *element;      /* iterable: of the PCollection; multimap: of its values */
    const beamc_coder *key;          /* multimap */
    const beamc_coder *window_coder; /* of the side input */
    beamc_window_fn windows;         /* how it is windowed */
    beamc_records cache;             /* of this bundle: what was small enough */
    size_t cached_bytes;
    beamc_buf name; /* window and key at hand, encoded */
} beamc_side;

void beamc__side_init(beamc_side *side, beamc_plan *plan);
void beamc__side_deinit(beamc_side *side);
/* Forgets what an earlier bundle has read. */
void beamc__side_reset(beamc_side *side);

#endif
