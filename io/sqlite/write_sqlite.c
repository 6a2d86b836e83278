/* write_sqlite.c: the SQLite sink as a transform, and what is checked before a job starts. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/sqlite/sqlite.h"

static bool refuse(beamc_pipeline *pipeline, const beamc_error *err) {
    beamc_pipeline_fail(pipeline, err->code, "%s", err->message);
    return false;
}

/* The folder is there and can be written to. Gives it as an absolute path. */
static bool check_folder(beamc_pipeline *pipeline, const beamc_write_options *o,
                         char folder[PATH_MAX]) {
    beamc_error err = {0};
    beamc_buf parent = {0};
    beamc__parent_folder(o->path, &parent);
    struct stat st;
    bool ok = true;
    if (realpath((char *)parent.ptr, folder) == NULL || access(folder, W_OK | X_OK) != 0) {
        beamc__output_error(&err, errno, "write to the folder", (char *)parent.ptr);
        ok = refuse(pipeline, &err);
    } else if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        BEAMC_FAIL(&err, DATA_LOSS, "output %s is not a file: name a file for the SQLite database",
                   o->path);
        ok = refuse(pipeline, &err);
    }
    beamc_buf_free(&parent);
    return ok;
}

static bool create_sql(beamc_pipeline *pipeline, const beamc_sink_table *tables, size_t count,
                       beamc_buf *out) {
    beamc_error err = {0};
    for (size_t i = 0; i < count; i++) {
        const beamc_row *row = beamc_pcoll_coder(tables[i].rows)->row;
        if (strncasecmp(tables[i].name, "sqlite_", 7) == 0 ||
            strcasecmp(tables[i].name, BEAMC_BUNDLES_TABLE) == 0) {
            BEAMC_FAIL(&err, INVALID_ARGUMENT, "SQLite keeps the table name %s for itself",
                       tables[i].name);
            return refuse(pipeline, &err);
        }
        if (beamc__sqlite_create_text(row, tables[i].name, out, &err) != BEAMC_OK) {
            return refuse(pipeline, &err);
        }
        beamc_buf_put_str(out, ";");
    }
    return true;
}

static bool check_absent(beamc_pipeline *pipeline, const char *path) {
    if (access(path, F_OK) != 0) {
        return true;
    }
    beamc_error err = {0};
    BEAMC_FAIL(&err, ALREADY_EXISTS,
               "output %s exists: add --overwrite to replace it, or write to another file", path);
    return refuse(pipeline, &err);
}

/* One that can be continued leaves a marker: where there is one, the job began before, and the file is its
 * own, or is found not to be when it is opened or put in place. */
static bool begin_lasting_job(beamc_pipeline *pipeline, const beamc_sqlite_config *config,
                              const beamc_write_options *o, beamc_arena *arena) {
    const char *marker = beamc__sqlite_marker_path(config, arena);
    bool began_before = access(marker, F_OK) == 0;
    if (!began_before && !o->overwrite && !check_absent(pipeline, o->path)) {
        return false;
    }
    beamc_error err = {0};
    return beamc__marker_make(marker, &err) == BEAMC_OK || refuse(pipeline, &err);
}

/* Names the job. What one that cannot be continued, and those like it that died, leave unfinished is
 * removed. */
static bool begin_job(beamc_pipeline *pipeline, beamc_sqlite_config *config,
                      const beamc_write_options *o, const char *folder, const char *name,
                      char token[BEAMC_JOB_TOKEN_MAX], beamc_arena *arena) {
    config->durable = o->job != NULL;
    if (config->durable) {
        beamc__lasting_token(o->job, token);
        config->job = beamc_str(token);
        return begin_lasting_job(pipeline, config, o, arena);
    }
    if (!o->overwrite && !check_absent(pipeline, o->path)) {
        return false;
    }
    beamc__job_token(token);
    config->job = beamc_str(token);
    beamc__remove_dead_jobs(folder, beamc_arena_printf(arena, "%s" BEAMC_SQLITE_PARTIAL, name));
    if (!config->in_place) {
        beamc__remove_at_exit(beamc__sqlite_work_path(config, arena));
    }
    return true;
}

static void build(beamc_pipeline *pipeline, const char *label, const beamc_sink_table *tables,
                  size_t count, beamc_sqlite_config *config, beamc_arena *arena) {
    beamc_buf names = {0};
    beamc__join_tables(tables, count, &names);
    beamc_pcoll *parts = beamc_arena_zalloc(arena, (count + 1) * sizeof *parts);
    const beamc_dofn *write = config->in_place  ? &beamc__to_sqlite_in_place
                              : config->durable ? &beamc__to_sqlite_stable
                                                : &beamc_to_sqlite;
    const beamc_dofn *finish =
        config->durable ? &beamc__finish_sqlite_stable : &beamc__finish_sqlite;
    beamc_composite_begin(pipeline, label);
    for (size_t i = 0; i < count; i++) {
        beamc_sqlite_config of_table = *config;
        of_table.tables = beamc_str(tables[i].name);
        of_table.create = (beamc_slice){0};
        parts[i] = beamc__write_table(&tables[i], false, write, &of_table);
    }
    config->tables = beamc_buf_slice(&names);
    if (config->in_place) {
        beamc_pcoll impulse = beamc_impulse(pipeline, "Impulse");
        beamc_pardo(impulse, "Create", &beamc__create_sqlite, .config = config);
    } else {
        beamc__finish_tables(pipeline, parts, count, false, finish, config);
    }
    beamc_composite_end(pipeline);
    beamc_buf_free(&names);
}

void beamc_write_sqlite_with(beamc_pipeline *pipeline, const char *label,
                             const beamc_sink_table *tables, size_t count,
                             beamc_write_options options) {
    beamc_error ignored;
    if (beamc_pipeline_status(pipeline, &ignored) != BEAMC_OK) {
        return; /* nothing will run: leave the disk alone */
    }
    if (options.path == NULL || options.path[0] == '\0' || count == 0) {
        beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                            "%s: %s: set .path and give at least one table", label,
                            count == 0 ? "no tables" : "no output file");
        return;
    }
    if (beamc_pipeline_runner(pipeline) != NULL && !beamc_pipeline_runs_locally(pipeline)) {
        beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT, "%s: " BEAMC_SQLITE_IS_LOCAL, label);
        return;
    }
    options.job = options.job != NULL ? options.job : beamc_pipeline_job(pipeline);
    char folder[PATH_MAX];
    beamc_buf create = {0};
    if (!beamc__check_tables(pipeline, label, tables, count) ||
        !check_folder(pipeline, &options, folder) ||
        !create_sql(pipeline, tables, count, &create)) {
        beamc_buf_free(&create);
        return;
    }
    const char *slash = strrchr(options.path, '/');
    const char *name = slash != NULL ? slash + 1 : options.path;
    beamc_arena *arena = beamc_arena_new(0);
    char token[BEAMC_JOB_TOKEN_MAX];
    beamc_sqlite_config config = {
        .path = beamc_str(beamc_arena_printf(arena, "%s/%s", folder, name)),
        .create = beamc_buf_slice(&create),
        .overwrite = options.overwrite,
        .in_place = beamc__tables_unbounded(tables, count),
    };
    if (begin_job(pipeline, &config, &options, folder, name, token, arena)) {
        build(pipeline, label, tables, count, &config, arena);
    }
    beamc_buf_free(&create);
    beamc_arena_free(arena);
}
