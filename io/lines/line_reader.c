/* line_reader.c: see the header. A line belongs to the part in which it begins. So a part that does not
 * begin at 0 looks at the byte before it, and starts behind the first LF from there on. */
#include "io/lines/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <beamc/io.h>

#include "io/common/files.h"

enum {
    BUFFER_BYTES = 256 << 10, /* fits the second-level cache; larger ones are not faster */
    HEAD_BYTES = 1 << 20,
    BEHIND_STOP_BYTES = 16 << 10 /* the end of the last line is mostly not far */
};

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Reads once into the room behind the buffer's content, which is moved to the front first. */
static beamc_status read_more(beamc_line_reader *r, beamc_error *err) {
    if (r->next > 0) {
        r->buf.len -= r->next;
        memmove(r->buf.ptr, r->buf.ptr + r->next, r->buf.len);
        r->base += (int64_t)r->next;
        r->scanned -= r->next;
        r->next = 0;
    }
    int64_t at = r->base + (int64_t)r->buf.len;
    size_t want = r->buffer_bytes;
    if (!r->is_stream) {
        int64_t to_stop = at < r->stop ? r->stop - at : 0;
        want = min_size(want, (size_t)to_stop + min_size(want, BEHIND_STOP_BYTES));
    }
    beamc_buf_room(&r->buf, r->buf.cap > r->buf.len ? 1 : want);
    want = min_size(want, r->buf.cap - r->buf.len);
    ssize_t n;
    do {
        n = r->is_stream ? read(r->fd, r->buf.ptr + r->buf.len, want)
                         : pread(r->fd, r->buf.ptr + r->buf.len, want, at);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        int errnum = errno;
        char where[4096 + 64];
        snprintf(where, sizeof where, "%s at byte %lld", r->path, (long long)at);
        return beamc__input_error(err, errnum, "read", where);
    }
    r->buf.len += (size_t)n;
    r->at_end = n == 0;
    return BEAMC_OK;
}

/* Forgets all that is in the buffer. */
static void drop_all(beamc_line_reader *r) {
    r->base += (int64_t)r->buf.len;
    r->buf.len = r->next = r->scanned = 0;
}

/* The index of the first LF at or behind `scanned`, or SIZE_MAX. */
static size_t find_lf(beamc_line_reader *r) {
    size_t left = r->buf.len - r->scanned;
    const unsigned char *lf = left > 0 ? memchr(r->buf.ptr + r->scanned, '\n', left) : NULL;
    r->scanned = r->buf.len;
    return lf != NULL ? (size_t)(lf - r->buf.ptr) : SIZE_MAX;
}

static bool is_blank(const unsigned char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r')) {
            return false;
        }
    }
    return true;
}

/* To the first line that begins at or behind base + 1. */
static beamc_status skip_begun_line(beamc_line_reader *r, beamc_error *err) {
    for (;;) {
        BEAMC_TRY(read_more(r, err));
        size_t lf = find_lf(r);
        if (lf != SIZE_MAX) {
            r->next = r->scanned = lf + 1;
            return BEAMC_OK;
        }
        drop_all(r);
        if (r->at_end || r->base >= r->stop) {
            return BEAMC_OK;
        }
    }
}

beamc_status beamc__line_reader_open(beamc_line_reader *r, int fd, bool is_stream, const char *path,
                                     int64_t start, int64_t stop, beamc_error *err) {
    r->buffer_bytes = r->buffer_bytes != 0 ? r->buffer_bytes : BUFFER_BYTES;
    r->line_max_bytes = r->line_max_bytes != 0 ? r->line_max_bytes : BEAMC_LINE_MAX_BYTES;
    r->line_head_bytes = r->line_head_bytes != 0 ? r->line_head_bytes : HEAD_BYTES;
    r->fd = fd;
    r->is_stream = is_stream;
    r->path = path;
    r->at_end = false;
    r->next = r->scanned = r->buf.len = 0;
    r->stop = stop;
    if (r->buf.cap > 4 * r->buffer_bytes) {
        beamc_buf_free(&r->buf); /* a very long line had it grow */
    }
    if (r->buf.ptr == NULL) {
        beamc_buf_grow(&r->buf, r->buffer_bytes);
    }
    r->base = is_stream || start <= 0 ? 0 : start - 1;
    if (!is_stream) {
        posix_fadvise(fd, r->base, stop - r->base, POSIX_FADV_SEQUENTIAL);
    }
    return start > 0 && !is_stream ? skip_begun_line(r, err) : BEAMC_OK;
}

void beamc__line_reader_close(beamc_line_reader *r) {
    beamc_buf_free(&r->buf);
    beamc_buf_free(&r->head);
}

/* The line [next, end of text), which ends at buffer index @p behind. */
static void take_line(beamc_line_reader *r, beamc_line *line, size_t end, size_t behind) {
    const unsigned char *text = r->buf.ptr + r->next;
    size_t len = end - r->next;
    if (end < behind && len > 0 && text[len - 1] == '\r') {
        len--;
    }
    r->next = r->scanned = behind;
    line->size = (int64_t)len;
    line->text = beamc_slice_of(text, len);
    if (is_blank(text, len)) {
        line->kind = BEAMC_LINE_BLANK;
    } else if (len > r->line_max_bytes) {
        line->kind = BEAMC_LINE_LONG;
        line->text.len = min_size(len, r->line_head_bytes);
    } else {
        line->kind = BEAMC_LINE_TEXT;
    }
}

/* A line of which the buffer holds the beginning, and which is longer than is held: to its end. */
static beamc_status pass_long_line(beamc_line_reader *r, beamc_line *line, beamc_error *err) {
    beamc_buf_clear(&r->head);
    int64_t size = 0;
    bool blank = true;
    bool ends_with_cr = false;
    bool has_lf = false;
    for (;;) {
        const unsigned char *text = r->buf.ptr + r->next;
        size_t lf = find_lf(r);
        has_lf = lf != SIZE_MAX;
        size_t len = (has_lf ? lf : r->buf.len) - r->next;
        blank = blank && is_blank(text, len);
        beamc_buf_put(&r->head, text, min_size(len, r->line_head_bytes - r->head.len));
        size += (int64_t)len;
        ends_with_cr = len > 0 ? text[len - 1] == '\r' : ends_with_cr;
        if (has_lf) {
            r->next = r->scanned = lf + 1;
            break;
        }
        drop_all(r);
        if (r->at_end) {
            break;
        }
        BEAMC_TRY(read_more(r, err));
    }
    line->kind = blank ? BEAMC_LINE_BLANK : BEAMC_LINE_LONG;
    line->size = size - (has_lf && ends_with_cr);
    line->text = beamc_buf_slice(&r->head);
    return BEAMC_OK;
}

beamc_status beamc__line_reader_fill(beamc_line_reader *r, beamc_line *line, beamc_error *err) {
    for (;;) {
        size_t lf = find_lf(r);
        if (lf != SIZE_MAX) {
            take_line(r, line, lf, lf + 1);
            return BEAMC_OK;
        }
        size_t held = r->buf.len - r->next;
        if (r->at_end) {
            if (held == 0) {
                line->kind = BEAMC_LINE_END;
            } else {
                take_line(r, line, r->buf.len, r->buf.len);
            }
            return BEAMC_OK;
        }
        if (held > r->line_max_bytes + 1) { /* too long even if its last byte is the CR */
            r->scanned = r->next;
            return pass_long_line(r, line, err);
        }
        BEAMC_TRY(read_more(r, err));
    }
}
