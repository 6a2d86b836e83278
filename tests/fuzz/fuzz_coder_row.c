/* fuzz_coder_row.c: rows of any schema. One byte is the length of the serialized Schema, which comes
 * next, then the row. A schema that is accepted is written back to one that means the same. */
#include "coder/schema.h"

#include "fuzz_coder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_schema(const beamc_row *row, beamc_arena *arena) {
    beamc_slice again;
    const beamc_row *second;
    beamc_error err = {0};
    if (beamc__schema_from_row(row, arena, &again, &err) != BEAMC_OK) {
        return; /* nested too deep to be written */
    }
    require(beamc__schema_to_row(again, arena, &second, &err) == BEAMC_OK);
    require(beamc_row_fingerprint(second) == beamc_row_fingerprint(row));
}

static void check_json(const beamc_row *row, beamc_slice bytes, beamc_arena *arena) {
    const beamc_coder c = BEAMC_ROW_CODER(row);
    beamc_value v;
    beamc_buf json = {0};
    if (beamc_decode(&c, &bytes, true, arena, &v, NULL) == BEAMC_OK &&
        beamc_row_to_json(row, v.row, &json, NULL) == BEAMC_OK) {
        require(json.len >= 2 && json.ptr[0] == '{');
    }
    beamc_buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(data, size));
    unsigned len;
    beamc_slice schema;
    const beamc_row *row;
    beamc_error err = {0};
    if (beamc_get_u8(&in, &len) && beamc_get_bytes(&in, len, &schema)) {
        if (beamc__schema_to_row(schema, arena, &row, &err) == BEAMC_OK) {
            const beamc_coder c = BEAMC_ROW_CODER(row);
            beamc_slice bytes = beamc_slice_of(in.p, beamc_cursor_left(&in));
            check_schema(row, arena);
            check_json(row, bytes, arena);
            check_coder(&c, bytes, true, NULL, NULL);
            check_coder(&c, bytes, false, NULL, NULL);
        } else {
            require(err.message[0] != '\0');
        }
    }
    beamc_arena_free(arena);
    return 0;
}
