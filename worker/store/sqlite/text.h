/* text.h - values of STR fields in statements: as TEXT, and a UUID of a field marked AW_F_UUID as its 16 bytes, so that
 * rows and above all indexes over ids are smaller. Both read back as the same text. Threads: pure. */
#ifndef AW_STORE_SQLITE_TEXT_H
#define AW_STORE_SQLITE_TEXT_H

#include <sqlite3.h>

#include "worker/base/field.h"

/* Binds the text, NULL as null. It must stay until the statement is reset, as must `arena`, which may be NULL: then
 * SQLite keeps its own copy of the 16 bytes. Returns SQLite's result. */
int aw_sqlite_bind_text(sqlite3_stmt *stmt, int at, const struct aw_field *field, const char *text,
                        struct aw_arena *arena);
/* NULL = null. */
const char *aw_sqlite_read_text(sqlite3_stmt *stmt, int column, const struct aw_field *field,
                                struct aw_arena *arena);

#endif
