/* parts.h: how a file sink becomes one thing. Each bundle writes a part of its own; the parts' names meet
 * in one grouping; one DoFn then knows all that count, and finishes the tables. Parts of bundle attempts
 * that failed are in no list: a retry never writes a row twice. */
#ifndef BEAMC_IO_COMMON_PARTS_H
#define BEAMC_IO_COMMON_PARTS_H

#include <beamc/io.h>

/* What a bundle wrote to a table. The empty part, made of an impulse, only sees to it that there is a
 * group, also when no table has any rows. */
typedef struct beamc_part {
    beamc_slice table; /* "": the empty part */
    beamc_slice name;
    int64_t rows;
    int64_t bytes;
} beamc_part;
extern const beamc_row beamc__part_row;
extern const beamc_coder beamc__part_coder;
/* KV<varint, iterable<part>>: what the finishing DoFn gets. */
extern const beamc_coder beamc__parts_coder;

/* bytes -> the empty part. */
extern const beamc_dofn beamc__empty_part;

/* A list of parts in an arena. */
typedef struct beamc_part_list {
    beamc_part *items;
    size_t count;
} beamc_part_list;

/* The parts of a group, in the order of table and name, each one once, without the empty one. They live in
 * element scratch. */
beamc_status beamc__parts_collect(beamc_ctx *ctx, const beamc_elem *group,
                                  beamc_part_list *out) BEAMC_MUST_USE;
/* Those of one table: a run of @p all. */
beamc_part_list beamc__parts_of(beamc_part_list all, beamc_slice table);
/* Sums over a list. */
int64_t beamc__parts_rows(beamc_part_list list);
int64_t beamc__parts_bytes(beamc_part_list list);

/* Fails the pipeline and returns false when the tables' names will not do or repeat themselves. */
bool beamc__check_tables(beamc_pipeline *pipeline, const char *label,
                         const beamc_sink_table *tables, size_t count);
/* "a,b,c", behind what is in @p out. */
void beamc__join_tables(const beamc_sink_table *tables, size_t count, beamc_buf *out);
/* Takes the first name off such a list. False at its end. */
bool beamc__next_table(beamc_slice *list, beamc_slice *name);

/* Whether one of them is unbounded. */
bool beamc__tables_unbounded(const beamc_sink_table *tables, size_t count);
/* One step of a sink: rows -> parts. @p config is that of @p write for the table. @p unbounded: one of
 * the sink's tables is. */
beamc_pcoll beamc__write_table(const beamc_sink_table *table, bool unbounded,
                               const beamc_dofn *write, const void *config);
/* All parts, and the empty one, to one call of @p finish; if they are unbounded, to a call some times a
 * second. There must be room for one more in @p parts. */
void beamc__finish_tables(beamc_pipeline *pipeline, beamc_pcoll *parts, size_t count,
                          bool unbounded, const beamc_dofn *finish, const void *config);

#endif
