#include "list.h"

#include "worker/domain/notifications.h"

#define MARK_MAX 500 /* of one request, so that no unit is long */

static const char *const read_words[] = {"false", "true", NULL};

static const struct aw_param filters[] = {
    {.name = "company_id", .type = AW_T_STR, .field = "company_id", .doc = "of this company"},
    {.name = "read",
     .type = AW_T_ENUM,
     .words = read_words,
     .field = "read",
     .doc = "whether somebody has seen it"},
    {.name = "severity",
     .type = AW_T_ENUM,
     .words = aw_severity_names,
     .field = "severity",
     .doc = "of this severity"},
    {.name = NULL},
};

static bool list_notifications(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_notification_schema,
                                 .sort = "created_at",
                                 .descending = true};
    return aw_list_reply(q, r, &list, err);
}

struct mark {
    struct aw_req *q;
    struct aw_reply *r;
};

static bool read_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct mark *mark = arg;
    struct aw_req *q = mark->q;
    struct aw_notification *row;
    if (!aw_notification_read(tx, &q->actor.scope, q->id, q->act.user_id, q->now_ms, &row, err)) {
        return false;
    }
    aw_reply_row(mark->r, &aw_notification_schema, row, row->version);
    return true;
}

static bool mark_read(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct mark mark = {q, r};
    return aw_req_commit(q, r, read_unit, &mark, err);
}

/* --- all of a company --- */

struct marked {
    int64_t marked;
    bool more;
};
static const struct aw_field marked_fields[] = {
    AW_FIELD(marked, marked, I64, .doc = "notifications that are read now and were not before"),
    AW_FIELD(marked, more, BOOL, .doc = "there may be older ones left: ask again"),
};
static const struct aw_schema marked_schema =
    AW_SCHEMA(marked, "notifications_marked", marked_fields, .doc = "what has been marked");

static const struct aw_param company_param[] = {
    {.name = "company_id", .type = AW_T_STR, .required = true, .doc = "company whose bell it is"},
    {.name = NULL},
};

static bool read_all_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct mark *mark = arg;
    struct aw_req *q = mark->q;
    const struct aw_scope scope = {.companies = &q->company_id, .n = 1};
    size_t n;
    if (!aw_notifications_read_all(tx, &scope, q->act.user_id, q->now_ms, MARK_MAX, &n, err)) {
        return false;
    }
    const struct marked out = {.marked = (int64_t)n, .more = n == MARK_MAX};
    q->details = aw_arena_printf(q->arena, "{\"marked\":%zu}", n);
    aw_reply_row(mark->r, &marked_schema, &out, -1);
    return true;
}

static bool read_all(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct mark mark = {q, r};
    return aw_req_commit(q, r, read_all_unit, &mark, err);
}

const struct aw_route aw_notification_routes[] = {
    {
        .method = "GET",
        .path = "/api/notifications",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_LIST,
        .summary = "The bell, newest first",
        .params = filters,
        .reply = &aw_notification_schema,
        .list = true,
        .run = list_notifications,
    },
    {
        .method = "PUT",
        .path = "/api/notifications/{id}/read",
        .permission = AW_MAY_HANDLE_ALERTS,
        .scope = AW_SCOPE_ROW,
        .summary = "Mark a notification as read, for everybody of its company",
        .body = &aw_no_body,
        .object = &aw_notification_schema,
        .reply = &aw_notification_schema,
        .audit = "notification.read",
        .run = mark_read,
    },
    {
        .method = "PUT",
        .path = "/api/notifications/read-all",
        .permission = AW_MAY_HANDLE_ALERTS,
        .scope = AW_SCOPE_QUERY,
        .summary = "Mark the newest unread notifications of a company as read, up to 500",
        .params = company_param,
        .body = &aw_no_body,
        .reply = &marked_schema,
        .audit = "notifications.read",
        .run = read_all,
    },
    {.method = NULL},
};
