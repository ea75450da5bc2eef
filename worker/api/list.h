/* list.h - lists: filters, order, signed cursors, the two shapes of W24.
 * Threads: any. Errors: INVALID list.cursor, store codes. */
#ifndef AW_API_LIST_H
#define AW_API_LIST_H

#include "route.h"

#define AW_LIST_DEFAULT 100
#define AW_LIST_MAX     500

struct aw_list {
    const struct aw_schema *schema;
    struct aw_cond fixed; /* beyond the parameters, e.g. incident_id; field NULL = none */
    const char *sort;     /* I64, TIME or STR field; NULL = id */
    bool descending;
    /* last touch before the rows are shown, or NULL */
    void (*finish)(struct aw_rows *rows, int64_t now_ms);
};
/* Reads the head of the event stream, then the rows that the caller may see, and writes the reply. */
AW_MUST_CHECK bool aw_list_reply(struct aw_req *q, struct aw_reply *r, const struct aw_list *list,
                                 struct aw_err *err);

extern const struct aw_param aw_list_params[]; /* limit and cursor, as the documents show them */

#endif
