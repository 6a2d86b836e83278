/* parts.h: what one coder's file gives to coder.c, and what the files share. Private to sdk/coder. */
#ifndef BEAMC_CODER_PARTS_H
#define BEAMC_CODER_PARTS_H

#include "coder/coder_impl.h"

/* One kind of coder. Functions that are NULL have a default: no fixed size; plain copy. */
typedef struct beamc_coder_ops {
    const char *urn;
    const char *name;   /* in descriptions */
    unsigned args;      /* how many component coders */
    bool deterministic; /* provided that its components are */
    beamc_status (*decode)(const beamc_coder *c, beamc_cursor *in, bool nested, beamc_scratch *s,
                           beamc_value *out, beamc_error *err);
    beamc_status (*encode)(const beamc_coder *c, const beamc_value *v, bool nested, unsigned depth,
                           beamc_buf *out, beamc_error *err);
    beamc_status (*skip)(const beamc_coder *c, beamc_cursor *in, unsigned depth, beamc_error *err);
    int64_t (*fixed_size)(const beamc_coder *c);
    beamc_status (*copy)(const beamc_coder *c, const beamc_value *v, beamc_arena *arena,
                         beamc_value *out, beamc_error *err);
} beamc_coder_ops;

extern const beamc_coder_ops beamc__ops_bytes;
extern const beamc_coder_ops beamc__ops_string;
extern const beamc_coder_ops beamc__ops_bool;
extern const beamc_coder_ops beamc__ops_varint;
extern const beamc_coder_ops beamc__ops_double;
extern const beamc_coder_ops beamc__ops_kv;
extern const beamc_coder_ops beamc__ops_iterable;
extern const beamc_coder_ops beamc__ops_state_backed_iterable;
extern const beamc_coder_ops beamc__ops_length_prefix;
extern const beamc_coder_ops beamc__ops_global_window;
extern const beamc_coder_ops beamc__ops_interval_window;
extern const beamc_coder_ops beamc__ops_custom_window;
extern const beamc_coder_ops beamc__ops_windowed_value;
extern const beamc_coder_ops beamc__ops_param_windowed_value;
extern const beamc_coder_ops beamc__ops_timer;
extern const beamc_coder_ops beamc__ops_row;
extern const beamc_coder_ops beamc__ops_sharded_key;
extern const beamc_coder_ops beamc__ops_nullable;

/* Of a kind, or NULL for a number that is none. */
const beamc_coder_ops *beamc__coder_ops(beamc_coder_kind kind);

/* By depth: how many structures are open around this value. */
beamc_status beamc__skip_at(const beamc_coder *c, beamc_cursor *in, unsigned depth,
                            beamc_error *err) BEAMC_MUST_USE;
static inline beamc_status BEAMC_MUST_USE beamc__encode_at(const beamc_coder *c,
                                                           const beamc_value *v, bool nested,
                                                           unsigned depth, beamc_buf *out,
                                                           beamc_error *err) {
    if (nested && beamc__encode_leaf(c, v, out)) {
        return BEAMC_OK;
    }
    return beamc__encode_slow(c, v, nested, depth, out, err);
}

/* "string ends after 3 bytes": the bytes ran out, or a length in front of them is malformed. */
beamc_status beamc__ends_early(const beamc_cursor *in, const char *what, beamc_error *err);

/* For fixed_size. */
int64_t beamc__size_one(const beamc_coder *c);

/* Walks over the encoding of an iterable and finds its parts. */
typedef struct beamc_iterable_form {
    beamc_slice whole; /* from the count on */
    beamc_slice items; /* counted: the elements; else the groups, their counts included */
    bool chunked;
    bool has_token;
    uint64_t count; /* of the elements in `items` */
    beamc_slice token;
} beamc_iterable_form;

beamc_status beamc__iterable_scan(const beamc_coder *c, beamc_cursor *in, unsigned depth,
                                  beamc_iterable_form *form, beamc_error *err) BEAMC_MUST_USE;

const beamc_window *beamc__windows_copy(beamc_arena *arena, const beamc_window *windows,
                                        size_t count);

/* Decoding, encoding, copying of rows and their fields: row.c. */
beamc_status beamc__row_decode(const beamc_row *row, beamc_cursor *in, bool nested,
                               beamc_scratch *s, void *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__row_encode(const beamc_row *row, const void *value, unsigned depth,
                               beamc_buf *out, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__row_skip(const beamc_row *row, beamc_cursor *in, unsigned depth,
                             beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__row_copy(const beamc_row *row, const void *value, beamc_arena *arena,
                             unsigned depth, void *out, beamc_error *err) BEAMC_MUST_USE;

#endif
