/* table_file.c: see the header. Files are in one list, under one lock that is held for moments only; each
 * has a lock of its own, held for an append. One that nobody has got any more is closed, but stays in the
 * list: a bundle that failed may take all instances with it, and is then tried again. */
#include "io/jsonl/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <beamc/log.h>

#include "io/common/files.h"
#include "io/jsonl/journal.h"

struct beamc_table_file {
    beamc_table_file *next;
    int users; /* guarded by the list's lock */
    char *path;
    char *job;
    bool lasting;

    pthread_mutex_t lock; /* guards what follows */
    bool began;           /* by this process */
    bool is_open;         /* as fd */
    int fd;
    beamc_jsonl_journal journal; /* without a file of its own unless lasting */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static beamc_table_file *list;

static void *check_memory(void *p) {
    if (p == NULL) {
        fprintf(stderr, "beamc: out of memory\n");
        abort();
    }
    return p;
}

/* With the list's lock held. */
static beamc_table_file *find(const char *path, const char *job) {
    beamc_table_file *f = list;
    while (f != NULL && (strcmp(f->path, path) != 0 || strcmp(f->job, job) != 0)) {
        f = f->next;
    }
    return f;
}

beamc_table_file *beamc__table_file_get(const char *path, const char *job, const char *journal) {
    pthread_mutex_lock(&list_lock);
    beamc_table_file *f = find(path, job);
    if (f == NULL) {
        f = check_memory(calloc(1, sizeof *f));
        f->path = check_memory(strdup(path));
        f->job = check_memory(strdup(job));
        f->lasting = journal != NULL;
        f->journal.path = f->lasting ? check_memory(strdup(journal)) : "";
        pthread_mutex_init(&f->lock, NULL);
        f->next = list;
        list = f;
    }
    f->users++;
    pthread_mutex_unlock(&list_lock);
    return f;
}

static void close_file(beamc_table_file *f) {
    if (f->is_open) {
        close(f->fd);
    }
    f->is_open = false;
    beamc__jsonl_journal_close(&f->journal);
}

void beamc__table_file_put(beamc_table_file *f) {
    pthread_mutex_lock(&list_lock);
    bool last = --f->users == 0;
    pthread_mutex_unlock(&list_lock);
    if (last) { /* should somebody get it just now, he opens it again */
        pthread_mutex_lock(&f->lock);
        close_file(f);
        pthread_mutex_unlock(&f->lock);
    }
}

void beamc__table_file_forget(const char *path, const char *job, const char *id) {
    pthread_mutex_lock(&list_lock);
    beamc_table_file *f = find(path, job);
    pthread_mutex_unlock(&list_lock);
    if (f != NULL) {
        pthread_mutex_lock(&f->lock);
        beamc__ids_remove(&f->journal.ids, id);
        pthread_mutex_unlock(&f->lock);
    }
}

/* ------------------------------------------------------------------------------------ opening */

static beamc_status exists(const beamc_table_file *f, beamc_error *err) {
    return beamc__output_error(err, EEXIST, "make", f->path);
}

static beamc_status was_removed(const beamc_table_file *f, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "output %s was removed while its job is in progress: put it back, or start "
                      "the job anew%s",
                      f->path, f->lasting ? " with --state_dir_reset --overwrite" : "");
}

static beamc_status was_cut(const beamc_table_file *f, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "output %s is shorter than what its job wrote to it (%lld bytes): put it "
                      "back as it was, or start the job anew%s",
                      f->path, (long long)f->journal.length,
                      f->lasting ? " with --state_dir_reset --overwrite" : "");
}

/* From the journal; without one, the job begins. Once there is one, the file is the job's, and what it
 * holds beyond the journal's length is not. */
static beamc_status read_journal(beamc_table_file *f, bool overwrite, beamc_error *err) {
    bool found;
    BEAMC_TRY(beamc__jsonl_journal_open(&f->journal, &found, err));
    if (found) {
        return BEAMC_OK;
    }
    if (f->began) {
        return BEAMC_FAIL(err, DATA_LOSS, "%s was removed while its job is in progress",
                          f->journal.path);
    }
    if (!overwrite && access(f->path, F_OK) == 0) {
        return exists(f, err);
    }
    return beamc__jsonl_journal_renew(&f->journal, err);
}

/* The file as long as it should be, and the descriptor at its end. */
static beamc_status to_the_end(const beamc_table_file *f, beamc_error *err) {
    struct stat st;
    if (fstat(f->fd, &st) != 0) {
        return beamc__output_error(err, errno, "read", f->path);
    }
    if (st.st_nlink == 0) {
        return was_removed(f, err);
    }
    if ((int64_t)st.st_size < f->journal.length) {
        return was_cut(f, err);
    }
    bool longer = (int64_t)st.st_size > f->journal.length;
    if ((longer && ftruncate(f->fd, f->journal.length) != 0) ||
        lseek(f->fd, f->journal.length, SEEK_SET) < 0) {
        return beamc__output_error(err, errno, "write", f->path);
    }
    return BEAMC_OK;
}

static beamc_status open_fd(beamc_table_file *f, bool overwrite, beamc_error *err) {
    int flags = O_WRONLY | O_CLOEXEC;
    if (f->journal.length == 0) {
        flags |= O_CREAT | (f->lasting || f->began ? 0 : overwrite ? O_TRUNC : O_EXCL);
    }
    f->fd = open(f->path, flags, 0666);
    if (f->fd < 0) {
        return errno == ENOENT && f->journal.length > 0
                   ? was_removed(f, err)
                   : beamc__output_error(err, errno, "open", f->path);
    }
    f->is_open = true;
    if (!f->lasting || f->journal.length > 0) {
        return BEAMC_OK;
    }
    beamc_buf folder = {0}; /* it may be new in there */
    beamc__parent_folder(f->path, &folder);
    beamc_status status = beamc__sync_path((char *)folder.ptr, err);
    beamc_buf_free(&folder);
    return status;
}

/* With the lock held. */
static beamc_status open_locked(beamc_table_file *f, bool overwrite, beamc_error *err) {
    if (f->lasting && !f->journal.is_open) {
        BEAMC_TRY(read_journal(f, overwrite, err));
    }
    if (f->is_open) {
        return BEAMC_OK;
    }
    BEAMC_TRY(open_fd(f, overwrite, err));
    f->began = true;
    return to_the_end(f, err);
}

beamc_status beamc__table_file_open(beamc_table_file *f, bool overwrite, beamc_error *err) {
    pthread_mutex_lock(&f->lock);
    beamc_status status = open_locked(f, overwrite, err);
    if (status != BEAMC_OK) {
        close_file(f);
    }
    pthread_mutex_unlock(&f->lock);
    return status;
}

/* ---------------------------------------------------------------------------------- appending */

/* Nobody wants to see half a row. What cannot be cut now is cut by the next attempt. */
static beamc_status write_or_cut(beamc_table_file *f, beamc_slice text, beamc_error *err) {
    beamc_status status = beamc__write_all(f->fd, text.ptr, text.len, f->path, err);
    if (status != BEAMC_OK && ftruncate(f->fd, f->journal.length) != 0) {
        BEAMC_LOG_WARN(NULL, "%s ends with half a row", f->path);
    }
    return status;
}

static beamc_status append_locked(beamc_table_file *f, bool overwrite, const char *id,
                                  beamc_slice text, beamc_error *err) {
    BEAMC_TRY(open_locked(f, overwrite, err));
    if (beamc__ids_has(&f->journal.ids, id)) {
        return BEAMC_OK;
    }
    BEAMC_TRY(to_the_end(f, err));
    BEAMC_TRY(write_or_cut(f, text, err));
    int64_t length = f->journal.length + (int64_t)text.len;
    if (!f->lasting) {
        f->journal.length = length;
        beamc__ids_add(&f->journal.ids, id);
        return BEAMC_OK;
    }
    if (fdatasync(f->fd) != 0) {
        return beamc__output_error(err, errno, "write", f->path);
    }
    return beamc__jsonl_journal_add(&f->journal, id, length, err);
}

beamc_status beamc__table_file_append(beamc_table_file *f, bool overwrite, const char *id,
                                      beamc_slice text, beamc_error *err) {
    pthread_mutex_lock(&f->lock);
    beamc_status status = append_locked(f, overwrite, id, text, err);
    if (status != BEAMC_OK) {
        close_file(f); /* and looks again, should there be another attempt */
    }
    pthread_mutex_unlock(&f->lock);
    return status;
}
