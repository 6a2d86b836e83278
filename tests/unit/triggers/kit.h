/* kit.h: a grouper with clocks and a reader of what it puts out, for the tests of this folder.
 * Keys and values are small numbers: varints on the wire. Times are in milliseconds. */
#ifndef BEAMC_TESTS_TRIGGERS_KIT_H
#define BEAMC_TESTS_TRIGGERS_KIT_H

#include "runner/engine/grouper.h"

enum { TKIT_VALUES = 24 };

typedef struct tkit_pane {
    int key;
    beamc_window window;
    beamc_time timestamp;
    beamc_pane info;
    uint32_t count;
    int64_t values[TKIT_VALUES]; /* sorted; the first ones */
} tkit_pane;

typedef struct tkit {
    beamc_node_spec node;
    beamc_grouper *g;
    beamc_group_time time;
    tkit_pane *panes; /* since the last tkit_clear */
    size_t count, cap;
} tkit;

/* The window function decides about the coder and merging. Watermarks are at the beginning. */
void tkit_init(tkit *k, beamc_windowing windowing);
void tkit_deinit(tkit *k);
/* A new grouper in place of the old one, which is freed. */
void tkit_renew(tkit *k);
/* One element, in the windows of its timestamp; nothing comes out before the next call. */
void tkit_put(tkit *k, int key, int64_t value, beamc_time timestamp);
/* The same, and what then comes out. */
void tkit_add(tkit *k, int key, int64_t value, beamc_time timestamp);
void tkit_watermark(tkit *k, beamc_time watermark);
void tkit_clock(tkit *k, beamc_time now);
/* Drains until nothing is due; then the output watermark follows as far as holds let it. */
void tkit_settle(tkit *k);
void tkit_clear(tkit *k);
/* Sorts panes by key, window and index. */
void tkit_sort(tkit *k);
bool tkit_same(const tkit_pane *a, const tkit_pane *b);

#endif
