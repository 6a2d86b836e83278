/* stop_watch.h: passes Ctrl-C on to the engine: a thread that sleeps until a descriptor is readable. */
#ifndef BEAMC_RUNNER_STOP_WATCH_H
#define BEAMC_RUNNER_STOP_WATCH_H

#include <pthread.h>

#include "runner/engine/engine.h"

typedef struct beamc_stop_watch {
    beamc_engine *engine;
    int fd;           /* the caller's; is not read */
    beamc_stop how;   /* what is asked for */
    const char *name; /* of the program: in front of the line on stderr; NULL: none is written */
    int end_fd;
    pthread_t thread;
} beamc_stop_watch;

/* Fill in the first four. False: there is no thread, the run cannot be stopped this way. */
bool beamc__stop_watch_begin(beamc_stop_watch *watch);
void beamc__stop_watch_end(beamc_stop_watch *watch);

#endif
