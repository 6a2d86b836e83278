/* finalizers.c: callbacks that wait for the runner to commit their bundle (FinalizeBundleRequest).
 * They outlive the bundle and the plan. Threads: whoever holds the list. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "worker/exec/ctx.h"

typedef struct finalizer {
    struct finalizer *next;
    void (*callback)(void *arg);
    beamc_time expire_ms;
    _Alignas(16) unsigned char arg[];
} finalizer;

struct beamc_finalizers {
    finalizer *first;
    finalizer **last;
    beamc_time expire_ms;
};

static beamc_time wall_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (beamc_time)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void beamc__finalizers_add(beamc_finalizers **list, void (*callback)(void *arg), const void *arg,
                           size_t arg_size, beamc_time expire_ms) {
    if (*list == NULL) {
        *list = beamc__calloc(1, sizeof **list);
        (*list)->last = &(*list)->first;
        (*list)->expire_ms = BEAMC_TIME_MIN;
    }
    finalizer *f = beamc__malloc(sizeof *f + arg_size);
    *f = (finalizer){.callback = callback, .expire_ms = expire_ms};
    if (arg_size > 0) {
        memcpy(f->arg, arg, arg_size);
    }
    *(*list)->last = f;
    (*list)->last = &f->next;
    if (expire_ms > (*list)->expire_ms) {
        (*list)->expire_ms = expire_ms;
    }
}

void beamc_finalizers_free(beamc_finalizers *list) {
    if (list == NULL) {
        return;
    }
    for (finalizer *f = list->first; f != NULL;) {
        finalizer *next = f->next;
        free(f);
        f = next;
    }
    free(list);
}

void beamc_finalizers_run(beamc_finalizers *list) {
    if (list == NULL) {
        return;
    }
    beamc_time now = wall_ms();
    for (finalizer *f = list->first; f != NULL; f = f->next) {
        if (now <= f->expire_ms) {
            f->callback(f->arg);
        }
    }
    beamc_finalizers_free(list);
}

beamc_time beamc_finalizers_expiry(const beamc_finalizers *list) {
    return list->expire_ms;
}

beamc_status beamc_finalize(beamc_ctx *ctx, void (*callback)(void *arg), const void *arg,
                            size_t arg_size, int64_t expire_ms) {
    beamc_plan *plan = ctx->plan;
    if (plan->io == NULL) {
        return BEAMC_FAIL(&plan->error, FAILED_PRECONDITION,
                          "beamc_finalize is for callbacks that run in a bundle");
    }
    if (ctx->fn == NULL ||
        !ctx->fn
             ->requires_finalization) { /* a runner that was not told would never say that it has committed */
        return BEAMC_FAIL(&plan->error, FAILED_PRECONDITION,
                          "beamc_finalize is for DoFns with .requires_finalization = true");
    }
    beamc__finalizers_add(&plan->finalizers, callback, arg, arg_size, wall_ms() + expire_ms);
    return BEAMC_OK;
}
