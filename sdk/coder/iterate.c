/* iterate.c: going through an iterable.
 *
 * Leaves are decoded in place. Structures go into an arena of the iteration that is rewound for
 * each element, so memory is that of one element however many there are. Pages of state-backed
 * iterables alternate between two arenas: what is left of one, when an element straddles its end,
 * is joined with the next. Threads: those of the scratch the iterable was decoded with. */
#include "coder/iterable.h"

enum stage { AT_VALUES = 0, AT_BYTES, AT_TOKEN, AT_PAGES, AT_END };

void beamc_iterate(const beamc_iterable *iterable, beamc_iter *it) {
    it->of = iterable;
    it->slot = NULL;
    it->error.code = BEAMC_OK;
    it->error.message[0] = '\0';
    it->p = it->end = NULL;
    if (iterable->element == NULL) {
        it->stage = AT_VALUES;
        it->left = iterable->count;
        return;
    }
    if (iterable->scratch->used != NULL) {
        beamc__iter_slot_drop(iterable->scratch, it);
    }
    beamc_cursor items = beamc_cursor_of(iterable->form.items);
    it->stage = AT_BYTES;
    it->p = items.p;
    it->end = items.end;
    it->left = iterable->form.chunked ? 0 : iterable->count;
}

static bool finish(beamc_iter *it) {
    it->stage = AT_END;
    it->left = 0;
    if (it->slot != NULL) {
        beamc__iter_slot_give(it->slot);
        it->slot = NULL;
    }
    return false;
}

static bool fail(beamc_iter *it, beamc_status code) {
    it->error.code = code;
    beamc_error_prepend(&it->error, "element of an iterable");
    return finish(it);
}

static void need_slot(beamc_iter *it) {
    if (it->slot == NULL) {
        it->slot = beamc__iter_slot_take(it->of->scratch, it);
    }
}

/* Reads the page that follows; what is left of the present one comes in front of it. */
static bool next_page(beamc_iter *it) {
    const beamc_scratch *s = it->of->scratch;
    need_slot(it);
    beamc_iter_slot *slot = it->slot;
    if (s->fetch == NULL) {
        return fail(it, BEAMC_FAIL(&it->error, FAILED_PRECONDITION,
                                   "the rest is in the runner's state, which cannot be read here"));
    }
    slot->page ^= 1;
    beamc_arena **arena = &slot->pages[slot->page];
    if (*arena == NULL) {
        *arena = beamc_arena_new(0);
    }
    beamc_arena_reset(*arena);
    beamc_slice page = {NULL, 0}, next = {NULL, 0};
    beamc_status status = s->fetch(s->fetch_arg, it->of->form.token, slot->continuation, *arena,
                                   &page, &next, &it->error);
    if (status != BEAMC_OK) {
        return fail(it, status);
    }
    size_t kept = (size_t)(it->end - it->p);
    if (kept > 0) {
        unsigned char *joined = beamc_arena_alloc(*arena, kept + page.len);
        memcpy(joined, it->p, kept);
        if (page.len > 0) {
            memcpy(joined + kept, page.ptr, page.len);
        }
        page = beamc_slice_of(joined, kept + page.len);
    }
    slot->continuation = next;
    beamc_cursor at = beamc_cursor_of(page);
    it->p = at.p;
    it->end = at.end;
    return true;
}

/* Called with no element left in the present group. False at the end and on errors. */
static bool next_group(beamc_iter *it) {
    const beamc_iterable_form *form = &it->of->form;
    beamc_cursor at = {it->p, it->end};
    switch ((enum stage)it->stage) {
    case AT_BYTES:
        if (it->p < it->end && form->chunked) {
            if (!beamc_get_varint(&at, &it->left)) {
                return fail(it, beamc__ends_early(&at, "group", &it->error));
            }
            it->p = at.p;
            return true;
        }
        if (!form->has_token) {
            return finish(it);
        }
        it->stage = AT_TOKEN;
        return true;
    case AT_TOKEN:
        it->stage = AT_PAGES;
        it->p = it->end = NULL;
        return next_page(it);
    case AT_PAGES:
        if (it->p < it->end) {
            it->left = 1; /* as long as there are bytes, there is one more */
            return true;
        }
        return it->slot->continuation.len > 0 ? next_page(it) : finish(it);
    default:
        return false;
    }
}

static beamc_status decode_into_slot(beamc_iter *it, beamc_value *out) {
    beamc_scratch *s = it->of->scratch;
    beamc_iter_slot *slot = it->slot;
    beamc_arena_rewind(slot->values, slot->start);
    beamc_arena *elements = s->arena;
    s->arena = slot->values;
    beamc_cursor at = {it->p, it->end};
    beamc_status status = beamc__decode(it->of->element, &at, true, s, out, &it->error);
    s->arena = elements;
    if (status == BEAMC_OK) {
        it->p = at.p;
    }
    return status;
}

static bool decode_structure(beamc_iter *it, beamc_value *out) {
    need_slot(it);
    for (;;) {
        beamc_status status = decode_into_slot(it, out);
        if (status == BEAMC_OK) {
            it->left--;
            return true;
        }
        bool may_straddle = it->stage == AT_PAGES && it->slot->continuation.len > 0;
        if (!may_straddle) {
            return fail(it, status);
        }
        it->error.code = BEAMC_OK;
        if (!next_page(it)) {
            return false;
        }
    }
}

bool beamc_iter_next(beamc_iter *it, beamc_value *out) {
    const beamc_iterable *of = it->of;
    if (it->stage == AT_VALUES) {
        if (it->left == 0) {
            return false;
        }
        *out = of->values[of->repeat ? 0 : of->count - it->left];
        it->left--;
        return true;
    }
    while (it->left == 0) {
        if (!next_group(it)) {
            return false;
        }
    }
    beamc_cursor at = {it->p, it->end};
    if (beamc__decode_leaf(of->element, &at, out)) {
        it->p = at.p;
        it->left--;
        return true;
    }
    return decode_structure(it, out);
}

beamc_status beamc_iter_status(const beamc_iter *it, beamc_error *err) {
    if (it->error.code != BEAMC_OK && err != NULL) {
        *err = it->error;
    }
    return it->error.code;
}
