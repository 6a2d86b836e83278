/* files.h: what the file connectors share: errors of the operating system in words, writing, folders,
 * and the names of what a job has not finished yet. */
#ifndef BEAMC_IO_COMMON_FILES_H
#define BEAMC_IO_COMMON_FILES_H

#include <beamc/dofn.h>
#include <strings.h>

/* An input that cannot be read: NOT_FOUND or PERMISSION_DENIED, which end a program with
 * BEAMC_EXIT_INPUT. "cannot <verb> <path>: <reason>" and what to do. */
beamc_status beamc__input_error(beamc_error *err, int errnum, const char *verb, const char *path);
/* An output that cannot be written: ALREADY_EXISTS, RESOURCE_EXHAUSTED (no room) or DATA_LOSS (anything
 * else), which end a program with BEAMC_EXIT_OUTPUT. */
beamc_status beamc__output_error(beamc_error *err, int errnum, const char *verb, const char *path);

/* Writes all of it. @p path is for the message. */
beamc_status beamc__write_all(int fd, const void *data, size_t len, const char *path,
                              beamc_error *err) BEAMC_MUST_USE;
/* Appends the whole of @p from, which must hold @p bytes bytes, to @p to. */
beamc_status beamc__append_file(int to, const char *to_path, int from, const char *from_path,
                                int64_t bytes, beamc_error *err) BEAMC_MUST_USE;
/* Makes file or folder durable. */
beamc_status beamc__sync_path(const char *path, beamc_error *err) BEAMC_MUST_USE;
/* Moves a finished file into place. Without @p overwrite it is an error when @p to exists. */
beamc_status beamc__move_into_place(const char *from, const char *to, bool overwrite,
                                    beamc_error *err) BEAMC_MUST_USE;
/* Makes the folder and those above it; one that exists will do. */
beamc_status beamc__make_folder(const char *path, beamc_error *err) BEAMC_MUST_USE;
/* Removes a file, or a folder and the files in it. What is not there, or resists, is left. */
void beamc__remove_leftover(const char *path);
/* Removes the files in a folder. */
void beamc__empty_folder(const char *path);
/* The folder that @p path lies in ("." for a bare name), written to @p out. */
void beamc__parent_folder(const char *path, beamc_buf *out);

/* Whether @p name will do as the name of a table: letters, digits, '_', '-' and '.', no '.' in front. */
bool beamc__table_name_ok(const char *name);

/* A name for what this job has in the making, unique among jobs: "<host>-<pid>-<random>". */
enum { BEAMC_JOB_TOKEN_MAX = 64 };
void beamc__job_token(char out[BEAMC_JOB_TOKEN_MAX]);
/* The same for a job that can be continued: always the same for a text. */
void beamc__lasting_token(const char *job, char out[BEAMC_JOB_TOKEN_MAX]);
/* A marker is a small file of a job that can be continued. Made (empty) when the job begins; set, and so on
 * the disk, when the job has made its output. */
beamc_status beamc__marker_make(const char *path, beamc_error *err) BEAMC_MUST_USE;
beamc_status beamc__marker_set(const char *path, beamc_error *err) BEAMC_MUST_USE;
bool beamc__marker_is_set(const char *path);
/* Removes entries "<prefix><token>" of @p folder whose job's process is gone. */
void beamc__remove_dead_jobs(const char *folder, const char *prefix);
/* Removes @p path when this process ends: a job that succeeded has moved everything out of it, and what
 * is left there by one that failed or was cancelled is of no use. */
void beamc__remove_at_exit(const char *path);

/* So long a sink waits to be told that a bundle is done for good (beamc_finalize). */
#define BEAMC_IO_FORGET_MS (INT64_C(24) * 3600 * 1000)

/* Whether the job is run by the local runner, as far as its options tell. */
static inline bool beamc__runs_locally(const beamc_ctx *ctx) {
    const char *runner = beamc_ctx_option(ctx, "runner");
    return runner == NULL || strcasecmp(runner, "local") == 0 ||
           strcasecmp(runner, "DirectRunner") == 0;
}

#endif
