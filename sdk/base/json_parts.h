/* json_parts.h: what lies under <beamc/json.h>: the quick reader (simdjson) and the strict one. */
#ifndef BEAMC_BASE_JSON_PARTS_H
#define BEAMC_BASE_JSON_PARTS_H

#include <beamc/buf.h>
#include <beamc/json.h>

#ifdef __cplusplus
extern "C" {
#endif

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

typedef struct beamc_json_simd beamc_json_simd;

beamc_json_simd *beamc__json_simd_new(void);
void beamc__json_simd_free(beamc_json_simd *simd);
/* True: valid, and @p fields are filled. False: refused, for a fault of the text or for a limit of
 * simdjson: the strict reader has to decide. Needs BEAMC_JSON_PADDING bytes behind @p text. */
bool beamc__json_simd_read(beamc_json_simd *simd, beamc_slice text, const beamc_json_names *wanted,
                           beamc_json_field *fields);

/* Decides by the grammar alone, byte by byte. Unescaped strings are put into @p strings. */
beamc_status beamc__json_strict_read(beamc_slice text, const beamc_json_names *wanted,
                                     beamc_json_field *fields, beamc_buf *strings,
                                     beamc_error *err) BEAMC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
