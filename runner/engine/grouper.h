/* grouper.h: how one shard of a GroupByKey buffers elements and decides when panes come out.
 *
 * A group node has many shards; a key belongs to one of them. Each shard has one grouper, and every
 * call on it is made under the shard's lock: a grouper needs no locks and no atomics. Everything that
 * has to do with windows, triggers, panes, lateness and accumulation is behind this interface; what
 * is above it (parsing, sharding, locking, scheduling, watermark arithmetic between nodes) is gbk.c.
 *
 * Two implementations: grouper_simple.c (non-merging windows, one firing when the watermark passes
 * the end of the window: the default for bounded jobs, and fast), and the general one for triggers
 * and merging windows. beamc__grouper_new chooses.
 *
 * Protocol
 *   add            elements of a committed bundle, each in exactly one window (the engine explodes).
 *                  The grouper drops and counts what is too late: max timestamp of the window +
 *                  allowed lateness < time->watermark, or its trigger has finished.
 *   advance        watermark or clock moved, or elements were added: decide what is ready. Cheap when
 *                  nothing is. Returns true while there is something to drain.
 *   drain          appends ready panes, as encoded windowed KV<K, iterable<V>>, to a buffer until
 *                  about `limit` bytes are in it; true when more is ready. What was drained is gone
 *                  from the grouper except what the accumulation mode keeps.
 *   hold           the earliest timestamp that elements still buffered (or ready, not yet drained)
 *                  may come out with: the node's output watermark does not pass it. Late elements hold
 *                  it at the expiry of their window, so that it has not expired further down when
 *                  they come out. BEAMC_TIME_MAX if nothing is buffered.
 *   next_watermark the earliest watermark at which advance would have something to do,
 *   next_clock     and the earliest processing time. BEAMC_TIME_MAX: never. So the engine wakes only
 *                  the shards that are due.
 *   collect / replace   for compaction of accumulators, see below. May be NULL.
 *   save / load    everything, as bytes of the grouper's own versioned format. Load is for a grouper
 *                  that is new. May be NULL.
 *
 * Durability by increments
 *   A grouper is also a set of records, name -> data, of which a commit writes those that have changed.
 *   Names are unique within the group node, whatever the number of its shards, and begin with the hash
 *   of the key, 8 bytes big-endian: that says which shard a record belongs to after a restart. Each
 *   window has one record of its trigger, pane and holds, and segments with its values: new values make
 *   a new segment, and small ones are joined as they grow in number, so that a group of n values is
 *   written O(log n) times, not once for each commit.
 *   track          from now on remember what changes (it costs a little); before the first add.
 *   save_changes   hands out what has changed since the last call: put replaces, remove deletes.
 *                  Under the shard's lock, together with the commit that the changes belong to.
 *   load_record    one record of a former process. All records of a shard, in the order of their
 *   load_end       names, then load_end, which fails if something is missing; then the grouper is what
 *                  it was, and tracks.
 *   All four are NULL if the grouper cannot.
 *
 * Event time of the engine is "exclusive": watermark w says that no element with a timestamp below w
 * will come. The window's end has passed when w > max timestamp of the window. */
#ifndef BEAMC_ENGINE_GROUPER_H
#define BEAMC_ENGINE_GROUPER_H

#include <beamc/arena.h>
#include <beamc/buf.h>

#include "runner/engine/graph.h"

/* One element to group. Everything is borrowed for the call; `window_bytes` is the nested encoding
 * of `window` (empty for the global one). */
typedef struct beamc_group_item {
    uint64_t hash;   /* of the key */
    beamc_slice key; /* nested encodings, as they travel */
    beamc_slice value;
    beamc_time timestamp;
    beamc_window window;
} beamc_group_item;

/* The clocks. */
typedef struct beamc_group_time {
    beamc_time watermark; /* the node's input watermark */
    beamc_time now;       /* processing time, ms */
    beamc_time output; /* the node's output watermark: what comes out before it is late. For advance
                             and drain that of the moment when the input watermark came where it is */
} beamc_group_time;

/* What came out since the last call, besides panes. */
typedef struct beamc_group_counts {
    int64_t late_dropped;
    int64_t panes;
    int64_t elements; /* values in those panes */
} beamc_group_counts;

/* Where changes go. Slices hold for the call. */
typedef struct beamc_group_store {
    void *arg;
    void (*put)(void *arg, beamc_slice name, beamc_slice data);
    void (*remove)(void *arg, beamc_slice name);
} beamc_group_store;

typedef struct beamc_grouper beamc_grouper;

typedef struct beamc_grouper_ops {
    void (*free)(beamc_grouper *g);
    void (*add)(beamc_grouper *g, const beamc_group_item *items, size_t count,
                const beamc_group_time *time);
    bool (*advance)(beamc_grouper *g, const beamc_group_time *time);
    /* *min_timestamp is lowered to the smallest timestamp written, *count raised by the elements. */
    bool (*drain)(beamc_grouper *g, const beamc_group_time *time, size_t limit, beamc_buf *out,
                  beamc_time *min_timestamp, uint64_t *count);
    beamc_time (*hold)(beamc_grouper *g);
    beamc_time (*next_watermark)(beamc_grouper *g);
    beamc_time (*next_clock)(beamc_grouper *g);
    /* Bytes that compaction could shrink: the values, without keys and tables. */
    size_t (*value_bytes)(const beamc_grouper *g);
    size_t (*footprint)(const beamc_grouper *g);
    beamc_group_counts (*take_counts)(beamc_grouper *g);

    /* Compaction. collect appends every group of more than one value, encoded as drain does, and
     * takes the values out; the group itself stays. The engine adds the merged values back with
     * replace, in any order. Between the two there is no drain and no save, but there may be adds. */
    void (*collect)(beamc_grouper *g, beamc_buf *out, uint64_t *count);
    void (*replace)(beamc_grouper *g, const beamc_group_item *items, size_t count);

    void (*save)(const beamc_grouper *g, beamc_buf *out);
    beamc_status (*load)(beamc_grouper *g, beamc_slice bytes, beamc_error *err);

    void (*track)(beamc_grouper *g);
    void (*save_changes)(beamc_grouper *g, const beamc_group_store *store);
    beamc_status (*load_record)(beamc_grouper *g, beamc_slice name, beamc_slice data,
                                beamc_error *err);
    beamc_status (*load_end)(beamc_grouper *g, beamc_error *err);
} beamc_grouper_ops;

struct beamc_grouper {
    const beamc_grouper_ops *ops;
};

/* A grouper for one shard of @p node (a GROUP, borrowed). @p bounded: the job has no unbounded input,
 * so watermarks go from the beginning to the end of time in one step. */
beamc_status beamc__grouper_new(const beamc_node_spec *node, bool bounded, beamc_grouper **out,
                                beamc_error *err) BEAMC_MUST_USE;

/* The implementations. */
beamc_grouper *beamc__grouper_simple_new(const beamc_node_spec *node);
beamc_status beamc__grouper_general_new(const beamc_node_spec *node, beamc_grouper **out,
                                        beamc_error *err) BEAMC_MUST_USE;
/* Whether the simple one does what the model asks for. */
bool beamc__grouper_simple_fits(const beamc_node_spec *node, bool bounded);

/* For implementations: puts what stands in front of the key: timestamp, one window, pane. */
void beamc__group_put_head(beamc_buf *out, const beamc_coder *window_coder, beamc_time timestamp,
                           beamc_window window, const beamc_pane *pane);

#endif
