/**
 * @file error.h
 * Status codes and error texts.
 *
 * Everything that can fail returns a beamc_status (gRPC's canonical codes) and takes a caller-owned
 * beamc_error as its last argument, which may be NULL. There is no thread-local error, no errno and
 * no exit() behind it. Context is put in front on the way up:
 * `bundle 17: transform Parse: element 3: varint ends after 0 bytes`.
 *
 * Running out of memory is the one exception: the library prints a line and aborts, since a worker
 * that cannot allocate cannot report either.
 */
#ifndef BEAMC_ERROR_H
#define BEAMC_ERROR_H

#include <beamc/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** gRPC's canonical status codes, same numbers. */
typedef enum beamc_status_code {
    BEAMC_OK = 0,
    BEAMC_CANCELLED = 1,
    BEAMC_UNKNOWN = 2,
    BEAMC_INVALID_ARGUMENT = 3,
    BEAMC_DEADLINE_EXCEEDED = 4,
    BEAMC_NOT_FOUND = 5,
    BEAMC_ALREADY_EXISTS = 6,
    BEAMC_PERMISSION_DENIED = 7,
    BEAMC_RESOURCE_EXHAUSTED = 8,
    BEAMC_FAILED_PRECONDITION = 9,
    BEAMC_ABORTED = 10,
    BEAMC_OUT_OF_RANGE = 11,
    BEAMC_UNIMPLEMENTED = 12,
    BEAMC_INTERNAL = 13,
    BEAMC_UNAVAILABLE = 14,
    BEAMC_DATA_LOSS = 15,
    BEAMC_UNAUTHENTICATED = 16
} beamc_status_code;

#define BEAMC_MUST_USE __attribute__((warn_unused_result))
#define BEAMC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef beamc_status_code beamc_status;

enum { BEAMC_ERROR_TEXT_MAX = 1024 };

/** What went wrong, in words for a person. Lives in the caller's frame; needs no release. */
typedef struct beamc_error {
    beamc_status code;
    char message[BEAMC_ERROR_TEXT_MAX];
} beamc_error;

/** "INVALID_ARGUMENT" for BEAMC_INVALID_ARGUMENT; "UNKNOWN" for a number that is no code. */
const char *beamc_status_name(beamc_status code);

/** Writes code and text into @p err (may be NULL) and returns @p code. Long texts are cut. */
beamc_status beamc_error_set(beamc_error *err, beamc_status code, const char *fmt, ...)
    BEAMC_PRINTF(3, 4);

/** Puts "text: " in front of the message that @p err holds (may be NULL). */
void beamc_error_prepend(beamc_error *err, const char *fmt, ...) BEAMC_PRINTF(2, 3);

/** return BEAMC_FAIL(err, INVALID_ARGUMENT, "field %s is empty", name); */
#define BEAMC_FAIL(err, CODE, ...) beamc_error_set((err), BEAMC_##CODE, __VA_ARGS__)

/** Returns from the function with the status of @p expr unless it is BEAMC_OK. */
#define BEAMC_TRY(expr)                                                                            \
    do {                                                                                           \
        beamc_status beamc_try_status_ = (expr);                                                   \
        if (__builtin_expect(beamc_try_status_ != BEAMC_OK, 0)) {                                  \
            return beamc_try_status_;                                                              \
        }                                                                                          \
    } while (0)

/** BEAMC_TRY, with context put in front of the message first. */
#define BEAMC_TRY_CTX(err, expr, ...)                                                              \
    do {                                                                                           \
        beamc_status beamc_try_status_ = (expr);                                                   \
        if (__builtin_expect(beamc_try_status_ != BEAMC_OK, 0)) {                                  \
            beamc_error_prepend((err), __VA_ARGS__);                                               \
            return beamc_try_status_;                                                              \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
