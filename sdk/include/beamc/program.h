/**
 * @file program.h
 * A user program: one binary that is submitter, local runner and worker.
 *
 *     ./views                                            runs locally
 *     ./views --runner=PortableRunner --job_endpoint=... submits, and serves as the worker (LOOPBACK)
 *     ./views --worker --id=... --control_endpoint=...   is a worker
 *
 * The same source built with -DBEAMC_PLUGIN is a shared object for `beamc-worker --program=`.
 */
#ifndef BEAMC_PROGRAM_H
#define BEAMC_PROGRAM_H

#include <beamc/options.h>
#include <beamc/pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a finished run can say of itself: committed metrics and the time it took. */
typedef struct beamc_run_report beamc_run_report;
/** Wall time of the run, in seconds. */
double beamc_report_seconds(const beamc_run_report *report);
/** Sum of a counter over all steps; 0 when there is none. */
int64_t beamc_report_counter(const beamc_run_report *report, const char *space, const char *name);
/** Calls @p fn for each counter of @p space (NULL: all), summed over steps, in the order of names. */
void beamc_report_each_counter(const beamc_run_report *report, const char *space,
                               void (*fn)(void *arg, const char *space, const char *name,
                                          int64_t value),
                               void *arg);

typedef struct beamc_program {
    size_t struct_size; /**< BEAMC_PROGRAM_ABI sets these two */
    uint32_t abi;
    const char *name; /**< job name, when none is given */
    const char *doc;  /**< one sentence, for --help */
    void (*build)(beamc_pipeline *pipeline, const beamc_options *options);
    const beamc_option *options;  /**< of the program, ended by an entry without a name; or NULL */
    const beamc_dofn *const *fns; /**< BEAMC_FNS(...): every DoFn that build uses */
    const beamc_combiner *const *combiners; /**< BEAMC_COMBINERS(...) */
    /** Optional: called once after a successful run on the local runner, to print a summary. */
    void (*report)(const beamc_run_report *report, const beamc_options *options);
    const struct beamc_program *const
        *imports; /**< BEAMC_IMPORTS(...): other libraries' programs whose fns are used */
} beamc_program;

#define BEAMC_PROGRAM_ABI .struct_size = sizeof(beamc_program), .abi = BEAMC_ABI_VERSION
#define BEAMC_FNS(...) ((const beamc_dofn *const[]){__VA_ARGS__, 0})
#define BEAMC_COMBINERS(...) ((const beamc_combiner *const[]){__VA_ARGS__, 0})
#define BEAMC_IMPORTS(...) ((const struct beamc_program *const[]){__VA_ARGS__, 0})

/** Exit codes of beamc_main. */
enum {
    BEAMC_EXIT_OK = 0,
    BEAMC_EXIT_FAILED = 1, /**< the job, or the worker, failed */
    BEAMC_EXIT_USAGE = 2,  /**< a wrong option, value or pipeline; nothing was run */
    BEAMC_EXIT_INPUT = 3,  /**< an input is missing or unreadable: NOT_FOUND, PERMISSION_DENIED */
    BEAMC_EXIT_OUTPUT = 4, /**< an output cannot be written: ALREADY_EXISTS, RESOURCE_EXHAUSTED,
                                    DATA_LOSS */
    BEAMC_EXIT_CANCELLED = 130 /**< Ctrl-C */
};

/** Parses argv and does what it says. Returns the exit code. */
int beamc_main(const beamc_program *program, int argc, char **argv);

/** The one definition that makes a program: main(), or with -DBEAMC_PLUGIN the plugin's symbol. */
#ifdef BEAMC_PLUGIN
#define BEAMC_EXPORT(program)                                                                      \
    __attribute__((visibility("default"))) const beamc_program *const beamc_plugin_program =       \
        &(program)
#else
#define BEAMC_EXPORT(program)                                                                      \
    int main(int argc, char **argv) {                                                              \
        return beamc_main(&(program), argc, argv);                                                 \
    }                                                                                              \
    extern int beamc_export_wants_a_semicolon
#endif

#ifdef __cplusplus
}
#endif
#endif
