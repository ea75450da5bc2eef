/* runbooks.h - which remedy belongs to which signature.
 * Threads: changes on the writer thread. Errors: store codes. */
#ifndef AW_DOMAIN_RUNBOOKS_H
#define AW_DOMAIN_RUNBOOKS_H

#include "save.h"
#include "worker/model/model.h"

/* Keyed by (company_id, name); takes signature and risk_level of `want`. */
AW_MUST_CHECK bool aw_runbook_save(struct aw_tx *tx, const struct aw_runbook *want,
                                   const struct aw_act *act, enum aw_saved *saved,
                                   struct aw_err *err);

#endif
