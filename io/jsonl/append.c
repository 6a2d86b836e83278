/* append.c: the parts of a pane behind what DIR/<table>.jsonl holds, for unbounded tables on other runners
 * than the local one. It may be run again after any interruption, and panes must come one after another: the
 * state that it declares, and never looks at, has runners see to that, since all panes have one key. For each table the folder of parts holds <table>.state: how long the file
 * was after the last pane, and that pane's first part. What is behind that length is of an attempt that
 * was interrupted, and is cut off; a pane whose first part is that one is in the file already. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/jsonl/jsonl.h"

enum { STATE_MAX = 512 };

typedef struct table {
    beamc_ctx *ctx;
    beamc_slice folder; /* of parts */
    char *path;         /* of the table */
    char *state_path;
    bool is_new; /* no state yet */
    int64_t length;
    char last[STATE_MAX]; /* "-": none */
} table;

static char *in_folder(const table *t, beamc_slice name, const char *end) {
    return beamc_arena_printf(beamc_scratch_arena(t->ctx), "%.*s/%.*s%s",
                              BEAMC_SLICE_ARG(t->folder), BEAMC_SLICE_ARG(name), end);
}

static beamc_status read_state(table *t) {
    beamc_error *err = beamc_ctx_error(t->ctx);
    t->is_new = true;
    t->length = 0;
    memcpy(t->last, "-", 2);
    FILE *f = fopen(t->state_path, "re");
    if (f == NULL) {
        return errno == ENOENT ? BEAMC_OK : beamc__output_error(err, errno, "read", t->state_path);
    }
    long long length = -1;
    int found = fscanf(f, "%lld %511s", &length, t->last);
    fclose(f);
    if (found != 2 || length < 0) {
        return beamc_fail(t->ctx, DATA_LOSS, "%s is damaged; remove it, and the table beside it",
                          t->state_path);
    }
    t->is_new = false;
    t->length = length;
    return BEAMC_OK;
}

/* Written beside and renamed: there is always a whole one. */
static beamc_status write_state(const table *t, int64_t length, beamc_slice last) {
    beamc_error *err = beamc_ctx_error(t->ctx);
    char *beside = beamc_arena_printf(beamc_scratch_arena(t->ctx), "%s.new", t->state_path);
    FILE *f = fopen(beside, "we");
    if (f == NULL) {
        return beamc__output_error(err, errno, "make", beside);
    }
    int n = fprintf(f, "%lld %.*s\n", (long long)length, BEAMC_SLICE_ARG(last));
    int errnum = errno;
    if (fclose(f) != 0 || n < 0) {
        return beamc__output_error(err, n < 0 ? errnum : errno, "write", beside);
    }
    return beamc__move_into_place(beside, t->state_path, true, err);
}

/* The first time: the file is new, or is replaced. */
static beamc_status begin(const table *t, bool overwrite) {
    if (!overwrite && access(t->path, F_OK) == 0) {
        return beamc__output_error(beamc_ctx_error(t->ctx), EEXIST, "make", t->path);
    }
    return write_state(t, 0, beamc_str("-"));
}

static beamc_status append_part(const table *t, int fd, const beamc_part *part) {
    beamc_error *err = beamc_ctx_error(t->ctx);
    char *path = in_folder(t, part->name, "");
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT) {
        return beamc_fail(
            t->ctx, DATA_LOSS,
            "cannot append to %s: the part %s is not there; all workers must write to "
            "the same folder (shared by NFS, a volume, ...), and nothing else may "
            "remove files from it",
            t->path, path);
    }
    if (from < 0) {
        return beamc__output_error(err, errno, "read the part", path);
    }
    beamc_status status = beamc__append_file(fd, t->path, from, path, part->bytes, err);
    close(from);
    return status;
}

static beamc_status append_parts(const table *t, int fd, beamc_part_list parts) {
    beamc_error *err = beamc_ctx_error(t->ctx);
    struct stat st;
    if (fstat(fd, &st) != 0 || (int64_t)st.st_size < t->length) {
        return beamc_fail(
            t->ctx, DATA_LOSS,
            "%s is shorter than what the job wrote to it: do not change outputs while "
            "a job runs",
            t->path);
    }
    if (ftruncate(fd, t->length) != 0 || lseek(fd, t->length, SEEK_SET) < 0) {
        return beamc__output_error(err, errno, "write", t->path);
    }
    for (size_t i = 0; i < parts.count; i++) {
        BEAMC_TRY(append_part(t, fd, &parts.items[i]));
    }
    return BEAMC_OK;
}

static beamc_status append_new(const table *t, beamc_part_list parts) {
    beamc_error *err = beamc_ctx_error(t->ctx);
    int fd = open(t->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return beamc__output_error(err, errno, "open", t->path);
    }
    beamc_status status = append_parts(t, fd, parts);
    if (close(fd) != 0 && status == BEAMC_OK) {
        status = beamc__output_error(err, errno, "write", t->path);
    }
    if (status == BEAMC_OK && parts.count > 0) {
        status = write_state(t, t->length + beamc__parts_bytes(parts), parts.items[0].name);
    }
    return status;
}

/* A table's share of a pane; with no parts it only sees to it that the table is there. */
static beamc_status append_table(table *t, bool overwrite, beamc_part_list parts) {
    BEAMC_TRY(read_state(t));
    if (!t->is_new && parts.count == 0) {
        return BEAMC_OK;
    }
    if (t->is_new) {
        BEAMC_TRY(begin(t, overwrite));
    }
    bool is_there = parts.count > 0 && beamc_slice_eq(parts.items[0].name, beamc_str(t->last));
    if (!is_there) {
        BEAMC_TRY(append_new(t, parts));
    }
    for (size_t i = 0; i < parts.count; i++) {
        unlink(in_folder(t, parts.items[i].name, ""));
    }
    return BEAMC_OK;
}

static beamc_status append(beamc_ctx *ctx, const beamc_elem *group) {
    const beamc_jsonl_config *c = beamc_config(ctx);
    beamc_arena *arena = beamc_scratch_arena(ctx);
    char *folder = beamc_arena_printf(arena, "%.*s/" BEAMC_JSONL_PARTS_PREFIX "%.*s",
                                      BEAMC_SLICE_ARG(c->dir), BEAMC_SLICE_ARG(c->job));
    beamc_part_list all;
    BEAMC_TRY(beamc__parts_collect(ctx, group, &all));
    BEAMC_TRY(beamc__make_folder(folder, beamc_ctx_error(ctx)));
    beamc_slice list = c->tables;
    for (beamc_slice name; beamc__next_table(&list, &name);) {
        table *t = beamc_new(ctx, table);
        t->ctx = ctx;
        t->folder = beamc_str(folder);
        t->path = beamc_arena_printf(arena, "%.*s/%.*s.jsonl", BEAMC_SLICE_ARG(c->dir),
                                     BEAMC_SLICE_ARG(name));
        t->state_path = in_folder(t, name, ".state");
        BEAMC_TRY(append_table(t, c->overwrite, beamc__parts_of(all, name)));
        BEAMC_TRY(beamc_emit(ctx, 0, beamc_value_bytes(beamc_str(t->path))));
    }
    return BEAMC_OK;
}

const beamc_dofn beamc__append_jsonl = {
    BEAMC_DOFN_ABI,
    .urn = "beamc:dofn:append_jsonl:v1",
    .doc = "Puts the parts of a pane behind the rows that each table has.",
    .config = &beamc__jsonl_config_row,
    .input = &beamc__parts_coder,
    .outputs[0] = {"files", &beamc_string},
    .states[0] = {"in_turn", BEAMC_STATE_VALUE, .coder = &beamc_varint},
    .process = append,
};
