/**
 * @file log.h
 * Structured logging. Transform, instruction and thread are added from the context. A log line
 * never blocks a bundle: when the ring is full lines are counted as dropped and that is reported.
 */
#ifndef BEAMC_LOG_H
#define BEAMC_LOG_H

#include <beamc/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct beamc_ctx;

/** LogEntry.Severity.Enum of beam_fn_api.proto. */
typedef enum beamc_severity {
    BEAMC_TRACE = 1,
    BEAMC_DEBUG = 2,
    BEAMC_INFO = 3,
    BEAMC_NOTICE = 4,
    BEAMC_WARN = 5,
    BEAMC_ERROR = 6,
    BEAMC_CRITICAL = 7
} beamc_severity;

/** One field of a structured record. */
typedef struct beamc_log_field {
    const char *name;
    beamc_slice text; /**< holds unless is_number */
    int64_t number;
    bool is_number;
} beamc_log_field;

/** What a log sink gets. All of it is borrowed. */
typedef struct beamc_log_record {
    beamc_severity severity;
    beamc_time time; /**< processing time */
    const char *file;
    int line;
    const char *transform_id;   /**< "" outside a transform */
    const char *instruction_id; /**< "" outside a bundle */
    const char *message;
    const beamc_log_field *fields;
    size_t field_count;
} beamc_log_record;

/** Where records go; replaceable by the worker. @p arg is passed through. Called from any thread. */
typedef void (*beamc_log_sink_fn)(void *arg, const beamc_log_record *record);
void beamc_log_set_sink(beamc_log_sink_fn sink, void *arg);
/** Records below @p level are dropped at the call. Default: BEAMC_INFO. */
void beamc_log_set_level(beamc_severity level);
bool beamc_log_enabled(beamc_severity level);

void beamc_log_write(struct beamc_ctx *ctx, beamc_severity severity, const char *file, int line,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/** A message with fields, for records that programs read. */
void beamc_log_write_fields(struct beamc_ctx *ctx, beamc_severity severity, const char *file,
                            int line, const char *message, const beamc_log_field *fields,
                            size_t field_count);

/** ctx may be NULL outside a DoFn. */
#define BEAMC_LOG(ctx, severity, ...)                                                              \
    do {                                                                                           \
        if (beamc_log_enabled(severity)) {                                                         \
            beamc_log_write((ctx), (severity), __FILE__, __LINE__, __VA_ARGS__);                   \
        }                                                                                          \
    } while (0)
#define BEAMC_LOG_DEBUG(ctx, ...) BEAMC_LOG(ctx, BEAMC_DEBUG, __VA_ARGS__)
#define BEAMC_LOG_INFO(ctx, ...) BEAMC_LOG(ctx, BEAMC_INFO, __VA_ARGS__)
#define BEAMC_LOG_WARN(ctx, ...) BEAMC_LOG(ctx, BEAMC_WARN, __VA_ARGS__)
#define BEAMC_LOG_ERROR(ctx, ...) BEAMC_LOG(ctx, BEAMC_ERROR, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
