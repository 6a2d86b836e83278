/* from_proto.h: coders of the model (beam_runner_api.proto, Coder) to beamc_coder and back.
 *
 * No protobuf types here: whoever holds the messages gives a look-up by id, and gets urn, payload
 * and components back for new messages.
 *
 *     static bool find(void *arg, const char *id, beamc_coder_spec *out) {...}
 *     beamc_coder_set *coders = beamc__coder_set_new(arena, &(beamc_coder_source){.find = find, .arg = d});
 *     BEAMC_TRY(beamc__coder_set_get(coders, "c7", &coder, err));
 *
 * Threads: one at a time for a set; the coders that it gave out are immutable. */
#ifndef BEAMC_CODER_FROM_PROTO_H
#define BEAMC_CODER_FROM_PROTO_H

#include <beamc/coder.h>
#include <beamc/row.h>

/* A Coder message: its spec's URN and payload, and the ids of its components. Borrowed. */
typedef struct beamc_coder_spec {
    const char *urn;
    beamc_slice payload;
    const char *const *component_ids;
    size_t component_count;
} beamc_coder_spec;

typedef struct beamc_coder_source {
    /* False: there is no coder of this id. */
    bool (*find)(void *arg, const char *id, beamc_coder_spec *out);
    void *arg;
    /* Optional. The program's own table with this fingerprint (beamc_row_fingerprint), or NULL. Rows
     * of that schema are then decoded into its C struct; all others into a layout made for them. */
    const beamc_row *(*find_row)(void *arg, uint64_t fingerprint);
    void *row_arg;
} beamc_coder_source;

/* The coders of one descriptor, built when they are first asked for; one id gives one pointer.
 * All of it lives in @p arena; nothing of @p source's messages is kept. */
typedef struct beamc_coder_set beamc_coder_set;
beamc_coder_set *beamc__coder_set_new(beamc_arena *arena, const beamc_coder_source *source);

/* Fails: INVALID_ARGUMENT for an id that is missing, a coder that contains itself, one nested more
 * than 64 deep, a wrong number of components, a damaged payload; UNIMPLEMENTED for an unknown URN.
 * Messages name id and URN. */
beamc_status beamc__coder_set_get(beamc_coder_set *set, const char *id, const beamc_coder **out,
                                  beamc_error *err) BEAMC_MUST_USE;

/* What a Coder message for a coder holds. */
typedef struct beamc_coder_parts {
    const char *urn;
    beamc_slice payload;
    const beamc_coder *components[2];
    size_t component_count;
} beamc_coder_parts;

/* One level; components are for the caller to go on with. Payloads are put into @p arena. */
beamc_status beamc__coder_to_model(const beamc_coder *coder, beamc_arena *arena,
                                   beamc_coder_parts *out, beamc_error *err) BEAMC_MUST_USE;

#endif
