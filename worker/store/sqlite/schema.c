#include "worker/store/sqlite/schema.h"

#include <stdlib.h>
#include <string.h>

#include "worker/store/sqlite/arrival.h"
#include "worker/store/sqlite/slice.h"
#include "worker/store/sqlite/spare.h"

static const char *const column_types[] = {
    [AW_T_STR] = "TEXT",     [AW_T_I64] = "INTEGER",  [AW_T_BOOL] = "INTEGER",
    [AW_T_ENUM] = "INTEGER", [AW_T_TIME] = "INTEGER", [AW_T_BYTES] = "BLOB",
    [AW_T_STRS] = "TEXT",    [AW_T_OBJ] = "TEXT",     [AW_T_RAW] = "TEXT",
};

/* Long rows are kept in the order of arrival beside an index on the id, short ones in the index itself; but rows with
 * several indexes too, because the entries of an index then hold a short number instead of the id. */
static bool is_by_number(const struct aw_schema *schema)
{
    if (schema->index_count > 1 || aw_slice_is(schema)) {
        return true;
    }
    for (size_t i = 0; i < schema->n; i++) {
        enum aw_ftype type = schema->fields[i].type;
        if (type == AW_T_RAW || type == AW_T_BYTES) {
            return true;
        }
    }
    return false;
}

/* What a column that is added later holds in the rows that are there: the default of the field. */
static void add_default(struct aw_str *sql, const struct aw_field *field)
{
    const char *text = field->dflt;
    if (text == NULL) {
        return;
    }
    size_t len = strlen(text);
    bool quoted = len >= 2 && text[0] == '"';
    if (field->type == AW_T_I64) {
        aw_str_printf(sql, " DEFAULT %s", text);
    } else if (field->type == AW_T_BOOL) {
        aw_str_printf(sql, " DEFAULT %d", strcmp(text, "true") == 0);
    } else if (field->type == AW_T_ENUM && quoted) {
        aw_str_printf(sql, " DEFAULT %d", aw_words_find(field->arg, text + 1, len - 2));
    } else if (field->type == AW_T_STR && quoted) {
        aw_str_printf(sql, " DEFAULT '%.*s'", (int)len - 2, text + 1);
    } else if (field->type != AW_T_STR && field->type != AW_T_ENUM) {
        aw_str_printf(sql, " DEFAULT '%s'", text);
    }
}

static void table_text(const struct aw_schema *schema, struct aw_str *sql)
{
    bool by_arrival = aw_arrival_is(schema);
    aw_str_printf(sql, "CREATE TABLE IF NOT EXISTS \"%s\"(%s", schema->name,
                  by_arrival ? AW_ARRIVAL_COLUMN " INTEGER PRIMARY KEY,\"id\" TEXT NOT NULL"
                             : "\"id\" TEXT PRIMARY KEY NOT NULL");
    for (size_t i = 1; i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        aw_str_printf(sql, ",\"%s\" %s", field->name, column_types[field->type]);
    }
    if (aw_slice_is(schema)) {
        aw_str_add(sql, "," AW_SLICE_COLUMN " " AW_SLICE_TYPE);
    }
    aw_str_add(sql, by_arrival || is_by_number(schema) ? ")" : ") WITHOUT ROWID");
}

static void index_text(const struct aw_schema *schema, const struct aw_index *index,
                       struct aw_str *sql)
{
    aw_str_printf(sql, "CREATE %sINDEX \"%s.%s\" ON \"%s\"(", index->unique ? "UNIQUE " : "",
                  schema->name, index->name, schema->name);
    if (aw_slice_is_in(schema, index)) {
        aw_str_add(sql, AW_SLICE_COLUMN ",");
    }
    bool one = index->fields[1] ==
               NULL; /* read from either end: in order of arrival it grows at its end */
    for (size_t i = 0; index->fields[i] != NULL; i++) {
        bool descending = index->fields[i][0] == '-';
        aw_str_printf(sql, "%s\"%s\"%s", i > 0 ? "," : "", index->fields[i] + descending,
                      descending && !one ? " DESC" : "");
    }
    aw_str_add(sql, ")");
}

/* First column of the first row, in malloc'ed memory; NULL = no row. `sql` has up to two text
 * parameters. */
static bool ask(struct aw_sqlite_conn *conn, const char *sql, const char *first, const char *second,
                char **answer, struct aw_err *err)
{
    sqlite3_stmt *stmt;
    *answer = NULL;
    if (sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return aw_sqlite_fail(conn, "reading the schema", err);
    }
    const char *const texts[] = {first, second};
    int wanted = sqlite3_bind_parameter_count(stmt);
    for (int i = 0; i < wanted && i < (int)AW_COUNT(texts); i++) {
        sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC);
    }
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        *answer = strdup(text != NULL ? text : "");
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE || aw_sqlite_fail(conn, "reading the schema", err);
}

static bool exec_text(struct aw_sqlite_conn *conn, struct aw_str *sql, struct aw_err *err)
{
    bool ok = aw_sqlite_exec(conn, sql->ptr, err);
    aw_str_fini(sql);
    return ok;
}

/* Adds the column unless it is there; `dflt` as in SQL, or "". */
static bool add_column(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                       const char *name, const char *type, const char *dflt, struct aw_err *err)
{
    char *have;
    if (!ask(conn, "SELECT name FROM pragma_table_info(?) WHERE name=?", schema->name, name, &have,
             err)) {
        return false;
    }
    bool missing = have == NULL;
    free(have);
    if (!missing) {
        return true;
    }
    struct aw_str sql;
    aw_str_init(&sql, NULL);
    aw_str_printf(&sql, "ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s%s", schema->name, name, type,
                  dflt);
    return exec_text(conn, &sql, err);
}

static bool add_missing_columns(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                struct aw_err *err)
{
    bool ok =
        !aw_slice_is(schema) || add_column(conn, schema, AW_SLICE_COLUMN, AW_SLICE_TYPE, "", err);
    for (size_t i = 0; ok && i < schema->n; i++) {
        const struct aw_field *field = &schema->fields[i];
        struct aw_str dflt;
        aw_str_init(&dflt, NULL);
        add_default(&dflt, field);
        ok = add_column(conn, schema, field->name, column_types[field->type], dflt.ptr, err);
        aw_str_fini(&dflt);
    }
    return ok;
}

/* Rows with random ids are found by id and walked in the order of arrival. */
static bool is_made(const struct aw_schema *schema, const struct aw_index *index)
{
    return (!aw_arrival_is(schema) || index->unique) && aw_spare_words(schema, index) == NULL;
}

static bool create_index(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                         const struct aw_index *index, struct aw_err *err)
{
    struct aw_str name, sql;
    char *have;
    aw_str_init(&name, NULL);
    aw_str_init(&sql, NULL);
    aw_str_printf(&name, "%s.%s", schema->name, index->name);
    index_text(schema, index, &sql);
    bool ok = ask(conn, "SELECT sql FROM sqlite_master WHERE type='index' AND name=?", name.ptr,
                  NULL, &have, err);
    if (ok && (have == NULL || strcmp(have, sql.ptr) != 0)) {
        struct aw_str drop;
        aw_str_init(&drop, NULL);
        aw_str_printf(&drop, "DROP INDEX IF EXISTS \"%s\"", name.ptr);
        ok = exec_text(conn, &drop, err) && aw_sqlite_exec(conn, sql.ptr, err);
    }
    free(have);
    aw_str_fini(&sql);
    aw_str_fini(&name);
    return ok;
}

/* Indexes of this table that are named as ours and are not made any more. */
static bool drop_former_indexes(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                struct aw_err *err)
{
    struct aw_str find, drop;
    char *name;
    bool ok = true;
    aw_str_init(&find, NULL);
    aw_str_printf(&find,
                  "SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='%s' AND "
                  "name GLOB '%s.*' AND name NOT IN (''",
                  schema->name, schema->name);
    for (size_t i = 0; i < schema->index_count; i++) {
        if (is_made(schema, &schema->indexes[i])) {
            aw_str_printf(&find, ",'%s.%s'", schema->name, schema->indexes[i].name);
        }
    }
    aw_str_add(&find, ")");
    while (ok && (ok = ask(conn, find.ptr, NULL, NULL, &name, err)) && name != NULL) {
        aw_str_init(&drop, NULL);
        aw_str_printf(&drop, "DROP INDEX \"%s\"", name);
        ok = exec_text(conn, &drop, err);
        free(name);
    }
    aw_str_fini(&find);
    return ok;
}

static bool create_all(struct aw_sqlite_conn *conn, const struct aw_schema *const *schemas,
                       struct aw_err *err)
{
    bool ok = true;
    for (; *schemas != NULL && ok; schemas++) {
        struct aw_str sql;
        aw_str_init(&sql, NULL);
        table_text(*schemas, &sql);
        ok = exec_text(conn, &sql, err) && add_missing_columns(conn, *schemas, err) &&
             (!aw_arrival_is(*schemas) || aw_arrival_create(conn, *schemas, err)) &&
             drop_former_indexes(conn, *schemas, err);
        for (size_t i = 0; i < (*schemas)->index_count && ok; i++) {
            const struct aw_index *index = &(*schemas)->indexes[i];
            ok = !is_made(*schemas, index) || create_index(conn, *schemas, index, err);
        }
    }
    return ok;
}

static bool check_version(struct aw_sqlite_conn *conn, struct aw_err *err)
{
    char *table, *version = NULL;
    bool ok = ask(conn, "SELECT name FROM sqlite_master WHERE type='table' AND name='meta'", NULL,
                  NULL, &table, err);
    ok = ok && (table == NULL || ask(conn, "SELECT value FROM meta WHERE id=?", AW_STORE_VERSION_ID,
                                     NULL, &version, err));
    ok = ok && aw_migrate_check(version, err);
    free(version);
    free(table);
    return ok;
}

bool aw_sqlite_migrate(struct aw_sqlite_conn *conn, const struct aw_schema *const *schemas,
                       struct aw_err *err)
{
    if (!check_version(conn, err)) {
        return false;
    }
    if (!conn->writer) {
        return true;
    }
    if (!aw_sqlite_exec(conn, "BEGIN IMMEDIATE", err)) {
        return false;
    }
    if (create_all(conn, schemas, err) && aw_sqlite_exec(conn, "COMMIT", err)) {
        return true;
    }
    sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}
