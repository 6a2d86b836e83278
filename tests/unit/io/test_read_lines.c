/* Lines of files, on the local runner: splits, globs, pipes, and inputs that cannot be read. */
#include "tests/unit/io/io_kit.h"

#include <beamc/test.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "graph/job.h"

TestSuite(read_lines, .init = io_make_dir, .fini = io_remove_dir, .timeout = 60);

/* Reads @p pattern and demands these lines, in any order. */
static beamc_status read_as(const char *pattern, int64_t split_bytes, const char *const *lines,
                            size_t count, beamc_error *err) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&io_program);
    beamc_value values[256];
    for (size_t i = 0; i < count; i++) {
        values[i] = beamc_value_bytes(beamc_str(lines[i]));
    }
    beamc_pcoll got = beamc_read_lines(beamc_test_pipeline_graph(t), "Read", .pattern = pattern,
                                       .split_bytes = split_bytes);
    beamc_assert_equal(got, "Lines", values, count);
    beamc_assert_empty(beamc_out(got, BEAMC_LONG_LINES), "Long");
    beamc_status status = beamc_test_pipeline_run(t, err);
    beamc_test_pipeline_free(t);
    return status;
}

static void expect_lines(const char *pattern, int64_t split_bytes, const char *const *lines,
                         size_t count) {
    beamc_error err = {0};
    cr_assert_eq(read_as(pattern, split_bytes, lines, count, &err), BEAMC_OK, "split %lld: %s",
                 (long long)split_bytes, err.message);
}

static void expect_failure(const char *pattern, beamc_status status, const char *text) {
    beamc_error err = {0};
    cr_assert_eq(read_as(pattern, 0, NULL, 0, &err), status, "%s", err.message);
    cr_assert_not_null(strstr(err.message, text), "%s", err.message);
    cr_assert_not_null(strstr(err.message, pattern), "%s", err.message);
}

static const char *const lines[] = {"{\"a\": 1}", "x", "yy \r", "last"};
#define FILE_TEXT "{\"a\": 1}\n\n  \r\nx\r\nyy \r\r\n\nlast"

Test(read_lines, any_initial_split) {
    io_put_file("in.jsonl", FILE_TEXT);
    for (int64_t split = 1; split <= 32; split++) {
        expect_lines(io_path("in.jsonl"), split, lines, 4);
    }
    expect_lines(io_path("in.jsonl"), 0, lines, 4);
}

Test(read_lines, globs_and_names_that_look_like_them) {
    cr_assert_eq(mkdir(io_path("sub.jsonl"), 0777),
                 0); /* a folder among the matches is passed over */
    io_put_file("a.jsonl", "1\n2\n");
    io_put_file("b.jsonl", "3");
    io_put_file("c[1].jsonl", "4\n");
    io_put_file("empty.jsonl", "");
    static const char *const all[] = {"1", "2", "3", "4"};
    expect_lines(io_path("*.jsonl"), 0, all, 4);
    expect_lines(io_path("{a,b}.jsonl"), 0, all, 3);
    expect_lines(io_path("[ab].jsonl"), 1, all, 3);
    expect_lines(io_path("c[1].jsonl"), 0, all + 3, 1);
    expect_lines(io_path("empty.jsonl"), 0, NULL, 0);
}

Test(read_lines, inputs_that_are_not_there) {
    expect_failure(io_path("none.jsonl"), BEAMC_NOT_FOUND, "there is no such file");
    expect_failure(io_path("none*.jsonl"), BEAMC_NOT_FOUND, "matches no file");
    expect_failure(io_path("none/in.jsonl"), BEAMC_NOT_FOUND, "there is no such file");
    expect_failure(io_dir, BEAMC_NOT_FOUND, "is a folder");
    io_put_file("file", "x");
    expect_failure(io_path("file/x"), BEAMC_NOT_FOUND, "Not a directory");
    cr_assert_eq(mkdir(io_path("d"), 0777), 0);
    expect_failure(io_path("d*"), BEAMC_NOT_FOUND, "folders only");
}

Test(read_lines, inputs_that_may_not_be_read) {
    io_put_file("in.jsonl", "x\n");
    cr_assert_eq(chmod(io_path("in.jsonl"), 0), 0);
    cr_assert_eq(chmod(io_dir, 0755), 0);
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) {
        cr_skip("cannot become another user");
    }
    if (access(io_path("in.jsonl"), R_OK) == 0 && open(io_path("in.jsonl"), O_RDONLY) >= 0) {
        cr_skip("this user may read all");
    }
    expect_failure(io_path("in.jsonl"), BEAMC_PERMISSION_DENIED, "read access");
    if (getuid() == 0) {
        cr_assert_eq(seteuid(0), 0);
    }
}

static void *feed_pipe(void *path) {
    int fd = open(path, O_WRONLY);
    const char text[] = FILE_TEXT;
    for (size_t i = 0; fd >= 0 && i < sizeof text - 1; i++) { /* byte by byte */
        if (write(fd, text + i, 1) != 1) {
            break;
        }
    }
    close(fd);
    return NULL;
}

Test(read_lines, a_pipe) {
    char path[512];
    snprintf(path, sizeof path, "%s", io_path("pipe"));
    cr_assert_eq(mkfifo(path, 0666), 0);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, feed_pipe, path), 0);
    expect_lines(path, 1, lines, 4);
    pthread_join(thread, NULL);
}

Test(read_lines, standard_input_once) {
    io_put_file("in.jsonl", FILE_TEXT);
    cr_assert_not_null(freopen(io_path("in.jsonl"), "r", stdin));
    expect_lines("-", 0, lines, 4);
    expect_failure("-", BEAMC_NOT_FOUND, "can be one input only");
}

Test(read_lines, no_pattern) {
    beamc_error err = {0};
    cr_assert_eq(read_as("", 0, NULL, 0, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(err.message, "Read: no file to read"), "%s", err.message);
}

/* A file that is cut while it is read: one line, with its name. The DoFn alone: src -> pair -> split ->
 * process, as every runner expands it. */
typedef struct line_file {
    beamc_slice path;
    int64_t size;
} line_file;

Test(read_lines, a_file_that_shrank) {
    extern const beamc_dofn beamc__read_lines;
    const beamc_dofn *fn = &beamc__read_lines;
    beamc_coder restriction = BEAMC_ROW_CODER(&beamc_offset_range_row);
    beamc_coder state = BEAMC_KV(&restriction, &beamc_varint);
    beamc_coder part = BEAMC_KV(fn->input, &state);
    beamc_coder sized = BEAMC_KV(&part, &beamc_double);
    kit *k = kit_new(&io_program);
    kit_pcol(k, "in", fn->input, NULL);
    kit_pcol(k, "parts", &part, NULL);
    kit_pcol(k, "sized", &sized, NULL);
    kit_pcol(k, "lines", &beamc_bytes, NULL);
    kit_source(k, "src", "in", fn->input, &beamc_global_window);
    beamc_slice payload = kit_pack(k, kit_pardo_payload(k, fn, NULL, fn->input, NULL, NULL));
    kit_transform(k, "Pair", "beam:transform:sdf_pair_with_restriction:v1", payload, "in=in",
                  "out=parts");
    kit_transform(k, "Split", "beam:transform:sdf_split_and_size_restrictions:v1", payload,
                  "in=parts", "out=sized");
    kit_transform(k, "Process", "beam:transform:sdf_process_sized_element_and_restrictions:v1",
                  payload, "in=sized", "lines=lines");
    kit_sink(k, "sink", "lines", &beamc_bytes, &beamc_global_window);
    kit_plan(k);
    io_put_file("in.jsonl", "a\nb\nc");
    line_file file = {beamc_str(io_path("in.jsonl")), 5};
    beamc_value value = beamc_value_row(&file);
    io_feed(k, fn->input, &value, 1);
    kit_run(k);
    cr_assert_str_eq(kit_text(k, "sink", &beamc_bytes, &beamc_global_window), "a @5\nb @5\nc @5\n");
    file.size = 9;
    io_feed(k, fn->input, &value, 1);
    cr_assert_eq(kit_try_run(k), BEAMC_NOT_FOUND);
    cr_assert_not_null(
        strstr(k->err.message, "in.jsonl had 9 bytes when the job began and ends at byte 5 now"),
        "%s", k->err.message);
    kit_free(k);
}

/* A job that can be continued: what cannot be read twice. */
static beamc_status read_lasting(const char *pattern, beamc_error *err) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&io_program);
    beamc__pipeline_set_job(beamc_test_pipeline_graph(t), "job");
    beamc_read_lines(beamc_test_pipeline_graph(t), "Read", .pattern = pattern);
    beamc_status status = beamc_pipeline_status(beamc_test_pipeline_graph(t), err);
    if (status == BEAMC_OK) {
        status = beamc_test_pipeline_run(t, err);
    }
    beamc_test_pipeline_free(t);
    return status;
}

Test(read_lines, a_job_that_can_be_continued_reads_files_only) {
    beamc_error err = {0};
    cr_assert_eq(read_lasting("-", &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(err.message, "Read: a job with --state_dir cannot read standard "),
                       "%s", err.message);
    cr_assert_eq(mkfifo(io_path("pipe"), 0666), 0);
    cr_assert_eq(read_lasting(io_path("pipe"), &err), BEAMC_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "/pipe is no regular file"), "%s", err.message);
    io_put_file("in.jsonl", FILE_TEXT);
    cr_assert_eq(read_lasting(io_path("in.jsonl"), &err), BEAMC_OK, "%s", err.message);
}
