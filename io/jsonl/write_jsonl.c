/* write_jsonl.c: the JSON lines sink as a transform, and what is checked before a job starts. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/jsonl/jsonl.h"

static bool refuse(beamc_pipeline *pipeline, const beamc_error *err) {
    beamc_pipeline_fail(pipeline, err->code, "%s", err->message);
    return false;
}

/* The folder is there, or is made, and can be written to. */
static bool check_folder(beamc_pipeline *pipeline, const char *path) {
    beamc_error err = {0};
    if (beamc__make_folder(path, &err) != BEAMC_OK) {
        return refuse(pipeline, &err);
    }
    if (access(path, W_OK | X_OK) != 0) {
        beamc__output_error(&err, errno, "write to", path);
        return refuse(pipeline, &err);
    }
    return true;
}

/* None of the tables is there yet. */
static bool check_tables_absent(beamc_pipeline *pipeline, const beamc_sink_table *tables,
                                size_t count, const char *folder) {
    beamc_buf path = {0};
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        beamc_buf_clear(&path);
        beamc_buf_printf(&path, "%s/%s.jsonl", folder, tables[i].name);
        beamc_buf_put_u8(&path, 0);
        if (access((char *)path.ptr, F_OK) == 0) {
            beamc_error err;
            BEAMC_FAIL(
                &err, ALREADY_EXISTS,
                "output %s exists: add --overwrite to replace it, or write to another folder",
                (char *)path.ptr);
            ok = refuse(pipeline, &err);
        }
    }
    beamc_buf_free(&path);
    return ok;
}

/* The job may have other sinks in the same folder, with other tables. */
static void name_lasting_job(const beamc_sink_table *tables, size_t count, const char *job,
                             char token[BEAMC_JOB_TOKEN_MAX]) {
    beamc_buf text = {0};
    beamc_buf_printf(&text, "%s\n", job);
    beamc__join_tables(tables, count, &text);
    beamc_buf_put_u8(&text, 0);
    beamc__lasting_token((char *)text.ptr, token);
    beamc_buf_free(&text);
}

/* Names the job and its folder of parts. One that can be continued makes the folder now: where it is
 * there already, the job began before, and the tables are its own. */
static bool begin_job(beamc_pipeline *pipeline, const beamc_sink_table *tables, size_t count,
                      const beamc_write_options *o, char token[BEAMC_JOB_TOKEN_MAX]) {
    bool lasting = o->job != NULL;
    if (lasting) {
        name_lasting_job(tables, count, o->job, token);
    } else {
        beamc__job_token(token);
        beamc__remove_dead_jobs(o->path, BEAMC_JSONL_PARTS_PREFIX);
    }
    beamc_error err = {0};
    beamc_buf parts = {0};
    beamc_buf_printf(&parts, "%s/" BEAMC_JSONL_PARTS_PREFIX "%s", o->path, token);
    beamc_buf_put_u8(&parts, 0);
    bool began_before = lasting && access((char *)parts.ptr, F_OK) == 0;
    bool ok = began_before || o->overwrite || check_tables_absent(pipeline, tables, count, o->path);
    if (ok && lasting &&
        (beamc__make_folder((char *)parts.ptr, &err) != BEAMC_OK ||
         beamc__sync_path(o->path, &err) != BEAMC_OK)) {
        ok = refuse(pipeline, &err);
    }
    if (ok && !lasting) {
        beamc__remove_at_exit((char *)parts.ptr);
    }
    beamc_buf_free(&parts);
    return ok;
}

/* Parts, and one DoFn that makes tables of them. */
static void build_parts(beamc_pipeline *pipeline, const beamc_sink_table *tables, size_t count,
                        bool unbounded, beamc_jsonl_config *config, beamc_slice names) {
    beamc_arena *arena = beamc_arena_new(0);
    beamc_pcoll *parts = beamc_arena_zalloc(arena, (count + 1) * sizeof *parts);
    const beamc_dofn *write = config->lasting ? &beamc__to_jsonl_stable : &beamc_to_jsonl;
    for (size_t i = 0; i < count; i++) {
        config->tables = beamc_str(tables[i].name);
        parts[i] = beamc__write_table(&tables[i], unbounded, write, config);
    }
    config->tables = names;
    const beamc_dofn *finish = config->lasting ? &beamc__finish_jsonl_stable : &beamc__finish_jsonl;
    beamc__finish_tables(pipeline, parts, count, unbounded,
                         unbounded ? &beamc__append_jsonl : finish, config);
    beamc_arena_free(arena);
}

/* Rows to the tables, where all bundles are in one process. */
static void build_in_place(beamc_pipeline *pipeline, const beamc_sink_table *tables, size_t count,
                           beamc_jsonl_config *config, beamc_slice names) {
    for (size_t i = 0; i < count; i++) {
        config->tables = beamc_str(tables[i].name);
        (void)beamc__write_table(&tables[i], false, &beamc__append_rows, config);
    }
    config->tables = names;
    beamc_pcoll impulse = beamc_impulse(pipeline, "Impulse");
    beamc_pardo(impulse, "Create", &beamc__create_jsonl, .config = config);
}

static void build(beamc_pipeline *pipeline, const char *label, const beamc_sink_table *tables,
                  size_t count, beamc_jsonl_config *config) {
    bool unbounded = beamc__tables_unbounded(tables, count);
    beamc_buf names = {0};
    beamc__join_tables(tables, count, &names);
    beamc_composite_begin(pipeline, label);
    if (unbounded && (config->lasting || beamc_pipeline_runs_locally(pipeline))) {
        build_in_place(pipeline, tables, count, config, beamc_buf_slice(&names));
    } else {
        build_parts(pipeline, tables, count, unbounded, config, beamc_buf_slice(&names));
    }
    beamc_composite_end(pipeline);
    beamc_buf_free(&names);
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
    options.job = options.job != NULL ? options.job : beamc_pipeline_job(pipeline);
    char token[BEAMC_JOB_TOKEN_MAX];
    if (!beamc__check_tables(pipeline, label, tables, count) ||
        !check_folder(pipeline, options.path) ||
        !begin_job(pipeline, tables, count, &options, token)) {
        return;
    }
    char folder[PATH_MAX]; /* a worker may run in another one */
    const char *dir = realpath(options.path, folder) != NULL ? folder : options.path;
    beamc_jsonl_config config = {.dir = beamc_str(dir),
                                 .job = beamc_str(token),
                                 .overwrite = options.overwrite,
                                 .lasting = options.job != NULL};
    build(pipeline, label, tables, count, &config);
}
