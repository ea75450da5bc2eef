/* open_keys.h - which incident is open for a key (W10), and how rows become the engine's words.
 * Threads: pure. */
#ifndef AW_DOMAIN_OPEN_KEYS_H
#define AW_DOMAIN_OPEN_KEYS_H

#include "correlate.h"
#include "worker/model/model.h"

/* base64url of SHA-256 over the parts, each with its length, so that no text in one of them forges
 * another. */
const char *aw_key_hash(const char *const *parts, size_t n, struct aw_arena *arena);

/* Id of the open_keys row: "company:hash". */
const char *aw_open_key_id(const char *company_id, const char *asset_name, const char *signature,
                           struct aw_arena *arena);

struct aw_correlate_rules aw_correlation_rules(const struct aw_correlation_config *config);
/* False when the id is no UUID. */
AW_MUST_CHECK bool aw_correlate_alert_of(const struct aw_alert *row, bool runbook,
                                         struct aw_correlate_alert *alert);

#endif
