/* state_dir.c: the folder: who may use it, whose it is, which job's. The records are in state_records.c. */
#include "runner/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "runner/state_impl.h"

#define STATE_FILE "state.beamc"
#define LOCK_FILE "lock"

enum {
    PAGE_BYTES = 16384, /* records of up to a quarter of it lie in it whole */
    FORMAT_VERSION = 1,
    LOCK_WAIT_MS = 1000,
    LOCK_POLL_MS = 20,
    APPLICATION_ID = 0x42656d43, /* "BemC", in the head of the SQLite file */
    HEAD_BYTES = 100,
    HEAD_VERSION_AT = 60, /* user_version and application_id, big-endian: the SQLite file format */
    HEAD_APPLICATION_AT = 68
};

static char *join(const char *folder, const char *name) {
    beamc_buf b = {0};
    beamc_buf_printf(&b, "%s/%s", folder, name);
    beamc_buf_put_u8(&b, 0);
    return (char *)b.ptr;
}

static beamc_status folder_error(const beamc_state_dir *dir, const char *verb, int errnum,
                                 beamc_error *err) {
    if (errnum == ENOSPC || errnum == EDQUOT) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "cannot %s --state_dir=%s: %s; make room, or name a folder elsewhere",
                          verb, dir->path, strerrordesc_np(errnum));
    }
    return BEAMC_FAIL(err, DATA_LOSS,
                      "cannot %s --state_dir=%s: %s; name a folder that you may write to", verb,
                      dir->path, strerrordesc_np(errnum));
}

/* ------------------------------------------------------------------------------------ lock */

/* A process that was killed just now may still be on its way out. */
static bool lock_soon(int fd) {
    for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ms += LOCK_POLL_MS) {
        if (errno != EWOULDBLOCK || ms >= LOCK_WAIT_MS) {
            return false;
        }
        nanosleep(&(struct timespec){0, LOCK_POLL_MS * 1000000L}, NULL);
    }
    return true;
}

static beamc_status take_lock(beamc_state_dir *dir, beamc_error *err) {
    char *path = join(dir->path, LOCK_FILE);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    free(path);
    if (dir->lock_fd < 0) {
        return folder_error(dir, "write to", errno, err);
    }
    char text[32] = "";
    if (!lock_soon(dir->lock_fd)) {
        ssize_t n = pread(dir->lock_fd, text, sizeof text - 1, 0);
        long pid = n > 0 ? strtol(text, NULL, 10) : 0;
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "--state_dir=%s is in use by process %ld: wait until that has ended, or "
                          "name another folder",
                          dir->path, pid);
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) != 0 || pwrite(dir->lock_fd, text, (size_t)len, 0) != len) {
        return folder_error(dir, "write to", errno, err);
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------------ file */

static bool is_ours(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, LOCK_FILE) == 0 ||
           strncmp(name, STATE_FILE, strlen(STATE_FILE)) == 0;
}

/* A folder with other things in it was meant for something else. */
static beamc_status check_nothing_else(const beamc_state_dir *dir, beamc_error *err) {
    DIR *d = opendir(dir->path);
    if (d == NULL) {
        return errno == ENOENT ? BEAMC_OK : folder_error(dir, "read", errno, err);
    }
    beamc_status status = BEAMC_OK;
    for (struct dirent *e; status == BEAMC_OK && (e = readdir(d)) != NULL;) {
        if (!is_ours(e->d_name)) {
            status = BEAMC_FAIL(err, FAILED_PRECONDITION,
                                "--state_dir=%s holds other files (%s) and no state of a job: name "
                                "a new or an empty folder",
                                dir->path, e->d_name);
        }
    }
    closedir(d);
    return status;
}

static uint32_t head_u32(const unsigned char *head, size_t at) {
    return (uint32_t)head[at] << 24 | (uint32_t)head[at + 1] << 16 | (uint32_t)head[at + 2] << 8 |
           head[at + 3];
}

/* Looks at the head of the file without SQLite, which would take an empty one for new. */
static beamc_status check_head(const beamc_state_dir *dir, int fd, beamc_error *err) {
    unsigned char head[HEAD_BYTES] = {0};
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n < 0) {
        return folder_error(dir, "read", errno, err);
    }
    if (n < (ssize_t)sizeof head || memcmp(head, "SQLite format 3", 16) != 0 ||
        head_u32(head, HEAD_APPLICATION_AT) != APPLICATION_ID) {
        return BEAMC_FAIL(err, DATA_LOSS,
                          "%s is damaged, or not a state file of beamc; nothing in it was changed: "
                          "restore it from a copy, or start anew with --state_dir_reset",
                          dir->file);
    }
    uint32_t version = head_u32(head, HEAD_VERSION_AT);
    if (version != FORMAT_VERSION) {
        return BEAMC_FAIL(err, FAILED_PRECONDITION,
                          "%s has format %u, and this version reads format %d: go on with the "
                          "version that wrote it, or start anew with --state_dir_reset",
                          dir->file, version, FORMAT_VERSION);
    }
    return BEAMC_OK;
}

static void remove_files(const char *base) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        beamc_buf path = {0};
        beamc_buf_printf(&path, "%s%s", base, ends[i]);
        beamc_buf_put_u8(&path, 0);
        unlink((const char *)path.ptr);
        beamc_buf_free(&path);
    }
}

static void sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static beamc_status make_job(char out[BEAMC_STATE_JOB_MAX], beamc_error *err) {
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return BEAMC_FAIL(err, INTERNAL, "no random numbers: %s", strerrordesc_np(errno));
    }
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    }
    return BEAMC_OK;
}

/* Made beside and renamed: there is a whole one or none. What SQLite kept beside an old one must be gone by
 * then: it would be taken for the new one's. */
static beamc_status make_file(beamc_state_dir *dir, beamc_error *err) {
    char *beside = join(dir->path, STATE_FILE ".new");
    remove_files(beside);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(beside, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    beamc_buf sql = {0};
    beamc_buf_printf(
        &sql,
        "PRAGMA page_size=%d; PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN;"
        "CREATE TABLE records (name BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
        "INSERT INTO facts VALUES ('job', '%s'); COMMIT",
        PAGE_BYTES, APPLICATION_ID, FORMAT_VERSION, dir->job);
    beamc_buf_put_u8(&sql, 0);
    rc = rc == SQLITE_OK ? sqlite3_exec(db, (const char *)sql.ptr, NULL, NULL, NULL) : rc;
    beamc_status status = rc == SQLITE_OK ? BEAMC_OK : beamc__state_error(dir, db, rc, err);
    sqlite3_close(db);
    if (status == BEAMC_OK) {
        sync_path(beside);
        remove_files(dir->file);
        if (rename(beside, dir->file) != 0) {
            status = folder_error(dir, "write to", errno, err);
        }
        sync_path(dir->path);
    } else {
        remove_files(beside);
    }
    beamc_buf_free(&sql);
    free(beside);
    return status;
}

/* ------------------------------------------------------------------------------ open, close */

static beamc_status make_folders(const beamc_state_dir *dir, beamc_error *err) {
    char *path = beamc__strdup(dir->path);
    int failed = 0;
    for (char *slash = path + 1; failed == 0 && slash != NULL;) {
        slash = strchr(slash, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        failed = mkdir(path, 0777) != 0 && errno != EEXIST ? errno : 0;
        if (slash != NULL) {
            *slash++ = '/';
        }
    }
    free(path);
    struct stat st;
    if (failed == 0 && stat(dir->path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        failed = ENOTDIR;
    }
    return failed == 0 ? BEAMC_OK : folder_error(dir, "make", failed, err);
}

static beamc_status open_file(beamc_state_dir *dir, bool reset, beamc_error *err) {
    int fd = open(dir->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        return folder_error(dir, "read", errno, err);
    }
    if (fd < 0 || reset) {
        dir->unmade = true;
        if (fd >= 0) {
            close(fd);
        }
        return make_job(dir->job, err);
    }
    beamc_status status = check_head(dir, fd, err);
    close(fd);
    BEAMC_TRY(status);
    BEAMC_TRY(beamc__state_open_records(dir, err));
    beamc_buf job = {0};
    bool found;
    status = beamc__state_fact(dir, "job", &job, &found, err);
    if (status == BEAMC_OK && (!found || job.len >= sizeof dir->job)) {
        status = beamc__state_error(dir, NULL, SQLITE_CORRUPT, err);
    }
    if (status == BEAMC_OK) {
        memcpy(dir->job, job.ptr, job.len);
    }
    beamc_buf_free(&job);
    return status;
}

beamc_status beamc__state_dir_open(const char *path, bool reset, beamc_state_dir **out,
                                   beamc_error *err) {
    beamc_state_dir *dir = beamc__calloc(1, sizeof *dir);
    dir->journal.ops = &beamc__state_journal_ops;
    dir->path = beamc__strdup(path);
    dir->file = join(path, STATE_FILE);
    dir->lock_fd = -1;
    pthread_mutex_init(&dir->read_mu, NULL);
    beamc_status status = BEAMC_OK;
    if (access(dir->file, F_OK) != 0) {
        status = check_nothing_else(dir, err);
        status = status == BEAMC_OK ? make_folders(dir, err) : status;
    }
    status = status == BEAMC_OK ? take_lock(dir, err) : status;
    status = status == BEAMC_OK ? open_file(dir, reset, err) : status;
    if (status != BEAMC_OK) {
        beamc__state_dir_close(dir);
        return status;
    }
    *out = dir;
    return BEAMC_OK;
}

void beamc__state_dir_close(beamc_state_dir *dir) {
    if (dir == NULL) {
        return;
    }
    beamc__state_close_records(dir);
    if (dir->lock_fd >= 0) {
        close(dir->lock_fd);
    }
    pthread_mutex_destroy(&dir->read_mu);
    free(dir->path);
    free(dir->file);
    free(dir);
}

const char *beamc__state_dir_job(const beamc_state_dir *dir) {
    return dir->job;
}

beamc_journal *beamc__state_dir_journal(beamc_state_dir *dir) {
    return &dir->journal;
}

/* ----------------------------------------------------------------------------------- steps */

static bool next_line(beamc_slice *rest, beamc_slice *line, beamc_slice *name) {
    if (rest->len == 0) {
        return false;
    }
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    *line = beamc_slice_of(rest->ptr, len);
    size_t used = len + (end != NULL);
    *rest = beamc_slice_of(rest->ptr + used, rest->len - used);
    const char *tab = memchr(line->ptr, '\t', len);
    *name = beamc_slice_of(line->ptr, tab == NULL ? len : (size_t)(tab - line->ptr));
    return true;
}

static int compare(beamc_slice a, beamc_slice b) {
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.ptr, b.ptr, least);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The first line in which two sorted lists differ: what has happened to which step. */
static const char *find_difference(beamc_slice old, beamc_slice now, beamc_slice *step) {
    beamc_slice a, b, a_name, b_name;
    for (;;) {
        bool has_a = next_line(&old, &a, &a_name), has_b = next_line(&now, &b, &b_name);
        if (!has_a && !has_b) {
            return NULL;
        }
        int order = !has_a ? 1 : !has_b ? -1 : compare(a_name, b_name);
        *step = order > 0 ? b_name : a_name;
        if (order != 0) {
            return order > 0 ? "is new" : "is not there any more";
        }
        if (!beamc_slice_eq(a, b)) {
            return "has another function, coder or windowing";
        }
    }
}

beamc_status beamc__state_dir_check_steps(beamc_state_dir *dir, beamc_slice steps,
                                          beamc_error *err) {
    if (dir->unmade) {
        BEAMC_TRY(make_file(dir, err));
        dir->unmade = false;
        BEAMC_TRY(beamc__state_open_records(dir, err));
    }
    beamc_buf old = {0};
    bool found;
    beamc_status status = beamc__state_fact(dir, "steps", &old, &found, err);
    beamc_slice step;
    const char *what =
        status == BEAMC_OK && found ? find_difference(beamc_buf_slice(&old), steps, &step) : NULL;
    if (what != NULL) {
        status = BEAMC_FAIL(err, FAILED_PRECONDITION,
                            "--state_dir=%s belongs to another pipeline: step \"%.*s\" %s; run the "
                            "pipeline that it belongs to, name another folder, or start anew with "
                            "--state_dir_reset",
                            dir->path, BEAMC_SLICE_ARG(step), what);
    }
    beamc_buf_free(&old);
    if (status == BEAMC_OK && !found) {
        status = beamc__state_set_fact(dir, "steps", steps, err);
    }
    return status;
}
