/* thread.c: see thread.h. Signals such as SIGTERM are for the main thread, so that no bundle is
 * interrupted by them; faults (SIGSEGV ...) stay with the thread that makes them. */
#include "worker/harness/thread.h"

#include <errno.h>
#include <signal.h>

bool beamc__thread_start(pthread_t *thread, const char *name, void *(*body)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) {
        pthread_setname_np(*thread, name);
    }
    return failed == 0;
}

void beamc__cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t beamc__clock_ms(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t beamc__wall_ms(void) {
    return read_clock(CLOCK_REALTIME);
}

bool beamc__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t until_ms) {
    struct timespec t = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, mu, &t) != ETIMEDOUT;
}
