/* arrival.h - tables whose ids are random (AW_F_RANDOM): rows in the order of arrival, found by a hash of the id.
 *
 * An index over random keys dirties a page for each row that is inserted. So a table of this kind has none: its rows
 * are appended; a map in memory has the newest of them, and a table "<name>.hash" of (hash, row number) the older
 * ones. When the map is full it is sorted and moved there slice by slice, in the commits that follow, so that one
 * page takes many entries. The number up to which rows are surely in that table is kept in the table `arrivals`;
 * what lies behind it is read into the map again at start and after a transaction that was undone.
 * Only the writer's connection knows the map: other connections find such rows by scanning.
 * Threads: the writer's. Owner: open/close. */
#ifndef AW_STORE_SQLITE_ARRIVAL_H
#define AW_STORE_SQLITE_ARRIVAL_H

#include "worker/store/sqlite/conn.h"

#define AW_ARRIVAL_COLUMN "row_number" /* the rowid of such a table */

struct aw_arrival;

extern size_t aw_arrival_map_full; /* entries of the map; tests make it small */

bool aw_arrival_is(const struct aw_schema *schema);
/* Creates the tables beside the one of the schema. */
AW_MUST_CHECK bool aw_arrival_create(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                     struct aw_err *err);
struct aw_arrival *aw_arrival_open(const struct aw_schema *schema);
void aw_arrival_close(struct aw_arrival **arrival);
/* The one of the schema, or NULL; arrivals may be NULL. */
struct aw_arrival *aw_arrival_of(struct aw_arrival *const *arrivals,
                                 const struct aw_schema *schema);

AW_MUST_CHECK bool aw_arrival_get_many(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                                       const char *const *ids, size_t n, struct aw_arena *arena,
                                       void **rows, struct aw_err *err);
/* One write of the transaction. CONFLICT as for any table. */
AW_MUST_CHECK bool aw_arrival_write(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                                    const struct aw_write *write, struct aw_arena *scratch,
                                    struct aw_err *err);
/* Before the commit: moves a slice that fits what the transaction has inserted. */
AW_MUST_CHECK bool aw_arrival_settle(struct aw_arrival *arrival, struct aw_sqlite_conn *conn,
                                     struct aw_err *err);
/* The transaction has ended. */
void aw_arrival_end(struct aw_arrival *arrival, bool committed);

#endif
