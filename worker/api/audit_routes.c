#include "list.h"

#include <string.h>

#include "worker/domain/audit.h"
#include "worker/domain/audit_checkpoint.h"

#define EXPORT_ROWS 10000 /* of one answer */

static const char *const refused_words[] = {"false", "true", NULL};

static const struct aw_param filters[] = {
    {.name = "company_id",
     .type = AW_T_STR,
     .field = "company_id",
     .doc = "of this company; - = of no company"},
    {.name = "user_id", .type = AW_T_STR, .field = "user_id", .doc = "done by this user"},
    {.name = "action", .type = AW_T_STR, .field = "action", .doc = "e.g. company.created"},
    {.name = "object", .type = AW_T_STR, .field = "object", .doc = "collection of the object"},
    {.name = "object_id", .type = AW_T_STR, .field = "object_id", .doc = "id of the object"},
    {.name = "refused",
     .type = AW_T_ENUM,
     .words = refused_words,
     .field = "refused",
     .doc = "whether the act was refused"},
    {.name = "since",
     .type = AW_T_TIME,
     .field = "timestamp",
     .op = AW_OP_GE,
     .doc = "at or after"},
    {.name = "until", .type = AW_T_TIME, .field = "timestamp", .op = AW_OP_LT, .doc = "before"},
    {.name = NULL},
};

static bool list_audit(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_audit_schema,
                                 .sort = "timestamp",
                                 .descending = true};
    return aw_list_reply(q, r, &list, err);
}

/* The company of the query; the acts of no company are for who sees all companies. */
static bool load_chain(struct aw_req *q, void **row, struct aw_err *err)
{
    const char *id = aw_req_value(q, "company_id")->text;
    if (q->actor.scope.all && strcmp(id, AW_AUDIT_NO_COMPANY) == 0) {
        struct aw_company *none = AW_NEW(q->arena, struct aw_company);
        none->id = none->company_id = AW_AUDIT_NO_COMPANY;
        *row = none;
        return true;
    }
    return aw_store_get(q->reader, &q->actor.scope, &aw_company_schema, id, q->arena, row, err);
}

/* --- export: rows as lines, then the checkpoint --- */

static const struct aw_param export_params[] = {
    {.name = "company_id",
     .type = AW_T_STR,
     .required = true,
     .doc = "company whose chain it is; - = the acts of no company"},
    {.name = "from",
     .type = AW_T_I64,
     .min = 1,
     .max = INT64_C(9999999999999999),
     .doc = "number of the first row, 1 unless given"},
    {.name = NULL},
};

static void close_line(struct aw_str *body)
{
    aw_str_add(body, "\n");
}

static bool add_row(void *arg, const void *row)
{
    struct aw_str *body = arg;
    struct aw_json json;
    aw_json_init(&json, body);
    aw_json_row(&json, &aw_audit_schema, row, false);
    close_line(body);
    return true;
}

static void add_checkpoint(struct aw_str *body, const struct aw_audit_checkpoint *checkpoint)
{
    struct aw_json json;
    aw_json_init(&json, body);
    aw_json_open(&json, '{');
    aw_json_key(&json, "checkpoint");
    aw_json_str(&json, checkpoint->text);
    aw_json_key(&json, "signature");
    aw_json_str(&json, checkpoint->signature);
    aw_json_close(&json, '}');
    close_line(body);
}

/* The checkpoint is always that of the whole chain: a part that ends before it is continued with `from`. */
static bool export_chain(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_value *given = aw_req_value(q, "from");
    int64_t from = given->present ? given->number : 1, to = from + EXPORT_ROWS - 1;
    struct aw_audit_head head;
    if (!aw_audit_head(q->reader, q->company_id, &head, err) ||
        !aw_audit_each(q->reader, q->company_id, from, to < head.number ? to : head.number, add_row,
                       &r->body, err)) {
        return false;
    }
    const struct aw_audit_checkpoint checkpoint =
        aw_audit_checkpoint(q->deps->sealer, q->company_id, &head, q->now_ms, q->arena);
    add_checkpoint(&r->body, &checkpoint);
    return true;
}

/* --- the chain, recounted --- */

static const struct aw_param chain_param[] = {
    {.name = "company_id",
     .type = AW_T_STR,
     .required = true,
     .doc = "company whose chain it is; - = the acts of no company"},
    {.name = NULL},
};

struct verified {
    const char *company_id;
    bool holds;
    int64_t rows, bad;
    const char *checkpoint, *signature;
};
static const struct aw_field verified_fields[] = {
    AW_FIELD(verified, company_id, STR, .doc = "the chain, - = of no company"),
    AW_FIELD(verified, holds, BOOL, .doc = "no row was changed, taken out or added"),
    AW_FIELD(verified, rows, I64, .doc = "rows that hold, from number 1 on"),
    AW_FIELD(verified, bad, I64, .doc = "number of the first row that does not hold, 0 = none"),
    AW_FIELD(verified, checkpoint, STR, .flags = AW_F_NULLABLE,
             .doc = "signed text: alertwhisper-audit-1, chain, rows, hash of the last one, time; "
                    "null when the chain does not hold"),
    AW_FIELD(verified, signature, STR, .flags = AW_F_NULLABLE, .doc = "Ed25519, base64"),
};
static const struct aw_schema verified_schema =
    AW_SCHEMA(verified, "audit_verdict", verified_fields, .doc = "an audit chain, recounted");

static bool verify_chain(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct aw_audit_verdict verdict;
    struct aw_audit_checkpoint checkpoint = {0};
    if (!aw_audit_verify(q->reader, q->company_id, &verdict, err)) {
        return false;
    }
    if (verdict.bad == 0) {
        struct aw_audit_head head = {.number = verdict.rows};
        memcpy(head.hash, verdict.head, sizeof(head.hash));
        checkpoint =
            aw_audit_checkpoint(q->deps->sealer, q->company_id, &head, q->now_ms, q->arena);
    }
    const struct verified out = {
        .company_id = q->company_id,
        .holds = verdict.bad == 0,
        .rows = verdict.rows,
        .bad = verdict.bad,
        .checkpoint = checkpoint.text,
        .signature = checkpoint.signature,
    };
    aw_reply_row(r, &verified_schema, &out, -1);
    return true;
}

static bool public_key(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    aw_str_add(&r->body, aw_audit_public_key(q->deps->sealer, q->arena));
    return true;
}

const struct aw_route aw_audit_routes[] = {
    {
        .method = "GET",
        .path = "/api/audit-logs",
        .permission = AW_MAY_VIEW_AUDIT,
        .scope = AW_SCOPE_LIST,
        .summary = "Who did what, newest first",
        .params = filters,
        .reply = &aw_audit_schema,
        .list = true,
        .run = list_audit,
    },
    {
        .method = "GET",
        .path = "/api/audit-logs/export",
        .permission = AW_MAY_VIEW_AUDIT,
        .scope = AW_SCOPE_QUERY,
        .summary = "The audit trail of a company as JSON lines, up to 10000 rows, and then the "
                   "signed checkpoint of the whole chain",
        .params = export_params,
        .media = "application/x-ndjson",
        .load = load_chain,
        .run = export_chain,
    },
    {
        .method = "GET",
        .path = "/api/audit-logs/verify",
        .permission = AW_MAY_VIEW_AUDIT,
        .scope = AW_SCOPE_QUERY,
        .summary = "Recount the audit trail of a company",
        .params = chain_param,
        .reply = &verified_schema,
        .load = load_chain,
        .run = verify_chain,
    },
    {
        .method = "GET",
        .path = "/api/audit-logs/key",
        .permission = AW_MAY_VIEW_AUDIT,
        .scope = AW_SCOPE_NONE,
        .summary = "Public key of the checkpoints, PEM",
        .media = "application/x-pem-file",
        .run = public_key,
    },
    {.method = NULL},
};
