/* finalize.h: callbacks of bundles that wait for their FinalizeBundleRequest, by instruction id.
 * They have nothing to do with the plan any more; what has expired goes. Threads: any. */
#ifndef BEAMC_HARNESS_FINALIZE_H
#define BEAMC_HARNESS_FINALIZE_H

#include "worker/exec/bundle.h"

typedef struct beamc_finalize_table beamc_finalize_table;

beamc_finalize_table *beamc__finalize_table_new(void);
/* Callbacks that are left are not called: their bundles were never committed. */
void beamc__finalize_table_free(beamc_finalize_table *table);
/* Takes over @p list. */
void beamc__finalize_add(beamc_finalize_table *table, const char *instruction_id,
                         beamc_finalizers *list);
/* NULL when there are none (any more); the caller owns them. */
beamc_finalizers *beamc__finalize_take(beamc_finalize_table *table, const char *instruction_id);
size_t beamc__finalize_count(beamc_finalize_table *table);

#endif
