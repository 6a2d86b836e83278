/* sampler.c: execution times without a clock call per element.
 *
 * One thread for the process looks every so often at what each running plan is doing and adds the
 * time since its last look there. It starts with the first bundle and never ends; it sleeps while no
 * bundle runs. A plan is in the list only while it runs, so what `at` points to is there. */
#include <pthread.h>
#include <time.h>

#include "worker/exec/plan.h"

enum { PERIOD_MS = 200 };

static struct {
    pthread_mutex_t mu;
    pthread_cond_t some;
    beamc_plan *plans; /* guarded by mu, as is all of this */
    bool started;
} sampler = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false};

static uint64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void look(uint64_t elapsed_ms) {
    for (beamc_plan *plan = sampler.plans; plan != NULL; plan = plan->sampler_next) {
        beamc_exec_state *at = atomic_load_explicit(&plan->at, memory_order_relaxed);
        if (at != NULL) {
            atomic_fetch_add_explicit(&at->msecs, elapsed_ms, memory_order_relaxed);
        }
    }
}

static void *run(void *arg) {
    (void)arg;
    uint64_t before = now_ms();
    pthread_mutex_lock(&sampler.mu);
    for (;;) {
        if (sampler.plans == NULL) {
            pthread_cond_wait(&sampler.some, &sampler.mu);
            before = now_ms();
            continue;
        }
        pthread_mutex_unlock(&sampler.mu);
        struct timespec period = {0, PERIOD_MS * 1000000L};
        nanosleep(&period, NULL);
        pthread_mutex_lock(&sampler.mu);
        uint64_t now = now_ms();
        look(now - before);
        before = now;
    }
    return NULL;
}

void beamc__sampler_add(beamc_plan *plan) {
    pthread_mutex_lock(&sampler.mu);
    if (!sampler.started) {
        pthread_t thread;
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        /* Without the thread bundles run as well; their times stay 0. */
        sampler.started = pthread_create(&thread, &attr, run, NULL) == 0;
        pthread_attr_destroy(&attr);
    }
    plan->sampler_next = sampler.plans;
    sampler.plans = plan;
    pthread_cond_signal(&sampler.some);
    pthread_mutex_unlock(&sampler.mu);
}

void beamc__sampler_remove(beamc_plan *plan) {
    pthread_mutex_lock(&sampler.mu);
    for (beamc_plan **link = &sampler.plans; *link != NULL; link = &(*link)->sampler_next) {
        if (*link == plan) {
            *link = plan->sampler_next;
            break;
        }
    }
    pthread_mutex_unlock(&sampler.mu);
}
