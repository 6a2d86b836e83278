/* table_file.h: DIR/<table>.jsonl as it is appended to in place: one object for each file in a process,
 * shared by the sink's instances under one lock. Knows bundles by their ids and nothing of pipelines.
 *
 * Each bundle is in the file once, whole, whenever it is written again: with the same id it has the same
 * rows. A job that cannot be continued remembers the ids in memory, which serves attempts that are tried
 * again. One that can keeps a journal: how long the file is, and the bundles in it that may come again.
 * The file is synced before the journal says what it holds, so what is behind the journal's length is of
 * an attempt that was interrupted, and is cut off; the bundle comes again.
 *
 * A bundle is forgotten once the runner says that it is done for good (beamc_finalize), so the journal
 * does not grow with time. Should the runner never say so, it only grows. */
#ifndef BEAMC_IO_JSONL_TABLE_FILE_H
#define BEAMC_IO_JSONL_TABLE_FILE_H

#include <beamc/buf.h>
#include <beamc/error.h>

typedef struct beamc_table_file beamc_table_file;

/* The file @p path of the job named @p job, one for each pair; get it in setup, put it back in teardown.
 * @p journal: where a job that can be continued keeps its journal, NULL for others. Any thread. */
beamc_table_file *beamc__table_file_get(const char *path, const char *job, const char *journal);
void beamc__table_file_put(beamc_table_file *file);

/* Makes the file and opens it, unless it is open. What stands there and is not the job's own is replaced
 * with @p overwrite, else refused. Any thread. */
beamc_status beamc__table_file_open(beamc_table_file *file, bool overwrite,
                                    beamc_error *err) BEAMC_MUST_USE;
/* The same, and @p text behind what it holds, unless the bundle @p id is in it. Any thread. */
beamc_status beamc__table_file_append(beamc_table_file *file, bool overwrite, const char *id,
                                      beamc_slice text, beamc_error *err) BEAMC_MUST_USE;
/* The bundle will not come again. A file that nobody has got any more is left alone. Any thread. */
void beamc__table_file_forget(const char *path, const char *job, const char *id);

#endif
