/* thread.h: threads, waiting and clocks as the harness wants them. */
#ifndef BEAMC_HARNESS_THREAD_H
#define BEAMC_HARNESS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Starts a thread named @p name (at most 15 characters) that gets no signals but those of its own
 * faults. False when the system has no more threads. */
bool beamc__thread_start(pthread_t *thread, const char *name, void *(*body)(void *), void *arg);

/* A condition for beamc__cond_wait_until: by the monotonic clock. */
void beamc__cond_init(pthread_cond_t *cond);
/* Milliseconds of the monotonic clock. */
int64_t beamc__clock_ms(void);
/* False at the time @p until_ms of beamc__clock_ms. */
bool beamc__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t until_ms);
/* Milliseconds since 1970. */
int64_t beamc__wall_ms(void);

#endif
