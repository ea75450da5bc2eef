#include "companies.h"

#include <string.h>

#include "correlation.h"
#include "src/aw_state.h"

static const struct aw_saving saving_base = {
    .schema = &aw_company_schema,
    .noun = "company",
    .permission = "view",
};

bool aw_company_id_ok(const char *id)
{
    size_t len = strlen(id);
    return len >= 1 && len <= AW_COMPANY_ID_MAX &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool next_slot(struct aw_tx *tx, int64_t *slot, struct aw_err *err)
{
    const struct aw_query query = {.schema = &aw_company_schema,
                                   .sort = "rate_slot",
                                   .descending = true,
                                   .limit = 1};
    struct aw_rows rows;
    if (!aw_tx_find(tx, &aw_scope_all, &query, &rows, err)) {
        return false;
    }
    *slot = rows.n > 0 ? ((const struct aw_company *)rows.v[0])->rate_slot + 1 : 0;
    if (*slot >= AW_RATE_SLOTS) {
        return aw_fail(err, AW_ERR_CONFLICT, "company.slots",
                       "there are %d companies, which is the limit", AW_RATE_SLOTS);
    }
    return true;
}

bool aw_company_save(struct aw_tx *tx, const struct aw_company *want, const struct aw_act *act,
                     struct aw_company **company, enum aw_saved *saved, struct aw_err *err)
{
    if (!aw_company_id_ok(want->id)) {
        return aw_fail(err, AW_ERR_INVALID, "company.id",
                       "a company id has 1 to %d of [A-Za-z0-9._-]", AW_COMPANY_ID_MAX);
    }
    void *old;
    if (!aw_tx_peek(tx, &aw_company_schema, want->id, &old, err)) {
        return false;
    }
    struct aw_company *row = AW_NEW(aw_tx_arena(tx), struct aw_company);
    *row = old ? *(struct aw_company *)old
               : (struct aw_company){.id = want->id, .company_id = want->id};
    row->name = want->name;
    row->policy = want->policy;
    row->unknown_assets = want->unknown_assets;
    if (!old && !next_slot(tx, &row->rate_slot, err)) {
        return false;
    }
    struct aw_saving saving = saving_base;
    saving.company_id = row->id;
    if (!aw_save(tx, &saving, old, row, act, saved, err)) {
        return false;
    }
    aw_correlation_forget(row->id);
    *company = row;
    return true;
}
