#include "worker/store/sqlite/rows.h"

#include <string.h>

#include "worker/base/json.h"
#include "worker/store/sqlite/slice.h"
#include "worker/store/sqlite/text.h"

static int bind_bytes(sqlite3_stmt *stmt, int at, const struct aw_bytes *bytes)
{
    return bytes->ptr != NULL ? sqlite3_bind_blob64(stmt, at, bytes->ptr, bytes->len, SQLITE_STATIC)
                              : sqlite3_bind_null(stmt, at);
}

/* JSON text of a list or a nested row. */
static int bind_json(sqlite3_stmt *stmt, int at, const struct aw_field *field, const void *row,
                     struct aw_arena *arena)
{
    struct aw_str text;
    struct aw_json json;
    if (field->type == AW_T_OBJ && *(const void *const *)aw_field_at(field, row) == NULL) {
        return sqlite3_bind_null(stmt, at);
    }
    aw_str_init(&text, arena);
    aw_json_init(&json, &text);
    if (field->type == AW_T_OBJ) {
        aw_json_row(&json, field->arg, *(const void *const *)aw_field_at(field, row), true);
    } else {
        aw_json_field(&json, field, row);
    }
    return sqlite3_bind_text(stmt, at, text.ptr, (int)text.len, SQLITE_STATIC);
}

bool aw_sqlite_bind_row(sqlite3_stmt *stmt, const struct aw_schema *schema, const void *row,
                        struct aw_arena *arena)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < schema->n && rc == SQLITE_OK; i++) {
        const struct aw_field *field = &schema->fields[i];
        const void *at = aw_field_at(field, row);
        int place = (int)i + 1;
        switch (field->type) {
        case AW_T_STR:
        case AW_T_RAW:
            rc = aw_sqlite_bind_text(stmt, place, field, *(const char *const *)at, arena);
            break;
        case AW_T_I64:
        case AW_T_TIME:
            rc = sqlite3_bind_int64(stmt, place, *(const int64_t *)at);
            break;
        case AW_T_BOOL:
            rc = sqlite3_bind_int(stmt, place, *(const bool *)at);
            break;
        case AW_T_ENUM:
            rc = sqlite3_bind_int(stmt, place, *(const int *)at);
            break;
        case AW_T_BYTES:
            rc = bind_bytes(stmt, place, at);
            break;
        case AW_T_STRS:
        case AW_T_OBJ:
            rc = bind_json(stmt, place, field, row, arena);
            break;
        }
    }
    return rc == SQLITE_OK;
}

/* An empty blob comes back as NULL: the type tells it from null. */
static struct aw_bytes read_bytes(sqlite3_stmt *stmt, int column, struct aw_arena *arena)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        return (struct aw_bytes){.ptr = NULL};
    }
    const void *data = sqlite3_column_blob(stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);
    return (struct aw_bytes){.ptr = aw_arena_copy(arena, data, len), .len = len};
}

static bool read_strs(sqlite3_stmt *stmt, int column, struct aw_arena *arena, struct aw_strs *list,
                      struct aw_err *err)
{
    const void *text = sqlite3_column_text(stmt, column);
    struct aw_node *root;
    if (text == NULL) {
        return true;
    }
    if (!aw_json_parse(text, (size_t)sqlite3_column_bytes(stmt, column), arena, &root, err)) {
        return false;
    }
    size_t n = 0;
    for (const struct aw_node *node = root->child; node != NULL; node = node->next) {
        n++;
    }
    const char **items = AW_NEW_N(arena, const char *, n);
    for (const struct aw_node *node = root->child; node != NULL; node = node->next) {
        items[list->n++] = aw_arena_strn(arena, node->text, node->len);
    }
    list->v = items;
    return true;
}

static bool read_obj(sqlite3_stmt *stmt, int column, const struct aw_schema *schema,
                     struct aw_arena *arena, const void **nested, struct aw_err *err)
{
    const void *text = sqlite3_column_text(stmt, column);
    if (text == NULL) {
        return true;
    }
    void *row = aw_arena_zero(arena, schema->size);
    *nested = row;
    return aw_json_decode(schema, AW_JSON_STORED, text, (size_t)sqlite3_column_bytes(stmt, column),
                          arena, row, NULL, NULL, err);
}

static bool read_field(sqlite3_stmt *stmt, int column, const struct aw_field *field,
                       struct aw_arena *arena, void *at, struct aw_err *err)
{
    switch (field->type) {
    case AW_T_STR:
    case AW_T_RAW:
        *(const char **)at = aw_sqlite_read_text(stmt, column, field, arena);
        break;
    case AW_T_I64:
    case AW_T_TIME:
        *(int64_t *)at = sqlite3_column_int64(stmt, column);
        break;
    case AW_T_BOOL:
        *(bool *)at = sqlite3_column_int(stmt, column) != 0;
        break;
    case AW_T_ENUM:
        *(int *)at = sqlite3_column_int(stmt, column);
        break;
    case AW_T_BYTES:
        *(struct aw_bytes *)at = read_bytes(stmt, column, arena);
        break;
    case AW_T_STRS:
        return read_strs(stmt, column, arena, at, err);
    case AW_T_OBJ:
        return read_obj(stmt, column, field->arg, arena, at, err);
    }
    return true;
}

bool aw_sqlite_read_row(sqlite3_stmt *stmt, const struct aw_schema *schema, struct aw_arena *arena,
                        void **row, struct aw_err *err)
{
    *row = aw_arena_zero(arena, schema->size);
    for (size_t i = 0; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        struct aw_err why;
        if (!read_field(stmt, (int)i, field, arena, aw_field_at(field, *row), &why)) {
            return aw_fail(err, AW_ERR_INTERNAL, "store.row", "%s.%s of a stored row: %s",
                           schema->name, field->name, why.msg);
        }
    }
    return true;
}

void aw_sqlite_columns(const struct aw_schema *schema, struct aw_str *sql)
{
    for (size_t i = 0; i < schema->n; i++) {
        aw_str_printf(sql, "%s\"%s\"", i > 0 ? "," : "", schema->fields[i].name);
    }
}

void aw_sqlite_insert_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "INSERT INTO \"%s\"(", schema->name);
    aw_sqlite_columns(schema, sql);
    aw_str_add(sql, aw_slice_is(schema) ? "," AW_SLICE_COLUMN ") VALUES(?" : ") VALUES(?");
    for (size_t i = 1; i < schema->n; i++) {
        aw_str_add(sql, ",?");
    }
    if (aw_slice_is(schema)) {
        aw_str_add(sql, ",");
        aw_slice_newest_text(schema, sql);
    }
    aw_str_add(sql, ")");
}

uint64_t aw_sqlite_indexed(const struct aw_schema *schema)
{
    uint64_t indexed = 0;
    for (size_t i = 0; i < schema->index_count; i++) {
        for (const char *const *name = schema->indexes[i].fields; *name != NULL; name++) {
            indexed |= UINT64_C(1) << aw_schema_index_of(schema, *name + (**name == '-'));
        }
    }
    return indexed;
}

uint64_t aw_sqlite_kept(const struct aw_schema *schema, uint64_t indexed, const void *stored,
                        const void *row)
{
    uint64_t kept = 0;
    for (; stored != NULL && indexed != 0; indexed &= indexed - 1) {
        int at = __builtin_ctzll(indexed);
        if (aw_field_compare(&schema->fields[at], stored, row) == 0) {
            kept |= UINT64_C(1) << at;
        }
    }
    return kept;
}

void aw_sqlite_replace_text(const struct aw_schema *schema, uint64_t kept, struct aw_str *sql)
{
    aw_str_printf(sql, "UPDATE \"%s\" SET \"%s\"=?2", schema->name, schema->fields[1].name);
    for (size_t i = 2; i < schema->n; i++) {
        if ((kept >> i & 1) == 0) {
            aw_str_printf(sql, ",\"%s\"=?%zu", schema->fields[i].name, i + 1);
        }
    }
    aw_str_printf(sql, " WHERE \"id\"=?1 AND \"version\"=?%zu", schema->n + 1);
}

void aw_sqlite_delete_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "DELETE FROM \"%s\" WHERE \"id\"=? AND \"version\"=?", schema->name);
}

void aw_sqlite_get_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_add(sql, "SELECT ");
    aw_sqlite_columns(schema, sql);
    aw_str_printf(sql, " FROM \"%s\" WHERE \"id\"=?", schema->name);
}
