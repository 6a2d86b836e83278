/* runtime.c: the one completion queue, its threads, and small conversions.
 *
 * Lifetime: counted; the first channel, server or beamc_rpc_init() starts the C core, the last one
 * out stops it and joins the threads. The count never drops to 0 on one of these threads, because
 * every owner releases from a thread of its own.
 * Threads: the drainers, one for every four cores and at most four. One moves about 2 GB/s, and more
 * cost CPU, because the core passes the role of the one that polls around between them. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "worker/rpc/internal.h"

enum { DRAINERS_MAX = 4 };

static struct {
    pthread_mutex_t lock;
    size_t users;
    grpc_completion_queue *cq;
    pthread_t drainers[DRAINERS_MAX];
    size_t drainers_len;
} runtime = {.lock = PTHREAD_MUTEX_INITIALIZER};

#if defined(__SANITIZE_ADDRESS__)
/* c-ares 1.18, which resolves names for the C core, loses a copy of the name "localhost". */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libcares\n";
}
#endif

void *beamc__rpc_tag(void *object, unsigned kind) {
    return (char *)object + kind;
}

static void dispatch(void *tag, bool ok) {
    unsigned kind = (unsigned)((uintptr_t)tag & 7);
    void *object = (char *)tag - kind;
    BEAMC__RPC_TAKE_OVER(object);
    switch (kind) {
    case BEAMC__RPC_ACCEPT:
        beamc__rpc_accept_event(object, ok);
        break;
    case BEAMC__RPC_STOPPED:
        beamc__rpc_server_stopped_event(object);
        break;
    default:
        beamc__rpc_stream_event(object, kind, ok);
        break;
    }
}

static void *drain(void *arg) {
    grpc_completion_queue *cq = arg;
    for (;;) {
        grpc_event e = grpc_completion_queue_next(cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (e.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        dispatch(e.tag, e.success != 0);
    }
}

/* The C core writes its log to stderr. Errors reach the caller as a status, so it stays silent
 * unless the user asked for it with the core's own variables. */
static void core_log(gpr_log_func_args *args) {
    if (getenv("GRPC_VERBOSITY") != NULL || getenv("GRPC_TRACE") != NULL) {
        fprintf(stderr, "grpc %s: %s (%s:%d)\n", gpr_log_severity_string(args->severity),
                args->message, args->file, args->line);
    }
}

int beamc__rpc_thread(pthread_t *thread, const char *name, void *(*body)(void *), void *arg) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        pthread_setname_np(*thread, name);
    }
    return rc;
}

/* Messages of about a MiB come and go at a high rate. By default glibc maps and unmaps memory for each,
 * and the page faults then cost as much as the transport does (measured: 0.9 against 0.45 CPU
 * seconds per GB). So it may keep some; never more than was in use at once. */
static void keep_freed_memory(void) {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (getenv("MALLOC_MMAP_THRESHOLD_") == NULL && getenv("MALLOC_TRIM_THRESHOLD_") == NULL) {
        mallopt(M_MMAP_THRESHOLD, 8 << 20);
        mallopt(M_TRIM_THRESHOLD, 32 << 20);
    }
#endif
}

static void start(void) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the core's own threads inherit it */
    gpr_set_log_function(core_log);
    grpc_init();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keep_freed_memory();
    runtime.cq = grpc_completion_queue_create_for_next(NULL);
    runtime.drainers_len = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = cores < 8 ? 1 : cores < 16 ? 2 : DRAINERS_MAX;
    for (size_t i = 0; i < wanted; i++) {
        char name[16];
        snprintf(name, sizeof name, "beamc-rpc-%zu", i);
        pthread_t *thread = &runtime.drainers[runtime.drainers_len];
        runtime.drainers_len += beamc__rpc_thread(thread, name, drain, runtime.cq) == 0;
    }
    if (runtime.drainers_len == 0) {
        beamc__oom(0); /* no thread, no memory: nothing can be reported over gRPC either */
    }
}

static void stop(void) {
    grpc_completion_queue_shutdown(runtime.cq);
    for (size_t i = 0; i < runtime.drainers_len; i++) {
        pthread_join(runtime.drainers[i], NULL);
    }
    grpc_completion_queue_destroy(runtime.cq);
    runtime.cq = NULL;
    grpc_shutdown();
}

grpc_completion_queue *beamc__rpc_acquire(void) {
    pthread_mutex_lock(&runtime.lock);
    if (runtime.users++ == 0) {
        start();
    }
    grpc_completion_queue *cq = runtime.cq;
    pthread_mutex_unlock(&runtime.lock);
    return cq;
}

void beamc__rpc_release(void) {
    pthread_mutex_lock(&runtime.lock);
    if (--runtime.users == 0) {
        stop();
    }
    pthread_mutex_unlock(&runtime.lock);
}

void beamc_rpc_init(void) {
    beamc__rpc_acquire();
}

void beamc_rpc_shutdown(void) {
    beamc__rpc_release();
}

gpr_timespec beamc__rpc_deadline(int64_t ms) {
    if (ms < 0) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

void beamc__rpc_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec beamc__rpc_abstime(int64_t ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t limit = INT64_C(1000) * 3600 * 24 * 365;
    ms = ms > limit ? limit : ms;
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

beamc_status beamc__rpc_status(grpc_status_code code) {
    return code >= 0 && code <= 16 ? (beamc_status)code : BEAMC_UNKNOWN;
}

void beamc__rpc_quiesce_pluck(grpc_completion_queue *cq) {
    grpc_completion_queue_shutdown(cq);
    while (grpc_completion_queue_pluck(cq, NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
           GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(cq);
}
