/* rows.h - rows to statements and back, by field tables; texts of the statements.
 *
 * STR (but see text.h) and RAW are TEXT, numbers INTEGER (a time of null is 0), BYTES BLOB, STRS and OBJ their JSON
 * text. Threads: pure. */
#ifndef AW_STORE_SQLITE_ROWS_H
#define AW_STORE_SQLITE_ROWS_H

#include <sqlite3.h>

#include "worker/base/str.h"
#include "worker/store/driver.h"

/* Binds every field in the order of the table to the parameters 1..n. Memory of the row and of the
 * arena must stay until the statement is reset. */
AW_MUST_CHECK bool aw_sqlite_bind_row(sqlite3_stmt *stmt, const struct aw_schema *schema,
                                      const void *row, struct aw_arena *arena);
/* Reads the columns of the statement, in the order of the table, into a new row. */
AW_MUST_CHECK bool aw_sqlite_read_row(sqlite3_stmt *stmt, const struct aw_schema *schema,
                                      struct aw_arena *arena, void **row, struct aw_err *err);

/* All fields, quoted, with commas. */
void aw_sqlite_columns(const struct aw_schema *schema, struct aw_str *sql);
void aw_sqlite_insert_text(const struct aw_schema *schema, struct aw_str *sql);
/* Bit map of the fields of indexes. */
uint64_t aw_sqlite_indexed(const struct aw_schema *schema);
/* Those of them that are the same in both rows; 0 without a stored one. */
uint64_t aw_sqlite_kept(const struct aw_schema *schema, uint64_t indexed, const void *stored,
                        const void *row);
/* Sets every column but id and those kept; parameters are numbered by field, the last is the version expected. */
void aw_sqlite_replace_text(const struct aw_schema *schema, uint64_t kept, struct aw_str *sql);
/* Parameters: id, version. */
void aw_sqlite_delete_text(const struct aw_schema *schema, struct aw_str *sql);
/* Parameter: id. */
void aw_sqlite_get_text(const struct aw_schema *schema, struct aw_str *sql);

#endif
