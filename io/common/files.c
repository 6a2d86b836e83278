/* files.c: see the header. Nothing here keeps state, but for the list of what to remove at exit, which
 * only the process that builds a pipeline fills. */
#include "io/common/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* strerror is not safe among threads; strerrordesc_np is, and needs no buffer. */
static const char *reason_of(int errnum) {
    const char *text = strerrordesc_np(errnum);
    return text != NULL ? text : "unknown error";
}

beamc_status beamc__input_error(beamc_error *err, int errnum, const char *verb, const char *path) {
    const char *reason = reason_of(errnum);
    switch (errnum) {
    case EACCES:
    case EPERM:
        return BEAMC_FAIL(err, PERMISSION_DENIED,
                          "cannot %s %s: %s; give the user that runs the job read access", verb,
                          path, reason);
    case EMFILE:
    case ENFILE:
        return BEAMC_FAIL(err, UNAVAILABLE, "cannot %s %s: %s; raise the limit (ulimit -n)", verb,
                          path, reason);
    default:
        return BEAMC_FAIL(err, NOT_FOUND, "cannot %s %s: %s", verb, path, reason);
    }
}

beamc_status beamc__output_error(beamc_error *err, int errnum, const char *verb, const char *path) {
    const char *reason = reason_of(errnum);
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "cannot %s %s: %s; free some space, or write somewhere else", verb, path,
                          reason);
    case EFBIG:
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "cannot %s %s: %s; raise the limit (ulimit -f), or write somewhere else",
                          verb, path, reason);
    case EACCES:
    case EPERM:
    case EROFS:
        return BEAMC_FAIL(
            err, DATA_LOSS,
            "cannot %s %s: %s; give the user that runs the job write access, or write "
            "somewhere else",
            verb, path, reason);
    case EEXIST:
        return BEAMC_FAIL(err, ALREADY_EXISTS,
                          "cannot %s %s: it exists; add --overwrite to replace it", verb, path);
    case EMFILE:
    case ENFILE:
        return BEAMC_FAIL(err, UNAVAILABLE, "cannot %s %s: %s; raise the limit (ulimit -n)", verb,
                          path, reason);
    default:
        return BEAMC_FAIL(err, DATA_LOSS, "cannot %s %s: %s", verb, path, reason);
    }
}

beamc_status beamc__write_all(int fd, const void *data, size_t len, const char *path,
                              beamc_error *err) {
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return beamc__output_error(err, n < 0 ? errno : ENOSPC, "write", path);
        }
        at += n;
        len -= (size_t)n;
    }
    return BEAMC_OK;
}

/* One step of beamc__append_file: up to @p bytes from @p from to @p to, both at their positions. The
 * kernel copies where the file systems let it (or shares the blocks). */
static ssize_t copy_some(int to, int from, size_t bytes, char *buf, size_t buf_bytes) {
    ssize_t n = copy_file_range(from, NULL, to, NULL, bytes, 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
                  errno == EBADF /* `to` is in append mode */)) {
        n = sendfile(to, from, NULL, bytes);
    }
    if (n >= 0 || (errno != EINVAL && errno != ENOSYS)) {
        return n;
    }
    ssize_t got = read(from, buf, bytes < buf_bytes ? bytes : buf_bytes);
    for (ssize_t put = 0; put < got; put += n) {
        n = write(to, buf + put, (size_t)(got - put));
        if (n < 0) {
            return n;
        }
    }
    return got;
}

beamc_status beamc__append_file(int to, const char *to_path, int from, const char *from_path,
                                int64_t bytes, beamc_error *err) {
    char buf[16 << 10];
    int64_t left = bytes;
    while (left > 0) {
        size_t some = left < (1 << 30) ? (size_t)left : (size_t)1 << 30;
        ssize_t n = copy_some(to, from, some, buf, sizeof buf);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return beamc__output_error(err, errno, "write", to_path);
        }
        if (n == 0) {
            return BEAMC_FAIL(err, DATA_LOSS,
                              "%s is %lld bytes shorter than what was written to it", from_path,
                              (long long)left);
        }
        left -= n;
    }
    return BEAMC_OK;
}

beamc_status beamc__sync_path(const char *path, beamc_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return beamc__output_error(err, errno, "open", path);
    }
    int rc = fsync(fd);
    int errnum = errno;
    close(fd);
    /* EINVAL: a file system that cannot, for this kind of file. */
    return rc == 0 || errnum == EINVAL ? BEAMC_OK : beamc__output_error(err, errnum, "sync", path);
}

beamc_status beamc__move_into_place(const char *from, const char *to, bool overwrite,
                                    beamc_error *err) {
    int rc =
        overwrite ? rename(from, to) : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc != 0 && !overwrite && (errno == EINVAL || errno == ENOSYS)) {
        rc = access(to, F_OK) == 0 ? (errno = EEXIST, -1) : rename(from, to);
    }
    return rc == 0 ? BEAMC_OK : beamc__output_error(err, errno, "put in place", to);
}

static beamc_status make_one_folder(const char *path, beamc_error *err) {
    struct stat st;
    if (mkdir(path, 0777) == 0) {
        return BEAMC_OK;
    }
    int errnum = errno;
    if (stat(path, &st) == 0) {
        return S_ISDIR(st.st_mode) ? BEAMC_OK
                                   : BEAMC_FAIL(err, DATA_LOSS, "%s is not a folder", path);
    }
    return beamc__output_error(err, errnum, "make the folder", path);
}

beamc_status beamc__make_folder(const char *path, beamc_error *err) {
    beamc_buf part = {0};
    beamc_status status = BEAMC_OK;
    size_t len = strlen(path);
    for (size_t i = 1; i <= len && status == BEAMC_OK; i++) {
        if (i == len || path[i] == '/') {
            beamc_buf_clear(&part);
            beamc_buf_put(&part, path, i);
            beamc_buf_put_u8(&part, 0);
            status = make_one_folder((char *)part.ptr, err);
        }
    }
    beamc_buf_free(&part);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "output folder %s", path);
    }
    return status;
}

void beamc__empty_folder(const char *path) {
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            unlinkat(dirfd(dir), e->d_name, 0);
        }
    }
    closedir(dir);
}

void beamc__remove_leftover(const char *path) {
    if (unlink(path) != 0 && errno != ENOENT) {
        beamc__empty_folder(path);
        rmdir(path);
    }
}

void beamc__parent_folder(const char *path, beamc_buf *out) {
    const char *slash = strrchr(path, '/');
    beamc_buf_clear(out);
    if (slash == NULL) {
        beamc_buf_put_str(out, ".");
    } else {
        beamc_buf_put(out, path, slash == path ? 1 : (size_t)(slash - path));
    }
    beamc_buf_put_u8(out, 0);
}

bool beamc__table_name_ok(const char *name) {
    size_t len = name != NULL ? strlen(name) : 0;
    return len > 0 && len <= 100 && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == len;
}

/* ------------------------------------------------------------- what a job leaves when it dies */

static unsigned host_id(void) {
    char name[256] = {0};
    gethostname(name, sizeof name - 1);
    unsigned h = 2166136261u; /* FNV-1a */
    for (const char *c = name; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * 16777619u;
    }
    return h;
}

void beamc__job_token(char out[BEAMC_JOB_TOKEN_MAX]) {
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        random = (uint64_t)(uintptr_t)&random;
    }
    snprintf(out, BEAMC_JOB_TOKEN_MAX, "%08x-%d-%016llx", host_id(), (int)getpid(),
             (unsigned long long)random);
}

void beamc__lasting_token(const char *job, char out[BEAMC_JOB_TOKEN_MAX]) {
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = job; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    snprintf(out, BEAMC_JOB_TOKEN_MAX, "job-%016llx", (unsigned long long)h);
}

static beamc_status write_marker(const char *path, const char *text, beamc_error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return beamc__output_error(err, errno, "make", path);
    }
    beamc_status status = beamc__write_all(fd, text, strlen(text), path, err);
    if (status == BEAMC_OK && fsync(fd) != 0 && errno != EINVAL) {
        status = beamc__output_error(err, errno, "write", path);
    }
    close(fd);
    BEAMC_TRY(status);
    beamc_buf folder = {0};
    beamc__parent_folder(path, &folder);
    status = beamc__sync_path((char *)folder.ptr, err);
    beamc_buf_free(&folder);
    return status;
}

beamc_status beamc__marker_make(const char *path, beamc_error *err) {
    return write_marker(path, "", err);
}

beamc_status beamc__marker_set(const char *path, beamc_error *err) {
    return write_marker(path, "made\n", err);
}

bool beamc__marker_is_set(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

void beamc__remove_dead_jobs(const char *folder, const char *prefix) {
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return;
    }
    beamc_buf path = {0};
    size_t prefix_len = strlen(prefix);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        unsigned host;
        int pid;
        int end = 0;
        if (strncmp(e->d_name, prefix, prefix_len) != 0 ||
            sscanf(e->d_name + prefix_len, "%8x-%d-%*16[0-9a-f]%n", &host, &pid, &end) != 2 ||
            end == 0 || host != host_id() || pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH) {
            continue;
        }
        beamc_buf_clear(&path);
        beamc_buf_printf(&path, "%s/%s", folder, e->d_name);
        beamc_buf_put_u8(&path, 0);
        beamc__remove_leftover((char *)path.ptr);
    }
    closedir(dir);
    beamc_buf_free(&path);
}

typedef struct leftover {
    struct leftover *next;
    pid_t pid; /* a forked child must not remove it */
    char path[];
} leftover;

static _Atomic(leftover *) leftovers;

static void remove_leftovers(void) {
    leftover *l = atomic_exchange(&leftovers, NULL);
    while (l != NULL) {
        leftover *next = l->next;
        if (l->pid == getpid()) {
            beamc__remove_leftover(l->path);
        }
        free(l);
        l = next;
    }
}

void beamc__remove_at_exit(const char *path) {
    size_t size = strlen(path) + 1;
    leftover *l = malloc(sizeof *l + size);
    if (l == NULL) {
        return; /* the next job removes it */
    }
    l->pid = getpid();
    memcpy(l->path, path, size);
    l->next = atomic_load(&leftovers);
    while (!atomic_compare_exchange_weak(&leftovers, &l->next, l)) {
    }
    static atomic_flag registered = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&registered)) {
        atexit(remove_leftovers);
    }
}
