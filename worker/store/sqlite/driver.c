#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/aw_file.h"
#include "worker/base/alloc.h"
#include "worker/base/log.h"
#include "worker/store/sqlite/arrival.h"
#include "worker/store/sqlite/conn.h"
#include "worker/store/sqlite/rows.h"
#include "worker/store/sqlite/schema.h"
#include "worker/store/sqlite/select.h"
#include "worker/store/sqlite/text.h"

enum {
    READERS_KEPT = 16,
    READER_CACHE_KIB = 8192,
    WRITER_CACHE_MIB = 64,
    WAL_PAGES =
        16384, /* a checkpoint is due: 128 MiB, so that it finds most pages changed several times */
    WAL_PAGES_MAX = 4 * 16384, /* it waits for readers: they end within a second */
    MODE = 0600
};

struct sqlite {
    char *path, *synchronous;
    int lock_fd; /* -1 = only reads */
    bool read_only;
    struct aw_sqlite_conn writer;     /* of a store that only reads: a reader for ping */
    struct aw_arrival **arrivals;     /* of the writer, NULL-terminated */
    struct aw_arena *scratch;         /* of one commit */
    const struct aw_schema *replaced; /* the newest one, */
    uint64_t indexed;                 /* and its fields of indexes */
    int wal_tried;                    /* pages when the last checkpoint was tried */
    bool commit_failed;               /* the newest one: perhaps the log has filled the disk */
    pthread_mutex_t lock;             /* of the idle readers */
    struct aw_sqlite_conn *idle[READERS_KEPT];
    size_t idle_count;
};

/* --- opening and closing --- */

/* The lock file is never removed: whoever has it open holds the same lock as everybody else. */
static bool lock_database(struct sqlite *self, struct aw_err *err)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s.lock", self->path);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (self->lock_fd < 0) {
        return aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "cannot open %s: %s", path,
                       strerror(errno));
    }
    if (!aw_file_lock(self->lock_fd, AW_LOCK_CONSUMER, true, false)) {
        return aw_fail(err, AW_ERR_CONFLICT, "store.busy",
                       "another process writes to %s: it holds the lock on %s", self->path, path);
    }
    return true;
}

/* SQLite gives its other files the mode of the database file. */
static bool create_file(struct sqlite *self, struct aw_err *err)
{
    int fd = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE);
    if (fd < 0) {
        return aw_fail(err, AW_ERR_UNAVAILABLE, "store.down", "cannot open %s: %s", self->path,
                       strerror(errno));
    }
    close(fd);
    return true;
}

static void sqlite_close(void *state)
{
    struct sqlite *self = state;
    for (size_t i = 0; i < self->idle_count; i++) {
        aw_sqlite_close(self->idle[i]);
        free(self->idle[i]);
    }
    aw_sqlite_close(&self->writer);
    if (self->lock_fd >= 0) {
        close(self->lock_fd);
    }
    for (struct aw_arrival **at = self->arrivals; *at != NULL; at++) {
        aw_arrival_close(at);
    }
    free(self->arrivals);
    aw_arena_destroy(&self->scratch);
    pthread_mutex_destroy(&self->lock);
    free(self->synchronous);
    free(self->path);
    free(self);
}

static struct aw_arrival **open_arrivals(const struct aw_schema *const *schemas)
{
    size_t n = 0, schema_count = 0;
    while (schemas[schema_count] != NULL) {
        schema_count++;
    }
    struct aw_arrival **arrivals = aw_alloc_zero(schema_count + 1, sizeof(struct aw_arrival *));
    for (; *schemas != NULL; schemas++) {
        if (aw_arrival_is(*schemas)) {
            arrivals[n++] = aw_arrival_open(*schemas);
        }
    }
    return arrivals;
}

static bool sqlite_open(void **state, const struct aw_store_conf *conf, bool read_only,
                        const struct aw_schema *const *schemas, struct aw_err *err)
{
    struct sqlite *self = aw_alloc_zero(1, sizeof(*self));
    int64_t cache_mib = conf->cache_mib > 0 ? conf->cache_mib : WRITER_CACHE_MIB;
    self->path = aw_alloc_must(strdup(conf->path));
    self->synchronous =
        aw_alloc_must(strdup(conf->synchronous != NULL ? conf->synchronous : "full"));
    self->lock_fd = -1;
    self->read_only = read_only;
    self->scratch = aw_arena_create(0);
    pthread_mutex_init(&self->lock, NULL);
    self->arrivals = open_arrivals(schemas);
    self->writer = (struct aw_sqlite_conn){.path = self->path,
                                           .arrivals = read_only ? NULL : self->arrivals,
                                           .writer = !read_only,
                                           .cache_kib = cache_mib * 1024,
                                           .synchronous = self->synchronous};
    if ((read_only || (lock_database(self, err) && create_file(self, err))) &&
        aw_sqlite_ready(&self->writer, err) && aw_sqlite_migrate(&self->writer, schemas, err)) {
        *state = self;
        return true;
    }
    sqlite_close(self);
    return false;
}

/* --- readers --- */

static void reader_free(struct aw_sqlite_conn *conn)
{
    aw_sqlite_close(conn);
    free(conn);
}

static bool sqlite_read_begin(void *state, void **reader, struct aw_err *err)
{
    struct sqlite *self = state;
    pthread_mutex_lock(&self->lock);
    struct aw_sqlite_conn *conn = self->idle_count > 0 ? self->idle[--self->idle_count] : NULL;
    pthread_mutex_unlock(&self->lock);
    if (conn == NULL) {
        conn = aw_alloc_zero(1, sizeof(*conn));
        conn->path = self->path;
        conn->cache_kib = READER_CACHE_KIB;
    }
    if (!aw_sqlite_ready(conn, err) || !aw_sqlite_exec(conn, "BEGIN", err)) {
        reader_free(conn);
        return false;
    }
    *reader = conn;
    return true;
}

static void sqlite_read_end(void *state, void *reader)
{
    struct sqlite *self = state;
    struct aw_sqlite_conn *conn = reader;
    struct aw_err err;
    bool keep = !conn->broken && aw_sqlite_exec(conn, "COMMIT", &err);
    pthread_mutex_lock(&self->lock);
    keep = keep && self->idle_count < READERS_KEPT;
    if (keep) {
        self->idle[self->idle_count++] = conn;
    }
    pthread_mutex_unlock(&self->lock);
    if (!keep) {
        reader_free(conn);
    }
}

static bool sqlite_ping(void *state, struct aw_err *err)
{
    void *reader;
    if (!sqlite_read_begin(state, &reader, err)) {
        return false;
    }
    bool ok = aw_sqlite_exec(reader, "SELECT 1 FROM sqlite_master LIMIT 1", err);
    sqlite_read_end(state, reader);
    return ok;
}

static void *sqlite_write_reader(void *state)
{
    struct sqlite *self = state;
    return &self->writer;
}

static bool sqlite_get_many(void *reader, const struct aw_schema *schema, const char *const *ids,
                            size_t n, struct aw_arena *arena, void **rows, struct aw_err *err)
{
    return aw_sqlite_get_many(reader, schema, ids, n, arena, rows, err);
}

static bool sqlite_each(void *reader, const struct aw_query *query, struct aw_arena *arena,
                        bool (*each)(void *arg, void *row), void *arg, struct aw_err *err)
{
    return aw_sqlite_each(reader, query, arena, each, arg, err);
}

static bool sqlite_walk(void *reader, const struct aw_schema *schema, int64_t *place, size_t limit,
                        struct aw_arena *arena, bool (*each)(void *arg, void *row), void *arg,
                        struct aw_err *err)
{
    return aw_sqlite_walk(reader, schema, place, limit, arena, each, arg, err);
}

static bool sqlite_count(void *reader, const struct aw_query *query, int64_t *count,
                         struct aw_err *err)
{
    return aw_sqlite_count(reader, query, count, err);
}

/* --- writing --- */

static aw_sqlite_text *const texts[] = {
    [AW_WRITE_INSERT] = aw_sqlite_insert_text,
    [AW_WRITE_DELETE] = aw_sqlite_delete_text,
};

/* The statement of a replace, one for each set of columns that it leaves alone: SQLite rewrites the entry of a row in
 * every index one of whose columns is set, even to the same value. */
static bool take_replace(struct sqlite *self, const struct aw_write *write,
                         struct aw_sqlite_stmt *stmt, struct aw_err *err)
{
    struct aw_sqlite_conn *conn = &self->writer;
    if (self->replaced != write->schema) {
        self->replaced = write->schema;
        self->indexed = aw_sqlite_indexed(write->schema);
    }
    const struct {
        const struct aw_schema *schema;
        uint64_t kept, kind; /* a length of its own among the keys */
    } key = {write->schema, aw_sqlite_kept(write->schema, self->indexed, write->stored, write->row),
             write->kind};
    if (aw_sqlite_take_known(conn, &key, sizeof(key), stmt)) {
        return true;
    }
    struct aw_str sql;
    aw_str_init(&sql, NULL);
    aw_sqlite_replace_text(write->schema, key.kept, &sql);
    bool ok = aw_sqlite_take_new(conn, &key, sizeof(key), &sql, stmt, err);
    aw_str_fini(&sql);
    return ok;
}

static bool bind_write(struct sqlite *self, sqlite3_stmt *stmt, const struct aw_write *write)
{
    if (write->kind == AW_WRITE_DELETE) {
        return aw_sqlite_bind_text(stmt, 1, &write->schema->fields[0], write->id, self->scratch) ==
                   SQLITE_OK &&
               sqlite3_bind_int64(stmt, 2, write->expect) == SQLITE_OK;
    }
    return aw_sqlite_bind_row(stmt, write->schema, write->row, self->scratch) &&
           (write->kind == AW_WRITE_INSERT ||
            sqlite3_bind_int64(stmt, (int)write->schema->n + 1, write->expect) == SQLITE_OK);
}

static bool apply(struct sqlite *self, const struct aw_write *write, struct aw_err *err)
{
    struct aw_sqlite_conn *conn = &self->writer;
    struct aw_sqlite_stmt stmt;
    struct aw_arrival *arrival = aw_arrival_of(self->arrivals, write->schema);
    AW_CRASH("store.commit.write");
    if (arrival != NULL) {
        return aw_arrival_write(arrival, conn, write, self->scratch, err);
    }
    bool ok = write->kind == AW_WRITE_REPLACE
                  ? take_replace(self, write, &stmt, err)
                  : aw_sqlite_take_verb(conn, write->schema, texts[write->kind], &stmt, err);
    if (!ok) {
        return false;
    }
    ok = bind_write(self, stmt.stmt, write) && sqlite3_step(stmt.stmt) == SQLITE_DONE;
    if (!ok) {
        aw_sqlite_fail(conn, write->schema->name, err);
    } else if (sqlite3_changes(conn->db) != 1) {
        ok = aw_fail(err, AW_ERR_CONFLICT, "store.conflict",
                     "a row of %s is not at the version that was read", write->schema->name);
    }
    aw_sqlite_give(&stmt);
    return ok;
}

static bool settle_arrivals(struct sqlite *self, struct aw_err *err)
{
    bool ok = true;
    for (struct aw_arrival **at = self->arrivals; *at != NULL && ok; at++) {
        ok = aw_arrival_settle(*at, &self->writer, err);
    }
    return ok;
}

static void end_transaction(struct sqlite *self, bool committed)
{
    struct aw_sqlite_conn *conn = &self->writer;
    if (!committed && sqlite3_get_autocommit(conn->db) == 0 &&
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
        conn->broken = true;
    }
    for (struct aw_arrival **at = self->arrivals; *at != NULL; at++) {
        aw_arrival_end(*at, committed);
    }
    aw_arena_reset(self->scratch);
}

static bool sqlite_commit(void *state, const struct aw_write *writes, size_t n, struct aw_err *err)
{
    struct sqlite *self = state;
    struct aw_sqlite_conn *conn = &self->writer;
    AW_CRASH("store.commit.begin");
    if (!aw_sqlite_ready(conn, err)) {
        return false;
    }
    bool ok = sqlite3_get_autocommit(conn->db) == 0 || aw_sqlite_exec(conn, "BEGIN", err);
    for (size_t i = 0; i < n && ok; i++) {
        ok = apply(self, &writes[i], err);
    }
    ok = ok && settle_arrivals(self, err);
    AW_CRASH("store.commit.before");
    ok = ok && aw_sqlite_exec(conn, "COMMIT", err);
    AW_CRASH("store.commit.after");
    end_transaction(self, ok);
    self->commit_failed = !ok;
    return ok;
}

/* A checkpoint that readers hold back is tried again when the log has grown by as much again; on a full disk at once,
 * because only then the log begins anew in the space that it has. */
static void sqlite_idle(void *state)
{
    struct sqlite *self = state;
    struct aw_sqlite_conn *conn = &self->writer;
    if (conn->db != NULL) {
        end_transaction(self, false); /* of a unit that only read */
    }
    if (conn->wal_pages < self->wal_tried) {
        self->wal_tried = 0; /* the log began anew */
    }
    bool due = self->commit_failed || conn->wal_pages - self->wal_tried >= WAL_PAGES;
    if (conn->db == NULL || conn->broken || !due) {
        return;
    }
    self->wal_tried = conn->wal_pages;
    bool insist = self->commit_failed || conn->wal_pages >= WAL_PAGES_MAX;
    int mode = insist ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(conn->db, NULL, mode, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        aw_log(AW_LOG_WARN, "store.checkpoint", AW_S("error", sqlite3_errmsg(conn->db)),
               AW_I("wal_pages", conn->wal_pages));
    }
}

const struct aw_driver aw_driver_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .ping = sqlite_ping,
    .read_begin = sqlite_read_begin,
    .read_end = sqlite_read_end,
    .write_reader = sqlite_write_reader,
    .get_many = sqlite_get_many,
    .each = sqlite_each,
    .walk = sqlite_walk,
    .count = sqlite_count,
    .commit = sqlite_commit,
    .idle = sqlite_idle,
};
