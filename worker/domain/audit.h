/* audit.h - the audit trail: append-only rows in a hash chain per company (W21).
 *
 * A row belongs to the unit of its act. Numbers of a company are contiguous from 1; each row holds
 * the hash of the one before it. The head of a chain stands in `meta` and is carried in the same
 * unit. Threads: aw_audit_add on the writer thread, the rest any. Errors: store codes. */
#ifndef AW_DOMAIN_AUDIT_H
#define AW_DOMAIN_AUDIT_H

#include "worker/model/model.h"
#include "worker/store/store.h"

#define AW_AUDIT_NO_COMPANY "-" /* chain of the acts that belong to no company */

struct aw_audit_act {
    const char *company_id; /* NULL = AW_AUDIT_NO_COMPANY */
    const char *user_id;    /* NULL = the product itself, or nobody yet (a failed login) */
    const char *action;     /* "company.created" */
    const char *object;     /* collection, or NULL */
    const char *object_id;  /* or NULL */
    const char *details;    /* JSON text, or NULL = {} */
    bool refused;
    int64_t now_ms;
};
/* Appends one row to the chain of the company, inside the caller's unit. */
AW_MUST_CHECK bool aw_audit_add(struct aw_tx *tx, const struct aw_audit_act *act,
                                struct aw_err *err);

/* SHA-256 of (previous_hash, every other member but id, version and hash, each with its length),
 * lower-case hex. */
#define AW_AUDIT_HASH_TEXT 64
void aw_audit_hash(const struct aw_audit *row, char text[AW_AUDIT_HASH_TEXT + 1]);

struct aw_audit_verdict {
    int64_t rows; /* rows that hold, from number 1 on */
    int64_t bad; /* number of the first row that does not hold (changed, missing, or past the head),
                    0 = all hold */
    char head[AW_AUDIT_HASH_TEXT + 1]; /* hash of the last row that holds, "" = none */
};
/* Recounts a whole chain and compares it with its head. */
AW_MUST_CHECK bool aw_audit_verify(struct aw_reader *reader, const char *company_id,
                                   struct aw_audit_verdict *verdict, struct aw_err *err);

#endif
