/* What the file connectors share: writing, folders, leftovers, errors in words. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/common/files.h"
#include "io/common/parts.h"

static char dir[64];

static void make_dir(void) {
    snprintf(dir, sizeof dir, "/tmp/beamc-files-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(files, .init = make_dir, .fini = remove_dir);

static const char *in_dir(const char *name) {
    static char paths[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", dir, name);
    return paths[next];
}

static void put_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static const char *text_of(const char *path) {
    static char text[256];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return NULL;
    }
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

Test(files, a_full_device_is_resource_exhausted) {
    int fd = open("/dev/full", O_WRONLY);
    cr_assert_geq(fd, 0);
    beamc_error err = {0};
    cr_assert_eq(beamc__write_all(fd, "x", 1, "out/a.jsonl", &err), BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(err.message, "cannot write out/a.jsonl: No space left on device; free some "
                                  "space, or write somewhere else");
    close(fd);
}

Test(files, codes_give_the_exit_codes) {
    beamc_error err = {0};
    cr_assert_eq(beamc__input_error(&err, ENOENT, "open", "f"), BEAMC_NOT_FOUND);
    cr_assert_eq(beamc__input_error(&err, EACCES, "open", "f"), BEAMC_PERMISSION_DENIED);
    cr_assert_eq(beamc__input_error(&err, EIO, "read", "f"), BEAMC_NOT_FOUND);
    cr_assert_str_eq(err.message, "cannot read f: Input/output error");
    cr_assert_eq(beamc__output_error(&err, EACCES, "make", "f"), BEAMC_DATA_LOSS);
    cr_assert_eq(beamc__output_error(&err, EROFS, "make", "f"), BEAMC_DATA_LOSS);
    cr_assert_eq(beamc__output_error(&err, EFBIG, "write", "f"), BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_eq(beamc__output_error(&err, EEXIST, "make", "f"), BEAMC_ALREADY_EXISTS);
}

Test(files, folders_are_made_with_those_above) {
    beamc_error err = {0};
    cr_assert_eq(beamc__make_folder(in_dir("a/b//c/"), &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__make_folder(in_dir("a/b/c"), &err), BEAMC_OK, "%s", err.message);
    struct stat st;
    cr_assert_eq(stat(in_dir("a/b/c"), &st), 0);
    put_file(in_dir("file"), "");
    cr_assert_eq(beamc__make_folder(in_dir("file"), &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "file is not a folder"), "%s", err.message);
    cr_assert_eq(beamc__make_folder(in_dir("file/x"), &err), BEAMC_DATA_LOSS);
    beamc_buf parent = {0};
    beamc__parent_folder("x.db", &parent);
    cr_assert_str_eq((char *)parent.ptr, ".");
    beamc__parent_folder("/x.db", &parent);
    cr_assert_str_eq((char *)parent.ptr, "/");
    beamc__parent_folder("a/b/x.db", &parent);
    cr_assert_str_eq((char *)parent.ptr, "a/b");
    beamc_buf_free(&parent);
}

Test(files, appends_and_notices_what_is_missing) {
    put_file(in_dir("a"), "one,");
    put_file(in_dir("b"), "two");
    int to = open(in_dir("a"), O_RDWR);
    int from = open(in_dir("b"), O_RDONLY);
    beamc_error err = {0};
    cr_assert_eq(lseek(to, 4, SEEK_SET), 4);
    cr_assert_eq(beamc__append_file(to, "a", from, "b", 3, &err), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(text_of(in_dir("a")), "one,two");
    cr_assert_eq(lseek(from, 0, SEEK_SET), 0);
    cr_assert_eq(beamc__append_file(to, "a", from, "b", 5, &err), BEAMC_DATA_LOSS);
    cr_assert_str_eq(err.message, "b is 2 bytes shorter than what was written to it");
    close(to);
    close(from);
}

Test(files, moves_replace_only_when_told) {
    put_file(in_dir("a"), "new");
    put_file(in_dir("b"), "old");
    beamc_error err = {0};
    cr_assert_eq(beamc__move_into_place(in_dir("a"), in_dir("b"), false, &err),
                 BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "--overwrite"), "%s", err.message);
    cr_assert_str_eq(text_of(in_dir("b")), "old");
    cr_assert_eq(beamc__move_into_place(in_dir("a"), in_dir("b"), true, &err), BEAMC_OK);
    cr_assert_str_eq(text_of(in_dir("b")), "new");
    cr_assert_eq(beamc__move_into_place(in_dir("b"), in_dir("c"), false, &err), BEAMC_OK);
    cr_assert_null(text_of(in_dir("b")));
}

Test(files, what_dead_jobs_left_is_removed) {
    char token[BEAMC_JOB_TOKEN_MAX];
    char other[BEAMC_JOB_TOKEN_MAX];
    int pipe_ends[2];
    cr_assert_eq(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        beamc__job_token(token);
        _exit(write(pipe_ends[1], token, sizeof token) == (ssize_t)sizeof token ? 0 : 1);
    }
    cr_assert_eq(read(pipe_ends[0], token, sizeof token), (ssize_t)sizeof token);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    beamc__job_token(other); /* of this process, which lives */
    char name[128];
    snprintf(name, sizeof name, ".beamc-%s", token);
    cr_assert_eq(mkdir(in_dir(name), 0777), 0);
    char dead[256];
    snprintf(dead, sizeof dead, "%s", in_dir(name));
    snprintf(name, sizeof name, ".beamc-%s/a.part", token);
    put_file(in_dir(name), "x");
    snprintf(name, sizeof name, ".beamc-%s", other);
    cr_assert_eq(mkdir(in_dir(name), 0777), 0);
    cr_assert_eq(mkdir(in_dir(".beamc-something"), 0777), 0);
    beamc__remove_dead_jobs(dir, ".beamc-");
    struct stat st;
    cr_assert_neq(stat(dead, &st), 0);
    cr_assert_eq(stat(in_dir(name), &st), 0);
    cr_assert_eq(stat(in_dir(".beamc-something"), &st), 0);
}

Test(files, leftovers_go_when_the_process_ends) {
    pid_t child = fork();
    if (child == 0) {
        put_file(in_dir("partial"), "x");
        beamc__remove_at_exit(in_dir("partial"));
        beamc__remove_at_exit(in_dir("not there"));
        pid_t grandchild = fork(); /* whose end must not matter */
        if (grandchild == 0) {
            exit(0);
        }
        waitpid(grandchild, NULL, 0);
        struct stat st;
        if (stat(in_dir("partial"), &st) != 0) {
            _exit(1);
        }
        exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct stat st;
    cr_assert_neq(stat(in_dir("partial"), &st), 0);
}

Test(files, names_of_tables) {
    cr_assert(beamc__table_name_ok("product_views_summary"));
    cr_assert(beamc__table_name_ok("a.b-C9"));
    cr_assert_not(beamc__table_name_ok(NULL));
    cr_assert_not(beamc__table_name_ok(""));
    cr_assert_not(beamc__table_name_ok(".hidden"));
    cr_assert_not(beamc__table_name_ok("a/b"));
    cr_assert_not(beamc__table_name_ok("a,b"));
    cr_assert_not(beamc__table_name_ok("a\"b"));
    beamc_slice list = BEAMC_STR("a,bc");
    beamc_slice name;
    cr_assert(beamc__next_table(&list, &name));
    cr_assert(beamc_slice_eq(name, beamc_str("a")));
    cr_assert(beamc__next_table(&list, &name));
    cr_assert(beamc_slice_eq(name, beamc_str("bc")));
    cr_assert_not(beamc__next_table(&list, &name));
}
