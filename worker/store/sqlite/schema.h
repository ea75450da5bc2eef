/* schema.h - tables and indexes from field tables: created, completed, checked.
 * Threads: start-up only. */
#ifndef AW_STORE_SQLITE_SCHEMA_H
#define AW_STORE_SQLITE_SCHEMA_H

#include "worker/store/sqlite/conn.h"

/* Refuses a newer schema version (store.newer). Creates missing tables, columns and indexes and
 * makes indexes anew whose definition has changed, all in one transaction. With a connection that
 * only reads: checks the version. */
AW_MUST_CHECK bool aw_sqlite_migrate(struct aw_sqlite_conn *conn,
                                     const struct aw_schema *const *schemas, struct aw_err *err);

#endif
