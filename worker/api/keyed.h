/* keyed.h - Idempotency-Key: the answer to an act is kept in the unit of the act, and given again to the same request
 * (W25).
 *
 * A key belongs to a user and stands for one request: method, target and body. Its answer is kept for AW_KEPT_REPLY_MS from
 * the act on, sealed, since it may hold a secret; refused requests keep nothing and may be tried again. The unit
 * decides, so of two requests at once exactly one acts. Threads: aw_keyed_answered any, the rest on the writer thread.
 * Errors: INVALID idempotency.key (no such key can be), INVALID idempotency.reused (it stands for another request),
 * crypto and store codes. */
#ifndef AW_API_KEYED_H
#define AW_API_KEYED_H

#include "route.h"

extern const struct aw_param aw_keyed_param[]; /* the header, as the documents show it */

/* Before anything is looked at that the act itself may have changed: *known = the answer is there, in r. */
AW_MUST_CHECK bool aw_keyed_answered(struct aw_req *q, struct aw_reply *r, bool *known,
                                     struct aw_err *err);
/* The same inside the unit. */
AW_MUST_CHECK bool aw_keyed_found(struct aw_tx *tx, struct aw_req *q, struct aw_reply *r,
                                  bool *known, struct aw_err *err);
/* Keeps the answer, which is whole. */
AW_MUST_CHECK bool aw_keyed_keep(struct aw_tx *tx, const struct aw_req *q, const struct aw_reply *r,
                                 struct aw_err *err);

#endif
