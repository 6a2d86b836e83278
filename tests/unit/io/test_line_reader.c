/* The line reader: whatever the buffer's size and wherever a file is split, the same lines come out. */
#include <beamc/io.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/lines/line_reader.h"

/* What the contract says, in the plainest code: appends "T<text>|" or "L<head>:<size>|" for each line. */
static void reference(beamc_slice file, size_t max, size_t head, int64_t from, int64_t to,
                      beamc_buf *out) {
    size_t at = 0;
    while (at < file.len) {
        const char *lf = memchr(file.ptr + at, '\n', file.len - at);
        size_t end = lf != NULL ? (size_t)(lf - file.ptr) : file.len;
        size_t len = end - at;
        if (lf != NULL && len > 0 && file.ptr[end - 1] == '\r') {
            len--;
        }
        bool blank = true;
        for (size_t i = 0; i < len; i++) {
            blank = blank && strchr(" \t\n\v\f\r", file.ptr[at + i]) != NULL && file.ptr[at + i];
        }
        if (!blank && (int64_t)at >= from && (int64_t)at < to) {
            if (len > max) {
                beamc_buf_printf(out, "L%.*s:%zu|", (int)(len < head ? len : head), file.ptr + at,
                                 len);
            } else {
                beamc_buf_put_u8(out, 'T');
                beamc_buf_put(out, file.ptr + at, len);
                beamc_buf_put_u8(out, '|');
            }
        }
        at = end + 1;
    }
}

/* The same by the reader, as the DoFn uses it: a line is read if it begins before @p stop. */
static void by_reader(beamc_line_reader *r, int fd, bool is_stream, int64_t start, int64_t stop,
                      beamc_buf *out) {
    beamc_error err = {0};
    cr_assert_eq(beamc__line_reader_open(r, fd, is_stream, "f", start, stop, &err), BEAMC_OK, "%s",
                 err.message);
    while (beamc__line_reader_offset(r) < stop) {
        beamc_line line;
        cr_assert_eq(beamc__line_reader_next(r, &line, &err), BEAMC_OK, "%s", err.message);
        if (line.kind == BEAMC_LINE_END) {
            break;
        }
        if (line.kind == BEAMC_LINE_LONG) {
            beamc_buf_printf(out, "L%.*s:%lld|", BEAMC_SLICE_ARG(line.text), (long long)line.size);
        } else if (line.kind == BEAMC_LINE_TEXT) {
            beamc_buf_put_u8(out, 'T');
            beamc_buf_put_slice(out, line.text);
            beamc_buf_put_u8(out, '|');
        }
    }
}

static int file_of(beamc_slice content) {
    int fd = memfd_create("lines", 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content.ptr, content.len), (ssize_t)content.len);
    return fd;
}

static void expect_same(const beamc_buf *got, const beamc_buf *want, const char *what, size_t a,
                        size_t b, size_t c) {
    cr_assert(beamc_slice_eq(beamc_buf_slice(got), beamc_buf_slice(want)),
              "%s %zu %zu %zu\n got %.*s\nwant %.*s", what, a, b, c,
              BEAMC_SLICE_ARG(beamc_buf_slice(got)), BEAMC_SLICE_ARG(beamc_buf_slice(want)));
}

#define NASTY                                                                                      \
    BEAMC_STR("a\nbc\r\n\n\r\n  \t\v\f \nlast of the short\n\r\r\n\r x\r\r\n"                      \
              "0123456789abcdef0123456789\n0123456789abcdefghi\r\n0123456789abcdefghij\r\n"        \
              "0123456789abcdefghijk\r\n0123456789abcdefghijk\n                          \n"       \
              "x\0y\n\n\n\xc3\xa4\xff\n\x85 not blank\n{\"a\": 1}\r\nz")

static const beamc_slice files[] = {
    NASTY,
    BEAMC_STR(""),
    BEAMC_STR("\n"),
    BEAMC_STR("\r\n"),
    BEAMC_STR("x"),
    BEAMC_STR("x\n"),
    BEAMC_STR("x\r"),
    BEAMC_STR("\n\nab\n\n"),
    BEAMC_STR("abc\r\n   "),
    BEAMC_STR("0123456789abcdefghij0123456789"),
    BEAMC_STR("0123456789abcdefghij\r"),
    BEAMC_STR("0123456789abcdefghi\r"),
    BEAMC_STR("0123456789abcdefghij012345\r\n"),
    BEAMC_STR("                                   \r\n"),
    BEAMC_STR("                                   "),
};
enum { FILES = sizeof files / sizeof files[0], MAX = 20, HEAD = 7 };

Test(line_reader, every_split_gives_the_same_lines) {
    for (size_t f = 0; f < FILES; f++) {
        int fd = file_of(files[f]);
        int64_t size = (int64_t)files[f].len;
        beamc_buf want = {0};
        reference(files[f], MAX, HEAD, 0, size, &want);
        for (size_t bytes = 1; bytes <= 24; bytes++) {
            beamc_line_reader r = {
                .buffer_bytes = bytes, .line_max_bytes = MAX, .line_head_bytes = HEAD};
            for (int64_t a = 0; a <= size; a++) {
                beamc_buf got = {0};
                by_reader(&r, fd, false, 0, a, &got);
                by_reader(&r, fd, false, a, size, &got);
                expect_same(&got, &want, "file, buffer, split", f, bytes, (size_t)a);
                beamc_buf_free(&got);
            }
            beamc__line_reader_close(&r);
        }
        beamc_buf_free(&want);
        close(fd);
    }
}

Test(line_reader, every_part_holds_the_lines_that_begin_in_it) {
    int fd = file_of(files[0]);
    int64_t size = (int64_t)files[0].len;
    beamc_line_reader r = {.buffer_bytes = 5, .line_max_bytes = MAX, .line_head_bytes = HEAD};
    for (int64_t a = 0; a <= size; a++) {
        for (int64_t b = a; b <= size; b++) {
            beamc_buf want = {0};
            beamc_buf got = {0};
            reference(files[0], MAX, HEAD, a, b, &want);
            by_reader(&r, fd, false, a, b, &got);
            expect_same(&got, &want, "part", 0, (size_t)a, (size_t)b);
            beamc_buf_free(&got);
            beamc_buf_free(&want);
        }
    }
    beamc__line_reader_close(&r);
    close(fd);
}

Test(line_reader, a_pipe_gives_the_same_lines) {
    for (size_t f = 0; f < FILES; f++) {
        for (size_t bytes = 1; bytes <= 30; bytes += 3) {
            int ends[2];
            cr_assert_eq(pipe(ends), 0);
            cr_assert_eq(write(ends[1], files[f].ptr, files[f].len), (ssize_t)files[f].len);
            close(ends[1]);
            beamc_line_reader r = {
                .buffer_bytes = bytes, .line_max_bytes = MAX, .line_head_bytes = HEAD};
            beamc_buf want = {0};
            beamc_buf got = {0};
            reference(files[f], MAX, HEAD, 0, INT64_MAX, &want);
            by_reader(&r, ends[0], true, 0, INT64_MAX, &got);
            expect_same(&got, &want, "pipe", f, bytes, 0);
            beamc_buf_free(&got);
            beamc_buf_free(&want);
            beamc__line_reader_close(&r);
            close(ends[0]);
        }
    }
}

/* The limits as they are: 64 MiB is held, one byte more is not. */
Test(line_reader, lines_of_64_mib) {
    size_t size = (size_t)BEAMC_LINE_MAX_BYTES;
    char *text = malloc(2 * size + 100);
    memset(text, 'x', 2 * size + 100);
    text[size] = '\r';
    text[size + 1] = '\n';
    text[size + 2 + size + 1] = '\n';
    int fd = file_of(beamc_slice_of(text, 2 * size + 10));
    beamc_line_reader r = {0};
    beamc_line line;
    cr_assert_eq(beamc__line_reader_open(&r, fd, false, "f", 0, INT64_MAX, NULL), BEAMC_OK);
    cr_assert_eq(beamc__line_reader_next(&r, &line, NULL), BEAMC_OK);
    cr_assert_eq(line.kind, BEAMC_LINE_TEXT);
    cr_assert_eq(line.text.len, size);
    cr_assert_eq(beamc__line_reader_next(&r, &line, NULL), BEAMC_OK);
    cr_assert_eq(line.kind, BEAMC_LINE_LONG);
    cr_assert_eq(line.text.len, 1 << 20);
    cr_assert_eq(line.size, (int64_t)size + 1);
    cr_assert_eq(beamc__line_reader_next(&r, &line, NULL), BEAMC_OK);
    cr_assert_eq(line.kind, BEAMC_LINE_TEXT);
    cr_assert_eq(line.text.len, 6);
    beamc__line_reader_close(&r);
    close(fd);
    free(text);
}

/* A giant line that covers many parts is passed over once, not once for each part. */
Test(line_reader, parts_inside_of_a_line_read_little) {
    size_t size = 4 << 20;
    char *text = malloc(size);
    memset(text, 'x', size);
    int fd = file_of(beamc_slice_of(text, size));
    beamc_line_reader r = {.buffer_bytes = 4096};
    cr_assert_eq(beamc__line_reader_open(&r, fd, false, "f", 1000, 2000, NULL), BEAMC_OK);
    cr_assert_geq(beamc__line_reader_offset(&r), 2000);
    cr_assert_leq(beamc__line_reader_offset(&r), 10000);
    beamc__line_reader_close(&r);
    close(fd);
    free(text);
}

Test(line_reader, a_read_error_names_file_and_offset) {
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    cr_assert_geq(fd, 0);
    beamc_line_reader r = {0};
    beamc_line line;
    beamc_error err = {0};
    cr_assert_eq(beamc__line_reader_open(&r, fd, false, "dir/in.jsonl", 0, 10, &err), BEAMC_OK);
    cr_assert_eq(beamc__line_reader_next(&r, &line, &err), BEAMC_NOT_FOUND);
    cr_assert_str_eq(err.message, "cannot read dir/in.jsonl at byte 0: Is a directory");
    beamc__line_reader_close(&r);
    close(fd);
}
