#include "worker/store/sqlite/conn.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "worker/base/map.h"
#include "worker/store/sqlite/gather.h"

enum { STATEMENTS_MAX = 512, BUSY_MS = 5000 };

/* What a caller can do about it. Anything but these two is the state of the store, not of the row.
 */
static enum aw_err_kind kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return AW_ERR_CONFLICT;
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return AW_ERR_INVALID;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return AW_ERR_INTERNAL;
    default:
        return AW_ERR_UNAVAILABLE;
    }
}

static const char *code_of(enum aw_err_kind kind)
{
    switch (kind) {
    case AW_ERR_CONFLICT:
        return "store.conflict";
    case AW_ERR_INVALID:
        return "store.refused";
    case AW_ERR_INTERNAL:
        return "store.sql";
    default:
        return "store.down";
    }
}

bool aw_sqlite_fail(struct aw_sqlite_conn *conn, const char *doing, struct aw_err *err)
{
    int rc = sqlite3_extended_errcode(conn->db);
    enum aw_err_kind kind = kind_of(rc);
    /* a full disk and a foreign lock leave the connection as it was */
    if (kind == AW_ERR_UNAVAILABLE && (rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_BUSY) {
        conn->broken = true;
    }
    return aw_fail(err, kind, code_of(kind), "%s: %s (SQLite code %d)", doing,
                   sqlite3_errmsg(conn->db), rc);
}

/* Counting every allocation under a lock serves nobody here. */
static void configure_once(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int wal_grew(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct aw_sqlite_conn *conn = arg;
    (void)db;
    (void)name;
    conn->wal_pages = pages;
    return SQLITE_OK;
}

bool aw_sqlite_exec(struct aw_sqlite_conn *conn, const char *sql, struct aw_err *err)
{
    return sqlite3_exec(conn->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           aw_sqlite_fail(conn, "executing a statement", err);
}

/* Only the writer runs checkpoints, and no connection maps the file: SQLite up to 3.51.2 can damage
 * a write-ahead log when two connections reset it at once. */
static bool set_up(struct aw_sqlite_conn *conn, struct aw_err *err)
{
    char sql[512];
    sqlite3_busy_timeout(conn->db, BUSY_MS);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !conn->writer, NULL);
    if (!conn->writer) {
        snprintf(sql, sizeof(sql),
                 "PRAGMA wal_autocheckpoint=0;PRAGMA mmap_size=0;PRAGMA temp_store=MEMORY;"
                 "PRAGMA query_only=1;PRAGMA cache_size=-%lld",
                 (long long)conn->cache_kib);
        return aw_sqlite_exec(conn, sql, err);
    }
    snprintf(sql, sizeof(sql),
             "PRAGMA page_size=8192;PRAGMA journal_mode=WAL;PRAGMA synchronous=%s;PRAGMA "
             "wal_autocheckpoint=0;"
             "PRAGMA mmap_size=0;PRAGMA temp_store=MEMORY;PRAGMA secure_delete=FAST;"
             "PRAGMA journal_size_limit=%d;PRAGMA cache_size=-%lld",
             strcmp(conn->synchronous, "normal") == 0 ? "NORMAL" : "FULL", 128 << 20,
             (long long)conn->cache_kib);
    if (!aw_sqlite_exec(conn, sql, err)) {
        return false;
    }
    sqlite3_wal_hook(conn->db, wal_grew, conn); /* after the pragma, which would take it away */
    return true;
}

bool aw_sqlite_ready(struct aw_sqlite_conn *conn, struct aw_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (conn->db != NULL && !conn->broken) {
        return true;
    }
    pthread_once(&once, configure_once);
    aw_sqlite_close(conn);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    flags |= conn->writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    conn->statements = aw_map_create();
    const char *vfs = conn->writer ? aw_gather_vfs() : NULL;
    if (sqlite3_open_v2(conn->path, &conn->db, flags, vfs) != SQLITE_OK) {
        aw_sqlite_fail(conn, "opening the database", err);
    } else if (set_up(conn, err)) {
        return true;
    }
    conn->broken = true;
    aw_sqlite_close(conn);
    return false;
}

static void finalize(void *stmt)
{
    sqlite3_finalize(stmt);
}

void aw_sqlite_close(struct aw_sqlite_conn *conn)
{
    aw_map_destroy(&conn->statements, finalize);
    if (conn->db != NULL) {
        if (conn->broken) {
            sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        }
        sqlite3_close(conn->db);
        conn->db = NULL;
    }
    conn->broken = false;
}

static bool prepare(struct aw_sqlite_conn *conn, const char *sql, size_t len,
                    struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    unsigned flags = stmt->temporary ? 0 : SQLITE_PREPARE_PERSISTENT;
    return sqlite3_prepare_v3(conn->db, sql, (int)len, flags, &stmt->stmt, NULL) == SQLITE_OK ||
           aw_sqlite_fail(conn, "preparing a statement", err);
}

bool aw_sqlite_take_known(struct aw_sqlite_conn *conn, const void *key, size_t len,
                          struct aw_sqlite_stmt *stmt)
{
    stmt->stmt = aw_map_get(conn->statements, key, len);
    stmt->temporary = stmt->stmt != NULL ? sqlite3_stmt_busy(stmt->stmt)
                                         : aw_map_count(conn->statements) >= STATEMENTS_MAX;
    return stmt->stmt != NULL && !stmt->temporary;
}

bool aw_sqlite_take_new(struct aw_sqlite_conn *conn, const void *key, size_t len,
                        const struct aw_str *sql, struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    if (!prepare(conn, sql->ptr, sql->len, stmt, err)) {
        return false;
    }
    if (!stmt->temporary) {
        aw_map_put(conn->statements, key, len, stmt->stmt);
    }
    return true;
}

bool aw_sqlite_take(struct aw_sqlite_conn *conn, const char *sql, size_t len,
                    struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    const struct aw_str text = {.ptr = (char *)(uintptr_t)sql, .len = len};
    return aw_sqlite_take_known(conn, sql, len, stmt) ||
           aw_sqlite_take_new(conn, sql, len, &text, stmt, err);
}

bool aw_sqlite_take_verb(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                         aw_sqlite_text *text, struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    const struct {
        const struct aw_schema *schema;
        aw_sqlite_text *text;
    } key = {schema, text};
    if (aw_sqlite_take_known(conn, &key, sizeof(key), stmt)) {
        return true;
    }
    struct aw_str sql;
    aw_str_init(&sql, NULL);
    text(schema, &sql);
    bool ok = aw_sqlite_take_new(conn, &key, sizeof(key), &sql, stmt, err);
    aw_str_fini(&sql);
    return ok;
}

void aw_sqlite_give(struct aw_sqlite_stmt *stmt)
{
    if (stmt->temporary) {
        sqlite3_finalize(stmt->stmt);
    } else {
        sqlite3_reset(stmt->stmt);
        sqlite3_clear_bindings(stmt->stmt);
    }
    stmt->stmt = NULL;
}
