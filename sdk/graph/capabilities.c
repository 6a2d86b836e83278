/* capabilities.c: what Environment.capabilities says of us, and nothing that is not implemented.
 *
 * The order is free; runners look for single entries. beam_runner_api.proto: StandardCoders,
 * StandardProtocols; a worker also lists the component URNs that it runs though no pipeline holds
 * them (sdf_truncate, to_string). */
#include "graph/lower.h"

#include <beamc/version.h>

#include "proto/beam_model/urns.h"

const char *const beamc__capabilities[] = {
    BEAMC_URN_CODER_BYTES,
    BEAMC_URN_CODER_STRING_UTF8,
    BEAMC_URN_CODER_KV,
    BEAMC_URN_CODER_BOOL,
    BEAMC_URN_CODER_VARINT,
    BEAMC_URN_CODER_DOUBLE,
    BEAMC_URN_CODER_ITERABLE,
    BEAMC_URN_CODER_TIMER,
    BEAMC_URN_CODER_INTERVAL_WINDOW,
    BEAMC_URN_CODER_LENGTH_PREFIX,
    BEAMC_URN_CODER_GLOBAL_WINDOW,
    BEAMC_URN_CODER_WINDOWED_VALUE,
    BEAMC_URN_CODER_PARAM_WINDOWED_VALUE,
    BEAMC_URN_CODER_STATE_BACKED_ITERABLE,
    BEAMC_URN_CODER_CUSTOM_WINDOW,
    BEAMC_URN_CODER_ROW,
    BEAMC_URN_CODER_SHARDED_KEY,
    BEAMC_URN_CODER_NULLABLE,
    BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION,
    BEAMC_URN_PRIMITIVE_TO_STRING,
    BEAMC_URN_PROTOCOL_MULTI_CORE_BUNDLE_PROCESSING,
    BEAMC_URN_PROTOCOL_PROGRESS_REPORTING,
    ("beam:version:sdk_base:beamc:" BEAMC_VERSION),
    NULL,
};
