/* from_proto.c: builds coders from the specs of the model and takes them apart again.
 * Memory: everything is in the set's arena. */
#include "coder/from_proto.h"

#include "coder/row_field.h"
#include "coder/schema.h"
#include "proto/beam_model/urns.h"

typedef struct entry {
    struct entry *next;
    const char *id;
    const beamc_coder *coder; /* NULL while it is being built */
} entry;

enum { BUCKETS = 64 };

struct beamc_coder_set {
    beamc_arena *arena;
    beamc_coder_source source;
    entry *buckets[BUCKETS];
};

beamc_coder_set *beamc__coder_set_new(beamc_arena *arena, const beamc_coder_source *source) {
    beamc_coder_set *set = beamc_arena_zalloc(arena, sizeof *set);
    set->arena = arena;
    set->source = *source;
    return set;
}

static entry **bucket_of(beamc_coder_set *set, const char *id) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = id; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return &set->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static beamc_status kind_of(const beamc_coder_spec *spec, const char *id, beamc_coder_kind *out,
                            beamc_error *err) {
    if (strcmp(spec->urn, BEAMC_URN_CODER_SCHEMA) == 0) {
        *out = BEAMC_CODER_ROW; /* a row whose conversions are another SDK's affair */
        return BEAMC_OK;
    }
    for (int kind = BEAMC_CODER_BYTES; kind <= BEAMC_CODER_NULLABLE; kind++) {
        if (strcmp(spec->urn, beamc_coder_urn((beamc_coder_kind)kind)) == 0) {
            *out = (beamc_coder_kind)kind;
            return BEAMC_OK;
        }
    }
    return BEAMC_FAIL(err, UNIMPLEMENTED,
                      "coder \"%s\" has the URN \"%s\", which is not known here", id, spec->urn);
}

/* ------------------------------------------------------------------------------------------- rows */

static bool same_order(const beamc_row *a, const beamc_row *b, unsigned depth);

static bool same_order_in(const beamc_field *a, const beamc_field *b, unsigned depth) {
    switch (a->type) {
    case BEAMC_FIELD_ROW:
        return same_order(a->row, b->row, depth + 1);
    case BEAMC_FIELD_MAP:
        return same_order_in(a->key, b->key, depth) && same_order_in(a->element, b->element, depth);
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
        return same_order_in(a->element, b->element, depth);
    default:
        return true;
    }
}

static bool same_order_inside(const beamc_row *a, const beamc_row *b, unsigned depth) {
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (!same_order_in(&a->fields[i], &b->fields[i], depth)) {
            return false;
        }
    }
    return true;
}

static bool same_order(const beamc_row *a, const beamc_row *b, unsigned depth) {
    if (depth > BEAMC_CODER_MAX_DEPTH) {
        return false;
    }
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (beamc_row_index(a, i) != beamc_row_index(b, i)) {
            return false;
        }
    }
    return same_order_inside(a, b, depth);
}

/* The program's table for the schema, if it has one: its layout, the wire's order of encoding. */
static const beamc_row *own_row(beamc_coder_set *set, const beamc_row *wire) {
    if (set->source.find_row == NULL) {
        return wire;
    }
    const beamc_row *own = set->source.find_row(set->source.row_arg, beamc_row_fingerprint(wire));
    if (own == NULL || own->field_count != wire->field_count || !same_order_inside(own, wire, 0)) {
        return wire;
    }
    beamc_row *row = beamc_arena_alloc(set->arena, sizeof *row);
    *row = *own;
    row->encoding_order = wire->encoding_order;
    row->schema_id = wire->schema_id;
    return row;
}

static beamc_status build_row(beamc_coder_set *set, const beamc_coder_spec *spec, beamc_coder *c,
                              beamc_error *err) {
    beamc_slice schema = spec->payload;
    if (strcmp(spec->urn, BEAMC_URN_CODER_SCHEMA) == 0) {
        BEAMC_TRY(beamc__schema_of_schema_coder(spec->payload, set->arena, &schema, err));
    }
    const beamc_row *wire;
    BEAMC_TRY(beamc__schema_to_row(schema, set->arena, &wire, err));
    c->row = own_row(set, wire);
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------ other kinds */

/* The payload is a windowed_value of bytes: timestamp, windows, pane, and a value that nobody reads. */
static beamc_status build_param(beamc_coder_set *set, const beamc_coder_spec *spec, beamc_coder *c,
                                beamc_error *err) {
    beamc_slice payload = beamc_arena_copy(set->arena, spec->payload);
    beamc_windowed_value *head = beamc_arena_zalloc(set->arena, sizeof *head);
    beamc_cursor in = beamc_cursor_of(payload);
    beamc_scratch scratch;
    beamc__scratch_init(&scratch, set->arena);
    c->extra = head;
    return beamc__windowed_decode_head(c->args[1], &in, &scratch, head, err);
}

static beamc_status get(beamc_coder_set *set, const char *id, unsigned depth,
                        const beamc_coder **out, beamc_error *err);

static beamc_status build(beamc_coder_set *set, const char *id, const beamc_coder_spec *spec,
                          unsigned depth, beamc_coder *c, beamc_error *err) {
    BEAMC_TRY(kind_of(spec, id, &c->kind, err));
    unsigned args = beamc__coder_ops(c->kind)->args;
    /* Rows carry no components; some SDKs list them all the same. */
    if (spec->component_count != args && c->kind != BEAMC_CODER_ROW) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder \"%s\" (%s) has %zu components, needs %u",
                          id, spec->urn, spec->component_count, args);
    }
    for (unsigned i = 0; i < args; i++) {
        BEAMC_TRY(get(set, spec->component_ids[i], depth + 1, &c->args[i], err));
    }
    beamc_status status = BEAMC_OK;
    if (c->kind == BEAMC_CODER_ROW) {
        status = build_row(set, spec, c, err);
    } else if (c->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE) {
        status = build_param(set, spec, c, err);
    }
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "payload of coder \"%s\" (%s)", id, spec->urn);
    }
    return status;
}

static beamc_status get(beamc_coder_set *set, const char *id, unsigned depth,
                        const beamc_coder **out, beamc_error *err) {
    entry **bucket = bucket_of(set, id);
    for (entry *e = *bucket; e != NULL; e = e->next) {
        if (strcmp(e->id, id) == 0 && e->coder != NULL) {
            *out = e->coder;
            return BEAMC_OK;
        }
        if (strcmp(e->id, id) == 0) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder \"%s\" contains itself", id);
        }
    }
    if (depth >= BEAMC_CODER_MAX_DEPTH) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder \"%s\" lies more than %d coders deep", id,
                          BEAMC_CODER_MAX_DEPTH);
    }
    beamc_coder_spec spec = {0};
    if (!set->source.find(set->source.arg, id, &spec)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "coder \"%s\" is referred to but missing", id);
    }
    entry *e = beamc_arena_alloc(set->arena, sizeof *e);
    *e = (entry){*bucket, beamc_arena_cstr(set->arena, beamc_str(id)), NULL};
    *bucket = e;
    beamc_coder *c = beamc_arena_zalloc(set->arena, sizeof *c);
    beamc_status status = build(set, id, &spec, depth, c, err);
    if (status != BEAMC_OK) {
        /* So that a later request for it says why again, and not that it contains itself. */
        for (entry **link = bucket; *link != NULL; link = &(*link)->next) {
            if (*link == e) {
                *link = e->next;
                break;
            }
        }
        return status;
    }
    e->coder = c;
    *out = c;
    return BEAMC_OK;
}

beamc_status beamc__coder_set_get(beamc_coder_set *set, const char *id, const beamc_coder **out,
                                  beamc_error *err) {
    return get(set, id, 0, out, err);
}

/* ---------------------------------------------------------------------------------- the other way */

static beamc_status param_payload(const beamc_coder *coder, beamc_arena *arena, beamc_slice *out,
                                  beamc_error *err) {
    beamc_buf buf = {0};
    beamc_status status = beamc__windowed_encode_head(coder->args[1], coder->extra, &buf, err);
    beamc_buf_put_u8(&buf, 0); /* the value: nested bytes, empty */
    *out = beamc_arena_copy(arena, beamc_buf_slice(&buf));
    beamc_buf_free(&buf);
    return status;
}

beamc_status beamc__coder_to_model(const beamc_coder *coder, beamc_arena *arena,
                                   beamc_coder_parts *out, beamc_error *err) {
    const beamc_coder_ops *ops = beamc__coder_ops(coder->kind);
    if (ops == NULL) {
        return BEAMC_FAIL(err, INTERNAL, "coder kind %d does not exist", (int)coder->kind);
    }
    *out = (beamc_coder_parts){.urn = ops->urn, .component_count = ops->args};
    for (unsigned i = 0; i < ops->args; i++) {
        if (coder->args[i] == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a %s coder lacks component %u", ops->name, i);
        }
        out->components[i] = coder->args[i];
    }
    if (coder->kind == BEAMC_CODER_ROW) {
        return beamc__schema_from_row(coder->row, arena, &out->payload, err);
    }
    if (coder->kind == BEAMC_CODER_PARAM_WINDOWED_VALUE) {
        return param_payload(coder, arena, &out->payload, err);
    }
    return BEAMC_OK;
}
