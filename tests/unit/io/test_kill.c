/* The sinks of a job that can be continued, killed at each boundary of a system call, and continued as the
 * engine does it: what a checkpoint says is done is not done again, the rest is, bundles with stable input
 * with the same id and the same rows. At the end each row is there once. */
#include "tests/unit/io/io_kit.h"

#include "io/jsonl/jsonl.h"
#include "io/jsonl/journal.h"
#include "io/sqlite/sqlite.h"
#include "tests/unit/io/kill_kit.h"

/* In memory, where there is room: the tests sync some thousand times. */
static void make_dir(void) {
    snprintf(io_dir, sizeof io_dir, "/dev/shm/beamc-io-XXXXXX");
    if (mkdtemp(io_dir) == NULL) {
        io_make_dir();
    }
}

TestSuite(kill, .init = make_dir, .fini = io_remove_dir, .timeout = 300);

enum { BUNDLES = 4, BUNDLE_ROWS = 3, PARTS_MAX = 64, BOUNDARIES_MAX = 5000 };

/* What the engine's checkpoints would hold. */
typedef struct checkpoint {
    int done; /* bundles before this one are done for good */
    int run;  /* is counted up as they run */
    int attempt;
    size_t parts;
    struct {
        char table[8];
        char name[120];
        int64_t rows, bytes;
    } part[PARTS_MAX];
} checkpoint;
static checkpoint *saved;

static void io_clear_dir(void) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s/* %s/.beamc-*", io_dir, io_dir);
    cr_assert_eq(system(command), 0);
    *saved = (checkpoint){0};
}

/* Kills @p work at boundary after boundary, each time followed by one that is left in peace, and the check. */
static void kill_everywhere(void (*prepare)(void), void (*work)(void), void (*check)(void)) {
#ifdef __SANITIZE_THREAD__
    cr_skip("ThreadSanitizer does not let a forked process start threads");
#endif
    saved = shared_memory(sizeof *saved);
    unsigned n = 0;
    do {
        cr_assert_lt(++n, BOUNDARIES_MAX);
        io_clear_dir();
        if (prepare != NULL) {
            prepare();
        }
        bool killed = killed_at(n, work);
        done_in_peace(work);
        check();
        if (!killed) {
            break;
        }
    } while (true);
    cr_assert_gt(n, 20);
}

/* ------------------------------------------------------------------- bundles with stable input */

static kit *plan_of(bool jsonl, const char *table) {
    if (jsonl) {
        beamc_jsonl_config c = {.dir = beamc_str(io_dir),
                                .job = BEAMC_STR("job"),
                                .tables = beamc_str(table),
                                .lasting = true};
        return io_plan(&beamc__append_rows, &c, &io_row_coder);
    }
    static char path[128];
    snprintf(path, sizeof path, "%s/x.db", io_dir);
    beamc_sqlite_config c = {.path = beamc_str(path),
                             .job = BEAMC_STR("job"),
                             .tables = beamc_str(table),
                             .in_place = true,
                             .durable = true};
    return io_plan(&beamc__to_sqlite_in_place, &c, &io_row_coder);
}

static void run_bundle(kit *k, int b) {
    char id[16];
    snprintf(id, sizeof id, "j-%d", b);
    k->bundle_id = id;
    io_feed_rows(k, "a", b * BUNDLE_ROWS, (b + 1) * BUNDLE_ROWS);
    kit_run(k);
    saved->run++;
}

/* Bundles from the last checkpoint on, two at a time, in changing order, and a checkpoint. What runs again
 * after that is known to be done by the sink alone. */
static void run_bundles(bool jsonl) {
    kit *k = plan_of(jsonl, "a");
    for (int b = saved->done; b < BUNDLES; b += 2) {
        beamc_finalizers *first;
        bool swap = saved->attempt++ % 2 == 1;
        run_bundle(k, b + swap);
        first = k->result.finalizers;
        run_bundle(k, b + !swap);
        saved->done = b + 2;
        beamc_finalizers_run(first);
        beamc_finalizers_run(k->result.finalizers);
    }
    kit_free(k);
}

static void run_jsonl(void) {
    run_bundles(true);
}
static void run_sqlite(void) {
    run_bundles(false);
}

static void make_job_folder(void) {
    cr_assert_eq(mkdir(io_path(".beamc-job"), 0777), 0);
}

static void check_jsonl(void) {
    int seen[BUNDLES * BUNDLE_ROWS] = {0};
    const char *at = io_text("a.jsonl");
    cr_assert_not_null(at);
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        int n = -1;
        cr_assert_eq(sscanf(at, "{\"name\": \"a%d\"", &n), 1, "%s", at);
        cr_assert(n >= 0 && n < BUNDLES * BUNDLE_ROWS && end[-1] == '}');
        seen[n]++;
    }
    cr_assert_str_eq(at, "");
    for (int i = 0; i < BUNDLES * BUNDLE_ROWS; i++) {
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
    cr_assert_eq(query("SELECT count(*) FROM a"), BUNDLES * BUNDLE_ROWS);
    cr_assert_eq(query("SELECT count(DISTINCT n) FROM a"), BUNDLES * BUNDLE_ROWS);
    cr_assert_eq(query("SELECT max(n) FROM a"), BUNDLES * BUNDLE_ROWS - 1);
}

Test(kill, appended_json_lines) {
    kill_everywhere(make_job_folder, run_jsonl, check_jsonl);
}

Test(kill, sqlite_in_place) {
    kill_everywhere(NULL, run_sqlite, check_sqlite);
}

/* The journal is made anew when most of it is forgotten. */
static void renew_journal(void) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal", io_dir);
    beamc_error err = {0};
    beamc_jsonl_journal j = {.path = path};
    bool found;
    cr_assert_eq(beamc__jsonl_journal_open(&j, &found, &err), BEAMC_OK, "%s", err.message);
    if (!found) {
        cr_assert_eq(beamc__jsonl_journal_renew(&j, &err), BEAMC_OK, "%s", err.message);
    }
    for (int i = (int)(j.length / 10); i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        cr_assert_eq(beamc__jsonl_journal_add(&j, id, (i + 1) * 10, &err), BEAMC_OK, "%s",
                     err.message);
    }
    beamc__ids_remove(&j.ids, "b1");
    cr_assert_eq(beamc__jsonl_journal_renew(&j, &err), BEAMC_OK, "%s", err.message);
    beamc__jsonl_journal_close(&j);
    beamc__ids_free(&j.ids);
}

static void check_journal(void) {
    const char *text = io_text("journal");
    cr_assert_not_null(strstr(text, "beamc jsonl 1 50\n"));
    cr_assert_not_null(strstr(text, "50 b4\n"));
    cr_assert_null(strstr(text, "b1"));
    cr_assert_eq(strlen(text), strlen("beamc jsonl 1 50\n") + 4 * strlen("50 b4\n"));
}

Test(kill, journal_of_json_lines) {
    kill_everywhere(NULL, renew_journal, check_journal);
}

/* ----------------------------------------------------------- parts, and what makes tables of them */

/* As the engine does it: a part counts once its bundle is in a checkpoint, here together with the bundle. */
static void save_parts(kit *k) {
    beamc_part parts[4];
    size_t n = io_take_parts(k, parts, 0);
    for (size_t i = 0; i < n; i++) {
        size_t at = saved->parts + i;
        snprintf(saved->part[at].table, sizeof saved->part[at].table, "%.*s",
                 BEAMC_SLICE_ARG(parts[i].table));
        snprintf(saved->part[at].name, sizeof saved->part[at].name, "%.*s",
                 BEAMC_SLICE_ARG(parts[i].name));
        saved->part[at].rows = parts[i].rows;
        saved->part[at].bytes = parts[i].bytes;
    }
    saved->parts += n;
}

static void write_bundle(kit *k, const char *table, int b) {
    char id[16];
    snprintf(id, sizeof id, "j-%d", b);
    k->bundle_id = id;
    io_feed_rows(k, table, b * BUNDLE_ROWS, (b + 1) * BUNDLE_ROWS);
    kit_run(k);
    save_parts(k);
    saved->done++;
}

static beamc_sqlite_config partial_config(const char *tables) {
    static char path[128];
    snprintf(path, sizeof path, "%s/x.db", io_dir);
    return (beamc_sqlite_config){.path = beamc_str(path),
                                 .job = BEAMC_STR("job"),
                                 .tables = beamc_str(tables),
                                 .create = BEAMC_STR("CREATE TABLE IF NOT EXISTS none (x)"),
                                 .durable = true};
}

static kit *parts_plan(bool jsonl, const char *table) {
    if (!jsonl) {
        beamc_sqlite_config c = partial_config(table);
        return io_plan(&beamc__to_sqlite_stable, &c, &io_row_coder);
    }
    beamc_jsonl_config c = {.dir = beamc_str(io_dir),
                            .job = BEAMC_STR("job"),
                            .tables = beamc_str(table),
                            .lasting = true};
    return io_plan(&beamc__to_jsonl_stable, &c, &io_row_coder);
}

static void finish_parts(bool jsonl) {
    beamc_part parts[PARTS_MAX];
    for (size_t i = 0; i < saved->parts; i++) {
        parts[i] = (beamc_part){beamc_str(saved->part[i].table), beamc_str(saved->part[i].name),
                                saved->part[i].rows, saved->part[i].bytes};
    }
    beamc_jsonl_config c = {.dir = beamc_str(io_dir),
                            .job = BEAMC_STR("job"),
                            .tables = BEAMC_STR("a,b,none"),
                            .lasting = true};
    beamc_sqlite_config s = partial_config("a,b,none");
    kit *k = jsonl ? io_plan(&beamc__finish_jsonl_stable, &c, &beamc__parts_coder)
                   : io_plan(&beamc__finish_sqlite_stable, &s, &beamc__parts_coder);
    io_feed_parts(k, parts, saved->parts);
    kit_run(k);
    kit_free(k);
}

static void run_parts(bool jsonl) {
    kit *a = parts_plan(jsonl, "a");
    kit *b = parts_plan(jsonl, "b");
    while (saved->done < BUNDLES) {
        write_bundle(a, "a", saved->done);
    }
    while (saved->done < BUNDLES + 1) {
        write_bundle(b, "b", saved->done - BUNDLES);
    }
    kit_free(a);
    kit_free(b);
    finish_parts(jsonl);
}

static void run_jsonl_parts(void) {
    run_parts(true);
}
static void run_sqlite_parts(void) {
    run_parts(false);
}

static void check_jsonl_tables(void) {
    check_jsonl();
    cr_assert_str_eq(io_list(".beamc-job"), "");
    cr_assert_str_eq(io_text("none.jsonl"), "");
    cr_assert_str_eq(io_list(""), ".beamc-job a.jsonl b.jsonl none.jsonl ");
}

static void check_sqlite_tables(void) {
    check_sqlite();
    cr_assert_eq(query("SELECT count(*) FROM b"), BUNDLE_ROWS);
    cr_assert_eq(query("SELECT count(*) FROM sqlite_master"), 3);
    cr_assert_str_eq(io_list(""), "x.db ");
}

Test(kill, json_lines_of_parts) {
    kill_everywhere(make_job_folder, run_jsonl_parts, check_jsonl_tables);
}

Test(kill, sqlite_that_is_finished_at_the_end) {
    kill_everywhere(NULL, run_sqlite_parts, check_sqlite_tables);
}
