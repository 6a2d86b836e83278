/* line_reader.h: the lines of a file or stream, out of one reused buffer. Knows nothing of pipelines.
 *
 * Regular files are read by position, so that parts of one file can be read side by side; streams
 * (pipes, terminals) in their order. Memory is the buffer, whatever the file's size: it grows only for
 * a line that does not fit, up to the longest line that is held, and is given back with
 * beamc__line_reader_close. Threads: one at a time. */
#ifndef BEAMC_IO_LINES_LINE_READER_H
#define BEAMC_IO_LINES_LINE_READER_H

#include <beamc/buf.h>

typedef struct beamc_line_reader {
    /* Set by the user before the first open; 0: the default. */
    size_t buffer_bytes;    /* 256 KiB */
    size_t line_max_bytes;  /* longer lines are not held; BEAMC_LINE_MAX_BYTES */
    size_t line_head_bytes; /* of those, so much is shown; 1 MiB */

    int fd;
    bool is_stream;
    bool at_end;      /* nothing is behind the buffer */
    const char *path; /* for messages; borrowed */
    int64_t base;     /* offset of the buffer's first byte in the file */
    int64_t stop;     /* read generously up to here, sparingly behind */
    size_t next;      /* buffer index of the next line */
    size_t scanned;   /* no LF lies in [next, scanned) */
    beamc_buf buf;
    beamc_buf head; /* of a line that is too long */
} beamc_line_reader;

typedef enum beamc_line_kind {
    BEAMC_LINE_TEXT = 0, /* text */
    BEAMC_LINE_LONG,     /* text is its head, size its size */
    BEAMC_LINE_BLANK,    /* nothing but ASCII white space */
    BEAMC_LINE_END       /* the file's end */
} beamc_line_kind;

typedef struct beamc_line {
    beamc_line_kind kind;
    beamc_slice text; /* without LF, and without the CR before it; holds until the next call */
    int64_t size;
} beamc_line;

/* Starts at the first line that begins at or behind @p start of @p fd. Lines that begin at or behind
 * @p stop are not wanted: where a line covers the whole part, the reader stands at or behind @p stop,
 * maybe inside of a line. The caller keeps the descriptor. */
beamc_status beamc__line_reader_open(beamc_line_reader *r, int fd, bool is_stream, const char *path,
                                     int64_t start, int64_t stop, beamc_error *err) BEAMC_MUST_USE;
/* Gives the memory back. */
void beamc__line_reader_close(beamc_line_reader *r);

/* The offset of the line that beamc__line_reader_next would read, or of the file's end. */
static inline int64_t beamc__line_reader_offset(const beamc_line_reader *r) {
    return r->base + (int64_t)r->next;
}

/* Slow path of beamc__line_reader_next: the buffer holds no whole line, or the line may be blank. */
beamc_status beamc__line_reader_fill(beamc_line_reader *r, beamc_line *line,
                                     beamc_error *err) BEAMC_MUST_USE;

/* Reads one line. */
static inline beamc_status beamc__line_reader_next(beamc_line_reader *r, beamc_line *line,
                                                   beamc_error *err) {
    const char *begin = (const char *)r->buf.ptr + r->next;
    size_t left = r->buf.len - r->next;
    const char *lf = left > 0 ? memchr(begin, '\n', left) : NULL;
    /* A first byte above the space: surely not blank. */
    if (__builtin_expect(lf == NULL || (unsigned char)*begin <= ' ', 0)) {
        return beamc__line_reader_fill(r, line, err);
    }
    size_t len = (size_t)(lf - begin);
    if (__builtin_expect(len > r->line_max_bytes, 0)) {
        return beamc__line_reader_fill(r, line, err);
    }
    r->next += len + 1;
    r->scanned = r->next;
    line->kind = BEAMC_LINE_TEXT;
    line->text.ptr = begin;
    line->text.len = len - (begin[len - 1] == '\r');
    return BEAMC_OK;
}

#endif
