/* conn.h - one SQLite connection with its prepared statements.
 *
 * Statements are made once and found again by their text, or by (schema, verb). One that is in use
 * (a row callback that reads again) is made a second time for that call. After an I/O error the
 * connection is broken and is opened anew before its next use. Threads: one at a time. Owner:
 * open/close. */
#ifndef AW_STORE_SQLITE_CONN_H
#define AW_STORE_SQLITE_CONN_H

#include <sqlite3.h>

#include "worker/base/str.h"
#include "worker/store/driver.h"

struct aw_sqlite_conn {
    const char *path; /* kept */
    bool writer;
    int64_t cache_kib;
    const char *synchronous; /* kept; writer only: "full", "normal" */
    sqlite3 *db;             /* NULL = to be opened */
    bool broken;
    struct aw_map *statements;
    struct aw_arrival *const *arrivals; /* writer: NULL-terminated; kept */
    int wal_pages; /* writer: size of the write-ahead log after the last commit */
};

/* Opens unless it is open and whole. */
AW_MUST_CHECK bool aw_sqlite_ready(struct aw_sqlite_conn *conn, struct aw_err *err);
void aw_sqlite_close(struct aw_sqlite_conn *conn);
/* Statements without parameters and rows. */
AW_MUST_CHECK bool aw_sqlite_exec(struct aw_sqlite_conn *conn, const char *sql, struct aw_err *err);
/* Fills err from what the connection says about its last call, and marks the connection as broken
 * if it is. */
bool aw_sqlite_fail(struct aw_sqlite_conn *conn, const char *doing, struct aw_err *err);

struct aw_sqlite_stmt {
    sqlite3_stmt *stmt;
    bool temporary;
};
/* The statement of a text, or of a key whose text `write` writes when it is made. Give it back. */
AW_MUST_CHECK bool aw_sqlite_take(struct aw_sqlite_conn *conn, const char *sql, size_t len,
                                  struct aw_sqlite_stmt *stmt, struct aw_err *err);
typedef void aw_sqlite_text(const struct aw_schema *schema, struct aw_str *sql);
AW_MUST_CHECK bool aw_sqlite_take_verb(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                       aw_sqlite_text *text, struct aw_sqlite_stmt *stmt,
                                       struct aw_err *err);
/* The same for a key of another kind: is its statement there and free? If not, it is made of a text. Both calls with
 * the same stmt. */
bool aw_sqlite_take_known(struct aw_sqlite_conn *conn, const void *key, size_t len,
                          struct aw_sqlite_stmt *stmt);
AW_MUST_CHECK bool aw_sqlite_take_new(struct aw_sqlite_conn *conn, const void *key, size_t len,
                                      const struct aw_str *sql, struct aw_sqlite_stmt *stmt,
                                      struct aw_err *err);
/* Resets it and forgets what is bound. */
void aw_sqlite_give(struct aw_sqlite_stmt *stmt);

#endif
