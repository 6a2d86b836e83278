/* log.c: the log's front: level, context, and the sink on standard error.
 *
 * A line is put together on the caller's stack and written with one write(2), of at most PIPE_BUF
 * bytes, and only when standard error takes it at once: a log line never makes a bundle wait. What is
 * not taken is counted, and the count is reported with the next line that is.
 * Threads: any. The sink and the level are plain atomics, set before work begins. */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 2048, LINE_MAX_BYTES = 3072 };
_Static_assert(LINE_MAX_BYTES < PIPE_BUF, "a write to a pipe must not be cut in two");

typedef struct sink {
    beamc_log_sink_fn fn;
    void *arg;
} sink;

static void stderr_sink(void *arg, const beamc_log_record *record);

/* Two slots, so that the pair is replaced in one store. */
static sink sinks[2] = {{stderr_sink, NULL}, {stderr_sink, NULL}};
static _Atomic unsigned current_sink;
static _Atomic int current_level = BEAMC_INFO;
static _Atomic(beamc_log_context_fn) context_of;
static _Atomic unsigned long dropped;

void beamc_log_set_sink(beamc_log_sink_fn fn, void *arg) {
    unsigned other = 1 - atomic_load(&current_sink);
    sinks[other] = fn != NULL ? (sink){fn, arg} : (sink){stderr_sink, NULL};
    atomic_store(&current_sink, other);
}

void beamc_log_set_level(beamc_severity level) {
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool beamc_log_enabled(beamc_severity level) {
    return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void beamc__log_set_context(beamc_log_context_fn fn) {
    atomic_store(&context_of, fn);
}

/* --------------------------------------------------------------------------------- levels */

static const char *const level_names[] = {
    [BEAMC_TRACE] = "TRACE",       [BEAMC_DEBUG] = "DEBUG", [BEAMC_INFO] = "INFO",
    [BEAMC_NOTICE] = "NOTICE",     [BEAMC_WARN] = "WARN",   [BEAMC_ERROR] = "ERROR",
    [BEAMC_CRITICAL] = "CRITICAL",
};

const char *beamc__log_level_name(beamc_severity severity) {
    return severity >= BEAMC_TRACE && severity <= BEAMC_CRITICAL ? level_names[severity] : "LOG";
}

bool beamc__log_level_of(const char *name, beamc_severity *out) {
    if (strcasecmp(name, "warning") == 0) {
        *out = BEAMC_WARN;
        return true;
    }
    for (int i = BEAMC_TRACE; i <= BEAMC_CRITICAL; i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *out = (beamc_severity)i;
            return true;
        }
    }
    return false;
}

/* ----------------------------------------------------------------------- standard error */

/* A cursor over a fixed line; what does not fit is cut. */
typedef struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
} line;

static void put(line *l, const char *fmt, ...) BEAMC_PRINTF(2, 3);
static void put(line *l, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(l->text + l->len, sizeof l->text - l->len, fmt, args);
    va_end(args);
    if (n > 0) {
        size_t room = sizeof l->text - l->len - 1;
        l->len += (size_t)n < room ? (size_t)n : room;
    }
}

static void put_record(line *l, const beamc_log_record *r) {
    time_t seconds = (time_t)(r->time / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    put(l, "%02d:%02d:%02d.%03d %s %s", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(r->time % 1000),
        beamc__log_level_name(r->severity), r->message);
    for (size_t i = 0; i < r->field_count; i++) {
        const beamc_log_field *f = &r->fields[i];
        if (f->is_number) {
            put(l, " %s=%lld", f->name, (long long)f->number);
        } else {
            put(l, " %s=%.*s", f->name, BEAMC_SLICE_ARG(f->text));
        }
    }
    if (r->transform_id[0] != '\0') {
        put(l, " [%s]", r->transform_id);
    }
    for (size_t i = 0; i < l->len; i++) {
        if (l->text[i] == '\n' || l->text[i] == '\r') {
            l->text[i] = ' '; /* one record is one line */
        }
    }
}

void beamc__log_format(const beamc_log_record *record, beamc_buf *out) {
    line l;
    l.len = 0;
    put_record(&l, record);
    beamc_buf_put(out, l.text, l.len);
}

void beamc__log_to_stderr(const beamc_log_record *record) {
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
        atomic_fetch_add(&dropped, 1);
        return;
    }
    line l;
    l.len = 0;
    unsigned long lost = atomic_exchange(&dropped, 0);
    if (lost > 0) {
        put(&l, "(%lu log lines were dropped) ", lost);
    }
    put_record(&l, record);
    if (l.len == sizeof l.text - 1) {
        l.len--;
    }
    l.text[l.len++] = '\n';
    if (write(STDERR_FILENO, l.text, l.len) < 0) {
        atomic_fetch_add(&dropped, lost + 1);
    }
}

static void stderr_sink(void *arg, const beamc_log_record *record) {
    (void)arg;
    beamc__log_to_stderr(record);
}

/* --------------------------------------------------------------------------------- writing */

static beamc_time now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (beamc_time)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void beamc_log_write_fields(struct beamc_ctx *ctx, beamc_severity severity, const char *file,
                            int line_number, const char *message, const beamc_log_field *fields,
                            size_t field_count) {
    if (!beamc_log_enabled(severity)) {
        return;
    }
    beamc_log_record r = {.severity = severity,
                          .time = now_ms(),
                          .file = file,
                          .line = line_number,
                          .transform_id = "",
                          .instruction_id = "",
                          .message = message,
                          .fields = fields,
                          .field_count = field_count};
    beamc_log_context_fn fn = atomic_load(&context_of);
    if (ctx != NULL && fn != NULL) {
        fn(ctx, &r.transform_id, &r.instruction_id);
    }
    sink s = sinks[atomic_load(&current_sink)];
    s.fn(s.arg, &r);
}

void beamc_log_write(struct beamc_ctx *ctx, beamc_severity severity, const char *file,
                     int line_number, const char *fmt, ...) {
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    beamc_log_write_fields(ctx, severity, file, line_number, message, NULL, 0);
}
