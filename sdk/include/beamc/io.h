/**
 * @file io.h
 * Connectors that need nothing but files: lines of text, JSON lines, SQLite, and a generator.
 *
 * They are written with the public API alone; their DoFns are listed in beamc_io_program, which a user
 * program names in BEAMC_IMPORTS.
 */
#ifndef BEAMC_IO_H
#define BEAMC_IO_H

#include <beamc/program.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The DoFns of this header, for BEAMC_IMPORTS(&beamc_io_program). */
extern const beamc_program beamc_io_program;

/* -------------------------------------------------------------------------------- lines of files */

typedef struct beamc_read_lines_options {
    size_t struct_size;
    const char *pattern; /**< file, glob, or "-" for standard input (local runner only) */
    int64_t split_bytes; /**< initial parts of a file; 0: 32 MiB */
} beamc_read_lines_options;

/**
 * The lines of all files that match, as bytes, without line end. LF alone ends a line, one CR before it
 * is cut, the last line needs no LF; empty and blank lines are skipped. A pattern that matches nothing
 * fails the job with the pattern's name. Files are read in parallel, split by byte range.
 * A job that can be continued reads files again from where it was: what was there when it began must stay
 * as it is, and what cannot be read twice (standard input, pipes) is refused.
 * A line over 64 MiB comes at output 1 instead (KV<bytes: its first MiB, varint: its size>).
 */
beamc_pcoll beamc_read_lines_with(beamc_pipeline *pipeline, const char *label,
                                  beamc_read_lines_options options);
#define beamc_read_lines(pipeline, label, ...)                                                     \
    beamc_read_lines_with(                                                                         \
        (pipeline), (label),                                                                       \
        (beamc_read_lines_options){.struct_size = sizeof(beamc_read_lines_options), __VA_ARGS__})
enum { BEAMC_LINES = 0, BEAMC_LONG_LINES = 1, BEAMC_LINE_MAX_BYTES = 64 << 20 };

/* ------------------------------------------------------------------------------- sinks for rows */

/** One table of a file sink: a PCollection of rows and the table's name. */
typedef struct beamc_sink_table {
    beamc_pcoll rows;
    const char *name;
} beamc_sink_table;

typedef struct beamc_write_options {
    size_t struct_size;
    const char *path; /**< jsonl: the folder; sqlite: the file */
    bool overwrite;   /**< replace what is there; else the job refuses to start */
    const char *job;  /**< a job that can be continued: a text of its own, the same again when it is
                           continued. NULL: that of beamc_pipeline_job, so mostly leave it alone */
} beamc_write_options;

/*
 * Both sinks hold each row once, whatever fails and is tried again. In a job that can be continued (local
 * runner with --state_dir) also after the process was killed, at any instant, and was started again: when
 * a bundle's rows count as written they are on the disk. Such a job keeps what it needs beside its output,
 * under names that begin with ".beamc-", and knows its output when it is continued; an output that
 * somebody removed, cut or replaced meanwhile fails the job with one line that says so. Leave those files
 * alone until the job is done; then they may be removed.
 *
 * A job that cannot be continued removes what it leaves unfinished.
 */

/**
 * DIR/<table>.jsonl, one JSON object for each row. Each bundle writes a file of its own beside; the
 * names meet in one grouping, and one DoFn puts them together and renames. A job that fails leaves no
 * half-written table. Tables without rows give empty files.
 *
 * Where a table is unbounded, all are appended to, each row once: on the local runner bundle by bundle,
 * elsewhere some times a second.
 */
void beamc_write_jsonl_with(beamc_pipeline *pipeline, const char *label,
                            const beamc_sink_table *tables, size_t count,
                            beamc_write_options options);
#define beamc_write_jsonl(pipeline, label, tables, count, ...)                                     \
    beamc_write_jsonl_with(                                                                        \
        (pipeline), (label), (tables), (count),                                                    \
        (beamc_write_options){.struct_size = sizeof(beamc_write_options), __VA_ARGS__})

/** One SQLite file with these tables; one transaction for each bundle. Local runner only. Bounded tables
 *  appear when the job is done; where one is unbounded, all are written in place (WAL). */
void beamc_write_sqlite_with(beamc_pipeline *pipeline, const char *label,
                             const beamc_sink_table *tables, size_t count,
                             beamc_write_options options);
#define beamc_write_sqlite(pipeline, label, tables, count, ...)                                    \
    beamc_write_sqlite_with(                                                                       \
        (pipeline), (label), (tables), (count),                                                    \
        (beamc_write_options){.struct_size = sizeof(beamc_write_options), __VA_ARGS__})

/* The sink DoFns by themselves: rows in, the names of finished parts out. */
extern const beamc_dofn beamc_to_jsonl;
extern const beamc_dofn beamc_to_sqlite;

#ifdef __cplusplus
}
#endif
#endif
