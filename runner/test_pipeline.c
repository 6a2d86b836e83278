/* test_pipeline.c: pipelines in tests (beamc/test.h): build, assert, run on the local runner. */
#include <beamc/test.h>
#include <stdlib.h>

#include "base/mem.h"
#include "graph/job.h"
#include "program/library.h"
#include "runner/run_local.h"
#include "runner/test_assert.h"

struct beamc_test_pipeline {
    const beamc_program *program;
    beamc_pipeline *pipeline;
    beamc_run_report *report;
};

beamc_test_pipeline *beamc_test_pipeline_new(const beamc_program *program) {
    beamc_test_pipeline *test = beamc__calloc(1, sizeof *test);
    test->program = program;
    test->pipeline = beamc_pipeline_new();
    beamc__pipeline_set_runner(test->pipeline, "local");
    return test;
}

void beamc_test_pipeline_free(beamc_test_pipeline *test) {
    if (test != NULL) {
        beamc_pipeline_free(test->pipeline);
        beamc__report_free(test->report);
        free(test);
    }
}

beamc_pipeline *beamc_test_pipeline_graph(beamc_test_pipeline *test) {
    return test->pipeline;
}

/* ------------------------------------------------------------------------------ assertions */

/* Also on nothing something comes, so that the check always runs: a marker. */
static void add_assertion(beamc_pcoll pc, const char *label, const beamc_assert_pack_config *pack,
                          const beamc_assert_check_config *check) {
    beamc_pipeline *p = pc.pipeline;
    beamc_composite_begin(p, label);
    beamc_pcoll packed = beamc_pardo(pc, "Pack", &beamc__assert_pack_fn, .config = pack);
    beamc_kv marker = {.value = {.bytes = BEAMC_STR("m")}};
    beamc_value markers[] = {{.kv = &marker}};
    beamc_pcoll both[] = {
        beamc_window_into(packed, "Window", .fn = beamc_global(),
                          .trigger = BEAMC_AFTER_WATERMARK()),
        beamc_window_into(beamc_create(p, "Marker", &beamc_kv_bytes_bytes, markers, 1),
                          "WindowMarker", .fn = beamc_global(), .trigger = BEAMC_AFTER_WATERMARK()),
    };
    beamc_pcoll all = beamc_flatten(p, "WithMarker", both, 2);
    beamc_pardo(beamc_group_by_key(all, "Group"), "Check", &beamc__assert_check_fn,
                .config = check);
    beamc_composite_end(p);
}

static void assert_elements(beamc_pcoll pc, const char *label, const beamc_assert_pack_config *pack,
                            const beamc_value *expected, size_t count) {
    const beamc_coder *coder = beamc_pcoll_coder(pc);
    if (coder == NULL) {
        return; /* the pipeline has failed before */
    }
    beamc_arena *arena = beamc_arena_new(0);
    beamc_value *items = beamc_arena_alloc(arena, (count + 1) * sizeof *items);
    beamc_buf buf = {0};
    for (size_t i = 0; i < count; i++) {
        beamc_error err = {0};
        beamc_buf_clear(&buf);
        if (beamc__assert_pack(coder, &expected[i], &buf, &err) != BEAMC_OK) {
            beamc_pipeline_fail(pc.pipeline, err.code, "%s: expected element %zu: %s", label, i,
                                err.message);
        }
        items[i].bytes = beamc_arena_copy(arena, beamc_buf_slice(&buf));
    }
    beamc_assert_check_config check = {.label = beamc_str(label), .expected = {items, count}};
    add_assertion(pc, label, pack, &check);
    beamc_buf_free(&buf);
    beamc_arena_free(arena);
}

void beamc_assert_equal(beamc_pcoll pc, const char *label, const beamc_value *expected,
                        size_t count) {
    assert_elements(pc, label, &(beamc_assert_pack_config){0}, expected, count);
}

void beamc_assert_in_window(beamc_pcoll pc, const char *label, beamc_window window,
                            const beamc_value *expected, size_t count) {
    beamc_assert_in_panes(pc, label, window, BEAMC_PANES_ALL, expected, count);
}

void beamc_assert_in_panes(beamc_pcoll pc, const char *label, beamc_window window,
                           beamc_panes panes, const beamc_value *expected, size_t count) {
    beamc_assert_pack_config pack = {true, window.start, window.end, panes};
    assert_elements(pc, label, &pack, expected, count);
}

void beamc_assert_that(beamc_pcoll pc, const char *label, beamc_assert_fn check, void *arg) {
    const beamc_coder *coder = beamc_pcoll_coder(pc);
    if (coder == NULL) {
        return; /* the pipeline has failed before */
    }
    beamc_assert_check_config config = {.label = beamc_str(label),
                                        .check = (int64_t)(intptr_t)check,
                                        .arg = (int64_t)(intptr_t)arg,
                                        .coder = (int64_t)(intptr_t)coder};
    add_assertion(pc, label, &(beamc_assert_pack_config){0}, &config);
}

void beamc_assert_empty(beamc_pcoll pc, const char *label) {
    assert_elements(pc, label, &(beamc_assert_pack_config){0}, NULL, 0);
}

void beamc_assert_count(beamc_pcoll pc, const char *label, int64_t expected) {
    beamc_assert_check_config check = {
        .label = beamc_str(label), .only_count = true, .count = expected};
    add_assertion(pc, label, &(beamc_assert_pack_config){0}, &check);
}

/* ------------------------------------------------------------------------------------- run */

static beamc_status run(beamc_test_pipeline *test, const beamc_library *library, beamc_error *err) {
    beamc_buf proto = {0};
    beamc_status status = beamc_pipeline_lower(test->pipeline, NULL, &proto, err);
    if (status == BEAMC_OK) {
        beamc_local_run how = {.library = library};
        beamc__report_free(test->report);
        test->report = NULL;
        status = beamc__local_run(&how, beamc_buf_slice(&proto), &test->report, err);
    }
    beamc_buf_free(&proto);
    return status;
}

beamc_status beamc_test_pipeline_run(beamc_test_pipeline *test, beamc_error *err) {
    beamc_library *library = beamc__library_new();
    beamc_status status = BEAMC_OK;
    if (test->program != NULL) {
        status = beamc__library_add_program(library, test->program, err);
    }
    if (status == BEAMC_OK) {
        status = beamc__library_add_program(library, &beamc__assert_program, err);
    }
    if (status == BEAMC_OK) {
        status = run(test, library, err);
    }
    beamc__library_free(library);
    return status;
}

int64_t beamc_test_pipeline_counter(const beamc_test_pipeline *test, const char *space,
                                    const char *name) {
    return test->report == NULL ? 0 : beamc_report_counter(test->report, space, name);
}
