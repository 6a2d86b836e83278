/* logging.h: log records to the runner's logging service.
 *
 * A record goes into a bounded ring and never makes its writer wait; a thread sends them in batches. What
 * does not fit is counted, and the count is logged. When the service is gone it is tried again; when it
 * ends the stream in good order, records go to standard error from then on, and so does what is left at
 * the end. Threads: any. */
#ifndef BEAMC_HARNESS_LOGGING_H
#define BEAMC_HARNESS_LOGGING_H

#include "worker/harness/endpoint.h"

typedef struct beamc_logging beamc_logging;

/* Starts sending to @p url, connecting in the background; "" or NULL: standard error. */
beamc_logging *beamc__logging_new(beamc_client *client, const char *url);
/* Sends what is left, within a second, and ends. */
void beamc__logging_free(beamc_logging *logging);
size_t beamc__logging_dropped(beamc_logging *logging);

/* Records of the calling thread go to @p logging (NULL: to nobody in particular) from now on; @p
 * instruction_id, borrowed, is that of records which name none. Records of threads that belong to no
 * harness go to the only one of this process, or to standard error when there are several or none. */
void beamc__logging_enter(beamc_logging *logging, const char *instruction_id);

#endif
