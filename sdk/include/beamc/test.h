/**
 * @file test.h
 * Testing without a cluster: one DoFn without a runner, or a pipeline on the local runner.
 */
#ifndef BEAMC_TEST_H
#define BEAMC_TEST_H

#include <beamc/program.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- a DoFn without a runner */

typedef struct beamc_dofn_tester beamc_dofn_tester;

/** Sets an instance of @p fn up and starts a bundle. NULL with *err set on failure. @p config may be NULL. */
beamc_dofn_tester *beamc_dofn_tester_new(const beamc_dofn *fn, const void *config,
                                         beamc_error *err);
void beamc_dofn_tester_free(beamc_dofn_tester *tester);
/** Processes one element in the global window at @p timestamp. */
beamc_status beamc_dofn_tester_process(beamc_dofn_tester *tester, beamc_value in,
                                       beamc_time timestamp, beamc_error *err);
beamc_status beamc_dofn_tester_finish_bundle(beamc_dofn_tester *tester, beamc_error *err);
/** How many elements @p output has got, and one of them; they live as long as the tester. */
size_t beamc_dofn_tester_count(const beamc_dofn_tester *tester, unsigned output);
const beamc_windowed_value *beamc_dofn_tester_output(const beamc_dofn_tester *tester,
                                                     unsigned output, size_t index);
/** The value of a counter so far; 0 when it was never touched. */
int64_t beamc_dofn_tester_counter(const beamc_dofn_tester *tester, const char *space,
                                  const char *name);

/* ---------------------------------------------------------- a pipeline on the local runner */

typedef struct beamc_test_pipeline beamc_test_pipeline;

/** @p program lists the DoFns under test (its build is not called). */
beamc_test_pipeline *beamc_test_pipeline_new(const beamc_program *program);
void beamc_test_pipeline_free(beamc_test_pipeline *test);
/** Build into this. */
beamc_pipeline *beamc_test_pipeline_graph(beamc_test_pipeline *test);
/** Asserts that @p pc holds exactly these elements in any order, compared by their encoding. */
void beamc_assert_equal(beamc_pcoll pc, const char *label, const beamc_value *expected,
                        size_t count);
/** The same for those in @p window, fired in any pane. */
void beamc_assert_in_window(beamc_pcoll pc, const char *label, beamc_window window,
                            const beamc_value *expected, size_t count);
void beamc_assert_empty(beamc_pcoll pc, const char *label);
void beamc_assert_count(beamc_pcoll pc, const char *label, int64_t expected);

/** Which panes of a window an assertion looks at (beamc_current_pane of its elements). */
typedef enum beamc_panes {
    BEAMC_PANES_ALL = 0,
    BEAMC_PANES_EARLY,    /**< before the watermark passed the window's end */
    BEAMC_PANES_ON_TIME,  /**< the one that the watermark fired */
    BEAMC_PANES_LATE,     /**< behind it */
    BEAMC_PANES_NOT_LATE, /**< early and on time */
    BEAMC_PANES_LAST      /**< the one behind which none comes */
} beamc_panes;

/** Asserts that those panes of @p window ((beamc_window)BEAMC_GLOBAL_WINDOW for the global one) hold exactly these
 *  elements, all panes taken together, in any order. With count 0: that there is nothing in them. */
void beamc_assert_in_panes(beamc_pcoll pc, const char *label, beamc_window window,
                           beamc_panes panes, const beamc_value *expected, size_t count);

/** Looks at all elements, in no particular order. Fails with beamc_error_set: the text is shown. */
typedef beamc_status (*beamc_assert_fn)(const beamc_value *elements, size_t count, void *arg,
                                        beamc_error *err);
/** Asserts that @p check likes what @p pc holds. @p arg must live until the pipeline has run. */
void beamc_assert_that(beamc_pcoll pc, const char *label, beamc_assert_fn check, void *arg);
/** Runs it. The error says which assertion failed and shows what was missing and what was extra. */
beamc_status beamc_test_pipeline_run(beamc_test_pipeline *test, beamc_error *err) BEAMC_MUST_USE;
/** The committed value of a counter after the run, over all steps. */
int64_t beamc_test_pipeline_counter(const beamc_test_pipeline *test, const char *space,
                                    const char *name);

#ifdef __cplusplus
}
#endif
#endif
