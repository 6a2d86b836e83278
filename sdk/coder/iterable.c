/* iterable.c: beam:coder:iterable:v1 and beam:coder:state_backed_iterable:v1.
 *
 * A big-endian int32 count and the elements; or -1 and groups, each a varint count and that many
 * elements, ended by a count of 0. State-backed: the end may also be a count of -1 and a token (a
 * nested byte string), under which the rest is read from the runner's state, page by page.
 *
 * Decoding finds the end and keeps the bytes; elements are decoded while iterating (iterate.c).
 * Elements that take no bytes are decoded once and repeated, so that a count costs nothing. */
#include "coder/iterable.h"

#include "proto/beam_model/urns.h"

enum { COUNT_UNKNOWN = 0xFFFFFFFF, GROUP_ELEMENTS = 127 };
static const uint64_t token_follows = UINT64_MAX; /* varint -1 */

/* ------------------------------------------------------------------------------- finding the end */

static beamc_status skip_prefixed(beamc_cursor *in, uint64_t count, beamc_error *err) {
    beamc_slice ignored;
    for (uint64_t i = 0; i < count; i++) {
        if (!beamc_get_prefixed(in, &ignored)) {
            return beamc__ends_early(in, "element", err);
        }
    }
    return BEAMC_OK;
}

static beamc_status skip_varints(beamc_cursor *in, uint64_t count, beamc_error *err) {
    uint64_t ignored;
    for (uint64_t i = 0; i < count; i++) {
        if (!beamc_get_varint(in, &ignored)) {
            return beamc__ends_early(in, "varint", err);
        }
    }
    return BEAMC_OK;
}

static beamc_status skip_elements(const beamc_coder *element, beamc_cursor *in, uint64_t count,
                                  unsigned depth, beamc_error *err) {
    int64_t size = beamc__coder_fixed_size(element);
    if (size == 0) {
        return BEAMC_OK;
    }
    uint64_t least = size > 0 ? (uint64_t)size : 1;
    if (count > beamc_cursor_left(in) / least) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "iterable claims %llu elements, only %zu bytes are left",
                          (unsigned long long)count, beamc_cursor_left(in));
    }
    if (size > 0) {
        in->p += count * least;
        return BEAMC_OK;
    }
    switch (element->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
    case BEAMC_CODER_LENGTH_PREFIX:
        return skip_prefixed(in, count, err);
    case BEAMC_CODER_VARINT:
        return skip_varints(in, count, err);
    default:
        for (uint64_t i = 0; i < count; i++) {
            BEAMC_TRY(beamc__skip_at(element, in, depth + 1, err));
        }
        return BEAMC_OK;
    }
}

static beamc_status scan_groups(const beamc_coder *c, beamc_cursor *in, unsigned depth,
                                beamc_iterable_form *form, beamc_error *err) {
    const unsigned char *from = in->p;
    for (;;) {
        form->items = beamc_slice_of(from, (size_t)(in->p - from));
        uint64_t n;
        if (!beamc_get_varint(in, &n)) {
            return beamc__ends_early(in, "iterable's group", err);
        }
        if (n == 0) {
            return BEAMC_OK;
        }
        if (n == token_follows && c->kind == BEAMC_CODER_STATE_BACKED_ITERABLE) {
            form->has_token = true;
            return beamc_get_prefixed(in, &form->token)
                       ? BEAMC_OK
                       : beamc__ends_early(in, "iterable's state token", err);
        }
        if (n > INT64_MAX || form->count > INT64_MAX - n) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "iterable has a group of %lld elements",
                              (long long)n);
        }
        form->count += n;
        BEAMC_TRY(skip_elements(c->args[0], in, n, depth, err));
    }
}

beamc_status beamc__iterable_scan(const beamc_coder *c, beamc_cursor *in, unsigned depth,
                                  beamc_iterable_form *form, beamc_error *err) {
    const unsigned char *from = in->p;
    uint32_t count;
    *form = (beamc_iterable_form){0};
    if (!beamc_get_be32(in, &count)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "iterable's count needs 4 bytes, %zu are left",
                          beamc_cursor_left(in));
    }
    if (count == COUNT_UNKNOWN) {
        form->chunked = true;
        BEAMC_TRY(scan_groups(c, in, depth, form, err));
    } else if (count > INT32_MAX) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "iterable has a count of %d", (int32_t)count);
    } else {
        const unsigned char *items = in->p;
        form->count = count;
        BEAMC_TRY(skip_elements(c->args[0], in, count, depth, err));
        form->items = beamc_slice_of(items, (size_t)(in->p - items));
    }
    form->whole = beamc_slice_of(from, (size_t)(in->p - from));
    return BEAMC_OK;
}

static beamc_status skip(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err) {
    beamc_iterable_form ignored;
    return beamc__iterable_scan(c, in, depth, &ignored, err);
}

/* -------------------------------------------------------------------------------------- decoding */

/* Elements of no bytes are all the same one. A token behind them cannot hold more of them. */
static beamc_status repeated(const beamc_coder *element, beamc_scratch *s, uint64_t count,
                             beamc_iterable *out, beamc_error *err) {
    static const unsigned char nothing[1];
    beamc_value *value = beamc_arena_alloc(s->arena, sizeof *value);
    beamc_cursor empty = {nothing, nothing};
    BEAMC_TRY(beamc__decode(element, &empty, true, s, value, err));
    *out = (beamc_iterable){.values = value, .count = count, .repeat = true};
    return BEAMC_OK;
}

/* All elements into the scratch's arena. The scan went over them: the count is sound. */
static beamc_status decode_all(const beamc_coder *element, const beamc_iterable_form *form,
                               beamc_scratch *s, beamc_iterable *out, beamc_error *err) {
    if (form->count > SIZE_MAX / sizeof(beamc_value)) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "iterable of %llu elements",
                          (unsigned long long)form->count);
    }
    beamc_value *values = beamc_arena_alloc(s->arena, form->count * sizeof *values);
    beamc_cursor at = beamc_cursor_of(form->items);
    uint64_t left = form->chunked ? 0 : form->count;
    for (uint64_t i = 0; i < form->count; i++, left--) {
        if (left == 0 && !beamc_get_varint(&at, &left)) {
            return beamc__ends_early(&at, "iterable's group", err);
        }
        BEAMC_TRY_CTX(err, beamc__decode(element, &at, true, s, &values[i], err),
                      "element %llu of an iterable", (unsigned long long)i);
    }
    *out = (beamc_iterable){.values = values, .count = form->count};
    return BEAMC_OK;
}

static beamc_status decode(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err) {
    (void)nested;
    beamc_iterable_form form;
    BEAMC_TRY(beamc__iterable_scan(c, in, s->depth, &form, err));
    beamc_iterable *it = beamc_arena_alloc(s->arena, sizeof *it);
    out->iterable = it;
    if (beamc__coder_fixed_size(c->args[0]) == 0) {
        return repeated(c->args[0], s, form.count, it, err);
    }
    if (!s->eager) {
        *it = (beamc_iterable){
            .count = form.count, .element = c->args[0], .scratch = s, .form = form};
        return BEAMC_OK;
    }
    if (form.has_token) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "the rest of this iterable is in the runner's state, which cannot be "
                          "read here");
    }
    return decode_all(c->args[0], &form, s, it, err);
}

/* -------------------------------------------------------------------------------------- encoding */

/* Elements of no bytes: the count is all there is. */
static beamc_status encode_count(uint64_t count, beamc_buf *out) {
    if (count <= INT32_MAX) {
        beamc_put_be32(out, (uint32_t)count);
        return BEAMC_OK;
    }
    beamc_put_be32(out, COUNT_UNKNOWN);
    beamc_put_varint(out, count);
    beamc_buf_put_u8(out, 0);
    return BEAMC_OK;
}

static beamc_status encode_values(const beamc_coder *element, const beamc_iterable *it,
                                  unsigned depth, beamc_buf *out, beamc_error *err) {
    beamc_put_be32(out, (uint32_t)it->count);
    for (uint64_t i = 0; i < it->count; i++) {
        const beamc_value *v = &it->values[it->repeat ? 0 : i];
        BEAMC_TRY(beamc__encode_at(element, v, true, depth + 1, out, err));
    }
    return BEAMC_OK;
}

/* Groups of up to 127, whose counts are one byte that is filled in behind them. */
static beamc_status encode_groups(const beamc_coder *element, const beamc_iterable *of,
                                  unsigned depth, beamc_buf *out, beamc_error *err) {
    beamc_put_be32(out, COUNT_UNKNOWN);
    beamc_iter it;
    beamc_value v;
    beamc_iterate(of, &it);
    beamc_status status = BEAMC_OK;
    size_t count_at = 0;
    unsigned in_group = 0;
    while (status == BEAMC_OK && beamc_iter_next(&it, &v)) {
        if (in_group == 0) {
            count_at = out->len;
            beamc_buf_put_u8(out, 0);
        }
        status = beamc__encode_at(element, &v, true, depth + 1, out, err);
        out->ptr[count_at] = (unsigned char)++in_group;
        if (in_group == GROUP_ELEMENTS) {
            in_group = 0;
        }
    }
    BEAMC_TRY(status);
    beamc_buf_put_u8(out, 0);
    return beamc_iter_status(&it, err);
}

static beamc_status encode(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err) {
    (void)nested;
    const beamc_iterable *it = v->iterable;
    const beamc_coder *element = c->args[0];
    if (it->element == NULL && beamc__coder_fixed_size(element) == 0) {
        return encode_count(it->count, out);
    }
    if (it->repeat && it->count > INT32_MAX) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "an iterable of %llu elements",
                          (unsigned long long)it->count);
    }
    if (it->element == NULL && it->count <= INT32_MAX) {
        return encode_values(element, it, depth, out, err);
    }
    /* A token is good in its own bundle only, so state-backed elements are written out. */
    if (it->element != NULL && !it->form.has_token && beamc_coder_equal(it->element, element)) {
        beamc_buf_put_slice(out, it->form.whole);
        return BEAMC_OK;
    }
    return encode_groups(element, it, depth, out, err);
}

/* --------------------------------------------------------------------------------------- copying */

static beamc_status copy(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err) {
    const beamc_iterable *of = v->iterable;
    beamc_iterable *to = beamc_arena_alloc(arena, sizeof *to);
    uint64_t cap = of->repeat ? 1 : of->count;
    beamc_value *values = beamc_arena_alloc(arena, cap * sizeof *values);
    out->iterable = to;
    if (of->repeat) {
        *to = (beamc_iterable){.values = values, .count = of->count, .repeat = true};
        return beamc_value_copy(c->args[0], of->values, arena, values, err);
    }
    beamc_iter it;
    beamc_value one;
    uint64_t count = 0;
    beamc_status status = BEAMC_OK;
    beamc_iterate(of, &it);
    while (status == BEAMC_OK && beamc_iter_next(&it, &one)) {
        if (count == cap) { /* state-backed: more than the part at hand */
            cap = cap < 64 ? 64 : cap * 2;
            beamc_value *more = beamc_arena_alloc(arena, cap * sizeof *more);
            if (count > 0) {
                memcpy(more, values, count * sizeof *more);
            }
            values = more;
        }
        status = beamc_value_copy(c->args[0], &one, arena, &values[count++], err);
    }
    BEAMC_TRY(status);
    *to = (beamc_iterable){.values = values, .count = count};
    return beamc_iter_status(&it, err);
}

const beamc_iterable *beamc_iterable_of(beamc_arena *arena, const beamc_value *values,
                                        size_t count) {
    beamc_iterable *it = beamc_arena_alloc(arena, sizeof *it);
    *it = (beamc_iterable){.values = values, .count = count};
    return it;
}

const beamc_coder_ops beamc__ops_iterable = {
    BEAMC_URN_CODER_ITERABLE, "iterable", 1, false, decode, encode, skip, NULL, copy,
};

const beamc_coder_ops beamc__ops_state_backed_iterable = {
    BEAMC_URN_CODER_STATE_BACKED_ITERABLE,
    "state_backed_iterable",
    1,
    false,
    decode,
    encode,
    skip,
    NULL,
    copy,
};
