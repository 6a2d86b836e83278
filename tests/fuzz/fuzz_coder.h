/* fuzz_coder.h: what must hold for any coder and any bytes. */
#ifndef TESTS_FUZZ_FUZZ_CODER_H
#define TESTS_FUZZ_FUZZ_CODER_H

#include <stdio.h>
#include <stdlib.h>

#include "coder/coder_impl.h"

static inline void require(bool ok) {
    if (!ok) {
        abort();
    }
}

/* Goes through all iterables there are in a value. */
static inline void visit(const beamc_coder *c, const beamc_value *v, unsigned *budget) {
    if (*budget == 0) {
        return;
    }
    --*budget;
    switch (c->kind) {
    case BEAMC_CODER_KV:
        visit(c->args[0], &v->kv->key, budget);
        visit(c->args[1], &v->kv->value, budget);
        break;
    case BEAMC_CODER_LENGTH_PREFIX:
        visit(c->args[0], v, budget);
        break;
    case BEAMC_CODER_NULLABLE:
        if (v->nullable != NULL) {
            visit(c->args[0], v->nullable, budget);
        }
        break;
    case BEAMC_CODER_WINDOWED_VALUE:
    case BEAMC_CODER_PARAM_WINDOWED_VALUE:
        visit(c->args[0], &v->windowed->value, budget);
        break;
    case BEAMC_CODER_ITERABLE:
    case BEAMC_CODER_STATE_BACKED_ITERABLE: {
        beamc_iter it;
        beamc_value e;
        beamc_error err;
        beamc_iterate(v->iterable, &it);
        while (*budget > 0 && beamc_iter_next(&it, &e)) {
            visit(c->args[0], &e, budget);
        }
        require(*budget == 0 || beamc_iter_status(&it, &err) == BEAMC_OK || err.message[0] != '\0');
        break;
    }
    default:
        break;
    }
}

static inline bool encode_to(const beamc_coder *c, beamc_value v, bool nested, beamc_buf *out) {
    beamc_error err = {0};
    if (beamc__encode(c, &v, nested, out, &err) == BEAMC_OK) {
        return true;
    }
    require(err.message[0] != '\0');
    return false;
}

/* What was decoded at once encodes; that decodes to what encodes the same. */
static inline void check_round_trip(const beamc_coder *c, beamc_value v, bool nested,
                                    beamc_scratch *s) {
    beamc_buf first = {0}, second = {0};
    beamc_value copy;
    beamc_error err = {0};
    if (encode_to(c, v, nested, &first)) {
        beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&first));
        beamc_value again;
        require(beamc__decode(c, &in, nested, s, &again, &err) == BEAMC_OK && in.p == in.end);
        require(beamc_value_copy(c, &again, s->arena, &copy, &err) == BEAMC_OK);
        require(encode_to(c, copy, nested, &second));
        require(beamc_slice_eq(beamc_buf_slice(&first), beamc_buf_slice(&second)));
    }
    beamc_buf_free(&first);
    beamc_buf_free(&second);
}

static inline void check_coder(const beamc_coder *c, beamc_slice bytes, bool nested,
                               beamc_page_fn fetch, void *fetch_arg) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_scratch s;
    beamc__scratch_init(&s, arena);
    s.fetch = fetch;
    s.fetch_arg = fetch_arg;
    beamc_cursor at_once = beamc_cursor_of(bytes), lazily = at_once, over = at_once;
    beamc_value v;
    beamc_error err = {0};
    s.eager = true;
    bool ok = beamc__decode(c, &at_once, nested, &s, &v, &err) == BEAMC_OK;
    require(ok || err.message[0] != '\0');
    if (ok) {
        check_round_trip(c, v, nested, &s);
        if (nested) {
            require(beamc__skip(c, &over, &err) == BEAMC_OK && over.p == at_once.p);
        }
    }
    s.eager = false;
    bool lazy_ok = beamc__decode(c, &lazily, nested, &s, &v, &err) == BEAMC_OK;
    require(!ok || (lazy_ok && lazily.p == at_once.p));
    if (lazy_ok) {
        unsigned budget = 10000;
        visit(c, &v, &budget);
        beamc_value copy;
        beamc_buf whole = {0};
        if (beamc_value_copy(c, &v, arena, &copy, &err) == BEAMC_OK) {
            encode_to(c, copy, nested, &whole);
        }
        beamc_buf_clear(&whole);
        encode_to(c, v, nested, &whole);
        beamc_buf_free(&whole);
    }
    beamc__scratch_deinit(&s);
    beamc_arena_free(arena);
}

#endif
