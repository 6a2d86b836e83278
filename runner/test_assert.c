/* test_assert.c: assertions are a part of the pipeline: every element is packed with its encoding and
 * a text, all meet under one key, and one DoFn compares them with what was expected and fails with
 * what is missing and what is too much. */
#include "runner/test_assert.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"

enum { SHOWN_ELEMENTS = 5, SHOWN_BYTES = 120 };

beamc_status beamc__assert_pack(const beamc_coder *coder, const beamc_value *value, beamc_buf *out,
                                beamc_error *err) {
    beamc_buf bytes = {0};
    beamc_status status = beamc_encode(coder, value, true, &bytes, err);
    if (status == BEAMC_OK) {
        beamc_buf_put_u8(out, 'e');
        beamc_put_prefixed(out, beamc_buf_slice(&bytes));
        beamc_value_describe(coder, *value, out);
    }
    beamc_buf_free(&bytes);
    return status;
}

/* ---------------------------------------------------------------------------------- pack */

static const beamc_field pack_fields[] = {
    BEAMC_REQUIRED(beamc_assert_pack_config, one_window, BOOL),
    BEAMC_REQUIRED(beamc_assert_pack_config, window_start, I64),
    BEAMC_REQUIRED(beamc_assert_pack_config, window_end, I64),
    BEAMC_REQUIRED(beamc_assert_pack_config, panes, I64),
};
static const beamc_row pack_row = BEAMC_ROW(beamc_assert_pack_config, pack_fields);

static bool is_wanted(beamc_pane pane, int64_t panes) {
    switch ((beamc_panes)panes) {
    case BEAMC_PANES_EARLY:
        return pane.timing == BEAMC_PANE_EARLY;
    case BEAMC_PANES_ON_TIME:
        return pane.timing == BEAMC_PANE_ON_TIME;
    case BEAMC_PANES_LATE:
        return pane.timing == BEAMC_PANE_LATE;
    case BEAMC_PANES_NOT_LATE:
        return pane.timing == BEAMC_PANE_EARLY || pane.timing == BEAMC_PANE_ON_TIME;
    case BEAMC_PANES_LAST:
        return pane.is_last;
    case BEAMC_PANES_ALL:
        break;
    }
    return true;
}

static beamc_status pack_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_assert_pack_config *config = beamc_config(ctx);
    beamc_window w = beamc_current_window(ctx);
    bool other =
        config->one_window && (w.start != config->window_start || w.end != config->window_end);
    if (other || !is_wanted(beamc_current_pane(ctx), config->panes)) {
        return BEAMC_OK;
    }
    beamc_buf buf = {0};
    beamc_status status =
        beamc__assert_pack(beamc_input_coder(ctx), in, &buf, beamc_ctx_error(ctx));
    beamc_slice packed = beamc_copy(ctx, beamc_buf_slice(&buf));
    beamc_buf_free(&buf);
    BEAMC_TRY(status);
    return beamc_emit(
        ctx, 0,
        beamc_kv_of(ctx, beamc_value_bytes((beamc_slice){NULL, 0}), beamc_value_bytes(packed)));
}

const beamc_dofn beamc__assert_pack_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:assert_pack:v1",
    .doc = "Packs elements for an assertion.",
    .config = &pack_row,
    .outputs = {{"out", &beamc_kv_bytes_bytes}},
    .observes_window = true,
    .process = pack_process,
};

/* --------------------------------------------------------------------------------- check */

static const beamc_field expected_item = {.name = "item", .type = BEAMC_FIELD_BYTES};
static const beamc_field check_fields[] = {
    BEAMC_REQUIRED(beamc_assert_check_config, label, STRING),
    BEAMC_REQUIRED(beamc_assert_check_config, only_count, BOOL),
    BEAMC_REQUIRED(beamc_assert_check_config, count, I64),
    {.name = "expected",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(beamc_assert_check_config, expected),
     .element = &expected_item},
    BEAMC_REQUIRED(beamc_assert_check_config, check, I64),
    BEAMC_REQUIRED(beamc_assert_check_config, arg, I64),
    BEAMC_REQUIRED(beamc_assert_check_config, coder, I64),
};
static const beamc_row check_row = BEAMC_ROW(beamc_assert_check_config, check_fields);

typedef struct list {
    beamc_slice *items;
    size_t count, cap;
} list;

static void list_add(list *l, beamc_slice s) {
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->items = beamc__realloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count++] = s;
}

static int by_bytes(const void *a, const void *b) {
    return beamc_slice_cmp(*(const beamc_slice *)a, *(const beamc_slice *)b);
}

/* The text of a packed element. */
static beamc_slice text_of(beamc_slice packed) {
    beamc_cursor c = beamc_cursor_of(packed);
    unsigned kind;
    beamc_slice bytes = {NULL, 0};
    if (!beamc_get_u8(&c, &kind) || !beamc_get_prefixed(&c, &bytes)) {
        return packed;
    }
    return beamc_slice_of(c.p, beamc_cursor_left(&c));
}

static void describe(beamc_buf *out, const char *what, const list *l) {
    if (l->count == 0) {
        return;
    }
    beamc_buf_printf(out, "; %s %zu:", what, l->count);
    for (size_t i = 0; i < l->count && i < SHOWN_ELEMENTS; i++) {
        beamc_slice text = text_of(l->items[i]);
        bool cut = text.len > SHOWN_BYTES;
        text.len = cut ? SHOWN_BYTES : text.len;
        beamc_buf_printf(out, "%s %.*s%s", i == 0 ? "" : ",", BEAMC_SLICE_ARG(text),
                         cut ? "..." : "");
    }
    beamc_buf_put_str(out, l->count > SHOWN_ELEMENTS ? ", ..." : "");
}

/* Both sorted. */
static void compare(const list *want, const list *got, list *missing, list *extra) {
    size_t w = 0, g = 0;
    while (w < want->count || g < got->count) {
        int order = w == want->count  ? 1
                    : g == got->count ? -1
                                      : beamc_slice_cmp(want->items[w], got->items[g]);
        if (order < 0) {
            list_add(missing, want->items[w++]);
        } else if (order > 0) {
            list_add(extra, got->items[g++]);
        } else {
            w++;
            g++;
        }
    }
}

static beamc_status report(beamc_ctx *ctx, const beamc_assert_check_config *config,
                           const list *want, const list *got) {
    list missing = {0}, extra = {0};
    beamc_status status = BEAMC_OK;
    if (config->only_count) {
        if ((int64_t)got->count != config->count) {
            status =
                beamc_fail(ctx, FAILED_PRECONDITION, "assertion %.*s: %zu elements, expected %lld",
                           BEAMC_SLICE_ARG(config->label), got->count, (long long)config->count);
        }
        return status;
    }
    compare(want, got, &missing, &extra);
    if (missing.count + extra.count > 0) {
        beamc_buf text = {0};
        describe(&text, "missing", &missing);
        describe(&text, "extra", &extra);
        status =
            beamc_fail(ctx, FAILED_PRECONDITION, "assertion %.*s: %zu elements, expected %zu%.*s",
                       BEAMC_SLICE_ARG(config->label), got->count, want->count,
                       BEAMC_SLICE_ARG(beamc_buf_slice(&text)));
        beamc_buf_free(&text);
    }
    free(missing.items);
    free(extra.items);
    return status;
}

/* The elements of @p got, decoded, to the function of beamc_assert_that. */
static beamc_status call_check(beamc_ctx *ctx, const beamc_assert_check_config *config,
                               const list *got) {
    beamc_assert_fn check = (beamc_assert_fn)(intptr_t)config->check;
    const beamc_coder *coder = (const beamc_coder *)(intptr_t)config->coder;
    beamc_value *elements = beamc_alloc(ctx, (got->count + 1) * sizeof *elements);
    for (size_t i = 0; i < got->count; i++) {
        beamc_cursor c = beamc_cursor_of(got->items[i]);
        unsigned kind;
        beamc_slice bytes = {NULL, 0};
        if (!beamc_get_u8(&c, &kind) || !beamc_get_prefixed(&c, &bytes)) {
            return beamc_fail(ctx, INTERNAL, "a packed element is damaged");
        }
        BEAMC_TRY(beamc_decode(coder, &bytes, true, beamc_scratch_arena(ctx), &elements[i],
                               beamc_ctx_error(ctx)));
    }
    beamc_status status =
        check(elements, got->count, (void *)(intptr_t)config->arg, beamc_ctx_error(ctx));
    if (status != BEAMC_OK) {
        beamc_error_prepend(beamc_ctx_error(ctx), "assertion %.*s", BEAMC_SLICE_ARG(config->label));
    }
    return status;
}

static beamc_status check_process(beamc_ctx *ctx, const beamc_elem *in) {
    const beamc_assert_check_config *config = beamc_config(ctx);
    list want = {0}, got = {0};
    for (size_t i = 0; i < config->expected.count; i++) {
        list_add(&want, config->expected.items[i].bytes);
    }
    beamc_iter it;
    beamc_value v;
    beamc_iterate(in->kv->value.iterable, &it);
    while (beamc_iter_next(&it, &v)) {
        if (v.bytes.len > 0 && v.bytes.ptr[0] == 'e') {
            list_add(&got, beamc_copy(ctx, v.bytes));
        }
    }
    beamc_status status = beamc_iter_status(&it, beamc_ctx_error(ctx));
    if (status == BEAMC_OK && config->check != 0) {
        status = call_check(ctx, config, &got);
    } else if (status == BEAMC_OK) {
        if (want.count > 0) {
            qsort(want.items, want.count, sizeof *want.items, by_bytes);
        }
        if (got.count > 0) {
            qsort(got.items, got.count, sizeof *got.items, by_bytes);
        }
        status = report(ctx, config, &want, &got);
    }
    free(want.items);
    free(got.items);
    return status;
}

const beamc_dofn beamc__assert_check_fn = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:assert_check:v1",
    .doc = "Compares elements with what was expected.",
    .config = &check_row,
    .process = check_process,
};

const beamc_program beamc__assert_program = {
    BEAMC_PROGRAM_ABI,
    .name = "assert",
    .fns = BEAMC_FNS(&beamc__assert_pack_fn, &beamc__assert_check_fn),
};
