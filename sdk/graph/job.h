/* job.h: what a pipeline is told of the job that it is for, before it is built. */
#ifndef BEAMC_GRAPH_JOB_H
#define BEAMC_GRAPH_JOB_H

#include <beamc/pipeline.h>

/* Names the job as one that can be continued (beamc_pipeline_job). NULL or "": it cannot. Copied. */
void beamc__pipeline_set_job(beamc_pipeline *p, const char *job);
/* The local runner will run it (beamc_pipeline_runs_locally). */
void beamc__pipeline_set_local(beamc_pipeline *p, bool is_local);

#endif
