/* bundles.c: see the header. What is forgotten becomes a note for the database, "<sink>\\0<id>\\0", and goes
 * with the next transaction: forgetting costs no transaction of its own. */
#include "io/sqlite/bundles.h"

#include "io/common/files.h"

static void bind_text(sqlite3_stmt *s, int parameter, beamc_slice text) {
    sqlite3_bind_text64(s, parameter, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

beamc_status beamc__bundle_is_known(beamc_database *db, beamc_slice sink, beamc_slice id,
                                    bool *known, beamc_error *err) {
    int64_t count = 0;
    BEAMC_TRY(beamc__database_number(
        db, "SELECT count(*) FROM " BEAMC_BUNDLES_TABLE " WHERE sink = ? AND bundle_id = ?", sink,
        id, &count, err));
    *known = count != 0;
    return BEAMC_OK;
}

beamc_status beamc__bundle_record(beamc_database *db, beamc_slice sink, beamc_slice id,
                                  int64_t rows, beamc_error *err) {
    int64_t last = sqlite3_last_insert_rowid(beamc__database_handle(db));
    sqlite3_stmt *s;
    BEAMC_TRY(beamc__database_statement(db, "INSERT INTO " BEAMC_BUNDLES_TABLE " VALUES (?,?,?,?)",
                                        &s, err));
    bind_text(s, 1, sink);
    bind_text(s, 2, id);
    sqlite3_bind_int64(s, 3, last - rows + 1);
    sqlite3_bind_int64(s, 4, last);
    return beamc__database_step(db, s, err);
}

static beamc_status drop_each(beamc_database *db, beamc_slice notes, beamc_error *err) {
    sqlite3_stmt *s;
    BEAMC_TRY(beamc__database_statement(
        db, "DELETE FROM " BEAMC_BUNDLES_TABLE " WHERE sink = ? AND bundle_id = ?", &s, err));
    const char *stop = notes.ptr + notes.len;
    for (const char *sink = notes.ptr; sink < stop;) {
        const char *id = sink + strlen(sink) + 1;
        bind_text(s, 1, beamc_str(sink));
        bind_text(s, 2, beamc_str(id));
        BEAMC_TRY(beamc__database_step(db, s, err));
        sink = id + strlen(id) + 1;
    }
    return BEAMC_OK;
}

beamc_status beamc__bundles_drop_forgotten(beamc_database *db, size_t *done, beamc_error *err) {
    beamc_buf notes = {0};
    beamc__database_notes(db, &notes);
    *done = notes.len;
    beamc_status status = notes.len > 0 ? drop_each(db, beamc_buf_slice(&notes), err) : BEAMC_OK;
    beamc_buf_free(&notes);
    return status;
}

/* The argument is the path with its NUL, then the note. */
typedef struct forgotten {
    size_t size;
    char text[];
} forgotten;

static void forget(void *arg) {
    const forgotten *f = arg;
    size_t path = strlen(f->text) + 1;
    beamc__database_leave_note(f->text, beamc_slice_of(f->text + path, f->size - path));
}

beamc_status beamc__bundle_forget_when_done(beamc_ctx *ctx, const char *path, beamc_slice sink) {
    const char *id = beamc_ctx_bundle_id(ctx);
    size_t path_size = strlen(path) + 1;
    size_t id_size = strlen(id) + 1;
    size_t size = path_size + sink.len + 1 + id_size;
    forgotten *f = beamc_alloc(ctx, sizeof *f + size);
    f->size = size;
    char *at = f->text;
    memcpy(at, path, path_size);
    at += path_size;
    memcpy(at, sink.ptr, sink.len);
    at += sink.len;
    *at++ = '\0';
    memcpy(at, id, id_size);
    return beamc_finalize(ctx, forget, f, sizeof *f + size, BEAMC_IO_FORGET_MS);
}
