/* coder_table.c: see coder_table.h. */
#include "graph/coder_table.h"

#include <stdlib.h>

#include "proto/beam_model/unpack.h"

#include "base/mem.h"
#include "coder/from_proto.h"
#include "graph/pb.h"

void beamc__coder_table_init(beamc_coder_table *t, beamc_arena *arena) {
    *t = (beamc_coder_table){.arena = arena};
}

void beamc__coder_table_deinit(beamc_coder_table *t) {
    free(t->entries);
    t->entries = NULL;
}

/* The entry of @p coder, added with its components when it is new. */
static beamc_status entry_of(beamc_coder_table *t, const beamc_coder *coder, size_t *index,
                             beamc_error *err) {
    for (size_t i = 0; i < t->count; i++) {
        if (beamc_coder_equal(t->entries[i].coder, coder)) {
            *index = i;
            return BEAMC_OK;
        }
    }
    beamc_coder_parts parts;
    BEAMC_TRY(beamc__coder_to_model(coder, t->arena, &parts, err));
    Pipe__Coder *proto = beamc_pb_new(t->arena, &pipe__coder__descriptor);
    proto->spec = beamc_pb_new(t->arena, &pipe__function_spec__descriptor);
    proto->spec->urn = beamc_pb_text(parts.urn);
    proto->spec->payload = beamc_pb_bytes(parts.payload);
    proto->component_coder_ids = beamc_arena_alloc(t->arena, 2 * sizeof(char *));
    /* The coder may be a local of the caller; its components live on, as entries of their own. */
    beamc_coder *copy = beamc_arena_alloc(t->arena, sizeof *copy);
    *copy = *coder;
    for (size_t i = 0; i < parts.component_count; i++) {
        size_t component;
        BEAMC_TRY(entry_of(t, parts.components[i], &component, err));
        proto->component_coder_ids[proto->n_component_coder_ids++] =
            beamc_pb_text(t->entries[component].id);
        copy->args[i] = t->entries[component].coder;
    }
    if (t->count == t->cap) {
        t->cap = t->cap != 0 ? t->cap * 2 : 32;
        t->entries = beamc__realloc(t->entries, t->cap * sizeof *t->entries);
    }
    *index = t->count;
    beamc_coder_entry *e = &t->entries[t->count++];
    e->coder = copy;
    e->id = beamc_arena_printf(t->arena, "c%zu", t->count);
    e->proto = proto;
    return BEAMC_OK;
}

beamc_status beamc__coder_table_id(beamc_coder_table *t, const beamc_coder *coder, const char **id,
                                   beamc_error *err) {
    size_t index;
    BEAMC_TRY(entry_of(t, coder, &index, err));
    *id = t->entries[index].id;
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
    size_t root;
    beamc_status st = entry_of(&t, coder, &root, err);
    if (st == BEAMC_OK) {
        Pipe__MessageWithComponents m;
        pipe__message_with_components__init(&m);
        m.components = beamc_pb_new(arena, &pipe__components__descriptor);
        beamc__coder_table_components(&t, m.components);
        m.root_case = PIPE__MESSAGE_WITH_COMPONENTS__ROOT_CODER;
        m.coder = t.entries[root].proto;
        *out = beamc__proto_pack(arena, &m.base);
    }
    beamc__coder_table_deinit(&t);
    return st;
}

/* ------------------------------------------------------------------------------- unpacking */

/* No id of a component: the root, which is no component itself. */
static const char root_id[] = "";

static bool find_coder(void *arg, const char *id, beamc_coder_spec *out) {
    const Pipe__MessageWithComponents *m = arg;
    const Pipe__Coder *coder = id[0] == '\0' ? m->coder : NULL;
    for (size_t i = 0; coder == NULL && i < m->components->n_coders; i++) {
        if (strcmp(m->components->coders[i]->key, id) == 0) {
            coder = m->components->coders[i]->value;
        }
    }
    if (coder == NULL || coder->spec == NULL) {
        return false;
    }
    out->urn = coder->spec->urn;
    out->payload = beamc_slice_of(coder->spec->payload.data, coder->spec->payload.len);
    out->component_ids = (const char *const *)coder->component_coder_ids;
    out->component_count = coder->n_component_coder_ids;
    return true;
}

beamc_status beamc__coder_unpack(beamc_slice bytes, const beamc_row_finder *rows,
                                 beamc_arena *arena, const beamc_coder **out, beamc_error *err) {
    ProtobufCMessage *message;
    BEAMC_TRY(
        beamc__proto_unpack(&pipe__message_with_components__descriptor, bytes, &message, err));
    Pipe__MessageWithComponents *m = (Pipe__MessageWithComponents *)message;
    beamc_status st;
    if (m->root_case == PIPE__MESSAGE_WITH_COMPONENTS__ROOT_CODER && m->components != NULL) {
        beamc_coder_source source = {.find = find_coder, .arg = m};
        if (rows != NULL) {
            source.find_row = rows->find;
            source.row_arg = rows->arg;
        }
        st = beamc__coder_set_get(beamc__coder_set_new(arena, &source), root_id, out, err);
    } else {
        st = BEAMC_FAIL(err, INVALID_ARGUMENT, "a coder in a step's payload is malformed");
    }
    beamc__proto_free(message);
    return st;
}
