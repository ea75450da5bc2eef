#include "worker/store/sqlite/select.h"

#include <string.h>

#include "worker/model/model.h"
#include "worker/store/query.h"
#include "worker/store/sqlite/arrival.h"
#include "worker/store/sqlite/rows.h"
#include "worker/store/sqlite/slice.h"
#include "worker/store/sqlite/spare.h"
#include "worker/store/sqlite/text.h"

static const char *const operators[] = {
    [AW_OP_EQ] = "=",  [AW_OP_NE] = " IS NOT ", [AW_OP_GT] = ">",
    [AW_OP_GE] = ">=", [AW_OP_LT] = "<",        [AW_OP_LE] = "<=",
};

static void add_places(struct aw_str *sql, const char *place, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        aw_str_printf(sql, "%s%s", i > 0 ? "," : "", place);
    }
}

/* The text depends on the shape of the query only, never on its values: few statements serve all.
 */
static void add_cond(struct aw_str *sql, const struct aw_cond *cond, const struct aw_field *field)
{
    if (cond->op == AW_OP_IN) {
        aw_str_printf(sql, "\"%s\" IN (", field->name);
        add_places(sql, "?", cond->in.n);
        aw_str_add(sql, ")");
    } else if (field->type == AW_T_STRS) {
        aw_str_printf(sql, "? IN (SELECT value FROM json_each(\"%s\"))", field->name);
    } else if (!aw_field_is_number(field) && cond->text == NULL) {
        aw_str_printf(sql, "\"%s\" IS %sNULL", field->name, cond->op == AW_OP_NE ? "NOT " : "");
    } else {
        aw_str_printf(sql, "\"%s\"%s?", field->name, operators[cond->op]);
    }
}

/* Rows behind (sort value, id). Null sorts first and compares with nothing in SQL. */
static void add_after(struct aw_str *sql, const struct aw_match *match)
{
    const struct aw_query *query = match->query;
    const char *sort = match->sort->name;
    char sign = query->descending ? '<' : '>';
    if (match->sort == match->id) {
        aw_str_printf(sql, "\"id\"%c?", sign);
    } else if (!aw_field_is_number(match->sort) && query->after_text == NULL) {
        aw_str_printf(sql, "(\"%s\" IS NULL AND \"id\"%c?", sort, sign);
        aw_str_printf(sql, query->descending ? ")" : " OR \"%s\" IS NOT NULL)", sort);
    } else if (query->descending && (match->sort->flags & AW_F_NULLABLE) != 0 &&
               !aw_field_is_number(match->sort)) {
        aw_str_printf(sql, "((\"%s\",\"id\")<(?,?) OR \"%s\" IS NULL)", sort, sort);
    } else {
        aw_str_printf(sql, "(\"%s\",\"id\")%c(?,?)", sort, sign);
    }
}

/* What is asked for value by value: one column or none, and the words of an ENUM or none. */
struct split {
    const char *column;
    size_t list; /* the condition that lists its values; AW_QUERY_CONDS = they are the slices */
    const struct aw_field *words;
};

static bool is_in_slices(const struct aw_match *match, size_t i)
{
    const struct aw_cond *cond = &match->query->conds[i];
    return cond->op == AW_OP_EQ && cond->text != NULL &&
           (match->fields[i]->flags & AW_F_SCATTERED) != 0 && aw_slice_is(match->query->schema);
}

/* With a list of companies and an order, an index gives the first rows of each company at once, but the first of all
 * only by sorting every row of theirs; so it is with the words. */
static struct split split_of(const struct aw_match *match, bool count)
{
    const struct aw_query *query = match->query;
    struct split split = {.list = AW_QUERY_CONDS};
    for (size_t i = 0; i < query->n; i++) {
        if (is_in_slices(match, i)) {
            split.column = AW_SLICE_COLUMN;
            return split;
        }
    }
    if (query->limit == 0 || count) {
        return split;
    }
    split.words = aw_spare_words_of(match);
    for (size_t i = 0; i < query->n && split.column == NULL; i++) {
        if (query->conds[i].op == AW_OP_IN && query->conds[i].in.n > 0) {
            split.column = match->fields[i]->name;
            split.list = i;
        }
    }
    return split;
}

static void add_where(struct aw_str *sql, const struct aw_match *match, const struct split *split)
{
    const struct aw_query *query = match->query;
    const char *before = " WHERE ";
    if (split->column != NULL) {
        aw_str_printf(sql, "%s\"%s\"=split_by", before, split->column);
        before = " AND ";
    }
    if (split->words != NULL) {
        aw_str_printf(sql, "%s\"%s\"=split_word", before, split->words->name);
        before = " AND ";
    }
    for (size_t i = 0; i < query->n; i++) {
        if (i != split->list) {
            aw_str_add(sql, before);
            add_cond(sql, &query->conds[i], match->fields[i]);
            before = " AND ";
        }
    }
    if (query->after_id != NULL) {
        aw_str_add(sql, before);
        add_after(sql, match);
    }
}

static void add_order(struct aw_str *sql, const struct aw_match *match)
{
    const char *direction = match->query->descending ? " DESC" : "";
    aw_str_add(sql, " ORDER BY ");
    if (match->sort != match->id) {
        aw_str_printf(sql, "\"%s\"%s,", match->sort->name, direction);
    }
    aw_str_printf(sql, "\"id\"%s", direction);
    if (match->query->limit != 0) {
        aw_str_add(sql, " LIMIT ?");
    }
}

static int bind_text(sqlite3_stmt *stmt, int at, const struct aw_field *field, const char *text)
{
    return aw_sqlite_bind_text(stmt, at, field, text, NULL);
}

static int bind_list(sqlite3_stmt *stmt, int *at, const struct aw_field *field,
                     const struct aw_strs *list)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < list->n && rc == SQLITE_OK; i++) {
        rc = bind_text(stmt, ++*at, field, list->v[i]);
    }
    return rc;
}

static int bind_cond(sqlite3_stmt *stmt, int *at, const struct aw_cond *cond,
                     const struct aw_field *field)
{
    if (cond->op == AW_OP_IN) {
        return bind_list(stmt, at, field, &cond->in);
    }
    if (aw_field_is_number(field)) {
        return sqlite3_bind_int64(stmt, ++*at, cond->number);
    }
    return cond->text != NULL ? bind_text(stmt, ++*at, field, cond->text) : SQLITE_OK;
}

static int bind_after(sqlite3_stmt *stmt, int *at, const struct aw_match *match)
{
    const struct aw_query *query = match->query;
    int rc = SQLITE_OK;
    if (query->after_id == NULL) {
        return rc;
    }
    if (match->sort != match->id && aw_field_is_number(match->sort)) {
        rc = sqlite3_bind_int64(stmt, ++*at, query->after_number);
    } else if (match->sort != match->id && query->after_text != NULL) {
        rc = bind_text(stmt, ++*at, match->sort, query->after_text);
    }
    return rc == SQLITE_OK ? bind_text(stmt, ++*at, match->id, query->after_id) : rc;
}

/* In the order in which the text names the parameters; limits are what is left at the end. */
static bool bind_query(sqlite3_stmt *stmt, const struct aw_match *match, const struct split *split)
{
    const struct aw_query *query = match->query;
    int at = 0, rc = SQLITE_OK;
    if (split->list < query->n) {
        rc = bind_list(stmt, &at, match->fields[split->list], &query->conds[split->list].in);
    }
    for (size_t i = 0; i < query->n && rc == SQLITE_OK; i++) {
        if (i != split->list) {
            rc = bind_cond(stmt, &at, &query->conds[i], match->fields[i]);
        }
    }
    rc = rc == SQLITE_OK ? bind_after(stmt, &at, match) : rc;
    while (rc == SQLITE_OK && at < sqlite3_bind_parameter_count(stmt)) {
        rc = sqlite3_bind_int64(stmt, ++at, (int64_t)query->limit);
    }
    return rc == SQLITE_OK;
}

/* The reads of a unit of work share one transaction, which its commit takes over: alone, each would lock the log
 * anew. A reader has begun its own. */
static bool ready(struct aw_sqlite_conn *conn, struct aw_err *err)
{
    return aw_sqlite_ready(conn, err) &&
           (sqlite3_get_autocommit(conn->db) == 0 || aw_sqlite_exec(conn, "BEGIN", err));
}

static void add_from(struct aw_str *sql, const struct aw_match *match, const struct split *split)
{
    const struct aw_query *query = match->query;
    aw_str_add(sql, " FROM ");
    if (split->list < query->n) {
        aw_str_add(sql, "(SELECT DISTINCT column1 AS split_by FROM (VALUES");
        add_places(sql, "(?)", query->conds[split->list].in.n);
        aw_str_add(sql, ")) CROSS JOIN ");
    } else if (split->column != NULL) {
        aw_str_add(sql, "(");
        aw_slice_all_text(query->schema, "split_by", sql);
        aw_str_add(sql, ") CROSS JOIN ");
    }
    if (split->words != NULL) {
        const char *const *words = split->words->arg;
        aw_str_add(sql, "(SELECT column1 AS split_word FROM (VALUES(0)");
        for (int i = 1; words[i] != NULL; i++) {
            aw_str_printf(sql, ",(%d)", i);
        }
        aw_str_add(sql, ")) CROSS JOIN ");
    }
    aw_str_printf(sql, "\"%s\"", query->schema->name);
}

/* The first rows of each value, and of those the first. */
static void rows_text(struct aw_str *sql, const struct aw_match *match, const struct split *split)
{
    const struct aw_schema *schema = match->query->schema;
    bool nested = (split->column != NULL || split->words != NULL) && match->query->limit != 0;
    aw_str_add(sql, "SELECT ");
    aw_sqlite_columns(schema, sql);
    add_from(sql, match, split);
    if (nested) {
        aw_str_printf(sql, " WHERE \"id\" IN (SELECT \"id\" FROM \"%s\"", schema->name);
    }
    add_where(sql, match, split);
    if (nested) {
        add_order(sql, match);
        aw_str_add(sql, ")");
    }
    add_order(sql, match);
}

static void count_text(struct aw_str *sql, const struct aw_match *match, const struct split *split)
{
    aw_str_add(sql, "SELECT count(*)");
    add_from(sql, match, split);
    add_where(sql, match, split);
}

static bool take_query(struct aw_sqlite_conn *conn, const struct aw_match *match, bool count,
                       struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    const struct split split = split_of(match, count);
    struct aw_str sql;
    aw_str_init(&sql, NULL);
    if (count) {
        count_text(&sql, match, &split);
    } else {
        rows_text(&sql, match, &split);
    }
    bool ok = aw_sqlite_take(conn, sql.ptr, sql.len, stmt, err);
    aw_str_fini(&sql);
    if (ok && !bind_query(stmt->stmt, match, &split)) {
        ok = aw_sqlite_fail(conn, "binding a query", err);
        aw_sqlite_give(stmt);
    }
    return ok;
}

bool aw_sqlite_each(struct aw_sqlite_conn *conn, const struct aw_query *query,
                    struct aw_arena *arena, bool (*each)(void *arg, void *row), void *arg,
                    struct aw_err *err)
{
    struct aw_match match;
    struct aw_sqlite_stmt stmt;
    if (!aw_match_init(&match, query, err) || !ready(conn, err) ||
        !take_query(conn, &match, false, &stmt, err)) {
        return false;
    }
    bool ok = true, more = true;
    while (ok && more) {
        int rc = sqlite3_step(stmt.stmt);
        void *row = NULL;
        if (rc == SQLITE_DONE) {
            break;
        }
        ok = rc == SQLITE_ROW ? aw_sqlite_read_row(stmt.stmt, query->schema, arena, &row, err)
                              : aw_sqlite_fail(conn, "reading rows", err);
        more = ok && each(arg, row);
    }
    aw_sqlite_give(&stmt);
    return ok;
}

static void walk_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_add(sql, "SELECT ");
    aw_sqlite_columns(schema, sql);
    aw_str_printf(sql,
                  "," AW_ARRIVAL_COLUMN " FROM \"%s\" WHERE " AW_ARRIVAL_COLUMN
                  ">? ORDER BY " AW_ARRIVAL_COLUMN " LIMIT ?",
                  schema->name);
}

bool aw_sqlite_walk(struct aw_sqlite_conn *conn, const struct aw_schema *schema, int64_t *place,
                    size_t limit, struct aw_arena *arena, bool (*each)(void *arg, void *row),
                    void *arg, struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    if (!ready(conn, err) || !aw_sqlite_take_verb(conn, schema, walk_text, &stmt, err)) {
        return false;
    }
    sqlite3_bind_int64(stmt.stmt, 1, *place);
    sqlite3_bind_int64(stmt.stmt, 2, (int64_t)limit);
    int rc = SQLITE_ROW;
    bool ok = true, more = true;
    while (ok && more && (rc = sqlite3_step(stmt.stmt)) == SQLITE_ROW) {
        void *row = NULL;
        ok = aw_sqlite_read_row(stmt.stmt, schema, arena, &row, err);
        *place = sqlite3_column_int64(stmt.stmt, (int)schema->n);
        more = ok && each(arg, row);
    }
    ok = ok && (rc == SQLITE_ROW || rc == SQLITE_DONE || aw_sqlite_fail(conn, "walking", err));
    aw_sqlite_give(&stmt);
    return ok;
}

bool aw_sqlite_count(struct aw_sqlite_conn *conn, const struct aw_query *query, int64_t *count,
                     struct aw_err *err)
{
    struct aw_match match;
    struct aw_sqlite_stmt stmt;
    if (!aw_match_init(&match, query, err) || !ready(conn, err) ||
        !take_query(conn, &match, true, &stmt, err)) {
        return false;
    }
    bool ok = sqlite3_step(stmt.stmt) == SQLITE_ROW || aw_sqlite_fail(conn, "counting rows", err);
    *count = ok ? sqlite3_column_int64(stmt.stmt, 0) : 0;
    aw_sqlite_give(&stmt);
    return ok;
}

bool aw_sqlite_get_many(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                        const char *const *ids, size_t n, struct aw_arena *arena, void **rows,
                        struct aw_err *err)
{
    struct aw_arrival *arrival = aw_arrival_of(conn->arrivals, schema);
    struct aw_sqlite_stmt stmt;
    if (!ready(conn, err)) {
        return false;
    }
    if (arrival != NULL) {
        return aw_arrival_get_many(arrival, conn, ids, n, arena, rows, err);
    }
    if (!aw_sqlite_take_verb(conn, schema, aw_sqlite_get_text, &stmt, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        rows[i] = NULL;
        int rc = bind_text(stmt.stmt, 1, &schema->fields[0], ids[i]);
        rc = rc == SQLITE_OK ? sqlite3_step(stmt.stmt) : rc;
        if (rc == SQLITE_ROW) {
            ok = aw_sqlite_read_row(stmt.stmt, schema, arena, &rows[i], err);
        } else if (rc != SQLITE_DONE) {
            ok = aw_sqlite_fail(conn, "reading rows by id", err);
        }
        sqlite3_reset(stmt.stmt);
    }
    aw_sqlite_give(&stmt);
    return ok;
}
