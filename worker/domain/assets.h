/* assets.h - the monitored things of a company, by name.
 * Threads: changes on the writer thread. Errors: store codes. */
#ifndef AW_DOMAIN_ASSETS_H
#define AW_DOMAIN_ASSETS_H

#include "save.h"
#include "worker/model/model.h"

/* Keyed by (company_id, name); takes type, os, critical and instance_id of `want`, and
 * for a new asset its id, if there is one. */
AW_MUST_CHECK bool aw_asset_save(struct aw_tx *tx, const struct aw_asset *want,
                                 const struct aw_act *act, enum aw_saved *saved,
                                 struct aw_err *err);

#endif
