/* finish.c: the parts of all tables to DIR/<table>.jsonl. It may be run again after any interruption: a
 * table's first part becomes the table (the others are appended to it), so as long as that part is there
 * the table is not in place, and once it is gone the table is there and has the size of all its parts. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/jsonl/jsonl.h"

/* A NUL-terminated path in element scratch. */
static char *path_of(beamc_ctx *ctx, beamc_slice folder, const char *between, beamc_slice name,
                     const char *end) {
    return beamc_arena_printf(beamc_scratch_arena(ctx), "%.*s/%s%.*s%s", BEAMC_SLICE_ARG(folder),
                              between, BEAMC_SLICE_ARG(name), end);
}

typedef struct job {
    beamc_ctx *ctx;
    const beamc_jsonl_config *config;
    beamc_slice parts; /* the folder of parts */
} job;

static char *part_path(const job *j, const beamc_part *part) {
    return path_of(j->ctx, j->parts, "", part->name, "");
}

/* A part is missing. All is well if the table is in place already. */
static beamc_status check_in_place(const job *j, beamc_part_list parts, const char *to,
                                   const char *missing) {
    struct stat st;
    int64_t bytes = beamc__parts_bytes(parts);
    if (stat(to, &st) == 0 && (int64_t)st.st_size == bytes) {
        return BEAMC_OK;
    }
    return beamc_fail(
        j->ctx, DATA_LOSS,
        "cannot make %s: its part %s is not there; all workers must write to the same "
        "folder (shared by NFS, a volume, ...), and nothing else may remove files from it",
        to, missing);
}

static beamc_status append_part(const job *j, int fd, const char *to, const beamc_part *part) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    char *path = part_path(j, part);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return beamc__output_error(err, errno, "read the part", path);
    }
    beamc_status status = beamc__append_file(fd, to, from, path, part->bytes, err);
    close(from);
    return status;
}

/* Appends parts 1 .. to part 0, open as @p fd. */
static beamc_status append_parts(const job *j, int fd, const char *path, beamc_part_list parts) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    struct stat st;
    const beamc_part *first = &parts.items[0];
    if (fstat(fd, &st) != 0 || (int64_t)st.st_size < first->bytes) {
        return beamc_fail(j->ctx, DATA_LOSS, "%s has %lld bytes, but %lld were written to it", path,
                          (long long)st.st_size, (long long)first->bytes);
    }
    /* Longer than it was: an attempt before this one was interrupted. */
    if ((int64_t)st.st_size > first->bytes && ftruncate(fd, first->bytes) != 0) {
        return beamc__output_error(err, errno, "write", path);
    }
    if (lseek(fd, first->bytes, SEEK_SET) < 0) {
        return beamc__output_error(err, errno, "write", path);
    }
    for (size_t i = 1; i < parts.count; i++) {
        BEAMC_TRY(append_part(j, fd, path, &parts.items[i]));
    }
    return fsync(fd) == 0 || errno == EINVAL ? BEAMC_OK
                                             : beamc__output_error(err, errno, "write", path);
}

/* Makes the whole of a table beside its place. *from: what is to be moved there; NULL: it is there. */
static beamc_status assemble(const job *j, beamc_slice table, const char *to, beamc_part_list parts,
                             char **from) {
    beamc_error *err = beamc_ctx_error(j->ctx);
    bool is_empty = parts.count == 0;
    char *path =
        is_empty ? path_of(j->ctx, j->parts, "", table, ".empty") : part_path(j, &parts.items[0]);
    struct stat st;
    if (is_empty && !j->config->overwrite && stat(to, &st) == 0 && st.st_size == 0) {
        *from = NULL; /* put there by an attempt before this one */
        return BEAMC_OK;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | (is_empty ? O_CREAT | O_TRUNC : 0), 0666);
    if (fd < 0 && errno == ENOENT) {
        *from = NULL;
        return check_in_place(j, parts, to, path);
    }
    if (fd < 0) {
        return beamc__output_error(err, errno, "open", path);
    }
    *from = path;
    beamc_status status = is_empty ? BEAMC_OK : append_parts(j, fd, path, parts);
    if (close(fd) != 0 && status == BEAMC_OK) {
        status = beamc__output_error(err, errno, "write", path);
    }
    return status;
}

static beamc_status finish(beamc_ctx *ctx, const beamc_elem *group) {
    const beamc_jsonl_config *c = beamc_config(ctx);
    beamc_error *err = beamc_ctx_error(ctx);
    job j = {ctx, c, {0}};
    char *folder = path_of(ctx, c->dir, BEAMC_JSONL_PARTS_PREFIX, c->job, "");
    j.parts = beamc_str(folder);
    beamc_part_list all;
    BEAMC_TRY(beamc__parts_collect(ctx, group, &all));
    BEAMC_TRY(beamc__make_folder(folder, err));

    /* First everything that can fail for want of room, then the renames. */
    size_t cap = c->tables.len + 1;
    char **from = beamc_alloc(ctx, cap * sizeof *from);
    char **to = beamc_alloc(ctx, cap * sizeof *to);
    size_t count = 0;
    beamc_slice list = c->tables;
    for (beamc_slice table; beamc__next_table(&list, &table); count++) {
        to[count] = path_of(ctx, c->dir, "", table, ".jsonl");
        BEAMC_TRY(assemble(&j, table, to[count], beamc__parts_of(all, table), &from[count]));
    }
    for (size_t i = 0; i < count; i++) {
        if (from[i] != NULL) {
            BEAMC_TRY(beamc__move_into_place(from[i], to[i], c->overwrite, err));
        }
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_bytes(beamc_str(to[i]))));
    }
    if (c->lasting) {
        beamc__empty_folder(folder);
    } else {
        beamc__remove_leftover(folder);
    }
    return beamc__sync_path(beamc_arena_cstr(beamc_scratch_arena(ctx), c->dir), err);
}

#define FINISH_JSONL                                                                               \
    .doc = "Puts the parts of each table together and in place.",                                  \
    .config = &beamc__jsonl_config_row, .input = &beamc__parts_coder,                              \
    .outputs[0] = {"files", &beamc_string}, .process = finish

const beamc_dofn beamc__finish_jsonl = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:finish_jsonl:v1",
    FINISH_JSONL,
};

const beamc_dofn beamc__finish_jsonl_stable = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:finish_jsonl_stable:v1",
    .requires_stable_input = true,
    FINISH_JSONL,
};
