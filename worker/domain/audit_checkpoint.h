/* audit_checkpoint.h - signed statements of how far an audit chain had come (W21): they go to the log and end every
 * export, so that rows cut off at the end of a chain show.
 *
 * Threads: aw_audit_witness_tell one at a time, the rest any. Errors: store codes. */
#ifndef AW_DOMAIN_AUDIT_CHECKPOINT_H
#define AW_DOMAIN_AUDIT_CHECKPOINT_H

#include "audit.h"
#include "worker/base/crypto.h"

struct aw_audit_checkpoint {
    /* five words: "alertwhisper-audit-1", chain, number of rows, hash of the last one ("-" = none), time (RFC 3339) */
    const char *text;
    const char *signature; /* Ed25519 over text, base64 (RFC 4648 section 4) */
};
struct aw_audit_checkpoint aw_audit_checkpoint(struct aw_sealer *sealer, const char *company_id,
                                               const struct aw_audit_head *head, int64_t now_ms,
                                               struct aw_arena *arena);
/* Public key of the signatures, PEM. */
const char *aw_audit_public_key(struct aw_sealer *sealer, struct aw_arena *arena);

/* Writes checkpoints into the log. */
struct aw_audit_witness;
struct aw_audit_witness *aw_audit_witness_create(struct aw_store *store, struct aw_sealer *sealer);
void aw_audit_witness_destroy(struct aw_audit_witness **witness);
/* One line for each chain that is another than at the last call; the first call tells all of them. */
AW_MUST_CHECK bool aw_audit_witness_tell(struct aw_audit_witness *witness, int64_t now_ms,
                                         struct aw_err *err);

#endif
