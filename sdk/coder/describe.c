/* describe.c: values as text for people: what assertions say, and beamc_print. */
#include <beamc/coder.h>
#include <beamc/row.h>

#include "base/time_text.h"
#include "base/utf8.h"

enum { MAX_DEPTH = 20 };

static void describe(const beamc_coder *coder, const beamc_value *v, unsigned depth,
                     beamc_buf *out);

static bool is_text(beamc_slice s) {
    const unsigned char *p = (const unsigned char *)s.ptr;
    const unsigned char *end = p + s.len;
    bool ok = true;
    while (ok && p < end) {
        ok = *p >= ' ' && *p != 0x7f;
        p += ok ? beamc_utf8_step(p, end, &ok) : 0;
    }
    return ok;
}

static void put_hex(beamc_slice s, beamc_buf *out) {
    beamc_buf_put_str(out, "0x");
    for (size_t i = 0; i < s.len; i++) {
        beamc_buf_printf(out, "%02x", (unsigned char)s.ptr[i]);
    }
}

static void put_bytes(beamc_slice s, beamc_buf *out) {
    if (s.len > 0 && is_text(s)) {
        beamc_json_put_string(out, s);
    } else {
        put_hex(s, out);
    }
}

static void put_many(const beamc_coder *coder, const beamc_iterable *many, unsigned depth,
                     beamc_buf *out) {
    beamc_iter it;
    beamc_value v;
    beamc_buf_put_u8(out, '[');
    beamc_iterate(many, &it);
    for (bool first = true; beamc_iter_next(&it, &v); first = false) {
        beamc_buf_put_str(out, first ? "" : ", ");
        describe(coder, &v, depth, out);
    }
    beamc_buf_put_str(out, beamc_iter_status(&it, NULL) == BEAMC_OK ? "]" : " ...]");
}

static void put_encoded(const beamc_coder *coder, const beamc_value *v, beamc_buf *out) {
    beamc_buf bytes = {0};
    if (beamc_encode(coder, v, true, &bytes, NULL) == BEAMC_OK) {
        put_hex(beamc_buf_slice(&bytes), out);
    } else {
        beamc_buf_put_u8(out, '?');
    }
    beamc_buf_free(&bytes);
}

static void put_time(beamc_time t, beamc_buf *out) {
    char text[BEAMC_TIME_TEXT_MAX];
    size_t len = beamc__time_format_utc(t, text);
    if (len > 0) {
        beamc_buf_put(out, text, len);
    } else if (t <= BEAMC_TIME_MIN) {
        beamc_buf_put_str(out, "the start of time");
    } else if (t >= BEAMC_TIME_GLOBAL_WINDOW_MAX) {
        beamc_buf_put_str(out, "the end of time");
    } else {
        beamc_buf_printf(out, "%lld ms", (long long)t);
    }
}

void beamc_time_describe(beamc_time time, beamc_buf *out) {
    put_time(time, out);
}

void beamc_window_describe(beamc_window w, beamc_buf *out) {
    if (w.start == BEAMC_TIME_MIN && beamc_window_max(w) == BEAMC_TIME_GLOBAL_WINDOW_MAX) {
        beamc_buf_put_str(out, "the global window");
        return;
    }
    beamc_buf_put_u8(out, '[');
    put_time(w.start, out);
    beamc_buf_put_str(out, ", ");
    put_time(w.end, out);
    beamc_buf_put_u8(out, ')');
}

static void put_pair(const beamc_coder *coder, const beamc_kv *kv, unsigned depth, beamc_buf *out) {
    beamc_buf_put_u8(out, '(');
    describe(coder->args[0], &kv->key, depth, out);
    beamc_buf_put_str(out, ": ");
    describe(coder->args[1], &kv->value, depth, out);
    beamc_buf_put_u8(out, ')');
}

static void put_nullable(const beamc_coder *coder, const beamc_value *v, unsigned depth,
                         beamc_buf *out) {
    if (v->nullable == NULL) {
        beamc_buf_put_str(out, "null");
    } else {
        describe(coder->args[0], v->nullable, depth, out);
    }
}

static void describe(const beamc_coder *coder, const beamc_value *v, unsigned depth,
                     beamc_buf *out) {
    if (depth > MAX_DEPTH) {
        beamc_buf_put_str(out, "...");
        return;
    }
    switch (coder->kind) {
    case BEAMC_CODER_STRING:
        beamc_json_put_string(out, v->bytes);
        break;
    case BEAMC_CODER_BYTES:
        put_bytes(v->bytes, out);
        break;
    case BEAMC_CODER_VARINT:
        beamc_buf_printf(out, "%lld", (long long)v->i64);
        break;
    case BEAMC_CODER_BOOL:
        beamc_buf_put_str(out, v->i64 ? "true" : "false");
        break;
    case BEAMC_CODER_DOUBLE:
        beamc_buf_printf(out, "%.17g", v->f64);
        break;
    case BEAMC_CODER_KV:
        put_pair(coder, v->kv, depth + 1, out);
        break;
    case BEAMC_CODER_ITERABLE:
    case BEAMC_CODER_STATE_BACKED_ITERABLE:
        put_many(coder->args[0], v->iterable, depth + 1, out);
        break;
    case BEAMC_CODER_LENGTH_PREFIX:
        describe(coder->args[0], v, depth + 1, out);
        break;
    case BEAMC_CODER_NULLABLE:
        put_nullable(coder, v, depth + 1, out);
        break;
    case BEAMC_CODER_INTERVAL_WINDOW:
        beamc_window_describe(*v->window, out);
        break;
    case BEAMC_CODER_ROW:
        if (beamc_row_to_json(coder->row, v->row, out, NULL) != BEAMC_OK) {
            put_encoded(coder, v, out);
        }
        break;
    default:
        put_encoded(coder, v, out);
    }
}

void beamc_value_describe(const beamc_coder *coder, beamc_value value, beamc_buf *out) {
    describe(coder, &value, 0, out);
}
