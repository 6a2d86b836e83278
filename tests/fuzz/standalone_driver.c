/* standalone_driver.c: main() for a fuzz target without libFuzzer: replays files, prints TAP.
 *
 * usage: TARGET FILE|FOLDER...
 *
 * Every file is one input, given to LLVMFuzzerTestOneInput as a copy that ends at the end of its
 * allocation, so that AddressSanitizer and valgrind see a read behind it. The empty input comes
 * first, and every input also cut off at each of its first lengths: truncated bytes are what decoders
 * get wrong. A target fails by crashing; before each file its name is on standard error. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

enum { CUT_LENGTHS = 64 };

static int file_count;

static void run_bytes(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) {
        fprintf(stderr, "out of memory for %zu bytes\n", size);
        exit(1);
    }
    if (size) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(size ? copy : copy + 1, size);
    free(copy);
}

static void run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size + 1);
    if (!data || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path);
    run_bytes(data, size);
    for (size_t cut = 1; cut < size && cut <= CUT_LENGTHS; cut++) {
        run_bytes(data, cut);
    }
    free(data);
    file_count++;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void run_path(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        run_path(name);
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
}

int main(int argc, char **argv) {
    if (LLVMFuzzerInitialize) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    printf("1..1\n");
    fflush(stdout);
    run_bytes(NULL, 0);
    for (int i = 1; i < argc; i++) {
        run_path(argv[i]);
    }
    if (file_count == 0) {
        printf("not ok 1 - no input: put files into the corpus folder\n");
        return 1;
    }
    printf("ok 1 - %d inputs, each also cut short\n", file_count);
    return 0;
}
