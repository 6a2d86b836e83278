/* dead_letter.h: what becomes of an input that is no valid event. */
#ifndef BEAMC_TRANSFORMS_DEAD_LETTER_H
#define BEAMC_TRANSFORMS_DEAD_LETTER_H

#include <beamc/dofn.h>
#include <beamc/ecommerce.h>

/* Pub/Sub takes 10 MB: an object over the first is cut to a payload of the second. */
enum { DEAD_LETTER_MAX_BYTES = 9 << 20, DEAD_LETTER_CUT_BYTES = 1 << 20 };

/* Fills @p out for @p payload, which may be cut already: @p payload_size is its full size. Texts live in
 * element scratch or point into the arguments. */
void beamc__dead_letter_fill(beamc_ctx *ctx, beamc_slice event_type, beamc_slice error,
                             beamc_slice payload, uint64_t payload_size, beamc_dead_letter *out);

#endif
