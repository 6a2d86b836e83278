/* to_jsonl.c: rows to JSON lines, each bundle into a file of its own: DIR/.beamc-<job>/<table>-<bundle>.part.
 * The file is made when the first full buffer is written, or when the bundle ends; a bundle without rows
 * makes none, and one that fails removes what it has.
 *
 * Where the job may be continued there is stable input. A bundle that comes again writes the same part anew,
 * from its start; and a part is on the disk before its bundle ends, so what a list of parts names is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/jsonl/jsonl.h"

enum { WRITE_BYTES = 256 << 10, ID_MAX = 120 };

typedef struct instance {
    const beamc_row *row;
    beamc_metric *rows_written;
    beamc_buf text;
    beamc_buf path; /* of the part, with NUL */
    size_t name_at; /* where its name begins in there */
    bool is_open;   /* as fd */
    int fd;
    int64_t rows;
    int64_t bytes;
    beamc_time last_time; /* of the last row: the part's place in time */
    beamc_window last_window;
} instance;

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_jsonl_config, dir, STRING, "", "The output folder."),
    BEAMC_CONFIG(beamc_jsonl_config, job, STRING, "", "Names the folder of this job's parts."),
    BEAMC_CONFIG(beamc_jsonl_config, tables, STRING, "", "Name of the table, or of all tables."),
    BEAMC_CONFIG(beamc_jsonl_config, overwrite, BOOL, "false", "Replace what is there."),
    BEAMC_CONFIG(beamc_jsonl_config, lasting, BOOL, "false", "The job may be continued."),
};
const beamc_row beamc__jsonl_config_row = BEAMC_ROW(beamc_jsonl_config, config_fields);

static beamc_status setup(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_jsonl_config *c = beamc_config(ctx);
    const beamc_coder *coder = beamc_input_coder(ctx);
    if (coder == NULL || coder->kind != BEAMC_CODER_ROW || coder->row == NULL) {
        return beamc_fail(ctx, INVALID_ARGUMENT, "ToJsonl takes rows, not other elements");
    }
    in->row = coder->row;
    beamc_slice name = beamc_format(ctx, "%.*s_rows_written", BEAMC_SLICE_ARG(c->tables));
    in->rows_written =
        beamc_counter(ctx, "beamc_io", beamc_arena_cstr(beamc_instance_arena(ctx), name));
    return BEAMC_OK;
}

/* The bundle's id as part of a file's name: what does not belong there becomes %XX. */
static void put_bundle_id(beamc_buf *out, const char *id) {
    size_t end = out->len + ID_MAX;
    for (const char *c = id; *c != '\0' && out->len < end; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= 'a' && *c <= 'z') || *c == '_' || *c == '-';
        if (plain) {
            beamc_buf_put_u8(out, (unsigned char)*c);
        } else {
            beamc_buf_printf(out, "%%%02x", (unsigned char)*c);
        }
    }
}

/* Keeps workers apart whose runner counts bundles for each. */
static void put_random_end(beamc_buf *out) {
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        random = (uint32_t)getpid();
    }
    beamc_buf_printf(out, "-%08x", (unsigned)random);
}

/* The name sorts by bundle id. */
static void name_part(beamc_ctx *ctx, instance *in) {
    const beamc_jsonl_config *c = beamc_config(ctx);
    beamc_buf_clear(&in->path);
    beamc_buf_printf(&in->path, "%.*s/" BEAMC_JSONL_PARTS_PREFIX "%.*s/", BEAMC_SLICE_ARG(c->dir),
                     BEAMC_SLICE_ARG(c->job));
    in->name_at = in->path.len;
    beamc_buf_printf(&in->path, "%.*s-", BEAMC_SLICE_ARG(c->tables));
    put_bundle_id(&in->path, beamc_ctx_bundle_id(ctx));
    if (!c->lasting) {
        put_random_end(&in->path);
    }
    beamc_buf_put_str(&in->path, ".part");
    beamc_buf_put_u8(&in->path, 0);
}

static beamc_status open_part(beamc_ctx *ctx, instance *in) {
    const beamc_jsonl_config *c = beamc_config(ctx);
    name_part(ctx, in);
    const char *path = (const char *)in->path.ptr;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (c->lasting ? O_TRUNC : O_EXCL);
    in->fd = open(path, flags, 0666);
    if (in->fd < 0 && errno == ENOENT) { /* the first part of all makes the folder */
        beamc_slice folder =
            beamc_format(ctx, "%.*s", (int)in->name_at - 1, (const char *)in->path.ptr);
        BEAMC_TRY(beamc__make_folder(beamc_arena_cstr(beamc_scratch_arena(ctx), folder),
                                     beamc_ctx_error(ctx)));
        in->fd = open(path, flags, 0666);
    }
    if (in->fd < 0) {
        return beamc__output_error(beamc_ctx_error(ctx), errno, "make", path);
    }
    in->is_open = true;
    return BEAMC_OK;
}

static beamc_status write_text(beamc_ctx *ctx, instance *in) {
    if (!in->is_open) {
        BEAMC_TRY(open_part(ctx, in));
    }
    BEAMC_TRY(beamc__write_all(in->fd, in->text.ptr, in->text.len, (const char *)in->path.ptr,
                               beamc_ctx_error(ctx)));
    in->bytes += (int64_t)in->text.len;
    beamc_buf_clear(&in->text);
    return BEAMC_OK;
}

static beamc_status process(beamc_ctx *ctx, const beamc_elem *elem) {
    instance *in = beamc_instance(ctx);
    BEAMC_TRY(beamc_row_to_json(in->row, elem->row, &in->text, beamc_ctx_error(ctx)));
    beamc_buf_put_u8(&in->text, '\n');
    in->rows++;
    in->last_time = beamc_timestamp(ctx);
    in->last_window = beamc_current_window(ctx);
    return in->text.len >= WRITE_BYTES ? write_text(ctx, in) : BEAMC_OK;
}

static beamc_status sync_folder(beamc_ctx *ctx, const instance *in) {
    beamc_slice folder = beamc_slice_of(in->path.ptr, in->name_at);
    return beamc__sync_path(beamc_arena_cstr(beamc_scratch_arena(ctx), folder),
                            beamc_ctx_error(ctx));
}

static beamc_status close_part(beamc_ctx *ctx, instance *in, bool sync) {
    int rc = sync ? fdatasync(in->fd) : 0;
    if (rc == 0) {
        in->is_open = false;
        rc = close(in->fd); /* where the file system reports late that there is no room */
    }
    if (rc != 0) {
        return beamc__output_error(beamc_ctx_error(ctx), errno, "write",
                                   (const char *)in->path.ptr);
    }
    return sync ? sync_folder(ctx, in) : BEAMC_OK;
}

static beamc_status finish_bundle(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    const beamc_jsonl_config *c = beamc_config(ctx);
    if (in->rows == 0) {
        return BEAMC_OK;
    }
    BEAMC_TRY(write_text(ctx, in));
    BEAMC_TRY(close_part(ctx, in, c->lasting));
    beamc_part *part = beamc_new(ctx, beamc_part);
    part->table = c->tables;
    part->name = beamc_str((const char *)in->path.ptr + in->name_at);
    part->rows = in->rows;
    part->bytes = in->bytes;
    beamc_counter_add(in->rows_written, in->rows);
    in->rows = in->bytes = 0;
    return beamc_emit_in(ctx, 0, in->last_time, in->last_window, beamc_value_row(part));
}

static void teardown(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    if (in->is_open) { /* of a bundle that failed */
        close(in->fd);
        unlink((const char *)in->path.ptr);
    }
    beamc_buf_free(&in->text);
    beamc_buf_free(&in->path);
}

#define TO_JSONL                                                                                   \
    .doc = "Rows to JSON lines: each bundle writes one file beside the output.",                   \
    .config = &beamc__jsonl_config_row, .instance_size = sizeof(instance),                         \
    .outputs[0] = {"parts", &beamc__part_coder}, .observes_window = true, .setup = setup,          \
    .process = process, .finish_bundle = finish_bundle, .teardown = teardown

const beamc_dofn beamc_to_jsonl = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_jsonl:v1",
    TO_JSONL,
};

const beamc_dofn beamc__to_jsonl_stable = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:to_jsonl_stable:v1",
    .requires_stable_input = true,
    TO_JSONL,
};
