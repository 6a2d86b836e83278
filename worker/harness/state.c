/* state.c: the state of one bundle: reads, writes, and what of it may be cached.
 *
 * Cached are side inputs and bag user state, by token and state key, and complete values only. What the
 * bundle writes is kept beside and goes into the cache when the bundle has succeeded; after a failure
 * nobody knows what the runner holds, so the entries go. Other user state is not cached: ranges and map
 * keys overlap. Threads: see state.h. */
#include "worker/harness/state.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "worker/harness/state_impl.h"

/* What the bundle wrote to one cached state key. */
typedef struct beamc_touched {
    beamc_idmap_entry entry;
    struct beamc_touched *next;
    bool cleared;
    bool too_large;
    beamc_buf added;
} beamc_touched;

beamc_state_session *beamc__state_session_new(beamc_state_plane *plane, const char *url,
                                              const char *instruction_id,
                                              const beamc_cache_token *tokens, size_t token_count) {
    beamc_state_session *session = beamc__calloc(1, sizeof *session);
    session->plane = plane;
    session->url = url;
    session->instruction_id = instruction_id;
    session->tokens = tokens;
    session->token_count = token_count;
    beamc__cond_init(&session->answered);
    return session;
}

static void commit(beamc_state_session *session, const beamc_touched *t, bool success) {
    beamc_state_cache *cache = session->plane->cache;
    if (!success || t->too_large) {
        beamc__state_cache_remove(cache, t->entry.key);
    } else if (t->cleared) {
        beamc__state_cache_put(cache, t->entry.key, beamc_buf_slice(&t->added));
    } else {
        beamc__state_cache_append(cache, t->entry.key, beamc_buf_slice(&t->added));
    }
}

/* Hands what the bundle wrote over to the cache, or out of it. */
static void drop_touched(beamc_state_session *session, bool success) {
    for (beamc_touched *t = session->touched_first; t != NULL; t = t->next) {
        commit(session, t, success);
        beamc_buf_free(&t->added);
    }
    session->touched_first = NULL;
    beamc__idmap_deinit(&session->touched);
    beamc_arena_free(session->memory);
    session->memory = NULL;
}

void beamc__state_session_free(beamc_state_session *session, bool success) {
    if (session == NULL) {
        return;
    }
    beamc__state_detach(session);
    drop_touched(session, success);
    beamc_buf_free(&session->key);
    beamc_buf_free(&session->name);
    beamc_buf_free(&session->pages);
    beamc_buf_free(&session->pages_name);
    beamc_buf_free(&session->pages_next);
    pthread_cond_destroy(&session->answered);
    free(session);
}

/* ----------------------------------------------------------------------------------- tokens */

static const beamc_cache_token *token_of(const beamc_state_session *session,
                                         const beamc_state_key *key) {
    bool side = false;
    switch (key->kind) {
    case BEAMC_STATE_KEY_BAG_USER:
        break;
    case BEAMC_STATE_KEY_ITERABLE_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_KEYS_SIDE_INPUT:
    case BEAMC_STATE_KEY_MULTIMAP_KEYS_VALUES_SIDE_INPUT:
        side = true;
        break;
    default:
        return NULL;
    }
    for (size_t i = 0; i < session->token_count; i++) {
        const beamc_cache_token *t = &session->tokens[i];
        bool of_side = t->side_input_id.len > 0 || t->transform_id.len > 0;
        if (of_side == side && (!side || (beamc_slice_eq(t->transform_id, key->transform_id) &&
                                          beamc_slice_eq(t->side_input_id, key->id)))) {
            return t;
        }
    }
    return NULL;
}

/* Writes session->key, and session->name if the key has a token. */
static bool name_key(beamc_state_session *session, const beamc_state_key *key) {
    beamc_buf_clear(&session->key);
    beamc__state_put_key(&session->key, key);
    const beamc_cache_token *token = token_of(session, key);
    if (token == NULL) {
        return false;
    }
    beamc_buf_clear(&session->name);
    beamc_put_prefixed(&session->name, token->token);
    beamc_buf_put_slice(&session->name, beamc_buf_slice(&session->key));
    return true;
}

/* ------------------------------------------------------------------------------------ reads */

static beamc_status request_page(beamc_state_session *session, beamc_slice continuation,
                                 beamc_arena *arena, beamc_slice *page, beamc_slice *next,
                                 beamc_error *err) {
    beamc_state_plane *plane = session->plane;
    beamc_state_pending p = {.session = session, .is_get = true};
    beamc_status status = beamc__state_send(session, &p, BEAMC_STATE_GET, continuation, err);
    if (status != BEAMC_OK) {
        beamc__state_detach(session); /* p is on this stack */
        return status;
    }
    pthread_mutex_lock(&plane->mu);
    while (!session->got) {
        pthread_cond_wait(&session->answered, &plane->mu);
    }
    if (session->failure.code != BEAMC_OK) {
        status = beamc_error_set(err, session->failure.code, "%s", session->failure.message);
    }
    pthread_mutex_unlock(&plane->mu);
    if (status == BEAMC_OK && p.answer != NULL) {
        *page = beamc_arena_copy(arena, p.response.data);
        *next = beamc_arena_copy(arena, p.response.continuation);
    }
    beamc_rpc_msg_unref(p.answer);
    return status;
}

/* Puts pages together until the value is whole; one that is read in another order is not kept. */
static void gather(beamc_state_session *session, beamc_slice continuation, beamc_slice page,
                   beamc_slice next) {
    beamc_slice name = beamc_buf_slice(&session->name);
    if (continuation.len == 0) {
        beamc_buf_clear(&session->pages);
        beamc_buf_clear(&session->pages_name);
        beamc_buf_put_slice(&session->pages_name, name);
    } else if (!beamc_slice_eq(beamc_buf_slice(&session->pages_name), name) ||
               !beamc_slice_eq(beamc_buf_slice(&session->pages_next), continuation)) {
        return;
    }
    if (session->pages.len + page.len > beamc__state_cache_value_max(session->plane->cache)) {
        beamc_buf_clear(&session->pages_name);
        return;
    }
    beamc_buf_put_slice(&session->pages, page);
    beamc_buf_clear(&session->pages_next);
    beamc_buf_put_slice(&session->pages_next, next);
    if (next.len == 0) {
        beamc__state_cache_put(session->plane->cache, name, beamc_buf_slice(&session->pages));
        beamc_buf_clear(&session->pages_name);
    }
}

beamc_status beamc__state_get(beamc_state_session *session, const beamc_state_key *key,
                              beamc_slice continuation, beamc_arena *arena, beamc_slice *page,
                              beamc_slice *next, beamc_error *err) {
    *page = *next = (beamc_slice){NULL, 0};
    bool cached = name_key(session, key) && !session->uncached &&
                  beamc__idmap_find(&session->touched, beamc_buf_slice(&session->name)) == NULL;
    if (cached && continuation.len == 0 &&
        beamc__state_cache_get(session->plane->cache, beamc_buf_slice(&session->name), arena,
                               page)) {
        return BEAMC_OK;
    }
    BEAMC_TRY(request_page(session, continuation, arena, page, next, err));
    if (cached) {
        gather(session, continuation, *page, *next);
    }
    return BEAMC_OK;
}

/* ----------------------------------------------------------------------------------- writes */

static beamc_touched *touched_at(beamc_state_session *session, beamc_slice name) {
    beamc_touched *t =
        BEAMC_IDMAP_OWNER(beamc__idmap_find(&session->touched, name), beamc_touched, entry);
    if (t == NULL) {
        if (session->memory == NULL) {
            session->memory = beamc_arena_new(4096);
        }
        t = beamc_arena_zalloc(session->memory, sizeof *t);
        beamc__idmap_add(&session->touched, &t->entry, beamc_arena_copy(session->memory, name));
        t->next = session->touched_first;
        session->touched_first = t;
        session->touched_bytes += sizeof *t + name.len;
    }
    return t;
}

static void touch(beamc_state_session *session, beamc_state_op op, beamc_slice data) {
    beamc_slice name = beamc_buf_slice(&session->name);
    size_t most = 4 * beamc__state_cache_value_max(session->plane->cache);
    if (!session->uncached && session->touched_bytes + data.len > most) {
        drop_touched(session, false);
        session->uncached = true;
    }
    if (session->uncached) {
        beamc__state_cache_remove(session->plane->cache, name);
        return;
    }
    beamc_touched *t = touched_at(session, name);
    if (op == BEAMC_STATE_CLEAR) {
        t->cleared = true;
        t->too_large = false;
        beamc_buf_clear(&t->added);
    } else if (!t->too_large) {
        session->touched_bytes += data.len;
        beamc_buf_put_slice(&t->added, data);
        t->too_large = t->added.len > beamc__state_cache_value_max(session->plane->cache);
    }
}

beamc_status beamc__state_write(beamc_state_session *session, const beamc_state_key *key,
                                beamc_state_op op, beamc_slice data, beamc_error *err) {
    if (name_key(session, key)) {
        touch(session, op, data);
    }
    beamc_state_pending *p = beamc__calloc(1, sizeof *p);
    p->session = session;
    return beamc__state_send(session, p, op, data, err);
}

beamc_status beamc__state_sync(beamc_state_session *session, beamc_error *err) {
    beamc_state_plane *plane = session->plane;
    beamc_status status = BEAMC_OK;
    pthread_mutex_lock(&plane->mu);
    while (session->writes > 0 && session->failure.code == BEAMC_OK) {
        pthread_cond_wait(&session->answered, &plane->mu);
    }
    if (session->failure.code != BEAMC_OK) {
        status = beamc_error_set(err, session->failure.code, "%s", session->failure.message);
    }
    pthread_mutex_unlock(&plane->mu);
    return status;
}
