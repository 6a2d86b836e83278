/* state_io.c: see state_io.h. */
#include "worker/exec/state_io.h"

#include "coder/iterable.h"

/* No token of a runner is that long: ours is the address of a beamc_state_source. */
#define OWN_TOKEN SIZE_MAX

/* Our continuations: 'R' and the runner's own, or 'L': the local bytes come next. */
enum { FROM_RUNNER = 'R', FROM_LOCAL = 'L' };

static beamc_status get(beamc_plan *plan, const beamc_state_key *key, beamc_slice continuation,
                        beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                        beamc_error *err) {
    if (plan->io == NULL || plan->io->ops->state_get == NULL) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION, "state can only be read while a bundle runs%s",
                          plan->io != NULL ? ", and this runner has no state service" : "");
    }
    BEAMC_TRY_CTX(err,
                  plan->io->ops->state_get(plan->io, key, continuation, arena, page, next, err),
                  "reading state %.*s", BEAMC_SLICE_ARG(key->id));
    return BEAMC_OK;
}

static beamc_status fetch_own(beamc_plan *plan, const beamc_state_source *read,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err) {
    bool first = continuation.len == 0;
    if ((first && read->skip_runner) || (!first && continuation.ptr[0] == FROM_LOCAL)) {
        *page = beamc_arena_copy(arena, read->local);
        *next = (beamc_slice){NULL, 0};
        return BEAMC_OK;
    }
    beamc_slice of_runner =
        first ? continuation : beamc_slice_of(continuation.ptr + 1, continuation.len - 1);
    beamc_slice more = {NULL, 0};
    BEAMC_TRY(get(plan, &read->key, of_runner, arena, page, &more, err));
    if (more.len == 0 && read->local.len == 0) {
        *next = more;
        return BEAMC_OK;
    }
    char *own = beamc_arena_alloc(arena, more.len + 1);
    own[0] = more.len > 0 ? FROM_RUNNER : FROM_LOCAL;
    if (more.len > 0) {
        memcpy(own + 1, more.ptr, more.len);
    }
    *next = beamc_slice_of(own, more.len + 1);
    return BEAMC_OK;
}

beamc_status beamc__state_fetch(void *arg, beamc_slice token, beamc_slice continuation,
                                beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                                beamc_error *err) {
    beamc_plan *plan = arg;
    if (token.len == OWN_TOKEN) {
        return fetch_own(plan, (const beamc_state_source *)(const void *)token.ptr, continuation,
                         arena, page, next, err);
    }
    beamc_state_key key = {.kind = BEAMC_STATE_KEY_RUNNER, .id = token};
    return get(plan, &key, continuation, arena, page, next, err);
}

const beamc_iterable *beamc__state_iterable(beamc_plan *plan, const beamc_coder *element,
                                            const beamc_state_source *read) {
    beamc_state_source *own = beamc_plan_scratch(plan, sizeof *own);
    *own = *read;
    struct beamc_iterable *it = beamc_plan_scratch(plan, sizeof *it);
    *it = (struct beamc_iterable){.element = element, .scratch = &plan->scratch};
    it->form.has_token = true;
    it->form.token.ptr = (const char *)own;
    it->form.token.len = OWN_TOKEN;
    return it;
}

beamc_status beamc__state_read_all(beamc_plan *plan, const beamc_state_key *key, size_t limit,
                                   beamc_buf *out, bool *complete) {
    beamc_slice continuation = {NULL, 0};
    *complete = true;
    do {
        beamc_slice page = {NULL, 0}, next = {NULL, 0};
        BEAMC_TRY(get(plan, key, continuation, plan->elements, &page, &next, &plan->error));
        beamc_buf_put_slice(out, page);
        continuation = next;
        if (out->len > limit) {
            *complete = continuation.len == 0;
            return BEAMC_OK;
        }
    } while (continuation.len > 0);
    return BEAMC_OK;
}

beamc_status beamc__state_append(beamc_plan *plan, const beamc_state_key *key, beamc_slice data) {
    if (plan->io == NULL || plan->io->ops->state_append == NULL) {
        return BEAMC_FAIL(&plan->error, FAILED_PRECONDITION,
                          "there is no state service to write to");
    }
    BEAMC_TRY_CTX(&plan->error, plan->io->ops->state_append(plan->io, key, data, &plan->error),
                  "writing state %.*s", BEAMC_SLICE_ARG(key->id));
    return BEAMC_OK;
}

beamc_status beamc__state_clear(beamc_plan *plan, const beamc_state_key *key) {
    if (plan->io == NULL || plan->io->ops->state_clear == NULL) {
        return BEAMC_FAIL(&plan->error, FAILED_PRECONDITION,
                          "there is no state service to write to");
    }
    BEAMC_TRY_CTX(&plan->error, plan->io->ops->state_clear(plan->io, key, &plan->error),
                  "clearing state %.*s", BEAMC_SLICE_ARG(key->id));
    return BEAMC_OK;
}
