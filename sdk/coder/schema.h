/* schema.h: row tables and serialized schemas (schema.proto, Schema). schema.c is the one file of
 * sdk/coder that reads protobuf. */
#ifndef BEAMC_CODER_SCHEMA_H
#define BEAMC_CODER_SCHEMA_H

#include <beamc/row.h>

/* A row table for @p schema, with a struct layout made for it; all in @p arena. A logical type other
 * than millis_instant and decimal is taken as its representation; its message is kept in
 * beamc_field.logical_extra. */
beamc_status beamc__schema_to_row(beamc_slice schema, beamc_arena *arena, const beamc_row **out,
                                  beamc_error *err) BEAMC_MUST_USE;

/* The serialized Schema of a row table, in @p arena. Equal tables give equal bytes and ids. */
beamc_status beamc__schema_from_row(const beamc_row *row, beamc_arena *arena, beamc_slice *out,
                                    beamc_error *err) BEAMC_MUST_USE;

/* The schema inside a SchemaCoderPayload (beam:coder:schema:v1). */
beamc_status beamc__schema_of_schema_coder(beamc_slice payload, beamc_arena *arena,
                                           beamc_slice *schema, beamc_error *err) BEAMC_MUST_USE;

#endif
