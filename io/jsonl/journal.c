/* journal.c: see the header. */
#include "io/jsonl/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/common/files.h"

/* Made anew when it has so many lines, and most of them are of bundles that are forgotten. */
enum { LINES_MIN = 256 };

#define FIRST_LINE "beamc jsonl 1 "

static beamc_status damaged(const beamc_jsonl_journal *j, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "%s is damaged: start the job anew with --state_dir_reset --overwrite",
                      j->path);
}

/* "<number><end>" off the front of @p at. NULL: it is something else. */
static char *take_number(char *at, char end, int64_t *out) {
    char *behind;
    errno = 0;
    long long n = strtoll(at, &behind, 10);
    if (behind == at || *behind != end || n < 0 || errno != 0) {
        return NULL;
    }
    *out = n;
    return behind + 1;
}

/* One line, which ends at @p end. */
static bool take_line(beamc_jsonl_journal *j, char *line, char *end) {
    *end = '\0';
    int64_t length;
    if (strlen(line) != (size_t)(end - line)) {
        return false;
    }
    if (j->bytes == 0) {
        size_t n = sizeof FIRST_LINE - 1;
        return strncmp(line, FIRST_LINE, n) == 0 && take_number(line + n, '\0', &j->length) != NULL;
    }
    char *id = take_number(line, ' ', &length);
    if (id == NULL || length < j->length) {
        return false;
    }
    j->length = length;
    j->lines++;
    beamc__ids_add(&j->ids, id);
    return true;
}

static beamc_status take_lines(beamc_jsonl_journal *j, beamc_buf *text, beamc_error *err) {
    char *at = (char *)text->ptr;
    char *stop = at + text->len;
    for (char *end; at < stop && (end = memchr(at, '\n', (size_t)(stop - at))) != NULL;
         at = end + 1) {
        if (!take_line(j, at, end)) {
            return damaged(j, err);
        }
        j->bytes += end + 1 - at;
    }
    if (j->bytes == 0) { /* it is renamed when it is whole */
        return damaged(j, err);
    }
    if (at < stop && ftruncate(j->fd, j->bytes) != 0) {
        return beamc__output_error(err, errno, "write", j->path);
    }
    return BEAMC_OK;
}

static beamc_status read_all(const beamc_jsonl_journal *j, beamc_buf *text, beamc_error *err) {
    for (;;) {
        beamc_buf_room(text, 16 << 10);
        ssize_t n = read(j->fd, text->ptr + text->len, text->cap - text->len);
        if (n < 0 && errno != EINTR) {
            return beamc__output_error(err, errno, "read", j->path);
        }
        if (n == 0) {
            return BEAMC_OK;
        }
        text->len += n > 0 ? (size_t)n : 0;
    }
}

beamc_status beamc__jsonl_journal_open(beamc_jsonl_journal *j, bool *found, beamc_error *err) {
    j->fd = open(j->path, O_RDWR | O_CLOEXEC);
    *found = j->fd >= 0;
    if (j->fd < 0) {
        return errno == ENOENT ? BEAMC_OK : beamc__output_error(err, errno, "open", j->path);
    }
    j->is_open = true;
    j->bytes = j->length = 0;
    j->lines = 0;
    beamc__ids_free(&j->ids);
    beamc_buf text = {0};
    beamc_status status = read_all(j, &text, err);
    if (status == BEAMC_OK) {
        status = take_lines(j, &text, err);
    }
    beamc_buf_free(&text);
    if (status != BEAMC_OK) {
        beamc__jsonl_journal_close(j);
    }
    return status;
}

void beamc__jsonl_journal_close(beamc_jsonl_journal *j) {
    if (j->is_open) {
        close(j->fd);
    }
    j->is_open = false;
}

static void put_all(const beamc_jsonl_journal *j, beamc_buf *out) {
    beamc_buf_printf(out, FIRST_LINE "%lld\n", (long long)j->length);
    const char *id;
    for (size_t at = 0; (id = beamc__ids_next(&j->ids, &at)) != NULL;) {
        beamc_buf_printf(out, "%lld %s\n", (long long)j->length, id);
    }
}

static beamc_status write_beside(const char *beside, const beamc_buf *text, beamc_error *err) {
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return beamc__output_error(err, errno, "make", beside);
    }
    beamc_status status = beamc__write_all(fd, text->ptr, text->len, beside, err);
    if (status == BEAMC_OK && fdatasync(fd) != 0) {
        status = beamc__output_error(err, errno, "write", beside);
    }
    if (close(fd) != 0 && status == BEAMC_OK) {
        status = beamc__output_error(err, errno, "write", beside);
    }
    return status;
}

beamc_status beamc__jsonl_journal_renew(beamc_jsonl_journal *j, beamc_error *err) {
    beamc_buf text = {0};
    beamc_buf beside = {0};
    beamc_buf folder = {0};
    put_all(j, &text);
    beamc_buf_printf(&beside, "%s.new", j->path);
    beamc_buf_put_u8(&beside, 0);
    beamc__parent_folder(j->path, &folder);
    const char *new_path = (const char *)beside.ptr;
    beamc_status status = write_beside(new_path, &text, err);
    if (status == BEAMC_OK) {
        status = beamc__move_into_place(new_path, j->path, true, err);
    }
    if (status == BEAMC_OK) {
        status = beamc__sync_path((char *)folder.ptr, err);
    }
    beamc__jsonl_journal_close(j);
    if (status == BEAMC_OK) {
        j->fd = open(j->path, O_RDWR | O_CLOEXEC);
        j->is_open = j->fd >= 0;
        status = j->is_open ? BEAMC_OK : beamc__output_error(err, errno, "open", j->path);
        j->bytes = (int64_t)text.len;
        j->lines = j->ids.count;
    }
    beamc_buf_free(&text);
    beamc_buf_free(&beside);
    beamc_buf_free(&folder);
    return status;
}

static beamc_status write_line(beamc_jsonl_journal *j, const beamc_buf *line, beamc_error *err) {
    /* At its place: what an attempt before this one left there is written over, or cut. */
    beamc_status status = lseek(j->fd, j->bytes, SEEK_SET) < 0
                              ? beamc__output_error(err, errno, "write", j->path)
                              : beamc__write_all(j->fd, line->ptr, line->len, j->path, err);
    if (status == BEAMC_OK && fdatasync(j->fd) != 0) {
        status = beamc__output_error(err, errno, "write", j->path);
    }
    if (status != BEAMC_OK && ftruncate(j->fd, j->bytes) != 0) {
        beamc__jsonl_journal_close(j); /* to be read anew */
    }
    return status;
}

beamc_status beamc__jsonl_journal_add(beamc_jsonl_journal *j, const char *id, int64_t length,
                                      beamc_error *err) {
    beamc_buf line = {0};
    beamc_buf_printf(&line, "%lld %s\n", (long long)length, id);
    beamc_status status = write_line(j, &line, err);
    if (status == BEAMC_OK) {
        j->bytes += (int64_t)line.len;
        j->lines++;
        j->length = length;
        beamc__ids_add(&j->ids, id);
    }
    beamc_buf_free(&line);
    if (status == BEAMC_OK && j->lines >= LINES_MIN && j->lines / 2 > j->ids.count) {
        status = beamc__jsonl_journal_renew(j, err);
    }
    return status;
}
