/* crash.h: what a thread is doing, for log lines and for the trace of a crash.
 *
 * A bundle's thread says which worker, bundle and plan it works for; on SIGSEGV, SIGABRT, SIGBUS, SIGFPE or
 * SIGILL one line with these, the transform, and a backtrace go to standard error, and then the signal
 * takes its course. Threads: each has its own. */
#ifndef BEAMC_HARNESS_CRASH_H
#define BEAMC_HARNESS_CRASH_H

#include "worker/exec/bundle.h"

/* Installs the handler, once for the process. Handlers that were there before are called behind it. */
void beamc__crash_install(void);

/* Gives the calling thread a stack for the handler; for a stack overflow, too. */
void beamc__crash_thread_begin(void);
void beamc__crash_thread_end(void);

/* What the calling thread works on. Borrowed; NULLs when it is done. */
void beamc__crash_set(const char *worker_id, const char *instruction_id, const beamc_plan *plan);

#endif
