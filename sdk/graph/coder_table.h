/* coder_table.h: coders on their way into a proto: equal ones get one id, numbered as they come. */
#ifndef BEAMC_GRAPH_CODER_TABLE_H
#define BEAMC_GRAPH_CODER_TABLE_H

#include <beamc/coder.h>

#include "beam_model/beam_runner_api.pb-c.h"
#include "graph/payload.h"

typedef struct beamc_coder_entry {
    const beamc_coder *coder;
    const char *id;
    Pipe__Coder *proto;
} beamc_coder_entry;

typedef struct beamc_coder_table {
    beamc_arena *arena;
    beamc_coder_entry *entries;
    size_t count, cap;
} beamc_coder_table;

void beamc__coder_table_init(beamc_coder_table *t, beamc_arena *arena);
void beamc__coder_table_deinit(beamc_coder_table *t);
/* The id of @p coder ("c1", ...), which is added with its components when it is new. */
beamc_status beamc__coder_table_id(beamc_coder_table *t, const beamc_coder *coder, const char **id,
                                   beamc_error *err) BEAMC_MUST_USE;
/* Components.coders of all. */
void beamc__coder_table_components(const beamc_coder_table *t, Pipe__Components *out);

/* One coder by itself: a serialized MessageWithComponents, and back. */
beamc_status beamc__coder_pack(const beamc_coder *coder, beamc_arena *arena, beamc_slice *out,
                               beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__coder_unpack(beamc_slice bytes, const beamc_row_finder *rows,
                                 beamc_arena *arena, const beamc_coder **out,
                                 beamc_error *err) BEAMC_MUST_USE;

#endif
