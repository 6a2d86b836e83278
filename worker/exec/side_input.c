/* side_input.c: side inputs through the state service (StateKey.IterableSideInput, .MultimapSideInput).
 *
 * A small one is read once and kept for the bundle; a large one is read page by page each time it is
 * iterated. A main window sees the side window that holds its last instant (the earliest of them for
 * sliding windows), as all SDKs map them. Threads: the bundle's. */
#include "worker/exec/side_input.h"

#include "coder/side_window.h"
#include "worker/exec/nodes.h"
#include "worker/exec/state_io.h"

enum { KEEP_ONE_BYTES = 4 << 20, KEEP_ALL_BYTES = 64 << 20 };

typedef struct kept {
    beamc_record entry;
    bool known;
    bool large; /* is not kept: read it again */
    beamc_slice bytes;
} kept;

void beamc__side_init(beamc_side *side, beamc_plan *plan) {
    side->plan = plan;
    beamc__records_init(&side->cache, plan->bundle);
}

void beamc__side_deinit(beamc_side *side) {
    beamc__records_deinit(&side->cache);
    beamc_buf_free(&side->name);
}

void beamc__side_reset(beamc_side *side) {
    beamc__records_clear(&side->cache);
    side->cached_bytes = 0;
}

static beamc_status side_at(beamc_ctx *ctx, unsigned index, bool multimap, beamc_side **out) {
    *out = NULL;
    if (index >= ctx->side_count) {
        return BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT,
                          "side input %u, but the DoFn has %u of them", index, ctx->side_count);
    }
    *out = &ctx->sides[index];
    if ((*out)->multimap != multimap) {
        return BEAMC_FAIL(&ctx->plan->error, INVALID_ARGUMENT, "side input %s is %s", (*out)->id,
                          multimap ? "an iterable: use beamc_side_iterable"
                                   : "a multimap: use beamc_side_lookup");
    }
    return BEAMC_OK;
}

static beamc_status make_key(beamc_ctx *ctx, beamc_side *side, const beamc_value *key,
                             beamc_state_key *out) {
    beamc_plan *plan = side->plan;
    beamc_window w = beamc__side_window(&side->windows, beamc_current_window(ctx));
    beamc_buf_clear(&side->name);
    BEAMC_TRY(beamc__window_encode(side->window_coder, w, &side->name, &plan->error));
    size_t window_bytes = side->name.len;
    if (key != NULL) {
        BEAMC_TRY_CTX(&plan->error, beamc__encode(side->key, key, true, &side->name, &plan->error),
                      "key of side input %s", side->id);
    }
    beamc_slice bytes = beamc_arena_copy(plan->elements, beamc_buf_slice(&side->name));
    *out = (beamc_state_key){
        .kind = side->multimap ? BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT
                               : BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT,
        .transform_id = beamc_str(side->transform_id),
        .id = beamc_str(side->id),
        .window = beamc_slice_of(bytes.ptr, window_bytes),
        .key = beamc_slice_of(bytes.ptr + window_bytes, bytes.len - window_bytes),
    };
    return BEAMC_OK;
}

/* Reads it whole if it is small. */
static beamc_status try_keep(beamc_side *side, const beamc_state_key *key, kept *k) {
    beamc_plan *plan = side->plan;
    k->known = true;
    k->large = side->cached_bytes >= KEEP_ALL_BYTES;
    if (k->large) {
        return BEAMC_OK;
    }
    beamc_buf all = {0};
    bool complete = true;
    beamc_status status = beamc__state_read_all(plan, key, KEEP_ONE_BYTES, &all, &complete);
    if (status == BEAMC_OK && complete) {
        k->bytes = beamc_arena_copy(plan->bundle, beamc_buf_slice(&all));
        side->cached_bytes += all.len;
    }
    k->large = !complete;
    beamc_buf_free(&all);
    return status;
}

static beamc_status read_side(beamc_ctx *ctx, beamc_side *side, const beamc_value *key,
                              const beamc_iterable **out) {
    beamc_state_source read = {0};
    BEAMC_TRY(make_key(ctx, side, key, &read.key));
    kept *k = beamc__records_get(&side->cache, beamc_buf_slice(&side->name), sizeof *k);
    if (!k->known) {
        BEAMC_TRY(try_keep(side, &read.key, k));
    }
    if (!k->large) {
        read.skip_runner = true;
        read.local = k->bytes;
    }
    *out = beamc__state_iterable(side->plan, side->element, &read);
    return BEAMC_OK;
}

beamc_status beamc_side_iterable(beamc_ctx *ctx, unsigned index, const beamc_iterable **out) {
    beamc_side *side;
    BEAMC_TRY(side_at(ctx, index, false, &side));
    return read_side(ctx, side, NULL, out);
}

beamc_status beamc_side_lookup(beamc_ctx *ctx, unsigned index, beamc_value key,
                               const beamc_iterable **out) {
    beamc_side *side;
    BEAMC_TRY(side_at(ctx, index, true, &side));
    return read_side(ctx, side, &key, out);
}

beamc_status beamc_side_singleton(beamc_ctx *ctx, unsigned index, beamc_value *out) {
    const beamc_iterable *all;
    BEAMC_TRY(beamc_side_iterable(ctx, index, &all));
    beamc_plan *plan = ctx->plan;
    const beamc_side *side = &ctx->sides[index];
    beamc_iter it;
    beamc_value v, more;
    beamc_iterate(all, &it);
    if (!beamc_iter_next(&it, &v)) {
        BEAMC_TRY(beamc_iter_status(&it, &plan->error));
        return BEAMC_FAIL(&plan->error, NOT_FOUND, "side input %s is empty", side->id);
    }
    BEAMC_TRY(beamc_value_copy(side->element, &v, plan->elements, out, &plan->error));
    if (beamc_iter_next(&it, &more)) {
        return BEAMC_FAIL(&plan->error, FAILED_PRECONDITION,
                          "side input %s has more than one element", side->id);
    }
    return beamc_iter_status(&it, &plan->error);
}
