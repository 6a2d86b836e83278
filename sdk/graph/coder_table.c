/* coder_table.c: see coder_table.h. */
#include "graph/coder_table.h"

#include <stdlib.h>

#include "proto/beam_model/unpack.h"

#include "base/mem.h"
#include "graph/pb.h"

void beamc__coder_table_init(beamc_coder_table *t, beamc_arena *arena) {
    *t = (beamc_coder_table){.arena = arena};
}

void beamc__coder_table_deinit(beamc_coder_table *t) {
    free(t->entries);
    t->entries = NULL;
}

static beamc_status payload_of(const beamc_coder *coder, beamc_arena *arena, beamc_slice *out,
                               beamc_error *err) {
    (void)arena;
    *out = (beamc_slice){0};
    if (coder->kind == BEAMC_CODER_ROW) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "rows on the wire");
    }
    return BEAMC_OK;
}

beamc_status beamc__coder_table_id(beamc_coder_table *t, const beamc_coder *coder, const char **id,
                                   beamc_error *err) {
    for (size_t i = 0; i < t->count; i++) {
        if (beamc_coder_equal(t->entries[i].coder, coder)) {
            *id = t->entries[i].id;
            return BEAMC_OK;
        }
    }
    Pipe__Coder *proto = beamc_pb_new(t->arena, &pipe__coder__descriptor);
    proto->component_coder_ids = beamc_arena_alloc(t->arena, 2 * sizeof(char *));
    for (int i = 0; i < 2 && coder->args[i] != NULL; i++) {
        const char *component;
        BEAMC_TRY(beamc__coder_table_id(t, coder->args[i], &component, err));
        proto->component_coder_ids[proto->n_component_coder_ids++] = beamc_pb_text(component);
    }
    beamc_slice payload;
    BEAMC_TRY(payload_of(coder, t->arena, &payload, err));
    proto->spec = beamc_pb_new(t->arena, &pipe__function_spec__descriptor);
    proto->spec->urn = beamc_pb_text(beamc_coder_urn(coder->kind));
    proto->spec->payload = beamc_pb_bytes(payload);
    if (t->count == t->cap) {
        t->cap = t->cap != 0 ? t->cap * 2 : 32;
        t->entries = beamc__realloc(t->entries, t->cap * sizeof *t->entries);
    }
    /* The coder may be a local of the caller; its parts live on by now, as entries of their own. */
    beamc_coder *copy = beamc_arena_alloc(t->arena, sizeof *copy);
    *copy = *coder;
    for (int i = 0; i < 2 && coder->args[i] != NULL; i++) {
        for (size_t k = 0; k < t->count; k++) {
            if (t->entries[k].id == proto->component_coder_ids[i]) {
                copy->args[i] = t->entries[k].coder;
            }
        }
    }
    beamc_coder_entry *e = &t->entries[t->count++];
    e->coder = copy;
    e->id = beamc_arena_printf(t->arena, "c%zu", t->count);
    e->proto = proto;
    *id = e->id;
    return BEAMC_OK;
}

void beamc__coder_table_components(const beamc_coder_table *t, Pipe__Components *out) {
    out->coders = beamc_arena_alloc(t->arena, t->count * sizeof *out->coders);
    for (size_t i = 0; i < t->count; i++) {
        Pipe__Components__CodersEntry *e =
            beamc_pb_new(t->arena, &pipe__components__coders_entry__descriptor);
        e->key = beamc_pb_text(t->entries[i].id);
        e->value = t->entries[i].proto;
        out->coders[out->n_coders++] = e;
    }
}

beamc_status beamc__coder_pack(const beamc_coder *coder, beamc_arena *arena, beamc_slice *out,
                               beamc_error *err) {
    beamc_coder_table t;
    beamc__coder_table_init(&t, arena);
    const char *id;
    beamc_status st = beamc__coder_table_id(&t, coder, &id, err);
    if (st == BEAMC_OK) {
        Pipe__MessageWithComponents m;
        pipe__message_with_components__init(&m);
        m.components = beamc_pb_new(arena, &pipe__components__descriptor);
        beamc__coder_table_components(&t, m.components);
        m.root_case = PIPE__MESSAGE_WITH_COMPONENTS__ROOT_CODER;
        m.coder = t.entries[t.count - 1].proto; /* components come before what they are part of */
        *out = beamc__proto_pack(arena, &m.base);
    }
    beamc__coder_table_deinit(&t);
    return st;
}

static beamc_status build(const Pipe__Components *c, const Pipe__Coder *proto, unsigned depth,
                          beamc_arena *arena, const beamc_coder **out, beamc_error *err) {
    if (depth > 64 || proto == NULL || proto->spec == NULL || proto->n_component_coder_ids > 2) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a coder in a step's payload is malformed");
    }
    beamc_coder *coder = beamc_arena_zalloc(arena, sizeof *coder);
    for (int k = BEAMC_CODER_BYTES; k <= BEAMC_CODER_NULLABLE; k++) {
        if (strcmp(beamc_coder_urn((beamc_coder_kind)k), proto->spec->urn) == 0) {
            coder->kind = (beamc_coder_kind)k;
        }
    }
    if (coder->kind == 0 || coder->kind == BEAMC_CODER_ROW) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "coder %s in a step's payload", proto->spec->urn);
    }
    for (size_t i = 0; i < proto->n_component_coder_ids; i++) {
        const Pipe__Coder *part = NULL;
        for (size_t k = 0; k < c->n_coders; k++) {
            if (strcmp(c->coders[k]->key, proto->component_coder_ids[i]) == 0) {
                part = c->coders[k]->value;
            }
        }
        BEAMC_TRY(build(c, part, depth + 1, arena, &coder->args[i], err));
    }
    *out = coder;
    return BEAMC_OK;
}

beamc_status beamc__coder_unpack(beamc_slice bytes, beamc_arena *arena, const beamc_coder **out,
                                 beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY(
        beamc__proto_unpack(&pipe__message_with_components__descriptor, bytes, &message, err));
    const Pipe__MessageWithComponents *m = (const Pipe__MessageWithComponents *)message;
    beamc_status st =
        m->root_case == PIPE__MESSAGE_WITH_COMPONENTS__ROOT_CODER && m->components != NULL
            ? build(m->components, m->coder, 0, arena, out, err)
            : BEAMC_FAIL(err, INVALID_ARGUMENT, "a coder in a step's payload is malformed");
    beamc__proto_free(message);
    return st;
}
