/* config.c: what the SQLite sink's DoFns are told, and the file that they work on. */
#include "io/sqlite/sqlite.h"

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_sqlite_config, path, STRING, "", "The finished file."),
    BEAMC_CONFIG(beamc_sqlite_config, job, STRING, "", "Names the unfinished file."),
    BEAMC_CONFIG(beamc_sqlite_config, tables, STRING, "", "Name of the table, or of all tables."),
    BEAMC_CONFIG(beamc_sqlite_config, create, STRING, "", "SQL that makes the tables."),
    BEAMC_CONFIG(beamc_sqlite_config, overwrite, BOOL, "false", "Replace the file."),
    BEAMC_CONFIG(beamc_sqlite_config, in_place, BOOL, "false", "Rows go into the finished file."),
    BEAMC_CONFIG(beamc_sqlite_config, durable, BOOL, "false", "The job may be continued."),
};
const beamc_row beamc__sqlite_config_row = BEAMC_ROW(beamc_sqlite_config, config_fields);

const char *beamc__sqlite_work_path(const beamc_sqlite_config *config, beamc_arena *arena) {
    if (config->in_place) {
        return beamc_arena_cstr(arena, config->path);
    }
    return beamc_arena_printf(arena, "%.*s" BEAMC_SQLITE_PARTIAL "%.*s",
                              BEAMC_SLICE_ARG(config->path), BEAMC_SLICE_ARG(config->job));
}

const char *beamc__sqlite_marker_path(const beamc_sqlite_config *config, beamc_arena *arena) {
    const char *path = beamc_arena_cstr(arena, config->path);
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash + 1 - path) : 0;
    return beamc_arena_printf(arena, "%.*s.beamc-%.*s.%s", folder, path,
                              BEAMC_SLICE_ARG(config->job), path + folder);
}

beamc_status beamc__sqlite_open(beamc_database *db, const beamc_sqlite_config *config,
                                const char *marker, beamc_error *err) {
    if (config->in_place) {
        const beamc_database_place place = {.job = config->job,
                                            .overwrite = config->overwrite,
                                            .durable = config->durable,
                                            .marker = marker};
        return beamc__database_open_in_place(db, &place, err);
    }
    return beamc__database_open(db, config->durable, err);
}

static beamc_status create(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_sqlite_config *c = beamc_config(ctx);
    beamc_arena *arena = beamc_scratch_arena(ctx);
    beamc_error *err = beamc_ctx_error(ctx);
    beamc_database *db = beamc__database_get(beamc__sqlite_work_path(c, arena));
    beamc__database_lock(db);
    beamc_status status = beamc__sqlite_open(db, c, beamc__sqlite_marker_path(c, arena), err);
    if (status == BEAMC_OK) {
        status = beamc__database_run(db, beamc_arena_cstr(arena, c->create), err);
    }
    beamc__database_unlock(db);
    beamc__database_put(db);
    BEAMC_TRY(status);
    return beamc_emit(ctx, 0, beamc_value_bytes(c->path));
}

const beamc_dofn beamc__create_sqlite = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:create_sqlite:v1",
    .doc = "Makes the tables of a SQLite file that is written in place.",
    .config = &beamc__sqlite_config_row,
    .input = &beamc_bytes,
    .outputs[0] = {"files", &beamc_string},
    .process = create,
};
