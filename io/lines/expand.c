/* expand.c: patterns to files, in the order of their names. What cannot be read fails here, before
 * anything is read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/lines/lines.h"

static const beamc_field file_fields[] = {
    BEAMC_REQUIRED(beamc_line_file, path, STRING),
    BEAMC_REQUIRED(beamc_line_file, size, I64),
};
const beamc_row beamc__line_file_row = BEAMC_ROW(beamc_line_file, file_fields);
static const beamc_coder file_coder = BEAMC_ROW_CODER(&beamc__line_file_row);

static beamc_status emit_file(beamc_ctx *ctx, const char *path, int64_t size) {
    beamc_line_file *file = beamc_new(ctx, beamc_line_file);
    file->path = beamc_str(path);
    file->size = size;
    return beamc_emit(ctx, 0, beamc_value_row(file));
}

/* A file that is there: emits it, or says why it cannot be read. Opening a regular file proves that it
 * can be; opening a pipe would disturb its writer. */
static beamc_status emit_stat(beamc_ctx *ctx, const char *path, const struct stat *st) {
    const beamc_expand_files_config *c = beamc_config(ctx);
    if (!S_ISREG(st->st_mode) && c->regular_only) {
        return beamc_fail(ctx, NOT_FOUND,
                          "input %s is no regular file: a job with --state_dir could not read it "
                          "again after a crash; write the lines to a file and give that",
                          path);
    }
    if (!S_ISREG(st->st_mode)) {
        if (access(path, R_OK) != 0) {
            return beamc__input_error(beamc_ctx_error(ctx), errno, "read", path);
        }
        return emit_file(ctx, path, -1);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return beamc__input_error(beamc_ctx_error(ctx), errno, "open", path);
    }
    close(fd);
    /* Files of /proc and the like have content, but no size. */
    return emit_file(ctx, path, st->st_size > 0 ? (int64_t)st->st_size : -1);
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static beamc_status emit_matches(beamc_ctx *ctx, const char *pattern, glob_t *found) {
    qsort(found->gl_pathv, found->gl_pathc, sizeof found->gl_pathv[0], compare_paths);
    size_t files = 0;
    for (size_t i = 0; i < found->gl_pathc; i++) {
        struct stat st;
        if (stat(found->gl_pathv[i], &st) != 0) {
            return beamc__input_error(beamc_ctx_error(ctx), errno, "read", found->gl_pathv[i]);
        }
        if (!S_ISDIR(st.st_mode)) {
            files++;
            BEAMC_TRY(emit_stat(ctx, found->gl_pathv[i], &st));
        }
    }
    if (files == 0) {
        return beamc_fail(
            ctx, NOT_FOUND,
            "input %s matches folders only: give a file, or a pattern like %s/*.jsonl", pattern,
            pattern);
    }
    return BEAMC_OK;
}

/* A folder that cannot be listed must not look like an empty one; one that is not there may. */
static int on_glob_error(const char *path, int errnum) {
    (void)path;
    return errnum != ENOENT && errnum != ENOTDIR;
}

static beamc_status expand_glob(beamc_ctx *ctx, const char *pattern) {
    glob_t found = {0};
    errno = 0;
    int rc = glob(pattern, GLOB_BRACE | GLOB_TILDE | GLOB_NOSORT, on_glob_error, &found);
    int errnum = errno;
    beamc_status status;
    if (rc == 0) {
        status = emit_matches(ctx, pattern, &found);
    } else if (rc == GLOB_NOMATCH && strpbrk(pattern, "*?[{") == NULL) {
        status =
            beamc_fail(ctx, NOT_FOUND, "input %s: there is no such file; check the path", pattern);
    } else if (rc == GLOB_NOMATCH) {
        status =
            beamc_fail(ctx, NOT_FOUND,
                       "input %s matches no file: check the path (quote a pattern, so that the "
                       "shell leaves it alone)",
                       pattern);
    } else {
        status = beamc__input_error(beamc_ctx_error(ctx), rc == GLOB_NOSPACE ? ENOMEM : errnum,
                                    "list the files of", pattern);
    }
    globfree(&found);
    return status;
}

static beamc_status expand(beamc_ctx *ctx, const beamc_elem *in) {
    if (memchr(in->bytes.ptr, 0, in->bytes.len) != NULL || in->bytes.len == 0) {
        return beamc_fail(ctx, NOT_FOUND, "an input file's name is empty or holds a NUL byte");
    }
    char *pattern = beamc_arena_cstr(beamc_scratch_arena(ctx), in->bytes);
    if (strcmp(pattern, "-") == 0) {
        return emit_file(ctx, pattern, -1);
    }
    struct stat st;
    if (stat(pattern, &st) != 0) { /* also finds a file whose name looks like a pattern */
        if (errno == ENOENT || errno == ENAMETOOLONG) {
            return expand_glob(ctx, pattern);
        }
        return beamc__input_error(beamc_ctx_error(ctx), errno, "open", pattern);
    }
    if (S_ISDIR(st.st_mode)) {
        return beamc_fail(ctx, NOT_FOUND,
                          "input %s is a folder: give a file, or a pattern like %s/*.jsonl",
                          pattern, pattern);
    }
    return emit_stat(ctx, pattern, &st);
}

static const beamc_field config_fields[] = {
    BEAMC_CONFIG(beamc_expand_files_config, regular_only, BOOL, "false",
                 "Refuse what cannot be read again."),
};
static const beamc_row config_row = BEAMC_ROW(beamc_expand_files_config, config_fields);

const beamc_dofn beamc__expand_files = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:expand_files:v1",
    .doc = "File patterns to the files that match them.",
    .config = &config_row,
    .input = &beamc_string,
    .outputs[0] = {"files", &file_coder},
    .process = expand,
};
