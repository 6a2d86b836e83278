/* nearest.h: "did you mean": how far apart two names are. */
#ifndef BEAMC_BASE_NEAREST_H
#define BEAMC_BASE_NEAREST_H

#include <beamc/slice.h>

/* Insertions, deletions, replacements and swaps of neighbours that turn @p a into @p b, any case and
 * with '-' as '_'. Names over 63 bytes are compared by their first 63. */
unsigned beamc__edit_distance(beamc_slice a, beamc_slice b);
/* Whether @p distance is small enough for a guess at a name of @p len bytes. */
static inline bool beamc_edit_is_near(unsigned distance, size_t len) {
    return distance <= (len < 4 ? 1 : len < 9 ? 2 : 3 + len / 16);
}

#endif
