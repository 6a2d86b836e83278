/* monitoring.h: metrics as the runner wants them: by short id, and in full.
 *
 * Short ids (MonitoringInfosMetadataRequest) live as long as the control connection and are never reused.
 * Threads: any. */
#ifndef BEAMC_HARNESS_MONITORING_H
#define BEAMC_HARNESS_MONITORING_H

#include "worker/exec/bundle.h"

typedef struct beamc_short_ids beamc_short_ids;

beamc_short_ids *beamc__short_ids_new(void);
void beamc__short_ids_free(beamc_short_ids *ids);
/* The short id of a metric: of its URN, type and labels. Lives as long as @p ids. */
beamc_slice beamc__short_id_of(beamc_short_ids *ids, const beamc_monitoring_info *info);
/* The MonitoringInfo behind a short id, serialized and without payload; false for an unknown one. */
bool beamc__short_id_find(beamc_short_ids *ids, beamc_slice id, beamc_slice *metadata);

/* Appends the metrics of @p plan as fields of a ProcessBundleResponse or ProcessBundleProgressResponse
 * (monitoring_infos and monitoring_data have the same numbers there). @p in_full: monitoring_infos, too. */
void beamc__monitoring_put(beamc_short_ids *ids, beamc_plan *plan, bool in_full, beamc_buf *out);

#endif
