/* endpoint.h: how a harness connects to the services of its runner. */
#ifndef BEAMC_HARNESS_ENDPOINT_H
#define BEAMC_HARNESS_ENDPOINT_H

#include <stdatomic.h>

#include "worker/harness/record.h"
#include "worker/rpc/rpc.h"

/* What all connections of one harness share. */
typedef struct beamc_client {
    const char *worker_id;    /* metadata `worker_id` of every call */
    atomic_bool stopping;     /* give up connecting */
    beamc_recorder *recorder; /* NULL: nothing is recorded; constant once there are streams */
} beamc_client;

/* Methods of the streams, also as they are recorded. */
#define BEAMC_FN_CONTROL BEAMC_FN_SERVICE("BeamFnControl/Control")
#define BEAMC_FN_DESCRIPTOR BEAMC_FN_SERVICE("BeamFnControl/GetProcessBundleDescriptor")
#define BEAMC_FN_DATA BEAMC_FN_SERVICE("BeamFnData/Data")
#define BEAMC_FN_STATE BEAMC_FN_SERVICE("BeamFnState/State")
#define BEAMC_FN_LOGGING BEAMC_FN_SERVICE("BeamFnLogging/Logging")
#define BEAMC_FN_SERVICE(service_and_method)                                                       \
    "/org.apache.beam.model.fn_execution.v1." service_and_method

/* A connected channel to the @p what service ("control") at @p url. A service on this machine is
 * expected to be there within seconds, one elsewhere within two minutes. */
beamc_status beamc__endpoint_connect(beamc_client *client, const char *what, const char *url,
                                     beamc_rpc_channel **out, beamc_error *err) BEAMC_MUST_USE;

#endif
