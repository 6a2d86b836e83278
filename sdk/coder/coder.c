/* coder.c: the switch from a coder's kind to the file that implements it, the standard coders as
 * constants, and what holds for all coders. No state; safe from any thread. */
#include "coder/coder_impl.h"

#include "coder/parts.h"
#include "proto/beam_model/urns.h"

const beamc_coder beamc_bytes = {BEAMC_CODER_BYTES, {0, 0}, 0, 0};
const beamc_coder beamc_string = {BEAMC_CODER_STRING, {0, 0}, 0, 0};
const beamc_coder beamc_bool = {BEAMC_CODER_BOOL, {0, 0}, 0, 0};
const beamc_coder beamc_varint = {BEAMC_CODER_VARINT, {0, 0}, 0, 0};
const beamc_coder beamc_double = {BEAMC_CODER_DOUBLE, {0, 0}, 0, 0};
const beamc_coder beamc_global_window = {BEAMC_CODER_GLOBAL_WINDOW, {0, 0}, 0, 0};
const beamc_coder beamc_interval_window = {BEAMC_CODER_INTERVAL_WINDOW, {0, 0}, 0, 0};
const beamc_coder beamc_kv_str_i64 = BEAMC_KV(&beamc_string, &beamc_varint);
const beamc_coder beamc_kv_bytes_bytes = BEAMC_KV(&beamc_bytes, &beamc_bytes);

static const beamc_coder_ops *const all_ops[] = {
    [BEAMC_CODER_BYTES] = &beamc__ops_bytes,
    [BEAMC_CODER_STRING] = &beamc__ops_string,
    [BEAMC_CODER_BOOL] = &beamc__ops_bool,
    [BEAMC_CODER_VARINT] = &beamc__ops_varint,
    [BEAMC_CODER_DOUBLE] = &beamc__ops_double,
    [BEAMC_CODER_KV] = &beamc__ops_kv,
    [BEAMC_CODER_ITERABLE] = &beamc__ops_iterable,
    [BEAMC_CODER_STATE_BACKED_ITERABLE] = &beamc__ops_state_backed_iterable,
    [BEAMC_CODER_LENGTH_PREFIX] = &beamc__ops_length_prefix,
    [BEAMC_CODER_GLOBAL_WINDOW] = &beamc__ops_global_window,
    [BEAMC_CODER_INTERVAL_WINDOW] = &beamc__ops_interval_window,
    [BEAMC_CODER_CUSTOM_WINDOW] = &beamc__ops_custom_window,
    [BEAMC_CODER_WINDOWED_VALUE] = &beamc__ops_windowed_value,
    [BEAMC_CODER_PARAM_WINDOWED_VALUE] = &beamc__ops_param_windowed_value,
    [BEAMC_CODER_TIMER] = &beamc__ops_timer,
    [BEAMC_CODER_ROW] = &beamc__ops_row,
    [BEAMC_CODER_SHARDED_KEY] = &beamc__ops_sharded_key,
    [BEAMC_CODER_NULLABLE] = &beamc__ops_nullable,
};

const beamc_coder_ops *beamc__coder_ops(beamc_coder_kind kind) {
    size_t i = (size_t)kind;
    return i < sizeof all_ops / sizeof all_ops[0] ? all_ops[i] : NULL;
}

static beamc_status no_such_kind(const beamc_coder *c, beamc_error *err) {
    return BEAMC_FAIL(err, INTERNAL, "coder kind %d does not exist", (int)c->kind);
}

/* -------------------------------------------------------------------- decode, encode, skip */

beamc_status beamc__decode_slow(const beamc_coder *c, beamc_cursor *in, bool nested,
                                beamc_scratch *s, beamc_value *out, beamc_error *err) {
    const beamc_coder_ops *ops = beamc__coder_ops(c->kind);
    if (ops == NULL) {
        return no_such_kind(c, err);
    }
    return ops->decode(c, in, nested, s, out, err);
}

beamc_status beamc__encode_slow(const beamc_coder *c, const beamc_value *v, bool nested,
                                unsigned depth, beamc_buf *out, beamc_error *err) {
    const beamc_coder_ops *ops = beamc__coder_ops(c->kind);
    if (ops == NULL) {
        return no_such_kind(c, err);
    }
    return ops->encode(c, v, nested, depth, out, err);
}

beamc_status beamc__skip_at(const beamc_coder *c, beamc_cursor *in, unsigned depth,
                            beamc_error *err) {
    const beamc_coder_ops *ops = beamc__coder_ops(c->kind);
    if (ops == NULL) {
        return no_such_kind(c, err);
    }
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "more than %d levels of structure in a value",
                          BEAMC_CODER_MAX_DEPTH);
    }
    return ops->skip(c, in, depth, err);
}

beamc_status beamc__skip(const beamc_coder *c, beamc_cursor *in, beamc_error *err) {
    return beamc__skip_at(c, in, 0, err);
}

int64_t beamc__coder_fixed_size(const beamc_coder *c) {
    const beamc_coder_ops *ops = beamc__coder_ops(c->kind);
    return ops != NULL && ops->fixed_size != NULL ? ops->fixed_size(c) : -1;
}

int64_t beamc__size_one(const beamc_coder *c) {
    (void)c;
    return 1;
}

beamc_status beamc__ends_early(const beamc_cursor *in, const char *what, beamc_error *err) {
    beamc_cursor at = *in;
    uint64_t len;
    if (beamc_get_varint(&at, &len) && len > beamc_cursor_left(&at)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s of %llu bytes: only %zu bytes are left", what,
                          (unsigned long long)len, beamc_cursor_left(&at));
    }
    return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s is malformed or ends early: %zu bytes are left",
                      what, beamc_cursor_left(in));
}

beamc_status beamc_encode(const beamc_coder *coder, const beamc_value *value, bool nested,
                          beamc_buf *out, beamc_error *err) {
    return beamc__encode(coder, value, nested, out, err);
}

beamc_status beamc_decode(const beamc_coder *coder, beamc_slice *in, bool nested,
                          beamc_arena *arena, beamc_value *out, beamc_error *err) {
    beamc_scratch s;
    beamc__scratch_init(&s, arena);
    s.eager = true;
    beamc_cursor at = beamc_cursor_of(*in);
    beamc_status status = beamc__decode(coder, &at, nested, &s, out, err);
    beamc__scratch_deinit(&s);
    if (status == BEAMC_OK) {
        *in = beamc_slice_of(at.p, beamc_cursor_left(&at));
    }
    return status;
}

beamc_status beamc_value_copy(const beamc_coder *coder, const beamc_value *value,
                              beamc_arena *arena, beamc_value *out, beamc_error *err) {
    const beamc_coder_ops *ops = beamc__coder_ops(coder->kind);
    if (ops == NULL) {
        return no_such_kind(coder, err);
    }
    if (ops->copy == NULL) {
        *out = *value;
        return BEAMC_OK;
    }
    return ops->copy(coder, value, arena, out, err);
}

/* --------------------------------------------------------------------- questions about coders */

const char *beamc_coder_urn(beamc_coder_kind kind) {
    const beamc_coder_ops *ops = beamc__coder_ops(kind);
    return ops != NULL ? ops->urn : "";
}

static void describe(const beamc_coder *c, unsigned depth, beamc_buf *out) {
    const beamc_coder_ops *ops = c != NULL ? beamc__coder_ops(c->kind) : NULL;
    if (ops == NULL || depth > BEAMC_CODER_MAX_DEPTH) {
        beamc_buf_put_str(out, "?");
        return;
    }
    beamc_buf_put_str(out, ops->name);
    if (c->kind == BEAMC_CODER_ROW && c->row != NULL) {
        beamc_buf_printf(out, "<%s>", c->row->name != NULL ? c->row->name : "");
    }
    for (unsigned i = 0; i < ops->args; i++) {
        beamc_buf_put_str(out, i == 0 ? "<" : ", ");
        describe(c->args[i], depth + 1, out);
    }
    if (ops->args > 0) {
        beamc_buf_put_str(out, ">");
    }
}

void beamc_coder_describe(const beamc_coder *coder, beamc_buf *out) {
    describe(coder, 0, out);
}

static bool windowed_equal(const beamc_windowed_value *a, const beamc_windowed_value *b) {
    return a->timestamp == b->timestamp && a->window_count == b->window_count &&
           memcmp(a->windows, b->windows, a->window_count * sizeof(beamc_window)) == 0 &&
           a->pane.index == b->pane.index &&
           a->pane.non_speculative_index == b->pane.non_speculative_index &&
           a->pane.timing == b->pane.timing && a->pane.is_first == b->pane.is_first &&
           a->pane.is_last == b->pane.is_last;
}

static bool row_equal(const beamc_row *a, const beamc_row *b) {
    if (a == b) {
        return true;
    }
    if (beamc_row_fingerprint(a) != beamc_row_fingerprint(b)) {
        return false;
    }
    for (uint32_t i = 0; i < a->field_count; i++) {
        uint32_t x = a->encoding_order != NULL ? a->encoding_order[i] : i;
        uint32_t y = b->encoding_order != NULL ? b->encoding_order[i] : i;
        if (x != y) {
            return false;
        }
    }
    return true;
}

bool beamc_coder_equal(const beamc_coder *a, const beamc_coder *b) {
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind) {
        return false;
    }
    const beamc_coder_ops *ops = beamc__coder_ops(a->kind);
    for (unsigned i = 0; ops != NULL && i < ops->args; i++) {
        if (!beamc_coder_equal(a->args[i], b->args[i])) {
            return false;
        }
    }
    if (a->kind == BEAMC_CODER_ROW) {
        return row_equal(a->row, b->row);
    }
    if (a->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE) {
        return windowed_equal(a->extra, b->extra);
    }
    return true;
}

static bool row_deterministic(const beamc_row *row, unsigned depth);

static bool field_deterministic(const beamc_field *f, unsigned depth) {
    switch (f->type) {
    case BEAMC_FIELD_FLOAT:
    case BEAMC_FIELD_DOUBLE:
    case BEAMC_FIELD_ITERABLE:
    case BEAMC_FIELD_MAP:
        return false;
    case BEAMC_FIELD_ARRAY:
        return field_deterministic(f->element, depth);
    case BEAMC_FIELD_ROW:
        return row_deterministic(f->row, depth + 1);
    default:
        return true;
    }
}

static bool row_deterministic(const beamc_row *row, unsigned depth) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return true; /* a recursive table: what can be seen of it was */
    }
    for (uint32_t i = 0; i < row->field_count; i++) {
        if (!field_deterministic(&row->fields[i], depth)) {
            return false;
        }
    }
    return true;
}

bool beamc_coder_deterministic(const beamc_coder *coder) {
    const beamc_coder_ops *ops = beamc__coder_ops(coder->kind);
    if (ops == NULL || !ops->deterministic) {
        return false;
    }
    for (unsigned i = 0; i < ops->args; i++) {
        if (!beamc_coder_deterministic(coder->args[i])) {
            return false;
        }
    }
    return coder->kind != BEAMC_CODER_ROW || row_deterministic(coder->row, 0);
}
