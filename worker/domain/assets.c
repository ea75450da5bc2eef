#include "assets.h"

#include "correlation.h"

bool aw_asset_save(struct aw_tx *tx, const struct aw_asset *want, const struct aw_act *act,
                   enum aw_saved *saved, struct aw_err *err)
{
    void *old;
    if (!aw_find_named(tx, &aw_asset_schema, want->company_id, "name", want->name, &old, err)) {
        return false;
    }
    struct aw_asset *row = AW_NEW(aw_tx_arena(tx), struct aw_asset);
    *row = *want;
    row->id = old ? ((struct aw_asset *)old)->id : want->id;
    row->id = row->id ? row->id : aw_new_id(aw_tx_arena(tx), act->now_ms);
    const struct aw_saving saving = {.schema = &aw_asset_schema,
                                     .noun = "asset",
                                     .permission = "view",
                                     .company_id = want->company_id};
    if (!aw_save(tx, &saving, old, row, act, saved, err)) {
        return false;
    }
    aw_correlation_forget(want->company_id);
    return true;
}
