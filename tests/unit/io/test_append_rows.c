/* JSON lines that are appended to in place: each bundle once, however often it comes; what is remembered does
 * not grow; outputs that somebody touched. */
#include "tests/unit/io/io_kit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <signal.h>

#include "io/jsonl/journal.h"
#include "io/jsonl/jsonl.h"
#include "io/jsonl/table_file.h"

TestSuite(append_rows, .init = io_make_dir, .fini = io_remove_dir);

#define A0 "{\"name\": \"a0\", \"n\": 0, \"at\": \"1970-01-01T00:00:00Z\"}\n"
#define A1 "{\"name\": \"a1\", \"n\": 1, \"at\": \"1970-01-01T00:01:00Z\", \"flag\": true}\n"

static bool lasting;
static bool overwrite;
static const char *job = "job";

static kit *plan_of(const char *table) {
    beamc_jsonl_config c = {.dir = beamc_str(io_dir),
                            .job = beamc_str(job),
                            .tables = beamc_str(table),
                            .overwrite = overwrite,
                            .lasting = lasting};
    char folder[64];
    snprintf(folder, sizeof folder, ".beamc-%s", job);
    if (lasting) {
        (void)mkdir(io_path(folder), 0777); /* done when the pipeline is built */
    }
    return io_plan(&beamc__append_rows, &c, &io_row_coder);
}

static beamc_status try_bundle(kit *k, const char *id, int64_t from, int64_t to) {
    k->bundle_id = id;
    io_feed_rows(k, "a", from, to);
    return kit_try_run(k);
}

static void bundle(const char *id, int64_t from, int64_t to) {
    kit *k = plan_of("a");
    cr_assert_eq(try_bundle(k, id, from, to), BEAMC_OK, "%s", k->err.message);
    io_drop_finalizers(k);
    kit_free(k);
}

static void bundle_fails(const char *id, beamc_status status, const char *text) {
    kit *k = plan_of("a");
    cr_assert_eq(try_bundle(k, id, 0, 1), status, "%s", k->err.message);
    cr_assert_not_null(strstr(k->err.message, text), "%s", k->err.message);
    kit_free(k);
}

Test(append_rows, a_bundle_that_comes_again_is_written_once) {
    bundle("1", 0, 1);
    bundle("1", 0, 1); /* all instances went with the attempt that failed */
    bundle("2", 1, 2);
    bundle("1", 0, 1);
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
    cr_assert_str_eq(io_list(""), "a.jsonl ");
}

Test(append_rows, also_by_a_job_that_is_continued) {
    lasting = true;
    bundle("1", 0, 1);
    bundle("1", 0, 1);
    FILE *f = fopen(io_path("a.jsonl"), "a"); /* killed while it appended */
    fputs("{\"name\": \"a1\"", f);
    fclose(f);
    f = fopen(io_path(".beamc-job/a.journal"), "a"); /* and while it took note */
    fputs("128 2", f);
    fclose(f);
    bundle("2", 1, 2);
    bundle("1", 0, 1);
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
}

Test(append_rows, bundles_that_are_done_are_forgotten) {
    lasting = true;
    kit *k = plan_of("a");
    for (int i = 0; i < 3000; i++) {
        char id[32];
        snprintf(id, sizeof id, "a-rather-long-id-%d", i);
        cr_assert_eq(try_bundle(k, id, i % 2, i % 2 + 1), BEAMC_OK, "%s", k->err.message);
        if (i == 7) {
            io_drop_finalizers(k);
        } else {
            beamc_finalizers_run(k->result.finalizers);
        }
    }
    kit_free(k);
    struct stat st;
    cr_assert_eq(stat(io_path(".beamc-job/a.journal"), &st), 0);
    cr_assert_lt(st.st_size, 16384);
    cr_assert_not_null(strstr(io_text(".beamc-job/a.journal"), "a-rather-long-id-7\n"));
    cr_assert_eq(stat(io_path("a.jsonl"), &st), 0);
    cr_assert_eq((size_t)st.st_size, 1500 * strlen(A0 A1));
    bundle("a-rather-long-id-7", 0, 2);
    cr_assert_eq(stat(io_path("a.jsonl"), &st), 0);
    cr_assert_eq((size_t)st.st_size, 1500 * strlen(A0 A1));
}

Test(append_rows, what_is_not_the_job_s_own_is_left_alone) {
    io_put_file("a.jsonl", "somebody else's");
    bundle_fails("1", BEAMC_ALREADY_EXISTS, "add --overwrite");
    lasting = true;
    bundle_fails("1", BEAMC_ALREADY_EXISTS, "add --overwrite");
    cr_assert_str_eq(io_text("a.jsonl"), "somebody else's");
    overwrite = true;
    bundle("1", 0, 1);
    cr_assert_str_eq(io_text("a.jsonl"), A0);
    bundle("2", 1, 2); /* continued with the same options: nothing is replaced again */
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
    lasting = false;
    job = "another";
    bundle("1", 1, 2);
    cr_assert_str_eq(io_text("a.jsonl"), A1);
}

Test(append_rows, an_output_that_was_removed_or_cut) {
    lasting = overwrite = true;
    bundle("1", 0, 1);
    cr_assert_eq(truncate(io_path("a.jsonl"), 3), 0);
    bundle_fails("2", BEAMC_DATA_LOSS, "a.jsonl is shorter than what its job wrote to it (53 by");
    cr_assert_eq(unlink(io_path("a.jsonl")), 0);
    bundle_fails("2", BEAMC_DATA_LOSS, "a.jsonl was removed while its job is in progress: put it");
    io_put_file("a.jsonl", A0);
    bundle("2", 1, 2);
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);

    kit *k = plan_of("a");
    cr_assert_eq(try_bundle(k, "3", 0, 1), BEAMC_OK, "%s", k->err.message);
    io_drop_finalizers(k);
    cr_assert_eq(unlink(io_path("a.jsonl")), 0); /* while it is open */
    cr_assert_eq(try_bundle(k, "4", 0, 1), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(k->err.message, "--state_dir_reset --overwrite"), "%s",
                       k->err.message);
    kit_free(k);
}

Test(append_rows, a_damaged_journal_is_one_clear_error) {
    static const char *const texts[] = {"",
                                        "something else\n",
                                        "beamc jsonl 2 0\n",
                                        "beamc jsonl 1 -1\n",
                                        "beamc jsonl 1 99999999999999999999\n",
                                        "beamc jsonl 1 5\n4 a\n",
                                        "beamc jsonl 1 5\n6a\n",
                                        "beamc jsonl 1 0"};
    lasting = true;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kit_free(plan_of("a"));
        io_put_file(".beamc-job/a.journal", texts[i]);
        bundle_fails("1", BEAMC_DATA_LOSS, "a.journal is damaged: start the job anew with");
        cr_assert_null(io_text("a.jsonl"));
    }
}

Test(append_rows, no_room_is_one_clear_error_and_no_half_row) {
    struct rlimit limit = {64 << 10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int round = 0; round < 2; round++) {
        lasting = round == 1;
        overwrite = true;
        job = lasting ? "job" : "other";
        bundle("1", 0, 1);
        kit *k = plan_of("a");
        cr_assert_eq(try_bundle(k, "2", 1, 2000), BEAMC_RESOURCE_EXHAUSTED);
        cr_assert_not_null(strstr(k->err.message, "a.jsonl: File too large; raise the limit"), "%s",
                           k->err.message);
        kit_free(k);
        cr_assert_str_eq(io_text("a.jsonl"), A0);
        bundle("2", 1, 2); /* there was room again */
        cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
    }
}

Test(append_rows, a_journal_that_has_no_room) {
    lasting = true;
    bundle("1", 0, 1);
    beamc_error err = {0};
    beamc_jsonl_journal j = {.path = io_path(".beamc-job/a.journal")};
    bool found;
    cr_assert_eq(beamc__jsonl_journal_open(&j, &found, &err), BEAMC_OK, "%s", err.message);
    struct rlimit limit = {30, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int64_t length = j.length;
    cr_assert_eq(beamc__jsonl_journal_add(&j, "a-bundle-with-a-long-name", 1000, &err),
                 BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_eq(j.length, length);
    beamc__jsonl_journal_close(&j);
    cr_assert_eq(beamc__jsonl_journal_open(&j, &found, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(j.length, length); /* nothing half written is left */
    cr_assert_eq(j.lines, 1);
    beamc__jsonl_journal_close(&j);
    beamc__ids_free(&j.ids);
}

Test(append_rows, tables_without_rows_are_there) {
    beamc_jsonl_config c = {
        .dir = beamc_str(io_dir), .job = BEAMC_STR("job"), .tables = BEAMC_STR("a,b")};
    for (int i = 0; i < 2; i++) { /* also when it is done again, behind the first rows */
        kit *k = io_plan(&beamc__create_jsonl, &c, &beamc_bytes);
        const beamc_value impulse = {.bytes = {"", 0}};
        io_feed(k, &beamc_bytes, &impulse, 1);
        kit_run(k);
        kit_free(k);
        cr_assert_str_eq(io_text("a.jsonl"), i == 0 ? "" : A0);
        bundle("1", 0, 1);
    }
    cr_assert_str_eq(io_list(""), "a.jsonl b.jsonl ");
}

/* -------------------------------------------------------------------------- the set of bundles */

Test(append_rows, ids_are_a_set) {
    beamc_ids ids = {0};
    unsigned char in[500] = {0};
    unsigned seed = 1;
    size_t count = 0;
    cr_assert_not(beamc__ids_has(&ids, "0"));
    for (int i = 0; i < 50000; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned n = (seed >> 8) % 500;
        char id[16];
        snprintf(id, sizeof id, "%u", n);
        if ((seed >> 20) % 2 == 0) {
            beamc__ids_add(&ids, id);
            count += in[n] == 0;
            in[n] = 1;
        } else {
            beamc__ids_remove(&ids, id);
            count -= in[n] != 0;
            in[n] = 0;
        }
        cr_assert_eq(ids.count, count);
        snprintf(id, sizeof id, "%u", (n + 250) % 500);
        cr_assert_eq(beamc__ids_has(&ids, id), in[(n + 250) % 500] != 0);
    }
    size_t seen = 0;
    const char *id;
    for (size_t at = 0; (id = beamc__ids_next(&ids, &at)) != NULL; seen++) {
        cr_assert_eq(in[atoi(id)], 1);
    }
    cr_assert_eq(seen, count);
    beamc__ids_free(&ids);
}
