/* job.h: what a pipeline is told of the job that it is for, before it is built. */
#ifndef BEAMC_GRAPH_JOB_H
#define BEAMC_GRAPH_JOB_H

#include <beamc/pipeline.h>

/* Names the job as one that can be continued (beamc_pipeline_job). NULL or "": it cannot. Copied. */
void beamc__pipeline_set_job(beamc_pipeline *p, const char *job);
/* Names the runner (beamc_pipeline_runner). Copied. */
void beamc__pipeline_set_runner(beamc_pipeline *p, const char *runner);

#endif
