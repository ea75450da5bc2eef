#include "list.h"

static bool list_companies(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {.schema = &aw_company_schema};
    return aw_list_reply(q, r, &list, err);
}

static bool get_company(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    (void)err;
    aw_reply_row(r, &aw_company_schema, q->row, ((const struct aw_company *)q->row)->version);
    return true;
}

static bool list_assets(struct aw_req *q, struct aw_reply *r, struct aw_err *err)
{
    const struct aw_list list = {
        .schema = &aw_asset_schema,
        .fixed = {.field = "company_id", .op = AW_OP_EQ, .text = q->id},
        .sort = "name",
    };
    return aw_list_reply(q, r, &list, err);
}

const struct aw_route aw_company_routes[] = {
    {
        .method = "GET",
        .path = "/api/companies",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_LIST,
        .summary = "Companies that the caller may see",
        .reply = &aw_company_schema,
        .list = true,
        .run = list_companies,
    },
    {
        .method = "GET",
        .path = "/api/companies/{id}",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_COMPANY,
        .summary = "One company",
        .reply = &aw_company_schema,
        .run = get_company,
    },
    {
        .method = "GET",
        .path = "/api/companies/{id}/assets",
        .permission = AW_MAY_VIEW,
        .scope = AW_SCOPE_COMPANY,
        .summary = "Assets of a company, by name",
        .reply = &aw_asset_schema,
        .list = true,
        .run = list_assets,
    },
    {.method = NULL},
};
