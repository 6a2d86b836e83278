/* schema.c: row tables from and to schema.proto. Recursion is bounded: schemas from the wire by the
 * depth check of unpacking, tables by BEAMC_CODER_MAX_DEPTH. Memory: the arena's. */
#include "coder/schema.h"

#include "beam_model/schema.pb-c.h"
#include "coder/row_field.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"

/* -------------------------------------------------------------------------------- from the wire */

static const beamc_field_type atomic_types[] = {
    [PIPE__ATOMIC_TYPE__BYTE] = BEAMC_FIELD_BYTE,
    [PIPE__ATOMIC_TYPE__INT16] = BEAMC_FIELD_I16,
    [PIPE__ATOMIC_TYPE__INT32] = BEAMC_FIELD_I32,
    [PIPE__ATOMIC_TYPE__INT64] = BEAMC_FIELD_I64,
    [PIPE__ATOMIC_TYPE__FLOAT] = BEAMC_FIELD_FLOAT,
    [PIPE__ATOMIC_TYPE__DOUBLE] = BEAMC_FIELD_DOUBLE,
    [PIPE__ATOMIC_TYPE__STRING] = BEAMC_FIELD_STRING,
    [PIPE__ATOMIC_TYPE__BOOLEAN] = BEAMC_FIELD_BOOL,
    [PIPE__ATOMIC_TYPE__BYTES] = BEAMC_FIELD_BYTES,
};

static beamc_status read_schema(const Pipe__Schema *schema, beamc_arena *arena,
                                const beamc_row **out, beamc_error *err);
static beamc_status read_type(const Pipe__FieldType *type, beamc_arena *arena, beamc_field *f,
                              beamc_error *err);

static beamc_status read_element(const Pipe__FieldType *type, beamc_arena *arena,
                                 const beamc_field **out, beamc_error *err) {
    beamc_field *f = beamc_arena_zalloc(arena, sizeof *f);
    f->name = "";
    *out = f;
    return read_type(type, arena, f, err);
}

static beamc_status read_logical(const Pipe__LogicalType *logical, beamc_arena *arena,
                                 beamc_field *f, beamc_error *err) {
    if (strcmp(logical->urn, BEAMC_URN_LOGICAL_TYPE_MILLIS_INSTANT) == 0) {
        f->type = BEAMC_FIELD_TIME;
        return BEAMC_OK;
    }
    if (strcmp(logical->urn, BEAMC_URN_LOGICAL_TYPE_DECIMAL) == 0) {
        f->type = BEAMC_FIELD_DECIMAL;
        return BEAMC_OK;
    }
    beamc_field representation = {.name = f->name};
    BEAMC_TRY_CTX(err, read_type(logical->representation, arena, &representation, err),
                  "logical type %s", logical->urn);
    if (representation.nullable) {
        return BEAMC_FAIL(err, UNIMPLEMENTED, "logical type %s has a nullable representation",
                          logical->urn);
    }
    f->type = representation.type;
    f->row = representation.row;
    f->element = representation.element;
    f->key = representation.key;
    f->logical_urn = beamc_arena_cstr(arena, beamc_str(logical->urn));
    f->logical_extra = beamc__proto_pack(arena, &logical->base);
    return BEAMC_OK;
}

static beamc_status read_type(const Pipe__FieldType *type, beamc_arena *arena, beamc_field *f,
                              beamc_error *err) {
    if (type == NULL) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the type is missing");
    }
    f->nullable = type->nullable;
    switch (type->type_info_case) {
    case PIPE__FIELD_TYPE__TYPE_INFO_ATOMIC_TYPE: {
        size_t atomic = (size_t)type->atomic_type;
        if (atomic == 0 || atomic >= sizeof atomic_types / sizeof atomic_types[0]) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "atomic type %d does not exist",
                              (int)type->atomic_type);
        }
        f->type = atomic_types[atomic];
        return BEAMC_OK;
    }
    case PIPE__FIELD_TYPE__TYPE_INFO_ARRAY_TYPE:
        f->type = BEAMC_FIELD_ARRAY;
        return read_element(type->array_type->element_type, arena, &f->element, err);
    case PIPE__FIELD_TYPE__TYPE_INFO_ITERABLE_TYPE:
        f->type = BEAMC_FIELD_ITERABLE;
        return read_element(type->iterable_type->element_type, arena, &f->element, err);
    case PIPE__FIELD_TYPE__TYPE_INFO_MAP_TYPE:
        f->type = BEAMC_FIELD_MAP;
        BEAMC_TRY(read_element(type->map_type->key_type, arena, &f->key, err));
        return read_element(type->map_type->value_type, arena, &f->element, err);
    case PIPE__FIELD_TYPE__TYPE_INFO_ROW_TYPE:
        f->type = BEAMC_FIELD_ROW;
        if (type->row_type->schema == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a row type has no schema");
        }
        return read_schema(type->row_type->schema, arena, &f->row, err);
    case PIPE__FIELD_TYPE__TYPE_INFO_LOGICAL_TYPE:
        return read_logical(type->logical_type, arena, f, err);
    default:
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the type says nothing");
    }
}

/* Size of the C member, which is also its alignment's bound. */
static uint32_t member_size(beamc_field_type type) {
    switch (type) {
    case BEAMC_FIELD_BYTE:
        return sizeof(int8_t);
    case BEAMC_FIELD_BOOL:
        return sizeof(bool);
    case BEAMC_FIELD_I16:
        return sizeof(int16_t);
    case BEAMC_FIELD_I32:
    case BEAMC_FIELD_FLOAT:
        return sizeof(int32_t);
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_BYTES:
    case BEAMC_FIELD_DECIMAL:
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
    case BEAMC_FIELD_MAP:
        return sizeof(beamc_slice);
    default:
        return sizeof(int64_t);
    }
}

_Static_assert(sizeof(beamc_slice) == sizeof(beamc_array) &&
                   sizeof(beamc_slice) == sizeof(beamc_map),
               "members of two words");

/* Members in declared order, each at a multiple of its size up to 8; flags for nulls behind them. */
static uint32_t lay_out(beamc_field *fields, uint32_t count) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = member_size(fields[i].type);
        uint32_t align = size < 8 ? size : 8;
        at = (at + align - 1) & ~(align - 1);
        fields[i].offset = at;
        at += size;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].nullable) {
            fields[i].has_offset = at++;
        }
    }
    return (at + 8) & ~UINT32_C(7); /* never 0 */
}

/* Schema.encoding_positions_set: the positions must be a permutation. */
static beamc_status read_order(const Pipe__Schema *schema, beamc_arena *arena, const uint32_t **out,
                               beamc_error *err) {
    size_t n = schema->n_fields;
    uint32_t *order = beamc_arena_alloc(arena, n * sizeof *order);
    bool declared = true;
    if (n > 0) {
        memset(order, 0xff, n * sizeof *order);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t position = schema->fields[i]->encoding_position;
        if (position < 0 || (size_t)position >= n || order[position] != UINT32_MAX) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT,
                              "field %s has the encoding position %d; the positions of %zu fields "
                              "must be 0 to %zu, each once",
                              schema->fields[i]->name, position, n, n - 1);
        }
        order[position] = (uint32_t)i;
        declared = declared && (size_t)position == i;
    }
    *out = declared ? NULL : order;
    return BEAMC_OK;
}

static beamc_status read_schema(const Pipe__Schema *schema, beamc_arena *arena,
                                const beamc_row **out, beamc_error *err) {
    enum { MAX_FIELDS = 1 << 20 };
    if (schema->n_fields > MAX_FIELDS) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a schema of %zu fields", schema->n_fields);
    }
    beamc_field *fields = beamc_arena_zalloc(arena, schema->n_fields * sizeof *fields);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const Pipe__Field *field = schema->fields[i];
        fields[i].name = beamc_arena_cstr(arena, beamc_str(field->name));
        fields[i].doc = beamc_arena_cstr(arena, beamc_str(field->description));
        BEAMC_TRY_CTX(err, read_type(field->type, arena, &fields[i], err), "field %s", field->name);
    }
    beamc_row *row = beamc_arena_zalloc(arena, sizeof *row);
    if (schema->encoding_positions_set) {
        BEAMC_TRY(read_order(schema, arena, &row->encoding_order, err));
    }
    row->schema_id = schema->id[0] != '\0' ? beamc_arena_cstr(arena, beamc_str(schema->id)) : NULL;
    row->name = row->schema_id != NULL ? row->schema_id : "row";
    row->fields = fields;
    row->field_count = (uint32_t)schema->n_fields;
    row->size = lay_out(fields, row->field_count);
    *out = row;
    return BEAMC_OK;
}

beamc_status beamc__schema_to_row(beamc_slice schema, beamc_arena *arena, const beamc_row **out,
                                  beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY_CTX(err, beamc__proto_unpack(&pipe__schema__descriptor, schema, &m, err), "schema");
    beamc_status status = read_schema((const Pipe__Schema *)m, arena, out, err);
    beamc__proto_free(m);
    return status;
}

beamc_status beamc__schema_of_schema_coder(beamc_slice payload, beamc_arena *arena,
                                           beamc_slice *schema, beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(&pipe__schema_coder_payload__descriptor, payload, &m, err));
    const Pipe__SchemaCoderPayload *p = (const Pipe__SchemaCoderPayload *)m;
    beamc_status status = BEAMC_OK;
    if (p->schema != NULL) {
        *schema = beamc__proto_pack(arena, &p->schema->base);
    } else {
        status = BEAMC_FAIL(err, INVALID_ARGUMENT, "a schema coder has no schema");
    }
    beamc__proto_free(m);
    return status;
}

/* ---------------------------------------------------------------------------------- to the wire */

static beamc_status write_type(const beamc_field *f, bool as_logical, beamc_arena *arena,
                               unsigned depth, Pipe__FieldType **out, beamc_error *err);

#define NEW(arena, type, upper)                                                                    \
    ((type *)memcpy(beamc_arena_alloc((arena), sizeof(type)), &(const type)upper##__INIT,          \
                    sizeof(type)))

/* protobuf-c takes char * for what it only reads. */
static char *borrowed(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

/* Field.encoding_position of each field: the reverse of encoding_order. */
static void write_order(const beamc_row *row, Pipe__Schema *schema) {
    schema->encoding_positions_set = row->encoding_order != NULL;
    for (uint32_t i = 0; i < row->field_count && row->encoding_order != NULL; i++) {
        schema->fields[row->encoding_order[i]]->encoding_position = (int32_t)i;
    }
}

/* Schema.id is a UUID that promises equal schemas: made of two hashes of the table. */
static char *schema_id(const beamc_row *row, beamc_arena *arena) {
    if (row->schema_id != NULL) {
        return borrowed(row->schema_id);
    }
    uint64_t a = beamc_row_fingerprint(row);
    uint64_t b = a * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < row->field_count; i++) {
        b = (b ^ beamc_row_index(row, i)) * UINT64_C(0xff51afd7ed558ccd);
    }
    b ^= b >> 32;
    /* Version 8 (of our own making), variant 2 of RFC 9562. */
    return beamc_arena_printf(arena, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(a >> 32),
                              (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
                              (unsigned)(b >> 48 & 0x3fff) | 0x8000,
                              (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

static beamc_status write_schema(const beamc_row *row, beamc_arena *arena, unsigned depth,
                                 Pipe__Schema **out, beamc_error *err) {
    if (depth > BEAMC_CODER_MAX_DEPTH / 2) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "row %s contains itself, or more than %d levels of rows; a schema cannot "
                          "say that",
                          row->name != NULL ? row->name : "", BEAMC_CODER_MAX_DEPTH / 2);
    }
    Pipe__Schema *schema = NEW(arena, Pipe__Schema, PIPE__SCHEMA);
    schema->n_fields = row->field_count;
    schema->fields = beamc_arena_alloc(arena, row->field_count * sizeof *schema->fields);
    for (uint32_t i = 0; i < row->field_count; i++) {
        Pipe__Field *field = NEW(arena, Pipe__Field, PIPE__FIELD);
        schema->fields[i] = field;
        field->name = borrowed(row->fields[i].name);
        field->description = borrowed(row->fields[i].doc);
        BEAMC_TRY_CTX(err, write_type(&row->fields[i], true, arena, depth, &field->type, err),
                      "field %s", field->name);
    }
    write_order(row, schema);
    schema->id = schema_id(row, arena);
    *out = schema;
    return BEAMC_OK;
}

static beamc_status write_logical(const beamc_field *f, const char *urn, beamc_arena *arena,
                                  unsigned depth, Pipe__LogicalType **out, beamc_error *err) {
    if (f->logical_extra.len > 0) {
        ProtobufCMessage *m;
        BEAMC_TRY(beamc__proto_unpack_arena(&pipe__logical_type__descriptor, f->logical_extra,
                                            arena, &m, err));
        *out = (Pipe__LogicalType *)m;
        return BEAMC_OK;
    }
    *out = NEW(arena, Pipe__LogicalType, PIPE__LOGICAL_TYPE);
    (*out)->urn = borrowed(urn);
    beamc_field representation = *f;
    representation.nullable = false;
    representation.logical_urn = NULL;
    if (f->type == BEAMC_FIELD_TIME) {
        representation.type = BEAMC_FIELD_I64;
    } else if (f->type == BEAMC_FIELD_DECIMAL) {
        representation.type = BEAMC_FIELD_BYTES;
    }
    return write_type(&representation, false, arena, depth, &(*out)->representation, err);
}

static beamc_status write_atomic(const beamc_field *f, Pipe__FieldType *type, beamc_error *err) {
    for (size_t i = 1; i < sizeof atomic_types / sizeof atomic_types[0]; i++) {
        if (atomic_types[i] == f->type) {
            type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_ATOMIC_TYPE;
            type->atomic_type = (Pipe__AtomicType)i;
            return BEAMC_OK;
        }
    }
    return BEAMC_FAIL(err, INTERNAL, "field type %d does not exist", (int)f->type);
}

static beamc_status write_container(const beamc_field *f, beamc_arena *arena, unsigned depth,
                                    Pipe__FieldType *type, beamc_error *err) {
    if (f->element == NULL || (f->type == BEAMC_FIELD_MAP && f->key == NULL)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a field of type %s needs element%s tables",
                          beamc__field_type_name(f->type),
                          f->type == BEAMC_FIELD_MAP ? " and key" : "");
    }
    if (f->type == BEAMC_FIELD_ARRAY) {
        type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_ARRAY_TYPE;
        type->array_type = NEW(arena, Pipe__ArrayType, PIPE__ARRAY_TYPE);
        return write_type(f->element, true, arena, depth, &type->array_type->element_type, err);
    }
    if (f->type == BEAMC_FIELD_ITERABLE) {
        type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_ITERABLE_TYPE;
        type->iterable_type = NEW(arena, Pipe__IterableType, PIPE__ITERABLE_TYPE);
        return write_type(f->element, true, arena, depth, &type->iterable_type->element_type, err);
    }
    type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_MAP_TYPE;
    type->map_type = NEW(arena, Pipe__MapType, PIPE__MAP_TYPE);
    BEAMC_TRY(write_type(f->key, true, arena, depth, &type->map_type->key_type, err));
    return write_type(f->element, true, arena, depth, &type->map_type->value_type, err);
}

/* @p as_logical: false for the representation inside a logical type. */
static beamc_status write_type(const beamc_field *f, bool as_logical, beamc_arena *arena,
                               unsigned depth, Pipe__FieldType **out, beamc_error *err) {
    Pipe__FieldType *type = NEW(arena, Pipe__FieldType, PIPE__FIELD_TYPE);
    *out = type;
    type->nullable = f->nullable;
    const char *urn = f->type == BEAMC_FIELD_TIME      ? BEAMC_URN_LOGICAL_TYPE_MILLIS_INSTANT
                      : f->type == BEAMC_FIELD_DECIMAL ? BEAMC_URN_LOGICAL_TYPE_DECIMAL
                                                       : f->logical_urn;
    if (as_logical && urn != NULL) {
        type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_LOGICAL_TYPE;
        return write_logical(f, urn, arena, depth, &type->logical_type, err);
    }
    switch (f->type) {
    case BEAMC_FIELD_ARRAY:
    case BEAMC_FIELD_ITERABLE:
    case BEAMC_FIELD_MAP:
        return write_container(f, arena, depth, type, err);
    case BEAMC_FIELD_ROW:
        if (f->row == NULL) {
            return BEAMC_FAIL(err, INVALID_ARGUMENT, "a field of type row needs a row table");
        }
        type->type_info_case = PIPE__FIELD_TYPE__TYPE_INFO_ROW_TYPE;
        type->row_type = NEW(arena, Pipe__RowType, PIPE__ROW_TYPE);
        return write_schema(f->row, arena, depth + 1, &type->row_type->schema, err);
    default:
        return write_atomic(f, type, err);
    }
}

beamc_status beamc__schema_from_row(const beamc_row *row, beamc_arena *arena, beamc_slice *out,
                                    beamc_error *err) {
    Pipe__Schema *schema;
    BEAMC_TRY_CTX(err, write_schema(row, arena, 0, &schema, err), "row %s",
                  row->name != NULL ? row->name : "");
    *out = beamc__proto_pack(arena, &schema->base);
    return BEAMC_OK;
}
