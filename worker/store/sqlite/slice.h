/* slice.h - indexes whose entries come in no order (AW_F_SCATTERED): kept in slices by the age of the rows.
 *
 * In one large index each new entry changes a page of its own. So such an index begins with the number of a slice: a
 * row gets it when it is inserted, from its place in the order of arrival, and keeps it. New entries share the pages
 * of the newest slice; a query asks slice by slice. Rows older than the column are all in slice 0.
 * Threads: pure. */
#ifndef AW_STORE_SQLITE_SLICE_H
#define AW_STORE_SQLITE_SLICE_H

#include "worker/store/sqlite/conn.h"

#define AW_SLICE_COLUMN "slice"
#define AW_SLICE_TYPE   "INTEGER DEFAULT 0"

extern int aw_slice_bits; /* rows of a slice, as a power of two; tests make it small */

/* Is the index kept in slices? */
bool aw_slice_is_in(const struct aw_schema *schema, const struct aw_index *index);
/* Is one of the table? Then it has the column. */
bool aw_slice_is(const struct aw_schema *schema);
/* Expression: the slice of a row that is inserted now. */
void aw_slice_newest_text(const struct aw_schema *schema, struct aw_str *sql);
/* Query: every slice that there is, and perhaps empty ones, as column `name`. */
void aw_slice_all_text(const struct aw_schema *schema, const char *name, struct aw_str *sql);

#endif
