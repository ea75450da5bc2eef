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

/* How far a chain has come. */
struct aw_audit_head {
    int64_t number; /* of the last row, 0 = none */
    char hash[AW_AUDIT_HASH_TEXT + 1];
};
AW_MUST_CHECK bool aw_audit_head(struct aw_reader *reader, const char *company_id,
                                 struct aw_audit_head *head, struct aw_err *err);
/* The heads of all chains, in no order. */
AW_MUST_CHECK bool aw_audit_heads(struct aw_reader *reader,
                                  void (*each)(void *arg, const char *company_id,
                                               const struct aw_audit_head *head),
                                  void *arg, struct aw_err *err);
/* Rows `from` to `to` of a chain in their order; each() returns false to stop. */
AW_MUST_CHECK bool aw_audit_each(struct aw_reader *reader, const char *company_id, int64_t from,
                                 int64_t to, bool (*each)(void *arg, const void *row), void *arg,
                                 struct aw_err *err);

struct aw_audit_verdict {
    int64_t rows; /* rows that hold, from number 1 on */
    int64_t bad;  /* number of the first row that does not hold (changed, missing, past the head, or
                    one behind the last when there are rows beside the chain), 0 = all hold */
    char head[AW_AUDIT_HASH_TEXT + 1]; /* hash of the last row that holds, "" = none */
};
/* Recounts a whole chain and compares it with its head. BUSY audit.growing: it does not hold still. */
AW_MUST_CHECK bool aw_audit_verify(struct aw_reader *reader, const char *company_id,
                                   struct aw_audit_verdict *verdict, struct aw_err *err);

#endif
