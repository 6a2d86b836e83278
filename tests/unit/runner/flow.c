/* flow.c: see flow.h. */
#include "flow.h"

#include <criterion/criterion.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct flow flow;

void flow_stop(void) {
    uint64_t one = 1;
    cr_assert_eq(write(flow.stop_fd, &one, sizeof one), (ssize_t)sizeof one);
}

void flow_raise(int64_t value) {
    int64_t most = atomic_load(&flow.most);
    while (value > most && !atomic_compare_exchange_weak(&flow.most, &most, value)) {
    }
}

int64_t flow_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t flow_cpu_ms(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

void flow_sleep(int64_t ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

beamc_status flow_run(beamc_pipeline *p, const beamc_program *program, beamc_local_run how,
                      beamc_error *err) {
    beamc_library *library = beamc__library_new();
    cr_assert_eq(beamc__library_add_program(library, program, err), BEAMC_OK, "%s", err->message);
    flow.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    how.library = library;
    how.stop_fd = flow.stop_fd;
    beamc_buf proto = {0};
    beamc_status status = beamc_pipeline_lower(p, NULL, &proto, err);
    cr_assert_eq(status, BEAMC_OK, "%s", err->message);
    beamc_run_report *report = NULL;
    status = beamc__local_run(&how, beamc_buf_slice(&proto), &report, err);
    beamc__report_free(report);
    beamc_buf_free(&proto);
    beamc__library_free(library);
    beamc_pipeline_free(p);
    close(flow.stop_fd);
    return status;
}
