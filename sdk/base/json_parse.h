/* json_parse.h: what lies under <beamc/json.h>. */
#ifndef BEAMC_BASE_JSON_PARSE_H
#define BEAMC_BASE_JSON_PARSE_H

#include <beamc/buf.h>
#include <beamc/json.h>

/* A wanted member. @p head: the first eight bytes of its name, zeros behind a shorter one. */
typedef struct beamc_json_name {
    beamc_slice text;
    uint64_t head;
} beamc_json_name;

typedef struct beamc_json_names {
    const beamc_json_name *names;
    size_t count;
} beamc_json_names;

static inline beamc_json_name beamc_json_name_of(beamc_slice text) {
    beamc_json_name name = {text, 0};
    memcpy(&name.head, text.ptr, text.len < 8 ? text.len : 8);
    return name;
}

/* Validates one JSON object and fills @p fields, one for each wanted name. Strings without escapes
 * point into @p text, the others into @p strings. Reads nothing behind @p text. */
beamc_status beamc__json_parse(beamc_slice text, const beamc_json_names *wanted,
                               beamc_json_field *fields, beamc_buf *strings,
                               beamc_error *err) BEAMC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
