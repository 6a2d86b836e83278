/* The SQLite sink: rows, bundles that come twice or fail late, and that there is a whole file or none. */
#include "tests/unit/io/io_kit.h"

#include <signal.h>
#include <sys/resource.h>

#include "graph/job.h"
#include "io/sqlite/sqlite.h"

TestSuite(sqlite, .init = io_make_dir, .fini = io_remove_dir);

static beamc_part parts[16];
static size_t parts_count;

static beamc_sqlite_config config_of(const char *tables, bool overwrite, bool in_place) {
    static char path[64][512];
    static int next;
    snprintf(path[next], sizeof path[next], "%s/x.db", io_dir);
    return (beamc_sqlite_config){.path = beamc_str(path[next++ % 64]),
                                 .job = BEAMC_STR("j"),
                                 .tables = beamc_str(tables),
                                 .overwrite = overwrite,
                                 .in_place = in_place};
}

static kit *writer(const char *table, const char *bundle, bool in_place) {
    beamc_sqlite_config c = config_of(table, false, in_place);
    kit *k = io_plan(in_place ? &beamc__to_sqlite_in_place : &beamc_to_sqlite, &c, &io_row_coder);
    k->bundle_id = bundle;
    return k;
}

static void write_rows(const char *table, const char *bundle, int64_t from, int64_t to) {
    kit *k = writer(table, bundle, false);
    io_feed_rows(k, table, from, to);
    kit_run(k);
    parts_count = io_take_parts(k, parts, parts_count);
    kit_free(k);
}

static beamc_status finish_with(beamc_sqlite_config c, beamc_error *err) {
    beamc_buf create = {0};
    beamc_slice list = c.tables;
    for (beamc_slice name; beamc__next_table(&list, &name);) {
        char table[64];
        snprintf(table, sizeof table, "%.*s", BEAMC_SLICE_ARG(name));
        cr_assert_eq(beamc__sqlite_create_text(&io_row_table, table, &create, err), BEAMC_OK);
        beamc_buf_put_str(&create, ";");
    }
    c.create = beamc_buf_slice(&create);
    kit *k = io_plan(&beamc__finish_sqlite, &c, &beamc__parts_coder);
    io_feed_parts(k, parts, parts_count);
    beamc_status status = kit_try_run(k);
    *err = k->err;
    kit_free(k);
    beamc_buf_free(&create);
    return status;
}

static void finish(const char *tables, bool overwrite) {
    beamc_error err = {0};
    cr_assert_eq(finish_with(config_of(tables, overwrite, false), &err), BEAMC_OK, "%s",
                 err.message);
}

/* The rows of a query, columns with '|', rows with ' ' behind. */
static const char *query(const char *sql) {
    static char out[4096];
    out[0] = '\0';
    sqlite3 *db;
    cr_assert_eq(sqlite3_open_v2(io_path("x.db"), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_stmt *s;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            size_t used = strlen(out);
            snprintf(out + used, sizeof out - used, "%s|", text != NULL ? text : "null");
        }
        strncat(out, " ", sizeof out - strlen(out) - 1);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return out;
}

Test(sqlite, rows_of_all_types) {
    write_rows("a", "1", 0, 3);
    cr_assert_eq(parts_count, 1);
    cr_assert_eq(parts[0].rows, 3);
    cr_assert_str_eq(io_list(""), "x.db.partial-j ");
    finish("a,none", false);
    cr_assert_str_eq(io_list(""), "x.db ");
    cr_assert_str_eq(query("SELECT * FROM a"),
                     "a0|0|1970-01-01T00:00:00Z|null| a1|1|1970-01-01T00:01:00Z|1| "
                     "a2|2|1970-01-01T00:02:00Z|0| ");
    cr_assert_str_eq(query("SELECT name FROM sqlite_master ORDER BY name"), "a| none| ");
    cr_assert_str_eq(query("SELECT typeof(name), typeof(n), typeof(at) FROM a LIMIT 1"),
                     "text|integer|text| ");
    cr_assert_str_eq(query("PRAGMA integrity_check"), "ok| ");
}

Test(sqlite, many_rows_in_whole_statements_and_single_ones) {
    write_rows("a", "1", 0, 20);
    write_rows("a", "2", 20, 79);
    write_rows("b", "2", 0, 41);
    finish("a,b", false);
    cr_assert_str_eq(query("SELECT count(*), min(n), max(n), count(DISTINCT n), "
                           "sum(name = 'a' || n) FROM a"),
                     "79|0|78|79|79| ");
    cr_assert_str_eq(query("SELECT count(*), count(DISTINCT n) FROM b"), "41|41| ");
}

Test(sqlite, no_rows_at_all) {
    finish("a,b", false);
    cr_assert_str_eq(query("SELECT name FROM sqlite_master ORDER BY name"), "a| b| ");
    finish("a,b", false); /* again */
    cr_assert_str_eq(io_list(""), "x.db ");
}

/* Names of bundles need not be unique: after a crash another bundle may have the same. */
Test(sqlite, only_attempts_that_are_listed_count) {
    write_rows("a", "1", 5, 9); /* was undone */
    parts_count = 0;
    write_rows("a", "1", 0, 3);
    write_rows("b", "1", 0, 2); /* the same bundle may hold two tables */
    finish("a,b", false);
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "3| ");
    cr_assert_str_eq(query("SELECT count(*) FROM b"), "2| ");
}

Test(sqlite, rows_of_bundles_that_failed_late_are_removed) {
    write_rows("a", "1", 0, 3);
    size_t kept = parts_count;
    write_rows("a", "2", 100, 150); /* committed here, but the bundle failed behind this step */
    parts_count = kept;
    write_rows("a", "2 again", 100, 101);
    write_rows("b", "2", 0, 1);
    finish("a,b", false);
    cr_assert_str_eq(query("SELECT count(*), max(n) FROM a"), "4|100| ");
    cr_assert_str_eq(query("SELECT count(*) FROM b"), "1| ");
}

Test(sqlite, finishing_again_changes_nothing) {
    write_rows("a", "1", 0, 3);
    finish("a", false);
    finish("a", false);
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "3| ");
    parts[0].rows = 4;
    beamc_error err = {0};
    cr_assert_eq(finish_with(config_of("a", false, false), &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "holds 3 rows, but 4 were written"), "%s", err.message);
}

Test(sqlite, what_was_written_must_be_there) {
    write_rows("a", "1", 0, 3);
    cr_assert_eq(unlink(io_path("x.db.partial-j")), 0);
    beamc_error err = {0};
    cr_assert_eq(finish_with(config_of("a", false, false), &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "x.db.partial-j, which the job wrote, is not there"),
                       "%s", err.message);
    cr_assert_str_eq(io_list(""), "");
}

Test(sqlite, an_old_file_is_replaced_only_at_the_end_and_when_told) {
    io_put_file("x.db", "somebody else's");
    io_put_file("x.db-wal", "of it");
    write_rows("a", "1", 0, 3);
    beamc_error err = {0};
    cr_assert_eq(finish_with(config_of("a", false, false), &err), BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "--overwrite"), "%s", err.message);
    cr_assert_str_eq(io_text("x.db"), "somebody else's");
    finish("a", true);
    cr_assert_str_eq(io_list(""), "x.db ");
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "3| ");
}

Test(sqlite, no_room_is_one_clear_error_and_the_rest_is_sound) {
    write_rows("a", "1", 0, 3);
    struct rlimit limit = {64 << 10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    kit *k = writer("a", "2", false);
    io_feed_rows(k, "a", 0, 3500);
    cr_assert_eq(kit_try_run(k), BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_not_null(strstr(k->err.message, "x.db.partial-j"), "%s", k->err.message);
    kit_free(k);
    cr_assert_str_eq(io_list(""), "x.db.partial-j ");
    finish("a", false); /* nothing of that bundle is left */
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "3| ");
    cr_assert_str_eq(query("PRAGMA integrity_check"), "ok| ");
}

Test(sqlite, in_place_each_bundle_is_seen_at_once) {
    for (int round = 0; round < 2; round++) { /* the second time as a job that is continued */
        kit *k = writer("a", "1", true);
        io_feed_rows(k, "a", 0, 3);
        kit_run(k);
        io_drop_finalizers(k);
        cr_assert_str_eq(query("SELECT count(*) FROM a"), round == 0 ? "3| " : "5| ");
        k->bundle_id = round == 0 ? "2" : "3";
        io_feed_rows(k, "a", 3 + round * 2, 5 + round * 2);
        kit_run(k);
        io_drop_finalizers(k);
        cr_assert_str_eq(query("SELECT count(*) FROM a"), round == 0 ? "5| " : "7| ");
        kit_free(k);
    }
    cr_assert_str_eq(io_list(""), "x.db "); /* SQLite's side files go with the last connection */
    cr_assert_str_eq(query("SELECT sum(n) FROM a"), "21| ");
    beamc_sqlite_config c = config_of("a,b", false, true);
    c.create = beamc_str("CREATE TABLE IF NOT EXISTS b (x)");
    kit *k = io_plan(&beamc__create_sqlite, &c, &beamc_bytes);
    const beamc_value impulse = {.bytes = {"", 0}};
    io_feed(k, &beamc_bytes, &impulse, 1);
    kit_run(k);
    kit_free(k);
    cr_assert_str_eq(query("SELECT count(*) FROM b"), "0| ");
}

Test(sqlite, in_place_bundles_that_are_done_are_forgotten) {
    kit *k = writer("a", "1", true);
    for (int i = 0; i < 500; i++) {
        char id[32];
        snprintf(id, sizeof id, "job-%d", i);
        k->bundle_id = id;
        io_feed_rows(k, "a", i, i + 1);
        kit_run(k);
        if (i == 7) {
            io_drop_finalizers(k);
        } else {
            beamc_finalizers_run(k->result.finalizers);
        }
    }
    cr_assert_str_eq(query("SELECT count(*), count(DISTINCT n) FROM a"), "500|500| ");
    /* That one, the job, and the last one: it goes with the next transaction. */
    cr_assert_str_eq(query("SELECT bundle_id FROM " BEAMC_BUNDLES_TABLE " ORDER BY 1"),
                     "j| job-499| job-7| ");
    k->bundle_id = "job-7";
    io_feed_rows(k, "a", 7, 8);
    kit_run(k);
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "500| ");
    io_drop_finalizers(k);
    kit_free(k);
}

Test(sqlite, a_durable_file_in_the_making_has_no_log_when_it_is_done) {
    beamc_sqlite_config c = config_of("a", false, false);
    c.durable = true;
    kit *k = io_plan(&beamc__to_sqlite_stable, &c, &io_row_coder);
    io_feed_rows(k, "a", 0, 3);
    kit_run(k);
    io_feed_rows(k, "a", 0, 3); /* the same bundle again */
    kit_run(k);
    parts_count = io_take_parts(k, parts, 0);
    cr_assert_str_eq(io_list(""), "x.db.partial-j x.db.partial-j-wal ");
    kit_free(k);
    beamc_error err = {0};
    cr_assert_eq(finish_with(c, &err), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(io_list(""), "x.db ");
    cr_assert_str_eq(query("PRAGMA journal_mode"), "delete| ");
    cr_assert_str_eq(query("SELECT count(*) FROM a"), "3| ");
}

static beamc_status build_job(const char *job, bool overwrite, beamc_error *err) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc__pipeline_set_job(p, job);
    beamc_pcoll rows = beamc_create(p, "Rows", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, "a"}};
    beamc_write_sqlite(p, "Write", tables, 1, .path = io_path("x.db"), .overwrite = overwrite);
    beamc_status status = beamc_pipeline_status(p, err);
    beamc_pipeline_free(p);
    return status;
}

Test(sqlite, a_job_that_is_continued_finds_its_own_file) {
    beamc_error err = {0};
    cr_assert_eq(build_job("state", false, &err), BEAMC_OK, "%s", err.message);
    io_put_file("x.db", "x");
    cr_assert_eq(build_job("state", false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(build_job("other", false, &err), BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "x.db exists: add --overwrite"), "%s", err.message);
    cr_assert_eq(build_job("other", true, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(build_job("other", false, &err), BEAMC_OK, "%s", err.message);
}

static beamc_status build(const char *path, const char *table, bool overwrite, beamc_error *err) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_pcoll rows = beamc_create(p, "Rows", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, table}};
    beamc_write_sqlite(p, "Write", tables, 1, .path = path, .overwrite = overwrite);
    beamc_status status = beamc_pipeline_status(p, err);
    beamc_pipeline_free(p);
    return status;
}

Test(sqlite, what_is_refused_when_building) {
    beamc_error err = {0};
    cr_assert_eq(build(io_path("x.db"), "a", false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(io_list(""), "");
    io_put_file("x.db", "x");
    cr_assert_eq(build(io_path("x.db"), "a", false, &err), BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "x.db exists: add --overwrite"), "%s", err.message);
    cr_assert_eq(build(io_path("x.db"), "a", true, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(build(io_path("none/x.db"), "a", false, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "/none: No such file or directory"), "%s", err.message);
    cr_assert_eq(build(io_dir, "a", true, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "is not a file"), "%s", err.message);
    cr_assert_eq(build(io_path("y.db"), "sqlite_a", true, &err), BEAMC_INVALID_ARGUMENT);
}
