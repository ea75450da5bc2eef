/* sessions.h - signing in: password check, growing waits per account, access tokens, audit.
 *
 * A login costs one bcrypt whether the account is there or not; callers run it on threads of their
 * own. From the 5th failure in a row an account waits 1 s, doubling to 15 min; the waits live in
 * memory. A disabled user is refused like a wrong password. Threads: any. */
#ifndef AW_DOMAIN_SESSIONS_H
#define AW_DOMAIN_SESSIONS_H

#include "worker/store/writer.h"
#include "tokens.h"

struct aw_sessions;

AW_MUST_CHECK bool aw_sessions_create(struct aw_store *store, struct aw_writer *writer,
                                      struct aw_sealer *sealer, struct aw_sessions **sessions,
                                      struct aw_err *err);
void aw_sessions_destroy(struct aw_sessions **sessions);

/* UNAUTHENTICATED auth.credentials; RATE auth.wait with *retry_s set. On success *user is the row
 * and *token is new. */
AW_MUST_CHECK bool aw_sessions_login(struct aw_sessions *sessions, const char *email,
                                     const char *password, struct aw_arena *arena,
                                     struct aw_user **user, const char **token, int64_t *retry_s,
                                     struct aw_err *err);
/* Token to user row as it is now; a deleted or disabled user is UNAUTHENTICATED auth.token. */
AW_MUST_CHECK bool aw_sessions_user(struct aw_sessions *sessions, struct aw_reader *reader,
                                    const char *token, size_t len, struct aw_arena *arena,
                                    struct aw_user **user, struct aw_err *err);

#endif
