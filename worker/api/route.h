/* route.h - what a route is, and what its handler gets and gives; no HTTP library here.
 *
 * A route is one row: everything about it is a column. dispatch.c runs a request against the table: match, guard,
 * parameters, scope, body, handler, answer. Handlers block; they run on a pool thread with a request of their own.
 * Memory of a request: its arena. Threads: a request by one thread at a time. */
#ifndef AW_API_ROUTE_H
#define AW_API_ROUTE_H

#include "worker/base/json.h"
#include "worker/domain/policy.h"
#include "worker/domain/save.h"
#include "worker/domain/sessions.h"

#include "api.h"

struct aw_req;
struct aw_reply;
typedef bool aw_handler(struct aw_req *q, struct aw_reply *r, struct aw_err *err);

#define AW_PUBLIC (-1) /* as permission: everybody, without a token */

/* Which rows a request may touch. Foreign and missing are the same 404, byte for byte. */
enum aw_route_scope {
    AW_SCOPE_MISSING, /* a row that forgot to say it: start is refused */
    AW_SCOPE_NONE,    /* no stored rows of companies, or only the caller's own */
    AW_SCOPE_LIST,    /* whatever the store lets the caller's scope see */
    AW_SCOPE_COMPANY, /* {id} is a company: it is loaded into q->row */
    AW_SCOPE_QUERY,   /* the parameter company_id is a company: loaded into q->row */
    AW_SCOPE_ROW,     /* {id} is a row of `object`: loaded into q->row */
    AW_SCOPE_INNER /* the first hole is a company, the second a row of `object` in it: q->outer, q->row */
};

enum aw_route_pool {
    AW_POOL_STORE, /* the general pool */
    AW_POOL_AUTH,  /* bcrypt */
    AW_POOL_INLINE /* does not block: runs in the network thread */
};

/* A query parameter. With `field`, it is also a condition of the list. */
struct aw_param {
    const char *name, *doc;
    enum aw_ftype type;       /* STR, I64, ENUM, TIME */
    const char *const *words; /* ENUM */
    int64_t min, max; /* I64: range; STR: length in bytes from 1 to max, 0 = AW_PARAM_TEXT_MAX */
    bool required;
    const char *field; /* of the listed schema, or NULL */
    enum aw_op op;
};
#define AW_PARAM_TEXT_MAX 500
#define AW_PARAMS         12
#define AW_HOLES          2 /* of a path */

struct aw_route {
    const char *method; /* GET, POST, PUT */
    const char *path;   /* "/api/incidents/{id}/status": up to two holes */
    int permission;     /* enum aw_permission or AW_PUBLIC */
    enum aw_route_scope scope;
    enum aw_route_pool pool;
    const char *summary;
    const struct aw_param *params;  /* ended by a NULL name; NULL = none */
    const struct aw_schema *body;   /* of POST and PUT; &aw_no_body when there is none */
    const struct aw_schema *object; /* AW_SCOPE_ROW: what {id} is; else what the act is about */
    const struct aw_schema *reply;  /* NULL = described by `media` alone */
    const struct aw_schema *more;   /* further members of the same object, or NULL */
    const char *media;              /* NULL = application/json */
    int also;                       /* another status with the same body as 200, or 0 */
    bool list;         /* the reply is a list of `reply`: limit and cursor are understood */
    const char *audit; /* name of the act; POST and PUT must have one */
    /* AW_SCOPE_ROW and AW_SCOPE_QUERY: loads the row when the store's plain get is not enough */
    bool (*load)(struct aw_req *q, void **row, struct aw_err *err);
    /* PUT: the stored row, into which the body is decoded: read-only members may come along unchanged; or NULL */
    bool (*base)(struct aw_req *q, void **row, struct aw_err *err);
    aw_handler *run;
};
extern const struct aw_schema aw_no_body;
/* It changes something in the name of a user: what an Idempotency-Key is good for. */
bool aw_route_acts(const struct aw_route *route);
/* Names in braces of the path, in arena memory; returns how many there are, also beyond AW_HOLES. */
size_t aw_route_holes(const struct aw_route *route, struct aw_arena *arena,
                      const char *names[AW_HOLES]);

/* A file's routes, ended by a NULL method. */
extern const struct aw_route aw_status_routes[], aw_auth_routes[], aw_company_routes[],
    aw_api_key_routes[], aw_config_routes[], aw_alert_routes[], aw_incident_routes[],
    aw_dead_letter_routes[], aw_notification_routes[], aw_event_routes[], aw_audit_routes[];

/* --- request --- */
struct aw_pair {
    const char *name, *value;
};
#define AW_QUERY_PAIRS 32

struct aw_value {
    bool present;
    const char *text; /* STR */
    int64_t number;   /* I64, ENUM, TIME */
};

struct aw_req {
    struct aw_api *api;
    const struct aw_api_deps *deps;
    struct aw_arena *arena;
    const char *method;
    const char *target; /* as it came: path and query, not decoded */
    const char *authorization, *content_type, *if_match, *idempotency_key,
        *request_id; /* headers, or NULL; request_id is always there */
    const char *body;
    size_t body_len;
    int64_t now_ms; /* wall clock when the request was read */

    /* filled on the way */
    const struct aw_route *route;
    const char *path;  /* decoded */
    const char *id;    /* the path's hole, the last of two */
    const char *outer; /* the first of two holes */
    struct aw_pair pairs[AW_QUERY_PAIRS];
    size_t pair_count;
    struct aw_value values[AW_PARAMS]; /* by the route's params */
    const char *cursor;                /* of a list, or NULL */
    int64_t limit;                     /* of a list, 0 = not given */
    void *in;                          /* decoded body: struct of route->body */
    uint64_t present;                  /* bit i = member i of the body was there */
    struct aw_problems problems;
    struct aw_actor actor; /* zero on public routes */
    struct aw_act act;
    struct aw_reader *reader;
    void *row;              /* by the route's scope */
    const char *company_id; /* of that row, or NULL */
    const char *details;    /* JSON text for the audit row, or NULL */
};

struct aw_reply {
    int status; /* 200 unless set */
    const char *media;
    struct aw_str body;
    int64_t version;   /* > = 0: an ETag is sent */
    int64_t retry_s;   /* > 0: Retry-After */
    const char *link;  /* Link header, or NULL */
    const char *allow; /* Allow header, or NULL */
};

/* Value of a parameter of the route by its name; the name must be in the table. */
const struct aw_value *aw_req_value(const struct aw_req *q, const char *name);
/* Opens q->reader if it is not open. Readers are ended by dispatch, and before a unit is run. */
AW_MUST_CHECK bool aw_req_reader(struct aw_req *q, struct aw_err *err);
/* Runs `unit` on the writer together with the audit row of the route (company q->company_id, object q->id). The unit
 * writes the answer into r, which is empty when it begins: it is kept under an Idempotency-Key with the act. */
AW_MUST_CHECK bool aw_req_commit(struct aw_req *q, struct aw_reply *r, aw_unit_fn *unit, void *arg,
                                 struct aw_err *err);
/* Version that If-Match asks for: -1 = no such header. */
AW_MUST_CHECK bool aw_req_if_match(const struct aw_req *q, int64_t *version, struct aw_err *err);

struct aw_sessions *aw_api_sessions(struct aw_api *api);
const uint8_t *aw_api_cursor_key(const struct aw_api *api); /* 32 bytes */

/* Writes a whole row as the answer, with an ETag when `version` >= 0. */
void aw_reply_row(struct aw_reply *r, const struct aw_schema *schema, const void *row,
                  int64_t version);
/* The members of two rows as one object. */
void aw_reply_joined(struct aw_reply *r, const struct aw_schema *schema, const void *row,
                     const struct aw_schema *more_schema, const void *more);
void aw_reply_problem(struct aw_reply *r, const struct aw_req *q, const struct aw_err *err);
const char *aw_reason(int status); /* "Not Found" */

#endif
