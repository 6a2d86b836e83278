/* crash.c: see crash.h. The handler calls write(2) and what glibc documents as fit for handlers once it
 * was called before (backtrace); it takes no lock and allocates nothing. */
#include "worker/harness/crash.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 64 << 10, FRAMES_MAX = 64 };

/* In the thread's static block: a handler must not make the loader allocate one. */
#define IN_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))

IN_THREAD const char *current_worker;
IN_THREAD const char *current_instruction;
IN_THREAD const beamc_plan *current_plan;
IN_THREAD void *handler_stack;

static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
static const char *const signal_names[] = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"};
enum { SIGNAL_COUNT = sizeof signals / sizeof signals[0] };

static struct sigaction previous[SIGNAL_COUNT];
static pthread_once_t installed = PTHREAD_ONCE_INIT;

typedef struct line {
    char text[1024];
    size_t len;
} line;

static void put(line *l, const char *text) {
    while (text != NULL && *text != '\0' && l->len < sizeof l->text - 1) {
        l->text[l->len++] = *text++;
    }
}

static void flush(line *l) {
    if (l->len > 0 && write(STDERR_FILENO, l->text, l->len) < 0) {
        return; /* nobody to tell */
    }
}

static void report(const char *name) {
    line l = {.len = 0};
    put(&l, "\nbeamc worker ");
    put(&l, current_worker != NULL ? current_worker : "(no worker of this thread)");
    put(&l, ": ");
    put(&l, name);
    if (current_instruction != NULL) {
        put(&l, " in bundle ");
        put(&l, current_instruction);
    }
    if (current_plan != NULL) {
        const char *transform = beamc_plan_current_transform(current_plan);
        put(&l, transform[0] != '\0' ? ", transform " : ", between transforms");
        put(&l, transform);
    }
    put(&l, "\n");
    flush(&l);
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)info;
    (void)context;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (signals[i] == number) {
            report(signal_names[i]);
            sigaction(number, &previous[i], NULL);
        }
    }
    /* It is blocked until this handler returns; then it takes the course that it had before us. */
    raise(number);
}

static void install(void) {
    void *frames[1];
    (void)backtrace(frames, 1); /* loads what it needs */
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        sigaction(signals[i], &action, &previous[i]);
    }
}

void beamc__crash_install(void) {
    pthread_once(&installed, install);
}

void beamc__crash_thread_begin(void) {
    stack_t before;
    if (sigaltstack(NULL, &before) != 0 || (before.ss_flags & SS_DISABLE) == 0) {
        return; /* somebody (a sanitizer) has given it one */
    }
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
        return;
    }
    stack_t mine = {.ss_sp = stack, .ss_size = STACK_BYTES};
    if (sigaltstack(&mine, NULL) != 0) {
        munmap(stack, STACK_BYTES);
        return;
    }
    handler_stack = stack;
}

void beamc__crash_thread_end(void) {
    if (handler_stack == NULL) {
        return;
    }
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(handler_stack, STACK_BYTES);
    handler_stack = NULL;
}

void beamc__crash_set(const char *worker_id, const char *instruction_id, const beamc_plan *plan) {
    current_worker = worker_id;
    current_instruction = instruction_id;
    current_plan = plan;
}
