/* apply.h - companies, their configuration and users out of one JSON file, as one unit of work.
 *
 * {"companies":[{"id","name","policy","unknown_assets","assets":[{"name","type","os","critical","instance_id"}],
 *   "api_keys":[{"name","key","networks","expires_at"}],"webhook_security":{"enabled","secret"},"rate_limit":{...},
 *   "correlation_config":{...},"runbooks":[{"name","signature","risk_level"}]}],
 *  "users":[{"email","name","role","company_ids","permissions","password","disabled"}]}
 * Creates what is missing and updates what differs; what is not named stays. Lists are keyed:
 * assets, API keys and runbooks by name, users by email. A second run with the same file writes
 * nothing. Keys, secrets and passwords that are needed and not given are made at random and stand
 * in the result, the only place where they are shown. Threads: any but the writer's (bcrypt runs in
 * the caller). */
#ifndef AW_DOMAIN_APPLY_H
#define AW_DOMAIN_APPLY_H

#include "worker/base/crypto.h"
#include "worker/base/str.h"
#include "worker/store/writer.h"

struct aw_apply_deps {
    struct aw_store *store;
    struct aw_writer *writer;
    struct aw_sealer *sealer;
};
/* On success `result` holds
 * {"created":n,"updated":n,"unchanged":n,"generated":{"api_keys":[{"company_id","name",
 * "key"}],"hmac_secrets":[{"company_id","secret"}],"passwords":[{"email","password"}]}}. Errors:
 * MALFORMED json.*, INVALID with err->field = JSON pointer of the member that is wrong; nothing is
 * written then. */
AW_MUST_CHECK bool aw_apply(const struct aw_apply_deps *deps, const char *text, size_t len,
                            struct aw_arena *arena, struct aw_str *result, struct aw_err *err);

#endif
