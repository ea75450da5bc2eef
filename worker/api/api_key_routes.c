#include "list.h"

#include "worker/domain/api_keys.h"

static bool list_keys(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {
        .schema = &aw_api_key_schema,
        .fixed = {.field = "company_id", .op = AW_OP_EQ, .text = q->id},
        .sort = "name",
    };
    return aw_list_reply(q, r, &list, err);
}

struct revealed {
    const char *api_key;
};
static const struct aw_field revealed_fields[] = {
    AW_FIELD(revealed, api_key, STR, .doc = "the key, as monitoring tools send it"),
};
static const struct aw_schema revealed_schema =
    AW_SCHEMA(revealed, "revealed_api_key", revealed_fields, .doc = "an API key in plain text");

struct reveal {
    struct aw_req *q;
    struct aw_reply *r;
};

static bool reveal_unit(struct aw_tx *tx, void *arg, struct aw_err *err)
{
    const struct reveal *work = arg;
    struct aw_req *q = work->q;
    struct revealed out;
    void *row;
    if (!aw_tx_get(tx, &q->actor.scope, &aw_api_key_schema, q->id, &row, err) ||
        !aw_api_key_plain(row, q->deps->sealer, q->arena, &out.api_key, err)) {
        return false;
    }
    aw_reply_row(work->r, &revealed_schema, &out, -1);
    return true;
}

static bool reveal(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    struct reveal work = {q, r};
    return aw_req_commit(q, r, reveal_unit, &work, err);
}

const struct aw_route aw_api_key_routes[] = {
    {
        .method = "GET",
        .path = "/api/companies/{id}/api-keys",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_COMPANY,
        .summary = "API keys of a company, by name; without the keys themselves",
        .reply = &aw_api_key_schema,
        .list = true,
        .run = list_keys,
    },
    {
        .method = "POST",
        .path = "/api/companies/{id}/api-keys/{key_id}/reveal",
        .permission = AW_MAY_MANAGE_COMPANY,
        .scope = AW_SCOPE_INNER,
        .summary = "Show an API key once more",
        .body = &aw_no_body,
        .object = &aw_api_key_schema,
        .reply = &revealed_schema,
        .audit = "api_key.revealed",
        .run = reveal,
    },
    {.method = NULL},
};
