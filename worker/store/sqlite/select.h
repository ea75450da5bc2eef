/* select.h - queries as SQL: rows and counts of one connection.
 * Threads: one at a time per connection. */
#ifndef AW_STORE_SQLITE_SELECT_H
#define AW_STORE_SQLITE_SELECT_H

#include "worker/store/sqlite/conn.h"

AW_MUST_CHECK bool aw_sqlite_get_many(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                      const char *const *ids, size_t n, struct aw_arena *arena,
                                      void **rows, struct aw_err *err);
AW_MUST_CHECK bool aw_sqlite_each(struct aw_sqlite_conn *conn, const struct aw_query *query,
                                  struct aw_arena *arena, bool (*each)(void *arg, void *row),
                                  void *arg, struct aw_err *err);
/* As aw_driver.walk. */
AW_MUST_CHECK bool aw_sqlite_walk(struct aw_sqlite_conn *conn, const struct aw_schema *schema,
                                  int64_t *place, size_t limit, struct aw_arena *arena,
                                  bool (*each)(void *arg, void *row), void *arg,
                                  struct aw_err *err);
AW_MUST_CHECK bool aw_sqlite_count(struct aw_sqlite_conn *conn, const struct aw_query *query,
                                   int64_t *count, struct aw_err *err);

#endif
