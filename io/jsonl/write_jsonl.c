/* write_jsonl.c: the JSON lines sink as a transform, and what is checked before a job starts. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/jsonl/jsonl.h"

/* The folder is there, or is made, can be written to, and holds none of the tables yet. */
static bool check_folder(beamc_pipeline *pipeline, const beamc_sink_table *tables, size_t count,
                         const beamc_write_options *o) {
    beamc_error err = {0};
    if (beamc__make_folder(o->path, &err) != BEAMC_OK) {
        beamc_pipeline_fail(pipeline, err.code, "%s", err.message);
        return false;
    }
    if (access(o->path, W_OK | X_OK) != 0) {
        beamc__output_error(&err, errno, "write to", o->path);
        beamc_pipeline_fail(pipeline, err.code, "%s", err.message);
        return false;
    }
    beamc_buf path = {0};
    bool ok = true;
    for (size_t i = 0; i < count && ok && !o->overwrite; i++) {
        beamc_buf_clear(&path);
        beamc_buf_printf(&path, "%s/%s.jsonl", o->path, tables[i].name);
        beamc_buf_put_u8(&path, 0);
        if (access((char *)path.ptr, F_OK) == 0) {
            ok = false;
            beamc_pipeline_fail(
                pipeline, BEAMC_ALREADY_EXISTS,
                "output %s exists: add --overwrite to replace it, or write to another "
                "folder",
                (char *)path.ptr);
        }
    }
    beamc_buf_free(&path);
    return ok;
}

/* What this job, and jobs that died before it, leave behind. */
static void clean_up(const beamc_write_options *o, const char *token) {
    beamc__remove_dead_jobs(o->path, BEAMC_JSONL_PARTS_PREFIX);
    beamc_buf path = {0};
    beamc_buf_printf(&path, "%s/" BEAMC_JSONL_PARTS_PREFIX "%s", o->path, token);
    beamc_buf_put_u8(&path, 0);
    beamc__remove_at_exit((char *)path.ptr);
    beamc_buf_free(&path);
}

void beamc_write_jsonl_with(beamc_pipeline *pipeline, const char *label,
                            const beamc_sink_table *tables, size_t count,
                            beamc_write_options options) {
    beamc_error ignored;
    if (beamc_pipeline_status(pipeline, &ignored) != BEAMC_OK) {
        return; /* nothing will run: leave the disk alone */
    }
    if (options.path == NULL || options.path[0] == '\0' || count == 0) {
        beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                            "%s: %s: set .path and give at least one table", label,
                            count == 0 ? "no tables" : "no output folder");
        return;
    }
    if (!beamc__check_tables(pipeline, label, tables, count) ||
        !check_folder(pipeline, tables, count, &options)) {
        return;
    }
    char token[BEAMC_JOB_TOKEN_MAX];
    beamc__job_token(token);
    clean_up(&options, token);

    char folder[PATH_MAX]; /* a worker may run in another one */
    beamc_jsonl_config config = {
        beamc_str(realpath(options.path, folder) != NULL ? folder : options.path),
        beamc_str(token),
        {0},
        options.overwrite};
    beamc_arena *arena = beamc_arena_new(0);
    beamc_pcoll *parts = beamc_arena_zalloc(arena, (count + 1) * sizeof *parts);
    beamc_composite_begin(pipeline, label);
    for (size_t i = 0; i < count; i++) {
        config.tables = beamc_str(tables[i].name);
        parts[i] = beamc__write_table(&tables[i], &beamc_to_jsonl, &config);
    }
    beamc_buf names = {0};
    beamc__join_tables(tables, count, &names);
    config.tables = beamc_buf_slice(&names);
    beamc__finish_tables(pipeline, parts, count, &beamc__finish_jsonl, &config);
    beamc_composite_end(pipeline);
    beamc_buf_free(&names);
    beamc_arena_free(arena);
}
