/* bundle_io.h: the beamc_bundle_io of a bundle whose runner is behind gRPC. Threads: the bundle's. */
#ifndef BEAMC_HARNESS_BUNDLE_IO_H
#define BEAMC_HARNESS_BUNDLE_IO_H

#include "worker/harness/harness.h"

typedef struct beamc_harness_io beamc_harness_io;

/* All that is passed is borrowed. */
beamc_harness_io *beamc__bundle_io_new(beamc_harness *h, const Fn__InstructionRequest *request,
                                       beamc_plan *plan, beamc_inbox *inbox,
                                       const beamc_cache_token *tokens, size_t token_count);
beamc_bundle_io *beamc__bundle_io_base(beamc_harness_io *io);
/* Opens the data streams that input comes on, or checks the input that the request holds. */
beamc_status beamc__bundle_io_open(beamc_harness_io *io, beamc_error *err) BEAMC_MUST_USE;
/* Sends what is left of the output and the end of every output, or appends all of it to @p response, a
 * ProcessBundleResponse, when the runner takes it there. */
beamc_status beamc__bundle_io_finish(beamc_harness_io *io, beamc_buf *response,
                                     beamc_error *err) BEAMC_MUST_USE;
/* @p success: what was written to the state may be cached. */
void beamc__bundle_io_free(beamc_harness_io *io, bool success);

#endif
