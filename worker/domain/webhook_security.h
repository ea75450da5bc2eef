/* webhook_security.h - HMAC of a company's webhook: on or off, and its secrets.
 * Threads: changes on the writer thread, the rest any. Errors: INVALID webhook_security.secret,
 * crypto and store codes. */
#ifndef AW_DOMAIN_WEBHOOK_SECURITY_H
#define AW_DOMAIN_WEBHOOK_SECURITY_H

#include "save.h"
#include "worker/base/crypto.h"
#include "worker/model/model.h"

#define AW_HMAC_SECRET_MIN 16
#define AW_HMAC_SECRET_MAX 256

/* The stored row, or what holds without one: off. */
AW_MUST_CHECK bool aw_webhook_security_get(struct aw_reader *reader, const char *company_id,
                                           struct aw_arena *arena, struct aw_webhook_security **row,
                                           struct aw_err *err);
/* Switches on with a new secret (NULL = made at random); a secret in use till now stays accepted
 * beside it. A secret equal to the one in use changes nothing. *plain: the secret. */
AW_MUST_CHECK bool aw_webhook_security_enable(struct aw_tx *tx, struct aw_sealer *sealer,
                                              const char *company_id, const char *secret,
                                              const struct aw_act *act,
                                              struct aw_webhook_security **row, const char **plain,
                                              enum aw_saved *saved, struct aw_err *err);
/* Switches off and forgets the secrets. */
AW_MUST_CHECK bool aw_webhook_security_disable(struct aw_tx *tx, const char *company_id,
                                               const struct aw_act *act,
                                               struct aw_webhook_security **row,
                                               enum aw_saved *saved, struct aw_err *err);
/* The plain secrets of a row, newest first: 0 to 2. */
AW_MUST_CHECK bool aw_webhook_security_secrets(const struct aw_webhook_security *row,
                                               struct aw_sealer *sealer, struct aw_arena *arena,
                                               struct aw_bytes secrets[2], size_t *n,
                                               struct aw_err *err);

#endif
