/* stop_watch.c: see stop_watch.h. */
#include "runner/stop_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* \r and the end of the line: there may be a progress line. */
static void say(const beamc_stop_watch *w) {
    if (w->name == NULL || w->how == BEAMC_STOP_CANCEL) {
        return; /* it says so when it has ended */
    }
    const char *what = w->how == BEAMC_STOP_DRAIN
                           ? "draining: sources stop, open windows and timers fire"
                           : "stopping at a commit, to go on there when started again";
    fprintf(stderr, "%s%s: %s; Ctrl-C again ends it at once\n",
            isatty(STDERR_FILENO) != 0 ? "\r\033[K" : "", w->name, what);
}

static void *watch(void *arg) {
    beamc_stop_watch *w = arg;
    struct pollfd fds[] = {{.fd = w->fd, .events = POLLIN}, {.fd = w->end_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if ((fds[1].revents & POLLIN) == 0 && (fds[0].revents & POLLIN) != 0) {
        say(w);
        beamc__engine_stop(w->engine, w->how);
    }
    return NULL;
}

bool beamc__stop_watch_begin(beamc_stop_watch *w) {
    w->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->end_fd < 0) {
        return false;
    }
    if (pthread_create(&w->thread, NULL, watch, w) != 0) {
        close(w->end_fd);
        return false;
    }
    return true;
}

void beamc__stop_watch_end(beamc_stop_watch *w) {
    uint64_t one = 1;
    while (write(w->end_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    pthread_join(w->thread, NULL);
    close(w->end_fd);
}
