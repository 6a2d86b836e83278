/* What a plan reports: user metrics of each kind, progress, execution times, stable slots. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "coder/coder_impl.h"
#include "kit.h"
#include "proto/beam_model/urns.h"

static beamc_plan *running;
static char during[8192]; /* what was reported from inside of the bundle */

/* "urn label name = payload in hex" */
static void show(void *arg, const beamc_monitoring_info *info) {
    char *text = arg;
    size_t n = strlen(text);
    n += (size_t)snprintf(text + n, 8192 - n, "%s %s %s %u =", info->urn,
                          info->transform != NULL ? info->transform : info->pcollection,
                          info->name != NULL ? info->name : "-", info->slot);
    for (size_t i = 0; i < info->payload.len; i++) {
        n += (size_t)snprintf(text + n, 8192 - n, "%02x", (unsigned char)info->payload.ptr[i]);
    }
    snprintf(text + n, 8192 - n, "\n");
}

static beamc_status measure(beamc_ctx *ctx, const beamc_elem *in) {
    int64_t n = in->i64;
    beamc_counter_add(beamc_counter(ctx, "m", "count"), n);
    beamc_distribution_update(beamc_distribution(ctx, "m", "dist"), n);
    beamc_gauge_set(beamc_gauge(ctx, "m", "gauge"), n);
    beamc_string_set_add(beamc_string_set(ctx, "m", "set"), beamc_str(n % 2 == 0 ? "even" : "odd"));
    cr_assert_eq(beamc_counter(ctx, "m", "count"), beamc_counter(ctx, "m", "count"));
    beamc_counter_add(beamc_counter(ctx, "other", "count"), 1);
    return BEAMC_OK;
}

static const beamc_dofn measure_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:measure:v1",
    .input = &beamc_varint,
    .process = measure,
};

static beamc_status slow_process(beamc_ctx *ctx, const beamc_elem *in) {
    struct timespec t = {(time_t)in->i64 / 1000, (in->i64 % 1000) * 1000000};
    (void)ctx;
    nanosleep(&t, NULL);
    return BEAMC_OK;
}

static const beamc_dofn slow_fn = {
    BEAMC_DOFN_ABI,
    .urn = "test:dofn:slow:v1",
    .input = &beamc_varint,
    .process = slow_process,
};

static beamc_status initial(beamc_ctx *ctx, const beamc_elem *in, void *restriction) {
    (void)ctx;
    ((beamc_offset_range *)restriction)->stop = in->i64;
    return BEAMC_OK;
}

static beamc_status walk(beamc_ctx *ctx, const beamc_elem *in) {
    (void)in;
    for (int64_t i = 0; beamc_try_claim(ctx, i); i++) {
        if (i == 25) {
            beamc_plan_metrics(running, show, during);
        }
    }
    return BEAMC_OK;
}

static const beamc_splittable walk_splittable = {.initial = initial};
static const beamc_dofn walk_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:walk:v1",
    .input = &beamc_varint, .splittable = &walk_splittable,
    .process = walk,
};
static const beamc_program program = {BEAMC_PROGRAM_ABI, .name = "test",
                                      .fns = BEAMC_FNS(&measure_fn, &slow_fn, &walk_fn)};

static kit *one(const beamc_dofn *fn) {
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &beamc_varint, NULL);
    kit_source(k, "src", "in", &beamc_varint, &beamc_global_window);
    kit_pardo(k, "P", fn, "x=in", "");
    kit_plan(k);
    return k;
}

static void feed(kit *k, int64_t n) {
    kit_element e = {{.i64 = n}, 0, kit_global};
    kit_feed(k, "src", &beamc_varint, &beamc_global_window, &e, 1);
}

static bool has(const char *text, const char *line) {
    return strstr(text, line) != NULL;
}

/* The slot in the line that begins with @p what. */
static unsigned slot_of(const char *text, const char *what) {
    const char *line = strstr(text, what);
    cr_assert_not_null(line, "%s is not in\n%s", what, text);
    return (unsigned)strtoul(line + strlen(what), NULL, 10);
}

Test(exec_metrics, user_metrics_of_each_kind) {
    kit *k = one(&measure_fn);
    feed(k, 5);
    feed(k, 300);
    feed(k, 2);
    kit_run(k);
    char text[8192] = "";
    beamc_plan_metrics(k->plan, show, text);
    cr_assert(has(text, "beam:metric:user:sum_int64:v1 P count "), "%s", text);
    const char *other = strstr(text, "beam:metric:user:sum_int64:v1 P count ");
    cr_assert(has(other, " =03\n") && has(other, " =b302\n"), "%s", text); /* two name spaces */
    const char *dist = strstr(text, "beam:metric:user:distribution_int64:v1 P dist ");
    cr_assert(dist != NULL && has(dist, " =03b30202ac02\n"), "%s", text); /* 3, 307, 2, 300 */
    const char *gauge = strstr(text, "beam:metric:user:latest_int64:v1 P gauge ");
    cr_assert(gauge != NULL && has(gauge, " =c0843d02\n"), "%s", text); /* 1000000 ms, 2 */
    const char *set = strstr(text, "beam:metric:user:set_string:v1 P set ");
    cr_assert(set != NULL && has(set, " =00000002036f6464046576656e\n"), "%s", text);
    /* A slot is one metric's, for ever. */
    unsigned slot = slot_of(text, "beam:metric:user:distribution_int64:v1 P dist ");
    feed(k, 1);
    kit_run(k);
    text[0] = '\0';
    beamc_plan_metrics(k->plan, show, text);
    cr_assert_eq(slot, slot_of(text, "beam:metric:user:distribution_int64:v1 P dist "));
    dist = strstr(text, "beam:metric:user:distribution_int64:v1 P dist ");
    cr_assert(has(dist, " =01010101\n"), "%s", text); /* each bundle begins at nothing */
    kit_free(k);
}

Test(exec_metrics, no_two_share_a_slot) {
    kit *k = one(&measure_fn);
    feed(k, 5);
    kit_run(k);
    char text[8192] = "";
    beamc_plan_metrics(k->plan, show, text);
    bool taken[256] = {false};
    for (char *save, *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned slot;
        cr_assert_eq(sscanf(line, "%*s %*s %*s %u", &slot), 1);
        cr_assert_lt(slot, 256);
        cr_assert_not(taken[slot], "%s", line);
        taken[slot] = true;
    }
    kit_free(k);
}

Test(exec_metrics, time_is_told_by_the_sampler) {
    kit *k = one(&slow_fn);
    feed(k, 700);
    feed(k, 700);
    kit_run(k);
    int64_t process = kit_metric(k, BEAMC_URN_METRIC_PROCESS_BUNDLE_MSECS, "P", NULL);
    cr_assert(process >= 600 && process < 60000, "%lld", (long long)process);
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_START_BUNDLE_MSECS, "P", NULL), 0);
    cr_assert_geq(kit_metric(k, BEAMC_URN_METRIC_TOTAL_MSECS, "P", NULL), process);
    kit_free(k);
}

Test(exec_metrics, progress_of_the_element_at_hand) {
    static const beamc_coder range = BEAMC_ROW_CODER(&beamc_offset_range_row);
    static const beamc_coder tail = BEAMC_KV(&range, &beamc_varint);
    static const beamc_coder part = BEAMC_KV(&beamc_varint, &tail);
    static const beamc_coder sized = BEAMC_KV(&part, &beamc_double);
    kit *k = kit_new(&program);
    kit_pcol(k, "in", &sized, NULL);
    kit_source(k, "src", "in", &sized, &beamc_global_window);
    kit_transform(k, "W", BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS,
                  kit_pack(k, kit_pardo_payload(k, &walk_fn, NULL, &beamc_varint, NULL, NULL)),
                  "x=in", "");
    kit_plan(k);
    running = k->plan;
    beamc_offset_range r = {0, 100};
    beamc_kv t = {{.row = &r}, {.i64 = 0}};
    beamc_kv p = {{.i64 = 1}, {.kv = &t}};
    beamc_kv s = {{.kv = &p}, {.f64 = 100}};
    kit_element e = {{.kv = &s}, 0, kit_global};
    kit_feed(k, "src", &sized, &beamc_global_window, &e, 1);
    kit_run(k);
    /* One double each: 25 and 75. */
    const char *done = strstr(during, "beam:metric:ptransform_progress:completed:v1 W ");
    cr_assert(done != NULL && has(done, " =000000014039000000000000\n"), "%s", during);
    const char *left = strstr(during, "beam:metric:ptransform_progress:remaining:v1 W ");
    cr_assert(left != NULL && has(left, " =000000014052c00000000000\n"), "%s", during);
    cr_assert_eq(kit_metric(k, BEAMC_URN_METRIC_DATA_CHANNEL_READ_INDEX, "src", NULL), 0);
    char after[8192] = "";
    beamc_plan_metrics(k->plan, show, after);
    cr_assert_not(has(after, "ptransform_progress"));
    kit_free(k);
}
