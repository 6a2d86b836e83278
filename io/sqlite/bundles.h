/* bundles.h: the record of bundles in a SQLite file: which rows each one wrote, since a transaction's rows
 * follow one another. In a file that is finished later, all bundles, so that the rows of those that
 * failed afterwards can be removed. In one that is written in place, only those that may come again: a bundle
 * is forgotten once the runner says that it is done for good, so the table does not grow with time. */
#ifndef BEAMC_IO_SQLITE_BUNDLES_H
#define BEAMC_IO_SQLITE_BUNDLES_H

#include "io/sqlite/database.h"

/* Under the database's lock. */

/* Whether the bundle is in there. */
beamc_status beamc__bundle_is_known(beamc_database *db, beamc_slice sink, beamc_slice id,
                                    bool *known, beamc_error *err) BEAMC_MUST_USE;
/* In the transaction of its rows, right behind them. */
beamc_status beamc__bundle_record(beamc_database *db, beamc_slice sink, beamc_slice id,
                                  int64_t rows, beamc_error *err) BEAMC_MUST_USE;
/* In a transaction: drops the records of bundles that were forgotten. When it is committed, *done goes to
 * beamc__database_notes_done. */
beamc_status beamc__bundles_drop_forgotten(beamc_database *db, size_t *done,
                                           beamc_error *err) BEAMC_MUST_USE;

/* Has the bundle of @p ctx forgotten once it is done for good. In finish_bundle; no lock is needed. */
beamc_status beamc__bundle_forget_when_done(beamc_ctx *ctx, const char *path,
                                            beamc_slice sink) BEAMC_MUST_USE;

#endif
