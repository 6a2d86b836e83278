/* state_wire.h: StateRequest and StateResponse of beam_fn_api.proto, by hand: each read of state passes
 * here. Threads: none of this keeps state. */
#ifndef BEAMC_HARNESS_STATE_WIRE_H
#define BEAMC_HARNESS_STATE_WIRE_H

#include "worker/exec/bundle.h"

/* Appends @p key as a serialized StateKey. The same key always gives the same bytes. */
void beamc__state_put_key(beamc_buf *out, const beamc_state_key *key);

typedef enum beamc_state_op {
    BEAMC_STATE_GET = 1000, /* the numbers of the arms */
    BEAMC_STATE_APPEND,
    BEAMC_STATE_CLEAR
} beamc_state_op;

/* A StateRequest. @p key is a serialized StateKey; @p bytes: the continuation token of a get, the data of
 * an append. */
void beamc__state_put_request(beamc_buf *out, uint64_t id, const char *instruction_id,
                              beamc_slice key, beamc_state_op op, beamc_slice bytes);

/* A StateResponse, in place. */
typedef struct beamc_state_response {
    beamc_slice id;
    beamc_slice error;
    beamc_slice data;
    beamc_slice continuation;
    uint64_t arm; /* 0: none */
} beamc_state_response;

beamc_status beamc__state_read_response(beamc_slice bytes, beamc_state_response *out,
                                        beamc_error *err) BEAMC_MUST_USE;
/* The number that beamc__state_put_request wrote as id; false for any other text. */
bool beamc__state_id(beamc_slice text, uint64_t *id);

#endif
