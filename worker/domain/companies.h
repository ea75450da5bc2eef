/* companies.h - the tenants: name, policy, what happens with unknown assets, their place in the
 * rate words. Threads: changes on the writer thread. Errors: INVALID company.id, CONFLICT
 * company.slots, store codes. */
#ifndef AW_DOMAIN_COMPANIES_H
#define AW_DOMAIN_COMPANIES_H

#include "save.h"
#include "worker/model/model.h"

/* 1 to AW_COMPANY_ID_MAX of [A-Za-z0-9._-] */
bool aw_company_id_ok(const char *id);
/* Takes id, name, policy and unknown_assets of `want`; a new company gets a rate slot that no other
 * ever had. */
AW_MUST_CHECK bool aw_company_save(struct aw_tx *tx, const struct aw_company *want,
                                   const struct aw_act *act, struct aw_company **company,
                                   enum aw_saved *saved, struct aw_err *err);

#endif
