/* threads.h: a thread for each open bundle, made on demand and kept for reuse.
 *
 * Never a bounded pool: runners open bundles that wait for one another. Threads: any. */
#ifndef BEAMC_HARNESS_THREADS_H
#define BEAMC_HARNESS_THREADS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct beamc_threads beamc_threads;

/* @p begin, if not NULL, is called first on each new thread and @p end last. */
beamc_threads *beamc__threads_new(void (*begin)(void *arg), void (*end)(void *arg), void *arg);
/* Waits until all jobs are done and all threads have ended. */
void beamc__threads_free(beamc_threads *threads);
/* Runs @p job(@p arg) on a thread of its own. False when the system has no more threads. */
bool beamc__threads_run(beamc_threads *threads, void (*job)(void *arg), void *arg);
size_t beamc__threads_count(beamc_threads *threads);

#endif
