/* Sources and sinks together, on the local runner: whole jobs, jobs with bundles that fail, and that all
 * ways through the generator give the same events. */
#include "tests/unit/io/io_kit.h"

#include <beamc/generator.h>
#include <beamc/test.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "graph/job.h"

TestSuite(sinks, .init = io_make_dir, .fini = io_remove_dir, .timeout = 120);

/* Numbers to rows "r<n>", each one once. */
static beamc_status to_row(beamc_ctx *ctx, const beamc_elem *in) {
    io_row *row = beamc_new(ctx, io_row);
    row->name = beamc_format(ctx, "r%lld", (long long)in->i64);
    row->n = in->i64;
    row->at = in->i64 * 1000;
    return beamc_emit(ctx, 0, beamc_value_row(row));
}
static const beamc_dofn to_row_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:to_row:v1",
    .input = &beamc_varint, .outputs = {{"rows", &io_row_coder}},
    .process = to_row,
};

/* Passes rows on; the first few bundles fail at their end, after the sink beside it has written. */
static atomic_int failures_left;
static beamc_status pass(beamc_ctx *ctx, const beamc_elem *in) {
    return beamc_emit(ctx, 0, *in);
}
static beamc_status fail_at_the_end(beamc_ctx *ctx) {
    if (atomic_fetch_sub(&failures_left, 1) > 0) {
        return beamc_fail(ctx, UNAVAILABLE, "not now");
    }
    return BEAMC_OK;
}
static const beamc_dofn flaky_fn = {
    BEAMC_DOFN_ABI,         .urn = "test:dofn:flaky:v1",
    .input = &io_row_coder, .outputs = {{"out", &io_row_coder}},
    .process = pass,        .finish_bundle = fail_at_the_end,
};

static const beamc_program sinks_program = {
    BEAMC_PROGRAM_ABI,
    .name = "sinks_test",
    .fns = BEAMC_FNS(&io_row_fn, &to_row_fn, &flaky_fn),
    .imports = BEAMC_IMPORTS(&beamc_io_program),
};

enum { ROWS = 200 };

static beamc_pcoll rows_of(beamc_pipeline *p) {
    beamc_value values[ROWS];
    for (int i = 0; i < ROWS; i++) {
        values[i] = beamc_value_i64(i);
    }
    beamc_pcoll numbers = beamc_create(p, "Numbers", &beamc_varint, values, ROWS);
    return beamc_pardo(beamc_reshuffle(numbers, "Spread"), "ToRow", &to_row_fn);
}

/* Rows into "r", nothing into "none"; JSON lines or SQLite. */
static beamc_status run(bool jsonl, bool overwrite, beamc_error *err) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&sinks_program);
    beamc_pipeline *p = beamc_test_pipeline_graph(t);
    beamc_pcoll rows = rows_of(p);
    beamc_pcoll none = beamc_create(p, "None", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, "r"}, {none, "none"}};
    if (jsonl) {
        beamc_write_jsonl(p, "Write", tables, 2, .path = io_dir, .overwrite = overwrite);
    } else {
        beamc_write_sqlite(p, "Write", tables, 2, .path = io_path("x.db"), .overwrite = overwrite);
    }
    beamc_pardo(rows, "Flaky", &flaky_fn);
    beamc_status status = beamc_test_pipeline_run(t, err);
    beamc_test_pipeline_free(t);
    return status;
}

/* Each of the rows is in r.jsonl once. */
static void check_jsonl(void) {
    cr_assert_str_eq(io_list(""), "none.jsonl r.jsonl ");
    cr_assert_str_eq(io_text("none.jsonl"), "");
    int seen[ROWS] = {0};
    FILE *f = fopen(io_path("r.jsonl"), "r");
    cr_assert_not_null(f);
    char line[256];
    while (fgets(line, sizeof line, f) != NULL) {
        int n = -1;
        cr_assert_eq(sscanf(line, "{\"name\": \"r%d\"", &n), 1, "%s", line);
        cr_assert(n >= 0 && n < ROWS && line[strlen(line) - 2] == '}', "%s", line);
        seen[n]++;
    }
    fclose(f);
    for (int i = 0; i < ROWS; i++) {
        cr_assert_eq(seen[i], 1, "row %d: %d times", i, seen[i]);
    }
}

static int64_t query(const char *sql) {
    sqlite3 *db;
    cr_assert_eq(sqlite3_open_v2(io_path("x.db"), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_stmt *s;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void check_sqlite(void) {
    cr_assert_str_eq(io_list(""), "x.db ");
    cr_assert_eq(query("SELECT count(*) FROM r"), ROWS);
    cr_assert_eq(query("SELECT count(DISTINCT n) FROM r WHERE name = 'r' || n"), ROWS);
    cr_assert_eq(query("SELECT count(*) FROM none"), 0);
    cr_assert_eq(query("SELECT count(*) FROM sqlite_master"), 2);
}

Test(sinks, jsonl) {
    beamc_error err = {0};
    cr_assert_eq(run(true, false, &err), BEAMC_OK, "%s", err.message);
    check_jsonl();
    cr_assert_eq(run(true, false, &err), BEAMC_ALREADY_EXISTS);
    check_jsonl();
    cr_assert_eq(run(true, true, &err), BEAMC_OK, "%s", err.message);
    check_jsonl();
}

/* Two sinks of a job that can be continued, in one folder. */
Test(sinks, tables_of_two_sinks_in_one_folder) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&sinks_program);
    beamc_pipeline *p = beamc_test_pipeline_graph(t);
    beamc__pipeline_set_job(p, "job");
    beamc_pcoll rows = rows_of(p);
    beamc_pcoll none = beamc_create(p, "None", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, "r"}, {none, "none"}};
    beamc_write_jsonl(p, "WriteRows", tables, 1, .path = io_dir);
    beamc_write_jsonl(p, "WriteNone", tables + 1, 1, .path = io_dir);
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(t, &err), BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(t);
    const char *first =
        strstr(io_list(""), ".beamc-job-"); /* one must not clear the other's away */
    cr_assert(first != NULL && strstr(first + 1, ".beamc-job-") != NULL, "%s", io_list(""));
    char command[128];
    snprintf(command, sizeof command, "rmdir %s/.beamc-job-*",
             io_dir); /* nothing is left in them */
    cr_assert_eq(system(command), 0);
    check_jsonl();
}

Test(sinks, sqlite) {
    beamc_error err = {0};
    cr_assert_eq(run(false, false, &err), BEAMC_OK, "%s", err.message);
    check_sqlite();
    cr_assert_eq(run(false, false, &err), BEAMC_ALREADY_EXISTS);
    check_sqlite();
    cr_assert_eq(run(false, true, &err), BEAMC_OK, "%s", err.message);
    check_sqlite();
}

Test(sinks, jsonl_with_bundles_that_fail) {
    beamc_error err = {0};
    atomic_store(&failures_left, 2);
    cr_assert_eq(run(true, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_leq(atomic_load(&failures_left), 0);
    check_jsonl();
}

Test(sinks, sqlite_with_bundles_that_fail) {
    beamc_error err = {0};
    atomic_store(&failures_left, 2);
    cr_assert_eq(run(false, false, &err), BEAMC_OK, "%s", err.message);
    cr_assert_leq(atomic_load(&failures_left), 0);
    check_sqlite();
}

Test(sinks, a_job_that_fails_leaves_no_table) {
    beamc_error err = {0};
    atomic_store(&failures_left, 1000000);
    cr_assert_neq(run(true, false, &err), BEAMC_OK);
    cr_assert_null(io_text("r.jsonl"));
    cr_assert_neq(run(false, false, &err), BEAMC_OK);
    cr_assert_null(io_text("x.db"));
}

/* ------------------------------------------------------------------------ unbounded tables */

/* A stream of the same rows, whose bundles fail now and then. */
static beamc_pcoll stream_of_rows(beamc_pipeline *p) {
    beamc_test_event events[ROWS + ROWS / 10] = {0};
    size_t count = 0;
    for (int i = 0; i < ROWS; i++) {
        events[count++] =
            (beamc_test_event){.kind = BEAMC_TEST_ELEMENT, .value.i64 = i, .timestamp = i};
        if (i % 10 == 9) {
            events[count++] = (beamc_test_event){.kind = BEAMC_TEST_WATERMARK, .timestamp = i + 1};
        }
    }
    beamc_pcoll numbers = beamc_test_stream(p, "Numbers", &beamc_varint, events, count);
    return beamc_pardo(beamc_pardo(numbers, "ToRow", &to_row_fn), "Flaky", &flaky_fn);
}

static void run_stream(bool jsonl, bool overwrite) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&sinks_program);
    beamc_pipeline *p = beamc_test_pipeline_graph(t);
    beamc_pcoll rows = stream_of_rows(p);
    beamc_pcoll none = beamc_create(p, "None", &io_row_coder, NULL, 0);
    const beamc_sink_table tables[] = {{rows, "r"}, {none, "none"}};
    if (jsonl) {
        beamc_write_jsonl(p, "Write", tables, 2, .path = io_dir, .overwrite = overwrite);
    } else {
        beamc_write_sqlite(p, "Write", tables, 2, .path = io_path("x.db"), .overwrite = overwrite);
    }
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(t, &err), BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(t);
}

Test(sinks, unbounded_jsonl_with_bundles_that_fail) {
    for (int round = 0; round < 2; round++) {
        atomic_store(&failures_left, 2);
        run_stream(true, round > 0);
        cr_assert_leq(atomic_load(&failures_left), 0);
        check_jsonl();
    }
}

Test(sinks, unbounded_sqlite_with_bundles_that_fail) {
    for (int round = 0; round < 2; round++) {
        atomic_store(&failures_left, 2);
        run_stream(false, round > 0);
        cr_assert_leq(atomic_load(&failures_left), 0);
        cr_assert_eq(query("SELECT count(*) FROM r"), ROWS);
        cr_assert_eq(query("SELECT count(DISTINCT n) FROM r WHERE name = 'r' || n"), ROWS);
        cr_assert_eq(query("SELECT count(*) FROM none"), 0);
        cr_assert_leq(query("SELECT count(*) FROM _beamc_bundles"), 3);
    }
}

/* ------------------------------------------------------------------------------ the generator */

static void check_generator(beamc_generate_options o, int64_t count) {
    beamc_test_pipeline *t = beamc_test_pipeline_new(&sinks_program);
    beamc_value *values = calloc((size_t)count + 1, sizeof *values);
    beamc_buf *texts = calloc((size_t)count + 1, sizeof *texts);
    for (int64_t i = 0; i < count; i++) {
        beamc_generate_event(&o, i, &texts[i]);
        values[i] = beamc_value_bytes(beamc_buf_slice(&texts[i]));
    }
    beamc_pcoll events = beamc_generate_events_with(beamc_test_pipeline_graph(t), "Generate", o);
    cr_assert_eq(beamc_pcoll_is_bounded(events), !o.unbounded);
    beamc_assert_equal(events, "Events", values, (size_t)count);
    beamc_error err = {0};
    cr_assert_eq(beamc_test_pipeline_run(t, &err), BEAMC_OK, "%s", err.message);
    beamc_test_pipeline_free(t);
    for (int64_t i = 0; i < count; i++) {
        beamc_buf_free(&texts[i]);
    }
    free(texts);
    free(values);
}

Test(sinks, generator_bounded) {
    beamc_generate_options o = {.struct_size = sizeof o, .stream = 1, .events = 5000, .seed = 3};
    check_generator(o, 1000);
    o.events = 0;
    check_generator(o, 0);
}

Test(sinks, generator_with_a_rate) {
    beamc_generate_options o = {
        .struct_size = sizeof o, .stream = 0, .events = 1000, .rate = 5000, .seed = 3};
    check_generator(o, 700);
}

Test(sinks, generator_bad_options) {
    beamc_pipeline *p = beamc_pipeline_new();
    beamc_generate_events(p, "Generate", .events = 10, .stream = 3);
    beamc_error err = {0};
    cr_assert_eq(beamc_pipeline_status(p, &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(err.message, "Generate: stream is 3, but must be 0 to 2"), "%s",
                       err.message);
    beamc_pipeline_free(p);
}
