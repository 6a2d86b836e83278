/* submit.h: the parts of the portable job client. */
#ifndef BEAMC_SUBMIT_H
#define BEAMC_SUBMIT_H

#include <beamc/arena.h>
#include <beamc/options.h>
#include <beamc/program.h>

#include "worker/rpc/rpc.h"

#define BEAMC_JOB_SERVICE "/org.apache.beam.model.job_management.v1.JobService/"

/* --environment_type and --environment_config as the environment that DoFns run in. @p pool_endpoint is
 * that of our own worker pool, for LOOPBACK. The payload lives in @p arena. */
beamc_status beamc__submit_environment(const beamc_options *options, const char *pool_endpoint,
                                       beamc_arena *arena, beamc_environment *out,
                                       beamc_error *err) BEAMC_MUST_USE;
/* Whether --environment_type asks for LOOPBACK. */
bool beamc__submit_is_loopback(const beamc_options *options);

/* JSON text of an object as a serialized google.protobuf.Struct, behind what @p out holds. */
beamc_status beamc__json_to_struct(beamc_slice json, beamc_buf *out,
                                   beamc_error *err) BEAMC_MUST_USE;

/* Answers what the job server asks for over the reverse artifact retrieval, to its end. */
beamc_status beamc__submit_stage(beamc_rpc_channel *channel, const char *token,
                                 beamc_error *err) BEAMC_MUST_USE;

/* Prints the job's messages and follows its states to the end. OK: DONE (or DRAINED, UPDATED); CANCELLED;
 * else the job's own error text. */
beamc_status beamc__submit_follow(beamc_rpc_channel *channel, const char *job_id,
                                  beamc_error *err) BEAMC_MUST_USE;

/* Fetches the job's metrics into @p report. */
beamc_status beamc__submit_metrics(beamc_rpc_channel *channel, const char *job_id,
                                   beamc_run_report *report, beamc_error *err) BEAMC_MUST_USE;

#endif
