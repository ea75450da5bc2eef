/* dispatch.h - one request from its text to its answer, without a network.
 * Threads: aw_routes_check at start; the rest any. */
#ifndef AW_API_DISPATCH_H
#define AW_API_DISPATCH_H

#include "route.h"

/* Joins the tables; INTERNAL api.routes for a duplicate, a missing permission, scope, audit name or body schema. */
AW_MUST_CHECK bool aw_routes_check(const struct aw_route *const *tables, size_t n,
                                   struct aw_err *err);
extern const struct aw_route *const aw_route_tables[];
extern const size_t aw_route_table_count;
/* Iteration over all rows: at = 0 ... until NULL. */
const struct aw_route *aw_routes_at(size_t at);

/* Splits and decodes q->target and finds the route: MALFORMED api.target, NOT_FOUND api.route, METHOD api.method (with
 * reply->allow). OPTIONS and HEAD are understood. A reply that is complete already has status 204. */
AW_MUST_CHECK bool aw_dispatch_match(struct aw_req *q, struct aw_reply *r, struct aw_err *err);
/* The rest, on a thread that may block. Always fills the reply. */
void aw_dispatch_run(struct aw_req *q, struct aw_reply *r);

/* Steps, in this order (guard.c, params.c, body.c). */
AW_MUST_CHECK bool aw_guard_caller(struct aw_req *q, struct aw_err *err);
AW_MUST_CHECK bool aw_params_read(struct aw_req *q, struct aw_err *err);
AW_MUST_CHECK bool aw_guard_scope(struct aw_req *q, struct aw_err *err);
AW_MUST_CHECK bool aw_body_read(struct aw_req *q, struct aw_err *err);

/* Percent-decodes into the arena; NULL: a bad escape, %00, or %2F when `path`. */
const char *aw_url_decode(struct aw_arena *arena, const char *text, size_t len, bool path);

#endif
