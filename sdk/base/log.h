/* log.h: what the library adds to <beamc/log.h> for its own parts. */
#ifndef BEAMC_BASE_LOG_H
#define BEAMC_BASE_LOG_H

#include <beamc/buf.h>
#include <beamc/log.h>

/* Tells the transform and instruction of a context. The execution engine sets it once, so that this
 * layer need not know what a context is. Both are set to "" before the call. */
typedef void (*beamc_log_context_fn)(const struct beamc_ctx *ctx, const char **transform_id,
                                     const char **instruction_id);
void beamc__log_set_context(beamc_log_context_fn fn);

/* "trace" ... "critical", any case, also "warning"; false for anything else. */
bool beamc__log_level_of(const char *name, beamc_severity *out);
const char *beamc__log_level_name(beamc_severity severity);

/* The sink that is used unless another one is set. */
void beamc__log_to_stderr(const beamc_log_record *record);

/* Appends a record as one line, no line end: `12:00:01.123 WARN message name=value [transform]`. */
void beamc__log_format(const beamc_log_record *record, beamc_buf *out);

#endif
