/* store.h - the only way to stored rows: few verbs over field tables, every one with a scope.
 *
 * Reading: a reader is one connection with a snapshot of at most a second (SQLite: read-only connection in a read
 * transaction; MongoDB: a pooled client, no snapshot). Writing: units of work on the writer thread (writer.h).
 * Rows are structs of worker/model, in the arena given. Errors: UNAVAILABLE store.down (try again),
 * NOT_FOUND store.absent, CONFLICT store.conflict (id exists, version moved, unique index), FENCED store.fenced,
 * INVALID store.refused (the database refuses this document itself), INTERNAL store.*.
 * Threads: a store from any; a reader by one thread at a time. */
#ifndef AW_STORE_STORE_H
#define AW_STORE_STORE_H

#include "worker/base/field.h"

struct aw_store;
struct aw_reader;

/* Which companies a caller may see. Made only by the guard (a user) and by the product itself (aw_scope_all). */
struct aw_scope {
    bool all;
    const char *const *companies;
    size_t n;
};
extern const struct aw_scope aw_scope_all;
bool aw_scope_sees(const struct aw_scope *scope, const char *company_id);

enum aw_op { AW_OP_EQ, AW_OP_NE, AW_OP_GT, AW_OP_GE, AW_OP_LT, AW_OP_LE, AW_OP_IN };
struct aw_cond {
    const char *field; /* name in the schema */
    enum aw_op op;
    const char
        *text; /* STR and BYTES fields; NULL with EQ or NE = null; STRS: EQ, one of its texts */
    int64_t number;    /* I64, BOOL, ENUM, TIME fields */
    struct aw_strs in; /* IN on a STR field */
};
#define AW_QUERY_CONDS 12
struct aw_query {
    const struct aw_schema *schema;
    struct aw_cond conds[AW_QUERY_CONDS];
    size_t n;
    const char *sort; /* field; NULL = id */
    bool descending;  /* ties in the same direction by id */
    /* continue behind this row (keyset paging): value of the sort field and id; after_id NULL = from the start */
    const char *after_text;
    int64_t after_number;
    const char *after_id;
    size_t limit; /* 0 = all */
};
struct aw_rows {
    void **v;
    size_t n;
};

struct aw_store_conf {
    const char *driver;      /* "sqlite" | "mongo" */
    const char *path;        /* sqlite: database file */
    const char *uri;         /* mongo: connection string, with the database's name in its path */
    const char *synchronous; /* sqlite: "full" (default) | "normal" */
    int64_t cache_mib;       /* sqlite page cache of the writer, default 64 */
};
/* Opens, takes the writer's lock or lease unless read_only, creates and migrates collections. */
AW_MUST_CHECK bool aw_store_open(const struct aw_store_conf *conf, bool read_only,
                                 struct aw_store **store, struct aw_err *err);
void aw_store_close(struct aw_store **store);
const char *aw_store_name(const struct aw_store *store); /* "sqlite" */
/* Can the store be reached just now? (for /readyz) */
AW_MUST_CHECK bool aw_store_ping(struct aw_store *store, struct aw_err *err);

AW_MUST_CHECK bool aw_store_read_begin(struct aw_store *store, struct aw_reader **reader,
                                       struct aw_err *err);
void aw_store_read_end(struct aw_reader **reader);
AW_MUST_CHECK bool aw_store_get(struct aw_reader *reader, const struct aw_scope *scope,
                                const struct aw_schema *schema, const char *id,
                                struct aw_arena *arena, void **row, struct aw_err *err);
/* rows[i] is NULL where ids[i] is absent or outside the scope. */
AW_MUST_CHECK bool aw_store_get_many(struct aw_reader *reader, const struct aw_scope *scope,
                                     const struct aw_schema *schema, const char *const *ids,
                                     size_t n, struct aw_arena *arena, void **rows,
                                     struct aw_err *err);
AW_MUST_CHECK bool aw_store_find(struct aw_reader *reader, const struct aw_scope *scope,
                                 const struct aw_query *query, struct aw_arena *arena,
                                 struct aw_rows *rows, struct aw_err *err);
AW_MUST_CHECK bool aw_store_count(struct aw_reader *reader, const struct aw_scope *scope,
                                  const struct aw_query *query, int64_t *count, struct aw_err *err);
/* Row by row without collecting (exports, ledger, start-up); each() returns false to stop. */
AW_MUST_CHECK bool aw_store_each(struct aw_reader *reader, const struct aw_scope *scope,
                                 const struct aw_query *query,
                                 bool (*each)(void *arg, const void *row), void *arg,
                                 struct aw_err *err);
/* A walk through a collection, page by page. On a store that keeps rows with random ids (AW_F_RANDOM) in the order of
 * their arrival it is that order; elsewhere that of query->sort. query->limit is the length of a page; conditions are
 * not looked at. The place outlives the
 * reader and the rows; zeroed = the beginning. Rows outside the scope are left out of the page. *more: there may be
 * rows behind it. */
struct aw_place {
    int64_t number;
    char id[128];
};
AW_MUST_CHECK bool aw_store_walk(struct aw_reader *reader, const struct aw_scope *scope,
                                 const struct aw_query *query, struct aw_place *place,
                                 struct aw_arena *arena, struct aw_rows *rows, bool *more,
                                 struct aw_err *err);

/* --- the transaction of a unit of work: writer thread only --- */
struct aw_tx;
struct aw_arena *aw_tx_arena(struct aw_tx *tx); /* lives until the unit is committed or refused */
/* Reads see the unit's own buffered writes. A unit has no scope of its own: the caller's scope is checked by whoever
 * made the unit; `scope` here is for that check. */
AW_MUST_CHECK bool aw_tx_get(struct aw_tx *tx, const struct aw_scope *scope,
                             const struct aw_schema *schema, const char *id, void **row,
                             struct aw_err *err);
AW_MUST_CHECK bool aw_tx_get_many(struct aw_tx *tx, const struct aw_scope *scope,
                                  const struct aw_schema *schema, const char *const *ids, size_t n,
                                  void **rows, struct aw_err *err);
AW_MUST_CHECK bool aw_tx_find(struct aw_tx *tx, const struct aw_scope *scope,
                              const struct aw_query *query, struct aw_rows *rows,
                              struct aw_err *err);
/* Buffered whole rows. The row is not copied: it must live in the tx arena (or longer) and stay unchanged.
 * insert sets version 1; replace expects the version that was read and writes version + 1 into the row. */
void aw_tx_insert(struct aw_tx *tx, const struct aw_schema *schema, void *row);
void aw_tx_replace(struct aw_tx *tx, const struct aw_schema *schema, void *row);
void aw_tx_delete(struct aw_tx *tx, const struct aw_schema *schema, const char *id,
                  int64_t version);
/* Called on the writer thread after the commit, or after the unit was refused: to keep caches true. */
void aw_tx_after(struct aw_tx *tx, void (*done)(void *arg, bool committed), void *arg);
size_t aw_tx_writes(const struct aw_tx *tx);

#endif
