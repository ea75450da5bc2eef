#include "list.h"

#include "worker/domain/dead_letters.h"

static const struct aw_param filters[] = {
    {.name = "company_id", .type = AW_T_STR, .field = "company_id", .doc = "of this company"},
    {.name = "since",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_GE,
     .doc = "put away at or after"},
    {.name = "until",
     .type = AW_T_TIME,
     .field = "created_at",
     .op = AW_OP_LT,
     .doc = "put away before"},
    {.name = NULL},
};

static bool list_letters(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_dead_letter_schema,
                                 .sort = "created_at",
                                 .descending = true};
    return aw_list_reply(q, r, &list, err);
}

struct letter_act {
    struct aw_req *q;
    struct aw_reply *r;
    bool (*run)(struct aw_tx *tx, const struct aw_scope *scope, const char *id, const char *actor,
                int64_t now_ms, struct aw_err *err);
};

static bool act_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct letter_act *act = arg;
    struct aw_req *q = act->q;
    if (!act->run(tx, &q->actor.scope, q->id, q->act.user_id, q->now_ms, err)) {
        return false;
    }
    aw_reply_row(act->r, &aw_dead_letter_schema, q->row, -1);
    return true;
}

static bool retry(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct letter_act act = {q, r, aw_dead_letter_retry};
    return aw_req_commit(q, r, act_unit, &act, err);
}

static bool discard(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct letter_act act = {q, r, aw_dead_letter_discard};
    return aw_req_commit(q, r, act_unit, &act, err);
}

const struct aw_route aw_dead_letter_routes[] = {
    {
        .method = "GET",
        .path = "/api/dead-letters",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_LIST,
        .summary = "Accepted deliveries that could not become alerts, newest first",
        .params = filters,
        .reply = &aw_dead_letter_schema,
        .list = true,
        .run = list_letters,
    },
    {
        .method = "POST",
        .path = "/api/dead-letters/{id}/retry",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_ROW,
        .summary = "Take the delivery in again, as if it had just arrived; the letter is gone then",
        .body = &aw_no_body,
        .object = &aw_dead_letter_schema,
        .reply = &aw_dead_letter_schema,
        .audit = "dead_letter.retried",
        .run = retry,
    },
    {
        .method = "POST",
        .path = "/api/dead-letters/{id}/discard",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_ROW,
        .summary = "Give the delivery up for good",
        .body = &aw_no_body,
        .object = &aw_dead_letter_schema,
        .reply = &aw_dead_letter_schema,
        .audit = "dead_letter.discarded",
        .run = discard,
    },
    {.method = NULL},
};
