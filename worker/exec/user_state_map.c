/* user_state_map.c: map and set state (StateKey.MultimapUserState, .MultimapKeysUserState). A map is a
 * multimap with one value per key; a set is a map to true. Threads: the bundle's. */
#include "worker/exec/user_state_cells.h"

typedef struct item {
    beamc_record entry; /* key: the encoded map key */
    bool known;         /* `has` and `value` hold; else only the runner knows */
    bool has;
    bool dirty;
    bool listed; /* for beamc__map_keys: the runner has named it */
    beamc_slice value;
} item;

static const char set_member[] = "\x01";

#define KIND(k) (1u << (k))

void beamc__map_clear(beamc_user_state *s, beamc_cell *cell) {
    (void)s;
    beamc__records_clear(&cell->items);
}

/* The item of @p key, read from the runner if it is not known. */
static beamc_status item_at(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                            const beamc_value *key, bool load, item **out) {
    beamc_plan *plan = s->plan;
    if (cell->items.arena == NULL) {
        beamc__records_init(&cell->items, s->memory);
    }
    beamc_buf_clear(&plan->measure);
    BEAMC_TRY_CTX(&plan->error,
                  beamc__encode(def->key_coder, key, true, &plan->measure, &plan->error),
                  "key of state %s", def->id);
    item *it = beamc__records_get(&cell->items, beamc_buf_slice(&plan->measure), sizeof *it);
    s->bytes += sizeof *it + it->entry.key.len;
    *out = it;
    if (it->known || !load) {
        return BEAMC_OK;
    }
    if (!cell->cleared && beamc_cell_may_read(s)) {
        beamc_state_key state_key = beamc__cell_key(s, s->scope, def);
        state_key.map_key = it->entry.key;
        bool complete;
        beamc_buf_clear(&plan->measure);
        BEAMC_TRY(beamc__state_read_all(plan, &state_key, SIZE_MAX, &plan->measure, &complete));
        it->has = plan->measure.len > 0;
        it->value = beamc_arena_copy(s->memory, beamc_buf_slice(&plan->measure));
        s->bytes += it->value.len;
    }
    it->known = true;
    return BEAMC_OK;
}

beamc_status beamc_state_get(beamc_ctx *ctx, unsigned state, beamc_value key, bool *found,
                             beamc_value *out) {
    beamc_cell *cell;
    const beamc_state_def *def;
    item *it;
    BEAMC_TRY(
        beamc__cell_at(ctx, state, KIND(BEAMC_STATE_MAP) | KIND(BEAMC_STATE_SET), &cell, &def));
    BEAMC_TRY(item_at(ctx->state, cell, def, &key, true, &it));
    if (found != NULL) {
        *found = it->has;
    }
    if (!it->has) {
        *out = (beamc_value){0};
        return BEAMC_OK;
    }
    if (def->kind == BEAMC_STATE_SET) {
        out->i64 = 1;
        return BEAMC_OK;
    }
    beamc_cursor in = beamc_cursor_of(it->value);
    BEAMC_TRY_CTX(&ctx->plan->error,
                  beamc__decode(def->coder, &in, true, &ctx->plan->scratch, out, &ctx->plan->error),
                  "state %s", def->id);
    return BEAMC_OK;
}

static void set_item(beamc_cell *cell, item *it, bool has, beamc_slice value) {
    it->known = it->dirty = cell->dirty = true;
    it->has = has;
    it->value = value;
}

beamc_status beamc_state_put(beamc_ctx *ctx, unsigned state, beamc_value key, beamc_value value) {
    beamc_cell *cell;
    const beamc_state_def *def;
    item *it;
    beamc_plan *plan = ctx->plan;
    BEAMC_TRY(beamc__cell_at(ctx, state, KIND(BEAMC_STATE_MAP), &cell, &def));
    BEAMC_TRY(item_at(ctx->state, cell, def, &key, false, &it));
    beamc_buf_clear(&plan->measure);
    BEAMC_TRY_CTX(&plan->error,
                  beamc__encode(def->coder, &value, true, &plan->measure, &plan->error), "state %s",
                  def->id);
    set_item(cell, it, true, beamc_arena_copy(ctx->state->memory, beamc_buf_slice(&plan->measure)));
    ctx->state->bytes += it->value.len;
    return BEAMC_OK;
}

beamc_status beamc__set_add(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                            const beamc_value *value) {
    item *it;
    BEAMC_TRY(item_at(s, cell, def, value, false, &it));
    if (!(it->known && it->has)) {
        set_item(cell, it, true, beamc_slice_of(set_member, 1));
    }
    return BEAMC_OK;
}

beamc_status beamc_state_remove(beamc_ctx *ctx, unsigned state, beamc_value key) {
    beamc_cell *cell;
    const beamc_state_def *def;
    item *it;
    BEAMC_TRY(
        beamc__cell_at(ctx, state, KIND(BEAMC_STATE_MAP) | KIND(BEAMC_STATE_SET), &cell, &def));
    BEAMC_TRY(item_at(ctx->state, cell, def, &key, false, &it));
    set_item(cell, it, false, (beamc_slice){NULL, 0});
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- listing */

/* Makes an item of each key that the runner holds. */
static beamc_status list_runner(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def) {
    if (cell->cleared || !beamc_cell_may_read(s)) {
        return BEAMC_OK;
    }
    beamc_plan *plan = s->plan;
    beamc_state_key key = beamc__cell_key(s, s->scope, def);
    key.kind = BEAMC_STATE_KEY_MULTIMAP_KEYS_USER;
    beamc_buf all = {0};
    bool complete;
    beamc_status status = beamc__state_read_all(plan, &key, SIZE_MAX, &all, &complete);
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&all));
    while (status == BEAMC_OK && beamc_cursor_left(&in) > 0) {
        const unsigned char *from = in.p;
        status = beamc__skip(def->key_coder, &in, &plan->error);
        if (status == BEAMC_OK && in.p == from) {
            status = BEAMC_FAIL(&plan->error, INVALID_ARGUMENT, "a key of no bytes");
        }
        if (status == BEAMC_OK) {
            item *it = beamc__records_get(&cell->items, beamc_slice_of(from, (size_t)(in.p - from)),
                                          sizeof *it);
            it->listed = true;
        }
    }
    beamc_buf_free(&all);
    if (status != BEAMC_OK) {
        beamc_error_prepend(&plan->error, "keys of state %s", def->id);
    }
    return status;
}

beamc_status beamc__map_keys(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                             const beamc_iterable **out) {
    beamc_plan *plan = s->plan;
    if (cell->items.arena == NULL) {
        beamc__records_init(&cell->items, s->memory);
    }
    BEAMC_TRY(list_runner(s, cell, def));
    beamc_value *keys = beamc_plan_scratch(plan, cell->items.count * sizeof *keys);
    size_t count = 0;
    for (beamc_record *e = cell->items.first; e != NULL; e = e->next) {
        const item *it = (const item *)e;
        if (it->known ? it->has : it->listed) {
            beamc_cursor in = beamc_cursor_of(beamc_arena_copy(plan->elements, e->key));
            BEAMC_TRY(beamc__decode(def->key_coder, &in, true, &plan->scratch, &keys[count++],
                                    &plan->error));
        }
    }
    *out = beamc_iterable_of(plan->elements, keys, count);
    return BEAMC_OK;
}

beamc_status beamc_state_keys(beamc_ctx *ctx, unsigned state, const beamc_iterable **out) {
    beamc_cell *cell;
    const beamc_state_def *def;
    BEAMC_TRY(
        beamc__cell_at(ctx, state, KIND(BEAMC_STATE_MAP) | KIND(BEAMC_STATE_SET), &cell, &def));
    return beamc__map_keys(ctx->state, cell, def, out);
}

/* ------------------------------------------------------------------------------- writing back */

beamc_status beamc__map_flush(beamc_user_state *s, beamc_scope *scope, beamc_cell *cell,
                              const beamc_state_def *def) {
    beamc_state_key key = beamc__cell_key(s, scope, def);
    if (cell->cleared) {
        beamc_state_key keys = key;
        keys.kind = BEAMC_STATE_KEY_MULTIMAP_KEYS_USER;
        BEAMC_TRY(beamc__state_clear(s->plan, &keys));
    }
    for (beamc_record *e = cell->items.first; e != NULL; e = e->next) {
        const item *it = (const item *)e;
        if (!it->dirty) {
            continue;
        }
        key.map_key = e->key;
        if (!cell->cleared) {
            BEAMC_TRY(beamc__state_clear(s->plan, &key));
        }
        if (it->has) {
            BEAMC_TRY(beamc__state_append(s->plan, &key, it->value));
        }
    }
    return BEAMC_OK;
}
