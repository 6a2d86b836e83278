/* read_lines.c: files to lines, as a splittable DoFn over byte offsets. An instance keeps one file open,
 * until the bundle ends or it is given another one. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/lines/line_reader.h"
#include "io/lines/lines.h"

enum { SPLIT_BYTES = 32 << 20, STREAM_SIZE_GUESS = 1 << 20 };

#define STDIN_IS_LOCAL                                                                             \
    "standard input (-) is for the local runner only: give files that the workers can reach"

typedef struct instance {
    beamc_line_reader reader;
    int fd;         /* holds while is_open */
    bool is_open;   /* as `path` */
    beamc_buf path; /* with NUL */
} instance;

static const beamc_coder file_coder = BEAMC_ROW_CODER(&beamc__line_file_row);
static const beamc_coder long_line_coder = BEAMC_KV(&beamc_bytes, &beamc_varint);

/* Standard input can be read by one step of a process, and only once. */
static atomic_flag stdin_is_taken = ATOMIC_FLAG_INIT;

static void close_file(instance *in) {
    if (in->is_open && in->fd != STDIN_FILENO) {
        close(in->fd);
    }
    in->is_open = false;
}

static beamc_status take_stdin(beamc_ctx *ctx, instance *in) {
    if (!beamc__runs_locally(ctx)) {
        return beamc_fail(ctx, NOT_FOUND, STDIN_IS_LOCAL);
    }
    if (atomic_flag_test_and_set(&stdin_is_taken)) {
        return beamc_fail(ctx, NOT_FOUND,
                          "standard input (-) was already read: it can be one input only, and a "
                          "failed bundle cannot read it again");
    }
    in->fd = STDIN_FILENO;
    in->is_open = true;
    return BEAMC_OK;
}

static beamc_status open_file(beamc_ctx *ctx, instance *in, const beamc_line_file *file) {
    bool is_same = in->path.len == file->path.len + 1 && file->size >= 0 &&
                   memcmp(in->path.ptr, file->path.ptr, file->path.len) == 0;
    if (in->is_open && is_same) {
        return BEAMC_OK;
    }
    close_file(in);
    beamc_buf_clear(&in->path);
    beamc_buf_put_slice(&in->path, file->path);
    beamc_buf_put_u8(&in->path, 0);
    const char *path = (const char *)in->path.ptr;
    if (file->size < 0 && strcmp(path, "-") == 0) {
        return take_stdin(ctx, in);
    }
    in->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) {
        return beamc__input_error(beamc_ctx_error(ctx), errno, "open", path);
    }
    in->is_open = true;
    return BEAMC_OK;
}

/* The end of the file came before the end of the part. */
static beamc_status shrunk(beamc_ctx *ctx, const instance *in, const beamc_line_file *file) {
    struct stat st;
    int64_t size = fstat(in->fd, &st) == 0 ? (int64_t)st.st_size : 0;
    return beamc_fail(
        ctx, NOT_FOUND,
        "%s had %lld bytes when the job began and ends at byte %lld now: do not change "
        "input files while a job reads them",
        (const char *)in->path.ptr, (long long)file->size, (long long)size);
}

static beamc_status check_size(beamc_ctx *ctx, const instance *in, const beamc_line_file *file) {
    struct stat st;
    return fstat(in->fd, &st) != 0 || (int64_t)st.st_size >= file->size ? BEAMC_OK
                                                                        : shrunk(ctx, in, file);
}

static beamc_status emit_long(beamc_ctx *ctx, const beamc_line *line) {
    return beamc_emit(ctx, BEAMC_LONG_LINES,
                      beamc_kv_of(ctx, beamc_value_bytes(line->text), beamc_value_i64(line->size)));
}

static beamc_status read_part(beamc_ctx *ctx, const beamc_elem *elem) {
    instance *in = beamc_instance(ctx);
    const beamc_line_file *file = elem->row;
    const beamc_offset_range *range = beamc_restriction(ctx);
    bool is_stream = file->size < 0;
    beamc_line_reader *r = &in->reader;
    beamc_error *err = beamc_ctx_error(ctx);
    if (is_stream && !beamc_try_claim(ctx, range->start)) {
        return BEAMC_OK;
    }
    BEAMC_TRY(open_file(ctx, in, file));
    if (!is_stream) { /* also where the part begins behind what is left */
        BEAMC_TRY(check_size(ctx, in, file));
    }
    BEAMC_TRY(beamc__line_reader_open(r, in->fd, is_stream, (const char *)in->path.ptr,
                                      range->start, range->stop, err));
    beamc_line line;
    while (is_stream || beamc_try_claim(ctx, beamc__line_reader_offset(r))) {
        BEAMC_TRY(beamc__line_reader_next(r, &line, err));
        if (__builtin_expect(line.kind == BEAMC_LINE_TEXT, 1)) {
            BEAMC_TRY(beamc_emit(ctx, BEAMC_LINES, beamc_value_bytes(line.text)));
        } else if (line.kind == BEAMC_LINE_LONG) {
            BEAMC_TRY(emit_long(ctx, &line));
        } else if (line.kind == BEAMC_LINE_END) {
            return is_stream ? BEAMC_OK : shrunk(ctx, in, file);
        }
    }
    return BEAMC_OK;
}

static beamc_status finish_bundle(beamc_ctx *ctx) {
    close_file(beamc_instance(ctx));
    return BEAMC_OK;
}

static void teardown(beamc_ctx *ctx) {
    instance *in = beamc_instance(ctx);
    close_file(in);
    beamc__line_reader_close(&in->reader);
    beamc_buf_free(&in->path);
}

/* A stream is one unit: [0, 1), which cannot be split. */
static beamc_status initial(beamc_ctx *ctx, const beamc_elem *elem, void *restriction) {
    (void)ctx;
    const beamc_line_file *file = elem->row;
    beamc_offset_range *range = restriction;
    range->start = 0;
    range->stop = file->size < 0 ? 1 : file->size;
    return BEAMC_OK;
}

static beamc_status split(beamc_ctx *ctx, const beamc_elem *elem, const void *restriction) {
    (void)elem;
    const beamc_read_lines_config *config = beamc_config(ctx);
    const beamc_offset_range *range = restriction;
    int64_t step = config != NULL && config->split_bytes > 0 ? config->split_bytes : SPLIT_BYTES;
    beamc_offset_range part = *range;
    do {
        part.stop = range->stop - part.start > step ? part.start + step : range->stop;
        BEAMC_TRY(beamc_emit_restriction(ctx, &part));
        part.start = part.stop;
    } while (part.start < range->stop);
    return BEAMC_OK;
}

static double size_of(beamc_ctx *ctx, const beamc_elem *elem, const void *restriction) {
    (void)ctx;
    const beamc_line_file *file = elem->row;
    const beamc_offset_range *range = restriction;
    return file->size < 0 ? STREAM_SIZE_GUESS : (double)(range->stop - range->start);
}

static const beamc_splittable by_offset = {
    .initial = initial,
    .split = split,
    .size = size_of,
};

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_read_lines_config, split_bytes, I64, "33554432",
                 "Initial parts of a file, in bytes."),
};
static const beamc_row config_row = BEAMC_ROW(beamc_read_lines_config, config_fields);

const beamc_dofn beamc__read_lines = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:read_lines:v1",
    .doc = "Files to their lines, without line ends; blank ones are skipped.",
    .config = &config_row,
    .instance_size = sizeof(instance),
    .input = &file_coder,
    .outputs[BEAMC_LINES] = {"lines", &beamc_bytes},
    .outputs[BEAMC_LONG_LINES] = {"long_lines", &long_line_coder},
    .splittable = &by_offset,
    .process = read_part,
    .finish_bundle = finish_bundle,
    .teardown = teardown,
};

beamc_pcoll beamc_read_lines_with(beamc_pipeline *pipeline, const char *label,
                                  beamc_read_lines_options options) {
    if (options.pattern == NULL || options.pattern[0] == '\0') {
        beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT,
                            "%s: no file to read: set .pattern to a file, a glob, or \"-\"", label);
    }
    const char *pattern = options.pattern != NULL ? options.pattern : "";
    if (strcmp(pattern, "-") == 0 && beamc_pipeline_runner(pipeline) != NULL &&
        !beamc_pipeline_runs_locally(pipeline)) {
        beamc_pipeline_fail(pipeline, BEAMC_INVALID_ARGUMENT, "%s: " STDIN_IS_LOCAL, label);
    }
    if (strcmp(pattern, "-") == 0 && beamc_pipeline_job(pipeline) != NULL) {
        beamc_pipeline_fail(
            pipeline, BEAMC_INVALID_ARGUMENT,
            "%s: a job with --state_dir cannot read standard input (-), since it could not read it "
            "again after a crash: write the lines to a file and give that, or leave --state_dir "
            "out",
            label);
    }
    beamc_read_lines_config config = {options.split_bytes > 0 ? options.split_bytes : SPLIT_BYTES};
    beamc_composite_begin(pipeline, label);
    beamc_pcoll patterns = beamc_create_strings(pipeline, "Pattern", &pattern, 1);
    beamc_expand_files_config expand = {.regular_only = beamc_pipeline_job(pipeline) != NULL};
    beamc_pcoll files = beamc_pardo(patterns, "Files", &beamc__expand_files, .config = &expand);
    beamc_pcoll lines = beamc_pardo(files, "Lines", &beamc__read_lines, .config = &config,
                                    .display = {"pattern", pattern});
    beamc_composite_end(pipeline);
    return lines;
}
