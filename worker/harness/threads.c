/* threads.c: see threads.h. An idle thread waits for a job for half a minute and then ends; a few stay. */
#include "worker/harness/threads.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/harness/thread.h"

enum { IDLE_MS = 30000, IDLE_KEPT = 4 };

typedef struct worker_thread {
    struct worker_thread *next_idle;
    beamc_threads *all;
    pthread_cond_t wake;
    void (*job)(void *arg);
    void *arg;
} worker_thread;

struct beamc_threads {
    void (*begin)(void *arg);
    void (*end)(void *arg);
    void *arg;
    pthread_mutex_t mu;
    pthread_cond_t ended;
    worker_thread *idle; /* the one that became idle last is first */
    size_t idle_count;
    size_t count;
    bool closing;
};

beamc_threads *beamc__threads_new(void (*begin)(void *arg), void (*end)(void *arg), void *arg) {
    beamc_threads *all = beamc__calloc(1, sizeof *all);
    all->begin = begin;
    all->end = end;
    all->arg = arg;
    pthread_mutex_init(&all->mu, NULL);
    beamc__cond_init(&all->ended);
    return all;
}

static void leave_idle(worker_thread *t) {
    worker_thread **at = &t->all->idle;
    while (*at != t) {
        at = &(*at)->next_idle;
    }
    *at = t->next_idle;
    t->all->idle_count--;
}

/* Waits for a job with the lock held; false when the thread is to end. */
static bool next_job(worker_thread *t) {
    beamc_threads *all = t->all;
    t->next_idle = all->idle;
    all->idle = t;
    all->idle_count++;
    int64_t until = beamc__clock_ms() + IDLE_MS;
    while (t->job == NULL && !all->closing) {
        if (!beamc__cond_wait_until(&t->wake, &all->mu, until) && t->job == NULL) {
            if (all->idle_count > IDLE_KEPT) {
                break;
            }
            until = beamc__clock_ms() + IDLE_MS;
        }
    }
    if (t->job == NULL) {
        leave_idle(t);
        return false;
    }
    return true;
}

static void *thread_body(void *arg) {
    worker_thread *t = arg;
    beamc_threads *all = t->all;
    if (all->begin != NULL) {
        all->begin(all->arg);
    }
    bool more = true;
    while (more) {
        t->job(t->arg);
        pthread_mutex_lock(&all->mu);
        t->job = NULL;
        more = next_job(t);
        pthread_mutex_unlock(&all->mu);
    }
    if (all->end != NULL) {
        all->end(all->arg);
    }
    pthread_cond_destroy(&t->wake);
    free(t);
    pthread_mutex_lock(&all->mu);
    all->count--;
    pthread_cond_broadcast(&all->ended);
    pthread_mutex_unlock(&all->mu);
    return NULL;
}

static bool start(beamc_threads *all, void (*job)(void *arg), void *arg) {
    worker_thread *t = beamc__calloc(1, sizeof *t);
    t->all = all;
    t->job = job;
    t->arg = arg;
    beamc__cond_init(&t->wake);
    pthread_t thread;
    all->count++;
    if (!beamc__thread_start(&thread, "beamc-bundle", thread_body, t)) {
        all->count--;
        pthread_cond_destroy(&t->wake);
        free(t);
        return false;
    }
    pthread_detach(thread);
    return true;
}

bool beamc__threads_run(beamc_threads *all, void (*job)(void *arg), void *arg) {
    pthread_mutex_lock(&all->mu);
    worker_thread *t = all->idle;
    bool ok = true;
    if (t != NULL) {
        leave_idle(t);
        t->job = job;
        t->arg = arg;
        pthread_cond_signal(&t->wake);
    } else {
        ok = start(all, job, arg);
    }
    pthread_mutex_unlock(&all->mu);
    return ok;
}

void beamc__threads_free(beamc_threads *all) {
    if (all == NULL) {
        return;
    }
    pthread_mutex_lock(&all->mu);
    all->closing = true;
    for (worker_thread *t = all->idle; t != NULL; t = t->next_idle) {
        pthread_cond_signal(&t->wake);
    }
    while (all->count > 0) {
        pthread_cond_wait(&all->ended, &all->mu);
    }
    pthread_mutex_unlock(&all->mu);
    pthread_cond_destroy(&all->ended);
    pthread_mutex_destroy(&all->mu);
    free(all);
}

size_t beamc__threads_count(beamc_threads *all) {
    pthread_mutex_lock(&all->mu);
    size_t count = all->count;
    pthread_mutex_unlock(&all->mu);
    return count;
}
