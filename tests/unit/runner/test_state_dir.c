/* test_state_dir.c: the folder of a job that can be continued: who may have it, what survives, what damage is
 * told. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <beamc/buf.h>

#include "runner/state_dir.h"

static char folder[64], file[96];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/beamc-state-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/state.beamc", folder);
}

static void remove_folder(void) {
    static const char *const names[] = {"state.beamc", "state.beamc-wal", "state.beamc-shm",
                                        "lock",        "state.beamc.new", "other"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static beamc_state_dir *open_with(bool reset, const char *steps) {
    beamc_state_dir *dir = NULL;
    beamc_error err = {0};
    cr_assert_eq(beamc__state_dir_open(folder, reset, &dir, &err), BEAMC_OK, "%s", err.message);
    if (steps != NULL) {
        cr_assert_eq(beamc__state_dir_check_steps(dir, beamc_str(steps), &err), BEAMC_OK, "%s",
                     err.message);
    }
    return dir;
}

static beamc_state_dir *open_dir(bool reset) {
    return open_with(reset, "Read\t1\n");
}

static void put(beamc_state_dir *dir, const char *name, const char *data) {
    beamc_journal *j = beamc__state_dir_journal(dir);
    j->ops->put(j, beamc_str(name), beamc_str(data));
}

static void commit(beamc_state_dir *dir) {
    beamc_journal *j = beamc__state_dir_journal(dir);
    beamc_error err = {0};
    cr_assert_eq(j->ops->commit(j, &err), BEAMC_OK, "%s", err.message);
}

static beamc_status collect(void *arg, beamc_slice name, beamc_slice data, beamc_error *err) {
    (void)err;
    beamc_buf_printf(arg, "%.*s=%.*s ", BEAMC_SLICE_ARG(name), BEAMC_SLICE_ARG(data));
    return BEAMC_OK;
}

/* What is under @p prefix, as text. */
static beamc_status scan(beamc_state_dir *dir, const char *prefix, beamc_buf *out,
                         beamc_error *err) {
    beamc_journal *j = beamc__state_dir_journal(dir);
    beamc_buf_clear(out);
    beamc_status status = j->ops->scan(j, beamc_str(prefix), collect, out, err);
    beamc_buf_put_u8(out, 0);
    return status;
}

static void expect(beamc_state_dir *dir, const char *prefix, const char *text) {
    beamc_buf out = {0};
    beamc_error err = {0};
    cr_assert_eq(scan(dir, prefix, &out, &err), BEAMC_OK, "%s", err.message);
    cr_expect_str_eq((char *)out.ptr, text);
    beamc_buf_free(&out);
}

Test(state_dir, what_is_committed_is_there_again, .init = make_folder, .fini = remove_folder) {
    beamc_state_dir *dir = open_dir(false);
    char job[64];
    snprintf(job, sizeof job, "%s", beamc__state_dir_job(dir));
    put(dir, "Qb", "2");
    put(dir, "Qa", "1");
    put(dir, "R", "3");
    put(dir, "Qa", "one");
    commit(dir);
    put(dir, "Qc", "never committed");
    expect(dir, "Q", "Qa=one Qb=2 ");
    beamc__state_dir_close(dir);
    dir = open_dir(false);
    cr_expect_str_eq(beamc__state_dir_job(dir), job);
    beamc_journal *j = beamc__state_dir_journal(dir);
    put(dir, "Qa", "again");
    j->ops->remove(j, beamc_str("Qa"));
    j->ops->remove(j, beamc_str("no such name"));
    commit(dir);
    expect(dir, "", "Qb=2 R=3 ");
    beamc__state_dir_close(dir);
    dir = open_dir(true);
    cr_expect_str_neq(beamc__state_dir_job(dir), job, "a job that was reset is another one");
    expect(dir, "", "");
    beamc__state_dir_close(dir);
}

Test(state_dir, names_of_any_bytes_have_their_prefixes, .init = make_folder,
     .fini = remove_folder) {
    beamc_state_dir *dir = open_dir(false);
    put(dir, "\xff", "a");
    put(dir, "\xff\xff", "b");
    put(dir, "\xfe\xff", "c");
    put(dir, "\xfe\xff\x01", "d");
    commit(dir);
    expect(dir, "\xff", "\xff=a \xff\xff=b ");
    expect(dir, "\xfe\xff", "\xfe\xff=c \xfe\xff\x01=d ");
    beamc__state_dir_close(dir);
}

static void expect_refusal(bool reset, beamc_status code, const char *word) {
    beamc_state_dir *dir = NULL;
    beamc_error err = {0};
    cr_assert_eq(beamc__state_dir_open(folder, reset, &dir, &err), code, "%s", err.message);
    cr_expect_not_null(strstr(err.message, word), "no \"%s\" in: %s", word, err.message);
    cr_expect_null(strchr(err.message, '\n'));
}

Test(state_dir, one_process_at_a_time, .init = make_folder, .fini = remove_folder) {
    beamc_state_dir *dir = open_dir(false);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    expect_refusal(false, BEAMC_FAILED_PRECONDITION, pid);
    expect_refusal(true, BEAMC_FAILED_PRECONDITION, pid);
    beamc__state_dir_close(dir);
    beamc__state_dir_close(open_dir(false));
}

static void write_file(const char *path, const void *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    cr_assert(fd >= 0 && write(fd, bytes, len) == (ssize_t)len && close(fd) == 0);
}

static beamc_slice read_file(const char *path, beamc_buf *to) {
    beamc_buf_clear(to);
    int fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0);
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(read(fd, beamc_buf_room(to, (size_t)st.st_size), (size_t)st.st_size), st.st_size);
    to->len = (size_t)st.st_size;
    close(fd);
    return beamc_buf_slice(to);
}

Test(state_dir, what_is_not_ours_is_left_alone, .init = make_folder, .fini = remove_folder) {
    char other[96];
    snprintf(other, sizeof other, "%s/other", folder);
    write_file(other, "mine", 4);
    expect_refusal(false, BEAMC_FAILED_PRECONDITION, "(other)");
    cr_expect_neq(access(file, F_OK), 0);
    unlink(other);
    static const char zeros[4096];
    const beamc_slice foreign[] = {beamc_str(""), beamc_str("SQLite format 3"),
                                   beamc_slice_of(zeros, sizeof zeros),
                                   beamc_str("PK\x03\x04 something else altogether")};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        write_file(file, foreign[i].ptr, foreign[i].len);
        expect_refusal(false, BEAMC_DATA_LOSS, "--state_dir_reset");
        beamc_buf now = {0};
        cr_expect(beamc_slice_eq(read_file(file, &now), foreign[i]), "it was touched");
        beamc_buf_free(&now);
    }
    beamc__state_dir_close(open_dir(true));
}

Test(state_dir, another_format_is_told, .init = make_folder, .fini = remove_folder) {
    beamc__state_dir_close(open_dir(false));
    beamc_buf bytes = {0};
    read_file(file, &bytes);
    bytes.ptr[63] = 9; /* user_version of the head */
    write_file(file, bytes.ptr, bytes.len);
    expect_refusal(false, BEAMC_FAILED_PRECONDITION, "format 9");
    beamc_buf_free(&bytes);
}

/* A byte of the file changed, or the file cut: it is told, or it does not matter. */
static void look_at_damaged(const char *good, size_t *told) {
    beamc_state_dir *dir = NULL;
    beamc_error err = {0};
    beamc_buf out = {0};
    beamc_status status = beamc__state_dir_open(folder, false, &dir, &err);
    status = status == BEAMC_OK ? scan(dir, "", &out, &err) : status;
    if (status == BEAMC_OK) {
        cr_expect_str_eq((char *)out.ptr, good, "damage went unnoticed");
    } else {
        cr_expect(status == BEAMC_DATA_LOSS || status == BEAMC_FAILED_PRECONDITION, "%s",
                  err.message);
        ++*told;
    }
    beamc__state_dir_close(dir);
    beamc_buf_free(&out);
}

Test(state_dir, damage_is_told, .init = make_folder, .fini = remove_folder) {
    beamc_state_dir *dir = open_dir(false);
    char name[32], data[600];
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = '\0';
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "Q%04d", i);
        put(dir, name, data + i);
    }
    commit(dir);
    beamc_buf good = {0}, bytes = {0}, bad = {0};
    beamc_error err = {0};
    cr_assert_eq(scan(dir, "", &good, &err), BEAMC_OK);
    beamc__state_dir_close(dir); /* moves everything into the one file */
    read_file(file, &bytes);
    cr_assert_gt(bytes.len, 100000u);
    size_t told = 0, tries = 0;
    for (size_t at = 0; at < bytes.len; at += 311, tries++) {
        beamc_buf_clear(&bad);
        beamc_buf_put_slice(&bad, beamc_buf_slice(&bytes));
        bad.ptr[at] ^= (unsigned char)(1 + at % 255);
        write_file(file, bad.ptr, bad.len);
        look_at_damaged((char *)good.ptr, &told);
    }
    cr_expect_gt(told, tries / 2, "%zu of %zu", told, tries);
    for (size_t len = 0; len < bytes.len; len += 5000) {
        write_file(file, bytes.ptr, len);
        size_t before = told;
        look_at_damaged((char *)good.ptr, &told);
        cr_expect_eq(told, before + 1, "a file cut to %zu bytes was taken for whole", len);
    }
    beamc_buf_free(&good);
    beamc_buf_free(&bytes);
    beamc_buf_free(&bad);
}

static void expect_step(const char *now, const char *words) {
    beamc_state_dir *dir = open_with(false, NULL);
    beamc_error err = {0};
    beamc_status status = beamc__state_dir_check_steps(dir, beamc_str(now), &err);
    if (words == NULL) {
        cr_expect_eq(status, BEAMC_OK, "%s", err.message);
    } else {
        cr_expect_eq(status, BEAMC_FAILED_PRECONDITION);
        cr_expect_not_null(strstr(err.message, words), "no \"%s\" in: %s", words, err.message);
        cr_expect_not_null(strstr(err.message, "--state_dir_reset"));
    }
    beamc__state_dir_close(dir);
}

Test(state_dir, another_pipeline_is_told_by_its_step, .init = make_folder, .fini = remove_folder) {
    expect_step("Read\t1\nSum\t2\nWrite\t3\n", NULL);
    expect_step("Read\t1\nSum\t2\nWrite\t3\n", NULL);
    expect_step("Read\t1\nSum\t9\nWrite\t3\n", "\"Sum\" has another function");
    expect_step("Read\t1\nWrite\t3\n", "\"Sum\" is not there any more");
    expect_step("Read\t1\nSum\t2\n", "\"Write\" is not there any more");
    expect_step("Read\t1\nSplit\t4\nSum\t2\nWrite\t3\n", "\"Split\" is new");
    expect_step("Read\t1\nSum\t2\nWrite\t3\nZip\t3\n", "\"Zip\" is new");
}

/* What follows may fail: until the steps are known the old state is there. */
Test(state_dir, a_reset_waits_for_a_pipeline, .init = make_folder, .fini = remove_folder) {
    beamc_state_dir *dir = open_dir(false);
    put(dir, "Q", "1");
    commit(dir);
    beamc__state_dir_close(dir);
    beamc__state_dir_close(open_with(true, NULL));
    dir = open_dir(false);
    expect(dir, "", "Q=1 ");
    beamc__state_dir_close(dir);
    beamc__state_dir_close(open_with(true, "Other\t2\n"));
    dir = open_with(false, "Other\t2\n");
    expect(dir, "", "");
    beamc__state_dir_close(dir);
}
