/* beamc_worker.c: beamc-worker, a worker without functions of its own: it runs those of the programs that
 * --program=FILE.so names. Also fit as the boot program of a container (/opt/apache/beam/boot): the flags
 * are those of Beam's container contract. */
#include <stdlib.h>
#include <string.h>

#include <beamc/program.h>

static const beamc_program program = {
    BEAMC_PROGRAM_ABI,
    .name = "beamc-worker",
    .doc = "A Fn API worker for the programs that --program=FILE.so names.",
};

static int is_one_of(const char *arg, const char *const *names) {
    for (; *names != NULL; names++) {
        size_t len = strlen(*names);
        if (strncmp(arg, *names, len) == 0 && (arg[len] == '\0' || arg[len] == '=')) {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    static const char *const modes[] = {"--worker", "--worker_pool", "--help", "--version", NULL};
    static char worker[] = "--worker";
    char **args = calloc((size_t)argc + 2, sizeof *args);
    if (args == NULL) {
        return BEAMC_EXIT_FAILED;
    }
    int has_mode = 0;
    for (int i = 0; i < argc; i++) {
        args[i] = argv[i];
        has_mode |= i > 0 && is_one_of(argv[i], modes);
    }
    if (!has_mode) {
        args[argc++] = worker;
    }
    int code = beamc_main(&program, argc, args);
    free(args);
    return code;
}
