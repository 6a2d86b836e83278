/* error.c: status names and error texts. */
#include <beamc/error.h>

#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

const char *beamc_status_name(beamc_status code) {
    size_t i = (size_t)code;
    return i < sizeof names / sizeof names[0] ? names[i] : "UNKNOWN";
}

beamc_status beamc_error_set(beamc_error *err, beamc_status code, const char *fmt, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, fmt);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, fmt, args);
        va_end(args);
    }
    return code;
}

void beamc_error_prepend(beamc_error *err, const char *fmt, ...) {
    if (err == NULL) {
        return;
    }
    char head[BEAMC_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(head, sizeof head - 2, fmt, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    size_t len = strlen(head);
    head[len++] = ':';
    head[len++] = ' ';
    size_t room = sizeof err->message - 1;
    size_t keep = strlen(err->message);
    if (len > room) {
        len = room;
    }
    if (keep > room - len) {
        keep = room - len;
    }
    memmove(err->message + len, err->message, keep);
    memcpy(err->message, head, len);
    err->message[len + keep] = '\0';
}
