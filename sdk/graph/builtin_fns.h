/* builtin_fns.h: the DoFns behind Create, Reshuffle, WithKey, CombineGlobally and Print, and what they need
 * of the execution engine beyond the public context. */
#ifndef BEAMC_GRAPH_BUILTIN_FNS_H
#define BEAMC_GRAPH_BUILTIN_FNS_H

#include <beamc/dofn.h>

/* bytes -> T: the values of its config. */
extern const beamc_dofn beamc__create_fn;
typedef struct beamc_create_config {
    beamc_array values; /* of bytes: each the nested encoding of a T */
} beamc_create_config;

/* T -> KV<K, T>. */
extern const beamc_dofn beamc__with_key_fn;
typedef struct beamc_with_key_config {
    beamc_slice key; /* nested encoding of a K */
} beamc_with_key_config;

/* KV<K, V> -> V. */
extern const beamc_dofn beamc__values_fn;

/* T -> KV<varint, bytes>: a shard and the whole windowed value, encoded. */
extern const beamc_dofn beamc__reify_fn;
/* KV<varint, iterable<bytes>> -> T: the elements with their timestamps, windows and panes. */
extern const beamc_dofn beamc__unreify_fn;
typedef struct beamc_reshuffle_config {
    bool interval_windows; /* else the global window */
} beamc_reshuffle_config;

/* bytes, side input: the results of a combine -> KV<bytes, iterable<V>>: one empty group if the side
 * input is empty, so that the combiner itself makes the default. */
extern const beamc_dofn beamc__empty_group_fn;

/* T -> T: prints it. */
extern const beamc_dofn beamc__print_fn;

/* All of them, ended by NULL. */
extern const beamc_dofn *const beamc__builtin_fns[];

/* Given by worker/exec. The element at hand with all its windows, also without observes_window. */
const beamc_windowed_value *beamc__ctx_windowed(const beamc_ctx *ctx);
/* Emits a value with timestamp, windows and pane of its own. */
beamc_status beamc__emit_windowed(beamc_ctx *ctx, unsigned output,
                                  const beamc_windowed_value *value) BEAMC_MUST_USE;

#endif
