/**
 * @file row.h
 * Rows: a C struct described by one field table.
 *
 * The table drives everything that needs to know the struct: the Beam row coder and its schema,
 * JSON in and out, DoFn configuration, table schemas and `--help`.
 *
 *     typedef struct click { beamc_slice product_id; beamc_time event_time; } click;
 *     static const beamc_field click_fields[] = {
 *         BEAMC_REQUIRED(click, product_id, STRING),
 *         BEAMC_REQUIRED(click, event_time, TIME),
 *     };
 *     static const beamc_row click_row = BEAMC_ROW(click, click_fields);
 */
#ifndef BEAMC_ROW_H
#define BEAMC_ROW_H

#include <beamc/arena.h>
#include <beamc/coder.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Field types and the C member that holds them. */
typedef enum beamc_field_type {
    BEAMC_FIELD_BYTE = 1, /**< int8_t */
    BEAMC_FIELD_I16,      /**< int16_t */
    BEAMC_FIELD_I32,      /**< int32_t */
    BEAMC_FIELD_I64,      /**< int64_t */
    BEAMC_FIELD_FLOAT,    /**< float */
    BEAMC_FIELD_DOUBLE,   /**< double */
    BEAMC_FIELD_STRING,   /**< beamc_slice, UTF-8 */
    BEAMC_FIELD_BOOL,     /**< bool */
    BEAMC_FIELD_BYTES,    /**< beamc_slice */
    BEAMC_FIELD_TIME,     /**< beamc_time; logical type millis_instant:v1 */
    BEAMC_FIELD_ROW,      /**< const T *, of `row` */
    BEAMC_FIELD_ARRAY,    /**< beamc_array of `element` */
    BEAMC_FIELD_ITERABLE, /**< beamc_array of `element` */
    BEAMC_FIELD_MAP,      /**< beamc_map from `key` to `element` */
    BEAMC_FIELD_DECIMAL /**< beamc_slice; logical type decimal:v1 as encoded: varint scale, then the
                               length-prefixed big-endian unscaled integer */
} beamc_field_type;

typedef struct beamc_field beamc_field;

/**
 * Elements of a container field. Each item is a beamc_value: integers and bools in i64, floats in
 * f64, strings and bytes in bytes, rows in row, containers behind row (a beamc_array * or
 * beamc_map *); a null item of a nullable element is a value whose `nullable` is NULL, and a
 * present one points to the value.
 */
typedef struct beamc_array {
    const beamc_value *items;
    size_t count;
} beamc_array;

typedef struct beamc_map {
    const beamc_kv *items;
    size_t count;
} beamc_map;

struct beamc_field {
    const char *name;
    beamc_field_type type;
    bool nullable;              /**< null allowed: the struct has a `bool has_<name>` */
    uint32_t offset;            /**< offsetof the member */
    uint32_t has_offset;        /**< offsetof `has_<name>`, when nullable */
    const beamc_row *row;       /**< of ROW */
    const beamc_field *element; /**< of ARRAY, ITERABLE, MAP: type and nullability of the items */
    const beamc_field *key;     /**< of MAP */
    const char *doc;            /**< one sentence, for --help and schemas */
    const char *default_text;   /**< for configuration: the value when none is given */
    const char
        *logical_urn; /**< logical type on the wire, or NULL; encoded as its representation */
    beamc_slice
        logical_extra; /**< serialized FieldType.logical_type of a foreign schema, or empty */
};

struct beamc_row {
    const char *name; /**< of the C type */
    uint32_t size;    /**< sizeof the C type */
    uint32_t field_count;
    const beamc_field *fields;
    const uint32_t
        *encoding_order;   /**< field indices by encoding position, or NULL: declared order */
    const char *schema_id; /**< Schema.id of a foreign schema, or NULL */
};

#define BEAMC_REQUIRED(struct_type, member, kind)                                                  \
    {                                                                                              \
#member, BEAMC_FIELD_##kind, false, (uint32_t)offsetof(struct_type, member), 0, 0, 0, 0,   \
            0, 0, 0, {                                                                             \
            0, 0                                                                                   \
        }                                                                                          \
    }
/** With documentation and a default, for configuration structs. */
#define BEAMC_CONFIG(struct_type, member, kind, default_value, text)                               \
    {                                                                                              \
#member, BEAMC_FIELD_##kind, false, (uint32_t)offsetof(struct_type, member), 0, 0, 0, 0,   \
            (text), (default_value), 0, {                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }
/** Nullable: the struct also has `bool has_<member>`. */
#define BEAMC_OPTIONAL(struct_type, member, kind)                                                  \
    {                                                                                              \
#member, BEAMC_FIELD_##kind, true, (uint32_t)offsetof(struct_type, member),                \
            (uint32_t)offsetof(struct_type, has_##member), 0, 0, 0, 0, 0, 0, {                     \
            0, 0                                                                                   \
        }                                                                                          \
    }
#define BEAMC_ROW(struct_type, field_table)                                                        \
    {                                                                                              \
#struct_type, (uint32_t)sizeof(struct_type),                                               \
            (uint32_t)(sizeof(field_table) / sizeof((field_table)[0])), (field_table), 0, 0        \
    }

/** Appends one JSON object, fields in declared order, spacing `{"a": 1, "b": "x"}`. Times as RFC 3339. Null
 * fields are left out. */
beamc_status beamc_row_to_json(const beamc_row *row, const void *value, beamc_buf *out,
                               beamc_error *err) BEAMC_MUST_USE;
/**
 * Fills @p out (row->size bytes) from one JSON object. Unknown members are an error that names the
 * nearest field; absent ones take their default. Strings are copied into @p arena.
 */
beamc_status beamc_row_from_json(const beamc_row *row, beamc_slice json, beamc_arena *arena,
                                 void *out, beamc_error *err) BEAMC_MUST_USE;
/** Fields set to their defaults (default_text, else zero). */
beamc_status beamc_row_defaults(const beamc_row *row, beamc_arena *arena, void *out,
                                beamc_error *err) BEAMC_MUST_USE;
/** A 64-bit fingerprint of names, types and order: two programs agree on a struct if it is equal. */
uint64_t beamc_row_fingerprint(const beamc_row *row);

/** Appends @p text as a JSON string, quotes included; ill-formed UTF-8 becomes U+FFFD. */
void beamc_json_put_string(beamc_buf *out, beamc_slice text);

#ifdef __cplusplus
}
#endif
#endif
