/* state_records.c: records in SQLite: the writer collects changes and puts them in by one transaction, in
 * the order of their names; a reader of its own sees what is committed.
 *
 * Each record carries a checksum of its name and data: SQLite finds broken pages, but not a changed byte in
 * a value. Threads: as journal.h says. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "runner/engine/hash.h"
#include "runner/state_impl.h"

enum { CHECKSUM = 4, SMALL_FILE_BYTES = 64 << 20, KEPT_BYTES = 16 << 20 };

static beamc_state_dir *of(beamc_journal *j) {
    return (beamc_state_dir *)j; /* it is its first member */
}

beamc_status beamc__state_error(const beamc_state_dir *dir, sqlite3 *db, int rc, beamc_error *err) {
    int errnum = db != NULL ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        errnum = ENOSPC;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return BEAMC_FAIL(err, DATA_LOSS,
                          "%s is damaged (%s); nothing in it was changed: restore it from a copy, "
                          "or start anew with --state_dir_reset",
                          dir->file, sqlite3_errstr(rc));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        errnum = errnum == 0 ? EACCES : errnum;
        break;
    default:
        break;
    }
    if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG) {
        return BEAMC_FAIL(err, RESOURCE_EXHAUSTED,
                          "cannot write %s: %s; make room and start the job again: it goes on from "
                          "its last commit",
                          dir->file, strerrordesc_np(errnum));
    }
    return BEAMC_FAIL(err, DATA_LOSS,
                      "cannot use %s: %s; see to that and start the job again: it goes on from its "
                      "last commit",
                      dir->file, errnum != 0 ? strerrordesc_np(errnum) : sqlite3_errstr(rc));
}

static beamc_status run_sql(beamc_state_dir *dir, sqlite3 *db, const char *sql, beamc_error *err) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? BEAMC_OK : beamc__state_error(dir, db, rc, err);
}

static beamc_status prepare(beamc_state_dir *dir, sqlite3 *db, const char *sql, sqlite3_stmt **out,
                            beamc_error *err) {
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? BEAMC_OK : beamc__state_error(dir, db, rc, err);
}

/* --------------------------------------------------------------------------------- opening */

/* @p cache: SQLite's own; little, since the system has the file in memory as well. */
static beamc_status open_connection(beamc_state_dir *dir, const char *cache, sqlite3 **out,
                                    beamc_error *err) {
    int rc = sqlite3_open_v2(dir->file, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        return beamc__state_error(dir, *out, rc, err);
    }
    sqlite3_extended_result_codes(*out, 1);
    sqlite3_busy_timeout(*out, 5000);
    /* Until all has been looked at, closing it must not move anything into the file. */
    sqlite3_db_config(*out, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    BEAMC_TRY(run_sql(dir, *out, "PRAGMA cell_size_check=ON", err));
    return run_sql(dir, *out, cache, err);
}

/* Small files are looked through; of large ones that would take too long, and what is read is checked. */
static beamc_status check_structure(beamc_state_dir *dir, beamc_error *err) {
    sqlite3_stmt *s;
    BEAMC_TRY(prepare(dir, dir->writer,
                      "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", &s,
                      err));
    int rc = sqlite3_step(s);
    bool small = rc == SQLITE_ROW && sqlite3_column_int64(s, 0) <= SMALL_FILE_BYTES;
    sqlite3_finalize(s);
    if (rc != SQLITE_ROW) {
        return beamc__state_error(dir, dir->writer, rc, err);
    }
    if (!small) {
        return BEAMC_OK;
    }
    BEAMC_TRY(prepare(dir, dir->writer, "PRAGMA quick_check(1)", &s, err));
    rc = sqlite3_step(s);
    bool good = rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
    sqlite3_finalize(s);
    return good ? BEAMC_OK
                : beamc__state_error(dir, dir->writer, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc, err);
}

beamc_status beamc__state_open_records(beamc_state_dir *dir, beamc_error *err) {
    BEAMC_TRY(open_connection(dir, "PRAGMA cache_size=-24576", &dir->writer, err));
    BEAMC_TRY(check_structure(dir, err));
    BEAMC_TRY(open_connection(dir, "PRAGMA cache_size=-4096", &dir->reader, err));
    /* Two, since SQLite finds the end by the index only where there is one. */
    BEAMC_TRY(prepare(dir, dir->reader,
                      "SELECT name, data FROM records WHERE name >= ?1 AND name < ?2 ORDER BY name",
                      &dir->range, err));
    BEAMC_TRY(prepare(dir, dir->reader,
                      "SELECT name, data FROM records WHERE name >= ?1 ORDER BY name", &dir->tail,
                      err));
    BEAMC_TRY(prepare(dir, dir->writer, "REPLACE INTO records VALUES (?1, ?2)", &dir->upsert, err));
    return prepare(dir, dir->writer, "DELETE FROM records WHERE name = ?1", &dir->drop, err);
}

void beamc__state_close_records(beamc_state_dir *dir) {
    sqlite3_finalize(dir->upsert);
    sqlite3_finalize(dir->drop);
    sqlite3_finalize(dir->range);
    sqlite3_finalize(dir->tail);
    sqlite3_close(dir->reader);
    sqlite3_close(dir->writer);
    beamc_buf_free(&dir->bytes);
    free(dir->changes);
}

beamc_status beamc__state_fact(beamc_state_dir *dir, const char *name, beamc_buf *out, bool *found,
                               beamc_error *err) {
    sqlite3_stmt *s;
    BEAMC_TRY(prepare(dir, dir->writer, "SELECT value FROM facts WHERE name = ?1", &s, err));
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *found = rc == SQLITE_ROW;
    if (*found) {
        beamc_buf_put(out, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    }
    sqlite3_finalize(s);
    return *found || rc == SQLITE_DONE ? BEAMC_OK : beamc__state_error(dir, dir->writer, rc, err);
}

beamc_status beamc__state_set_fact(beamc_state_dir *dir, const char *name, beamc_slice value,
                                   beamc_error *err) {
    sqlite3_stmt *s;
    BEAMC_TRY(prepare(dir, dir->writer, "REPLACE INTO facts VALUES (?1, ?2)", &s, err));
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 2, value.ptr, value.len, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? BEAMC_OK : beamc__state_error(dir, dir->writer, rc, err);
}

/* --------------------------------------------------------------------------------- changes */

static uint32_t checksum(beamc_slice name, beamc_slice data) {
    uint64_t h = beamc_hash_fold(beamc_hash(name) ^ 0x9e3779b97f4a7c15u, beamc_hash(data));
    return (uint32_t)(h ^ (h >> 32));
}

static void add_change(beamc_state_dir *dir, beamc_slice name, beamc_slice data, bool is_removal) {
    if (dir->change_count == dir->change_cap) {
        dir->change_cap = dir->change_cap == 0 ? 256 : dir->change_cap * 2;
        dir->changes = beamc__realloc(dir->changes, dir->change_cap * sizeof *dir->changes);
    }
    dir->changes[dir->change_count] = (beamc_state_change){.at = dir->bytes.len,
                                                           .order = dir->change_count,
                                                           .name_len = (uint32_t)name.len,
                                                           .data_len = (uint32_t)data.len,
                                                           .is_removal = is_removal};
    dir->change_count++;
    beamc_buf_put_slice(&dir->bytes, name);
    beamc_buf_put_slice(&dir->bytes, data);
}

static void journal_put(beamc_journal *j, beamc_slice name, beamc_slice data) {
    beamc_state_dir *dir = of(j);
    uint32_t sum = __builtin_bswap32(checksum(name, data));
    beamc_buf_room(&dir->bytes, name.len + CHECKSUM + data.len);
    add_change(dir, name, beamc_slice_of(&sum, CHECKSUM), false);
    beamc_buf_put_slice(&dir->bytes, data);
    dir->changes[dir->change_count - 1].data_len += (uint32_t)data.len;
}

static void journal_remove(beamc_journal *j, beamc_slice name) {
    add_change(of(j), name, (beamc_slice){NULL, 0}, true);
}

static int by_name(const void *a, const void *b, void *arg) {
    const beamc_state_change *x = a, *y = b;
    const unsigned char *bytes = arg;
    size_t least = x->name_len < y->name_len ? x->name_len : y->name_len;
    int order = memcmp(bytes + x->at, bytes + y->at, least);
    if (order != 0) {
        return order;
    }
    if (x->name_len != y->name_len) {
        return x->name_len < y->name_len ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_name(const beamc_state_dir *dir, const beamc_state_change *a,
                      const beamc_state_change *b) {
    return a->name_len == b->name_len &&
           memcmp(dir->bytes.ptr + a->at, dir->bytes.ptr + b->at, a->name_len) == 0;
}

static int write_change(beamc_state_dir *dir, const beamc_state_change *c) {
    sqlite3_stmt *s = c->is_removal ? dir->drop : dir->upsert;
    const unsigned char *name = dir->bytes.ptr + c->at;
    sqlite3_bind_blob64(s, 1, name, c->name_len, SQLITE_STATIC);
    if (!c->is_removal) {
        sqlite3_bind_blob64(s, 2, name + c->name_len, c->data_len, SQLITE_STATIC);
    }
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* In the order of names, which is that of the file; of several changes of a name the last. */
static int write_changes(beamc_state_dir *dir) {
    qsort_r(dir->changes, dir->change_count, sizeof *dir->changes, by_name, dir->bytes.ptr);
    int rc = SQLITE_OK;
    for (size_t i = 0; i < dir->change_count && rc == SQLITE_OK; i++) {
        bool last =
            i + 1 == dir->change_count || !same_name(dir, &dir->changes[i], &dir->changes[i + 1]);
        rc = last ? write_change(dir, &dir->changes[i]) : SQLITE_OK;
    }
    return rc;
}

/* What a commit has said is on disk, also after a loss of power: sinks rely on it. */
static beamc_status begin_writing(beamc_state_dir *dir, beamc_error *err) {
    BEAMC_TRY(run_sql(dir, dir->writer,
                      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                      "PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=4000",
                      err));
    sqlite3_db_config(dir->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    pthread_mutex_lock(&dir->read_mu); /* the setting makes its statements begin anew */
    sqlite3_db_config(dir->reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    pthread_mutex_unlock(&dir->read_mu);
    dir->is_writing = true;
    return BEAMC_OK;
}

static beamc_status journal_commit(beamc_journal *j, beamc_error *err) {
    beamc_state_dir *dir = of(j);
    if (!dir->is_writing) {
        BEAMC_TRY(begin_writing(dir, err));
    }
    int rc = sqlite3_exec(dir->writer, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? write_changes(dir) : rc;
    rc = rc == SQLITE_OK ? sqlite3_exec(dir->writer, "COMMIT", NULL, NULL, NULL) : rc;
    beamc_status status = BEAMC_OK;
    if (rc != SQLITE_OK) {
        status = beamc__state_error(dir, dir->writer, rc, err);
        (void)sqlite3_exec(dir->writer, "ROLLBACK", NULL, NULL, NULL);
    }
    dir->change_count = 0;
    if (dir->bytes.cap > KEPT_BYTES) {
        beamc_buf_free(&dir->bytes);
    }
    beamc_buf_clear(&dir->bytes);
    return status;
}

/* --------------------------------------------------------------------------------- reading */

/* The first name behind all that begin with @p prefix. False: they are the last ones. */
static bool prefix_end(beamc_slice prefix, beamc_buf *out) {
    beamc_buf_put_slice(out, prefix);
    while (out->len > 0 && out->ptr[out->len - 1] == 0xff) {
        out->len--;
    }
    if (out->len > 0) {
        out->ptr[out->len - 1]++;
    }
    return out->len > 0;
}

static beamc_status give_row(beamc_state_dir *dir, sqlite3_stmt *s, beamc_journal_fn fn, void *arg,
                             beamc_error *err) {
    beamc_slice name =
        beamc_slice_of(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    beamc_slice data =
        beamc_slice_of(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    beamc_cursor in = beamc_cursor_of(data);
    uint32_t sum;
    if (!beamc_get_be32(&in, &sum) ||
        sum != checksum(name, beamc_slice_of(in.p, beamc_cursor_left(&in)))) {
        return beamc__state_error(dir, NULL, SQLITE_CORRUPT, err);
    }
    return fn(arg, name, beamc_slice_of(in.p, beamc_cursor_left(&in)), err);
}

static beamc_status journal_scan(beamc_journal *j, beamc_slice prefix, beamc_journal_fn fn,
                                 void *arg, beamc_error *err) {
    beamc_state_dir *dir = of(j);
    beamc_buf end = {0};
    bool has_end = prefix_end(prefix, &end);
    pthread_mutex_lock(&dir->read_mu);
    sqlite3_stmt *s = has_end ? dir->range : dir->tail;
    sqlite3_bind_blob64(s, 1, prefix.ptr, prefix.len, SQLITE_STATIC);
    if (has_end) {
        sqlite3_bind_blob64(s, 2, end.ptr, end.len, SQLITE_STATIC);
    }
    beamc_status status = BEAMC_OK;
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && status == BEAMC_OK) {
        status = give_row(dir, s, fn, arg, err);
    }
    if (status == BEAMC_OK && rc != SQLITE_DONE) {
        status = beamc__state_error(dir, dir->reader, rc, err);
    }
    sqlite3_reset(s);
    pthread_mutex_unlock(&dir->read_mu);
    beamc_buf_free(&end);
    return status;
}

const beamc_journal_ops beamc__state_journal_ops = {
    .put = journal_put,
    .remove = journal_remove,
    .commit = journal_commit,
    .scan = journal_scan,
};
