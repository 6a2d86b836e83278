/* kill_kit.h: work that is killed before or after a system call: what a crash can leave of files is what lies
 * between two of them. */
#ifndef BEAMC_TESTS_KILL_KIT_H
#define BEAMC_TESTS_KILL_KIT_H

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Does @p work in a process of its own, which is killed at the @p n-th entry to or exit from a system call.
 * True: it was; false: it ended before, and well. */
__attribute__((unused)) static bool killed_at(unsigned n, void (*work)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(99);
        }
        raise(SIGSTOP);
        work();
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status), "no tracing here: %x", (unsigned)status);
    cr_assert_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
    for (unsigned at = 0; at < n; at++) {
        cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            cr_assert_eq(WEXITSTATUS(status), 0, "the work failed at boundary %u", at);
            return false;
        }
        cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "%x", (unsigned)status);
    }
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return true;
}

/* The same without a kill. */
__attribute__((unused)) static void done_in_peace(void (*work)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        work();
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
}

/* Zeroed memory that such processes share with the test. */
__attribute__((unused)) static void *shared_memory(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    return p;
}

#endif
