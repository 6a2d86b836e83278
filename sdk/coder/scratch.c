/* scratch.c: arenas for iterations in progress.
 *
 * An iteration takes a slot when it first needs memory and gives it back at its end. One that is
 * left early keeps it until the same beamc_iter starts again or the scratch is rewound, so memory
 * is bounded by the iterations that are really open. Threads: a scratch belongs to one. */
#include <stdlib.h>

#include "base/mem.h"
#include "coder/iterable.h"

enum { ELEMENT_BLOCK_BYTES = 16 * 1024 };

void beamc__scratch_init(beamc_scratch *s, beamc_arena *arena) {
    *s = (beamc_scratch){.arena = arena};
}

static void free_list(beamc_iter_slot *slot) {
    while (slot != NULL) {
        beamc_iter_slot *next = slot->next;
        beamc_arena_free(slot->values);
        beamc_arena_free(slot->pages[0]);
        beamc_arena_free(slot->pages[1]);
        free(slot);
        slot = next;
    }
}

void beamc__scratch_deinit(beamc_scratch *s) {
    free_list(s->used);
    free_list(s->free);
    s->used = s->free = NULL;
}

beamc_iter_slot *beamc__iter_slot_take(beamc_scratch *s, const beamc_iter *user) {
    beamc_iter_slot *slot = s->free;
    if (slot != NULL) {
        s->free = slot->next;
    } else {
        slot = beamc__calloc(1, sizeof *slot);
        slot->values = beamc_arena_new(ELEMENT_BLOCK_BYTES);
        slot->start = beamc_arena_get_mark(slot->values);
    }
    slot->user = user;
    slot->taken = ++s->slots_taken;
    slot->scratch = s;
    slot->page = 0;
    slot->continuation = (beamc_slice){NULL, 0};
    slot->next = s->used;
    s->used = slot;
    return slot;
}

static void give_at(beamc_scratch *s, beamc_iter_slot **link) {
    beamc_iter_slot *slot = *link;
    *link = slot->next;
    beamc_arena_reset(slot->values);
    for (int i = 0; i < 2; i++) {
        if (slot->pages[i] != NULL) {
            beamc_arena_reset(slot->pages[i]);
        }
    }
    slot->next = s->free;
    s->free = slot;
}

void beamc__iter_slot_give(beamc_iter_slot *slot) {
    beamc_scratch *s = slot->scratch;
    for (beamc_iter_slot **link = &s->used; *link != NULL; link = &(*link)->next) {
        if (*link == slot) {
            give_at(s, link);
            return;
        }
    }
}

void beamc__iter_slot_drop(beamc_scratch *s, const beamc_iter *user) {
    for (beamc_iter_slot **link = &s->used; *link != NULL; link = &(*link)->next) {
        if ((*link)->user == user) {
            give_at(s, link);
            return;
        }
    }
}

void beamc__scratch_reclaim(beamc_scratch *s, uint64_t slots_taken) {
    for (beamc_iter_slot **link = &s->used; *link != NULL;) {
        if ((*link)->taken > slots_taken) {
            give_at(s, link);
        } else {
            link = &(*link)->next;
        }
    }
}
