/* user_state.c: keys and windows, and value, bag and combining state (StateKey.BagUserState).
 * Threads: the bundle's. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/exec/misuse.h"
#include "worker/exec/user_state_cells.h"

enum { CACHE_BYTES = 32 << 20, KEEP_BAG_BYTES = 1 << 20 };

#define KIND(k) (1u << (k))

beamc_user_state *beamc__user_state_new(beamc_pardo *pardo, const beamc_coder *key_coder,
                                        const beamc_coder *window_coder) {
    beamc_user_state *s = beamc__calloc(1, sizeof *s);
    s->pardo = pardo;
    s->plan = pardo->unit.plan;
    s->key_coder = key_coder;
    s->window_coder = window_coder;
    s->memory = beamc_arena_new(0);
    beamc__records_init(&s->scopes, s->memory);
    pardo->ctx.state = s;
    return s;
}

void beamc__user_state_define(beamc_user_state *s, unsigned index, const beamc_state_def *def) {
    s->defs[index] = *def;
    if (index >= s->def_count) {
        s->def_count = index + 1;
    }
}

static void free_cells(beamc_user_state *s) {
    for (beamc_record *e = s->scopes.first; e != NULL; e = e->next) {
        beamc_scope *scope = (beamc_scope *)e;
        for (unsigned i = 0; i < s->def_count; i++) {
            beamc_cell *cell = &scope->cells[i];
            beamc_buf_free(&cell->prior);
            beamc_buf_free(&cell->added);
            beamc_buf_free(&cell->ranges);
            beamc__records_deinit(&cell->items);
        }
    }
}

static void forget(beamc_user_state *s) {
    free_cells(s);
    beamc__records_clear(&s->scopes);
    beamc_arena_reset(s->memory);
    s->bytes = 0;
    s->scope = NULL;
}

void beamc__user_state_drop(beamc_user_state *s) {
    forget(s);
    s->wrote = false;
}

void beamc__user_state_free(beamc_user_state *s) {
    if (s == NULL) {
        return;
    }
    free_cells(s);
    beamc__records_deinit(&s->scopes);
    beamc_arena_free(s->memory);
    beamc_buf_free(&s->name);
    free(s);
}

/* ------------------------------------------------------------------------------- key at hand */

static beamc_status flush_all(beamc_user_state *s);

beamc_status beamc__user_state_at(beamc_user_state *s, beamc_value key, beamc_window window) {
    beamc_error *err = &s->plan->error;
    if (s->bytes + s->scopes.bytes > CACHE_BYTES) {
        BEAMC_TRY(flush_all(s));
    }
    s->key = key;
    s->scope = NULL;
    beamc_buf_clear(&s->name);
    BEAMC_TRY(beamc__window_encode(s->window_coder, window, &s->name, err));
    s->key_at = s->name.len;
    BEAMC_TRY_CTX(err, beamc__encode(s->key_coder, &key, true, &s->name, err), "key");
    return BEAMC_OK;
}

beamc_slice beamc__user_state_window(const beamc_user_state *s) {
    return beamc_slice_of(s->name.ptr, s->key_at);
}

beamc_slice beamc__user_state_key(const beamc_user_state *s) {
    return beamc_slice_of(s->name.ptr + s->key_at, s->name.len - s->key_at);
}

beamc_value beamc_key(const beamc_ctx *ctx) {
    return ctx->state != NULL ? ctx->state->key : (beamc_value){.bytes = {NULL, 0}};
}

/* The window's encoding ends itself, so (window, key) in a row is unambiguous for one window coder. */
static beamc_scope *scope_at(beamc_user_state *s) {
    if (s->scope != NULL) {
        return s->scope;
    }
    size_t size = sizeof(beamc_scope) + s->def_count * sizeof(beamc_cell);
    beamc_scope *scope = beamc__records_get(&s->scopes, beamc_buf_slice(&s->name), size);
    scope->window = beamc_slice_of(scope->entry.key.ptr, s->key_at);
    scope->key = beamc_slice_of(scope->entry.key.ptr + s->key_at, s->name.len - s->key_at);
    return s->scope = scope;
}

beamc_status beamc__cell_at(beamc_ctx *ctx, unsigned index, unsigned kinds, beamc_cell **cell,
                            const beamc_state_def **def) {
    beamc_user_state *s = ctx->state;
    if (s == NULL || ctx->at == NULL || index >= s->def_count || s->defs[index].id == NULL) {
        return beamc__misuse_state(ctx, index);
    }
    *def = &s->defs[index];
    if ((kinds & KIND((*def)->kind)) == 0) {
        return beamc__misuse_state_kind(ctx, (*def)->id, (*def)->kind, kinds);
    }
    *cell = &scope_at(s)->cells[index];
    return BEAMC_OK;
}

beamc_state_key beamc__cell_key(const beamc_user_state *s, const beamc_scope *scope,
                                const beamc_state_def *def) {
    beamc_state_key_kind kind = BEAMC_STATE_KEY_BAG_USER;
    if (def->kind == BEAMC_STATE_MAP || def->kind == BEAMC_STATE_SET) {
        kind = BEAMC_STATE_KEY_MULTIMAP_USER;
    } else if (def->kind == BEAMC_STATE_ORDERED_LIST) {
        kind = BEAMC_STATE_KEY_ORDERED_LIST_USER;
    }
    return (beamc_state_key){.kind = kind,
                             .transform_id = beamc_str(s->pardo->unit.id),
                             .id = beamc_str(def->id),
                             .window = scope->window,
                             .key = scope->key};
}

/* ------------------------------------------------------------------------------------- value */

static beamc_status value_load(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def) {
    if (cell->known) {
        return BEAMC_OK;
    }
    if (beamc_cell_may_read(s)) {
        beamc_state_key key = beamc__cell_key(s, s->scope, def);
        bool complete;
        BEAMC_TRY(beamc__state_read_all(s->plan, &key, SIZE_MAX, &cell->prior, &complete));
    }
    cell->known = true;
    cell->has = cell->prior.len > 0;
    s->bytes += cell->prior.len;
    return BEAMC_OK;
}

static beamc_status value_read(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                               bool *found, beamc_value *out) {
    BEAMC_TRY(value_load(s, cell, def));
    *found = cell->has;
    if (!cell->has) {
        *out = (beamc_value){0};
        return BEAMC_OK;
    }
    beamc_cursor in =
        beamc_cursor_of(beamc_arena_copy(s->plan->elements, beamc_buf_slice(&cell->prior)));
    BEAMC_TRY_CTX(&s->plan->error,
                  beamc__decode(def->coder, &in, true, &s->plan->scratch, out, &s->plan->error),
                  "state %s", def->id);
    return BEAMC_OK;
}

beamc_status beamc_state_write(beamc_ctx *ctx, unsigned state, beamc_value value) {
    beamc_cell *cell;
    const beamc_state_def *def;
    BEAMC_TRY(beamc__cell_at(ctx, state, KIND(BEAMC_STATE_VALUE), &cell, &def));
    beamc_buf_clear(&cell->prior);
    BEAMC_TRY_CTX(&ctx->plan->error,
                  beamc__encode(def->coder, &value, true, &cell->prior, &ctx->plan->error),
                  "state %s", def->id);
    cell->known = cell->has = cell->dirty = true;
    ctx->state->bytes += cell->prior.len;
    return BEAMC_OK;
}

/* --------------------------------------------------------------------------------- combining */

static beamc_status acc_begin(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def) {
    if (cell->has) {
        return BEAMC_OK;
    }
    size_t size = def->combine->fn->accumulator->size;
    if (cell->acc == NULL) {
        cell->acc = beamc_arena_alloc(s->memory, size);
        s->bytes += size;
    }
    cell->has = true;
    return beamc__combine_create(def->combine, cell->acc);
}

/* What the accumulator points to moves from scratch to the state's memory; the old goes with it. */
static beamc_status acc_keep(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def) {
    const beamc_combine *c = def->combine;
    if (c->fn->flat) {
        return BEAMC_OK;
    }
    beamc_value acc = {.row = cell->acc}, copy;
    size_t before = beamc_arena_footprint(s->memory);
    BEAMC_TRY(beamc_value_copy(&c->acc_coder, &acc, s->memory, &copy, &s->plan->error));
    memcpy(cell->acc, copy.row, c->fn->accumulator->size);
    s->bytes += c->fn->accumulator->size + (beamc_arena_footprint(s->memory) - before);
    return BEAMC_OK;
}

static beamc_status acc_add(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                            const beamc_value *value) {
    BEAMC_TRY(acc_begin(s, cell, def));
    cell->dirty = true;
    BEAMC_TRY(def->combine->fn->add(&def->combine->ctx, cell->acc, value));
    return acc_keep(s, cell, def);
}

/* Merges the accumulators that the runner holds into the one at hand. */
static beamc_status acc_load(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def) {
    BEAMC_TRY(acc_begin(s, cell, def));
    if (cell->known || !beamc_cell_may_read(s)) {
        cell->known = true;
        return BEAMC_OK;
    }
    beamc_state_source read = {.key = beamc__cell_key(s, s->scope, def)};
    beamc_iter it;
    beamc_value v;
    unsigned count = 0;
    beamc_iterate(beamc__state_iterable(s->plan, def->coder, &read), &it);
    while (beamc_iter_next(&it, &v)) {
        BEAMC_TRY(def->combine->fn->merge(&def->combine->ctx, cell->acc, v.row));
        BEAMC_TRY(acc_keep(s, cell, def));
        count++;
    }
    BEAMC_TRY_CTX(&s->plan->error, beamc_iter_status(&it, &s->plan->error), "state %s", def->id);
    cell->known = true;
    cell->cleared = count > 0; /* the one at hand replaces them */
    cell->dirty = cell->dirty || count > 1;
    return BEAMC_OK;
}

static beamc_status acc_flush(beamc_user_state *s, const beamc_state_key *key, beamc_cell *cell,
                              const beamc_state_def *def) {
    if (cell->cleared) {
        BEAMC_TRY(beamc__state_clear(s->plan, key));
    }
    if (!cell->has) {
        return BEAMC_OK;
    }
    const beamc_combiner *fn = def->combine->fn;
    if (fn->compact != NULL) {
        BEAMC_TRY(fn->compact(&def->combine->ctx, cell->acc));
    }
    beamc_value acc = {.row = cell->acc};
    beamc_buf_clear(&cell->prior);
    BEAMC_TRY_CTX(&s->plan->error,
                  beamc__encode(def->coder, &acc, true, &cell->prior, &s->plan->error), "state %s",
                  def->id);
    return beamc__state_append(s->plan, key, beamc_buf_slice(&cell->prior));
}

beamc_status beamc_state_read(beamc_ctx *ctx, unsigned state, bool *found, beamc_value *out) {
    beamc_cell *cell;
    const beamc_state_def *def;
    bool unasked;
    found = found != NULL ? found : &unasked;
    BEAMC_TRY(beamc__cell_at(ctx, state, KIND(BEAMC_STATE_VALUE) | KIND(BEAMC_STATE_COMBINING),
                             &cell, &def));
    if (def->kind == BEAMC_STATE_VALUE) {
        return value_read(ctx->state, cell, def, found, out);
    }
    BEAMC_TRY(acc_load(ctx->state, cell, def));
    *found = true;
    return def->combine->fn->extract(&def->combine->ctx, cell->acc, out);
}

/* --------------------------------------------------------------------------------------- bag */

static beamc_status bag_iterable(beamc_user_state *s, beamc_cell *cell, const beamc_state_def *def,
                                 const beamc_iterable **out) {
    beamc_state_source read = {.key = beamc__cell_key(s, s->scope, def)};
    if (!cell->known && beamc_cell_may_read(s)) {
        bool complete;
        beamc_buf_clear(&cell->prior);
        BEAMC_TRY(
            beamc__state_read_all(s->plan, &read.key, KEEP_BAG_BYTES, &cell->prior, &complete));
        cell->known = complete;
        s->bytes += complete ? cell->prior.len : 0;
    } else {
        cell->known = true;
    }
    read.skip_runner = cell->known;
    if (cell->known) {
        size_t len = cell->prior.len + cell->added.len;
        char *all = beamc_plan_scratch(s->plan, len);
        if (cell->prior.len > 0) {
            memcpy(all, cell->prior.ptr, cell->prior.len);
        }
        if (cell->added.len > 0) {
            memcpy(all + cell->prior.len, cell->added.ptr, cell->added.len);
        }
        read.local = beamc_slice_of(all, len);
    } else {
        read.local = beamc_arena_copy(s->plan->elements, beamc_buf_slice(&cell->added));
        beamc_buf_free(&cell->prior);
    }
    *out = beamc__state_iterable(s->plan, def->coder, &read);
    return BEAMC_OK;
}

beamc_status beamc_state_add(beamc_ctx *ctx, unsigned state, beamc_value value) {
    beamc_cell *cell;
    const beamc_state_def *def;
    beamc_error *err = &ctx->plan->error;
    BEAMC_TRY(beamc__cell_at(
        ctx, state, KIND(BEAMC_STATE_BAG) | KIND(BEAMC_STATE_COMBINING) | KIND(BEAMC_STATE_SET),
        &cell, &def));
    if (def->kind == BEAMC_STATE_COMBINING) {
        return acc_add(ctx->state, cell, def, &value);
    }
    if (def->kind == BEAMC_STATE_SET) {
        return beamc__set_add(ctx->state, cell, def, &value);
    }
    size_t before = cell->added.len;
    beamc_status status = beamc__encode(def->coder, &value, true, &cell->added, err);
    if (status != BEAMC_OK) {
        cell->added.len = before;
        beamc_error_prepend(err, "state %s", def->id);
        return status;
    }
    cell->dirty = true;
    ctx->state->bytes += cell->added.len - before;
    return BEAMC_OK;
}

beamc_status beamc_state_iterable(beamc_ctx *ctx, unsigned state, const beamc_iterable **out) {
    beamc_cell *cell;
    const beamc_state_def *def;
    BEAMC_TRY(
        beamc__cell_at(ctx, state, KIND(BEAMC_STATE_BAG) | KIND(BEAMC_STATE_SET), &cell, &def));
    return def->kind == BEAMC_STATE_BAG ? bag_iterable(ctx->state, cell, def, out)
                                        : beamc__map_keys(ctx->state, cell, def, out);
}

beamc_status beamc_state_clear(beamc_ctx *ctx, unsigned state) {
    beamc_cell *cell;
    const beamc_state_def *def;
    BEAMC_TRY(beamc__cell_at(ctx, state, ~0u, &cell, &def));
    beamc_buf_clear(&cell->prior);
    beamc_buf_clear(&cell->added);
    beamc__map_clear(ctx->state, cell);
    if (def->kind == BEAMC_STATE_ORDERED_LIST) {
        beamc__list_clear_range(ctx->state, cell, INT64_MIN, INT64_MAX);
    }
    cell->has = false;
    cell->known = cell->cleared = cell->dirty = true;
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------- writing back */

static beamc_status flush_cell(beamc_user_state *s, beamc_scope *scope, beamc_cell *cell,
                               const beamc_state_def *def) {
    beamc_state_key key = beamc__cell_key(s, scope, def);
    switch (def->kind) {
    case BEAMC_STATE_VALUE:
        BEAMC_TRY(beamc__state_clear(s->plan, &key));
        return cell->has ? beamc__state_append(s->plan, &key, beamc_buf_slice(&cell->prior))
                         : BEAMC_OK;
    case BEAMC_STATE_BAG:
        if (cell->cleared) {
            BEAMC_TRY(beamc__state_clear(s->plan, &key));
        }
        return cell->added.len > 0
                   ? beamc__state_append(s->plan, &key, beamc_buf_slice(&cell->added))
                   : BEAMC_OK;
    case BEAMC_STATE_COMBINING:
        return acc_flush(s, &key, cell, def);
    case BEAMC_STATE_MAP:
    case BEAMC_STATE_SET:
        return beamc__map_flush(s, scope, cell, def);
    case BEAMC_STATE_ORDERED_LIST:
        return beamc__list_flush(s, scope, cell, def);
    }
    return BEAMC_OK;
}

static beamc_status flush_all(beamc_user_state *s) {
    for (beamc_record *e = s->scopes.first; e != NULL; e = e->next) {
        beamc_scope *scope = (beamc_scope *)e;
        for (unsigned i = 0; i < s->def_count; i++) {
            if (scope->cells[i].dirty) {
                BEAMC_TRY(flush_cell(s, scope, &scope->cells[i], &s->defs[i]));
                s->wrote = true;
            }
        }
    }
    forget(s);
    return BEAMC_OK;
}

beamc_status beamc__user_state_flush(beamc_user_state *s) {
    BEAMC_TRY(flush_all(s));
    s->wrote = false; /* the next bundle has a word of its own on has_no_state */
    return BEAMC_OK;
}
