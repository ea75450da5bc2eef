/* apply_company.h - one company of an apply file; and what both halves of apply share.
 * Threads: the writer thread (the run is inside its unit), but for the preparation of users. */
#ifndef AW_DOMAIN_APPLY_COMPANY_H
#define AW_DOMAIN_APPLY_COMPANY_H

#include "apply.h"
#include "save.h"
#include "worker/base/json.h"

enum aw_apply_secret { AW_MADE_KEY, AW_MADE_SECRET, AW_MADE_PASSWORD };
struct aw_apply_made {
    enum aw_apply_secret kind;
    const char *owner, *name, *secret;
    struct aw_apply_made *next;
};

struct aw_apply_run {
    const struct aw_apply_deps *deps;
    struct aw_arena *arena; /* of the caller: outlives the unit */
    const struct aw_node *root;
    struct aw_reader *reader; /* while users are prepared */
    struct aw_apply_password *passwords;
    size_t user; /* place in the list of users */
    struct aw_tx *tx;
    struct aw_act act;
    int64_t counts[3]; /* by enum aw_saved */
    struct aw_apply_made *made, **made_end;
};

typedef bool aw_apply_item(struct aw_apply_run *run, const struct aw_node *node,
                           const char *pointer, const char *company_id, struct aw_err *err);
/* Every item of a list (NULL = absent, nothing to do). */
AW_MUST_CHECK bool aw_apply_each(struct aw_apply_run *run, const struct aw_node *list,
                                 const char *pointer, const char *company_id, aw_apply_item *item,
                                 struct aw_err *err);
AW_MUST_CHECK aw_apply_item aw_apply_company;

/* pointer and the formatted rest, in arena memory */
const char *aw_apply_at(const struct aw_apply_run *run, const char *pointer, const char *fmt, ...)
    AW_PRINTF(3, 4);
/* INVALID apply.fields at the pointer; returns false. */
bool aw_apply_fail(struct aw_err *err, const char *pointer, const char *detail);
/* Passes `ok` on; an error that names no member gets this pointer. */
bool aw_apply_named(bool ok, const char *pointer, struct aw_err *err);
/* Decodes the members of node that are not `extras` into row: over the stored row (what is not named stays), or as a
 * new one. */
AW_MUST_CHECK bool aw_apply_decode(const struct aw_apply_run *run, const struct aw_node *node,
                                   const char *pointer, const struct aw_schema *schema,
                                   const char *const *extras, bool stored, void *row,
                                   struct aw_err *err);
/* A member that is a text, or NULL when absent. */
AW_MUST_CHECK bool aw_apply_text(const struct aw_node *node, const char *name, const char *pointer,
                                 const char **text, struct aw_err *err);
void aw_apply_made(struct aw_apply_run *run, enum aw_apply_secret kind, const char *owner,
                   const char *name, const char *secret);

#endif
