/* mongo.h - inside of the MongoDB driver; callers know it as aw_driver_mongo
 * (worker/store/driver.h).
 *
 * A commit is the insert of one row into `journal`, whose _id is the next slot: that is the commit
 * point. Then its writes are applied to the collections, repeated until all are in, and the row is
 * marked done. Whoever starts inserts a barrier at the next free slot and applies what is not done,
 * so a former writer's next commit collides and it stops. `lease` only tells a standby when to take
 * over; safety never rests on it.
 *
 * Rows: _id is the row's id; times are dates, enums int32, lists arrays, nested structs documents,
 * raw JSON a string. A unique index treats null as a value. Threads: one reader by one thread; what
 * belongs to the writer by the writer thread. */
#ifndef AW_STORE_MONGO_MONGO_H
#define AW_STORE_MONGO_MONGO_H

#include <pthread.h>

#include <mongoc/mongoc.h>

#include "worker/store/driver.h"

struct aw_mongo;
struct aw_mongo_reader {
    struct aw_mongo *self;
    mongoc_client_t *client;
    mongoc_database_t *db;
    bool is_writer; /* finishes what is pending before it reads */
};

struct aw_mongo_lease {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_taken, is_running, stop;
    _Atomic bool is_lost; /* the row names another owner: ask the journal */
};

/* Versions of the rows that the writer has read since its last commit; 0 = it is absent. Nobody else
 * writes, and when somebody has taken over, the next commit collides: none need be asked for twice. */
struct aw_map;
struct aw_mongo_known_versions {
    const char *collection; /* of a schema */
    struct aw_map *versions;
};
struct aw_mongo_known {
    struct aw_mongo_known_versions *v;
    size_t n, cap;
};

struct aw_mongo {
    mongoc_uri_t *uri;
    mongoc_client_pool_t *pool;
    char owner[33]; /* random, of this process */

    /* the writer's */
    struct aw_mongo_reader writer; /* client NULL: opened read-only */
    struct aw_mongo_known known;
    int64_t next_slot;
    int64_t attempt;     /* tells this owner's commits apart */
    bson_t *pending;     /* row that is in the journal and not known to be applied */
    int64_t verified_ms; /* mono: the newest slot was ours */
    int64_t swept_slot;  /* journal rows below were deleted */
    _Atomic bool is_fenced;
    _Atomic bool gives_up; /* the worker stops */
    struct aw_mongo_lease lease;
};

/* --- error.c --- */
/* Fills err from the driver library's error; returns false. */
bool aw_mongo_fail(const bson_error_t *error, struct aw_err *err);
/* FENCED store.fenced, remembered. */
bool aw_mongo_fenced(struct aw_mongo *self, struct aw_err *err);

/* --- bson.c --- */
/* Stored name of a field: "id" is "_id". */
const char *aw_mongo_name(const char *field);
void aw_mongo_append(bson_t *doc, const char *key, const struct aw_field *field, const void *row);
void aw_mongo_encode(const struct aw_schema *schema, const void *row, bson_t *doc);
void *aw_mongo_decode(const struct aw_schema *schema, const bson_t *doc, struct aw_arena *arena);
/* Every text of the document and of the documents in it; the library's own check passes over inner ones. */
bool aw_mongo_is_utf8(const bson_t *doc);

/* --- query.c --- */
void aw_mongo_filter(const struct aw_query *query, bson_t *filter);
void aw_mongo_sort(const struct aw_query *query, bson_t *opts); /* sort and limit */

/* --- known.c --- */
void aw_mongo_known_put(struct aw_mongo_known *known, const char *collection, const char *id,
                        int64_t version);
bool aw_mongo_known_get(const struct aw_mongo_known *known, const char *collection, const char *id,
                        int64_t *version);
void aw_mongo_known_forget(struct aw_mongo_known *known);
void aw_mongo_known_free(struct aw_mongo_known *known);

/* --- read.c --- */
bool aw_mongo_get_many(void *reader, const struct aw_schema *schema, const char *const *ids,
                       size_t n, struct aw_arena *arena, void **rows, struct aw_err *err);
bool aw_mongo_each(void *reader, const struct aw_query *query, struct aw_arena *arena,
                   bool (*each)(void *arg, void *row), void *arg, struct aw_err *err);
bool aw_mongo_count(void *reader, const struct aw_query *query, int64_t *count, struct aw_err *err);
/* Runs a find and hands every document to each(); false of each() ends it. */
bool aw_mongo_find(struct aw_mongo_reader *reader, const char *collection, const bson_t *filter,
                   const bson_t *opts, bool (*each)(void *arg, const bson_t *doc), void *arg,
                   struct aw_err *err);
/* Versions of the rows that exist: id -> int64_t in arena memory. */
bool aw_mongo_versions(struct aw_mongo_reader *reader, const char *collection,
                       const char *const *ids, size_t n, struct aw_arena *arena,
                       struct aw_map *versions, struct aw_err *err);

/* --- check.c --- */
/* Before the commit point: every expectation of the unit holds and no unique index refuses it.
 * CONFLICT store.conflict otherwise. The writer is alone, so what holds now holds until the unit is
 * applied. */
bool aw_mongo_check(struct aw_mongo *self, const struct aw_write *writes, size_t n,
                    struct aw_err *err);

/* --- apply.c --- */
/* Brings the writes of a journal row in; may be repeated. FENCED when the journal has grown without
 * us. */
bool aw_mongo_apply(struct aw_mongo *self, const bson_t *row, struct aw_err *err);

/* --- journal.c --- */
/* Makes a row for the next slot; INVALID store.refused, INVALID store.too_large (make smaller
 * units). */
bson_t *aw_mongo_journal_row(struct aw_mongo *self, const struct aw_write *writes, size_t n,
                             struct aw_err *err);
/* The commit point. An unknown outcome is found out before it returns. */
bool aw_mongo_journal_insert(struct aw_mongo *self, const bson_t *row, struct aw_err *err);
bool aw_mongo_journal_done(struct aw_mongo *self, const bson_t *row, struct aw_err *err);
/* Is the newest slot still ours? Asks the server only when the last answer is older than a few
 * seconds. */
bool aw_mongo_journal_is_ours(struct aw_mongo *self, struct aw_err *err);
/* Barrier at the next slot, then everything that is not done is applied in order. */
bool aw_mongo_journal_take_over(struct aw_mongo *self, struct aw_err *err);
/* Deletes rows that are done, never the newest one nor a barrier: both keep a former writer out. */
void aw_mongo_journal_sweep(struct aw_mongo *self);

/* --- lease.c --- */
/* BUSY store.standby while another writer that seems to live holds it. */
bool aw_mongo_lease_take(struct aw_mongo *self, struct aw_err *err);
bool aw_mongo_lease_start(struct aw_mongo *self,
                          struct aw_err *err);   /* the thread that renews it */
void aw_mongo_lease_stop(struct aw_mongo *self); /* and gives it back */

/* --- schema.c --- */
/* Refuses a database of a newer program. *is_new: it has no version yet. */
bool aw_mongo_check_version(struct aw_mongo_reader *reader, bool *is_new, struct aw_err *err);
bool aw_mongo_migrate(struct aw_mongo *self, bool is_new, const struct aw_schema *const *schemas,
                      struct aw_err *err);

/* --- driver.c --- */
bool aw_mongo_connect(struct aw_mongo *self, struct aw_mongo_reader *reader, struct aw_err *err);
void aw_mongo_disconnect(struct aw_mongo_reader *reader);
/* Brings in what is pending, if anything is. */
bool aw_mongo_settle(struct aw_mongo *self, struct aw_err *err);

#endif
