/* worker_main.c: a process that is a worker (--worker) or a pool of them (--worker_pool).
 *
 * Flags as in the container contract of Beam; what they leave out may come from the environment variables
 * that Beam's boot programs set for a worker, and then from the provision service. The process ends with
 * the runner's control stream; SIGTERM and Ctrl-C end it earlier. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "options/options_impl.h"
#include "program/entry.h"
#include "worker/harness/harness.h"
#include "worker/harness/pool.h"
#include "worker/harness/thread.h"

typedef struct sibling {
    struct sibling *next;
    beamc_harness *harness;
    pthread_t thread;
    beamc_status status;
    beamc_error why;
} sibling;

typedef struct process {
    beamc_arena *arena;
    beamc_options *options;
    beamc_harness_config config;
    beamc_harness *harness;
    pthread_mutex_t mu;
    sibling *siblings; /* guarded by mu */
    bool cancelled;    /* guarded as well; with no bundle open: idle */
    bool was_idle;
    int done_fd;
} process;

/* ---------------------------------------------------------------------- flags, environment */

static bool is_empty(const char *text) {
    return text == NULL || text[0] == '\0';
}

/* Prism starts processes with --id='worker id', quotes included, and knows the worker without them. */
static const char *without_quotes(beamc_arena *arena, const char *id) {
    size_t len = id != NULL ? strlen(id) : 0;
    if (len >= 2 && id[0] == '\'' && id[len - 1] == '\'') {
        return beamc_arena_cstr(arena, beamc_slice_of(id + 1, len - 2));
    }
    return id;
}

static const char *first_env(const char *one, const char *other) {
    const char *text = getenv(one);
    return is_empty(text) && other != NULL ? getenv(other) : text;
}

/* The url of an ApiServiceDescriptor in protobuf's text format: url: "localhost:1234". */
static const char *env_url(beamc_arena *arena, const char *name) {
    const char *text = getenv(name);
    const char *at = text != NULL ? strstr(text, "url:") : NULL;
    const char *open = at != NULL ? strchr(at, '"') : NULL;
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;
    return close != NULL
               ? beamc_arena_cstr(arena, beamc_slice_of(open + 1, (size_t)(close - open - 1)))
               : NULL;
}

static const char *flag_or(const process *p, const char *flag, const char *otherwise) {
    const char *text = beamc_option_text(p->options, flag);
    return is_empty(text) ? otherwise : text;
}

static void read_flags(process *p) {
    const char *status = getenv("STATUS_ENDPOINT");
    beamc_harness_config *c = &p->config;
    c->worker_id = without_quotes(p->arena, flag_or(p, "id", first_env("WORKER_ID", "HARNESS_ID")));
    c->control_url =
        flag_or(p, "control_endpoint", env_url(p->arena, "CONTROL_API_SERVICE_DESCRIPTOR"));
    c->logging_url =
        flag_or(p, "logging_endpoint", env_url(p->arena, "LOGGING_API_SERVICE_DESCRIPTOR"));
    c->artifact_url = flag_or(p, "artifact_endpoint", NULL);
    c->provision_url = flag_or(p, "provision_endpoint", NULL);
    c->status_url =
        flag_or(p, "status_endpoint",
                !is_empty(status) ? status : env_url(p->arena, "STATUS_API_SERVICE_DESCRIPTOR"));
    c->semi_persist_dir = beamc_option_given(p->options, "semi_persist_dir")
                              ? beamc_option_text(p->options, "semi_persist_dir")
                              : flag_or(p, "semi_persist_dir", "/tmp");
    const char *dir = getenv("SEMI_PERSISTENT_DIRECTORY");
    if (!is_empty(dir) && !beamc_option_given(p->options, "semi_persist_dir")) {
        c->semi_persist_dir = dir;
    }
    c->runner_capabilities = getenv("RUNNER_CAPABILITIES");
}

static beamc_status read_file(const char *path, beamc_buf *out, beamc_error *err) {
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return BEAMC_FAIL(err, NOT_FOUND, "PIPELINE_OPTIONS_FILE=%s cannot be read", path);
    }
    size_t n;
    do {
        n = fread(beamc_buf_room(out, 4096), 1, 4096, f);
        out->len += n;
    } while (n > 0);
    (void)fclose(f);
    return BEAMC_OK;
}

/* PIPELINE_OPTIONS_FILE, or PIPELINE_OPTIONS: JSON. */
static beamc_status read_job_options(process *p, beamc_error *err) {
    const char *path = getenv("PIPELINE_OPTIONS_FILE");
    const char *text = getenv("PIPELINE_OPTIONS");
    beamc_buf json = {0};
    beamc_status status = BEAMC_OK;
    if (!is_empty(path)) {
        status = read_file(path, &json, err);
    } else if (!is_empty(text)) {
        beamc_buf_put_str(&json, text);
    }
    if (status == BEAMC_OK && json.len > 0) {
        status = beamc_options_from_json(p->options, beamc_buf_slice(&json), err);
    }
    beamc_buf_free(&json);
    return status;
}

/* -------------------------------------------------------------------------------- siblings */

static void *run_sibling(void *arg) {
    sibling *s = arg;
    s->status = beamc__harness_run(s->harness, &s->why);
    return NULL;
}

static void start_sibling(process *p, const char *id) {
    beamc_harness_config config = p->config;
    config.worker_id = id;
    config.ready = NULL;
    sibling *s = beamc__calloc(1, sizeof *s);
    s->harness = beamc__harness_new(&config);
    if (!beamc__thread_start(&s->thread, "beamc-worker", run_sibling, s)) {
        BEAMC_LOG_ERROR(NULL, "no thread for the sibling worker %s", id);
        beamc__harness_free(s->harness);
        free(s);
        return;
    }
    s->next = p->siblings;
    p->siblings = s;
}

static void on_ready(void *arg, beamc_harness *h) {
    process *p = arg;
    const char *id;
    pthread_mutex_lock(&p->mu);
    for (size_t i = 0; (id = beamc__harness_sibling(h, i)) != NULL && !p->cancelled; i++) {
        start_sibling(p, id);
    }
    pthread_mutex_unlock(&p->mu);
}

static beamc_status join_siblings(process *p, beamc_status status, beamc_error *err) {
    while (p->siblings != NULL) {
        sibling *s = p->siblings;
        p->siblings = s->next;
        pthread_join(s->thread, NULL);
        if (status == BEAMC_OK && s->status != BEAMC_OK) {
            status = beamc_error_set(err, s->status, "%s", s->why.message);
        }
        beamc__harness_free(s->harness);
        free(s);
    }
    return status;
}

/* --------------------------------------------------------------------------------- signals */

static void cancel(process *p) {
    pthread_mutex_lock(&p->mu);
    p->cancelled = true;
    p->was_idle = beamc__harness_open_bundles(p->harness) == 0;
    beamc__harness_stop(p->harness);
    for (sibling *s = p->siblings; s != NULL; s = s->next) {
        beamc__harness_stop(s->harness);
    }
    pthread_mutex_unlock(&p->mu);
}

/* Waits for Ctrl-C or SIGTERM, or for the end of the worker. */
static void *watch(void *arg) {
    process *p = arg;
    struct pollfd fds[] = {{.fd = beamc__cancel_fd(), .events = POLLIN},
                           {.fd = p->done_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0) {
    }
    if ((fds[0].revents & POLLIN) != 0 && (fds[1].revents & POLLIN) == 0) {
        cancel(p);
    }
    return NULL;
}

static beamc_status run_watched(process *p, beamc_error *err) {
    pthread_t watcher;
    beamc__cancel_install();
    p->done_fd = eventfd(0, EFD_CLOEXEC);
    if (p->done_fd < 0 || !beamc__thread_start(&watcher, "beamc-signals", watch, p)) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED, "no thread or file for signals");
    }
    beamc_status status = beamc__harness_run(p->harness, err);
    uint64_t one = 1;
    while (write(p->done_fd, &one, sizeof one) < 0) {
    }
    pthread_join(watcher, NULL);
    close(p->done_fd);
    status = join_siblings(p, status, err);
    /* A runner may end an idle worker by a signal: that is no failure. */
    return status == BEAMC_CANCELLED && p->was_idle ? BEAMC_OK : status;
}

static beamc_status run_worker(process *p, beamc_error *err) {
    read_flags(p);
    if (is_empty(p->config.worker_id)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "a worker needs an id: --id=ID");
    }
    if (is_empty(p->config.control_url) && is_empty(p->config.provision_url)) {
        return BEAMC_FAIL(err, INVALID_ARGUMENT,
                          "a worker needs --control_endpoint=HOST:PORT or "
                          "--provision_endpoint=HOST:PORT");
    }
    BEAMC_TRY(read_job_options(p, err));
    p->config.options = p->options;
    p->config.ready = on_ready;
    p->config.ready_arg = p;
    p->harness = beamc__harness_new(&p->config);
    beamc_status status = run_watched(p, err);
    beamc__harness_free(p->harness);
    return status;
}

/* ------------------------------------------------------------------------------------- pool */

static beamc_status run_pool(process *p, beamc_error *err) {
    beamc__cancel_install();
    char *address = beamc_arena_printf(p->arena, "0.0.0.0:%lld",
                                       (long long)beamc_option_int(p->options, "worker_pool_port"));
    beamc_worker_pool *pool;
    BEAMC_TRY_CTX(err, beamc__worker_pool_start(address, p->config.library, p->options, &pool, err),
                  "worker pool");
    printf("worker pool: %s\n", beamc__worker_pool_endpoint(pool));
    (void)fflush(stdout);
    struct pollfd fd = {.fd = beamc__cancel_fd(), .events = POLLIN};
    while (!beamc__cancel_requested()) {
        (void)poll(&fd, 1, -1);
    }
    beamc__worker_pool_stop(pool);
    return BEAMC_OK;
}

beamc_status beamc__fnapi_worker_main(const beamc_program *program, const beamc_options *options,
                                      const beamc_library *library, beamc_error *err) {
    (void)program;
    process p = {.arena = beamc_arena_new(4096),
                 .options = beamc__options_copy(options),
                 .config = {.library = library}};
    pthread_mutex_init(&p.mu, NULL);
    beamc_status status =
        beamc_option_bool(p.options, "worker_pool") ? run_pool(&p, err) : run_worker(&p, err);
    pthread_mutex_destroy(&p.mu);
    beamc_options_free(p.options);
    beamc_arena_free(p.arena);
    return status;
}
