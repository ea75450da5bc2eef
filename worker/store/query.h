/* query.h - queries over field tables without a database: check, match, order; used on buffered
 * rows.
 *
 * Meaning of a condition, the same on every driver: EQ and NE with text NULL test for null; NE with
 * a value holds for null too; GT, GE, LT, LE and IN never hold for null; null sorts first. Threads:
 * pure. */
#ifndef AW_STORE_QUERY_H
#define AW_STORE_QUERY_H

#include "worker/store/store.h"

/* A query with its names looked up. */
struct aw_match {
    const struct aw_query *query; /* kept */
    const struct aw_field *fields[AW_QUERY_CONDS];
    const struct aw_field *sort; /* never NULL */
    const struct aw_field *id;
};
/* INTERNAL store.query: a name or an operator that does not fit the schema. */
AW_MUST_CHECK bool aw_match_init(struct aw_match *match, const struct aw_query *query,
                                 struct aw_err *err);
/* Do all conditions hold, and does the row lie behind `after`? */
bool aw_match_row(const struct aw_match *match, const void *row);
/* -1, 0, 1 in the order of the query. */
int aw_match_order(const struct aw_match *match, const void *a, const void *b);

/* The query with the scope as one more condition. Points into both. */
AW_MUST_CHECK bool aw_query_scoped(const struct aw_query *query, const struct aw_scope *scope,
                                   struct aw_query *scoped, struct aw_err *err);

/* Fields compared as numbers: I64, BOOL, ENUM, TIME. */
bool aw_field_is_number(const struct aw_field *field);
int64_t aw_field_number(const struct aw_field *field, const void *row);

#endif
