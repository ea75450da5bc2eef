/* spare.h - indexes that are not made, because another one serves.
 *
 * What an index over (a, c) is asked for, one over (a, e, c) finds too if it is asked once for each value of e; an ENUM
 * has few. Each index less is one change of a place of its own less for every row that is inserted.
 * Threads: pure. */
#ifndef AW_STORE_SQLITE_SPARE_H
#define AW_STORE_SQLITE_SPARE_H

#include "worker/store/query.h"

/* The ENUM whose words are asked for one by one in place of the index; NULL = the index is made. */
const struct aw_field *aw_spare_words(const struct aw_schema *schema, const struct aw_index *index);
/* The same for a query that such an index would serve; NULL = there is none. */
const struct aw_field *aw_spare_words_of(const struct aw_match *match);

#endif
