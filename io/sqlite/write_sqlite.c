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

/* The folder is there and can be written to; the file is not there, or may be replaced. Gives the folder
 * as an absolute path. */
static bool check_file(beamc_pipeline *pipeline, const beamc_write_options *o,
                       char folder[PATH_MAX]) {
    beamc_error err = {0};
    beamc_buf parent = {0};
    beamc__parent_folder(o->path, &parent);
    struct stat st;
    bool ok = true;
    /* Of a job that may be continued, the file may be there; whether it is its own is seen when it is
     * opened or put in place. */
    if (realpath((char *)parent.ptr, folder) == NULL || access(folder, W_OK | X_OK) != 0) {
        beamc__output_error(&err, errno, "write to the folder", (char *)parent.ptr);
        ok = refuse(pipeline, &err);
    } else if (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        BEAMC_FAIL(&err, DATA_LOSS, "output %s is not a file: name a file for the SQLite database",
                   o->path);
        ok = refuse(pipeline, &err);
    } else if (!o->overwrite && o->job == NULL && access(o->path, F_OK) == 0) {
        BEAMC_FAIL(&err, ALREADY_EXISTS,
                   "output %s exists: add --overwrite to replace it, or write to another file",
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

/* Names the job; what it, and jobs that died before it, leave unfinished is removed. */
static void begin_job(beamc_sqlite_config *config, const beamc_write_options *o, const char *folder,
                      const char *name, char token[BEAMC_JOB_TOKEN_MAX], beamc_arena *arena) {
    config->durable = o->job != NULL;
    if (o->job != NULL) {
        beamc__lasting_token(o->job, token);
        config->job = beamc_str(token);
        return;
    }
    beamc__job_token(token);
    config->job = beamc_str(token);
    beamc__remove_dead_jobs(folder, beamc_arena_printf(arena, "%s" BEAMC_SQLITE_PARTIAL, name));
    if (!config->in_place) {
        beamc__remove_at_exit(beamc__sqlite_work_path(config, arena));
    }
}

static void build(beamc_pipeline *pipeline, const char *label, const beamc_sink_table *tables,
                  size_t count, beamc_sqlite_config *config, beamc_arena *arena) {
    beamc_buf names = {0};
    beamc__join_tables(tables, count, &names);
    beamc_pcoll *parts = beamc_arena_zalloc(arena, (count + 1) * sizeof *parts);
    beamc_composite_begin(pipeline, label);
    for (size_t i = 0; i < count; i++) {
        beamc_sqlite_config of_table = *config;
        of_table.tables = beamc_str(tables[i].name);
        of_table.create = (beamc_slice){0};
        parts[i] = beamc__write_table(&tables[i], false, &beamc_to_sqlite, &of_table);
    }
    config->tables = beamc_buf_slice(&names);
    if (config->in_place) {
        beamc_pcoll impulse = beamc_impulse(pipeline, "Impulse");
        beamc_pardo(impulse, "Create", &beamc__create_sqlite, .config = config);
    } else {
        beamc__finish_tables(pipeline, parts, count, false, &beamc__finish_sqlite, config);
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
    char folder[PATH_MAX];
    beamc_buf create = {0};
    if (!beamc__check_tables(pipeline, label, tables, count) ||
        !check_file(pipeline, &options, folder) || !create_sql(pipeline, tables, count, &create)) {
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
    begin_job(&config, &options, folder, name, token, arena);
    build(pipeline, label, tables, count, &config, arena);
    beamc_buf_free(&create);
    beamc_arena_free(arena);
}
