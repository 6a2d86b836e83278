/* to_string.c: beam:transform:to_string:v1, KV<nonce, x> -> KV<nonce, text of x>: so that a runner can
 * show a key or an element without knowing its coder. Threads: the bundle's. */
#include <beamc/row.h>

#include "worker/exec/nodes.h"

enum { MAX_ITEMS = 100 };

typedef struct to_string {
    beamc_unit unit;
    const beamc_coder *coder;
    beamc_pcol *out;
    beamc_buf text;
} to_string;

static beamc_status show(to_string *t, const beamc_coder *c, const beamc_value *v, unsigned depth);

static beamc_status show_items(to_string *t, const beamc_coder *c, const beamc_iterable *items,
                               unsigned depth) {
    beamc_iter it;
    beamc_value v;
    unsigned n = 0;
    beamc_iterate(items, &it);
    beamc_buf_put_str(&t->text, "[");
    while (beamc_iter_next(&it, &v)) {
        if (n++ == MAX_ITEMS) {
            beamc_buf_put_str(&t->text, ", ...");
            break;
        }
        beamc_buf_put_str(&t->text, n > 1 ? ", " : "");
        BEAMC_TRY(show(t, c, &v, depth + 1));
    }
    beamc_buf_put_str(&t->text, "]");
    return beamc_iter_status(&it, &t->unit.plan->error);
}

static beamc_status show_pair(to_string *t, const beamc_coder *c, const beamc_kv *kv,
                              unsigned depth) {
    beamc_buf_put_str(&t->text, "(");
    BEAMC_TRY(show(t, c->args[0], &kv->key, depth + 1));
    beamc_buf_put_str(&t->text, ", ");
    BEAMC_TRY(show(t, c->args[1], &kv->value, depth + 1));
    beamc_buf_put_str(&t->text, ")");
    return BEAMC_OK;
}

static beamc_status show(to_string *t, const beamc_coder *c, const beamc_value *v, unsigned depth) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(&t->unit.plan->error, INVALID_ARGUMENT, "nested too deep");
    }
    switch (c->kind) {
    case BEAMC_CODER_BYTES:
    case BEAMC_CODER_STRING:
        beamc_json_put_string(&t->text, v->bytes);
        return BEAMC_OK;
    case BEAMC_CODER_BOOL:
        beamc_buf_put_str(&t->text, v->i64 != 0 ? "true" : "false");
        return BEAMC_OK;
    case BEAMC_CODER_VARINT:
        beamc_buf_printf(&t->text, "%lld", (long long)v->i64);
        return BEAMC_OK;
    case BEAMC_CODER_DOUBLE:
        beamc_buf_printf(&t->text, "%.17g", v->f64);
        return BEAMC_OK;
    case BEAMC_CODER_LENGTH_PREFIX:
        return show(t, c->args[0], v, depth + 1);
    case BEAMC_CODER_KV:
        return show_pair(t, c, v->kv, depth);
    case BEAMC_CODER_NULLABLE:
        if (v->nullable == NULL) {
            beamc_buf_put_str(&t->text, "null");
            return BEAMC_OK;
        }
        return show(t, c->args[0], v->nullable, depth + 1);
    case BEAMC_CODER_ROW:
        return beamc_row_to_json(c->row, v->row, &t->text, &t->unit.plan->error);
    case BEAMC_CODER_GLOBAL_WINDOW:
        beamc_buf_put_str(&t->text, "global window");
        return BEAMC_OK;
    case BEAMC_CODER_INTERVAL_WINDOW:
    case BEAMC_CODER_CUSTOM_WINDOW:
        beamc_buf_printf(&t->text, "[%lld, %lld)", (long long)v->window->start,
                         (long long)v->window->end);
        return BEAMC_OK;
    case BEAMC_CODER_ITERABLE:
    case BEAMC_CODER_STATE_BACKED_ITERABLE:
        return show_items(t, c->args[0], v->iterable, depth);
    default:
        beamc_buf_printf(&t->text, "<%s>", beamc_coder_urn(c->kind));
        return BEAMC_OK;
    }
}

static beamc_status process(beamc_unit *unit, const beamc_wv *in) {
    to_string *t = (to_string *)unit;
    beamc_buf_clear(&t->text);
    BEAMC_TRY(show(t, t->coder, &in->value.kv->value, 0));
    beamc_kv kv = {in->value.kv->key, {.bytes = beamc_buf_slice(&t->text)}};
    beamc_wv out = *in;
    out.value.kv = &kv;
    return beamc_push(t->out, &out);
}

static void teardown(beamc_unit *unit) {
    beamc_buf_free(&((to_string *)unit)->text);
}

static const beamc_unit_ops to_string_ops = {
    .name = "to_string", .process = process, .teardown = teardown};

beamc_unit *beamc__to_string_new(beamc_plan *plan, const char *id, const beamc_coder *coder,
                                 beamc_pcol *out) {
    to_string *t = beamc_arena_zalloc(plan->arena, sizeof *t);
    t->coder = coder;
    t->out = out;
    beamc__plan_add_unit(plan, &t->unit, &to_string_ops, id);
    return &t->unit;
}
