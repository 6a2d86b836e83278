/* test_tables.c: the instruction table, short ids, finalization, threads. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "beam_model/metrics.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "worker/harness/instructions.h"
#include "worker/harness/monitoring.h"
#include "worker/harness/thread.h"
#include "worker/harness/threads.h"

/* The table only hands plans on. */
static beamc_plan *const some_plan = (beamc_plan *)0x10;

static beamc_instruction_state state_of(beamc_instructions *all, const char *id) {
    beamc_instruction *out;
    beamc_plan *plan;
    beamc_instruction_state state = beamc__instructions_borrow(all, id, &out, &plan, NULL);
    cr_assert_eq(out != NULL, state == BEAMC_INSTRUCTION_RUNNING);
    if (out != NULL) {
        cr_assert_eq(plan, some_plan);
        beamc__instructions_return(out);
    }
    return state;
}

Test(harness_instructions, life_of_one) {
    beamc_instructions *all = beamc__instructions_new(10);
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_UNKNOWN);
    beamc_instruction *i = beamc__instruction_open(all, "i");
    cr_assert_not_null(i);
    cr_assert_null(beamc__instruction_open(all, "i"));
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_WAITING);
    cr_assert_not(beamc__instructions_wait(all, beamc__clock_ms() + 1));
    beamc__instruction_run(i, some_plan, NULL);
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_RUNNING);
    beamc__instruction_end(i, false);
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_FINISHED);
    cr_assert(beamc__instructions_wait(all, beamc__clock_ms()));
    i = beamc__instruction_open(all, "i"); /* the same id again */
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_WAITING);
    beamc__instruction_end(i, true);
    cr_assert_eq(state_of(all, "i"), BEAMC_INSTRUCTION_FAILED);
    beamc__instructions_free(all);
}

Test(harness_instructions, only_the_latest_ended_ids_are_remembered) {
    beamc_instructions *all = beamc__instructions_new(10);
    char id[16];
    for (int n = 0; n < 100; n++) {
        snprintf(id, sizeof id, "i-%d", n);
        beamc__instruction_end(beamc__instruction_open(all, id), n % 2 == 1);
    }
    cr_assert_eq(state_of(all, "i-89"), BEAMC_INSTRUCTION_UNKNOWN);
    cr_assert_eq(state_of(all, "i-90"), BEAMC_INSTRUCTION_FINISHED);
    cr_assert_eq(state_of(all, "i-99"), BEAMC_INSTRUCTION_FAILED);
    beamc__instructions_free(all);
}

static void *end_it(void *arg) {
    beamc__instruction_end(arg, false);
    return NULL;
}

Test(harness_instructions, the_end_waits_for_who_uses_the_plan) {
    beamc_instructions *all = beamc__instructions_new(10);
    beamc_instruction *i = beamc__instruction_open(all, "i"), *borrowed;
    beamc__instruction_run(i, some_plan, NULL);
    beamc_plan *plan;
    cr_assert_eq(beamc__instructions_borrow(all, "i", &borrowed, &plan, NULL),
                 BEAMC_INSTRUCTION_RUNNING);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, end_it, i), 0);
    while (state_of(all, "i") != BEAMC_INSTRUCTION_FINISHED) { /* nobody else gets it any more */
        usleep(1000);
    }
    cr_assert_neq(pthread_tryjoin_np(thread, NULL), 0);
    beamc__instructions_return(borrowed);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    beamc__instructions_free(all);
}

/* --------------------------------------------------------------------------------- short ids */

static beamc_monitoring_info counter(const char *step, const char *name) {
    return (beamc_monitoring_info){.urn = "beam:metric:user:sum_int64:v1",
                                   .type = "beam:metrics:sum_int64:v1",
                                   .transform = step,
                                   .name_space = "space",
                                   .name = name};
}

Test(harness_short_ids, one_id_for_one_metric) {
    beamc_short_ids *ids = beamc__short_ids_new();
    char name[16];
    beamc_slice first = {NULL, 0};
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "n%d", i % 1000);
        beamc_monitoring_info info = counter("step", name);
        beamc_slice id = beamc__short_id_of(ids, &info);
        cr_assert(id.len > 0 && id.len < 4);
        if (i == 0) {
            first = id;
        }
        cr_assert_eq(beamc_slice_eq(id, first), i % 1000 == 0);
    }
    beamc_monitoring_info a = counter("ab", "c"), b = counter("a", "bc");
    cr_assert_not(beamc_slice_eq(beamc__short_id_of(ids, &a), beamc__short_id_of(ids, &b)));
    beamc__short_ids_free(ids);
}

Test(harness_short_ids, metadata_is_the_info_without_its_payload) {
    beamc_short_ids *ids = beamc__short_ids_new();
    beamc_monitoring_info info = counter("step", "caf\xc3\xa9");
    info.payload = beamc_str("payload");
    beamc_slice metadata, id = beamc__short_id_of(ids, &info);
    cr_assert(beamc__short_id_find(ids, id, &metadata));
    cr_assert_not(beamc__short_id_find(ids, beamc_str("nobody's"), &metadata));
    ProtobufCMessage *m;
    cr_assert_eq(beamc__proto_unpack(&pipe__monitoring_info__descriptor, metadata, &m, NULL),
                 BEAMC_OK);
    const Pipe__MonitoringInfo *read = (const Pipe__MonitoringInfo *)m;
    cr_assert_str_eq(read->urn, info.urn);
    cr_assert_str_eq(read->type, info.type);
    cr_assert_eq(read->payload.len, 0);
    cr_assert_eq(read->n_labels, 3);
    cr_assert_str_eq(read->labels[0]->key, "PTRANSFORM");
    cr_assert_str_eq(read->labels[0]->value, "step");
    cr_assert_str_eq(read->labels[2]->key, "NAME");
    cr_assert_str_eq(read->labels[2]->value, "caf\xc3\xa9");
    beamc__proto_free(m);
    beamc__short_ids_free(ids);
}

/* ----------------------------------------------------------------------------------- threads */

typedef struct meeting {
    pthread_barrier_t all_here;
    _Atomic int done;
} meeting;

static void meet(void *arg) {
    meeting *m = arg;
    pthread_barrier_wait(&m->all_here);
    atomic_fetch_add(&m->done, 1);
}

static void note(void *arg) {
    atomic_fetch_add((_Atomic int *)arg, 1);
}

Test(harness_threads, jobs_that_wait_for_one_another_all_run) {
    enum { JOBS = 50 };
    meeting m;
    atomic_init(&m.done, 0);
    pthread_barrier_init(&m.all_here, NULL, JOBS);
    beamc_threads *threads = beamc__threads_new(NULL, NULL, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < JOBS; i++) {
            cr_assert(beamc__threads_run(threads, meet, &m));
        }
    }
    beamc__threads_free(threads);
    cr_assert_eq(atomic_load(&m.done), 3 * JOBS);
    pthread_barrier_destroy(&m.all_here);
}

Test(harness_threads, idle_threads_are_used_again) {
    _Atomic int done = 0, began = 0;
    beamc_threads *threads = beamc__threads_new(note, NULL, &began);
    for (int i = 1; i <= 100; i++) {
        cr_assert(beamc__threads_run(threads, note, &done));
        while (atomic_load(&done) < i) {
            usleep(200);
        }
        usleep(500);
    }
    cr_assert_leq(atomic_load(&began), 20);
    beamc__threads_free(threads);
}
