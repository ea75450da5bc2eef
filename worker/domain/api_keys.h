/* api_keys.h - keys of the webhook: found by SHA-256, kept sealed too (ruling 16).
 * Threads: aw_api_key_save on the writer thread, the rest any. Errors: INVALID api_key.format,
 * CONFLICT api_key.taken (another company or name has it), crypto and store codes. */
#ifndef AW_DOMAIN_API_KEYS_H
#define AW_DOMAIN_API_KEYS_H

#include "save.h"
#include "worker/base/crypto.h"
#include "worker/model/model.h"

#define AW_API_KEY_MIN 16 /* bytes of a key that somebody brings along */

/* "ak_live_" and 256 random bits. */
const char *aw_api_key_generate(struct aw_arena *arena);
/* AW_API_KEY_MIN to AW_API_KEY_MAX visible ASCII characters. */
bool aw_api_key_ok(const char *key);
/* Keyed by (company_id, name); takes networks and expires_at of `want`. key: the plain text, NULL =
 * keep the stored one or make one. *made: the plain text of a key that was made here, else NULL. */
AW_MUST_CHECK bool aw_api_key_save(struct aw_tx *tx, struct aw_sealer *sealer,
                                   const struct aw_api_key *want, const char *key,
                                   const struct aw_act *act, const char **made,
                                   enum aw_saved *saved, struct aw_err *err);
/* The key itself, out of its sealed form. */
AW_MUST_CHECK bool aw_api_key_plain(const struct aw_api_key *row, struct aw_sealer *sealer,
                                    struct aw_arena *arena, const char **key, struct aw_err *err);

#endif
