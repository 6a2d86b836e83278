/* main.c: beamc_main: options, then build, then one of: worker, local runner, submission.
 *
 * One binary is everything; what it does is decided here and nowhere else. The parts are reached
 * through entry.h. Nothing in here is called by a library user except beamc_main. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <beamc/log.h>
#include <beamc/version.h>

#include "base/log.h"
#include "base/mem.h"
#include "graph/graph.h"
#include "program/entry.h"
#include "runner/state_dir.h"
#include "runner/steps.h"

typedef struct run {
    const beamc_program *program;
    beamc_options *options;
    beamc_library *library;
    beamc_pipeline *pipeline;
    beamc_state_dir *state; /* --state_dir; NULL without */
} run;

/* A program from an older header is shorter; the rest of this copy is zero. */
static beamc_program full_program(const beamc_program *given) {
    beamc_program p = {0};
    size_t size = given->struct_size;
    memcpy(&p, given, size == 0 || size > sizeof p ? sizeof p : size);
    return p;
}

static int exit_code_of(beamc_status status) {
    switch (status) {
    case BEAMC_OK:
        return BEAMC_EXIT_OK;
    case BEAMC_CANCELLED:
        return BEAMC_EXIT_CANCELLED;
    case BEAMC_NOT_FOUND:
    case BEAMC_PERMISSION_DENIED:
        return BEAMC_EXIT_INPUT;
    case BEAMC_ALREADY_EXISTS:
    case BEAMC_RESOURCE_EXHAUSTED:
    case BEAMC_DATA_LOSS:
        return BEAMC_EXIT_OUTPUT;
    default:
        return BEAMC_EXIT_FAILED;
    }
}

/* What was not run because of how it was called or built. */
static int usage_code_of(beamc_status status) {
    int code = exit_code_of(status);
    return code == BEAMC_EXIT_FAILED ? BEAMC_EXIT_USAGE : code;
}

static int report(const char *name, const beamc_error *err, int code) {
    bool stopped = strncmp(err->message, "stopped", 7) == 0; /* with something to say */
    if (code == BEAMC_EXIT_CANCELLED && !stopped) {
        fprintf(stderr, "%s: cancelled\n", name);
    } else {
        fprintf(stderr, "%s: %s\n", name,
                err->message[0] != '\0' ? err->message : beamc_status_name(err->code));
    }
    return code;
}

/* --------------------------------------------------------------------------------- options */

static bool has_flag(int argc, char *const *argv, const char *name) {
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, len) == 0 && (argv[i][len] == '\0' || argv[i][len] == '=')) {
            return true;
        }
    }
    return false;
}

/* The value of --env_file has to be known before the file is read. */
static const char *env_file_of(int argc, char *const *argv) {
    static const char name[] = "--env_file";
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, sizeof name - 1) == 0) {
            const char *rest = argv[i] + sizeof name - 1;
            if (*rest == '=') {
                return rest + 1;
            }
            if (*rest == '\0' && i + 1 < argc) {
                return argv[i + 1];
            }
        }
    }
    return ".env";
}

/* A runner's PROCESS environment starts us with --id and an endpoint and says nothing of --worker. */
static bool is_worker(int argc, char *const *argv) {
    return has_flag(argc, argv, "--worker") || has_flag(argc, argv, "--worker_pool") ||
           (has_flag(argc, argv, "--id") && (has_flag(argc, argv, "--provision_endpoint") ||
                                             has_flag(argc, argv, "--control_endpoint")));
}

static beamc_status parse(run *r, int argc, char *const *argv, beamc_error *err) {
    bool worker = is_worker(argc, argv);
    /* A launcher adds options of its own, and a runner gives workers what it likes. */
    bool lenient = worker || has_flag(argc, argv, "--template_location");
    /* A worker's .env is that of whoever started the runner, not of the job. */
    const char *env_file = worker ? NULL : env_file_of(argc, argv);
    BEAMC_TRY(beamc_options_parse(r->options, argc, argv, env_file, lenient, err));
    if (beamc_option_bool(r->options, "local")) {
        BEAMC_TRY(beamc_options_set(r->options, "runner", "local", err));
    }
    beamc_severity level;
    if (beamc__log_level_of(beamc_option_text(r->options, "log_level"), &level)) {
        beamc_log_set_level(level);
    }
    return BEAMC_OK;
}

static int print_help(const run *r, const char *name) {
    beamc_buf out = {0};
    beamc_buf usage = {0};
    beamc_buf_printf(&usage, "usage: %s [--option=value ...]", name);
    if (r->program->doc != NULL) {
        beamc_buf_printf(&usage, "\n%s", r->program->doc);
    }
    beamc_buf_put_u8(&usage, 0);
    beamc_options_help(r->options, (const char *)usage.ptr, &out);
    beamc_buf_printf(&out,
                     "\nExit codes: 0 done, 1 failed, 2 wrong option or pipeline, 3 input missing "
                     "or unreadable,\n4 output not writable, 130 stopped by Ctrl-C.\n");
    fwrite(out.ptr, 1, out.len, stdout);
    beamc_buf_free(&usage);
    beamc_buf_free(&out);
    return fflush(stdout) == 0 ? BEAMC_EXIT_OK : BEAMC_EXIT_OUTPUT;
}

static int print_env_sample(const run *r) {
    beamc_buf out = {0};
    beamc_options_env_sample(r->options, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    beamc_buf_free(&out);
    return fflush(stdout) == 0 ? BEAMC_EXIT_OK : BEAMC_EXIT_OUTPUT;
}

/* -------------------------------------------------------------------------------- building */

static bool runs_locally(const beamc_options *options) {
    const char *runner = beamc_option_text(options, "runner");
    return strcasecmp(runner, "local") == 0 || strcasecmp(runner, "DirectRunner") == 0;
}

static const char *library_fault(void *arg, const char *urn, const void *fn) {
    return beamc__library_fault(arg, urn, fn);
}

beamc_pipeline *beamc__program_build(const beamc_program *program, const beamc_options *options,
                                     const beamc_library *library, const char *job) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc__pipeline_set_job(p, job);
    beamc__pipeline_set_fault(p, library_fault, (void *)(uintptr_t)library);
    beamc__pipeline_set_runner(p, beamc_option_text(options, "runner"));
    if (program->build != NULL) {
        program->build(p, options);
    } else {
        beamc_pipeline_fail(p, BEAMC_FAILED_PRECONDITION, "the program has no .build function");
    }
    return p;
}

static beamc_status load_functions(run *r, beamc_error *err) {
    BEAMC_TRY(beamc__library_add_program(r->library, r->program, err));
    const char *path;
    for (size_t i = 0; (path = beamc_option_item(r->options, "program", i)) != NULL; i++) {
        BEAMC_TRY(beamc__library_add_plugin(r->library, path, NULL, err));
    }
    return BEAMC_OK;
}

static beamc_status dump(const char *path, beamc_slice bytes, beamc_error *err) {
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (file == NULL) {
        return BEAMC_FAIL(err, DATA_LOSS, "--dump_pipeline=%s: %s", path, strerror(errno));
    }
    bool ok = fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    ok = (file == stdout ? fflush(file) : fclose(file)) == 0 && ok;
    if (!ok) {
        return BEAMC_FAIL(err, DATA_LOSS, "--dump_pipeline=%s: %s", path, strerror(errno));
    }
    return BEAMC_OK;
}

/* ------------------------------------------------------------------------------ dispatching */

static beamc_status open_state(run *r, beamc_error *err) {
    const char *path = beamc_option_text(r->options, "state_dir");
    if (path == NULL || beamc_option_text(r->options, "dump_pipeline") != NULL) {
        return BEAMC_OK;
    }
    if (!runs_locally(r->options)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "--state_dir is for the local runner; %s keeps state by itself: leave it "
                          "out, or add --runner=local",
                          beamc_option_text(r->options, "runner"));
    }
    return beamc__state_dir_open(path, beamc_option_bool(r->options, "state_dir_reset"), &r->state,
                                 err);
}

/* Whether the state is that of this pipeline. */
static beamc_status check_state(const run *r, beamc_slice pipeline_proto, beamc_error *err) {
    beamc_buf steps = {0};
    beamc_status st = beamc__steps_of(pipeline_proto, &steps, err);
    if (st == BEAMC_OK) {
        st = beamc__state_dir_check_steps(r->state, beamc_buf_slice(&steps), err);
    }
    beamc_buf_free(&steps);
    return st;
}

static int run_worker(run *r, const char *name) {
    beamc_error err = {0};
    beamc_worker_main_fn worker;
    beamc_submit_main_fn submit;
    beamc_status st = beamc__fnapi_load(&worker, &submit, &err);
    if (st == BEAMC_OK) {
        st = worker(r->program, r->options, r->library, &err);
    }
    return st == BEAMC_OK
               ? BEAMC_EXIT_OK
               : report(name, &err,
                        st == BEAMC_CANCELLED ? BEAMC_EXIT_CANCELLED : BEAMC_EXIT_FAILED);
}

static int run_remote(run *r, const char *name) {
    beamc_error err = {0};
    beamc_worker_main_fn worker;
    beamc_submit_main_fn submit;
    beamc_status st = beamc__fnapi_load(&worker, &submit, &err);
    if (st == BEAMC_OK) {
        st = submit(r->program, r->options, r->pipeline, r->library, &err);
    }
    return st == BEAMC_OK ? BEAMC_EXIT_OK : report(name, &err, exit_code_of(st));
}

static int run_job(run *r, const char *name) {
    beamc_error err = {0};
    beamc_status st = open_state(r, &err);
    if (st != BEAMC_OK) {
        return report(name, &err, usage_code_of(st));
    }
    r->pipeline = beamc__program_build(r->program, r->options, r->library,
                                       r->state == NULL ? NULL : beamc__state_dir_job(r->state));
    beamc_buf proto = {0};
    st = beamc_pipeline_lower(r->pipeline, NULL, &proto, &err);
    if (st == BEAMC_OK && beamc__pipeline_is_unbounded(r->pipeline) &&
        !beamc_option_given(r->options, "streaming")) {
        st = beamc_options_set(r->options, "streaming", "true", &err);
    }
    if (st == BEAMC_OK && r->state != NULL) {
        st = check_state(r, beamc_buf_slice(&proto), &err);
    }
    if (st != BEAMC_OK) {
        beamc_buf_free(&proto);
        return report(name, &err, usage_code_of(st));
    }
    int code;
    const char *path = beamc_option_text(r->options, "dump_pipeline");
    if (path != NULL) {
        st = dump(path, beamc_buf_slice(&proto), &err);
        code = st == BEAMC_OK ? BEAMC_EXIT_OK : report(name, &err, exit_code_of(st));
    } else if (runs_locally(r->options)) {
        st = beamc__run_local(r->program, r->options, beamc_buf_slice(&proto), r->library, r->state,
                              &err);
        code = st == BEAMC_OK ? BEAMC_EXIT_OK : report(name, &err, exit_code_of(st));
    } else {
        code = run_remote(r, name);
    }
    beamc_buf_free(&proto);
    return code;
}

static int run_all(run *r, int argc, char **argv) {
    const char *name = argc > 0 ? argv[0] : "beamc";
    const char *slash = strrchr(name, '/');
    name = slash != NULL ? slash + 1 : name;
    if (has_flag(argc, argv, "--help") || has_flag(argc, argv, "-h")) {
        return print_help(r, name);
    }
    beamc_error err = {0};
    beamc_status st = parse(r, argc, argv, &err);
    if (st != BEAMC_OK) {
        return report(name, &err, usage_code_of(st));
    }
    if (beamc_option_bool(r->options, "version")) {
        printf("%s (beamc %s)\n", r->program->name != NULL ? r->program->name : name,
               BEAMC_VERSION);
        return BEAMC_EXIT_OK;
    }
    if (beamc_option_bool(r->options, "env_sample")) {
        return print_env_sample(r);
    }
    st = load_functions(r, &err);
    if (st != BEAMC_OK) {
        return report(name, &err, usage_code_of(st));
    }
    beamc__cancel_install();
    if (is_worker(argc, argv)) {
        return run_worker(r, name);
    }
    return run_job(r, name);
}

int beamc_main(const beamc_program *program, int argc, char **argv) {
    beamc_program full = full_program(program);
    const beamc_option *tables[3] = {0};
    size_t n = 0;
    if (full.options != NULL) {
        tables[n++] = full.options;
    }
    tables[n] = beamc__standard_options;
    run r = {
        .program = &full, .options = beamc_options_new(tables), .library = beamc__library_new()};
    int code = run_all(&r, argc, argv);
    beamc_pipeline_free(r.pipeline);
    beamc__state_dir_close(r.state);
    beamc__library_free(r.library);
    beamc_options_free(r.options);
    return code;
}
