/* lines.h: what the two DoFns of beamc_read_lines share. */
#ifndef BEAMC_IO_LINES_LINES_H
#define BEAMC_IO_LINES_LINES_H

#include <beamc/io.h>

/* A file to read. */
typedef struct beamc_line_file {
    beamc_slice path; /* "-": standard input */
    int64_t size;     /* -1: a stream, whose end only reading finds */
} beamc_line_file;
extern const beamc_row beamc__line_file_row;

typedef struct beamc_expand_files_config {
    bool regular_only; /* the job may be continued: what cannot be read again is refused */
} beamc_expand_files_config;

typedef struct beamc_read_lines_config {
    int64_t split_bytes;
} beamc_read_lines_config;

/* Patterns to the files that match. */
extern const beamc_dofn beamc__expand_files;
/* Files to lines, splittable. */
extern const beamc_dofn beamc__read_lines;

#endif
