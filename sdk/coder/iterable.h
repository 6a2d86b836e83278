/* iterable.h: what a beamc_iterable is inside. */
#ifndef BEAMC_CODER_ITERABLE_H
#define BEAMC_CODER_ITERABLE_H

#include "coder/parts.h"

/* Either values at hand (element == NULL), or bytes that are decoded while iterating. */
struct beamc_iterable {
    const beamc_value *values;
    uint64_t count; /* of the values, or of the elements in form.items */
    bool repeat;    /* every element is values[0]: elements that take no bytes */
    const beamc_coder *element;
    beamc_scratch *scratch;
    beamc_iterable_form form;
};

/* What one iteration in progress borrows from a scratch. */
typedef struct beamc_iter_slot {
    struct beamc_iter_slot *next;
    const beamc_iter *user;
    uint64_t taken; /* its number among all that the scratch handed out */
    beamc_scratch *scratch;
    beamc_arena *values;    /* of the present element */
    beamc_arena_mark start; /* of that arena */
    beamc_arena *pages[2];  /* state-backed: the present page, and room for the next; or NULL */
    unsigned page;
    beamc_slice continuation;
} beamc_iter_slot;

beamc_iter_slot *beamc__iter_slot_take(beamc_scratch *s, const beamc_iter *user);
void beamc__iter_slot_give(beamc_iter_slot *slot);
/* The slot that an earlier iteration at this address left behind goes back. */
void beamc__iter_slot_drop(beamc_scratch *s, const beamc_iter *user);

#endif
