/* driver.h - what a store driver implements; only store.c, tx.c and writer.c call it.
 *
 * Drivers know field tables, no product words. Scope and conditions are already joined into the query by store.c:
 * a driver gets plain conditions. Threads: `read_*` of one reader by one thread; `commit` and `write_*` by the writer
 * thread only. */
#ifndef AW_STORE_DRIVER_H
#define AW_STORE_DRIVER_H

#include "store.h"

enum aw_write_kind { AW_WRITE_INSERT, AW_WRITE_REPLACE, AW_WRITE_DELETE };
struct aw_write {
    enum aw_write_kind kind;
    const struct aw_schema *schema;
    void *
        row; /* INSERT, REPLACE: the row as it shall be (its version is the new one; several replaces of a
                         * unit are one write, so it may be more than expect + 1, and of an insert more than 1) */
    const char *id;
    int64_t expect; /* REPLACE, DELETE: version that must be stored now */
    const void
        *stored; /* REPLACE: the row of that version, if the unit has read it; NULL = unknown */
};

struct aw_driver {
    const char *name;
    /* self: the driver's own state. schemas: NULL-terminated list to create or migrate. */
    bool (*open)(void **self, const struct aw_store_conf *conf, bool read_only,
                 const struct aw_schema *const *schemas, struct aw_err *err);
    void (*close)(void *self);
    bool (*ping)(void *self, struct aw_err *err);
    /* a reader: connection of its own, snapshot where the database has one */
    bool (*read_begin)(void *self, void **reader, struct aw_err *err);
    void (*read_end)(void *self, void *reader);
    /* the writer's own connection as a reader (never ended) */
    void *(*write_reader)(void *self);
    /* rows[i] NULL where absent */
    bool (*get_many)(void *reader, const struct aw_schema *schema, const char *const *ids, size_t n,
                     struct aw_arena *arena, void **rows, struct aw_err *err);
    /* each() may read through the same reader, and may reset the arena before it returns */
    bool (*each)(void *reader, const struct aw_query *query, struct aw_arena *arena,
                 bool (*each)(void *arg, void *row), void *arg, struct aw_err *err);
    /* Rows of an AW_F_RANDOM collection in the order of arrival, behind *place (0 = the first), which becomes that of
     * the last one. NULL: the driver keeps no such order. */
    bool (*walk)(void *reader, const struct aw_schema *schema, int64_t *place, size_t limit,
                 struct aw_arena *arena, bool (*each)(void *arg, void *row), void *arg,
                 struct aw_err *err);
    bool (*count)(void *reader, const struct aw_query *query, int64_t *count, struct aw_err *err);
    /* All or nothing and durable. CONFLICT when an expectation fails, UNAVAILABLE when the outcome is "not done, try
     * the unit again"; an unknown outcome is found out by the driver itself before it answers. */
    bool (*commit)(void *self, const struct aw_write *writes, size_t n, struct aw_err *err);
    /* on the writer thread between units, after each and at least once a second: checkpoints, lease; cheap when
     * nothing is due */
    void (*idle)(void *self);
    /* From any thread, once, before the writer ends: a commit whose outcome is unknown is not asked after any longer
     * (FENCED); the next start finds it out. NULL = this driver always knows. */
    void (*give_up)(void *self);
};
extern const struct aw_driver aw_driver_sqlite;
extern const struct aw_driver aw_driver_mongo;

/* aw_store_open() with this driver and these schemas, whatever conf->driver says. */
AW_MUST_CHECK bool aw_store_open_driver(const struct aw_driver *driver,
                                        const struct aw_store_conf *conf, bool read_only,
                                        const struct aw_schema *const *schemas,
                                        struct aw_store **store, struct aw_err *err);

/* Version of what is stored, in `meta` under this id as a JSON number; a row that is always there. store.c checks and
 * writes it after a driver has opened. */
#define AW_STORE_VERSION_ID "schema_version"
#define AW_STORE_VERSION    1
/* For a driver that changes what is there when it opens: value of that row, NULL = there is none yet. False:
 * INTERNAL store.newer or store.version. */
AW_MUST_CHECK bool aw_migrate_check(const char *value, struct aw_err *err);

#endif
