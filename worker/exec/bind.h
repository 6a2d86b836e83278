/* bind.h: matching the coders of the wire with how functions lay out their values in memory.
 *
 * The wire's coder says how bytes look, and may wrap parts in length prefixes; a function says which
 * C struct a row is. A bound coder has the encoding of the one and the structs of the other. */
#ifndef BEAMC_EXEC_BIND_H
#define BEAMC_EXEC_BIND_H

#include <beamc/coder.h>
#include <beamc/row.h>

/* *out encodes as @p wire does and holds values as @p memory does. A NULL, there or inside of it, is
 * free: as @p wire. Fails with INVALID_ARGUMENT when the two are not the same type. What it builds
 * lives in @p arena. */
beamc_status beamc__coder_bind(beamc_arena *arena, const beamc_coder *wire,
                               const beamc_coder *memory, const beamc_coder **out,
                               beamc_error *err) BEAMC_MUST_USE;
/* Whether values of one can be read as values of the other. NULL parts match anything. */
bool beamc__coder_same_memory(const beamc_coder *a, const beamc_coder *b);

#endif
