/* The JSON lines sink: parts, their putting together, and that after any interruption or failure there is
 * a whole table or none. */
#include "tests/unit/io/io_kit.h"

#include <signal.h>
#include <sys/resource.h>

#include "io/jsonl/jsonl.h"

TestSuite(jsonl, .init = io_make_dir, .fini = io_remove_dir);

static beamc_jsonl_config config_of(const char *tables, bool overwrite) {
    return (beamc_jsonl_config){.dir = beamc_str(io_dir),
                                .job = BEAMC_STR("x"),
                                .tables = beamc_str(tables),
                                .overwrite = overwrite};
}

static size_t parts_count;
static beamc_part parts[16];

/* One bundle of rows <table><from> .. into a part. */
static void write_part(const char *table, const char *bundle, int64_t from, int64_t to) {
    beamc_jsonl_config c = config_of(table, false);
    kit *k = io_plan(&beamc_to_jsonl, &c, &io_row_coder);
    k->bundle_id = bundle;
    io_feed_rows(k, table, from, to);
    kit_run(k);
    parts_count = io_take_parts(k, parts, parts_count);
    kit_free(k);
}

static beamc_status finish_with(const beamc_dofn *fn, beamc_jsonl_config c, const beamc_part *of,
                                size_t count, beamc_error *err) {
    kit *k = io_plan(fn, &c, &beamc__parts_coder);
    io_feed_parts(k, of, count);
    beamc_status status = kit_try_run(k);
    *err = k->err;
    kit_free(k);
    return status;
}

static void finish(beamc_jsonl_config c) {
    beamc_error err;
    cr_assert_eq(finish_with(&beamc__finish_jsonl, c, parts, parts_count, &err), BEAMC_OK, "%s",
                 err.message);
}

static void finish_fails(beamc_jsonl_config c, beamc_status status, const char *text) {
    beamc_error err;
    cr_assert_eq(finish_with(&beamc__finish_jsonl, c, parts, parts_count, &err), status, "%s",
                 err.message);
    cr_assert_not_null(strstr(err.message, text), "%s", err.message);
}

#define A0 "{\"name\": \"a0\", \"n\": 0, \"at\": \"1970-01-01T00:00:00Z\"}\n"
#define A1 "{\"name\": \"a1\", \"n\": 1, \"at\": \"1970-01-01T00:01:00Z\", \"flag\": true}\n"
#define A2 "{\"name\": \"a2\", \"n\": 2, \"at\": \"1970-01-01T00:02:00Z\", \"flag\": false}\n"
#define B0 "{\"name\": \"b0\", \"n\": 0, \"at\": \"1970-01-01T00:00:00Z\"}\n"

Test(jsonl, tables_of_parts_in_the_order_of_bundles) {
    write_part("a", "00002", 2, 3);
    write_part("b", "00001", 0, 1);
    write_part("a", "00001", 0, 2);
    cr_assert_eq(parts_count, 3);
    cr_assert_eq(parts[0].rows, 1);
    cr_assert_eq(parts[2].rows, 2);
    cr_assert_str_eq(io_list(""), ".beamc-x ");
    parts[parts_count] = parts[0]; /* a name that comes twice counts once */
    parts_count++;
    finish(config_of("a,b,none", false));
    cr_assert_str_eq(io_list(""), "a.jsonl b.jsonl none.jsonl ");
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1 A2);
    cr_assert_str_eq(io_text("b.jsonl"), B0);
    cr_assert_str_eq(io_text("none.jsonl"), "");
}

Test(jsonl, a_bundle_without_rows_makes_no_part) {
    write_part("a", "1", 0, 0);
    cr_assert_eq(parts_count, 0);
    cr_assert_str_eq(io_list(""), "");
    finish(config_of("a", false));
    cr_assert_str_eq(io_list(""), "a.jsonl ");
}

Test(jsonl, finishing_again_changes_nothing) {
    write_part("a", "1", 0, 2);
    write_part("a", "2", 2, 3);
    write_part("b", "1", 0, 1);
    finish(config_of("a,b,none", false));
    finish(config_of("a,b,none", false)); /* the runner lost the result of the first one */
    cr_assert_str_eq(io_list(""), "a.jsonl b.jsonl none.jsonl ");
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1 A2);
    cr_assert_str_eq(io_text("b.jsonl"), B0);
}

Test(jsonl, finishing_after_an_interruption) {
    write_part("a", "1", 0, 2);
    write_part("a", "2", 2, 3);
    write_part("b", "1", 0, 1);
    char name[256];
    snprintf(name, sizeof name, ".beamc-x/%s", parts[0].name.ptr);
    FILE *f = fopen(io_path(name), "a"); /* it was killed while it appended */
    fputs("{\"name\": \"a2\", \"n\"", f);
    fclose(f);
    char moved[256]; /* and, b being a table by itself, right after it had moved that */
    snprintf(moved, sizeof moved, ".beamc-x/%s", parts[2].name.ptr);
    cr_assert_eq(rename(io_path(moved), io_path("b.jsonl")), 0);
    finish(config_of("a,b", false));
    cr_assert_str_eq(io_list(""), "a.jsonl b.jsonl ");
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1 A2);
    cr_assert_str_eq(io_text("b.jsonl"), B0);
}

Test(jsonl, a_part_that_is_not_there_is_data_loss) {
    write_part("a", "1", 0, 2);
    write_part("a", "2", 2, 3);
    char name[256];
    snprintf(name, sizeof name, ".beamc-x/%s", parts[0].name.ptr);
    cr_assert_eq(unlink(io_path(name)), 0);
    finish_fails(config_of("a", false), BEAMC_DATA_LOSS,
                 "all workers must write to the same folder");
    cr_assert_null(io_text("a.jsonl"));
}

Test(jsonl, a_part_that_was_cut_is_data_loss) {
    write_part("a", "1", 0, 2);
    write_part("a", "2", 2, 3);
    char name[256];
    snprintf(name, sizeof name, ".beamc-x/%s", parts[1].name.ptr);
    cr_assert_eq(truncate(io_path(name), 5), 0);
    finish_fails(config_of("a", false), BEAMC_DATA_LOSS, "bytes shorter than what was written");
    cr_assert_null(io_text("a.jsonl"));
    finish_fails(config_of("a", false), BEAMC_DATA_LOSS, "bytes shorter than what was written");
}

Test(jsonl, parts_of_failed_bundles_do_not_count) {
    write_part("a", "1", 0, 2);
    size_t kept = parts_count;
    write_part("a", "2", 2, 3); /* its bundle fails after it has written: it is in no list */
    parts_count = kept;
    finish(config_of("a", false));
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
    cr_assert_str_eq(io_list(""), "a.jsonl ");
}

Test(jsonl, a_bundle_that_fails_removes_its_part) {
    beamc_jsonl_config c = config_of("a", false);
    kit *k = io_plan(&beamc_to_jsonl, &c, &io_row_coder);
    io_feed_rows(k, "a", 0, 4000); /* more than the buffer holds: the part is made */
    k->blocks[k->block_count - 1].data.len -= 1;
    cr_assert_neq(kit_try_run(k), BEAMC_OK);
    kit_free(k);
    cr_assert_str_eq(io_list(".beamc-x"), "");
}

Test(jsonl, an_output_that_came_meanwhile_is_not_replaced) {
    write_part("a", "1", 0, 2);
    io_put_file("a.jsonl", "somebody else's");
    finish_fails(config_of("a", false), BEAMC_ALREADY_EXISTS, "--overwrite");
    cr_assert_str_eq(io_text("a.jsonl"), "somebody else's");
    finish(config_of("a", true));
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1);
}

Test(jsonl, no_room_is_one_clear_error_and_no_table) {
    struct rlimit limit = {100 << 10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    beamc_jsonl_config c = config_of("a", false);
    kit *k = io_plan(&beamc_to_jsonl, &c, &io_row_coder);
    io_feed_rows(k, "a", 0, 3000);
    cr_assert_eq(kit_try_run(k), BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_not_null(strstr(k->err.message, ".part: File too large; raise the limit"), "%s",
                       k->err.message);
    kit_free(k);
    cr_assert_str_eq(io_list(".beamc-x"), "");

    write_part("a", "1", 0, 900); /* each fits, both together do not */
    write_part("a", "2", 900, 1800);
    finish_fails(c, BEAMC_RESOURCE_EXHAUSTED, "raise the limit");
    cr_assert_null(io_text("a.jsonl"));
}

Test(jsonl, bundle_ids_of_any_kind) {
    write_part("a", "../../7:?", 0, 1);
    write_part("a", "", 1, 2);
    char long_id[400];
    memset(long_id, '/', sizeof long_id - 1);
    long_id[399] = '\0';
    write_part("a", long_id, 2, 3);
    cr_assert_eq(parts_count, 3);
    finish(config_of("a", false));
    cr_assert_eq(strlen(io_text("a.jsonl")), strlen(A0 A1 A2));
}

/* ----------------------------------------------------------------------- unbounded: panes */

static void append(size_t from, size_t count, bool overwrite) {
    beamc_error err;
    cr_assert_eq(
        finish_with(&beamc__append_jsonl, config_of("a,b", overwrite), parts + from, count, &err),
        BEAMC_OK, "%s", err.message);
}

Test(jsonl, panes_are_appended_once) {
    append(0, 0, false);
    cr_assert_str_eq(io_text("a.jsonl"), "");
    write_part("a", "1", 0, 1);
    append(0, 1, false);
    cr_assert_str_eq(io_text("a.jsonl"), A0);
    append(0, 1, false); /* again */
    cr_assert_str_eq(io_text("a.jsonl"), A0);
    write_part("a", "2", 1, 2);
    write_part("a", "3", 2, 3);
    FILE *f = fopen(io_path("a.jsonl"), "a"); /* killed while it appended */
    fputs("{\"name\": \"a1\"", f);
    fclose(f);
    append(1, 2, false);
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1 A2);
    append(1, 2, false);
    cr_assert_str_eq(io_text("a.jsonl"), A0 A1 A2);
    cr_assert_str_eq(io_text("b.jsonl"), "");
    cr_assert_str_eq(io_list(".beamc-x"), "a.state b.state ");
}

Test(jsonl, panes_do_not_touch_what_is_not_theirs) {
    io_put_file("a.jsonl", "somebody else's");
    write_part("a", "1", 0, 1);
    beamc_error err;
    cr_assert_eq(finish_with(&beamc__append_jsonl, config_of("a", false), parts, 1, &err),
                 BEAMC_ALREADY_EXISTS);
    cr_assert_str_eq(io_text("a.jsonl"), "somebody else's");
    append(0, 1, true);
    cr_assert_str_eq(io_text("a.jsonl"), A0);

    write_part("a", "2", 1, 2);
    char name[256];
    snprintf(name, sizeof name, ".beamc-x/%s", parts[1].name.ptr);
    cr_assert_eq(unlink(io_path(name)), 0);
    cr_assert_eq(finish_with(&beamc__append_jsonl, config_of("a", true), parts + 1, 1, &err),
                 BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "all workers must write to the same"), "%s",
                       err.message);
    cr_assert_eq(truncate(io_path("a.jsonl"), 3), 0);
    cr_assert_eq(finish_with(&beamc__append_jsonl, config_of("a", true), parts + 1, 1, &err),
                 BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "is shorter than what the job wrote"), "%s",
                       err.message);
}

/* -------------------------------------------------------------------------------- building */

/* Builds a sink of one table "a" and gives what the pipeline says. */
static beamc_status build(const char *path, const char *table, bool overwrite, const char *job,
                          beamc_error *err) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll rows = beamc_create(p, "Rows", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, table}};
    beamc_write_jsonl(p, "Write", tables, 1, .path = path, .overwrite = overwrite, .job = job);
    beamc_status status = beamc_pipeline_status(p, err);
    beamc_pipeline_free(p);
    return status;
}

Test(jsonl, what_is_refused_when_building) {
    beamc_error err = {0};
    cr_assert_eq(build(io_path("new/folder"), "a", false, NULL, &err), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(io_list("new/folder"), "");
    cr_assert_eq(build("", "a", false, NULL, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_eq(build(io_dir, "a/b", false, NULL, &err), BEAMC_INVALID_ARGUMENT);
    io_put_file("a.jsonl", "x");
    cr_assert_eq(build(io_dir, "a", false, NULL, &err), BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "a.jsonl exists: add --overwrite"), "%s", err.message);
    cr_assert_eq(build(io_dir, "a", true, NULL, &err), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(io_text("a.jsonl"), "x");
    cr_assert_eq(build(io_path("a.jsonl"), "a", true, NULL, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "a.jsonl is not a folder"), "%s", err.message);
}

Test(jsonl, a_job_that_is_continued_finds_its_own_tables) {
    beamc_error err = {0};
    cr_assert_eq(build(io_dir, "a", false, "state", &err), BEAMC_OK, "%s", err.message);
    io_put_file("a.jsonl", "x");
    cr_assert_eq(build(io_dir, "a", false, "state", &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(build(io_dir, "a", false, "other", &err), BEAMC_ALREADY_EXISTS);
}
