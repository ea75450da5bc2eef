#include "worker/store/sqlite/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "worker/base/alloc.h"
#include "worker/base/siphash.h"
#include "worker/model/model.h"
#include "worker/store/sqlite/pairs.h"
#include "worker/store/sqlite/rows.h"

/* Entries moved for each row that is inserted: a full map is gone before the next is full. */
enum { SLICE = 2 };

/* A few megabytes, and a fraction of a second to read at start. */
size_t aw_arrival_map_full = 1 << 17;

struct aw_arrival {
    const struct aw_schema *schema;
    bool loaded;
    bool changed;           /* by this transaction */
    struct aw_pairs newest; /* rows that are not in the hash table */
    struct aw_pairs moving; /* on their way there */
    struct aw_pair *sorted; /* the same, in the order of the hash */
    size_t moved;           /* of sorted */
    int64_t moving_up_to;   /* highest row number among them */
    int64_t last_row;
    size_t inserted;        /* by this transaction */
    struct aw_pairs absent; /* hashes that no row has, asked for in this transaction */
};

static uint64_t hash_of(const char *id)
{
    static const uint64_t key[2] = {0, 0}; /* stored: it must not change */
    return aw_siphash(key, id, strlen(id));
}

/* --- texts --- */

static void get_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_sqlite_get_text(schema, sql);
    aw_str_add(sql, " AND " AW_ARRIVAL_COLUMN "=?");
}

static void replace_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_sqlite_replace_text(schema, 0, sql);
    aw_str_add(sql, " AND " AW_ARRIVAL_COLUMN "=?");
}

static void delete_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_sqlite_delete_text(schema, sql);
    aw_str_add(sql, " AND " AW_ARRIVAL_COLUMN "=?");
}

static void candidates_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "SELECT row FROM \"%s.hash\" WHERE hash=?", schema->name);
}

static void move_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "INSERT OR IGNORE INTO \"%s.hash\"(hash,row) VALUES(?,?)", schema->name);
}

static void forget_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "DELETE FROM \"%s.hash\" WHERE hash=? AND row=?", schema->name);
}

static void settled_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "INSERT OR REPLACE INTO arrivals(name,row) VALUES('%s',?)", schema->name);
}

/* The number is given here and never a second time, also when the newest rows were deleted. */
static void insert_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql, "INSERT INTO \"%s\"(", schema->name);
    aw_sqlite_columns(schema, sql);
    aw_str_add(sql, "," AW_ARRIVAL_COLUMN ") VALUES(?");
    for (size_t i = 0; i < schema->n; i++) {
        aw_str_add(sql, ",?");
    }
    aw_str_add(sql, ")");
}

/* First the number that is settled, without an id, then the rows behind it. */
static void load_text(const struct aw_schema *schema, struct aw_str *sql)
{
    aw_str_printf(sql,
                  "SELECT row,NULL FROM arrivals WHERE name='%s' UNION ALL "
                  "SELECT " AW_ARRIVAL_COLUMN ",id FROM \"%s\" WHERE " AW_ARRIVAL_COLUMN ">"
                  "coalesce((SELECT row FROM arrivals WHERE name='%s'),0)",
                  schema->name, schema->name, schema->name);
}

/* --- opening --- */

bool aw_arrival_is(const struct aw_schema *schema)
{
    return (schema->fields[0].flags & AW_F_RANDOM) != 0;
}

bool aw_arrival_create(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                       struct aw_err *err)
{
    struct aw_str sql;
    aw_str_init(&sql, NULL);
    aw_str_printf(&sql,
                  "CREATE TABLE IF NOT EXISTS arrivals(name TEXT PRIMARY KEY NOT NULL,row INTEGER) "
                  "WITHOUT ROWID;CREATE TABLE IF NOT EXISTS \"%s.hash\"(hash INTEGER,row INTEGER,"
                  "PRIMARY KEY(hash,row)) WITHOUT ROWID",
                  schema->name);
    bool ok = aw_sqlite_exec(conn, sql.ptr, err);
    aw_str_fini(&sql);
    return ok;
}

struct aw_arrival *aw_arrival_open(const struct aw_schema *schema)
{
    struct aw_arrival *arrival = aw_alloc_zero(1, sizeof(*arrival));
    arrival->schema = schema;
    return arrival;
}

static void stop_moving(struct aw_arrival *arrival)
{
    aw_pairs_clear(&arrival->moving);
    free(arrival->sorted);
    arrival->sorted = NULL;
    arrival->moved = 0;
}

void aw_arrival_close(struct aw_arrival **arrival)
{
    if (*arrival != NULL) {
        stop_moving(*arrival);
        aw_pairs_free(&(*arrival)->moving);
        aw_pairs_free(&(*arrival)->newest);
        aw_pairs_free(&(*arrival)->absent);
        free(*arrival);
        *arrival = NULL;
    }
}

struct aw_arrival *aw_arrival_of(struct aw_arrival *const *arrivals, const struct aw_schema *schema)
{
    for (; arrivals != NULL && *arrivals != NULL; arrivals++) {
        if ((*arrivals)->schema == schema) {
            return *arrivals;
        }
    }
    return NULL;
}

static bool load(struct aw_arrival *arrival, struct aw_sqlite_conn *conn, struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    int rc;
    if (arrival->loaded) {
        return true;
    }
    stop_moving(arrival);
    aw_pairs_clear(&arrival->newest);
    if (!aw_sqlite_take_verb(conn, arrival->schema, load_text, &stmt, err)) {
        return false;
    }
    arrival->last_row = 0;
    while ((rc = sqlite3_step(stmt.stmt)) == SQLITE_ROW) {
        int64_t at = sqlite3_column_int64(stmt.stmt, 0);
        const char *id = (const char *)sqlite3_column_text(stmt.stmt, 1);
        arrival->last_row = at > arrival->last_row ? at : arrival->last_row;
        if (id != NULL) {
            aw_pairs_add(&arrival->newest, hash_of(id), at);
        }
    }
    arrival->loaded = rc == SQLITE_DONE || aw_sqlite_fail(conn, arrival->schema->name, err);
    aw_sqlite_give(&stmt);
    return arrival->loaded;
}

/* --- finding --- */

struct lookup {
    struct aw_arrival *arrival;
    struct aw_sqlite_conn *conn;
    struct aw_arena *arena;
    struct aw_err *err;
    struct aw_sqlite_stmt get, candidates;
    const char *id;
    bool met;   /* some row has the hash */
    int64_t at; /* out: row number, 0 = absent */
    void *row;  /* out */
};

static bool lookup_begin(struct lookup *lookup)
{
    const struct aw_schema *schema = lookup->arrival->schema;
    if (!load(lookup->arrival, lookup->conn, lookup->err) ||
        !aw_sqlite_take_verb(lookup->conn, schema, get_text, &lookup->get, lookup->err)) {
        return false;
    }
    if (!aw_sqlite_take_verb(lookup->conn, schema, candidates_text, &lookup->candidates,
                             lookup->err)) {
        aw_sqlite_give(&lookup->get);
        return false;
    }
    return true;
}

static void lookup_end(struct lookup *lookup)
{
    aw_sqlite_give(&lookup->candidates);
    aw_sqlite_give(&lookup->get);
}

/* Is it this row? It may have another id of the same hash, or be deleted. */
static bool try_row(struct lookup *lookup, int64_t at)
{
    sqlite3_stmt *stmt = lookup->get.stmt;
    lookup->met = true;
    sqlite3_bind_text(stmt, 1, lookup->id, (int)strlen(lookup->id), SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, at);
    int rc = sqlite3_step(stmt);
    bool ok = rc == SQLITE_ROW || rc == SQLITE_DONE ||
              aw_sqlite_fail(lookup->conn, "reading rows by id", lookup->err);
    if (rc == SQLITE_ROW) {
        ok = aw_sqlite_read_row(stmt, lookup->arrival->schema, lookup->arena, &lookup->row,
                                lookup->err);
        lookup->at = at;
    }
    sqlite3_reset(stmt);
    return ok;
}

static bool try_pairs(struct lookup *lookup, const struct aw_pairs *pairs, uint64_t hash)
{
    size_t place = hash;
    int64_t at;
    bool ok = true;
    while (ok && lookup->at == 0 && (at = aw_pairs_next(pairs, hash, &place)) != 0) {
        ok = try_row(lookup, at);
    }
    return ok;
}

static bool try_stored(struct lookup *lookup, uint64_t hash)
{
    sqlite3_stmt *stmt = lookup->candidates.stmt;
    int rc = SQLITE_DONE;
    bool ok = true;
    sqlite3_bind_int64(stmt, 1, (int64_t)hash);
    while (ok && lookup->at == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        ok = try_row(lookup, sqlite3_column_int64(stmt, 0));
    }
    ok = ok && (rc == SQLITE_ROW || rc == SQLITE_DONE ||
                aw_sqlite_fail(lookup->conn, "reading rows by id", lookup->err));
    sqlite3_reset(stmt);
    return ok;
}

static bool find(struct lookup *lookup, const char *id)
{
    struct aw_arrival *arrival = lookup->arrival;
    uint64_t hash = hash_of(id);
    size_t place = hash;
    lookup->id = id;
    lookup->met = false;
    lookup->at = 0;
    lookup->row = NULL;
    if (aw_pairs_next(&arrival->absent, hash, &place) != 0) {
        return true;
    }
    bool ok = try_pairs(lookup, &arrival->newest, hash) &&
              (lookup->at != 0 || try_pairs(lookup, &arrival->moving, hash)) &&
              (lookup->at != 0 || try_stored(lookup, hash));
    if (ok && !lookup->met) {
        aw_pairs_add(&arrival->absent, hash, 1);
    }
    return ok;
}

bool aw_arrival_get_many(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                         const char *const *ids, size_t n, struct aw_arena *arena, void **rows,
                         struct aw_err *err)
{
    struct lookup lookup = {.arrival = arrival, .conn = conn, .arena = arena, .err = err};
    if (!lookup_begin(&lookup)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        ok = find(&lookup, ids[i]);
        rows[i] = lookup.row;
    }
    lookup_end(&lookup);
    return ok;
}

/* --- writing --- */

static bool run(struct aw_sqlite_conn *conn, sqlite3_stmt *stmt, const char *what,
                struct aw_err *err)
{
    bool ok = sqlite3_step(stmt) == SQLITE_DONE || aw_sqlite_fail(conn, what, err);
    sqlite3_reset(stmt);
    return ok;
}

static bool insert(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                   const struct aw_write *write, struct aw_arena *scratch, struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    if (!aw_sqlite_take_verb(conn, write->schema, insert_text, &stmt, err)) {
        return false;
    }
    int64_t at = arrival->last_row + 1;
    bool ok = aw_sqlite_bind_row(stmt.stmt, write->schema, write->row, scratch) &&
              sqlite3_bind_int64(stmt.stmt, (int)write->schema->n + 1, at) == SQLITE_OK;
    ok = ok ? run(conn, stmt.stmt, write->schema->name, err)
            : aw_sqlite_fail(conn, write->schema->name, err);
    aw_sqlite_give(&stmt);
    if (ok) {
        arrival->last_row = at;
        arrival->inserted++;
        aw_pairs_add(&arrival->newest, hash_of(write->id), at);
    }
    return ok;
}

static bool change(struct aw_sqlite_conn *conn, const struct aw_write *write, int64_t at,
                   struct aw_arena *scratch, struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    bool replace = write->kind == AW_WRITE_REPLACE;
    int version_at = replace ? (int)write->schema->n + 1 : 2;
    if (!aw_sqlite_take_verb(conn, write->schema, replace ? replace_text : delete_text, &stmt,
                             err)) {
        return false;
    }
    bool ok = replace ? aw_sqlite_bind_row(stmt.stmt, write->schema, write->row, scratch)
                      : sqlite3_bind_text(stmt.stmt, 1, write->id, -1, SQLITE_STATIC) == SQLITE_OK;
    sqlite3_bind_int64(stmt.stmt, version_at, write->expect);
    sqlite3_bind_int64(stmt.stmt, version_at + 1, at);
    ok = ok ? run(conn, stmt.stmt, write->schema->name, err)
            : aw_sqlite_fail(conn, write->schema->name, err);
    aw_sqlite_give(&stmt);
    return ok && (sqlite3_changes(conn->db) == 1 ||
                  aw_fail(err, AW_ERR_CONFLICT, "store.conflict",
                          "a row of %s is not at the version that was read", write->schema->name));
}

static bool put_pair(struct aw_sqlite_conn *conn, sqlite3_stmt *stmt, uint64_t hash, int64_t at,
                     struct aw_err *err)
{
    sqlite3_bind_int64(stmt, 1, (int64_t)hash);
    sqlite3_bind_int64(stmt, 2, at);
    return run(conn, stmt, "hash of an id", err);
}

static bool forget(struct aw_sqlite_conn *conn, const struct aw_write *write, int64_t at,
                   struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    if (!aw_sqlite_take_verb(conn, write->schema, forget_text, &stmt, err)) {
        return false;
    }
    bool ok = put_pair(conn, stmt.stmt, hash_of(write->id), at, err);
    aw_sqlite_give(&stmt);
    return ok;
}

/* Row number of the id, 0 = absent. What the unit has asked for before it wrote needs no second look: a
 * transaction writes to an id once. */
static bool find_number(struct aw_arrival *arrival, struct aw_sqlite_conn *conn, const char *id,
                        struct aw_arena *scratch, int64_t *at, struct aw_err *err)
{
    struct lookup lookup = {.arrival = arrival, .conn = conn, .arena = scratch, .err = err};
    size_t place = hash_of(id);
    *at = 0;
    if (aw_pairs_next(&arrival->absent, place, &place) != 0) {
        return true;
    }
    if (!lookup_begin(&lookup)) {
        return false;
    }
    bool ok = find(&lookup, id);
    *at = lookup.at;
    lookup_end(&lookup);
    return ok;
}

bool aw_arrival_write(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                      const struct aw_write *write, struct aw_arena *scratch, struct aw_err *err)
{
    int64_t at;
    arrival->changed = true;
    if (!find_number(arrival, conn, write->id, scratch, &at, err)) {
        return false;
    }
    if ((at == 0) != (write->kind == AW_WRITE_INSERT)) {
        return aw_fail(err, AW_ERR_CONFLICT, "store.conflict", "a row of %s is %s",
                       write->schema->name, at == 0 ? "not there" : "there already");
    }
    if (write->kind == AW_WRITE_INSERT) {
        return insert(arrival, conn, write, scratch, err);
    }
    return change(conn, write, at, scratch, err) &&
           (write->kind == AW_WRITE_REPLACE || forget(conn, write, at, err));
}

static int order_pairs(const void *a, const void *b)
{
    const struct aw_pair *x = a, *y = b;
    int64_t first = (int64_t)x->hash, second = (int64_t)y->hash; /* as the database sorts */
    return first != second ? (first > second) - (first < second)
                           : (x->row > y->row) - (x->row < y->row);
}

static void start_moving(struct aw_arrival *arrival)
{
    struct aw_pairs empty = arrival->moving;
    arrival->moving = arrival->newest;
    arrival->newest = empty;
    arrival->moving_up_to = arrival->last_row;
    arrival->sorted = aw_alloc_zero(arrival->moving.n, sizeof(*arrival->sorted));
    size_t n = 0;
    for (size_t i = 0; i < arrival->moving.size; i++) {
        if (arrival->moving.v[i].row != 0) {
            arrival->sorted[n++] = arrival->moving.v[i];
        }
    }
    qsort(arrival->sorted, n, sizeof(*arrival->sorted), order_pairs);
}

static bool note_settled(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                         struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    if (!aw_sqlite_take_verb(conn, arrival->schema, settled_text, &stmt, err)) {
        return false;
    }
    sqlite3_bind_int64(stmt.stmt, 1, arrival->moving_up_to);
    bool ok = run(conn, stmt.stmt, "arrivals", err);
    aw_sqlite_give(&stmt);
    stop_moving(arrival);
    return ok;
}

bool aw_arrival_settle(struct aw_arrival *arrival, struct aw_sqlite_conn *conn, struct aw_err *err)
{
    struct aw_sqlite_stmt stmt;
    if (arrival->inserted == 0) {
        return true;
    }
    if (arrival->sorted == NULL && arrival->newest.n >= aw_arrival_map_full) {
        start_moving(arrival);
    }
    if (arrival->sorted == NULL) {
        return true;
    }
    if (!aw_sqlite_take_verb(conn, arrival->schema, move_text, &stmt, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < arrival->inserted * SLICE && arrival->moved < arrival->moving.n;
         i++) {
        const struct aw_pair *pair = &arrival->sorted[arrival->moved++];
        ok = put_pair(conn, stmt.stmt, pair->hash, pair->row, err);
    }
    aw_sqlite_give(&stmt);
    return ok && (arrival->moved < arrival->moving.n || note_settled(arrival, conn, err));
}

void aw_arrival_end(struct aw_arrival *arrival, bool committed)
{
    if (arrival->changed && !committed) {
        arrival->loaded = false;
    }
    arrival->changed = false;
    arrival->inserted = 0;
    aw_pairs_clear(&arrival->absent);
}
