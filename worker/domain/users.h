/* users.h - people: found by e-mail (lower case), role, companies, added permissions.
 * Threads: aw_user_save on the writer thread, the rest any. Errors: INVALID user.email,
 * user.permission, user.company, store codes. */
#ifndef AW_DOMAIN_USERS_H
#define AW_DOMAIN_USERS_H

#include "save.h"
#include "worker/model/model.h"

#define AW_PASSWORD_MIN  10 /* bytes */
#define AW_PASSWORD_MAX  72 /* bytes: bcrypt looks at no more */
#define AW_PASSWORD_COST 12

/* Lower-case copy of an address with something on both sides of one "@", or NULL. */
const char *aw_user_email(const char *text, struct aw_arena *arena);
/* NULL = no such user. email in lower case. */
AW_MUST_CHECK bool aw_user_find(struct aw_reader *reader, const char *email, struct aw_arena *arena,
                                struct aw_user **user, struct aw_err *err);
AW_MUST_CHECK bool aw_user_find_tx(struct aw_tx *tx, const char *email, struct aw_user **user,
                                   struct aw_err *err);
/* Keyed by email; takes name, role, company_ids, permissions, disabled of `want`, and password_hash
 * if it is not NULL. Permissions and companies must exist. */
AW_MUST_CHECK bool aw_user_save(struct aw_tx *tx, const struct aw_user *want,
                                const struct aw_act *act, struct aw_user **user,
                                enum aw_saved *saved, struct aw_err *err);

#endif
