/* journal.h: what of a JSON lines file is settled, on disk: a line for the file's length, and one for each
 * bundle that was appended since, with the length behind it.
 *
 *     beamc jsonl 1 <length>
 *     <length> <bundle id>
 *     ...
 *
 * It is made anew, beside, when most of its bundles are forgotten. A last line without its end is of a
 * write that was interrupted. Threads: one at a time. */
#ifndef BEAMC_IO_JSONL_JOURNAL_H
#define BEAMC_IO_JSONL_JOURNAL_H

#include <beamc/buf.h>
#include <beamc/error.h>

#include "io/common/ids.h"

typedef struct beamc_jsonl_journal {
    const char *path; /* the user's */
    int fd;           /* holds while is_open */
    bool is_open;
    int64_t bytes;  /* of whole lines */
    size_t lines;   /* of bundles */
    int64_t length; /* of the table */
    beamc_ids ids;  /* bundles that may come again */
} beamc_jsonl_journal;

/* Reads it. *found = false: there is none. */
beamc_status beamc__jsonl_journal_open(beamc_jsonl_journal *j, bool *found,
                                       beamc_error *err) BEAMC_MUST_USE;
/* Makes it anew with what @p j holds; there is always a whole one. */
beamc_status beamc__jsonl_journal_renew(beamc_jsonl_journal *j, beamc_error *err) BEAMC_MUST_USE;
/* The table is @p length bytes long with the bundle @p id. */
beamc_status beamc__jsonl_journal_add(beamc_jsonl_journal *j, const char *id, int64_t length,
                                      beamc_error *err) BEAMC_MUST_USE;
/* Closes the file; what was read stays. */
void beamc__jsonl_journal_close(beamc_jsonl_journal *j);

#endif
