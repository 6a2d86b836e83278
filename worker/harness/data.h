/* data.h: the data plane: one stream for each endpoint and data_stream_id, shared by all bundles.
 *
 * A reader thread for each stream hands what comes to the inboxes. A stream that breaks fails the bundles
 * that use it; the next bundle opens it anew. Threads: any. */
#ifndef BEAMC_HARNESS_DATA_H
#define BEAMC_HARNESS_DATA_H

#include "worker/harness/endpoint.h"
#include "worker/harness/inbox.h"

typedef struct beamc_data_plane beamc_data_plane;
typedef struct beamc_data_stream beamc_data_stream;

beamc_data_plane *beamc__data_new(beamc_client *client, beamc_inboxes *inboxes);
/* Sends what is queued, closes all streams and waits for their readers. */
void beamc__data_free(beamc_data_plane *plane);

/* The stream to @p url, opened if need be; a reference. Its end fails @p inbox, unless that is NULL. */
beamc_status beamc__data_open(beamc_data_plane *plane, const char *url, const char *stream_id,
                              beamc_inbox *inbox, beamc_data_stream **out,
                              beamc_error *err) BEAMC_MUST_USE;
void beamc__data_release(beamc_data_stream *stream);
/* Sends the message in @p message and leaves it empty. Waits while the stream's queue is full. */
beamc_status beamc__data_send(beamc_data_stream *stream, beamc_buf *message,
                              beamc_error *err) BEAMC_MUST_USE;
size_t beamc__data_stream_count(beamc_data_plane *plane);

#endif
