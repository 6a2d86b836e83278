/* schema.c: row tables as SQLite tables. */
#include "io/sqlite/database.h"

static const char *type_of(const beamc_field *f) {
    switch (f->type) {
    case BEAMC_FIELD_BYTE:
    case BEAMC_FIELD_I16:
    case BEAMC_FIELD_I32:
    case BEAMC_FIELD_I64:
    case BEAMC_FIELD_BOOL:
        return "INTEGER";
    case BEAMC_FIELD_FLOAT:
    case BEAMC_FIELD_DOUBLE:
        return "REAL";
    case BEAMC_FIELD_STRING:
    case BEAMC_FIELD_TIME:
        return "TEXT";
    case BEAMC_FIELD_BYTES:
        return "BLOB";
    default:
        return NULL;
    }
}

static void put_name(beamc_buf *out, const char *name) {
    beamc_buf_put_u8(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"') {
            beamc_buf_put_u8(out, '"');
        }
        beamc_buf_put_u8(out, (unsigned char)*name);
    }
    beamc_buf_put_u8(out, '"');
}

beamc_status beamc__sqlite_create_text(const beamc_row *row, const char *table, beamc_buf *out,
                                       beamc_error *err) {
    beamc_buf_put_str(out, "CREATE TABLE IF NOT EXISTS ");
    put_name(out, table);
    for (uint32_t i = 0; i < row->field_count; i++) {
        const beamc_field *f = &row->fields[i];
        if (type_of(f) == NULL) {
            return BEAMC_FAIL(
                err, INVALID_ARGUMENT,
                "field %s of table %s is a list, map, row or decimal, which a column of SQLite "
                "cannot hold: turn it into a text first",
                f->name, table);
        }
        beamc_buf_put_str(out, i == 0 ? " (" : ", ");
        put_name(out, f->name);
        beamc_buf_printf(out, " %s%s", type_of(f), f->nullable ? "" : " NOT NULL");
    }
    if (row->field_count == 0) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "the rows of table %s have no fields", table);
    }
    beamc_buf_put_str(out, ")");
    return BEAMC_OK;
}

void beamc__sqlite_insert_text(const beamc_row *row, const char *table, size_t rows,
                               beamc_buf *out) {
    beamc_buf_put_str(out, "INSERT INTO ");
    put_name(out, table);
    beamc_buf_put_str(out, " VALUES ");
    for (size_t r = 0; r < rows; r++) {
        beamc_buf_put_str(out, r == 0 ? "(" : ",(");
        for (uint32_t i = 0; i < row->field_count; i++) {
            beamc_buf_put_str(out, i == 0 ? "?" : ",?");
        }
        beamc_buf_put_str(out, ")");
    }
}

int beamc__sqlite_bind(beamc_ctx *ctx, sqlite3_stmt *statement, int first, const beamc_row *row,
                       const void *value) {
    const char *base = value;
    int rc = SQLITE_OK;
    for (uint32_t i = 0; i < row->field_count && rc == SQLITE_OK; i++) {
        const beamc_field *f = &row->fields[i];
        const void *at = base + f->offset;
        int p = first + (int)i;
        if (f->nullable && !*(const bool *)(base + f->has_offset)) {
            rc = sqlite3_bind_null(statement, p);
            continue;
        }
        switch (f->type) {
        case BEAMC_FIELD_BYTE:
            rc = sqlite3_bind_int64(statement, p, *(const int8_t *)at);
            break;
        case BEAMC_FIELD_I16:
            rc = sqlite3_bind_int64(statement, p, *(const int16_t *)at);
            break;
        case BEAMC_FIELD_I32:
            rc = sqlite3_bind_int64(statement, p, *(const int32_t *)at);
            break;
        case BEAMC_FIELD_I64:
            rc = sqlite3_bind_int64(statement, p, *(const int64_t *)at);
            break;
        case BEAMC_FIELD_BOOL:
            rc = sqlite3_bind_int64(statement, p, *(const bool *)at);
            break;
        case BEAMC_FIELD_FLOAT:
            rc = sqlite3_bind_double(statement, p, (double)*(const float *)at);
            break;
        case BEAMC_FIELD_DOUBLE:
            rc = sqlite3_bind_double(statement, p, *(const double *)at);
            break;
        case BEAMC_FIELD_TIME: {
            beamc_slice text = beamc_format_time(ctx, *(const beamc_time *)at);
            rc = sqlite3_bind_text64(statement, p, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
        case BEAMC_FIELD_STRING: {
            const beamc_slice *s = at;
            const char *text = s->ptr != NULL ? s->ptr : "";
            rc = sqlite3_bind_text64(statement, p, text, s->len, SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
        case BEAMC_FIELD_BYTES: {
            const beamc_slice *s = at;
            const char *bytes = s->ptr != NULL ? s->ptr : "";
            rc = sqlite3_bind_blob64(statement, p, bytes, s->len, SQLITE_STATIC);
            break;
        }
        default:
            rc = SQLITE_MISMATCH; /* beamc__sqlite_create_text let no such field pass */
            break;
        }
    }
    return rc;
}
