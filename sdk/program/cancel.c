/* cancel.c: Ctrl-C. The first SIGINT or SIGTERM sets a flag and makes a descriptor readable; the
 * second ends the process, for somebody who does not want to wait.
 *
 * Everything in the handler is async-signal-safe. Threads: any. */
#include "program/entry.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool requested;
static _Atomic int64_t requested_ms = INT64_MAX / 2;
static _Atomic int wake_fd = -1;

enum { SAME_REQUEST_MS = 100 };

static void wake(void) {
    int fd = atomic_load(&wake_fd);
    uint64_t one = 1;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) {
        return; /* it is full, so it is readable */
    }
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One request may come as two signals, to the process and to its group (timeout does that). */
static void on_signal(int number) {
    (void)number;
    if (!atomic_exchange(&requested, true)) {
        atomic_store(&requested_ms, now_ms());
        wake();
    } else if (now_ms() - atomic_load(&requested_ms) >= SAME_REQUEST_MS) {
        _exit(BEAMC_EXIT_CANCELLED);
    }
}

void beamc__cancel_install(void) {
    if (atomic_load(&wake_fd) < 0) {
        atomic_store(&wake_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A closed pipe, a file over its limit: errors of the write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

bool beamc__cancel_requested(void) {
    return atomic_load_explicit(&requested, memory_order_relaxed);
}

void beamc__cancel_request(void) {
    atomic_store(&requested, true);
    wake();
}

int beamc__cancel_fd(void) {
    return atomic_load(&wake_fd);
}
