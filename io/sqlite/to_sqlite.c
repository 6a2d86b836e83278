/* to_sqlite.c: rows into a table of a SQLite file. A bundle's rows are kept, encoded, until it ends, and go
 * in by one transaction, together with a record of which rows they are.
 *
 * Bounded tables go into a file that is finished later. Attempts have names there that no other one has, and
 * the finishing DoFn removes the rows of those that are not in its list, since they failed behind this step.
 *
 * Where the job may be continued, and for unbounded tables, which go into the file itself, there is stable
 * input: a bundle that comes again is the same, and is skipped if it is in the record. */
#include "io/sqlite/sqlite.h"

#include <sys/random.h>

#include "io/common/files.h"
#include "io/sqlite/bundles.h"

enum { ROWS_A_STATEMENT = 20, PARAMETERS_MAX = 900 };

typedef struct instance {
    const beamc_coder *coder;
    beamc_database *db;
    const char *path; /* of db */
    const char *marker;
    uint64_t random; /* of this instance: names bundles */
    uint64_t number;
    beamc_metric *rows_written;
    const char *create_sql;
    const char *insert_one_sql;
    const char *insert_many_sql;
    size_t many; /* rows of it */
    beamc_buf encoded;
    int64_t rows;
    beamc_time last_time;
    beamc_window last_window;
} instance;

static const char *keep_text(beamc_ctx *ctx, beamc_buf *text) {
    const char *kept = beamc_arena_cstr(beamc_instance_arena(ctx), beamc_buf_slice(text));
    beamc_buf_free(text);
    return kept;
}

/* The SQL of this step's table. */
static beamc_status make_sql(beamc_ctx *ctx, instance *in, const char *table) {
    const beamc_row *row = in->coder->row;
    beamc_buf text = {0};
    beamc_status status = beamc__sqlite_create_text(row, table, &text, beamc_ctx_error(ctx));
    in->create_sql = keep_text(ctx, &text);
    BEAMC_TRY(status);
    in->many = PARAMETERS_MAX / row->field_count;
    in->many = in->many > ROWS_A_STATEMENT ? ROWS_A_STATEMENT : in->many;
    in->many = in->many > 0 ? in->many : 1;
    beamc__sqlite_insert_text(row, table, 1, &text);
    in->insert_one_sql = keep_text(ctx, &text);
    beamc__sqlite_insert_text(row, table, in->many, &text);
    in->insert_many_sql = keep_text(ctx, &text);
    return BEAMC_OK;
}

static beamc_status setup(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_sqlite_config *c = beamc_config(ctx);
    in->coder = beamc_input_coder(ctx);
    if (in->coder == NULL || in->coder->kind != BEAMC_CODER_ROW || in->coder->row == NULL) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "ToSqlite takes rows, not other elements");
    }
    if (!beamc__runs_locally(ctx)) {
        return beamc_fail(ctx, INVALID_ARGUMENT, BEAMC_SQLITE_IS_LOCAL);
    }
    beamc_arena *arena = beamc_instance_arena(ctx);
    BEAMC_TRY(make_sql(ctx, in, beamc_arena_cstr(arena, c->tables)));
    in->rows_written =
        beamc_counter(ctx, "beamc_io",
                      beamc_arena_printf(arena, "%.*s_rows_written", BEAMC_SLICE_ARG(c->tables)));
    in->path = beamc__sqlite_work_path(c, arena);
    in->marker = beamc__sqlite_marker_path(c, arena);
    in->db = beamc__database_get(in->path);
    if (getrandom(&in->random, sizeof in->random, 0) != (ssize_t)sizeof in->random) {
        return beamc_fail(ctx, INTERNAL, "the system has no random numbers");
    }
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *elem) {
    instance *in = beamc_instance(ctx);
    in->rows++;
    in->last_time = beamc_timestamp(ctx);
    in->last_window = beamc_current_window(ctx);
    return beamc_encode(in->coder, elem, true, &in->encoded, beamc_ctx_error(ctx));
}

/* Decodes @p count rows off the front of @p rest and puts them in with one statement. */
static beamc_status insert_some(beamc_ctx *ctx, instance *in, beamc_slice *rest, const char *sql,
                                size_t count) {
    beamc_error *err = beamc_ctx_error(ctx);
    beamc_arena *arena = beamc_scratch_arena(ctx);
    beamc_arena_mark mark = beamc_arena_get_mark(arena);
    sqlite3_stmt *statement;
    BEAMC_TRY(beamc__database_statement(in->db, sql, &statement, err));
    const beamc_row *row = in->coder->row;
    for (size_t i = 0; i < count; i++) {
        beamc_value value;
        BEAMC_TRY(beamc_decode(in->coder, rest, true, arena, &value, err));
        int rc =
            beamc__sqlite_bind(ctx, statement, 1 + (int)(i * row->field_count), row, value.row);
        if (rc != SQLITE_OK) {
            return beamc__database_error(in->db, rc, err);
        }
    }
    BEAMC_TRY(beamc__database_step(in->db, statement, err));
    beamc_arena_rewind(arena, mark);
    return BEAMC_OK;
}

static bool is_stable(const beamc_sqlite_config *c) {
    return c->in_place || c->durable;
}

/* The bundle's name in the record. */
static beamc_slice name_bundle(beamc_ctx *ctx, instance *in) {
    const beamc_sqlite_config *c = beamc_config(ctx);
    if (is_stable(c)) {
        return beamc_str(beamc_ctx_bundle_id(ctx));
    }
    return beamc_format(ctx, "%s-%016llx-%llu", beamc_ctx_bundle_id(ctx),
                        (unsigned long long)in->random, (unsigned long long)in->number++);
}

/* All in one transaction, which the caller ends. */
static beamc_status insert_all(beamc_ctx *ctx, instance *in, beamc_slice name) {
    const beamc_sqlite_config *c = beamc_config(ctx);
    beamc_error *err = beamc_ctx_error(ctx);
    BEAMC_TRY(beamc__database_run(in->db, in->create_sql, err));
    beamc_slice rest = beamc_buf_slice(&in->encoded);
    size_t left = (size_t)in->rows;
    for (; left >= in->many; left -= in->many) {
        BEAMC_TRY(insert_some(ctx, in, &rest, in->insert_many_sql, in->many));
    }
    for (; left > 0; left--) {
        BEAMC_TRY(insert_some(ctx, in, &rest, in->insert_one_sql, 1));
    }
    return beamc__bundle_record(in->db, c->tables, name, in->rows, err);
}

static beamc_status run_transaction(beamc_ctx *ctx, instance *in, beamc_slice name) {
    beamc_error *err = beamc_ctx_error(ctx);
    size_t forgotten = 0;
    BEAMC_TRY(beamc__database_run(in->db, "BEGIN IMMEDIATE", err));
    beamc_status status = insert_all(ctx, in, name);
    if (status == BEAMC_OK) {
        status = beamc__bundles_drop_forgotten(in->db, &forgotten, err);
    }
    if (status == BEAMC_OK) {
        status = beamc__database_run(in->db, "COMMIT", err);
    }
    if (status == BEAMC_OK) {
        beamc__database_notes_done(in->db, forgotten);
    } else {
        (void)sqlite3_exec(beamc__database_handle(in->db), "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* With the database's lock held. */
static beamc_status commit_bundle(beamc_ctx *ctx, instance *in, beamc_slice name) {
    const beamc_sqlite_config *c = beamc_config(ctx);
    beamc_error *err = beamc_ctx_error(ctx);
    BEAMC_TRY(beamc__sqlite_open(in->db, c, in->marker, err));
    if (c->in_place) {
        BEAMC_TRY(beamc__database_check_place(in->db, err));
    }
    if (is_stable(c)) {
        bool known;
        BEAMC_TRY(beamc__bundle_is_known(in->db, c->tables, name, &known, err));
        if (known) {
            return BEAMC_OK;
        }
    }
    return run_transaction(ctx, in, name);
}

static beamc_status emit_part(beamc_ctx *ctx, const instance *in, beamc_slice name) {
    const beamc_sqlite_config *c = beamc_config(ctx);
    beamc_part *part = beamc_new(ctx, beamc_part);
    part->table = c->tables;
    part->name = name;
    part->rows = in->rows;
    part->bytes = (int64_t)in->encoded.len;
    return beamc_emit_in(ctx, 0, in->last_time, in->last_window, beamc_value_row(part));
}

static beamc_status finish_bundle(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_sqlite_config *c = beamc_config(ctx);
    if (in->rows == 0) {
        return BEAMC_OK;
    }
    beamc_slice name = name_bundle(ctx, in);
    beamc__database_lock(in->db);
    beamc_status status = commit_bundle(ctx, in, name);
    beamc__database_unlock(in->db);
    BEAMC_TRY(status);
    beamc_counter_add(in->rows_written, in->rows);
    status = c->in_place ? beamc__bundle_forget_when_done(ctx, in->path, c->tables)
                         : emit_part(ctx, in, name);
    in->rows = 0;
    if (in->encoded.cap > 16 << 20) {
        beamc_buf_free(&in->encoded);
    }
    beamc_buf_clear(&in->encoded);
    return status;
}

static void teardown(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    if (in->db != NULL) {
        beamc__database_put(in->db);
    }
    beamc_buf_free(&in->encoded);
}

#define TO_SQLITE                                                                                  \
    .doc = "Rows into a table of a SQLite file, one transaction for each bundle.",                 \
    .config = &beamc__sqlite_config_row, .instance_size = sizeof(instance),                        \
    .outputs[0] = {"parts", &beamc__part_coder}, .observes_window = true, .setup = setup,          \
    .process = process, .finish_bundle = finish_bundle, .teardown = teardown

const beamc_dofn beamc_to_sqlite = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_sqlite:v1",
    TO_SQLITE,
};

const beamc_dofn beamc__to_sqlite_stable = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_sqlite_stable:v1",
    .requires_stable_input = true,
    TO_SQLITE,
};

const beamc_dofn beamc__to_sqlite_in_place = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_sqlite_in_place:v1",
    .requires_finalization = true,
    .requires_stable_input = true,
    TO_SQLITE,
};
