/* database.c: see the header. Databases are in one list, under one lock that is held for moments only;
 * each has a lock of its own, held for a transaction. */
#include "io/sqlite/database.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/common/files.h"

enum { STATEMENTS_MAX = 64 };

typedef struct statement {
    char *sql;
    sqlite3_stmt *handle;
} statement;

struct beamc_database {
    beamc_database *next;
    int users;
    pthread_mutex_t lock;
    sqlite3 *handle; /* NULL: closed */
    bool durable;
    statement statements[STATEMENTS_MAX];
    size_t statement_count;
    beamc_buf notes; /* guarded by the list's lock */
    char path[];
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static beamc_database *list;

static void *check_memory(void *p) {
    if (p == NULL) {
        fprintf(stderr, "beamc: out of memory\n");
        abort();
    }
    return p;
}

/* With the list's lock held. */
static beamc_database *find(const char *path) {
    beamc_database *db = list;
    while (db != NULL && strcmp(db->path, path) != 0) {
        db = db->next;
    }
    return db;
}

beamc_database *beamc__database_get(const char *path) {
    pthread_mutex_lock(&list_lock);
    beamc_database *db = find(path);
    if (db == NULL) {
        size_t size = strlen(path) + 1;
        db = check_memory(calloc(1, sizeof *db + size));
        memcpy(db->path, path, size);
        pthread_mutex_init(&db->lock, NULL);
        db->next = list;
        list = db;
    }
    db->users++;
    pthread_mutex_unlock(&list_lock);
    return db;
}

void beamc__database_put(beamc_database *db) {
    pthread_mutex_lock(&list_lock);
    if (--db->users > 0) {
        pthread_mutex_unlock(&list_lock);
        return;
    }
    beamc_database **at = &list;
    while (*at != db) {
        at = &(*at)->next;
    }
    *at = db->next;
    pthread_mutex_unlock(&list_lock);
    beamc__database_close(db);
    pthread_mutex_destroy(&db->lock);
    beamc_buf_free(&db->notes);
    free(db);
}

void beamc__database_leave_note(const char *path, beamc_slice text) {
    pthread_mutex_lock(&list_lock);
    beamc_database *db = find(path);
    if (db != NULL) {
        beamc_buf_put_slice(&db->notes, text);
    }
    pthread_mutex_unlock(&list_lock);
}

void beamc__database_notes(beamc_database *db, beamc_buf *out) {
    pthread_mutex_lock(&list_lock);
    beamc_buf_put_slice(out, beamc_buf_slice(&db->notes));
    pthread_mutex_unlock(&list_lock);
}

void beamc__database_notes_done(beamc_database *db, size_t bytes) {
    pthread_mutex_lock(&list_lock);
    db->notes.len -= bytes;
    if (bytes > 0) {
        memmove(db->notes.ptr, db->notes.ptr + bytes, db->notes.len);
    }
    pthread_mutex_unlock(&list_lock);
}

void beamc__database_lock(beamc_database *db) {
    pthread_mutex_lock(&db->lock);
}

void beamc__database_unlock(beamc_database *db) {
    pthread_mutex_unlock(&db->lock);
}

sqlite3 *beamc__database_handle(beamc_database *db) {
    return db->handle;
}

beamc_status beamc__database_error(beamc_database *db, int rc, beamc_error *err) {
    int code = rc & 0xff;
    int errnum = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;
    if (code == SQLITE_FULL) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "cannot write %s: no space is left on the device; free some, or write "
                          "somewhere else",
                          db->path);
    }
    if (rc == SQLITE_IOERR_WRITE) { /* SQLite keeps no more than that of a quota or a limit */
        return BEAMC_FAIL(
            err, RESOURCE_EXHAUSTED,
            "cannot write %s: the write failed; look at the quota, the file size limit "
            "(ulimit -f) and the disk, or write somewhere else",
            db->path);
    }
    const char *text = db->handle != NULL && sqlite3_errcode(db->handle) != SQLITE_OK
                           ? sqlite3_errmsg(db->handle)
                           : sqlite3_errstr(rc);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        return BEAMC_FAIL(err, UNAVAILABLE,
                          "cannot write %s: another program has it locked: close that program",
                          db->path);
    }
    if (errnum != 0) {
        return BEAMC_FAIL(err, DATA_LOSS, "cannot write %s: %s (%s)", db->path, text,
                          strerrordesc_np(errnum));
    }
    return BEAMC_FAIL(err, DATA_LOSS, "cannot write %s: %s", db->path, text);
}

static beamc_status open_as(beamc_database *db, int flags, beamc_error *err) {
    int rc = sqlite3_open_v2(db->path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        beamc_status status = beamc__database_error(db, rc, err);
        beamc__database_close(db);
        return status;
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, 5000);
    return BEAMC_OK;
}

#define CREATE_BUNDLES                                                                             \
    "CREATE TABLE IF NOT EXISTS " BEAMC_BUNDLES_TABLE                                              \
    " (sink TEXT NOT NULL, bundle_id TEXT NOT NULL, first_row INTEGER NOT NULL,"                   \
    " last_row INTEGER NOT NULL, PRIMARY KEY (sink, bundle_id)) WITHOUT ROWID;"

/* Opens the file and runs SQL in it. */
static beamc_status open_with(beamc_database *db, const char *sql, beamc_error *err) {
    BEAMC_TRY(open_as(db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err));
    beamc_status status = beamc__database_run(db, sql, err);
    if (status != BEAMC_OK) {
        beamc__database_close(db);
    }
    return status;
}

beamc_status beamc__database_open(beamc_database *db, bool durable, beamc_error *err) {
    if (db->handle != NULL) {
        return BEAMC_OK;
    }
    /* The file is nobody's until it is finished: no other reader, no sync, and what a transaction needs
     * for going back is kept in memory. Unless it must outlive a crash: then there is a log. */
    return open_with(db,
                     durable ? "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                               "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;" CREATE_BUNDLES
                             : "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY;"
                               "PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;" CREATE_BUNDLES,
                     err);
}

beamc_status beamc__database_settle(beamc_database *db, beamc_error *err) {
    return beamc__database_run(db, "PRAGMA journal_mode=DELETE", err);
}

/* A job's file names the job: a bundle without a sink. */
static beamc_status mark_job(beamc_database *db, beamc_slice job, beamc_error *err) {
    BEAMC_TRY(beamc__database_run(db, "BEGIN IMMEDIATE;" CREATE_BUNDLES, err));
    sqlite3_stmt *s;
    BEAMC_TRY(beamc__database_statement(
        db, "INSERT INTO " BEAMC_BUNDLES_TABLE " VALUES ('', ?, 0, 0)", &s, err));
    sqlite3_bind_text64(s, 1, job.ptr, job.len, SQLITE_STATIC, SQLITE_UTF8);
    BEAMC_TRY(beamc__database_step(db, s, err));
    return beamc__database_run(db, "COMMIT", err);
}

/* Whether the open file is that of a job, and whether there is anything in it. */
static beamc_status look(beamc_database *db, beamc_slice job, bool *is_ours, bool *is_empty,
                         beamc_error *err) {
    const beamc_slice none = {0};
    int64_t n = 0;
    *is_ours = false;
    BEAMC_TRY(
        beamc__database_number(db, "SELECT count(*) FROM sqlite_master", none, none, &n, err));
    *is_empty = n == 0;
    BEAMC_TRY(beamc__database_number(
        db, "SELECT count(*) FROM sqlite_master WHERE name = '" BEAMC_BUNDLES_TABLE "'", none, none,
        &n, err));
    if (n == 0) {
        return BEAMC_OK;
    }
    BEAMC_TRY(beamc__database_number(
        db, "SELECT count(*) FROM " BEAMC_BUNDLES_TABLE " WHERE sink = '' AND bundle_id = ?", job,
        none, &n, err));
    *is_ours = n == 1;
    return BEAMC_OK;
}

static beamc_status exists(const beamc_database *db, beamc_error *err) {
    return BEAMC_FAIL(err, ALREADY_EXISTS,
                      "cannot make %s: it exists; add --overwrite to replace it", db->path);
}

static beamc_status take_place(beamc_database *db, const beamc_database_place *place,
                               const char *settings, beamc_error *err) {
    bool is_ours;
    bool is_empty;
    BEAMC_TRY(look(db, place->job, &is_ours, &is_empty, err));
    if (is_ours) {
        return BEAMC_OK;
    }
    if (!is_empty && !place->overwrite) {
        return exists(db, err);
    }
    if (!is_empty) {
        beamc__database_close(db);
        beamc__database_remove(db->path, false);
        BEAMC_TRY(open_with(db, settings, err));
    }
    return mark_job(db, place->job, err);
}

static beamc_status not_ours(const beamc_database *db, beamc_error *err) {
    return BEAMC_FAIL(err, DATA_LOSS,
                      "output %s was removed or replaced while its job is in progress: put it "
                      "back, or start the job anew%s",
                      db->path, db->durable ? " with --state_dir_reset --overwrite" : "");
}

/* The job has made the file before: it must be there, and be the job's. */
static beamc_status find_place(beamc_database *db, const beamc_database_place *place,
                               const char *settings, beamc_error *err) {
    bool is_ours;
    bool is_empty;
    if (access(db->path, F_OK) != 0) {
        return not_ours(db, err);
    }
    BEAMC_TRY(open_with(db, settings, err));
    BEAMC_TRY(look(db, place->job, &is_ours, &is_empty, err));
    return is_ours ? BEAMC_OK : not_ours(db, err);
}

/* Something stands there that SQLite would not open. */
static bool is_no_database(const char *path) {
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic] = {0};
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    return n > 0 && memcmp(head, magic, sizeof magic) != 0;
}

static beamc_status make_place(beamc_database *db, const beamc_database_place *place,
                               const char *settings, beamc_error *err) {
    if (is_no_database(db->path)) {
        if (!place->overwrite) {
            return exists(db, err);
        }
        beamc__database_remove(db->path, false);
    }
    BEAMC_TRY(open_with(db, settings, err));
    BEAMC_TRY(take_place(db, place, settings, err));
    return place->durable ? beamc__marker_set(place->marker, err) : BEAMC_OK;
}

beamc_status beamc__database_open_in_place(beamc_database *db, const beamc_database_place *place,
                                           beamc_error *err) {
    if (db->handle != NULL) {
        return BEAMC_OK;
    }
    const char *settings = place->durable ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                          : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;";
    db->durable = place->durable;
    bool is_made = place->durable && beamc__marker_is_set(place->marker);
    beamc_status status =
        is_made ? find_place(db, place, settings, err) : make_place(db, place, settings, err);
    if (status != BEAMC_OK) {
        beamc__database_close(db);
    }
    return status;
}

beamc_status beamc__database_check_place(beamc_database *db, beamc_error *err) {
    int moved = 0;
    int rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return rc == SQLITE_OK && moved != 0 ? not_ours(db, err) : BEAMC_OK;
}

void beamc__database_remove(const char *path, bool side_files_only) {
    static const char *const ends[] = {"-journal", "-wal", "-shm", ""};
    beamc_buf name = {0};
    for (size_t i = 0; i < (side_files_only ? 3 : 4); i++) {
        beamc_buf_clear(&name);
        beamc_buf_printf(&name, "%s%s", path, ends[i]);
        beamc_buf_put_u8(&name, 0);
        unlink((char *)name.ptr);
    }
    beamc_buf_free(&name);
}

beamc_status beamc__database_open_readonly(beamc_database *db, beamc_error *err) {
    return db->handle != NULL ? BEAMC_OK : open_as(db, SQLITE_OPEN_READONLY, err);
}

void beamc__database_close(beamc_database *db) {
    for (size_t i = 0; i < db->statement_count; i++) {
        sqlite3_finalize(db->statements[i].handle);
        free(db->statements[i].sql);
    }
    db->statement_count = 0;
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

beamc_status beamc__database_run(beamc_database *db, const char *sql, beamc_error *err) {
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? BEAMC_OK : beamc__database_error(db, rc, err);
}

beamc_status beamc__database_statement(beamc_database *db, const char *sql, sqlite3_stmt **out,
                                       beamc_error *err) {
    for (size_t i = 0; i < db->statement_count; i++) {
        if (strcmp(db->statements[i].sql, sql) == 0) {
            *out = db->statements[i].handle;
            return BEAMC_OK;
        }
    }
    if (db->statement_count == STATEMENTS_MAX) { /* many tables: begin anew */
        for (size_t i = 0; i < db->statement_count; i++) {
            sqlite3_finalize(db->statements[i].handle);
            free(db->statements[i].sql);
        }
        db->statement_count = 0;
    }
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc != SQLITE_OK) {
        return beamc__database_error(db, rc, err);
    }
    db->statements[db->statement_count++] = (statement){check_memory(strdup(sql)), *out};
    return BEAMC_OK;
}

beamc_status beamc__database_step(beamc_database *db, sqlite3_stmt *statement, beamc_error *err) {
    int rc = sqlite3_step(statement);
    beamc_status status =
        rc == SQLITE_DONE || rc == SQLITE_ROW ? BEAMC_OK : beamc__database_error(db, rc, err);
    sqlite3_reset(statement);
    return status;
}

beamc_status beamc__database_number(beamc_database *db, const char *sql, beamc_slice p1,
                                    beamc_slice p2, int64_t *out, beamc_error *err) {
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL);
    if (rc != SQLITE_OK) {
        return beamc__database_error(db, rc, err);
    }
    const beamc_slice texts[] = {p1, p2};
    int wanted = sqlite3_bind_parameter_count(s);
    for (int i = 0; i < wanted && i < 2; i++) {
        sqlite3_bind_text64(s, i + 1, texts[i].ptr != NULL ? texts[i].ptr : "", texts[i].len,
                            SQLITE_STATIC, SQLITE_UTF8);
    }
    rc = sqlite3_step(s);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    beamc_status status = rc == SQLITE_ROW ? BEAMC_OK : beamc__database_error(db, rc, err);
    sqlite3_finalize(s);
    return status;
}
