/* program.c: the DoFns of the connectors, for programs that use them. */
#include "io/generator/events.h"
#include "io/jsonl/jsonl.h"
#include "io/lines/lines.h"
#include "io/sqlite/sqlite.h"

const beamc_program beamc_io_program = {
    BEAMC_PROGRAM_ABI,
    .name = "io",
    .doc = "Connectors that need nothing but files: lines, JSON lines, SQLite, a generator.",
    .fns = BEAMC_FNS(&beamc__expand_files, &beamc__read_lines, &beamc__empty_part, &beamc_to_jsonl,
                     &beamc__to_jsonl_stable, &beamc__finish_jsonl, &beamc__finish_jsonl_stable,
                     &beamc__append_jsonl, &beamc__append_rows, &beamc__create_jsonl,
                     &beamc_to_sqlite, &beamc__to_sqlite_stable, &beamc__to_sqlite_in_place,
                     &beamc__finish_sqlite, &beamc__finish_sqlite_stable, &beamc__create_sqlite,
                     &beamc__generator_start, &beamc__generate_bounded, &beamc__generate_unbounded),
};
