/* keyed_save.c: user state and timers of a keyed stage in the journal; the work is in store_keep.c. */
#include "base/wire.h"
#include "runner/engine/checkpoint.h"
#include "runner/engine/hash.h"
#include "runner/engine/keyed_impl.h"

void beamc__keyed_keep(beamc_keyed *k) {
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc_store_keeper *keeper = &k->shards[i].store.keeper;
        keeper->on = true;
        keeper->journal = k->engine->checkpoint->journal;
        keeper->node = k->node->index;
    }
}

void beamc__keyed_save(beamc_keyed *k) {
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        beamc__store_save(&k->shards[i].store);
    }
}

static beamc_status restore_timers(void *arg, beamc_slice name, beamc_slice data,
                                   beamc_error *err) {
    beamc_keyed *k = arg;
    beamc_cursor in = beamc_cursor_of(name);
    unsigned kind;
    uint32_t node;
    beamc_slice window;
    if (beamc_get_u8(&in, &kind) && beamc_get_be32(&in, &node) &&
        beamc_get_prefixed(&in, &window)) {
        beamc_slice key = beamc_slice_of(in.p, beamc_cursor_left(&in));
        unsigned shard = (unsigned)(beamc_hash(key) >> BEAMC_KEYED_SHIFT);
        if (beamc__store_restore_timers(&k->shards[shard].store, window, key, data)) {
            return BEAMC_OK;
        }
    }
    return BEAMC_FAIL(
        err, DATA_LOSS,
        "the state of the job is damaged (timers); nothing in it was changed: restore "
        "it from a copy, or start anew with --state_dir_reset");
}

beamc_status beamc__keyed_restore(beamc_keyed *k, beamc_error *err) {
    beamc_buf prefix = {0};
    beamc__record_name(&prefix, BEAMC_RECORD_TIMERS, k->node->index);
    beamc_journal *j = k->engine->checkpoint->journal;
    beamc_status status = j->ops->scan(j, beamc_buf_slice(&prefix), restore_timers, k, err);
    beamc_buf_free(&prefix);
    for (unsigned i = 0; i < BEAMC_KEYED_SHARDS; i++) {
        k->shards[i].store.keeper.backed = true;
        beamc__keyed_refresh(&k->shards[i]);
    }
    return status;
}
