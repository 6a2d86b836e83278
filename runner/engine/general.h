/* general.h: the parts of the general grouper (grouper_general.c) and what they share.
 *
 *   key -> its windows, by end -> values in a chain of chunks, trigger state, pane, holds
 *
 * Three heaps say which window is next: by watermark (its end, then its expiry), by processing time
 * (deadlines of its trigger) and by watermark hold. A window knows its place in each, and so a window
 * that waits costs nothing. What a window needs later than its place in a heap says is left there
 * until it comes to the top: a session that grows with each element moves once for each gap, not
 * once for each element.
 *
 *   slab.c             memory: blocks, recycled by size
 *   heap.c             the heaps
 *   tree.c             the windows of a key
 *   grouper_general.c  the operations of grouper.h; keys and windows; arriving elements
 *   merge.c            sessions
 *   panes.c            firing, expiry, what panes say and look like
 *   grouper_save.c     to bytes and back, as a whole or what has changed
 *
 * Threads: none of its own; grouper.h says whose lock is held. */
#ifndef BEAMC_ENGINE_GENERAL_H
#define BEAMC_ENGINE_GENERAL_H

#include "runner/engine/grouper.h"
#include "runner/engine/trigger.h"

/* ------------------------------------------------------------------------------------- slab.c */

enum { BEAMC_SLAB_CLASSES = 20, BEAMC_SLAB_LARGEST = 16 * 1024 };

/* Zero-initialise. */
typedef struct beamc_slab {
    struct beamc_slab_block *blocks;
    unsigned char *at, *end;
    void *free[BEAMC_SLAB_CLASSES];
    size_t live;      /* pieces that are in use */
    size_t footprint; /* bytes taken from the system */
} beamc_slab;

/* The size that a piece for @p size bytes really has. */
size_t beamc__slab_size(size_t size);
void *beamc__slab_alloc(beamc_slab *s, size_t size);
/* @p size as it was asked for, or as beamc__slab_size says. */
void beamc__slab_free(beamc_slab *s, void *piece, size_t size);
/* Gives everything back to the system. Large pieces must have been freed. */
void beamc__slab_reset(beamc_slab *s);

/* ------------------------------------------------------------------------------- keys, windows */

typedef struct beamc_gchunk {
    struct beamc_gchunk *next;
    uint32_t len, cap;
    unsigned char bytes[];
} beamc_gchunk;

typedef struct beamc_gkey {
    uint64_t hash;
    struct beamc_gwin *root; /* of its windows */
    struct beamc_gwin *last; /* where the last element went, or NULL */
    uint32_t len;
    unsigned char bytes[];
} beamc_gkey;

enum { BEAMC_HEAP_WATERMARK, BEAMC_HEAP_CLOCK, BEAMC_HEAP_HOLD, BEAMC_HEAPS };

enum {
    BEAMC_GWIN_ENDED = 1,    /* its end has been seen to */
    BEAMC_GWIN_READY = 2,    /* it is in the list of those to be looked at */
    BEAMC_GWIN_FIRED = 4,    /* a pane has come out */
    BEAMC_GWIN_HOLD_END = 8, /* hold at its end: an on-time pane will come, if only an empty one */
    BEAMC_GWIN_HOLD_EXPIRY = 16, /* hold at its expiry */
    BEAMC_GWIN_CHANGED = 32,     /* it is in the list of those to be saved */
    BEAMC_GWIN_NEW = 64          /* opened by the bundle at hand; no element is in it yet */
};

typedef struct beamc_gwin {
    beamc_gkey *key;
    struct beamc_gwin *left, *right;            /* in the tree of the key */
    struct beamc_gwin *ready_prev, *ready_next; /* when READY */
    beamc_window window;
    beamc_gchunk *first, *last;
    uint32_t count;              /* values in the chunks */
    uint32_t fresh;              /* elements since the last pane */
    beamc_time hold;             /* of the elements of the next pane; BEAMC_TIME_MAX: none */
    uint32_t place[BEAMC_HEAPS]; /* in the heap, from 1; 0: not in it */
    uint32_t changed_at;         /* in the list of changes, when CHANGED */
    uint32_t index;              /* of the last pane, when FIRED */
    int32_t non_speculative;
    uint8_t timing; /* of the last pane, when FIRED */
    uint8_t flags;
    struct beamc_gsaved *saved; /* what storage has of it; NULL: nothing */
    beamc_trigger_state trigger;
} beamc_gwin;

typedef struct beamc_gheap {
    struct beamc_gheap_item {
        beamc_time at;
        beamc_gwin *win;
    } * items;
    size_t count, cap;
} beamc_gheap;

typedef struct beamc_gslot {
    uint64_t hash;
    beamc_gkey *key; /* NULL: free */
} beamc_gslot;

/* What save_changes and load_record keep, see grouper_save.c. */
typedef struct beamc_gtrack {
    bool on;
    uint64_t next_id;
    beamc_gwin **changed;
    size_t count, cap;
    struct beamc_ggone *gone; /* records that are to be removed */
    size_t gone_count, gone_cap;
    beamc_buf scratch;
    beamc_gwin *loading; /* its record has come, its segments come now */
    uint32_t segments;   /* that have come */
    beamc_buf tail;      /* its values that belong behind the segments */
    uint32_t tail_values;
} beamc_gtrack;

typedef struct beamc_general {
    beamc_grouper base;
    const beamc_node_spec *node;
    const beamc_windowing *windowing;
    beamc_trigger_program program;
    size_t win_size; /* of a window with its trigger's slots */
    beamc_slab slab;
    beamc_gslot *slots;
    size_t mask; /* slots - 1, when there are any */
    size_t keys;
    beamc_gheap heaps[BEAMC_HEAPS];
    beamc_gwin *ready_first, *ready_last;
    size_t windows;
    size_t value_bytes; /* in chunks behind the first of their window */
    beamc_group_counts counts;
    beamc_gtrack track;
} beamc_general;

/* The last instant of a window, as far as there is time: windows come from outside. */
static inline beamc_time beamc_gwin_last(beamc_window w) {
    return w.end <= BEAMC_TIME_MIN   ? BEAMC_TIME_MIN
           : w.end >= BEAMC_TIME_MAX ? BEAMC_TIME_MAX - 1
                                     : w.end - 1;
}

/* The last watermark at which elements of a window are taken: its end and the allowed lateness, but
 * not behind the end of the global window, so that all windows expire before time does. */
static inline beamc_time beamc_gwin_expiry(const beamc_general *g, beamc_window w) {
    beamc_time last = beamc_gwin_last(w), t;
    if (__builtin_add_overflow(last, g->windowing->allowed_lateness_ms, &t) ||
        t > BEAMC_TIME_GLOBAL_WINDOW_MAX) {
        t = BEAMC_TIME_GLOBAL_WINDOW_MAX;
    }
    return t < last ? last : t;
}

static inline beamc_trigger_context beamc_gwin_context(const beamc_gwin *w,
                                                       const beamc_group_time *time) {
    return (beamc_trigger_context){time->watermark > beamc_gwin_last(w->window), time->now};
}

/* ------------------------------------------------------------------------------------- heap.c */

/* What a window's places in the heaps ought to be. */
beamc_time beamc__gwin_at(const beamc_general *g, const beamc_gwin *w, unsigned heap);
/* After a change of the window: brings it forward at once, in or out if need be; back later. */
void beamc__gheap_update(beamc_general *g, unsigned heap, beamc_gwin *w, beamc_time at);
void beamc__gheap_remove(beamc_general *g, unsigned heap, beamc_gwin *w);
/* The least time, with its window; BEAMC_TIME_MAX when the heap is empty. */
beamc_time beamc__gheap_top(beamc_general *g, unsigned heap, beamc_gwin **win);

/* ------------------------------------------------------------------------------------- tree.c */

/* Windows of a key are ordered by their end, then by their start. No two are equal. */
void beamc__gkey_link(beamc_gkey *k, beamc_gwin *w);
void beamc__gkey_unlink(beamc_gkey *k, beamc_gwin *w);
beamc_gwin *beamc__gkey_window(const beamc_gkey *k, beamc_window window);
/* The first window behind @p window in that order, be that in the tree or not. */
beamc_gwin *beamc__gkey_behind(const beamc_gkey *k, beamc_window window);

/* --------------------------------------------------------------------------- grouper_general.c */

beamc_gkey *beamc__gkey_find(const beamc_general *g, uint64_t hash, beamc_slice key);
beamc_gkey *beamc__gkey_put(beamc_general *g, uint64_t hash, beamc_slice key);
/* A window of the key that is not there yet, without values. */
beamc_gwin *beamc__gwin_new(beamc_general *g, beamc_gkey *k, beamc_window window);
/* Takes it out of everything. Its key stays, for the next call to look at. */
void beamc__gwin_free(beamc_general *g, beamc_gwin *w);
/* A key without windows goes. */
void beamc__gkey_check(beamc_general *g, beamc_gkey *k);
void beamc__gwin_append(beamc_general *g, beamc_gwin *w, beamc_slice value);
void beamc__gwin_drop_values(beamc_general *g, beamc_gwin *w);
/* All its places in the heaps, after a change. */
void beamc__gwin_schedule(beamc_general *g, beamc_gwin *w, beamc_time now);
void beamc__gwin_make_ready(beamc_general *g, beamc_gwin *w);
void beamc__gwin_unready(beamc_general *g, beamc_gwin *w);
/* Each window of the grouper, in no particular order. The function may not add or free any. */
void beamc__general_each(const beamc_general *g, void (*fn)(void *arg, const beamc_gwin *w),
                         void *arg);

/* ------------------------------------------------------------------------------------ merge.c */

/* A window of the key for an element of @p window: those that overlap become one. False: there is only
 * a closed one, and whether the element merges with another instead, its bundle has yet to show. */
bool beamc__general_merge(beamc_general *g, beamc_gkey *k, beamc_window window,
                          const beamc_group_time *time);
/* The window that was made for it, open or, if there is none, closed. */
beamc_gwin *beamc__general_merged(beamc_gkey *k, beamc_window window);

/* ------------------------------------------------------------------------------------ panes.c */

/* Looks at the next window that is due. False: there is none. */
bool beamc__general_step(beamc_general *g, const beamc_group_time *time, beamc_buf *out,
                         beamc_time *min_timestamp, uint64_t *count);
bool beamc__general_is_due(beamc_general *g, const beamc_group_time *time);
/* A pane of the window, as a windowed KV<K, iterable<V>>. */
void beamc__gwin_put(const beamc_general *g, const beamc_gwin *w, beamc_time timestamp,
                     const beamc_pane *pane, beamc_buf *out);

/* ------------------------------------------------------------- grouper_save.c, grouper_load.c */

/* A run of values in storage. */
typedef struct beamc_gsegment {
    uint32_t number;
    uint32_t values;
    size_t bytes;
} beamc_gsegment;

/* What storage has of a window: its record, and the first of its values. */
typedef struct beamc_gsaved {
    uint64_t id;
    bool stored;
    uint32_t values; /* in the segments */
    size_t bytes;
    uint32_t next_number;
    uint32_t count, cap;
    beamc_gsegment segments[];
} beamc_gsaved;

enum {
    BEAMC_GSAVE_VERSION = 1,
    BEAMC_GSAVE_FLAGS = BEAMC_GWIN_ENDED | BEAMC_GWIN_READY | BEAMC_GWIN_FIRED |
                        BEAMC_GWIN_HOLD_END | BEAMC_GWIN_HOLD_EXPIRY
};

/* Room for one more segment. */
void beamc__gsaved_reserve(beamc_gwin *w);
void beamc__general_changed(beamc_general *g, beamc_gwin *w);
/* Before the window goes: what storage has of it is to be removed. */
void beamc__general_gone(beamc_general *g, beamc_gwin *w);
/* Before the values go. */
void beamc__general_values_gone(beamc_general *g, beamc_gwin *w);
void beamc__general_save(const beamc_grouper *g, beamc_buf *out);
beamc_status beamc__general_load(beamc_grouper *g, beamc_slice bytes, beamc_error *err);
void beamc__general_track(beamc_grouper *g);
void beamc__general_save_changes(beamc_grouper *g, const beamc_group_store *store);
beamc_status beamc__general_load_record(beamc_grouper *g, beamc_slice name, beamc_slice data,
                                        beamc_error *err);
beamc_status beamc__general_load_end(beamc_grouper *g, beamc_error *err);
void beamc__general_track_free(beamc_general *g);

#endif
