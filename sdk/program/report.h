/* report.h: the committed metrics of a finished run, whichever runner ran it.
 *
 * Filled by the local runner and by the job client; read by programs (beamc_report_*) and written as
 * --metrics_json. Lifetime: the run's end. Threads: one at a time. */
#ifndef BEAMC_PROGRAM_REPORT_H
#define BEAMC_PROGRAM_REPORT_H

#include <beamc/program.h>

typedef struct beamc_report_metric {
    const char *space;
    const char *name;
    const char *step; /* the transform's unique name */
    bool is_distribution;
    int64_t value;                /* counters */
    int64_t count, sum, min, max; /* distributions */
} beamc_report_metric;

beamc_run_report *beamc__report_new(double seconds);
void beamc__report_free(beamc_run_report *report);
/* Adds a metric; texts are copied. The same (space, name, step) is added up. */
void beamc__report_add(beamc_run_report *report, const beamc_report_metric *metric);
/* {"counters": [{"namespace", "name", "step", "value"}], "distributions": [{..., "count", "sum", "min",
 * "max"}]}, in the order of namespace, name, step. */
void beamc__report_to_json(const beamc_run_report *report, beamc_buf *out);
/* The same into @p path, written beside and renamed. Fails with DATA_LOSS or PERMISSION_DENIED. */
beamc_status beamc__report_write(const beamc_run_report *report, const char *path,
                                 beamc_error *err) BEAMC_MUST_USE;

#endif
