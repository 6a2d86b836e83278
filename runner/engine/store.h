/* store.h: user state of one shard of a keyed stage, and its timers.
 *
 * Everything hangs on a scope: one key in one window. A bundle's writes are operations that wait until
 * the bundle has succeeded; reads of what they touch see them already. Threads: a shard has one bundle
 * in flight, and the store is that bundle's. */
#ifndef BEAMC_ENGINE_STORE_H
#define BEAMC_ENGINE_STORE_H

#include <beamc/arena.h>
#include <beamc/buf.h>

#include "runner/engine/graph.h"
#include "worker/exec/bundle.h"

/* ------------------------------------------------------------------------- a map of bytes */

/* A hash map of nodes that are part of something larger, in the order of their insertion. */
typedef struct beamc_index_node {
    struct beamc_index_node *prev, *next;
    uint64_t hash;
    beamc_slice key; /* owned with the node */
} beamc_index_node;

typedef struct beamc_index {
    uint64_t *slots; /* upper 16 bits of the hash, address of the node */
    uint32_t *lows;  /* lower bits of the hash */
    size_t mask, count;
    beamc_index_node *first, *last;
} beamc_index;

beamc_index_node *beamc__index_find(const beamc_index *index, uint64_t hash, beamc_slice key);
void beamc__index_add(beamc_index *index, beamc_index_node *node);
void beamc__index_remove(beamc_index *index, beamc_index_node *node);
void beamc__index_free(beamc_index *index); /* not the nodes */

/* --------------------------------------------------------------------------------- timers */

enum { BEAMC_FAMILY_COLLECT = UINT32_MAX }; /* no DoFn's: drops the scope when its window is over */

typedef enum beamc_heap_kind {
    BEAMC_HEAP_FIRE = 0,
    BEAMC_HEAP_HOLD,
    BEAMC_HEAP_KINDS
} beamc_heap_kind;

typedef struct beamc_set_timer {
    struct beamc_set_timer *next; /* of the scope */
    struct beamc_scope *scope;
    uint32_t family; /* of the node's families, or COLLECT */
    bool processing_time;
    bool last; /* collection and expiration: behind all others of its time */
    beamc_time fire_at, hold_at;
    uint64_t order;
    size_t at[BEAMC_HEAP_KINDS]; /* places in heaps; SIZE_MAX: in none */
    beamc_slice tag, pane;       /* encodings, behind the struct */
} beamc_set_timer;

/* What orders a timer lies beside it: comparing looks at no timer. */
typedef struct beamc_heap_item {
    beamc_time at;
    uint64_t order; /* among those of one time; the last ones have the upper bit */
    beamc_set_timer *timer;
} beamc_heap_item;

typedef struct beamc_timer_heap {
    beamc_heap_item *items;
    size_t count, cap;
    beamc_heap_kind kind;
} beamc_timer_heap;

/* --------------------------------------------------------------------------------- scopes */

typedef enum beamc_cell_kind {
    BEAMC_CELL_BAG = 1,
    BEAMC_CELL_MULTIMAP,
    BEAMC_CELL_LIST
} beamc_cell_kind;

typedef struct beamc_cell {
    struct beamc_cell *next;
    uint8_t kind;               /* beamc_cell_kind */
    bool dirty;                 /* the bundle has operations for it: */
    bool stored;                /* the journal has something of it */
    bool unsaved;               /* and not what it is now */
    bool rewritten;             /* BAG: not only appended to since */
    uint16_t id;                /* of the store's state ids */
    uint32_t first_op, last_op; /* the chain of them */
    struct beamc_cell_parts
        *parts; /* BAG: how it lies in the journal, when that is in several parts */
    union {
        beamc_buf bag;
        beamc_index items; /* MULTIMAP: of beamc_cell_item */
        struct {
            struct beamc_list_item *at;
            size_t count, cap;
        } list; /* by time, then order of arrival */
    };
} beamc_cell;

typedef struct beamc_scope {
    beamc_index_node node;   /* by window and key */
    beamc_slice window, key; /* nested encodings */
    beamc_time expires;      /* max timestamp of the window + allowed lateness */
    beamc_time window_max;
    beamc_cell *cells;
    beamc_set_timer *timers;
    bool touched;         /* by the bundle that is being committed */
    const void *fired_in; /* the bundle that fires a timer of it: no other one there */
    beamc_time fired_at;
    uint32_t fired_family;
    uint32_t changed_at; /* in the list of those to be saved, from 1; 0: it is not there */
    bool stored_timers;  /* the journal has its timers */
    bool partial;        /* its cells are in the journal only, so far */
} beamc_scope;

/* How a store outlives the process: store_keep.c. All zero: it does not. */
typedef struct beamc_store_keeper {
    bool on;
    bool backed; /* scopes that are not in memory may be in the journal */
    struct beamc_journal *journal;
    uint32_t node;
    beamc_scope **changed;
    size_t count, cap;
    beamc_buf gone; /* records to remove: length of the name, name */
    /* Scopes that went, which the journal may have until the next commit but one: they are not fetched. */
    beamc_index dropped, dropped_before;
    beamc_buf name, data;
    beamc_status status; /* the first failure to read the journal */
    beamc_error error;
} beamc_store_keeper;

typedef struct beamc_store {
    const beamc_node_spec *spec;
    beamc_index scopes;
    beamc_scope *last; /* looked up last: calls for one key come in a row */
    beamc_slice *ids;  /* of states, in the order of their appearance; heap */
    size_t id_count;
    beamc_timer_heap event, clock, holds;
    uint64_t next_order;
    beamc_buf name; /* scratch */
    beamc_store_keeper keeper;
} beamc_store;

void beamc__store_init(beamc_store *s, const beamc_node_spec *spec);
void beamc__store_deinit(beamc_store *s);
/* Finds it; makes it when @p make. NULL: not there, or the window is malformed. */
beamc_scope *beamc__store_scope(beamc_store *s, beamc_slice window, beamc_slice key, bool make);
/* Drops what is in it, and the scope itself. */
void beamc__scope_clear(beamc_store *s, beamc_scope *scope);
void beamc__store_drop(beamc_store *s, beamc_scope *scope);

/* The number of a state; they are few. *out is not touched when there is none and @p make is false. */
bool beamc__store_id(beamc_store *s, beamc_slice id, bool make, uint16_t *out);
/* Makes a scope that is not there. NULL: the window is malformed. */
beamc_scope *beamc__store_add(beamc_store *s, beamc_slice window, beamc_slice key);

/* store_keep.c. A scope as the journal has it, by its name in the store, NULL if that has none, too; and the cells of one of which
 * only the timers are here. A failure is noted in the keeper. */
beamc_scope *beamc__store_fetch(beamc_store *s, beamc_slice name, beamc_slice window,
                                beamc_slice key);
void beamc__store_complete(beamc_store *s, beamc_scope *scope);
/* It is not what the journal has any more. */
void beamc__store_changed(beamc_store *s, beamc_scope *scope);
/* Before its cells go, and before it goes itself. */
void beamc__store_cells_gone(beamc_store *s, beamc_scope *scope);
void beamc__store_gone(beamc_store *s, beamc_scope *scope);
/* What has changed, into the journal. */
void beamc__store_save(beamc_store *s);
/* A scope with its timers out of the journal; @p name: window and key. False: damaged. */
bool beamc__store_restore_timers(beamc_store *s, beamc_slice window, beamc_slice key,
                                 beamc_slice data);
void beamc__store_keeper_free(beamc_store_keeper *k);

/* ------------------------------------------------------------------ operations of a bundle */

enum { BEAMC_NO_OP = UINT32_MAX };

typedef struct beamc_state_op {
    beamc_cell *cell;
    beamc_scope *scope;
    beamc_state_key_kind kind;
    bool clear;    /* else appends data */
    uint32_t next; /* of the same cell; BEAMC_NO_OP: it is the last one */
    beamc_slice map_key, data;
    int64_t range_start, range_end;
} beamc_state_op;

typedef struct beamc_state_ops {
    beamc_state_op *items;
    size_t count, cap;
    beamc_arena *arena; /* for what the operations hold */
} beamc_state_ops;

beamc_status beamc__store_get(beamc_store *s, const beamc_state_ops *ops,
                              const beamc_state_key *key, beamc_arena *arena, beamc_slice *page,
                              beamc_error *err);
beamc_status beamc__store_write(beamc_store *s, beamc_state_ops *ops, const beamc_state_key *key,
                                bool clear, beamc_slice data, beamc_error *err);
/* Makes them real, or forgets them. The list is empty afterwards. */
void beamc__store_ops_apply(beamc_store *s, beamc_state_ops *ops);
void beamc__store_ops_drop(beamc_state_ops *ops);
void beamc__store_ops_free(beamc_state_ops *ops);

/* -------------------------------------------------------------------------- timers of a scope */

/* Sets (or moves) the timer of this family and tag. @p pane is the encoding. */
void beamc__timer_set(beamc_store *s, beamc_scope *scope, uint32_t family, beamc_slice tag,
                      beamc_time fire_at, beamc_time hold_at, beamc_slice pane);
void beamc__timer_clear(beamc_store *s, beamc_scope *scope, uint32_t family, beamc_slice tag);
/* One out of the journal: everything is given. */
void beamc__timer_restore(beamc_store *s, beamc_scope *scope, const beamc_set_timer *like);
/* The scope's own timer, at its window's end + lateness. */
void beamc__timer_ensure_collection(beamc_store *s, beamc_scope *scope, uint32_t family);
/* Takes a timer out of heaps and scope; it is the caller's then. */
void beamc__timer_take(beamc_store *s, beamc_set_timer *t);
/* Puts back what was taken. */
void beamc__timer_put(beamc_store *s, beamc_set_timer *t);
static inline beamc_set_timer *beamc_timer_first(const beamc_timer_heap *h) {
    return h->count > 0 ? h->items[0].timer : NULL;
}

#endif
