#include "list.h"

#include "worker/domain/alerts.h"

static const struct aw_param filters[] = {
    {.name = "company_id", .type = AW_T_STR, .field = "company_id", .doc = "of this company"},
    {.name = "status",
     .type = AW_T_ENUM,
     .words = aw_alert_status_words,
     .field = "status",
     .doc = "in this state"},
    {.name = "severity",
     .type = AW_T_ENUM,
     .words = aw_severity_names,
     .field = "severity",
     .doc = "of this severity"},
    {.name = "asset_name", .type = AW_T_STR, .field = "asset_name", .doc = "of this asset"},
    {.name = "signature",
     .type = AW_T_STR,
     .max = 4 * AW_SIGNATURE_MAX,
     .field = "signature",
     .doc = "of this kind"},
    {.name = "tool_source", .type = AW_T_STR, .field = "tool_source", .doc = "sent by this tool"},
    {.name = "since",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_GE,
     .doc = "received at or after"},
    {.name = "until",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_LT,
     .doc = "received before"},
    {.name = NULL},
};

static bool list_alerts(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_alert_schema,
                                 .sort = "created_at",
                                 .descending = true};
    return aw_list_reply(q, r, &list, err);
}

static bool load_alert(struct aw_req *q, void **row, struct aw_err *err)
{
    struct aw_alert *alert;
    if (!aw_alert_get(q->reader, &q->actor.scope, q->id, q->arena, &alert, err)) {
        return false;
    }
    *row = alert;
    return true;
}

static bool get_alert(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    aw_reply_row(r, &aw_alert_schema, q->row, ((const struct aw_alert *)q->row)->version);
    return true;
}

const struct aw_route aw_alert_routes[] = {
    {
        .method = "GET",
        .path = "/api/alerts",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_LIST,
        .summary = "Alerts, newest first",
        .params = filters,
        .reply = &aw_alert_schema,
        .list = true,
        .run = list_alerts,
    },
    {
        .method = "GET",
        .path = "/api/alerts/{id}",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_ROW,
        .summary = "One alert, by any id that was answered for it",
        .object = &aw_alert_schema,
        .reply = &aw_alert_schema,
        .load = load_alert,
        .run = get_alert,
    },
    {.method = NULL},
};
