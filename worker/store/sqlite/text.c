#include "worker/store/sqlite/text.h"

#include <string.h>

#include "src/aw_id.h"
#include "worker/model/model.h"

/* Only what reads back as the same text. */
static bool pack(const struct aw_field *field, const char *text, size_t len, uint8_t id[AW_ID_LEN])
{
    char again[AW_ID_TEXT + 1];
    if ((field->flags & AW_F_UUID) == 0 || !aw_id_parse(text, len, id)) {
        return false;
    }
    aw_id_format(id, again);
    return memcmp(again, text, AW_ID_TEXT) == 0;
}

int aw_sqlite_bind_text(sqlite3_stmt *stmt, int at, const struct aw_field *field, const char *text,
                        struct aw_arena *arena)
{
    uint8_t id[AW_ID_LEN];
    if (text == NULL) {
        return sqlite3_bind_null(stmt, at);
    }
    size_t len = strlen(text);
    if (!pack(field, text, len, id)) {
        return sqlite3_bind_text(stmt, at, text, (int)len, SQLITE_STATIC);
    }
    return arena != NULL ? sqlite3_bind_blob(stmt, at, aw_arena_copy(arena, id, sizeof(id)),
                                             sizeof(id), SQLITE_STATIC)
                         : sqlite3_bind_blob(stmt, at, id, sizeof(id), SQLITE_TRANSIENT);
}

const char *aw_sqlite_read_text(sqlite3_stmt *stmt, int column, const struct aw_field *field,
                                struct aw_arena *arena)
{
    bool packed = (field->flags & AW_F_UUID) != 0 &&
                  sqlite3_column_type(stmt, column) == SQLITE_BLOB &&
                  sqlite3_column_bytes(stmt, column) == AW_ID_LEN;
    if (packed) {
        char *text = aw_arena_alloc(arena, AW_ID_TEXT + 1);
        aw_id_format(sqlite3_column_blob(stmt, column), text);
        return text;
    }
    const void *text = sqlite3_column_text(stmt, column);
    return text != NULL ? aw_arena_strn(arena, text, (size_t)sqlite3_column_bytes(stmt, column))
                        : NULL;
}
