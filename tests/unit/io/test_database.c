/* SQLite below the sink: one connection for a path, errors in words, tables from row tables. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sqlite/database.h"

static char dir[64];

static void make_dir(void) {
    snprintf(dir, sizeof dir, "/tmp/beamc-database-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

static char *in_dir(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

TestSuite(database, .init = make_dir, .fini = remove_dir);

static const beamc_slice none = {0};

Test(database, one_connection_for_a_path) {
    beamc_database *a = beamc__database_get(in_dir("a.db"));
    cr_assert_eq(a, beamc__database_get(in_dir("a.db")));
    beamc_database *b = beamc__database_get(in_dir("b.db"));
    cr_assert_neq(a, b);
    beamc_error err = {0};
    beamc__database_lock(a);
    cr_assert_eq(beamc__database_open(a, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_open(a, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_run(a, "CREATE TABLE t (x); INSERT INTO t VALUES (7)", &err),
                 BEAMC_OK, "%s", err.message);
    beamc__database_unlock(a);
    beamc__database_put(a);
    int64_t n = 0;
    cr_assert_eq(beamc__database_number(a, "SELECT x FROM t", none, none, &n, &err), BEAMC_OK);
    cr_assert_eq(n, 7);
    beamc__database_put(a); /* the last one closes it */
    a = beamc__database_get(in_dir("a.db"));
    cr_assert_eq(beamc__database_open_readonly(a, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_number(a, "SELECT x FROM t", none, none, &n, &err), BEAMC_OK);
    cr_assert_eq(n, 7);
    beamc__database_put(a);
    beamc__database_put(b);
}

Test(database, statements_are_kept_and_there_may_be_many) {
    beamc_database *db = beamc__database_get(in_dir("a.db"));
    beamc_error err = {0};
    cr_assert_eq(beamc__database_open(db, false, &err), BEAMC_OK, "%s", err.message);
    sqlite3_stmt *first;
    sqlite3_stmt *again;
    cr_assert_eq(beamc__database_statement(db, "SELECT 1", &first, &err), BEAMC_OK);
    cr_assert_eq(beamc__database_statement(db, "SELECT 1", &again, &err), BEAMC_OK);
    cr_assert_eq(first, again);
    for (int i = 0; i < 1000; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "SELECT %d", i);
        cr_assert_eq(beamc__database_statement(db, sql, &again, &err), BEAMC_OK);
        cr_assert_eq(beamc__database_step(db, again, &err), BEAMC_OK);
    }
    beamc__database_put(db);
}

Test(database, errors_name_the_file) {
    beamc_error err = {0};
    beamc_database *db = beamc__database_get(in_dir("missing/a.db"));
    cr_assert_eq(beamc__database_open(db, false, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "missing/a.db: unable to open database file"), "%s",
                       err.message);
    beamc__database_put(db);

    FILE *f = fopen(in_dir("text.db"), "w");
    for (int i = 0; i < 1000; i++) {
        fprintf(f, "this is no database\n");
    }
    fclose(f);
    db = beamc__database_get(in_dir("text.db"));
    cr_assert_eq(beamc__database_open(db, false, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "text.db: file is not a database"), "%s", err.message);
    beamc__database_put(db);
}

Test(database, a_full_disk_is_one_clear_error) {
    struct rlimit limit = {256 << 10, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    beamc_error err = {0};
    beamc_database *db = beamc__database_get(in_dir("a.db"));
    cr_assert_eq(beamc__database_open(db, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_run(db, "CREATE TABLE t (x); INSERT INTO t VALUES (7)", &err),
                 BEAMC_OK);
    cr_assert_eq(
        beamc__database_run(db, "BEGIN; INSERT INTO t VALUES (zeroblob(1000000)); COMMIT", &err),
        BEAMC_RESOURCE_EXHAUSTED);
    cr_assert_not_null(
        strstr(err.message, "a.db: the write failed; look at the quota, the file size limit"), "%s",
        err.message);
    (void)sqlite3_exec(beamc__database_handle(db), "ROLLBACK", NULL, NULL, NULL);
    int64_t n = 0; /* what was there before is sound */
    cr_assert_eq(beamc__database_number(db, "SELECT sum(x) FROM t", none, none, &n, &err), BEAMC_OK,
                 "%s", err.message);
    cr_assert_eq(n, 7);
    beamc__database_put(db);
}

typedef struct sample {
    beamc_slice text;
    int64_t number;
    bool flag;
    bool has_flag;
    beamc_time at;
    double real;
    beamc_array list;
} sample;
static const beamc_field number_field = {.name = "n", .type = BEAMC_FIELD_I64};
static const beamc_field sample_fields[] = {
    BEAMC_REQUIRED(sample, text, STRING),
    BEAMC_REQUIRED(sample, number, I64),
    BEAMC_OPTIONAL(sample, flag, BOOL),
    BEAMC_REQUIRED(sample, at, TIME),
    BEAMC_REQUIRED(sample, real, DOUBLE),
    {.name = "list",
     .type = BEAMC_FIELD_ARRAY,
     .offset = offsetof(sample, list),
     .element = &number_field},
};

Test(database, tables_from_rows) {
    beamc_row row = BEAMC_ROW(sample, sample_fields);
    row.field_count = 5;
    beamc_buf text = {0};
    beamc_error err = {0};
    cr_assert_eq(beamc__sqlite_create_text(&row, "a-b", &text, &err), BEAMC_OK);
    beamc_buf_put_u8(&text, 0);
    cr_assert_str_eq(
        (char *)text.ptr,
        "CREATE TABLE IF NOT EXISTS \"a-b\" (\"text\" TEXT NOT NULL, \"number\" INTEGER "
        "NOT NULL, \"flag\" INTEGER, \"at\" TEXT NOT NULL, \"real\" REAL NOT NULL)");
    beamc_buf_clear(&text);
    row.field_count = 2;
    beamc__sqlite_insert_text(&row, "a", 2, &text);
    beamc_buf_put_u8(&text, 0);
    cr_assert_str_eq((char *)text.ptr, "INSERT INTO \"a\" VALUES (?,?),(?,?)");
    row.field_count = 6;
    cr_assert_eq(beamc__sqlite_create_text(&row, "a", &text, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(err.message, "field list of table a"), "%s", err.message);
    beamc_buf_free(&text);
}

static beamc_status open_in_place(beamc_database *db, const char *job, bool overwrite, bool durable,
                                  beamc_error *err) {
    char marker[128];
    snprintf(marker, sizeof marker, "%s/.beamc-%s.a.db", dir, job);
    const beamc_database_place place = {
        .job = beamc_str(job), .overwrite = overwrite, .durable = durable, .marker = marker};
    return beamc__database_open_in_place(db, &place, err);
}

/* In place: a file belongs to a job, which may be continued; that of another one is left alone, or replaced. */
Test(database, a_file_in_place_belongs_to_a_job) {
    beamc_error err = {0};
    int64_t n = 0;
    for (int round = 0; round < 2; round++) { /* the second one continues */
        beamc_database *db = beamc__database_get(in_dir("a.db"));
        cr_assert_eq(open_in_place(db, "job1", false, round == 1, &err), BEAMC_OK, "%s",
                     err.message);
        cr_assert_eq(beamc__database_run(
                         db, "CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)", &err),
                     BEAMC_OK);
        cr_assert_eq(beamc__database_number(db, "SELECT count(*) FROM t", none, none, &n, &err),
                     BEAMC_OK);
        cr_assert_eq(n, round + 1);
        beamc__database_put(db);
    }
    beamc_database *db = beamc__database_get(in_dir("a.db"));
    cr_assert_eq(open_in_place(db, "job2", false, false, &err), BEAMC_ALREADY_EXISTS);
    cr_assert_not_null(strstr(err.message, "--overwrite"), "%s", err.message);
    cr_assert_eq(open_in_place(db, "job2", true, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_number(db, "SELECT count(*) FROM sqlite_master WHERE name = 't'",
                                        none, none, &n, &err),
                 BEAMC_OK);
    cr_assert_eq(n, 0);
    beamc__database_put(db);
    cr_assert_neq(access(in_dir("a.db-wal"), F_OK), 0);
}

Test(database, what_is_no_database_is_replaced_only_when_told) {
    beamc_error err = {0};
    for (int durable = 0; durable < 2; durable++) {
        FILE *f = fopen(in_dir("a.db"), "w");
        fputs("dear", f);
        fclose(f);
        beamc_database *db = beamc__database_get(in_dir("a.db"));
        cr_assert_eq(open_in_place(db, "job1", false, durable, &err), BEAMC_ALREADY_EXISTS, "%s",
                     err.message);
        cr_assert_eq(open_in_place(db, "job1", true, durable, &err), BEAMC_OK, "%s", err.message);
        beamc__database_put(db);
    }
}

Test(database, a_durable_file_that_was_removed_or_replaced_is_not_made_anew) {
    beamc_error err = {0};
    beamc_database *db = beamc__database_get(in_dir("a.db"));
    cr_assert_eq(open_in_place(db, "job1", false, true, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(beamc__database_check_place(db, &err), BEAMC_OK, "%s", err.message);
    cr_assert_eq(unlink(in_dir("a.db")), 0);
    cr_assert_eq(beamc__database_check_place(db, &err), BEAMC_DATA_LOSS); /* while it runs */
    cr_assert_not_null(strstr(err.message, "a.db was removed or replaced while its job is in "),
                       "%s", err.message);
    beamc__database_put(db);
    db = beamc__database_get(in_dir("a.db")); /* and when it is continued */
    cr_assert_eq(open_in_place(db, "job1", true, true, &err), BEAMC_DATA_LOSS);
    cr_assert_not_null(strstr(err.message, "--state_dir_reset --overwrite"), "%s", err.message);
    cr_assert_neq(access(in_dir("a.db"), F_OK), 0);
    cr_assert_eq(open_in_place(db, "job2", false, true, &err), BEAMC_OK, "%s", err.message);
    beamc__database_put(db);
    db = beamc__database_get(in_dir("a.db")); /* somebody else's */
    cr_assert_eq(open_in_place(db, "job1", true, true, &err), BEAMC_DATA_LOSS);
    beamc__database_put(db);
}
