/* flow.h: for tests of running: pipelines that go on until somebody stops them. */
#ifndef TESTS_RUNNER_FLOW_H
#define TESTS_RUNNER_FLOW_H

#include <beamc/beamc.h>
#include <stdatomic.h>

#include "runner/run_local.h"

/* One for each test: Criterion gives each a process of its own. */
extern struct flow {
    int stop_fd;
    atomic_llong emitted, taken; /* elements; whoever counts them says so */
    atomic_llong bundles;
    _Atomic(int64_t) most; /* the largest of something */
    atomic_llong sum;
    atomic_int fail; /* attempts that fail */
} flow;

/* Stops the run, from anywhere. */
void flow_stop(void);
void flow_raise(int64_t value); /* flow.most */
int64_t flow_ms(void);          /* monotonic */
int64_t flow_cpu_ms(void);
void flow_sleep(int64_t ms);

/* Runs @p p with the functions of @p program. */
beamc_status flow_run(beamc_pipeline *p, const beamc_program *program, beamc_local_run how,
                      beamc_error *err);

/* ----------------------------------------------------------------------------- flow_fns.c */

extern const beamc_program flow_program; /* to be imported */
extern const beamc_coder flow_pair;      /* KV<varint, varint> */

beamc_pcoll flow_start(beamc_pipeline *p, const char *label); /* one number */
/* Sources: their input is a number, which does not matter. */
beamc_status flow_endless_initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction);
extern const beamc_splittable flow_endless;
/* Numbers, one each ms, at the times 0, 1, ...; never returns by itself. Fails flow.fail times at the end
 * of a bundle. */
extern const beamc_dofn flow_endless_fn;
extern const beamc_dofn flow_waiting_fn; /* one number, then it waits for an hour */
extern const beamc_dofn flow_range_fn;   /* bounded: 0 .. 399, each 2 ms */

/* n -> KV<n % 4, n>; KV<k, n> -> n */
extern const beamc_dofn flow_key_fn, flow_value_fn;
typedef struct flow_slow_instance {
    int64_t elements;
} flow_slow_instance;
/* Asks somebody far away, 20 ms for each element. Notes the most elements of a bundle. */
extern const beamc_dofn flow_slow_fn;
beamc_status flow_slow_start(beamc_ctx *ctx);
beamc_status flow_slow_process(beamc_ctx *ctx, const beamc_elem *in);
beamc_status flow_slow_finish(beamc_ctx *ctx);

typedef struct flow_take_config {
    int64_t stop_behind;
} flow_take_config;
/* Counts and sums numbers; stops the run behind so many. */
extern const beamc_dofn flow_take_fn;
/* That, in a stage of its own. */
beamc_pcoll flow_take(beamc_pcoll in, int64_t stop_behind);
/* What was taken is 0 .. n-1, each once, and n is that much at least. */
void flow_expect_all_up_to(int64_t least);
/* A step that makes the job an unbounded one. */
void flow_never_ending(beamc_pipeline *p);

#define CHECK_MS(what, ms, most)                                                                   \
    cr_expect_leq((ms), (most), "%s took %lld ms", (what), (long long)(ms))

#endif
