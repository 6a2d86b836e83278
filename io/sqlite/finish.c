/* finish.c: the unfinished SQLite file to the finished one. Rows of bundles that are in no list, since they
 * failed after their transaction, are removed; then the file is closed, synced and moved into place. It
 * may be run again after any interruption: when the unfinished file is gone, the finished one must hold
 * the rows that were listed. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/sqlite/sqlite.h"

typedef struct job {
    beamc_ctx *ctx;
    const beamc_sqlite_config *config;
    const char *path;    /* finished */
    const char *partial; /* unfinished */
    beamc_part_list parts;
} job;

static beamc_status bad_count(const job *j, beamc_slice table, int64_t found, int64_t wanted) {
    return beamc_fail(
        j->ctx, DATA_LOSS,
        "table %.*s of %s holds %lld rows, but %lld were written to it: something else "
        "changed the file while the job ran",
        BEAMC_SLICE_ARG(table), j->path, (long long)found, (long long)wanted);
}

static beamc_status count_rows(const job *j, beamc_database *db, beamc_slice table, int64_t *rows) {
    beamc_slice none = {0};
    return beamc__database_number(db,
                                  beamc_arena_printf(beamc_scratch_arena(j->ctx),
                                                     "SELECT count(*) FROM \"%.*s\"",
                                                     BEAMC_SLICE_ARG(table)),
                                  none, none, rows, beamc_ctx_error(j->ctx));
}

static beamc_status check_counts(const job *j, beamc_database *db) {
    beamc_slice list = j->config->tables;
    for (beamc_slice table; beamc__next_table(&list, &table);) {
        int64_t rows;
        int64_t wanted = beamc__parts_rows(beamc__parts_of(j->parts, table));
        BEAMC_TRY(count_rows(j, db, table, &rows));
        if (rows != wanted) {
            return bad_count(j, table, rows, wanted);
        }
    }
    return BEAMC_OK;
}

/* Removes the rows of bundles that are in no list. */
static beamc_status drop_unlisted(const job *j, beamc_database *db) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    BEAMC_TRY(beamc__database_run(
        db, "CREATE TEMP TABLE listed (sink TEXT, bundle_id TEXT, PRIMARY KEY (sink, bundle_id))",
        err));
    sqlite3_stmt *s;
    BEAMC_TRY(beamc__database_statement(db, "INSERT INTO temp.listed VALUES (?,?)", &s, err));
    for (size_t i = 0; i < j->parts.count; i++) {
        const beamc_part *p = &j->parts.items[i];
        sqlite3_bind_text64(s, 1, p->table.ptr, p->table.len, SQLITE_STATIC, SQLITE_UTF8);
        sqlite3_bind_text64(s, 2, p->name.ptr, p->name.len, SQLITE_STATIC, SQLITE_UTF8);
        BEAMC_TRY(beamc__database_step(db, s, err));
    }
    beamc_slice list = j->config->tables;
    for (beamc_slice table; beamc__next_table(&list, &table);) {
        BEAMC_TRY(beamc__database_run(
            db,
            beamc_arena_printf(
                beamc_scratch_arena(j->ctx),
                "DELETE FROM \"%.*s\" WHERE rowid IN (SELECT t.rowid FROM " BEAMC_BUNDLES_TABLE
                " b CROSS JOIN \"%.*s\" t ON t.rowid BETWEEN b.first_row AND b.last_row"
                " WHERE b.sink = '%.*s' AND NOT EXISTS (SELECT 1 FROM temp.listed l"
                " WHERE l.sink = b.sink AND l.bundle_id = b.bundle_id))",
                BEAMC_SLICE_ARG(table), BEAMC_SLICE_ARG(table), BEAMC_SLICE_ARG(table)),
            err));
    }
    return BEAMC_OK;
}

static beamc_status complete(const job *j, beamc_database *db) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    BEAMC_TRY(beamc__database_open(db, j->config->durable, err));
    const char *create = beamc_arena_cstr(beamc_scratch_arena(j->ctx), j->config->create);
    BEAMC_TRY(beamc__database_run(db, create, err));
    BEAMC_TRY(drop_unlisted(j, db));
    BEAMC_TRY(check_counts(j, db));
    BEAMC_TRY(beamc__database_run(db, "DROP TABLE " BEAMC_BUNDLES_TABLE, err));
    return j->config->durable ? beamc__database_settle(db, err) : BEAMC_OK;
}

static beamc_status move_into_place(const job *j) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    BEAMC_TRY(beamc__sync_path(j->partial, err));
    if (j->config->overwrite) { /* an old one's would be taken for the new one's */
        beamc__database_remove(j->path, true);
    }
    BEAMC_TRY(beamc__move_into_place(j->partial, j->path, j->config->overwrite, err));
    beamc_buf folder = {0};
    beamc__parent_folder(j->path, &folder);
    beamc_status status = beamc__sync_path((char *)folder.ptr, err);
    beamc_buf_free(&folder);
    return status;
}

/* Whether the finished file is in place already, by an attempt before this one. */
static beamc_status check_in_place(const job *j) {
    if (access(j->path, F_OK) != 0) {
        return beamc_fail(j->ctx, DATA_LOSS, "%s, which the job wrote, is not there any more",
                          j->partial);
    }
    beamc_database *db = beamc__database_get(j->path);
    beamc__database_lock(db);
    beamc_status status = beamc__database_open_readonly(db, beamc_ctx_error(j->ctx));
    if (status == BEAMC_OK) {
        status = check_counts(j, db);
    }
    beamc__database_close(db);
    beamc__database_unlock(db);
    beamc__database_put(db);
    return status;
}

static beamc_status finish(beamc_ctx *ctx, const beamc_elem *group) {
    const beamc_sqlite_config *c = beamc_config(ctx);
    beamc_arena *arena = beamc_scratch_arena(ctx);
    job j = {.ctx = ctx, .config = c};
    j.path = beamc_arena_cstr(arena, c->path);
    j.partial = beamc__sqlite_work_path(c, arena);
    BEAMC_TRY(beamc__parts_collect(ctx, group, &j.parts));
    if (access(j.partial, F_OK) != 0 && (j.parts.count > 0 || access(j.path, F_OK) == 0) &&
        !(c->overwrite && j.parts.count == 0)) {
        BEAMC_TRY(check_in_place(&j));
    } else {
        beamc_database *db = beamc__database_get(j.partial);
        beamc__database_lock(db);
        beamc_status status = complete(&j, db);
        beamc__database_close(db);
        if (status == BEAMC_OK) {
            status = move_into_place(&j);
        }
        beamc__database_unlock(db);
        beamc__database_put(db);
        BEAMC_TRY(status);
    }
    return beamc_emit(ctx, 0, beamc_value_bytes(beamc_str(j.path)));
}

#define FINISH_SQLITE                                                                              \
    .doc = "Completes the SQLite file and puts it in place.", .config = &beamc__sqlite_config_row, \
    .input = &beamc__parts_coder, .outputs[0] = {"files", &beamc_string}, .process = finish

const beamc_dofn beamc__finish_sqlite = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:finish_sqlite:v1",
    FINISH_SQLITE,
};

const beamc_dofn beamc__finish_sqlite_stable = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:finish_sqlite_stable:v1",
    .requires_stable_input = true,
    FINISH_SQLITE,
};
