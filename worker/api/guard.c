#include "dispatch.h"

#include <string.h>
#include <strings.h>

#include "worker/domain/audit.h"
#include "worker/base/log.h"

bool aw_req_reader(struct aw_req *q, struct aw_err *err)
{
    return q->reader || aw_store_read_begin(q->deps->store, &q->reader, err);
}

static const char *bearer_of(const struct aw_req *q)
{
    static const char scheme[] = "Bearer ";
    if (!q->authorization || strncasecmp(q->authorization, scheme, sizeof(scheme) - 1) != 0) {
        return NULL;
    }
    return q->authorization + sizeof(scheme) - 1;
}

static bool audit_refusal(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct aw_req *q = arg;
    /* in the chain of the company only when the caller belongs to it: nobody writes into another's trail */
    const char *company_id = q->route->scope == AW_SCOPE_COMPANY ? q->id : q->outer;
    bool own = company_id && aw_scope_sees(&q->actor.scope, company_id);
    const struct aw_audit_act act = {
        .company_id = own ? company_id : NULL,
        .user_id = q->act.user_id,
        .action = q->route->audit,
        .object = q->route->object ? q->route->object->name : NULL,
        .object_id = q->id,
        .refused = true,
        .now_ms = q->now_ms,
    };
    return aw_audit_add(tx, &act, err);
}

static bool refuse(struct aw_req *q, struct aw_err *err)
{
    struct aw_err lost;
    aw_store_read_end(&q->reader);
    if (q->route->audit &&
        !aw_writer_run(q->deps->writer, "api.refusal", audit_refusal, q, AW_ONCE, &lost)) {
        aw_log(AW_LOG_WARN, "api.audit_failed", AW_E(&lost));
    }
    return aw_fail(err, AW_ERR_FORBIDDEN, "api.permission", "The permission \"%s\" is needed",
                   aw_permission_word(q->route->permission));
}

bool aw_guard_caller(struct aw_req *q, struct aw_err *err)
{
    q->act.now_ms = q->now_ms;
    if (q->route->permission == AW_PUBLIC) {
        return true;
    }
    const char *token = bearer_of(q);
    if (!token) {
        return aw_fail(err, AW_ERR_UNAUTHENTICATED, "auth.missing", "Not authenticated");
    }
    struct aw_user *user;
    if (!aw_req_reader(q, err) || !aw_sessions_user(aw_api_sessions(q->api), q->reader, token,
                                                    strlen(token), q->arena, &user, err)) {
        return false;
    }
    aw_policy_actor(user, &q->actor);
    q->act.user_id = user->id;
    return aw_policy_may(&q->actor, q->route->permission) || refuse(q, err);
}

/* Row of a company, or any row that has one. */
static void remember_company(struct aw_req *q, const struct aw_schema *schema)
{
    const struct aw_field *field = aw_schema_field(schema, "company_id", strlen("company_id"));
    q->company_id = field ? *(const char **)aw_field_at(field, q->row) : NULL;
}

bool aw_guard_scope(struct aw_req *q, struct aw_err *err)
{
    const struct aw_route *route = q->route;
    const struct aw_schema *schema = &aw_company_schema;
    const char *id = q->id;
    if (route->scope == AW_SCOPE_NONE || route->scope == AW_SCOPE_LIST) {
        return true;
    }
    if (route->scope == AW_SCOPE_QUERY) {
        id = aw_req_value(q, "company_id")->text;
    } else if (route->scope == AW_SCOPE_ROW || route->scope == AW_SCOPE_INNER) {
        schema = route->object;
    }
    bool ok = route->load
                  ? route->load(q, &q->row, err)
                  : aw_store_get(q->reader, &q->actor.scope, schema, id, q->arena, &q->row, err);
    if (!ok) {
        return false;
    }
    remember_company(q, schema);
    return !q->outer || (q->company_id && strcmp(q->company_id, q->outer) == 0) ||
           aw_fail(err, AW_ERR_NOT_FOUND, "api.outer", "The row is of another company");
}
