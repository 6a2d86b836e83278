/* append_rows.c: rows behind what DIR/<table>.jsonl holds, on the local runner, for unbounded tables: a
 * bundle is appended whole when it ends. With stable input, since a bundle that comes again, tried again or
 * after a crash, is known by its id and must not be written twice. */
#include "io/common/files.h"
#include "io/jsonl/jsonl.h"
#include "io/jsonl/table_file.h"

enum { KEPT_BYTES = 4 << 20 };

typedef struct instance {
    const beamc_row *row;
    beamc_metric *rows_written;
    const char *path;
    const char *job;
    beamc_table_file *file;
    beamc_buf text;
    int64_t rows;
} instance;

/* The table @p name of the config. */
static beamc_table_file *get_file(const beamc_jsonl_config *c, beamc_slice name, beamc_arena *arena,
                                  const char **path) {
    *path = beamc_arena_printf(arena, "%.*s/%.*s.jsonl", BEAMC_SLICE_ARG(c->dir),
                               BEAMC_SLICE_ARG(name));
    const char *journal =
        beamc_arena_printf(arena, "%.*s/" BEAMC_JSONL_PARTS_PREFIX "%.*s/%.*s.journal",
                           BEAMC_SLICE_ARG(c->dir), BEAMC_SLICE_ARG(c->job), BEAMC_SLICE_ARG(name));
    return beamc__table_file_get(*path, beamc_arena_cstr(arena, c->job),
                                 c->lasting ? journal : NULL);
}

static beamc_status setup(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_jsonl_config *c = beamc_config(ctx);
    const beamc_coder *coder = beamc_input_coder(ctx);
    beamc_arena *arena = beamc_instance_arena(ctx);
    if (coder == NULL || coder->kind != BEAMC_CODER_ROW || coder->row == NULL) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "AppendRows takes rows, not other elements");
    }
    in->row = coder->row;
    in->rows_written =
        beamc_counter(ctx, "beamc_io",
                      beamc_arena_printf(arena, "%.*s_rows_written", BEAMC_SLICE_ARG(c->tables)));
    in->job = beamc_arena_cstr(arena, c->job);
    in->file = get_file(c, c->tables, arena, &in->path);
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *elem) {
    instance *in = beamc_instance(ctx);
    BEAMC_TRY(beamc_row_to_json(in->row, elem->row, &in->text, beamc_ctx_error(ctx)));
    beamc_buf_put_u8(&in->text, '\n');
    in->rows++;
    return BEAMC_OK;
}

/* The bundle is done for good. The argument is three texts, one behind the other. */
static void forget(void *arg) {
    const char *path = arg;
    const char *job = path + strlen(path) + 1;
    beamc__table_file_forget(path, job, job + strlen(job) + 1);
}

static beamc_status forget_when_done(beamc_ctx *ctx, const instance *in, const char *id) {
    beamc_buf arg = {0};
    beamc_buf_put(&arg, in->path, strlen(in->path) + 1);
    beamc_buf_put(&arg, in->job, strlen(in->job) + 1);
    beamc_buf_put(&arg, id, strlen(id) + 1);
    beamc_status status = beamc_finalize(ctx, forget, arg.ptr, arg.len, BEAMC_IO_FORGET_MS);
    beamc_buf_free(&arg);
    return status;
}

static beamc_status finish_bundle(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_jsonl_config *c = beamc_config(ctx);
    if (in->rows == 0) {
        return BEAMC_OK;
    }
    const char *id = beamc_ctx_bundle_id(ctx);
    BEAMC_TRY(beamc__table_file_append(in->file, c->overwrite, id, beamc_buf_slice(&in->text),
                                       beamc_ctx_error(ctx)));
    beamc_counter_add(in->rows_written, in->rows);
    in->rows = 0;
    if (in->text.cap > KEPT_BYTES) {
        beamc_buf_free(&in->text);
    }
    beamc_buf_clear(&in->text);
    return forget_when_done(ctx, in, id);
}

static void teardown(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    if (in->file != NULL) {
        beamc__table_file_put(in->file);
    }
    beamc_buf_free(&in->text);
}

const beamc_dofn beamc__append_rows = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:append_rows_jsonl:v1",
    .doc = "Rows as JSON lines behind those that the table has, one append for each bundle.",
    .config = &beamc__jsonl_config_row,
    .instance_size = sizeof(instance),
    .requires_finalization = true,
    .requires_stable_input = true,
    .setup = setup,
    .process = process,
    .finish_bundle = finish_bundle,
    .teardown = teardown,
};

/* ------------------------------------------------------------------ tables without rows, too */

static beamc_status create(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    const beamc_jsonl_config *c = beamc_config(ctx);
    beamc_slice list = c->tables;
    for (beamc_slice name; beamc__next_table(&list, &name);) {
        const char *path;
        beamc_table_file *f = get_file(c, name, beamc_scratch_arena(ctx), &path);
        beamc_status status = beamc__table_file_open(f, c->overwrite, beamc_ctx_error(ctx));
        beamc__table_file_put(f);
        BEAMC_TRY(status);
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_bytes(beamc_str(path))));
    }
    return BEAMC_OK;
}

const beamc_dofn beamc__create_jsonl = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:create_jsonl:v1",
    .doc = "Makes the files of tables that are appended to in place.",
    .config = &beamc__jsonl_config_row,
    .input = &beamc_bytes,
    .outputs[0] = {"files", &beamc_string},
    .process = create,
};
